// SPDX-License-Identifier: GPL-2.0-or-later
//! Files and spans.

/// A file of a [`SourceMap`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FileId(pub u32);

/// A range of bytes in a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// Where this span starts, with nothing in it.
    #[must_use]
    pub fn empty(self) -> Span {
        Span { end: self.start, ..self }
    }

    /// From the start of this span to the end of another of the same file.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { end: other.end.max(self.end), ..self }
    }
}

/// A line and a column, both from 1; columns count bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position {
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in bytes.
    pub column: u32,
}

/// Longest text of a file in bytes: offsets are `u32`, and no script is so long.
pub const MAX_SOURCE: usize = 64 << 20;

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    /// Only if they are not the text's.
    bytes: Option<Box<[u8]>>,
    line_starts: Vec<u32>,
}

impl Source {
    /// The name that messages show.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text, as long as the bytes; those that are not UTF-8 have become `?`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes as they were read.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or(self.text.as_bytes())
    }
}

/// All texts that spans point into.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// A map with no file.
    pub fn new() -> SourceMap {
        SourceMap::default()
    }

    /// Adds a file. What is beyond [`MAX_SOURCE`] bytes is left out.
    pub fn add(&mut self, name: impl Into<String>, bytes: &[u8]) -> FileId {
        let bytes = bytes.get(..MAX_SOURCE).unwrap_or(bytes);
        let (text, bytes) = match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), None),
            Err(_) => (printable(bytes), Some(bytes.into())),
        };
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(n, _)| n as u32 + 1))
            .collect();
        self.sources.push(Source { name: name.into(), text, bytes, line_starts });
        FileId(self.sources.len() as u32 - 1)
    }

    /// A file; `None` for an id of another map.
    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.sources.get(file.0 as usize)
    }

    /// The name of a file.
    pub fn name(&self, file: FileId) -> &str {
        self.get(file).map_or("<unknown>", Source::name)
    }

    /// The text that a span covers.
    pub fn text(&self, span: Span) -> &str {
        let text = self.get(span.file).map_or("", Source::text);
        text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    /// Where a span starts.
    pub fn position(&self, span: Span) -> Position {
        let Some(source) = self.get(span.file) else { return Position { line: 1, column: 1 } };
        let line = source.line_starts.partition_point(|start| *start <= span.start);
        let start = source.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        Position { line: line as u32, column: span.start.saturating_sub(start) + 1 }
    }

    /// The text of a line, from 1, without its end.
    pub fn line(&self, file: FileId, line: u32) -> &str {
        let Some(source) = self.get(file) else { return "" };
        let index = (line as usize).saturating_sub(1);
        let Some(&start) = source.line_starts.get(index) else { return "" };
        let rest = source.text.get(start as usize..).unwrap_or_default();
        rest.lines().next().unwrap_or_default()
    }
}

/// Bytes as text of the same length.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one() {
        let mut map = SourceMap::new();
        let file = map.add("t", b"ab\ncd\n");
        let at = |start| map.position(Span { file, start, end: start });
        assert_eq!(at(0), Position { line: 1, column: 1 });
        assert_eq!(at(4), Position { line: 2, column: 2 });
        assert_eq!(at(6), Position { line: 3, column: 1 });
        assert_eq!(map.line(file, 2), "cd");
    }

    #[test]
    fn bytes_that_are_no_text_keep_their_places() {
        let mut map = SourceMap::new();
        let file = map.add("t", b"a\xff\xfeb");
        let source = map.get(file).unwrap();
        assert_eq!((source.text(), source.bytes()), ("a??b", &b"a\xff\xfeb"[..]));
    }
}

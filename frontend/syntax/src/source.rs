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

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    line_starts: Vec<u32>,
}

impl Source {
    /// The name that messages show.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text; bytes that are not UTF-8 have become U+FFFD.
    pub fn text(&self) -> &str {
        &self.text
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

    /// Adds a file.
    pub fn add(&mut self, name: impl Into<String>, bytes: &[u8]) -> FileId {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(n, _)| n as u32 + 1))
            .collect();
        self.sources.push(Source { name: name.into(), text, line_starts });
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

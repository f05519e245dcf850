// SPDX-License-Identifier: GPL-2.0-or-later
//! What a library file defines, found without parsing it.
//!
//! One walk over the bytes that knows comments, strings, brackets and embedded C, and
//! looks at the words of the top level only. Both branches of a conditional count: the
//! parser decides later which one is there. The build script includes this file to index
//! the embedded tapset, so it knows nothing of the crate.

/// What kind of thing a name is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    /// `function name`
    Function,
    /// `global name`
    Global,
    /// `probe name.name = ...`
    Alias,
    /// `@define name`
    Macro,
}

/// A definition that other files can see.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Definition {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its name; the components of an alias with their dots, without white space.
    pub(crate) name: String,
}

/// The definitions of a file, in its order. Private ones are left out.
pub(crate) fn scan(text: &[u8]) -> Vec<Definition> {
    let mut scanner = Scanner { text, at: 0 };
    let mut found = Vec::new();
    let mut depth = 0usize;
    let mut private = false;
    while let Some(token) = scanner.token() {
        match token {
            b"{" | b"(" | b"[" => depth += 1,
            b"}" | b")" | b"]" => depth = depth.saturating_sub(1),
            b"private" if depth == 0 => private = true,
            b"function" if depth == 0 => {
                let name = scanner.token().unwrap_or_default();
                add(&mut found, Kind::Function, name, std::mem::take(&mut private));
            }
            b"global" if depth == 0 => {
                globals(&mut scanner, &mut found, std::mem::take(&mut private));
            }
            b"probe" if depth == 0 => aliases(&mut scanner, &mut found),
            b"@define" => {
                let name = scanner.token().unwrap_or_default();
                add(&mut found, Kind::Macro, name, false);
            }
            _ => {}
        }
    }
    found
}

fn add(found: &mut Vec<Definition>, kind: Kind, name: &[u8], private: bool) {
    if !private && name.first().is_some_and(|&byte| is_word(byte)) {
        found.push(Definition { kind, name: String::from_utf8_lossy(name).into_owned() });
    }
}

/// `a, b = 1, c[10]` behind `global`, up to what cannot belong to it.
fn globals(scanner: &mut Scanner<'_>, found: &mut Vec<Definition>, private: bool) {
    loop {
        let name = scanner.token().unwrap_or_default();
        add(found, Kind::Global, name, private);
        loop {
            let before = scanner.at;
            match scanner.token() {
                Some(b",") => break,
                Some(b"[" | b"]" | b"=" | b"%" | b"-" | b"\"") => {}
                Some(token) if token.first().is_some_and(u8::is_ascii_digit) => {}
                _ => {
                    scanner.at = before;
                    return;
                }
            }
        }
    }
}

/// `a.b, c.d = ` behind `probe`; a probe without `=` defines nothing.
fn aliases(scanner: &mut Scanner<'_>, found: &mut Vec<Definition>) {
    let mut names = vec![String::new()];
    let mut depth = 0usize;
    while let Some(token) = scanner.peek() {
        match token {
            b"=" if depth == 0 => {
                for name in names {
                    add(found, Kind::Alias, name.as_bytes(), false);
                }
                return;
            }
            // `+=` is two tokens here.
            b"+" => {}
            b"{" | b"}" => return,
            b"," if depth == 0 => names.push(String::new()),
            token => {
                if token == b"(" {
                    depth += 1;
                } else if token == b")" {
                    depth = depth.saturating_sub(1);
                }
                let text = String::from_utf8_lossy(token);
                if let Some(name) = names.last_mut() {
                    name.push_str(&text);
                }
            }
        }
        scanner.token();
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl<'a> Scanner<'a> {
    fn peek(&mut self) -> Option<&'a [u8]> {
        let before = self.at;
        let token = self.token();
        self.at = before;
        token
    }

    /// A word, with its `@` if it has one, a string as `"`, or any other byte.
    fn token(&mut self) -> Option<&'a [u8]> {
        self.space();
        let text = self.text;
        let start = self.at;
        let first = *text.get(start)?;
        let end = match first {
            b'"' => {
                self.at = self.string(start + 1);
                return text.get(start..=start);
            }
            b'%' if text.get(start + 1) == Some(&b'{') => {
                self.at = self.find(start + 2, b"%}");
                return self.token();
            }
            // Brackets of the preprocessor are none of the script's.
            b'%' if matches!(text.get(start + 1), Some(b'(' | b')' | b'?' | b':')) => start + 2,
            b'@' => self.word(start + 1),
            byte if is_word(byte) => self.word(start),
            _ => start + 1,
        };
        self.at = end;
        text.get(start..end)
    }

    fn word(&self, from: usize) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|&&byte| is_word(byte)).count()
    }

    /// The position behind the end of a string.
    fn string(&self, from: usize) -> usize {
        let mut at = from;
        while let Some(&byte) = self.text.get(at) {
            at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        at
    }

    fn find(&self, from: usize, wanted: &[u8]) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        let position = rest.windows(wanted.len()).position(|window| window == wanted);
        position.map_or(self.text.len(), |position| from + position + wanted.len())
    }

    fn space(&mut self) {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            match rest {
                [b'/', b'*', ..] => self.at = self.find(self.at + 2, b"*/"),
                [b'/', b'/', ..] | [b'#', ..] => self.at = self.find(self.at, b"\n"),
                [byte, ..] if byte.is_ascii_whitespace() => self.at += 1,
                _ => return,
            }
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads POSIX extended regular expressions.
//!
//! What SystemTap's translator takes is taken, and what it refuses is refused, which is
//! a little more than POSIX says: a closure may follow a closure, a lone `)`, `]` or `}`
//! stands for itself, an alternative may be empty. Expressions match bytes; no string
//! has a NUL, so no class contains it.

use super::{Regex, RegexError};
use regex_syntax::hir::{Capture, Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};

/// Deepest nesting of groups.
const MAX_DEPTH: usize = 200;
/// Largest number in a bounded repetition.
const MAX_REPEAT: u32 = 1000;

pub(super) fn parse(pattern: &[u8]) -> Result<Regex, RegexError> {
    let mut parser = Parser { pattern, at: 0, groups: 0 };
    let tree = parser.alternatives(0)?;
    let whole = Hir::capture(Capture { index: 0, name: None, sub: Box::new(tree) });
    Ok(Regex { tree: whole, groups: parser.groups + 1 })
}

struct Parser<'a> {
    pattern: &'a [u8],
    at: usize,
    groups: u32,
}

/// What a closure stands behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Anchor,
    Other,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn wrong<T>(&self, message: impl Into<String>) -> Result<T, RegexError> {
        Err(RegexError::Syntax { position: self.at, message: message.into() })
    }

    /// `a|b|c`, up to the end or the group's `)`.
    fn alternatives(&mut self, depth: usize) -> Result<Hir, RegexError> {
        let mut all = vec![self.sequence(depth)?];
        while self.take(b'|') {
            all.push(self.sequence(depth)?);
        }
        Ok(Hir::alternation(all))
    }

    fn sequence(&mut self, depth: usize) -> Result<Hir, RegexError> {
        let mut all = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b'|' => break,
                b')' if depth > 0 => break,
                b'*' | b'+' | b'?' | b'{' => {
                    return self.wrong(format!("unexpected '{}'", char::from(byte)));
                }
                _ => {}
            }
            let (mut item, kind) = self.item(byte, depth)?;
            while let Some(closure) = self.closure(kind)? {
                let (min, max) = closure;
                item = Hir::repetition(Repetition { min, max, greedy: true, sub: Box::new(item) });
            }
            all.push(item);
        }
        Ok(Hir::concat(all))
    }

    fn item(&mut self, byte: u8, depth: usize) -> Result<(Hir, Kind), RegexError> {
        self.at += 1;
        Ok(match byte {
            b'^' => (Hir::look(Look::Start), Kind::Anchor),
            b'$' => (Hir::look(Look::End), Kind::Anchor),
            b'.' => (class(vec![range(1, 255)]), Kind::Other),
            b'(' => (self.group(depth)?, Kind::Other),
            b'[' => (self.bracket()?, Kind::Other),
            b'\\' => {
                let Some(escaped) = self.peek() else {
                    return self.wrong("unexpected end of regex");
                };
                self.at += 1;
                (Hir::literal([escaped]), Kind::Other)
            }
            _ => (Hir::literal([byte]), Kind::Other),
        })
    }

    fn group(&mut self, depth: usize) -> Result<Hir, RegexError> {
        if depth >= MAX_DEPTH {
            return self.wrong("groups are nested too deep");
        }
        self.groups += 1;
        let index = self.groups;
        let inner = self.alternatives(depth + 1)?;
        if !self.take(b')') {
            return self.wrong("expected ), found end of regex");
        }
        Ok(Hir::capture(Capture { index, name: None, sub: Box::new(inner) }))
    }

    /// `*`, `+`, `?` or `{n}`, `{n,}`, `{n,m}`.
    fn closure(&mut self, kind: Kind) -> Result<Option<(u32, Option<u32>)>, RegexError> {
        let Some(byte) = self.peek() else { return Ok(None) };
        if matches!(byte, b'*' | b'+' | b'?' | b'{') && kind == Kind::Anchor {
            let message =
                format!("postfix closure '{}' applied to anchoring operator", char::from(byte));
            return self.wrong(message);
        }
        let bounds = match byte {
            b'*' => (0, None),
            b'+' => (1, None),
            b'?' => (0, Some(1)),
            b'{' => {
                self.at += 1;
                return self.bounds().map(Some);
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(bounds))
    }

    fn bounds(&mut self) -> Result<(u32, Option<u32>), RegexError> {
        let min = self.number()?;
        let max = match self.take(b',') {
            false => Some(min),
            true if self.peek() == Some(b'}') => None,
            true => Some(self.number()?),
        };
        match self.peek() {
            Some(b'}') => self.at += 1,
            Some(_) => return self.wrong("expected }"),
            None => return self.wrong("unexpected end of regex"),
        }
        if max.is_some_and(|max| max < min) {
            return self.wrong(format!("inverted repetition bounds {min},{}", max.unwrap_or(0)));
        }
        Ok((min, max))
    }

    fn number(&mut self) -> Result<u32, RegexError> {
        let digits = self.pattern.get(self.at..).unwrap_or_default();
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return self.wrong("expected number");
        }
        let text = std::str::from_utf8(&digits[..count]).unwrap_or_default();
        let number = text.parse().ok().filter(|number| *number <= MAX_REPEAT);
        let Some(number) = number else {
            return self.wrong(format!("repetition count above {MAX_REPEAT}"));
        };
        self.at += count;
        Ok(number)
    }

    /// What stands between `[` and `]`.
    fn bracket(&mut self) -> Result<Hir, RegexError> {
        let opened = self.at;
        let negated = self.take(b'^');
        let mut ranges = Vec::new();
        let first = self.at;
        loop {
            let Some(byte) = self.peek() else {
                let message = "unclosed character class".to_owned();
                return Err(RegexError::Syntax { position: opened, message });
            };
            if byte == b']' && self.at > first {
                self.at += 1;
                break;
            }
            if byte == b'[' && self.pattern.get(self.at + 1) == Some(&b':') {
                ranges.extend(self.named_class()?);
                continue;
            }
            self.at += 1;
            match self.range_end() {
                Some(end) => {
                    if end < byte {
                        let (low, high) = (char::from(byte), char::from(end));
                        return self.wrong(format!("Inverted character range {low}-{high}"));
                    }
                    ranges.push(range(byte, end));
                }
                None => ranges.push(range(byte, byte)),
            }
        }
        let mut all = ClassBytes::new(ranges);
        if negated {
            all.negate();
            all.intersect(&ClassBytes::new([range(1, 255)]));
        }
        Ok(Hir::class(Class::Bytes(all)))
    }

    /// The end of a range `a-b` whose start has been read; a `-` before `]` is none.
    fn range_end(&mut self) -> Option<u8> {
        let rest = self.pattern.get(self.at..)?;
        match rest {
            [b'-', end, ..] if *end != b']' => {
                self.at += 2;
                Some(*end)
            }
            _ => None,
        }
    }

    /// `[:name:]`
    fn named_class(&mut self) -> Result<Vec<ClassBytesRange>, RegexError> {
        let rest = self.pattern.get(self.at + 2..).unwrap_or_default();
        let Some(length) = rest.windows(2).position(|pair| pair == b":]") else {
            return self.wrong("unclosed character class");
        };
        let name = &rest[..length];
        let members: fn(&u8) -> bool = match name {
            b"alpha" => u8::is_ascii_alphabetic,
            b"digit" => u8::is_ascii_digit,
            b"alnum" => u8::is_ascii_alphanumeric,
            b"upper" => u8::is_ascii_uppercase,
            b"lower" => u8::is_ascii_lowercase,
            b"punct" => u8::is_ascii_punctuation,
            b"graph" => u8::is_ascii_graphic,
            b"print" => |byte| byte.is_ascii_graphic() || *byte == b' ',
            b"space" => |byte| matches!(byte, 9..=13 | b' '),
            b"blank" => |byte| matches!(byte, b'\t' | b' '),
            b"cntrl" => |byte| matches!(byte, 1..=31 | 127),
            b"xdigit" => u8::is_ascii_hexdigit,
            _ => {
                let name = String::from_utf8_lossy(name).into_owned();
                return self.wrong(format!("unknown character class '{name}'"));
            }
        };
        self.at += length + 4;
        Ok((1..=255u8).filter(members).map(|byte| range(byte, byte)).collect())
    }
}

fn range(start: u8, end: u8) -> ClassBytesRange {
    ClassBytesRange::new(start, end)
}

fn class(ranges: Vec<ClassBytesRange>) -> Hir {
    Hir::class(Class::Bytes(ClassBytes::new(ranges)))
}

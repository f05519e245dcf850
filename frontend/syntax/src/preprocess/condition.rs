// SPDX-License-Identifier: GPL-2.0-or-later
//! The condition of `%( condition %? a %: b %)`.

use super::Pass;
use crate::lexer::unescape;
use crate::token::{Token, TokenKind};
use std::cmp::Ordering;

/// How two operands are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn of(kind: &TokenKind) -> Option<Comparison> {
        let TokenKind::Symbol(symbol) = kind else { return None };
        Some(match *symbol {
            "==" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        })
    }

    fn is_equality(self) -> bool {
        matches!(self, Comparison::Equal | Comparison::NotEqual)
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Equal => ordering == Ordering::Equal,
            Comparison::NotEqual => ordering != Ordering::Equal,
            Comparison::Less => ordering == Ordering::Less,
            Comparison::LessOrEqual => ordering != Ordering::Greater,
            Comparison::Greater => ordering == Ordering::Greater,
            Comparison::GreaterOrEqual => ordering != Ordering::Less,
        }
    }
}

const OPERANDS: &str = "expected 'arch', 'kernel_v', 'kernel_vr', 'systemtap_v', 'runtime', \
                        'systemtap_privilege', 'guru_mode', 'CONFIG_...', or comparison between \
                        strings or integers";

/// A comparison's tokens.
struct Compared<'t> {
    left: &'t Token,
    symbol: &'t Token,
    comparison: Comparison,
    right: &'t Token,
}

impl Pass<'_> {
    /// Reads `a || b && c` of comparisons up to the `%?`; `None` after an error.
    pub(super) fn condition(&mut self, open: &Token) -> Option<bool> {
        let (mut any, mut all) = (false, true);
        loop {
            all &= self.comparison(open)?;
            let after = self.expanded();
            match after.kind {
                TokenKind::Symbol("&&") => {}
                TokenKind::Symbol("||") => {
                    any |= all;
                    all = true;
                }
                TokenKind::Symbol("%?") => return Some(any | all),
                _ => {
                    self.put_back(&after);
                    self.error("expected '%?' marker for conditional", open);
                    return None;
                }
            }
        }
    }

    /// A marker of the conditional that an error met has to be found by what skips it.
    fn put_back(&mut self, token: &Token) {
        if matches!(token.kind, TokenKind::Symbol("%:" | "%)" | "%(")) {
            self.unread();
        }
    }

    fn comparison(&mut self, open: &Token) -> Option<bool> {
        let left = self.expanded();
        if matches!(left.kind, TokenKind::End | TokenKind::Symbol("%?" | "%:" | "%)" | "%(")) {
            self.put_back(&left);
            self.error("incomplete condition after '%('", open);
            return None;
        }
        let known = match &left.kind {
            TokenKind::Number(_) | TokenKind::Text(_) => true,
            TokenKind::Identifier(name) => is_operand(name),
            _ => false,
        };
        if !known {
            self.error(OPERANDS, &left);
            return None;
        }
        let symbol = self.expanded();
        let Some(comparison) = Comparison::of(&symbol.kind) else {
            self.put_back(&symbol);
            self.error("expected comparison operator", &symbol);
            return None;
        };
        let right = self.expanded();
        if matches!(right.kind, TokenKind::End | TokenKind::Symbol("%?" | "%:" | "%)" | "%(")) {
            self.put_back(&right);
            self.error("expected right value of the comparison", &right);
            return None;
        }
        self.compare(&Compared { left: &left, symbol: &symbol, comparison, right: &right })
    }

    fn compare(&mut self, of: &Compared<'_>) -> Option<bool> {
        match &of.left.kind {
            TokenKind::Number(left) => match of.right.kind {
                TokenKind::Number(right) => Some(of.comparison.holds(left.cmp(&right))),
                _ => self.wrong("expected number literal as right value", of.right),
            },
            TokenKind::Text(left) => match &of.right.kind {
                TokenKind::Text(right) => Some(of.comparison.holds(left.cmp(right))),
                _ => self.wrong("expected string literal as right value", of.right),
            },
            TokenKind::Identifier(name) => match &**name {
                "guru_mode" => self.guru_mode(of),
                "kernel_v" | "kernel_vr" | "systemtap_v" => self.version(name, of),
                _ if name.starts_with("CONFIG_") => self.configuration(name, of),
                _ => self.named(name, of),
            },
            _ => self.wrong(OPERANDS, of.left),
        }
    }

    fn wrong<T>(&mut self, message: &str, at: &Token) -> Option<T> {
        self.error(message, at);
        None
    }

    fn equality(&mut self, of: &Compared<'_>) -> Option<()> {
        if of.comparison.is_equality() {
            return Some(());
        }
        self.wrong("expected '==' or '!='", of.symbol)
    }

    fn guru_mode(&mut self, of: &Compared<'_>) -> Option<bool> {
        let TokenKind::Number(right) = of.right.kind else {
            return self.wrong("expected number", of.right);
        };
        self.equality(of)?;
        Some(of.comparison.holds(i64::from(self.options.guru).cmp(&right)))
    }

    fn version(&mut self, name: &str, of: &Compared<'_>) -> Option<bool> {
        let TokenKind::Text(right) = &of.right.kind else {
            return self.wrong("expected string literal", of.right);
        };
        let right = String::from_utf8_lossy(right).into_owned();
        let release = self.options.environment.kernel_release();
        let version = match name {
            "kernel_vr" => release,
            // What a distribution puts behind the numbers does not belong to the version.
            "kernel_v" => {
                let end = release.find('-').unwrap_or(release.len());
                release.get(..end).unwrap_or(release)
            }
            _ => self.options.environment.language_version(),
        };
        if !right.contains(['*', '?', '[']) {
            return Some(of.comparison.holds(compare_versions(version, &right)));
        }
        if !of.comparison.is_equality() {
            return self.wrong("wildcard not allowed with order comparison operators", of.symbol);
        }
        let found = glob(right.as_bytes(), version.as_bytes());
        Some(found == (of.comparison == Comparison::Equal))
    }

    /// `CONFIG_X == "y"`, `CONFIG_HZ == 250`, `CONFIG_X == CONFIG_Y`.
    fn configuration(&mut self, name: &str, of: &Compared<'_>) -> Option<bool> {
        let value = self.options.environment.config(name).unwrap_or_default();
        match &of.right.kind {
            TokenKind::Number(right) => {
                // One that is not set counts as 0.
                let digits = if value.is_empty() { "0" } else { &value };
                let Ok(left) = digits.parse::<i64>() else {
                    return self.wrong("Config option value not a number", of.left);
                };
                Some(of.comparison.holds(left.cmp(right)))
            }
            TokenKind::Identifier(other) if other.starts_with("CONFIG_") => {
                let other = self.options.environment.config(other).unwrap_or_default();
                let numbers = (value.parse::<i64>(), other.parse::<i64>());
                let ordering = match numbers {
                    (Ok(left), Ok(right)) => left.cmp(&right),
                    _ => value.cmp(&other),
                };
                Some(of.comparison.holds(ordering))
            }
            TokenKind::Text(_) => self.matches(&value, of),
            _ => self.wrong(
                "expected string, number literal or other CONFIG_... as right side operand",
                of.right,
            ),
        }
    }

    fn named(&mut self, name: &str, of: &Compared<'_>) -> Option<bool> {
        let environment = self.options.environment;
        let value = match name {
            "arch" => environment.architecture(),
            "runtime" => environment.runtime(),
            _ => environment.privilege(),
        };
        self.matches(value, of)
    }

    /// A value compared with a pattern.
    fn matches(&mut self, value: &str, of: &Compared<'_>) -> Option<bool> {
        let TokenKind::Text(right) = &of.right.kind else {
            return self.wrong("expected string literal", of.right);
        };
        self.equality(of)?;
        let found = glob(&unescape(right), value.as_bytes());
        Some(found == (of.comparison == Comparison::Equal))
    }
}

fn is_operand(name: &str) -> bool {
    matches!(
        name,
        "arch"
            | "guru_mode"
            | "kernel_v"
            | "kernel_vr"
            | "runtime"
            | "systemtap_privilege"
            | "systemtap_v"
    ) || name.starts_with("CONFIG_")
}

/// Compares versions part by part: numbers as numbers, anything else byte by byte.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    parts(a).cmp(parts(b))
}

/// Runs of digits and single other bytes; dots only separate.
fn parts(text: &str) -> impl Iterator<Item = (u64, u8)> + '_ {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        loop {
            let (&first, after) = rest.split_first()?;
            if first == b'.' {
                rest = after;
                continue;
            }
            if !first.is_ascii_digit() {
                rest = after;
                return Some((0, first));
            }
            let length = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
            let (digits, after) = rest.split_at(length);
            rest = after;
            let fold = |n: u64, d: &u8| n.saturating_mul(10).saturating_add(u64::from(d - b'0'));
            // One more, so that a number is more than a letter at its place.
            return Some((digits.iter().fold(0, fold).saturating_add(1), 0));
        }
    })
}

/// Does a shell pattern of `*`, `?` and `[...]` match a whole text? It takes at most
/// the product of both lengths.
pub fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        let rest = pattern.get(p..).unwrap_or_default();
        if rest.first() == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if let Some(length) = matched_by(rest, byte) {
            p += length;
            t += 1;
        } else {
            let Some((star_p, star_t)) = star else { return false };
            // The last star takes one byte more.
            star = Some((star_p, star_t + 1));
            p = star_p + 1;
            t = star_t + 1;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// The length of the pattern's first part if it stands for this byte.
fn matched_by(pattern: &[u8], byte: u8) -> Option<usize> {
    let (&first, rest) = pattern.split_first()?;
    match first {
        b'?' => Some(1),
        b'[' => {
            let negated = matches!(rest.first(), Some(b'!' | b'^'));
            let start = usize::from(negated);
            // A bracket right at the beginning is one of the set.
            let length = rest.iter().skip(start + 1).position(|b| *b == b']');
            let Some(end) = length.map(|n| n + start + 1) else {
                return (byte == b'[').then_some(1);
            };
            let set = rest.get(start..end).unwrap_or_default();
            (in_set(set, byte) != negated).then_some(end + 2)
        }
        wanted => (wanted == byte).then_some(1),
    }
}

fn in_set(mut set: &[u8], byte: u8) -> bool {
    while let Some((&low, rest)) = set.split_first() {
        match rest {
            [b'-', high, after @ ..] => {
                if (low..=*high).contains(&byte) {
                    return true;
                }
                set = after;
            }
            _ => {
                if low == byte {
                    return true;
                }
                set = rest;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        assert!(glob(b"vfs_*", b"vfs_read"));
        assert!(glob(b"*_r??d*", b"vfs_read"));
        assert!(!glob(b"vfs_?", b"vfs_read"));
        assert!(glob(b"*", b""));
        assert!(glob(b"[a-c]x[!y]", b"bxz"));
        assert!(!glob(b"[a-c]x[!y]", b"bxy"));
        assert!(glob(b"[]]", b"]"));
        assert!(glob(b"[", b"["));
    }

    #[test]
    fn versions() {
        assert_eq!(compare_versions("6.12.1", "6.1"), Ordering::Greater);
        assert_eq!(compare_versions("6.1.0-56-cloud", "6.1.0"), Ordering::Greater);
        assert_eq!(compare_versions("2.6.32", "2.6.32"), Ordering::Equal);
        assert_eq!(compare_versions("2.6.32-rc1", "2.6.32-rc2"), Ordering::Less);
    }
}

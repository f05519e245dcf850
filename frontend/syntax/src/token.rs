// SPDX-License-Identifier: GPL-2.0-or-later
//! What a script is made of.

use crate::source::Span;

/// A token where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where. A token that a script argument made stands where `$1` does.
    pub span: Span,
    /// The macro call that it came from.
    pub expansion: Option<ExpansionId>,
}

/// Number of a macro call, in the order in which they are expanded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ExpansionId(pub u32);

/// The kinds of token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// A name or keyword. After its first letter it may hold `$`.
    Identifier(Box<str>),
    /// A number, wrapped to 64 bits.
    Number(i64),
    /// A string, escapes as they stand (see [`crate::lexer::unescape`]); the
    /// preprocessor joins neighbours.
    Text(Box<[u8]>),
    /// `$name`, `$$name`, `$name$$`, `$`: all that begins with a dollar.
    Target(Box<str>),
    /// `@name`, without the `@`.
    At(Box<str>),
    /// `%{ ... %}`
    EmbeddedC,
    /// An operator, bracket or separator.
    Symbol(&'static str),
    /// A byte that begins no token.
    Stray(u8),
    /// Something that is no token, and why. It is an error only where it is used, not
    /// in a branch of a condition that is skipped.
    Junk(Junk),
    /// The end of the file.
    End,
}

/// Why something is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Junk {
    /// A number with a letter in it, or one beyond 2^64-1.
    Number,
    /// A string without its closing quote.
    OpenString,
    /// Embedded code without `%}`.
    OpenEmbeddedC,
    /// `$9` or `@9`, but there are only so many arguments.
    ArgumentRange {
        /// How many there are.
        available: u32,
    },
    /// An argument whose text has `$1` or `@1` in it.
    NestedArgument,
}

impl Junk {
    /// As SystemTap says it.
    pub fn message(self) -> String {
        match self {
            Junk::Number => "number invalid or out of range".into(),
            Junk::OpenString => "Could not find matching closing quote".into(),
            Junk::OpenEmbeddedC => {
                "Could not find matching '%}' to close embedded function block".into()
            }
            Junk::ArgumentRange { available } => {
                format!("command line argument out of range [1-{available}]")
            }
            Junk::NestedArgument => "invalid nested substitution of command line arguments".into(),
        }
    }
}

/// Every symbol of more than one byte, longer ones before their beginnings.
pub(crate) const LONG_SYMBOLS: &[&str] = &[
    "<<<", ">>>", "<<=", ">>=", "%(", "%)", "%?", "%:", "->", "++", "--", "&&", "||", "==", "!=",
    "<=", ">=", "=~", "!~", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", ".=", "<<", ">>",
];

/// Every symbol of one byte.
pub(crate) const SHORT_SYMBOLS: &[&str] = &[
    "(", ")", "[", "]", "{", "}", ";", ",", ":", "?", "!", "~", "+", "-", "*", "/", "%", "&", "|",
    "^", "<", ">", "=", ".",
];

impl TokenKind {
    /// As messages name it.
    pub fn describe(&self) -> String {
        match self {
            TokenKind::Identifier(name) if is_keyword(name) => format!("keyword '{name}'"),
            TokenKind::Identifier(name) | TokenKind::Target(name) => format!("identifier '{name}'"),
            TokenKind::Number(n) => format!("number '{n}'"),
            TokenKind::Text(text) => format!("string '{}'", String::from_utf8_lossy(text)),
            TokenKind::At(name) => format!("operator '@{name}'"),
            TokenKind::EmbeddedC => "embedded code".into(),
            TokenKind::Symbol(symbol) => format!("operator '{symbol}'"),
            TokenKind::Stray(byte) => format!("operator '{}'", byte.escape_ascii()),
            TokenKind::Junk(_) => "junk".into(),
            TokenKind::End => "end of file".into(),
        }
    }

    /// Is it this symbol?
    pub fn is(&self, symbol: &str) -> bool {
        matches!(self, TokenKind::Symbol(s) if *s == symbol)
    }
}

/// Words that are no names, except in probe points and behind `->`.
pub fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 20] = [
        "break", "catch", "continue", "delete", "else", "for", "foreach", "function", "global",
        "if", "in", "limit", "long", "next", "private", "probe", "return", "string", "try",
        "while",
    ];
    KEYWORDS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found() {
        assert!(is_keyword("break") && is_keyword("while") && is_keyword("in"));
        assert!(!is_keyword("stat") && !is_keyword("print"));
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What a script is made of.

use crate::source::Span;

/// A token where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where.
    pub span: Span,
}

/// The kinds of token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// A name or keyword; with `*` or `?` in it where probe points are written.
    Identifier(String),
    /// A number, wrapped to 64 bits.
    Number(i64),
    /// A string, escapes resolved, neighbours joined.
    Text(Vec<u8>),
    /// `$name`, `$$name`, with the dollars.
    Target(String),
    /// `@name`, without the `@`.
    At(String),
    /// `$1`: script argument n as a token.
    Argument(u32),
    /// `@1`: script argument n as a string.
    ArgumentText(u32),
    /// `$#`
    ArgumentCount,
    /// `@#`
    ArgumentCountText,
    /// `%{ ... %}`
    EmbeddedC,
    /// An operator, bracket or separator.
    Symbol(&'static str),
    /// The end of the file.
    End,
}

/// Every symbol, longer ones before their beginnings.
pub const SYMBOLS: &[&str] = &[
    "<<<", ">>>=", "<<=", ">>=", ">>>", "%(", "%)", "%?", "%:", "->", "++", "--", "&&", "||", "==",
    "!=", "<=", ">=", "=~", "!~", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", ".=", "<<", ">>",
    "(", ")", "[", "]", "{", "}", ";", ",", ":", "?", "!", "~", "+", "-", "*", "/", "%", "&", "|",
    "^", "<", ">", "=", ".", "$",
];

impl TokenKind {
    /// As messages name it.
    pub fn describe(&self) -> String {
        match self {
            TokenKind::Identifier(name) => format!("identifier '{name}'"),
            TokenKind::Number(n) => format!("number '{n}'"),
            TokenKind::Text(text) => format!("string '{}'", String::from_utf8_lossy(text)),
            TokenKind::Target(name) => format!("identifier '{name}'"),
            TokenKind::At(name) => format!("operator '@{name}'"),
            TokenKind::Argument(n) => format!("argument '${n}'"),
            TokenKind::ArgumentText(n) => format!("argument '@{n}'"),
            TokenKind::ArgumentCount => "argument '$#'".into(),
            TokenKind::ArgumentCountText => "argument '@#'".into(),
            TokenKind::EmbeddedC => "embedded code".into(),
            TokenKind::Symbol(symbol) => format!("operator '{symbol}'"),
            TokenKind::End => "end of file".into(),
        }
    }

    /// Is it this symbol?
    pub fn is(&self, symbol: &str) -> bool {
        matches!(self, TokenKind::Symbol(s) if *s == symbol)
    }
}

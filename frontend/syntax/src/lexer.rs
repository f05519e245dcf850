// SPDX-License-Identifier: GPL-2.0-or-later
//! Bytes to tokens.
//!
//! Script arguments are pasted here, as text and at the beginning of a token only:
//! with the argument `x`, `$1_y` is the identifier `x_y`, while `a$1` is the identifier
//! `a$1`. So the input is in two parts, what is left of a pasted argument and then the
//! file. Numbers and escapes are read by nom.
//!
//! Nothing fails here: what is no token becomes [`TokenKind::Junk`], which is an error
//! for whoever uses it.

use crate::source::{FileId, SourceMap, Span};
use crate::token::{Junk, LONG_SYMBOLS, SHORT_SYMBOLS, Token, TokenKind};
use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while_m_n};
use nom::character::complete::{digit1, hex_digit1, oct_digit0};
use nom::combinator::{all_consuming, map_res};
use nom::sequence::preceded;
use nom::{IResult, Parser};
use std::collections::BTreeSet;

/// What comes of a file's bytes.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// The tokens, a [`TokenKind::End`] last.
    pub tokens: Vec<Token>,
    /// The arguments that were pasted, from 1.
    pub used_arguments: BTreeSet<u32>,
}

/// Reads the tokens of a file of the map; `arguments` are what `$1` and so on stand for.
pub fn lex(map: &SourceMap, file: FileId, arguments: &[String]) -> Lexed {
    let text = map.get(file).map_or(&[][..], |source| source.bytes());
    let mut lexer = Lexer {
        text,
        at: 0,
        pasted: Vec::new(),
        pasted_at: 0,
        pasted_from: 0,
        file,
        arguments,
        used: BTreeSet::new(),
    };
    // A token is rarely shorter than two bytes with the blank behind it.
    let mut tokens = Vec::with_capacity(text.len() / 4 + 1);
    loop {
        let token = lexer.token();
        let end = token.kind == TokenKind::End;
        tokens.push(token);
        if end {
            return Lexed { tokens, used_arguments: lexer.used };
        }
    }
}

struct Lexer<'a> {
    text: &'a [u8],
    /// Position in `text`.
    at: usize,
    /// The argument that is being read.
    pasted: Vec<u8>,
    pasted_at: usize,
    /// Where in `text` it is written.
    pasted_from: usize,
    file: FileId,
    arguments: &'a [String],
    used: BTreeSet<u32>,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        let left = self.pasted.len() - self.pasted_at;
        if ahead < left {
            return self.pasted.get(self.pasted_at + ahead).copied();
        }
        self.text.get(self.at + ahead - left).copied()
    }

    fn in_argument(&self) -> bool {
        self.pasted_at < self.pasted.len()
    }

    fn skip(&mut self, count: usize) {
        let of_argument = count.min(self.pasted.len() - self.pasted_at);
        self.pasted_at += of_argument;
        self.at = (self.at + count - of_argument).min(self.text.len());
    }

    fn looking_at(&self, symbol: &str) -> bool {
        symbol.bytes().enumerate().all(|(n, byte)| self.peek(n) == Some(byte))
    }

    /// Where a token that begins now begins.
    fn start(&self) -> usize {
        if self.in_argument() { self.pasted_from } else { self.at }
    }

    fn token(&mut self) -> Token {
        let mut start = self.skip_blanks();
        let mut kind = None;
        // An argument may be empty, and what follows it an argument again.
        while let Some(pasted) = self.paste() {
            match pasted {
                Ok(()) => start = self.skip_blanks(),
                Err(junk) => {
                    kind = Some(TokenKind::Junk(junk));
                    break;
                }
            }
        }
        let kind = match (kind, self.peek(0)) {
            (Some(kind), _) => kind,
            (None, None) => TokenKind::End,
            (None, Some(first)) => self.token_from(first),
        };
        let span = Span { file: self.file, start: start as u32, end: self.at.max(start) as u32 };
        Token { kind, span, expansion: None }
    }

    /// Skips blanks and comments; says where the next token begins.
    fn skip_blanks(&mut self) -> usize {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b' ' | b'\t' | b'\n' | b'\r' | 11 | 12), _) => self.skip(1),
                (Some(b'#'), _) | (Some(b'/'), Some(b'/')) => {
                    while self.peek(0).is_some_and(|byte| byte != b'\n') {
                        self.skip(1);
                    }
                }
                (Some(b'/'), Some(b'*')) => {
                    // One that is not closed goes to the end, and that is no error.
                    self.skip(2);
                    while self.peek(0).is_some() && !self.looking_at("*/") {
                        self.skip(1);
                    }
                    self.skip(2);
                }
                _ => return self.start(),
            }
        }
    }

    /// Pastes the argument of `$1`, `@1`, `$#` or `@#`; `None` if none of them stands
    /// here.
    fn paste(&mut self) -> Option<Result<(), Junk>> {
        let quoted = match self.peek(0)? {
            b'$' => false,
            b'@' => true,
            _ => return None,
        };
        let count = self.arguments.len();
        let (from, nested) = (self.at, self.in_argument());
        let mut text = match self.peek(1)? {
            b'#' => {
                self.skip(2);
                count.to_string()
            }
            b'0'..=b'9' => {
                if self.in_argument() {
                    self.skip(2);
                    return Some(Err(Junk::NestedArgument));
                }
                match self.argument() {
                    Some(text) => text,
                    None => {
                        return Some(Err(Junk::ArgumentRange { available: count as u32 }));
                    }
                }
            }
            _ => return None,
        };
        if quoted {
            text = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        }
        // Of an argument's text only `$#` gets here: what it stands for goes before the rest.
        let rest = self.pasted.split_off(self.pasted_at);
        if !nested {
            self.pasted_from = from;
        }
        self.pasted = text.into_bytes();
        self.pasted.extend(rest);
        self.pasted_at = 0;
        Some(Ok(()))
    }

    /// The argument whose number follows a `$` or `@`.
    fn argument(&mut self) -> Option<String> {
        self.skip(1);
        let mut number = 0u32;
        while let Some(digit @ b'0'..=b'9') = self.peek(0) {
            number = number.saturating_mul(10).saturating_add(u32::from(digit - b'0'));
            self.skip(1);
        }
        let text = self.arguments.get((number as usize).checked_sub(1)?)?;
        self.used.insert(number);
        Some(text.clone())
    }

    fn token_from(&mut self, first: u8) -> TokenKind {
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => TokenKind::Identifier(self.word()),
            b'$' => TokenKind::Target(self.word()),
            b'@' => {
                self.skip(1);
                TokenKind::At(self.word())
            }
            b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            b'%' if self.looking_at("%{") => self.embedded_c(),
            _ => self.symbol(first),
        }
    }

    /// Letters, digits, `_` and `$`.
    fn word(&mut self) -> Box<str> {
        let mut word = String::new();
        while let Some(byte) = self.peek(0).filter(|b| is_word(*b)) {
            word.push(char::from(byte));
            self.skip(1);
        }
        word.into_boxed_str()
    }

    fn number(&mut self) -> TokenKind {
        let mut digits = String::new();
        while let Some(byte) = self.peek(0).filter(u8::is_ascii_alphanumeric) {
            digits.push(char::from(byte));
            self.skip(1);
        }
        match number(&digits) {
            Ok((_, value)) => TokenKind::Number(value as i64),
            Err(_) => TokenKind::Junk(Junk::Number),
        }
    }

    /// A string literal. It stays on its line.
    fn string(&mut self) -> TokenKind {
        self.skip(1);
        let mut text = Vec::new();
        loop {
            // A NUL ends the text for SystemTap; no string could hold it.
            let Some(byte) = self.peek(0).filter(|byte| !matches!(byte, b'\n' | 0)) else {
                return TokenKind::Junk(Junk::OpenString);
            };
            self.skip(1);
            match byte {
                b'"' => return TokenKind::Text(text.into_boxed_slice()),
                b'\\' => {
                    let Some(next) = self.peek(0).filter(|next| *next != 0) else {
                        return TokenKind::Junk(Junk::OpenString);
                    };
                    self.skip(1);
                    // Only escapes that mean something keep their backslash.
                    if is_escape(next) {
                        text.push(b'\\');
                    }
                    text.push(next);
                }
                byte => text.push(byte),
            }
        }
    }

    fn embedded_c(&mut self) -> TokenKind {
        self.skip(2);
        while self.peek(0).is_some() {
            if self.looking_at("%}") {
                self.skip(2);
                return TokenKind::EmbeddedC;
            }
            self.skip(1);
        }
        TokenKind::Junk(Junk::OpenEmbeddedC)
    }

    fn symbol(&mut self, first: u8) -> TokenKind {
        let long = LONG_SYMBOLS.iter().find(|symbol| self.looking_at(symbol));
        let short = || SHORT_SYMBOLS.iter().find(|symbol| symbol.as_bytes() == [first]);
        match long.or_else(short) {
            Some(symbol) => {
                self.skip(symbol.len());
                TokenKind::Symbol(symbol)
            }
            None => {
                self.skip(1);
                // The rest of a character goes with its first byte.
                while first >= 0xc0 && self.peek(0).is_some_and(|b| b & 0xc0 == 0x80) {
                    self.skip(1);
                }
                TokenKind::Stray(first)
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

fn is_escape(byte: u8) -> bool {
    matches!(
        byte,
        b'a' | b'b' | b't' | b'n' | b'v' | b'f' | b'r' | b'x' | b'0'..=b'7' | b'\\' | b'"'
    )
}

/// Decimal, hexadecimal or octal, up to 2^64-1, and nothing behind it.
fn number(text: &str) -> IResult<&str, u64> {
    let hexadecimal = map_res(preceded(tag_no_case("0x"), hex_digit1), |digits: &str| {
        u64::from_str_radix(digits, 16)
    });
    let octal =
        map_res(preceded(nom::character::complete::char('0'), oct_digit0), |digits: &str| {
            u64::from_str_radix(if digits.is_empty() { "0" } else { digits }, 8)
        });
    let decimal = map_res(digit1, |digits: &str| digits.parse());
    alt((all_consuming(hexadecimal), all_consuming(octal), all_consuming(decimal_only(decimal))))
        .parse(text)
}

/// Refuses what an octal number would have to be: `08` is no decimal number.
fn decimal_only<'a>(
    mut decimal: impl Parser<&'a str, Output = u64, Error = nom::error::Error<&'a str>>,
) -> impl FnMut(&'a str) -> IResult<&'a str, u64> {
    move |text| {
        if text.starts_with('0') {
            return Err(nom::Err::Error(nom::error::Error::new(
                text,
                nom::error::ErrorKind::Digit,
            )));
        }
        decimal.parse(text)
    }
}

/// The bytes that a string literal stands for.
pub fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let Ok((after, byte)) = escape(rest) else {
            bytes.push(first);
            continue;
        };
        rest = after;
        // A string of the language ends at a NUL, as in C.
        if byte == 0 {
            break;
        }
        bytes.push(byte);
    }
    bytes
}

/// What follows a backslash: a letter, up to three octal or, as in C, any number of
/// hexadecimal digits.
fn escape(text: &[u8]) -> IResult<&[u8], u8> {
    let digits = |base: u32| {
        move |digits: &[u8]| {
            // More than a byte: the low eight bits count.
            let lowest = digits.get(digits.len().saturating_sub(3)..).unwrap_or_default();
            let text = std::str::from_utf8(lowest).unwrap_or_default();
            u32::from_str_radix(text, base).map(|value| value as u8)
        }
    };
    let octal = map_res(take_while_m_n(1, 3, |b: u8| matches!(b, b'0'..=b'7')), digits(8));
    let hexadecimal = map_res(
        preceded(
            nom::character::complete::char('x'),
            nom::bytes::complete::take_while1(|b: u8| b.is_ascii_hexdigit()),
        ),
        digits(16),
    );
    let letter = map_res(nom::bytes::complete::take(1usize), |letter: &[u8]| {
        Ok::<u8, ()>(match letter {
            b"a" => 7,
            b"b" => 8,
            b"t" => b'\t',
            b"n" => b'\n',
            b"v" => 11,
            b"f" => 12,
            b"r" => b'\r',
            other => other.first().copied().unwrap_or(b'\\'),
        })
    });
    alt((octal, hexadecimal, letter)).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds_with(text: &str, arguments: &[&str]) -> Vec<TokenKind> {
        let mut map = SourceMap::new();
        let file = map.add("t", text.as_bytes());
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let mut kinds: Vec<_> =
            lex(&map, file, &arguments).tokens.into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds.pop(), Some(TokenKind::End));
        kinds
    }

    fn kinds(text: &str) -> Vec<TokenKind> {
        kinds_with(text, &[])
    }

    fn word(text: &str) -> TokenKind {
        TokenKind::Identifier(text.into())
    }

    fn text(text: &[u8]) -> TokenKind {
        TokenKind::Text(text.into())
    }

    #[test]
    fn numbers_wrap_and_are_checked() {
        let n = TokenKind::Number;
        let junk = TokenKind::Junk(Junk::Number);
        assert_eq!(
            kinds("10 0x10 0X1f 010 0 00 18446744073709551615"),
            [n(10), n(16), n(31), n(8), n(0), n(0), n(-1)]
        );
        assert_eq!(kinds("18446744073709551616 08 1abc 0x"), vec![junk; 4]);
    }

    #[test]
    fn strings_keep_escapes_that_mean_something() {
        assert_eq!(kinds(r#""a\n\x41\101\q\"""#), [text(br#"a\n\x41\101q\""#)]);
        assert_eq!(unescape(br#"a\n\x41\101\"\\\0"#), b"a\nAA\"\\");
        assert_eq!(kinds("\"abc\n"), [TokenKind::Junk(Junk::OpenString)]);
        assert_eq!(kinds("\"abc\0")[0], TokenKind::Junk(Junk::OpenString));
        assert_eq!(kinds("\"abc\\\0")[0], TokenKind::Junk(Junk::OpenString));
    }

    #[test]
    fn longest_symbol_wins() {
        let symbols = ["<<<", "<<=", ">>>", "=", "->", "=~"];
        let want: Vec<TokenKind> = symbols.iter().map(|s| TokenKind::Symbol(s)).collect();
        assert_eq!(kinds("<<< <<= >>>= -> =~"), want);
    }

    #[test]
    fn arguments_are_pasted_as_text() {
        let arguments = ["x", "1 + 2", "a\"b"];
        assert_eq!(kinds_with("$1_y a$1", &arguments), [word("x_y"), word("a$1")]);
        let sum = [TokenKind::Number(1), TokenKind::Symbol("+"), TokenKind::Number(2)];
        assert_eq!(kinds_with("$2", &arguments), sum);
        assert_eq!(
            kinds_with("@3 @# $#", &arguments),
            [text(br#"a\"b"#), text(b"3"), TokenKind::Number(3)]
        );
    }

    #[test]
    fn arguments_have_the_place_of_their_use() {
        let mut map = SourceMap::new();
        let file = map.add("t", b"ab $1 cd");
        let lexed = lex(&map, file, &["long text".to_owned()]);
        let spans: Vec<_> = lexed.tokens.iter().map(|t| (t.span.start, t.span.end)).collect();
        assert_eq!(spans, [(0, 2), (3, 5), (3, 5), (6, 8), (8, 8)]);
        assert_eq!(lexed.used_arguments, BTreeSet::from([1]));
    }

    #[test]
    fn arguments_out_of_range_or_nested() {
        let range = TokenKind::Junk(Junk::ArgumentRange { available: 1 });
        assert_eq!(kinds_with("$2 @0", &["x"]), vec![range; 2]);
        assert_eq!(kinds_with("$1", &["$2"]), [TokenKind::Junk(Junk::NestedArgument)]);
        assert_eq!(kinds_with("$1$1", &[""]), []);
    }
}

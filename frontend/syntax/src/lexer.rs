// SPDX-License-Identifier: GPL-2.0-or-later
//! Bytes to tokens.
//!
//! Each token is a nom parser over the rest of the text; the loop around them skips
//! blanks and comments and reports what is no token.

use crate::diagnostic::Diagnostic;
use crate::source::{FileId, SourceMap, Span};
use crate::token::{SYMBOLS, Token, TokenKind};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_until, take_while, take_while1};
use nom::character::complete::{anychar, char, digit1, hex_digit1, satisfy};
use nom::combinator::{map, recognize};
use nom::sequence::{pair, preceded, terminated};
use nom::{IResult, Parser};

/// The tokens of a file, an [`TokenKind::End`] last, and what could not be read.
pub fn lex(map: &SourceMap, file: FileId) -> (Vec<Token>, Vec<Diagnostic>) {
    let text = map.get(file).map_or("", |source| source.text());
    let mut lexer = Lexer { text, file, at: 0, tokens: Vec::new(), diagnostics: Vec::new() };
    lexer.run();
    (lexer.tokens, lexer.diagnostics)
}

struct Lexer<'a> {
    text: &'a str,
    file: FileId,
    at: usize,
    tokens: Vec<Token>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) {
        loop {
            self.skip_blanks();
            let rest = self.rest();
            if rest.is_empty() {
                break;
            }
            match token(rest) {
                Ok((after, kind)) => {
                    let span = self.advance(rest.len() - after.len());
                    self.push(kind, span);
                }
                Err(_) => self.no_token(rest),
            }
        }
        let end = self.advance(0);
        self.tokens.push(Token { kind: TokenKind::End, span: end });
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, length: usize) -> Span {
        let start = self.at as u32;
        self.at += length;
        Span { file: self.file, start, end: self.at as u32 }
    }

    /// Adjacent strings join into one.
    fn push(&mut self, kind: TokenKind, span: Span) {
        if let (TokenKind::Text(more), Some(last)) = (&kind, self.tokens.last_mut())
            && let TokenKind::Text(text) = &mut last.kind
        {
            text.extend(more);
            last.span = last.span.to(span);
            return;
        }
        self.tokens.push(Token { kind, span });
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start().len();
            let length = if blanks > 0 {
                blanks
            } else if rest.starts_with('#') || rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(end) => end + 2,
                    None => {
                        let span = self.advance(rest.len());
                        let open = Span { end: span.start + 2, ..span };
                        self.diagnostics.push(Diagnostic::parse("unclosed comment", open));
                        0
                    }
                }
            } else {
                return;
            };
            self.at += length;
        }
    }

    fn no_token(&mut self, rest: &str) {
        if rest.starts_with('"') {
            // Up to the end of the line, so that the lines after it are read.
            let length = rest.find('\n').unwrap_or(rest.len());
            let span = self.advance(length);
            self.diagnostics.push(Diagnostic::parse("Could not find matching closing quote", span));
            return;
        }
        if rest.starts_with("%{") {
            let span = self.advance(rest.len());
            let open = Span { end: span.start + 2, ..span };
            self.diagnostics.push(Diagnostic::parse("unclosed embedded code", open));
            return;
        }
        let junk = rest.chars().next().unwrap_or('\u{fffd}');
        let span = self.advance(junk.len_utf8());
        let message = format!("unexpected junk: {}", junk.escape_default());
        self.diagnostics.push(Diagnostic::parse(message, span));
    }
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn word(text: &str) -> IResult<&str, &str> {
    recognize(pair(satisfy(is_word_start), take_while(is_word))).parse(text)
}

fn token(text: &str) -> IResult<&str, TokenKind> {
    alt((
        embedded_c,
        string,
        target,
        at,
        number,
        map(word, |name: &str| TokenKind::Identifier(name.to_owned())),
        symbol,
    ))
    .parse(text)
}

fn embedded_c(text: &str) -> IResult<&str, TokenKind> {
    let body = terminated(take_until("%}"), tag("%}"));
    map(preceded(tag("%{"), body), |_| TokenKind::EmbeddedC).parse(text)
}

fn target(text: &str) -> IResult<&str, TokenKind> {
    let (rest, _) = char('$').parse(text)?;
    alt((
        map(char('#'), |_| TokenKind::ArgumentCount),
        map(digit1, |n: &str| TokenKind::Argument(n.parse().unwrap_or(u32::MAX))),
        map(recognize(pair(char('$'), word)), |name: &str| TokenKind::Target(format!("${name}"))),
        map(word, |name: &str| TokenKind::Target(format!("${name}"))),
    ))
    .parse(rest)
}

fn at(text: &str) -> IResult<&str, TokenKind> {
    let (rest, _) = char('@').parse(text)?;
    alt((
        map(char('#'), |_| TokenKind::ArgumentCountText),
        map(digit1, |n: &str| TokenKind::ArgumentText(n.parse().unwrap_or(u32::MAX))),
        map(word, |name: &str| TokenKind::At(name.to_owned())),
    ))
    .parse(rest)
}

/// Decimal, hexadecimal or octal, wrapped to 64 bits.
fn number(text: &str) -> IResult<&str, TokenKind> {
    let in_base = |base: i64, digits: &str| {
        let fold = |value: i64, digit: char| {
            value.wrapping_mul(base).wrapping_add(digit.to_digit(16).unwrap_or(0).into())
        };
        TokenKind::Number(digits.chars().fold(0, fold))
    };
    let is_octal = |c: char| c.is_digit(8);
    alt((
        map(preceded(alt((tag("0x"), tag("0X"))), hex_digit1), |d| in_base(16, d)),
        map(preceded(char('0'), take_while1(is_octal)), |d| in_base(8, d)),
        map(digit1, |d| in_base(10, d)),
    ))
    .parse(text)
}

/// A string literal; fails if it is not closed.
fn string(text: &str) -> IResult<&str, TokenKind> {
    let (mut rest, _) = char('"').parse(text)?;
    let mut bytes = Vec::new();
    loop {
        let (after, c) = anychar(rest)?;
        rest = after;
        match c {
            '"' => return Ok((rest, TokenKind::Text(bytes))),
            // A string does not go over the end of its line.
            '\n' => {
                return Err(nom::Err::Error(nom::error::Error::new(
                    text,
                    nom::error::ErrorKind::Char,
                )));
            }
            '\\' => rest = escape(rest, &mut bytes)?,
            c => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
}

/// What follows a backslash.
fn escape<'a>(
    text: &'a str,
    bytes: &mut Vec<u8>,
) -> Result<&'a str, nom::Err<nom::error::Error<&'a str>>> {
    let (rest, c) = anychar(text)?;
    let simple = match c {
        'a' => 7,
        'b' => 8,
        't' => b'\t',
        'n' => b'\n',
        'v' => 11,
        'f' => 12,
        'r' => b'\r',
        '0'..='7' => {
            let digits = text.len() - text.trim_start_matches(|c: char| c.is_digit(8)).len();
            let (octal, rest) = text.split_at(digits.min(3));
            bytes.push(u32::from_str_radix(octal, 8).unwrap_or(0) as u8);
            return Ok(rest);
        }
        'x' => {
            let digits =
                rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_hexdigit()).len();
            if digits > 0 {
                let (hex, rest) = rest.split_at(digits.min(2));
                bytes.push(u8::from_str_radix(hex, 16).unwrap_or(0));
                return Ok(rest);
            }
            b'x'
        }
        '"' => b'"',
        '\\' => b'\\',
        '\n' => return Ok(rest),
        other => {
            // Kept with its backslash: regular expressions need it.
            bytes.push(b'\\');
            bytes.extend(other.encode_utf8(&mut [0; 4]).bytes());
            return Ok(rest);
        }
    };
    bytes.push(simple);
    Ok(rest)
}

fn symbol(text: &str) -> IResult<&str, TokenKind> {
    match SYMBOLS.iter().find(|symbol| text.starts_with(**symbol)) {
        Some(symbol) => Ok((&text[symbol.len()..], TokenKind::Symbol(symbol))),
        None => Err(nom::Err::Error(nom::error::Error::new(text, nom::error::ErrorKind::Tag))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut map = SourceMap::new();
        let file = map.add("t", text.as_bytes());
        let (tokens, diagnostics) = lex(&map, file);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        tokens.into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn numbers_wrap() {
        let n = |n| TokenKind::Number(n);
        assert_eq!(
            kinds("10 0x10 010 0 18446744073709551615"),
            [n(10), n(16), n(8), n(0), n(-1), TokenKind::End]
        );
    }

    #[test]
    fn strings_join_and_escape() {
        let text = r#""a\n" "\x41\101" "\"" "#;
        assert_eq!(kinds(text), [TokenKind::Text(b"a\nAA\"".to_vec()), TokenKind::End]);
    }

    #[test]
    fn longest_symbol_wins() {
        let symbols = ["<<<", "<<=", ">>>", "->", "=~"];
        let want: Vec<TokenKind> =
            symbols.iter().map(|s| TokenKind::Symbol(s)).chain([TokenKind::End]).collect();
        assert_eq!(kinds("<<< <<= >>> -> =~"), want);
    }
}

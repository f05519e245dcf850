// SPDX-License-Identifier: GPL-2.0-or-later
//! Tokens to AST, by recursive descent.
//!
//! A function that meets an error says so in the diagnostics and returns [`Abort`];
//! whoever can go on (after a `;`, a `}` or at the next declaration) does.

mod expression;
mod item;
mod point;
mod statement;

use crate::ast::{Name, Script};
use crate::diagnostic::Diagnostic;
use crate::lexer::lex;
use crate::preprocess::{ParseOptions, preprocess};
use crate::source::{FileId, SourceMap, Span};
use crate::token::{Token, TokenKind};
use std::collections::BTreeSet;

/// Deepest nesting of expressions and statements, and longest chain of operators of
/// one kind. Passes over the tree may recurse this deep.
pub const MAX_DEPTH: usize = 200;
/// Errors after which a file is given up.
const MAX_ERRORS: usize = 50;

/// The error has been reported.
#[derive(Clone, Copy, Debug)]
struct Abort;

type Parse<T> = Result<T, Abort>;

/// What came of a file.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What could be read.
    pub script: Script,
    /// What could not.
    pub diagnostics: Vec<Diagnostic>,
    /// Script arguments that were used, from 1.
    pub used_arguments: BTreeSet<u32>,
}

/// Parses a file of the map.
pub fn parse(map: &mut SourceMap, file: FileId, options: &ParseOptions<'_>) -> Parsed {
    let (tokens, mut diagnostics) = lex(map, file);
    let (tokens, more, used_arguments) = preprocess(map, tokens, options);
    diagnostics.extend(more);
    let mut parser = Parser { tokens, at: 0, depth: 0, diagnostics };
    let script = parser.script();
    Parsed { script, diagnostics: parser.diagnostics, used_arguments }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    diagnostics: Vec<Diagnostic>,
}

const END: TokenKind = TokenKind::End;

impl Parser {
    fn kind(&self) -> &TokenKind {
        self.tokens.get(self.at).map_or(&END, |token| &token.kind)
    }

    fn kind_at(&self, ahead: usize) -> &TokenKind {
        self.tokens.get(self.at + ahead).map_or(&END, |token| &token.kind)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map(|t| t.span).unwrap_or_default()
    }

    /// The span of the token before this one.
    fn last_span(&self) -> Span {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        last.map(|t| t.span).unwrap_or_default()
    }

    fn bump(&mut self) -> Span {
        let span = self.span();
        if self.at < self.tokens.len() {
            self.at += 1;
        }
        span
    }

    fn is(&self, symbol: &str) -> bool {
        self.kind().is(symbol)
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.is(symbol);
        if found {
            self.bump();
        }
        found
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), TokenKind::Identifier(name) if name == word)
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Parse<Span> {
        if self.is(symbol) {
            return Ok(self.bump());
        }
        self.expected(&format!("'{symbol}'"))
    }

    fn name(&mut self) -> Parse<Name> {
        match self.kind() {
            TokenKind::Identifier(text) if !is_keyword(text) => {
                let text = text.clone();
                Ok(Name { text, span: self.bump() })
            }
            _ => self.expected("identifier"),
        }
    }

    fn expected<T>(&mut self, what: &str) -> Parse<T> {
        let message = format!("expected {what}");
        let saw = format!("saw: {}", self.kind().describe());
        self.fail(Diagnostic::parse(message, self.span()).label(saw))
    }

    fn fail<T>(&mut self, diagnostic: Diagnostic) -> Parse<T> {
        self.diagnostics.push(diagnostic);
        Err(Abort)
    }

    /// Runs a production one level deeper.
    fn nested<T>(&mut self, production: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_DEPTH {
            let too_deep = Diagnostic::parse("nesting is too deep", self.span())
                .label(format!("more than {MAX_DEPTH} levels"));
            // Nothing after this can be read in its right place.
            self.at = self.tokens.len();
            return self.fail(too_deep);
        }
        self.depth += 1;
        let result = production(self);
        self.depth -= 1;
        result
    }

    fn gave_up(&self) -> bool {
        self.diagnostics.len() >= MAX_ERRORS
    }
}

/// Words that are no names.
pub(crate) fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "probe"
            | "global"
            | "private"
            | "function"
            | "if"
            | "else"
            | "for"
            | "foreach"
            | "in"
            | "limit"
            | "return"
            | "delete"
            | "while"
            | "break"
            | "continue"
            | "next"
            | "string"
            | "long"
            | "try"
            | "catch"
    )
}

/// Is it a word that begins a declaration?
fn is_declaration(word: &str) -> bool {
    matches!(word, "probe" | "global" | "function" | "private")
}

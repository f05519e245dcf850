// SPDX-License-Identifier: GPL-2.0-or-later
//! Tokens to AST, by recursive descent.
//!
//! A function that meets an error says so in the diagnostics and returns [`Abort`];
//! whoever can go on (after a `;`, a `}` or at the next declaration) does.
//!
//! Two bounds keep this pass and all later ones from overflowing the stack. Productions
//! nest at most [`MAX_NESTING`] deep; and no tree is higher than [`MAX_DEPTH`], which
//! also bounds what grows without nesting, such as `a + b + c ...`. To hold the second
//! one, each production returns a [`Tall`]: what it made, with its height.

mod expression;
mod foreach;
mod item;
mod point;
mod primary;
mod printing;
mod statement;

use crate::ast::{Name, Script};
use crate::diagnostic::Diagnostic;
use crate::preprocess::{Expansion, with_calls};
use crate::preprocess::{MacroLibrary, ParseOptions, Preprocessed, preprocess};
use crate::source::{FileId, SourceMap, Span};
use crate::token::{Token, TokenKind, is_keyword};
use std::collections::{BTreeSet, HashMap};

/// Greatest height of a tree, counted over blocks, statements and expressions. Passes
/// may recurse this deep.
pub const MAX_DEPTH: usize = 500;
/// How deep blocks, parentheses, unary operators and so on nest.
pub const MAX_NESTING: usize = 150;
/// Errors after which a file is given up.
const MAX_ERRORS: usize = 50;

/// The error has been reported.
#[derive(Clone, Copy, Debug)]
struct Abort;

type Parse<T> = Result<T, Abort>;

/// A part of the tree and how high it is; a leaf's height is 1.
struct Tall<T> {
    node: T,
    height: usize,
}

impl<T> Tall<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Tall<U> {
        Tall { node: change(self.node), height: self.height }
    }
}

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
pub fn parse(map: &SourceMap, file: FileId, options: &ParseOptions<'_>) -> Parsed {
    parse_with_macros(map, file, options, &MacroLibrary::default())
}

/// Parses a file of the map, with the macros of a tapset.
pub fn parse_with_macros(
    map: &SourceMap,
    file: FileId,
    options: &ParseOptions<'_>,
    library: &MacroLibrary,
) -> Parsed {
    let Preprocessed { tokens, diagnostics, used_arguments, expansions } =
        preprocess(map, file, options, library);
    let mut parser = Parser {
        tokens,
        expansions,
        at: 0,
        depth: 0,
        last_error: None,
        guru: options.guru,
        context: Context::Probe,
        global_names: HashMap::new(),
        diagnostics,
    };
    let script = parser.script();
    Parsed { script, diagnostics: parser.diagnostics, used_arguments }
}

/// Whose body is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Probe,
    Function,
}

struct Parser {
    tokens: Vec<Token>,
    expansions: Vec<Expansion>,
    at: usize,
    depth: usize,
    /// The token of the last error: a second one there only repeats it.
    last_error: Option<usize>,
    guru: bool,
    context: Context,
    /// Where each global is declared.
    global_names: HashMap<String, Span>,
    diagnostics: Vec<Diagnostic>,
}

const END: TokenKind = TokenKind::End;

impl Parser {
    fn kind(&self) -> &TokenKind {
        self.kind_at(0)
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
        matches!(self.kind(), TokenKind::Identifier(name) if &**name == word)
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

    /// The closing one of a pair.
    fn expect_close(&mut self, symbol: &str, open: Span) -> Parse<Span> {
        if self.is(symbol) {
            return Ok(self.bump());
        }
        let diagnostic = self.unexpected(&format!("expected '{symbol}'"));
        self.fail(diagnostic.also(open, "to close this"))
    }

    fn name(&mut self) -> Parse<Name> {
        match self.kind() {
            TokenKind::Identifier(text) if !is_keyword(text) => {
                let text = text.to_string();
                Ok(Name { text, span: self.bump() })
            }
            TokenKind::Identifier(text) => {
                let help = format!("'{text}' is a keyword: choose another name");
                let diagnostic = self.unexpected("expected identifier").help(help);
                self.fail(diagnostic)
            }
            _ => self.expected("identifier"),
        }
    }

    fn expected<T>(&mut self, what: &str) -> Parse<T> {
        let diagnostic = self.unexpected(&format!("expected {what}"));
        self.fail(diagnostic)
    }

    /// A diagnostic about the token that stands here.
    fn unexpected(&self, message: &str) -> Diagnostic {
        // What is no token at all is the reason, whatever was expected.
        if let TokenKind::Junk(junk) = self.kind() {
            return Diagnostic::parse(junk.message(), self.span());
        }
        let saw = format!("saw: {}", self.kind().describe());
        Diagnostic::parse(message, self.span()).label(saw)
    }

    fn fail<T>(&mut self, diagnostic: Diagnostic) -> Parse<T> {
        self.report(diagnostic);
        Err(Abort)
    }

    /// Reports an error at the token that stands here.
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.last_error == Some(self.at) {
            return;
        }
        self.last_error = Some(self.at);
        let expansion = self.tokens.get(self.at).and_then(|token| token.expansion);
        self.diagnostics.push(with_calls(diagnostic, expansion, &self.expansions));
    }

    /// Runs a production one level deeper.
    fn nested<T>(&mut self, production: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_NESTING {
            let too_deep = Diagnostic::parse("nesting too deep", self.span())
                .label(format!("more than {MAX_NESTING} levels"));
            let failed = self.fail(too_deep);
            // Nothing after this can be read in its right place.
            self.give_up();
            return failed;
        }
        self.depth += 1;
        let result = production(self);
        self.depth -= 1;
        result
    }

    /// The height of a tree over others.
    fn above(&mut self, heights: &[usize]) -> Parse<usize> {
        let height = 1 + heights.iter().max().copied().unwrap_or(0);
        if height < MAX_DEPTH {
            return Ok(height);
        }
        let too_deep = Diagnostic::parse("nesting too deep", self.span())
            .label(format!("more than {MAX_DEPTH} operators or levels"))
            .help("split the expression or statement up");
        let failed = self.fail(too_deep);
        self.give_up();
        failed
    }

    /// Goes to the end of the file and is silent about what is missing there.
    fn give_up(&mut self) {
        self.at = self.tokens.len().saturating_sub(1);
        self.last_error = Some(self.at);
    }

    fn gave_up(&self) -> bool {
        self.diagnostics.len() >= MAX_ERRORS
    }

    /// Refuses embedded C, unless the script may have it.
    fn need_guru(&mut self, what: &str) -> Parse<()> {
        if self.guru {
            return Ok(());
        }
        let message = format!("{what}; need stap -g");
        let saw = format!("saw: {}", self.kind().describe());
        let mut refused = Diagnostic::parse(message, self.span()).label(saw);
        if *self.kind() == TokenKind::EmbeddedC {
            refused = refused.help(EMBEDDED_HELP);
        }
        self.fail(refused)
    }
}

const EMBEDDED_HELP: &str = "nothing compiles C on the machine that runs the script: use the \
                             functions of the tapset, or @cast and $variables for kernel data";

/// Is it a word that begins a declaration?
fn is_declaration(word: &str) -> bool {
    matches!(word, "probe" | "global" | "function" | "private")
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! `@define` macros and `%( condition %? a %: b %)`: tokens to tokens.
//!
//! Tokens are pulled through a stack of sources: the file at the bottom, above it the
//! bodies of macros and the arguments of their calls. An argument remembers the scope of
//! the call that it was written in, so that `@x` in it means the `x` of that place. A
//! conditional only notes that it is open; what it leaves out is skipped. So nothing
//! recurses, and a text of any nesting is read in one go.

mod condition;
mod macros;

pub use condition::{compare_versions, glob};
pub use macros::MacroLibrary;

use crate::diagnostic::Diagnostic;
use crate::lexer::{Lexed, lex};
use crate::source::{FileId, SourceMap, Span};
use crate::token::{ExpansionId, Token, TokenKind};
pub(crate) use macros::{Expansion, with_calls};
use macros::{Macro, Scope};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// What conditions may ask of the world.
pub trait Environment {
    /// The kernel's release, as `uname -r` prints it.
    fn kernel_release(&self) -> &str;
    /// The machine, as SystemTap names it: `x86_64`.
    fn architecture(&self) -> &str {
        "x86_64"
    }
    /// A kernel configuration option, `CONFIG_NAME`: its value if it is set.
    fn config(&self, name: &str) -> Option<String>;
    /// What runs the script: `kernel`, since a script that asks means the probes that
    /// it can use.
    fn runtime(&self) -> &str {
        "kernel"
    }
    /// What the user may do: `stapdev`, `stapsys` or `stapusr`.
    fn privilege(&self) -> &str {
        "stapdev"
    }
    /// The SystemTap whose language the script is written in: `systemtap_v`.
    fn language_version(&self) -> &str {
        LANGUAGE_VERSION
    }
}

/// A kernel of which only the release is known, as `uname -r` prints it: no option of its
/// configuration is.
#[derive(Clone, Copy, Debug)]
pub struct Release<'r>(pub &'r str);

impl Environment for Release<'_> {
    fn kernel_release(&self) -> &str {
        self.0
    }

    fn config(&self, _: &str) -> Option<String> {
        None
    }
}

/// How a script is read.
#[derive(Clone, Copy)]
pub struct ParseOptions<'a> {
    /// Script arguments, `$1` first.
    pub arguments: &'a [String],
    /// For conditions.
    pub environment: &'a dyn Environment,
    /// `-g`.
    pub guru: bool,
}

impl std::fmt::Debug for ParseOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParseOptions").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

/// The version of SystemTap whose language this is.
pub const LANGUAGE_VERSION: &str = "4.8";
/// Macro calls within macro calls.
const MAX_DEPTH: usize = 200;
/// Tokens that macros may make in all.
const MAX_EXPANDED: usize = 4_000_000;

/// What comes of a file's tokens.
pub(crate) struct Preprocessed {
    /// The tokens, a [`TokenKind::End`] last, neighbouring strings joined.
    pub(crate) tokens: Vec<Token>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) used_arguments: BTreeSet<u32>,
    /// Where each macro was called, by [`ExpansionId`].
    pub(crate) expansions: Vec<Expansion>,
}

/// Reads and preprocesses a file.
pub(crate) fn preprocess(
    map: &SourceMap,
    file: FileId,
    options: &ParseOptions<'_>,
    library: &MacroLibrary,
) -> Preprocessed {
    let (mut pass, used_arguments) = Pass::of_file(map, file, options, library);
    let tokens = pass.joined();
    Preprocessed {
        tokens,
        diagnostics: pass.diagnostics,
        used_arguments,
        expansions: pass.expansions,
    }
}

/// Tokens that are being read, and the scope that they stand in.
struct Source {
    tokens: Rc<[Token]>,
    at: usize,
    scope: Rc<Scope>,
    expansion: Option<ExpansionId>,
}

struct Pass<'a> {
    options: &'a ParseOptions<'a>,
    library: &'a MacroLibrary,
    macros: HashMap<Box<str>, Rc<Macro>>,
    /// Never empty; the file is the first.
    sources: Vec<Source>,
    /// The `%(` of each conditional whose branch is being read, and whether its `%:`
    /// has been seen.
    open: Vec<(Span, Branch)>,
    /// Tokens of macros so far.
    expanded: usize,
    expansions: Vec<Expansion>,
    diagnostics: Vec<Diagnostic>,
}

/// Which branch of a conditional is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    Then,
    Otherwise,
}

impl<'a> Pass<'a> {
    fn of_file(
        map: &SourceMap,
        file: FileId,
        options: &'a ParseOptions<'a>,
        library: &'a MacroLibrary,
    ) -> (Pass<'a>, BTreeSet<u32>) {
        let Lexed { tokens, used_arguments } = lex(map, file, options.arguments);
        let source = Source { tokens: tokens.into(), at: 0, scope: Rc::default(), expansion: None };
        let pass = Pass {
            options,
            library,
            macros: HashMap::new(),
            sources: vec![source],
            open: Vec::new(),
            expanded: 0,
            expansions: Vec::new(),
            diagnostics: Vec::new(),
        };
        (pass, used_arguments)
    }

    /// All tokens, with neighbouring strings made one.
    fn joined(&mut self) -> Vec<Token> {
        let mut tokens: Vec<Token> = Vec::new();
        loop {
            let token = self.next();
            if let (TokenKind::Text(more), Some(last)) = (&token.kind, tokens.last_mut())
                && let TokenKind::Text(text) = &mut last.kind
            {
                *text = [&text[..], more].concat().into();
                last.span = last.span.to(token.span);
                continue;
            }
            let end = token.kind == TokenKind::End;
            tokens.push(token);
            if end {
                return tokens;
            }
        }
    }

    fn error(&mut self, message: impl Into<String>, at: &Token) {
        let diagnostic =
            Diagnostic::parse(message, at.span).label(format!("at: {}", at.kind.describe()));
        self.report(diagnostic, at.expansion);
    }

    fn report(&mut self, diagnostic: Diagnostic, expansion: Option<ExpansionId>) {
        self.diagnostics.push(with_calls(diagnostic, expansion, &self.expansions));
    }

    /// The next token of the sources, before macros and conditions.
    fn raw(&mut self) -> Token {
        loop {
            let count = self.sources.len();
            let Some(source) = self.sources.last_mut() else { return self.end() };
            match source.tokens.get(source.at) {
                Some(token) if token.kind != TokenKind::End => {
                    source.at += 1;
                    let mut token = token.clone();
                    if count > 1 {
                        token.expansion = source.expansion;
                        self.expanded += 1;
                    }
                    return token;
                }
                _ if count > 1 => {
                    self.sources.pop();
                }
                _ => return self.end(),
            }
        }
    }

    /// Goes back by one token; only right after [`Pass::raw`] gave one.
    fn unread(&mut self) {
        if let Some(source) = self.sources.last_mut() {
            source.at = source.at.saturating_sub(1);
        }
    }

    fn end(&self) -> Token {
        let last = self.sources.first().and_then(|source| source.tokens.last());
        let span = last.map(|token| token.span).unwrap_or_default();
        Token { kind: TokenKind::End, span, expansion: None }
    }

    /// The next token of the script.
    fn next(&mut self) -> Token {
        loop {
            let token = self.expanded();
            match token.kind {
                TokenKind::Symbol("%(") => self.conditional(&token),
                TokenKind::Symbol("%:") => match self.open.pop() {
                    Some((open, Branch::Otherwise)) => {
                        self.error("invalid conditional - duplicate '%:'", &token);
                        self.skip_conditional(open);
                    }
                    Some((open, Branch::Then)) => {
                        if self.skip_branch(open).is_some() {
                            self.error("invalid conditional - duplicate '%:'", &token);
                            self.skip_conditional(open);
                        }
                    }
                    None => self.error("incomplete conditional - missing '%('", &token),
                },
                TokenKind::Symbol("%)") => {
                    if self.open.pop().is_none() {
                        self.error("incomplete conditional - missing '%('", &token);
                    }
                }
                TokenKind::Symbol("%?") => {
                    self.error("incomplete conditional - missing '%('", &token);
                }
                TokenKind::End => {
                    if let Some((span, _)) = self.open.pop() {
                        let message = "incomplete conditional at end of file";
                        self.open.clear();
                        self.report(Diagnostic::parse(message, span), None);
                    }
                    return token;
                }
                _ => return token,
            }
        }
    }

    /// `condition %?` behind a `%(`, and the branch that is not taken if it comes first.
    fn conditional(&mut self, open: &Token) {
        let Some(holds) = self.condition(open) else {
            // What stands in the branches cannot be said: neither is read.
            self.skip_conditional(open.span);
            return;
        };
        if holds {
            self.open.push((open.span, Branch::Then));
        } else if self.skip_branch(open.span).is_some() {
            self.open.push((open.span, Branch::Otherwise));
        }
    }

    /// Skips over the `%:` or `%)` of the conditional; says if a branch begins there.
    fn skip_branch(&mut self, open: Span) -> Option<Branch> {
        let mut depth = 0usize;
        loop {
            let token = self.raw();
            match token.kind {
                TokenKind::Symbol("%(") => depth += 1,
                TokenKind::Symbol("%)") if depth == 0 => return None,
                TokenKind::Symbol("%)") => depth -= 1,
                TokenKind::Symbol("%:") if depth == 0 => return Some(Branch::Otherwise),
                TokenKind::End => {
                    let message = "incomplete conditional at end of file";
                    self.report(Diagnostic::parse(message, open), None);
                    return None;
                }
                _ => {}
            }
        }
    }

    fn skip_conditional(&mut self, open: Span) {
        while self.skip_branch(open).is_some() {}
    }
}

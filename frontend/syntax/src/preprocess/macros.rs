// SPDX-License-Identifier: GPL-2.0-or-later
//! `@define name(parameters) %( body %)` and its calls.

use super::{MAX_DEPTH, MAX_EXPANDED, ParseOptions, Pass, Source};
use crate::diagnostic::Diagnostic;
use crate::source::{FileId, SourceMap, Span};
use crate::token::{ExpansionId, Token, TokenKind, is_keyword};
use std::collections::HashMap;
use std::rc::Rc;

/// A macro.
#[derive(Clone, Debug)]
pub(super) struct Macro {
    parameters: Vec<Box<str>>,
    body: Rc<[Token]>,
    defined: Span,
}

/// Macros that a tapset's `.stpm` files define.
#[derive(Clone, Debug, Default)]
pub struct MacroLibrary {
    macros: HashMap<Box<str>, Rc<Macro>>,
}

impl MacroLibrary {
    /// Adds the macros of a `.stpm` file of the map; a later definition of a name
    /// counts. A file of that kind holds nothing but `@define`.
    pub fn read(
        &mut self,
        map: &SourceMap,
        file: FileId,
        options: &ParseOptions<'_>,
    ) -> Vec<Diagnostic> {
        let empty = MacroLibrary::default();
        let (mut pass, _) = Pass::of_file(map, file, options, &empty);
        let after = pass.next();
        if after.kind != TokenKind::End {
            let message = "library macro file contains non-macro-definition";
            pass.error(message, &after);
        }
        self.macros.extend(pass.macros.drain());
        pass.diagnostics
    }

    /// The macros' names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.macros.keys().map(|name| &**name)
    }
}

/// What macro parameters stand for.
#[derive(Default)]
pub(super) struct Scope {
    bound: HashMap<Box<str>, Bound>,
}

/// An argument of a macro call, and the scope in which it is written.
struct Bound {
    tokens: Rc<[Token]>,
    scope: Rc<Scope>,
}

/// A macro call.
#[derive(Clone, Debug)]
pub(crate) struct Expansion {
    name: Box<str>,
    call: Span,
    /// The call that this one was made by.
    parent: Option<ExpansionId>,
}

/// A diagnostic about a token with the macro calls that made it, the nearest first.
pub(crate) fn with_calls(
    mut diagnostic: Diagnostic,
    mut expansion: Option<ExpansionId>,
    expansions: &[Expansion],
) -> Diagnostic {
    // A long chain says no more than its beginning.
    for _ in 0..4 {
        let Some(call) = expansion.and_then(|id| expansions.get(id.0 as usize)) else { break };
        let text = format!("in expansion of macro: operator '@{}'", call.name);
        diagnostic = diagnostic.also(call.call, text);
        expansion = call.parent;
    }
    diagnostic
}

impl Pass<'_> {
    /// The next token with macros expanded and definitions taken out.
    pub(super) fn expanded(&mut self) -> Token {
        loop {
            let token = self.raw();
            let TokenKind::At(name) = &token.kind else { return token };
            if &**name == "define" {
                self.define(&token);
                continue;
            }
            let bound = self.sources.last().and_then(|source| {
                let bound = source.scope.bound.get(name)?;
                Some((bound.tokens.clone(), bound.scope.clone()))
            });
            if let Some((tokens, scope)) = bound {
                if !self.push(name, tokens, scope, &token) {
                    return self.end();
                }
                continue;
            }
            let found = self.macros.get(name).or_else(|| self.library.macros.get(name));
            let Some(found) = found.cloned() else { return token };
            let Some(scope) = self.bind(name, &found, &token) else { continue };
            if !self.push(name, found.body.clone(), Rc::new(scope), &token) {
                return self.end();
            }
        }
    }

    /// Begins to read a macro's body or argument; false if there were too many.
    fn push(&mut self, name: &str, tokens: Rc<[Token]>, scope: Rc<Scope>, call: &Token) -> bool {
        if self.sources.len() > MAX_DEPTH || self.expanded > MAX_EXPANDED {
            self.error(
                format!("macro '@{name}' is nested too deep or makes too many tokens"),
                call,
            );
            self.give_up();
            return false;
        }
        let id = ExpansionId(self.expansions.len() as u32);
        let parent = call.expansion;
        self.expansions.push(Expansion { name: name.into(), call: call.span, parent });
        self.sources.push(Source { tokens, at: 0, scope, expansion: Some(id) });
        // Calls that make no token cost as well.
        self.expanded += 1;
        true
    }

    /// Goes to the end of the file.
    fn give_up(&mut self) {
        self.sources.truncate(1);
        self.open.clear();
        if let Some(file) = self.sources.first_mut() {
            file.at = file.tokens.len().saturating_sub(1);
        }
    }

    /// `name(a, b) %( body %)` behind `@define`.
    fn define(&mut self, define: &Token) {
        if self.sources.len() > 1 {
            self.error("'@define' forbidden inside macro body", define);
        }
        let at = self.raw();
        let name = match &at.kind {
            TokenKind::Identifier(name) if !is_keyword(name) => name.clone(),
            _ => return self.skip_definition("expected identifier", &at),
        };
        let mut open = self.raw();
        let mut parameters = Vec::new();
        if open.kind.is("(") {
            loop {
                let token = self.raw();
                match &token.kind {
                    TokenKind::Identifier(name) if !is_keyword(name) => {
                        parameters.push(name.clone());
                    }
                    _ => return self.skip_definition("expected identifier", &token),
                }
                let token = self.raw();
                match token.kind {
                    TokenKind::Symbol(",") => {}
                    TokenKind::Symbol(")") => break,
                    _ => return self.skip_definition("expected ',' or ')'", &token),
                }
            }
            open = self.raw();
        }
        if !open.kind.is("%(") {
            return self.skip_definition("expected '%(' or '('", &open);
        }
        let Some(body) = self.body() else {
            return self.error("incomplete macro definition - missing '%)'", &at);
        };
        self.check_definition(&name, &at);
        self.macros
            .insert(name, Rc::new(Macro { parameters, body: body.into(), defined: at.span }));
    }

    fn check_definition(&mut self, name: &str, at: &Token) {
        if let Some(first) = self.macros.get(name) {
            let message = format!("attempt to redefine macro '@{name}' in the same file");
            let diagnostic =
                Diagnostic::parse(message, at.span).also(first.defined, "first defined here");
            self.report(diagnostic, at.expansion);
        } else if is_operator(name) {
            let message = format!("macro redefines built-in operator '@{name}'");
            self.report(Diagnostic::warning(message, at.span), at.expansion);
        }
    }

    /// After an error in a definition: skips its body, if it has one.
    fn skip_definition(&mut self, message: &str, at: &Token) {
        self.error(message, at);
        let mut token = at.clone();
        loop {
            match &token.kind {
                TokenKind::Symbol("%(") => {
                    self.body();
                    return;
                }
                TokenKind::End => return,
                TokenKind::Identifier(word)
                    if matches!(&**word, "probe" | "global" | "function" | "private")
                        && token != *at =>
                {
                    return self.unread();
                }
                _ => token = self.raw(),
            }
        }
    }

    /// What stands behind a `%(`, up to its `%)`; `None` if there is none.
    fn body(&mut self) -> Option<Vec<Token>> {
        let mut depth = 0usize;
        let mut body = Vec::new();
        loop {
            let token = self.raw();
            match token.kind {
                TokenKind::Symbol("%(") => depth += 1,
                TokenKind::Symbol("%)") if depth == 0 => return Some(body),
                TokenKind::Symbol("%)") => depth -= 1,
                TokenKind::End => return None,
                _ => {}
            }
            body.push(token);
        }
    }

    /// The arguments of a call, bound to the parameters; `None` after an error.
    fn bind(&mut self, name: &str, called: &Macro, call: &Token) -> Option<Scope> {
        let wanted = called.parameters.len();
        if wanted == 0 {
            return Some(Scope::default());
        }
        // An argument means what it means where the call is written.
        let scope = self.sources.last().map(|source| source.scope.clone()).unwrap_or_default();
        let open = self.raw();
        if !open.kind.is("(") {
            if open.kind != TokenKind::End {
                self.unread();
            }
            let s = if wanted == 1 { "" } else { "s" };
            let message = format!(
                "expected '(' in invocation of macro '@{name}' taking {wanted} parameter{s}"
            );
            self.error(message, &open);
            return None;
        }
        let mut arguments: Vec<Vec<Token>> = vec![Vec::new()];
        let mut depth = 0usize;
        loop {
            let token = self.raw();
            match token.kind {
                TokenKind::Symbol(")") if depth == 0 => {
                    if arguments.len() < wanted {
                        let message =
                            format!("too few parameters for macro '@{name}' (expected {wanted})");
                        self.error(message, &token);
                        return None;
                    }
                    break;
                }
                TokenKind::Symbol(",") if depth == 0 => {
                    if arguments.len() == wanted {
                        let message =
                            format!("too many parameters for macro '@{name}' (expected {wanted})");
                        self.error(message, &token);
                        self.skip_arguments();
                        return None;
                    }
                    arguments.push(Vec::new());
                    continue;
                }
                TokenKind::Symbol("(" | "[") => depth += 1,
                TokenKind::Symbol(")" | "]") => depth = depth.saturating_sub(1),
                TokenKind::End => {
                    self.error("could not find end of macro invocation", call);
                    return None;
                }
                _ => {}
            }
            if let Some(argument) = arguments.last_mut() {
                argument.push(token);
            }
        }
        let bound = arguments
            .into_iter()
            .map(|argument| Bound { tokens: argument.into(), scope: scope.clone() });
        Some(Scope { bound: called.parameters.iter().cloned().zip(bound).collect() })
    }

    /// Skips the rest of a call's arguments.
    fn skip_arguments(&mut self) {
        let mut depth = 0usize;
        loop {
            match self.raw().kind {
                TokenKind::Symbol("(" | "[") => depth += 1,
                TokenKind::Symbol(")" | "]") if depth > 0 => depth -= 1,
                TokenKind::Symbol(")") | TokenKind::End => return,
                _ => {}
            }
        }
    }
}

/// Operators that begin with `@` and are no macros.
fn is_operator(name: &str) -> bool {
    matches!(
        name,
        "avg"
            | "cast"
            | "const"
            | "count"
            | "defined"
            | "entry"
            | "hist_linear"
            | "hist_log"
            | "kderef"
            | "kregister"
            | "max"
            | "min"
            | "perf"
            | "probewrite"
            | "sum"
            | "uderef"
            | "uregister"
            | "var"
            | "variance"
    )
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Script arguments, `@define` macros and `%( condition %? a %: b %)`: tokens to
//! tokens.

use crate::diagnostic::Diagnostic;
use crate::lexer::lex;
use crate::source::{SourceMap, Span};
use crate::token::{Token, TokenKind};
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

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
/// Macros within macros, and conditions within conditions.
const MAX_DEPTH: usize = 200;
/// Tokens that may be looked at in all, macros expanded.
const MAX_WORK: usize = 16_000_000;

/// Preprocesses a file's tokens.
pub(crate) fn preprocess(
    map: &mut SourceMap,
    tokens: Vec<Token>,
    options: &ParseOptions<'_>,
) -> (Vec<Token>, Vec<Diagnostic>, BTreeSet<u32>) {
    let mut pass = Pass {
        map,
        options,
        macros: HashMap::new(),
        out: Vec::new(),
        diagnostics: Vec::new(),
        used: BTreeSet::new(),
        work_left: MAX_WORK,
    };
    let end = tokens.last().cloned();
    let tokens = pass.arguments(tokens);
    pass.expand(&tokens, &HashMap::new(), 0);
    pass.out.extend(end);
    (pass.out, pass.diagnostics, pass.used)
}

#[derive(Clone)]
struct Macro {
    parameters: Vec<String>,
    body: Vec<Token>,
}

struct Pass<'a> {
    map: &'a mut SourceMap,
    options: &'a ParseOptions<'a>,
    macros: HashMap<String, Macro>,
    out: Vec<Token>,
    diagnostics: Vec<Diagnostic>,
    used: BTreeSet<u32>,
    /// 0 once a limit was broken, which is said only once.
    work_left: usize,
}

impl Pass<'_> {
    /// Puts the script's arguments in place of `$1`, `@1`, `$#` and `@#`.
    fn arguments(&mut self, tokens: Vec<Token>) -> Vec<Token> {
        let mut out = Vec::with_capacity(tokens.len());
        let count = self.options.arguments.len();
        for token in tokens {
            let span = token.span;
            match token.kind {
                TokenKind::ArgumentCount => {
                    out.push(Token { kind: TokenKind::Number(count as i64), span });
                }
                TokenKind::ArgumentCountText => {
                    let text = count.to_string().into_bytes();
                    out.push(Token { kind: TokenKind::Text(text), span });
                }
                TokenKind::ArgumentText(n) => {
                    let text = self.argument(n, span).unwrap_or_default().into_bytes();
                    out.push(Token { kind: TokenKind::Text(text), span });
                }
                TokenKind::Argument(n) => {
                    let Some(text) = self.argument(n, span) else { continue };
                    out.extend(self.paste(n, &text));
                }
                TokenKind::End => {}
                kind => out.push(Token { kind, span }),
            }
        }
        out
    }

    fn argument(&mut self, n: u32, span: Span) -> Option<String> {
        let found = (n as usize).checked_sub(1).and_then(|n| self.options.arguments.get(n));
        if found.is_none() {
            let count = self.options.arguments.len();
            let message = format!("command line argument {n} out of range [1-{count}]");
            self.diagnostics.push(Diagnostic::parse(message, span));
        }
        self.used.insert(n);
        found.cloned()
    }

    /// The tokens of an argument's text.
    fn paste(&mut self, n: u32, text: &str) -> Vec<Token> {
        let file = self.map.add(format!("<command line argument ${n}>"), text.as_bytes());
        let (tokens, diagnostics) = lex(self.map, file);
        self.diagnostics.extend(diagnostics);
        let mut out = Vec::new();
        for token in tokens {
            match token.kind {
                TokenKind::End => {}
                TokenKind::Argument(_) | TokenKind::ArgumentText(_) => {
                    let message = "invalid nested substitution of command line arguments";
                    self.diagnostics.push(Diagnostic::parse(message, token.span));
                }
                _ => out.push(token),
            }
        }
        out
    }

    fn error(&mut self, message: impl Into<String>, span: Span) {
        self.diagnostics.push(Diagnostic::parse(message, span));
    }

    /// Expands macros and conditions of a token run into the output.
    fn expand(&mut self, tokens: &[Token], bound: &HashMap<String, Vec<Token>>, depth: usize) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if self.work_left == 0 {
                return;
            }
            self.work_left -= 1;
            if depth > MAX_DEPTH || self.work_left == 0 {
                self.work_left = 0;
                self.error("macros or conditions are nested too deeply", token.span);
                return;
            }
            at += 1;
            match &token.kind {
                TokenKind::Symbol("%(") => at = self.conditional(tokens, at, bound, depth),
                TokenKind::At(name) if name == "define" => at = self.define(tokens, at),
                TokenKind::At(name) if bound.contains_key(name) => {
                    let argument = bound.get(name).cloned().unwrap_or_default();
                    self.expand(&argument, &HashMap::new(), depth + 1);
                }
                TokenKind::At(name) if self.macros.contains_key(name) => {
                    let Some(definition) = self.macros.get(name).cloned() else { continue };
                    let name = name.clone();
                    at = self.call(&name, &definition, tokens, at, bound, depth);
                }
                _ => self.out.push(token.clone()),
            }
        }
    }

    /// `@define name(a, b) %( body %)`; returns the position after it.
    fn define(&mut self, tokens: &[Token], mut at: usize) -> usize {
        let span = tokens.get(at.saturating_sub(1)).map(|token| token.span).unwrap_or_default();
        let Some(TokenKind::Identifier(name)) = tokens.get(at).map(|t| &t.kind) else {
            self.error("expected identifier after '@define'", span);
            return at;
        };
        at += 1;
        let mut parameters = Vec::new();
        if tokens.get(at).is_some_and(|t| t.kind.is("(")) {
            at += 1;
            while let Some(token) = tokens.get(at) {
                at += 1;
                match &token.kind {
                    TokenKind::Identifier(parameter) => parameters.push(parameter.clone()),
                    TokenKind::Symbol(",") => {}
                    TokenKind::Symbol(")") => break,
                    other => {
                        let message = format!("expected parameter name, saw {}", other.describe());
                        self.error(message, token.span);
                        break;
                    }
                }
            }
        }
        if !tokens.get(at).is_some_and(|t| t.kind.is("%(")) {
            self.error("expected '%('", span);
            return at;
        }
        let Some(close) = closing(tokens, at + 1) else {
            self.error("incomplete macro definition - missing '%)'", span);
            return tokens.len();
        };
        let body = tokens.get(at + 1..close).unwrap_or_default().to_vec();
        self.macros.insert(name.clone(), Macro { parameters, body });
        close + 1
    }

    /// `@name(arguments)`; returns the position after it.
    fn call(
        &mut self,
        name: &str,
        definition: &Macro,
        tokens: &[Token],
        mut at: usize,
        bound: &HashMap<String, Vec<Token>>,
        depth: usize,
    ) -> usize {
        let span = tokens.get(at.saturating_sub(1)).map(|token| token.span).unwrap_or_default();
        let mut arguments: Vec<Vec<Token>> = Vec::new();
        if !definition.parameters.is_empty() {
            if !tokens.get(at).is_some_and(|t| t.kind.is("(")) {
                let wanted = definition.parameters.len();
                self.error(
                    format!(
                        "expected '(' in invocation of macro '@{name}' taking {wanted} parameters"
                    ),
                    span,
                );
                return at;
            }
            at += 1;
            let mut nesting = 0usize;
            let mut argument = Vec::new();
            loop {
                let Some(token) = tokens.get(at) else {
                    self.error(format!("could not find ')' of macro '@{name}'"), span);
                    return at;
                };
                at += 1;
                match &token.kind {
                    TokenKind::Symbol(")") if nesting == 0 => break,
                    TokenKind::Symbol(",") if nesting == 0 => {
                        arguments.push(std::mem::take(&mut argument));
                        continue;
                    }
                    TokenKind::Symbol("(" | "[" | "{") => nesting += 1,
                    TokenKind::Symbol(")" | "]" | "}") => nesting = nesting.saturating_sub(1),
                    _ => {}
                }
                argument.push(token.clone());
            }
            arguments.push(argument);
            if arguments.len() != definition.parameters.len() {
                let wanted = definition.parameters.len();
                let have = arguments.len();
                let message = format!("macro '@{name}' takes {wanted} parameters, not {have}");
                self.error(message, span);
                return at;
            }
        }
        // Arguments are expanded where the call stands, before the body sees them.
        let mut inner = HashMap::new();
        for (parameter, argument) in definition.parameters.iter().zip(arguments) {
            let outer = std::mem::take(&mut self.out);
            self.expand(&argument, bound, depth + 1);
            inner.insert(parameter.clone(), std::mem::replace(&mut self.out, outer));
        }
        self.expand(&definition.body, &inner, depth + 1);
        at
    }

    /// `condition %? a %: b %)` behind a `%(`; returns the position after it.
    fn conditional(
        &mut self,
        tokens: &[Token],
        at: usize,
        bound: &HashMap<String, Vec<Token>>,
        depth: usize,
    ) -> usize {
        let span = tokens.get(at.saturating_sub(1)).map(|token| token.span).unwrap_or_default();
        let Some(close) = closing(tokens, at) else {
            self.error("incomplete conditional - missing '%)'", span);
            return tokens.len();
        };
        let inside = tokens.get(at..close).unwrap_or_default();
        let Some(question) = split(inside, "%?") else {
            self.error("expected '%?' marker for conditional", span);
            return close + 1;
        };
        let (condition, branches) = inside.split_at(question);
        let branches = branches.get(1..).unwrap_or_default();
        let (then, otherwise) = match split(branches, "%:") {
            Some(colon) => {
                let (then, rest) = branches.split_at(colon);
                (then, rest.get(1..).unwrap_or_default())
            }
            None => (branches, &[][..]),
        };
        let outer = std::mem::take(&mut self.out);
        self.expand(condition, bound, depth + 1);
        let condition = std::mem::replace(&mut self.out, outer);
        let chosen = match self.condition(&condition, span) {
            Some(true) => then,
            Some(false) => otherwise,
            None => &[],
        };
        self.expand(chosen, bound, depth + 1);
        close + 1
    }

    /// `a || b && c` of comparisons; `None` after an error.
    fn condition(&mut self, tokens: &[Token], span: Span) -> Option<bool> {
        let mut any = false;
        for alternative in tokens.split(|token| token.kind.is("||")) {
            let mut all = true;
            for comparison in alternative.split(|token| token.kind.is("&&")) {
                all &= self.comparison(comparison, span)?;
            }
            any |= all;
        }
        Some(any)
    }

    fn comparison(&mut self, tokens: &[Token], span: Span) -> Option<bool> {
        let [left, operator, right] = tokens else {
            let at = tokens.first().map_or(span, |token| token.span);
            // A bare number counts as it does in C.
            if let [Token { kind: TokenKind::Number(n), .. }] = tokens {
                return Some(*n != 0);
            }
            self.error("expected a comparison 'left operator right' in the condition", at);
            return None;
        };
        let TokenKind::Symbol(symbol) = operator.kind else {
            self.error("expected comparison operator", operator.span);
            return None;
        };
        let ordering = self.compare(left, right)?;
        let glob = self.glob_equal(left, right);
        Some(match symbol {
            "==" => glob.unwrap_or(ordering == Ordering::Equal),
            "!=" => !glob.unwrap_or(ordering == Ordering::Equal),
            "<" => ordering == Ordering::Less,
            "<=" => ordering != Ordering::Greater,
            ">" => ordering == Ordering::Greater,
            ">=" => ordering != Ordering::Less,
            _ => {
                self.error("expected comparison operator", operator.span);
                return None;
            }
        })
    }

    /// The text of a named operand.
    fn operand(&self, name: &str) -> Option<String> {
        let release = self.options.environment.kernel_release();
        Some(match name {
            "kernel_vr" => release.to_owned(),
            "kernel_v" => release.split('-').next().unwrap_or(release).to_owned(),
            "systemtap_v" => LANGUAGE_VERSION.to_owned(),
            "arch" => self.options.environment.architecture().to_owned(),
            "runtime" => "kernel".to_owned(),
            "systemtap_privilege" => "stapdev".to_owned(),
            _ if name.starts_with("CONFIG_") => {
                self.options.environment.config(name).unwrap_or_default()
            }
            _ => return None,
        })
    }

    fn compare(&mut self, left: &Token, right: &Token) -> Option<Ordering> {
        match (&left.kind, &right.kind) {
            (TokenKind::Number(a), TokenKind::Number(b)) => Some(a.cmp(b)),
            (TokenKind::Text(a), TokenKind::Text(b)) => Some(a.cmp(b)),
            (TokenKind::Identifier(name), TokenKind::Number(b)) if name == "guru_mode" => {
                Some(i64::from(self.options.guru).cmp(b))
            }
            (TokenKind::Identifier(name), TokenKind::Text(b)) => {
                let Some(value) = self.operand(name) else {
                    let message = format!("unknown condition operand '{name}'");
                    self.error(message, left.span);
                    return None;
                };
                let text = String::from_utf8_lossy(b);
                let versions = ["kernel_v", "kernel_vr", "systemtap_v"];
                Some(if versions.contains(&name.as_str()) {
                    compare_versions(&value, &text)
                } else {
                    value.as_str().cmp(&text)
                })
            }
            (TokenKind::Identifier(name), _)
                if name.starts_with("CONFIG_") || name == "guru_mode" =>
            {
                self.error("expected a string or number to compare with", right.span);
                None
            }
            _ => {
                self.error("these operands cannot be compared", left.span.to(right.span));
                None
            }
        }
    }

    /// `==` with a pattern: `kernel_v == "6.*"`, `CONFIG_X == "y"`.
    fn glob_equal(&self, left: &Token, right: &Token) -> Option<bool> {
        let (TokenKind::Identifier(name), TokenKind::Text(pattern)) = (&left.kind, &right.kind)
        else {
            return None;
        };
        let pattern = String::from_utf8_lossy(pattern);
        pattern.contains(['*', '?', '[']).then(|| {
            self.operand(name).is_some_and(|value| glob(pattern.as_bytes(), value.as_bytes()))
        })
    }
}

/// The position of the `%)` that closes what began before `at`.
fn closing(tokens: &[Token], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (n, token) in tokens.iter().enumerate().skip(at) {
        match token.kind {
            TokenKind::Symbol("%(") => depth += 1,
            TokenKind::Symbol("%)") if depth == 0 => return Some(n),
            TokenKind::Symbol("%)") => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The position of a marker that belongs to no inner conditional.
fn split(tokens: &[Token], marker: &str) -> Option<usize> {
    let mut depth = 0usize;
    for (n, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Symbol("%(") => depth += 1,
            TokenKind::Symbol("%)") => depth = depth.saturating_sub(1),
            TokenKind::Symbol(symbol) if depth == 0 && symbol == marker => return Some(n),
            _ => {}
        }
    }
    None
}

/// Compares dotted versions number by number, as strverscmp(3) does for such.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().unwrap_or(u64::MAX))
            .collect()
    };
    parts(a).cmp(&parts(b))
}

/// Does a shell pattern of `*` and `?` match a whole text?
pub fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == c => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else { return false };
                // The last star takes one byte more.
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == b'*')
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
    }

    #[test]
    fn versions() {
        assert_eq!(compare_versions("6.12.1", "6.1"), Ordering::Greater);
        assert_eq!(compare_versions("6.1.0-56-cloud", "6.1.0"), Ordering::Greater);
        assert_eq!(compare_versions("2.6.32", "2.6.32"), Ordering::Equal);
    }
}

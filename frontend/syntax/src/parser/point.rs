// SPDX-License-Identifier: GPL-2.0-or-later
//! Probe points.

use super::{Parse, Parser};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::token::TokenKind;

/// Points that braces may multiply out to.
const MAX_ALTERNATIVES: usize = 10_000;

impl Parser {
    /// A list of probe points, braces multiplied out.
    pub(super) fn points(&mut self) -> Parse<Vec<ProbePoint>> {
        let mut points = Vec::new();
        loop {
            let start = self.span();
            let alternatives = self.nested(Parser::component_lists)?;
            let presence = if self.eat("?") {
                Presence::Optional
            } else if self.eat("!") {
                Presence::Sufficient
            } else {
                Presence::Required
            };
            let condition = if self.eat_word("if") {
                self.expect("(")?;
                let condition = self.expression()?;
                self.expect(")")?;
                Some(condition)
            } else {
                None
            };
            let span = start.to(self.last_span());
            points.extend(alternatives.into_iter().map(|components| ProbePoint {
                components,
                presence,
                condition: condition.clone(),
                span,
            }));
            if points.len() > MAX_ALTERNATIVES {
                return self.fail(Diagnostic::parse("too many probe points in braces", span));
            }
            if !self.eat(",") {
                return Ok(points);
            }
        }
    }

    /// `a.b.c`, one list for each choice of alternatives.
    fn component_lists(&mut self) -> Parse<Vec<Vec<Component>>> {
        let mut lists: Vec<Vec<Component>> = vec![Vec::new()];
        loop {
            let next =
                if self.eat("{") { self.alternatives()? } else { vec![vec![self.component()?]] };
            if lists.len().saturating_mul(next.len()) > MAX_ALTERNATIVES {
                return self
                    .fail(Diagnostic::parse("too many probe points in braces", self.span()));
            }
            lists = lists
                .iter()
                .flat_map(|head| next.iter().map(move |tail| [head.as_slice(), tail].concat()))
                .collect();
            if !self.eat(".") {
                return Ok(lists);
            }
        }
    }

    /// `a.b, c}` behind a brace.
    fn alternatives(&mut self) -> Parse<Vec<Vec<Component>>> {
        let mut all = Vec::new();
        loop {
            all.extend(self.nested(Parser::component_lists)?);
            if all.len() > MAX_ALTERNATIVES {
                return self
                    .fail(Diagnostic::parse("too many probe points in braces", self.span()));
            }
            if !self.eat(",") {
                self.expect("}")?;
                return Ok(all);
            }
        }
    }

    fn component(&mut self) -> Parse<Component> {
        let name = self.component_name()?;
        let argument = if self.eat("(") {
            let literal = self.literal()?;
            self.expect(")")?;
            Some(literal)
        } else {
            None
        };
        Ok(Component { name, argument })
    }

    /// A name with wildcards: words and stars with nothing between them.
    fn component_name(&mut self) -> Parse<Name> {
        let start = self.span();
        let mut text = String::new();
        let mut end = Span { end: start.start, ..start };
        while text.is_empty() || end.end == self.span().start {
            match self.kind() {
                TokenKind::Identifier(word) => text.push_str(word),
                TokenKind::Symbol("*") => text.push('*'),
                TokenKind::Number(n) if !text.is_empty() => text.push_str(&n.to_string()),
                _ => break,
            }
            end = self.bump();
        }
        if text.is_empty() {
            return self.expected("probe point: identifier or '*'");
        }
        Ok(Name { text, span: start.to(end) })
    }
}

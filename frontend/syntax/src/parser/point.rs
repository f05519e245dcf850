// SPDX-License-Identifier: GPL-2.0-or-later
//! Probe points.

use super::{Parse, Parser};
use crate::ast::*;
use crate::source::Span;
use crate::token::TokenKind;

/// Points that braces may multiply out to.
const MAX_ALTERNATIVES: usize = 10_000;
/// Bytes of script that they may amount to: each one has its own copy.
const MAX_COPIED: usize = 16 << 20;

/// A point, or a part of one, before it has its span.
struct Alternative {
    components: Vec<Component>,
    presence: Presence,
    condition: Option<Expression>,
}

impl Alternative {
    fn is_plain(&self) -> bool {
        self.presence == Presence::Required && self.condition.is_none()
    }
}

impl Parser {
    /// A list of probe points, braces multiplied out.
    pub(super) fn points(&mut self) -> Parse<Vec<ProbePoint>> {
        let mut points = Vec::new();
        loop {
            let start = self.span();
            let alternatives = self.point()?;
            let span = start.to(self.last_span());
            points.extend(alternatives.into_iter().map(|alternative| ProbePoint {
                components: alternative.components,
                presence: alternative.presence,
                condition: alternative.condition,
                span,
            }));
            if !self.eat(",") {
                return Ok(points);
            }
        }
    }

    /// `a.{b,c}.d ? if (condition)`
    fn point(&mut self) -> Parse<Vec<Alternative>> {
        let start = self.span();
        let mut alternatives = self.nested(Parser::component_lists)?;
        let presence = if self.eat("?") {
            Presence::Optional
        } else if self.eat("!") {
            Presence::Sufficient
        } else {
            Presence::Required
        };
        let condition = if self.eat_word("if") {
            let open = self.expect("(")?;
            let condition = self.expression()?.node;
            self.expect_close(")", open)?;
            Some(condition)
        } else {
            None
        };
        if presence == Presence::Required && condition.is_none() {
            return Ok(alternatives);
        }
        self.check_size(start, alternatives.len())?;
        for alternative in &mut alternatives {
            if !alternative.is_plain() {
                return self.suffix_inside(start);
            }
            alternative.presence = presence;
            alternative.condition.clone_from(&condition);
        }
        Ok(alternatives)
    }

    fn suffix_inside<T>(&mut self, start: Span) -> Parse<T> {
        let message = "'?', '!' or condition must only be specified in suffix";
        self.error_at(message, start.to(self.last_span()))
    }

    fn check_size(&mut self, start: Span, count: usize) -> Parse<()> {
        let length = self.last_span().end.saturating_sub(start.start) as usize;
        if count > MAX_ALTERNATIVES || count.saturating_mul(length) > MAX_COPIED {
            let span = start.to(self.last_span());
            return self.error_at("too many probe points in braces", span);
        }
        Ok(())
    }

    /// `a.b.c`, one list for each choice of alternatives.
    fn component_lists(&mut self) -> Parse<Vec<Alternative>> {
        let start = self.span();
        let mut lists: Vec<Alternative> = Vec::new();
        loop {
            let next = if self.is("{") { self.alternatives()? } else { vec![self.component()?] };
            if lists.is_empty() {
                lists = next;
            } else {
                self.check_size(start, lists.len().saturating_mul(next.len()))?;
                lists = multiplied(&lists, &next);
            }
            if !self.is(".") {
                return Ok(lists);
            }
            if !lists.iter().all(Alternative::is_plain) {
                return self.suffix_inside(start);
            }
            self.bump();
        }
    }

    /// `{a.b, c}`
    fn alternatives(&mut self) -> Parse<Vec<Alternative>> {
        let open = self.bump();
        let mut all = Vec::new();
        loop {
            all.extend(self.point()?);
            self.check_size(open, all.len())?;
            if !self.eat(",") {
                self.expect_close("}", open)?;
                return Ok(all);
            }
        }
    }

    fn component(&mut self) -> Parse<Alternative> {
        let name = self.component_name()?;
        let argument = if self.is("(") {
            let open = self.bump();
            let literal = self.literal()?;
            self.expect_close(")", open)?;
            Some(literal)
        } else {
            None
        };
        let components = vec![Component { name, argument }];
        Ok(Alternative { components, presence: Presence::Required, condition: None })
    }

    /// A name with wildcards: words and stars with nothing between them.
    fn component_name(&mut self) -> Parse<Name> {
        let start = self.span();
        let mut text = String::new();
        let mut end = start;
        while text.is_empty() || end.end == self.span().start {
            match self.kind() {
                TokenKind::Identifier(word) | TokenKind::Target(word) => text.push_str(word),
                TokenKind::Symbol("*") => text.push('*'),
                TokenKind::Number(_) if !text.is_empty() => {
                    // As it is written: `sys_*64`.
                    text.push_str(&self.number_text());
                }
                _ => break,
            }
            end = self.bump();
        }
        if text.is_empty() {
            return self.expected("identifier or '*' or '{'");
        }
        Ok(Name { text, span: start.to(end) })
    }

    fn number_text(&self) -> String {
        match self.kind() {
            TokenKind::Number(n) => n.to_string(),
            _ => String::new(),
        }
    }
}

fn multiplied(heads: &[Alternative], tails: &[Alternative]) -> Vec<Alternative> {
    let one = |head: &Alternative, tail: &Alternative| Alternative {
        components: [head.components.as_slice(), &tail.components].concat(),
        presence: tail.presence,
        condition: tail.condition.clone(),
    };
    heads.iter().flat_map(|head| tails.iter().map(move |tail| one(head, tail))).collect()
}

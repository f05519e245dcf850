// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements.

use super::body::{Body, Loop};
use frontend_syntax::ast::{
    self, BinaryOperator, Expression, ExpressionKind, Statement, StatementKind, StepOperator,
};
use frontend_syntax::{Diagnostic, Span};
use vm_spec::build::CatchSpec;
use vm_spec::image::ReturnKind;
use vm_spec::isa::asm;

impl<'p> Body<'_, 'p> {
    pub(super) fn block(&mut self, block: &'p ast::Block) {
        for statement in &block.statements {
            self.statement(statement);
        }
    }

    pub(super) fn statement(&mut self, statement: &'p Statement) {
        let mark = self.mark();
        self.statement_kind(statement);
        self.release(mark);
    }

    fn statement_kind(&mut self, statement: &'p Statement) {
        let span = statement.span;
        match &statement.kind {
            StatementKind::Empty => {}
            StatementKind::Block(block) => self.block(block),
            StatementKind::Expression(expression) => self.effect(expression),
            StatementKind::If { condition, then, otherwise } => {
                let no = self.label();
                self.jump_unless(condition, no);
                self.statement(then);
                let Some(otherwise) = otherwise else { return self.bind(no) };
                let done = self.label();
                self.jump(asm::jmp, done, span);
                self.bind(no);
                self.statement(otherwise);
                self.bind(done);
            }
            StatementKind::While { condition, body } => {
                self.looped(Some(condition), None, body, condition.token);
            }
            StatementKind::For { initial, condition, step, body } => {
                if let Some(initial) = initial {
                    let mark = self.mark();
                    self.effect(initial);
                    self.release(mark);
                }
                let token = condition.as_ref().map_or(span, |c| c.token);
                if !self.counted(condition.as_ref(), step.as_ref(), body) {
                    self.looped(condition.as_ref(), step.as_ref(), body, token);
                }
            }
            StatementKind::Foreach(foreach) => self.foreach(foreach, span),
            StatementKind::Break => match self.loops.last().map(|l| l.done) {
                Some(done) => self.jump(asm::jmp, done, span),
                None => self.outside_loop("break", span),
            },
            StatementKind::Continue => match self.loops.last().map(|l| l.again) {
                Some(again) => self.jump(asm::jmp, again, span),
                None => self.outside_loop("continue", span),
            },
            StatementKind::Next if self.kind.is_none() => self.emit(asm::declin(), span),
            StatementKind::Next => self.emit(asm::finish(), span),
            StatementKind::Return(value) => self.returned(value.as_ref(), span),
            StatementKind::Delete(target) => self.delete(target, span),
            StatementKind::Try { body, message, handler } => {
                self.try_catch(body, message.as_ref(), handler, span);
            }
        }
    }

    fn outside_loop(&mut self, word: &str, span: Span) {
        let message = format!("cannot '{word}' outside loop");
        self.context.diagnostics.push(Diagnostic::semantic(message, span));
    }

    fn returned(&mut self, value: Option<&'p Expression>, span: Span) {
        match (self.returns(), value) {
            (ReturnKind::Nothing, _) => self.emit(asm::ret(), span),
            (ReturnKind::Long, Some(value)) => {
                let register = self.long(value);
                self.emit(asm::retl(register), span);
            }
            (ReturnKind::Str, Some(value)) => {
                let register = self.text(value);
                self.emit(asm::rets(register), span);
            }
            (ReturnKind::Long, None) => {
                let zero = self.number(0, span);
                self.emit(asm::retl(zero), span);
            }
            (ReturnKind::Str, None) => {
                let empty = self.constant_text(b"", span);
                self.emit(asm::rets(empty), span);
            }
        }
    }

    /// The condition is tested at the bottom; the top charges for a round.
    fn looped(
        &mut self,
        condition: Option<&'p Expression>,
        step: Option<&'p Expression>,
        inner: &'p Statement,
        token: Span,
    ) {
        let (head, again, test, done) = (self.label(), self.label(), self.label(), self.label());
        self.jump(asm::jmp, test, token);
        self.bind(head);
        self.emit(asm::charge(weight(inner)), closing(inner));
        self.loops.push(Loop { done, again });
        self.statement(inner);
        self.loops.pop();
        self.bind(again);
        if let Some(step) = step {
            let mark = self.mark();
            self.effect(step);
            self.release(mark);
        }
        self.bind(test);
        let mark = self.mark();
        match condition {
            Some(condition) => self.jump_if(condition, head),
            None => self.jump(asm::jmp, head, token),
        }
        self.release(mark);
        self.bind(done);
    }

    /// `for (...; i < bound; i++)` with a local `i` and a bound that is a small number or
    /// a local that the loop does not change: one instruction counts, tests and pays.
    fn counted(
        &mut self,
        condition: Option<&'p Expression>,
        step: Option<&'p Expression>,
        inner: &'p Statement,
    ) -> bool {
        let (Some(condition), Some(step)) = (condition, step) else { return false };
        let ExpressionKind::Binary { operator: BinaryOperator::Less, left, right } =
            &condition.kind
        else {
            return false;
        };
        let ExpressionKind::Step { step: StepOperator::Increment, target, .. } = &step.kind else {
            return false;
        };
        let (ExpressionKind::Variable(tested), ExpressionKind::Variable(counted)) =
            (&left.kind, &target.kind)
        else {
            return false;
        };
        let ExpressionKind::Number(bound) = right.kind else { return false };
        let (Some(counter), Ok(bound)) = (self.long_local(tested), i16::try_from(bound)) else {
            return false;
        };
        if tested != counted || self.global(tested, left.span).is_some() {
            return false;
        }
        let token = condition.token;
        let (head, again, done) = (self.label(), self.label(), self.label());
        self.jump(|pc| asm::jgei(counter, bound.into(), pc), done, token);
        self.bind(head);
        self.loops.push(Loop { done, again });
        self.statement(inner);
        self.loops.pop();
        self.bind(again);
        self.jump(|pc| asm::iloop(counter, bound.into(), pc), head, closing(inner));
        self.bind(done);
        true
    }

    fn try_catch(
        &mut self,
        body: &'p ast::Block,
        message: Option<&'p ast::Name>,
        handler: &'p ast::Block,
        span: Span,
    ) {
        let start = self.here();
        self.block(body);
        let done = self.label();
        self.jump(asm::jmp, done, span);
        let end = self.here();
        let register =
            message.map(|name| self.string_local(&name.text).unwrap_or_else(|| self.new_string()));
        self.catch(CatchSpec { start, end, target: end, message: register });
        if let (Some(name), Some(register)) = (message, register) {
            self.store_global_text(&name.text, register, name.span);
        }
        self.block(handler);
        self.bind(done);
    }
}

/// What a loop that takes too long is near: its only statement, or the block of many.
pub(super) fn closing(body: &Statement) -> Span {
    match &body.kind {
        StatementKind::Block(block) => match block.statements.as_slice() {
            [only] => closing(only),
            _ => block.span,
        },
        _ => body.span,
    }
}

/// Statements of a loop's body, at least 1.
pub(super) fn weight(statement: &Statement) -> u32 {
    match &statement.kind {
        StatementKind::Block(block) => {
            block.statements.iter().fold(0u32, |n, s| n.saturating_add(weight(s))).max(1)
        }
        StatementKind::If { then, otherwise, .. } => {
            let other = otherwise.as_ref().map_or(0, |s| weight(s));
            weight(then).max(other).saturating_add(1)
        }
        _ => 1,
    }
}

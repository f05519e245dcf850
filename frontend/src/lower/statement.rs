// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements.

use super::actions::{checked_at, leaves};
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
        for (n, statement) in block.statements.iter().enumerate() {
            self.statement(statement);
            // What has not been paid when the loop's round began.
            let rest = block.statements.get(n + 1..).unwrap_or_default();
            if let Some(next) = rest.first()
                && !self.loops.is_empty()
                && leaves(statement)
            {
                let cost = self.context.actions.sure_of(self.context.program, rest);
                self.pay(cost, checked_at(next));
            }
        }
    }

    /// Takes actions off the budget.
    pub(super) fn pay(&mut self, actions: u32, at: Span) {
        if actions > 0 {
            self.emit(asm::charge(actions), at);
        }
    }

    /// In a loop, what this branch costs more than the other one.
    fn pay_for_branch(&mut self, branch: &Statement, least: u32) {
        if !self.loops.is_empty() {
            let cost = self.context.actions.sure(self.context.program, branch);
            self.pay(cost.saturating_sub(least), checked_at(branch));
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
                let (actions, program) = (&self.context.actions, self.context.program);
                let least = actions.least(program, then, otherwise.as_deref());
                self.jump_unless(condition, no);
                self.pay_for_branch(then, least);
                self.statement(then);
                let Some(otherwise) = otherwise else { return self.bind(no) };
                let done = self.label();
                self.jump(asm::jmp, done, span);
                self.bind(no);
                self.pay_for_branch(otherwise, least);
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
        let round = self.context.actions.round(self.context.program, [condition, step], inner);
        self.jump(asm::jmp, test, token);
        self.bind(head);
        self.pay(round.saturating_add(1), checked_at(inner));
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

    /// `for (...; i < bound; i++)` with a local `i` and a small number: one instruction
    /// counts, tests and pays.
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
        let round = self.context.actions.round(self.context.program, [None, None], inner);
        let round = round.saturating_add(1);
        let (Some(counter), Ok(bound), Ok(cost)) =
            (self.long_local(tested), u8::try_from(bound), u8::try_from(round))
        else {
            return false;
        };
        if tested != counted || self.global(tested, left.span).is_some() {
            return false;
        }
        let token = condition.token;
        let (head, again, done) = (self.label(), self.label(), self.label());
        self.jump(|pc| asm::jgei(counter, bound.into(), pc), done, token);
        self.pay(round, checked_at(inner));
        self.bind(head);
        self.loops.push(Loop { done, again });
        self.statement(inner);
        self.loops.pop();
        self.bind(again);
        self.jump(
            |pc| asm::iloopc(counter, bound.into(), cost.into(), pc),
            head,
            checked_at(inner),
        );
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
        if !self.loops.is_empty() {
            let cost = self.context.actions.sure_of(self.context.program, &handler.statements);
            self.pay(cost, handler.span);
        }
        if let (Some(name), Some(register)) = (message, register) {
            self.store_global_text(&name.text, register, name.span);
        }
        self.block(handler);
        self.bind(done);
    }
}

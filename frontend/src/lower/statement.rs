// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements.

use super::Place;
use super::body::{Body, Loop};
use crate::program::Type;
use frontend_syntax::Span;
use frontend_syntax::ast::{
    self, Aggregate, BinaryOperator, Direction, Expression, ExpressionKind, SortBy, Statement,
    StatementKind, StepOperator,
};
use vm_spec::build::CatchSpec;
use vm_spec::ids::{MapId, Reg};
use vm_spec::image::{ReturnKind, SortOrder, SortSubject, StatOperation, ValueKind};
use vm_spec::isa::asm;

impl<'p> Body<'_, 'p> {
    pub(super) fn block(&mut self, block: &'p ast::Block) {
        for statement in &block.statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'p Statement) {
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
            StatementKind::Break => {
                if let Some(done) = self.loops.last().map(|l| l.done) {
                    self.jump(asm::jmp, done, span);
                }
            }
            StatementKind::Continue => {
                if let Some(again) = self.loops.last().map(|l| l.again) {
                    self.jump(asm::jmp, again, span);
                }
            }
            StatementKind::Next => self.emit(asm::finish(), span),
            StatementKind::Return(value) => self.returned(value.as_ref(), span),
            StatementKind::Delete(target) => self.delete(target, span),
            StatementKind::Try { body, message, handler } => {
                self.try_catch(body, message.as_ref(), handler, span);
            }
        }
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
        self.emit(asm::charge(weight(inner)), token);
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
        if tested != counted || self.global(tested).is_some() {
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
        self.jump(|pc| asm::iloop(counter, bound.into(), pc), head, token);
        self.bind(done);
        true
    }

    fn foreach(&mut self, foreach: &'p ast::Foreach, span: Span) {
        let ExpressionKind::Variable(name) = &foreach.array.kind else { return };
        let Some((Place::Map(map), kind)) = self.global(name) else { return };
        let token = foreach.array.token;
        let limit = foreach.limit.as_ref().map(|limit| {
            let left = self.new_long();
            self.long_into(limit, left);
            left
        });
        let slices = self.slices(foreach, name);
        let cursor = self.new_long();
        let (head, again, done) = (self.label(), self.label(), self.label());
        self.emit(asm::ifirst(cursor, map, sort_order(foreach, kind)), token);
        self.jump(|pc| asm::jz(cursor, pc), done, token);
        self.bind(head);
        self.emit(asm::charge(weight(&foreach.body)), token);
        self.skip_others(&slices, name, map, cursor, again, token);
        if let Some(left) = limit {
            self.jump(|pc| asm::jlei(left, 0, pc), done, token);
            self.emit(asm::addi(left, left, -1), token);
        }
        for (n, key) in foreach.keys.iter().enumerate() {
            self.load_key(name, map, cursor, n, &key.text, token);
        }
        if let Some(value) = &foreach.value {
            self.load_value(map, kind, cursor, &value.text, token);
        }
        self.loops.push(Loop { done, again });
        self.statement(&foreach.body);
        self.loops.pop();
        self.bind(again);
        self.jump(|pc| asm::inext(cursor, map, pc), head, span);
        self.bind(done);
    }

    /// The values of a slice's keys, evaluated once.
    fn slices(&mut self, foreach: &'p ast::Foreach, array: &str) -> Vec<Option<Slice>> {
        let kinds = self.keys_of(array);
        let slices = foreach.slice.iter().flatten();
        slices
            .zip(kinds)
            .map(|(slice, kind)| slice.as_ref().map(|key| self.slice(key, super::value_kind(kind))))
            .collect()
    }

    fn slice(&mut self, key: &'p Expression, kind: ValueKind) -> Slice {
        if kind == ValueKind::Str {
            let register = self.new_string();
            self.text_into(key, register);
            Slice::Text(register)
        } else {
            let register = self.new_long();
            self.long_into(key, register);
            Slice::Long(register)
        }
    }

    /// Jumps to `other` unless the entry's keys are those of the slice.
    fn skip_others(
        &mut self,
        slices: &[Option<Slice>],
        array: &str,
        map: MapId,
        cursor: Reg,
        other: super::body::Label,
        token: Span,
    ) {
        for (n, slice) in slices.iter().enumerate() {
            let mark = self.mark();
            match *slice {
                None => {}
                Some(Slice::Long(wanted)) => {
                    let key = self.new_long();
                    let ordinal = self.ordinal(array, n);
                    self.emit(asm::ikey(key, cursor, map, ordinal), token);
                    self.jump(|pc| asm::jne(key, wanted, pc), other, token);
                }
                Some(Slice::Text(wanted)) => {
                    let key = self.new_string();
                    let ordinal = self.ordinal(array, n);
                    self.emit(asm::ikeys(key, cursor, map, ordinal), token);
                    self.jump(|pc| asm::jnes(key, wanted, pc), other, token);
                }
            }
            self.release(mark);
        }
    }

    /// The place of key n among the keys of its kind.
    fn ordinal(&self, array: &str, n: usize) -> u8 {
        let keys = self.keys_of(array);
        let kind = keys.get(n).map(|key| super::value_kind(*key));
        keys.iter().take(n).filter(|key| Some(super::value_kind(**key)) == kind).count() as u8
    }

    fn load_key(
        &mut self,
        array: &str,
        map: MapId,
        cursor: Reg,
        n: usize,
        variable: &str,
        token: Span,
    ) {
        let ordinal = self.ordinal(array, n);
        let kind = self.keys_of(array).get(n).copied().flatten().map_or(Type::Long, |(k, _)| k);
        if kind == Type::Text {
            let register = self.string_local(variable).unwrap_or_else(|| self.new_string());
            self.emit(asm::ikeys(register, cursor, map, ordinal), token);
            self.store_global_text(variable, register, token);
        } else {
            let register = self.long_local(variable).unwrap_or_else(|| self.new_long());
            self.emit(asm::ikey(register, cursor, map, ordinal), token);
            self.store_global_long(variable, register, token);
        }
    }

    fn load_value(&mut self, map: MapId, kind: Type, cursor: Reg, variable: &str, token: Span) {
        match kind {
            Type::Text => {
                let register = self.string_local(variable).unwrap_or_else(|| self.new_string());
                self.emit(asm::ivals(register, cursor, map), token);
                self.store_global_text(variable, register, token);
            }
            Type::Long => {
                let register = self.long_local(variable).unwrap_or_else(|| self.new_long());
                self.emit(asm::ival(register, cursor, map), token);
                self.store_global_long(variable, register, token);
            }
            Type::Stat => {}
        }
    }

    fn delete(&mut self, target: &'p Expression, span: Span) {
        match &target.kind {
            ExpressionKind::Variable(name) => match self.global(name) {
                Some((Place::Map(map), _)) => self.emit(asm::mclr(map), target.token),
                Some((Place::Scalar(scalar), _)) => {
                    let zero = self.number(0, span);
                    self.emit(asm::gst(zero, scalar), span);
                }
                None => match (self.long_local(name), self.string_local(name)) {
                    (Some(register), _) => self.emit(asm::ldi(register, 0), span),
                    (_, Some(register)) => {
                        let empty = self.context.builder.string(b"");
                        self.emit(asm::lds(register, empty), span);
                    }
                    _ => {}
                },
            },
            ExpressionKind::Element { array, keys } => {
                let Some((Place::Map(map), _)) = self.global(&array.text) else { return };
                if keys.iter().any(Option::is_none) {
                    return self.delete_slice(&array.text, map, keys, target.token);
                }
                let (longs, strings) = self.tuple(&array.text, keys);
                self.emit(asm::mdel(longs, strings, map), target.token);
            }
            _ => {}
        }
    }

    fn delete_slice(
        &mut self,
        array: &str,
        map: MapId,
        keys: &'p [Option<Expression>],
        token: Span,
    ) {
        let kinds = self.keys_of(array);
        let slices: Vec<Option<Slice>> = keys
            .iter()
            .zip(kinds)
            .map(|(key, kind)| key.as_ref().map(|key| self.slice(key, super::value_kind(kind))))
            .collect();
        let cursor = self.new_long();
        let (head, other, done) = (self.label(), self.label(), self.label());
        self.emit(asm::ifirst(cursor, map, SortOrder::UNSORTED), token);
        self.jump(|pc| asm::jz(cursor, pc), done, token);
        self.bind(head);
        self.emit(asm::charge(1), token);
        self.skip_others(&slices, array, map, cursor, other, token);
        self.emit(asm::idel(cursor, cursor, map), token);
        self.jump(|pc| asm::jnz(cursor, pc), head, token);
        self.jump(asm::jmp, done, token);
        self.bind(other);
        self.jump(|pc| asm::inext(cursor, map, pc), head, token);
        self.bind(done);
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

/// A key that a slice wants.
#[derive(Clone, Copy)]
enum Slice {
    Long(Reg),
    Text(vm_spec::ids::StrReg),
}

pub(super) fn stat_operation(aggregate: Aggregate) -> StatOperation {
    match aggregate {
        Aggregate::Count => StatOperation::Count,
        Aggregate::Sum => StatOperation::Sum,
        Aggregate::Min => StatOperation::Min,
        Aggregate::Max => StatOperation::Max,
        Aggregate::Average => StatOperation::Average,
        Aggregate::Variance => StatOperation::Variance,
    }
}

fn sort_order(foreach: &ast::Foreach, kind: Type) -> SortOrder {
    let Some((by, direction)) = foreach.sort else { return SortOrder::UNSORTED };
    let subject = match by {
        SortBy::Key(n) => SortSubject::Key(n as u8),
        SortBy::Aggregate(aggregate) if kind == Type::Stat => {
            SortSubject::Stat(stat_operation(aggregate))
        }
        // Aggregates are compared by their count, as in SystemTap.
        SortBy::Value if kind == Type::Stat => SortSubject::Stat(StatOperation::Count),
        SortBy::Value | SortBy::Aggregate(_) => SortSubject::Value,
    };
    SortOrder { subject, descending: direction == Direction::Descending }
}

/// Statements of a loop's body, at least 1.
fn weight(statement: &Statement) -> u32 {
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

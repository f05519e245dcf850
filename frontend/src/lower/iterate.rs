// SPDX-License-Identifier: GPL-2.0-or-later
//! What goes through the entries of an array or the buckets of a histogram: `foreach`,
//! slices (`a[k, *]`) in `foreach`, `in` and `delete`.

use super::Place;
use super::actions::checked_at;
use super::body::{Body, Label, Loop};
use crate::program::Type;
use frontend_syntax::Span;
use frontend_syntax::ast::{
    self, Aggregate, Direction, Expression, ExpressionKind, Name, SortBy, Statement,
};
use vm_spec::build::Histogram;
use vm_spec::ids::{MapId, Reg, StrReg};
use vm_spec::image::{SortOrder, SortSubject, StatField, StatOperation, ValueKind};
use vm_spec::isa::asm;

/// Buckets of a logarithmic histogram.
const LOG_BUCKETS: i64 = 128;

/// A key that a slice wants.
#[derive(Clone, Copy)]
enum Slice {
    Long(Reg),
    Text(StrReg),
}

impl<'p> Body<'_, 'p> {
    pub(super) fn foreach(&mut self, foreach: &'p ast::Foreach, span: Span) {
        let ExpressionKind::Variable(name) = &foreach.array.kind else {
            return self.foreach_bucket(foreach, span);
        };
        let token = foreach.array.token;
        let Some((Place::Map(map), kind)) = self.global(name, token) else { return };
        let limit = self.limit(foreach);
        let slices = match &foreach.slice {
            Some(slice) => self.slices(map, slice),
            None => Vec::new(),
        };
        let cursor = self.new_long();
        let (head, again, done) = (self.label(), self.label(), self.label());
        self.emit(asm::ifirst(cursor, map, sort_order(foreach, kind)), token);
        self.jump(|pc| asm::jz(cursor, pc), done, token);
        self.bind(head);
        // The step to the next entry pays for the round itself.
        self.pay(self.round(&foreach.body), checked_at(&foreach.body));
        // The limit counts entries that the slice leaves out, as in SystemTap.
        self.check_limit(limit, done, token);
        self.skip_others(&slices, map, cursor, again, token);
        for (n, key) in foreach.keys.iter().enumerate() {
            self.load_key(map, cursor, n, key);
        }
        if let Some(value) = &foreach.value {
            self.load_value(map, kind, cursor, value);
        }
        self.loops.push(Loop { done, again });
        self.statement(&foreach.body);
        self.loops.pop();
        self.bind(again);
        self.jump(|pc| asm::inext(cursor, map, pc), head, span);
        self.bind(done);
    }

    fn round(&self, body: &Statement) -> u32 {
        self.context.actions.round(self.context.program, [None, None], body)
    }

    fn limit(&mut self, foreach: &'p ast::Foreach) -> Option<Reg> {
        foreach.limit.as_ref().map(|limit| {
            let left = self.new_long();
            self.long_into(limit, left);
            left
        })
    }

    fn check_limit(&mut self, limit: Option<Reg>, done: Label, token: Span) {
        if let Some(left) = limit {
            self.jump(|pc| asm::jlei(left, 0, pc), done, token);
            self.emit(asm::addi(left, left, -1), token);
        }
    }

    /// The buckets by their numbers from 0. SystemTap takes a sort mark and ignores it.
    fn foreach_bucket(&mut self, foreach: &'p ast::Foreach, span: Span) {
        let ExpressionKind::Histogram { target, .. } = &foreach.array.kind else { return };
        let token = foreach.array.token;
        let limit = self.limit(foreach);
        let Some((map, longs, strings)) = self.aggregate_kept(target) else { return };
        let (bucket, count) = (self.new_long(), self.new_long());
        // An aggregate without values has buckets that hold nothing.
        let counted = StatField { operation: StatOperation::Count, shift: 0 };
        self.emit(asm::sget(count, longs, strings, map, counted), token);
        self.emit(asm::ldi(bucket, 0), token);
        let buckets = self.number(self.bucket_count(map), token);
        let (head, again, done) = (self.label(), self.label(), self.label());
        self.bind(head);
        self.pay(self.round(&foreach.body).saturating_add(1), checked_at(&foreach.body));
        self.check_limit(limit, done, token);
        if let Some(key) = foreach.keys.first() {
            self.store_loaded(key, bucket);
        }
        if let Some(value) = &foreach.value {
            let held = self.new_long();
            let empty = self.label();
            self.emit(asm::ldi(held, 0), token);
            self.jump(|pc| asm::jz(count, pc), empty, token);
            self.emit(asm::bget(held, longs, strings, map, bucket), token);
            self.bind(empty);
            self.store_loaded(value, held);
        }
        self.loops.push(Loop { done, again });
        self.statement(&foreach.body);
        self.loops.pop();
        self.bind(again);
        self.emit(asm::addi(bucket, bucket, 1), span);
        self.jump(|pc| asm::jlt(bucket, buckets, pc), head, span);
        self.bind(done);
    }

    fn bucket_count(&self, map: MapId) -> i64 {
        match self.context.histograms.get(map.index()) {
            Some(Histogram::Linear { low, high, step }) => {
                let inside = high.wrapping_sub(*low).checked_div(*step).unwrap_or(0);
                inside.saturating_add(3)
            }
            _ => LOG_BUCKETS,
        }
    }

    /// Gives a loop's variable, a local or a global, its value.
    fn store_loaded(&mut self, name: &Name, from: Reg) {
        match self.long_local(&name.text) {
            Some(register) => self.emit(asm::mov(register, from), name.span),
            None => self.store_global_long(&name.text, from, name.span),
        }
    }

    /// The values of a slice's keys, evaluated once.
    fn slices(&mut self, map: MapId, keys: &'p [Option<Expression>]) -> Vec<Option<Slice>> {
        let kinds = self.keys_of(map);
        keys.iter()
            .zip(kinds)
            .map(|(key, kind)| key.as_ref().map(|key| self.slice(key, kind)))
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
        map: MapId,
        cursor: Reg,
        other: Label,
        token: Span,
    ) {
        for (n, slice) in slices.iter().enumerate() {
            let mark = self.mark();
            let ordinal = self.ordinal(map, n);
            match *slice {
                None => {}
                Some(Slice::Long(wanted)) => {
                    let key = self.new_long();
                    self.emit(asm::ikey(key, cursor, map, ordinal), token);
                    self.jump(|pc| asm::jne(key, wanted, pc), other, token);
                }
                Some(Slice::Text(wanted)) => {
                    let key = self.new_string();
                    self.emit(asm::ikeys(key, cursor, map, ordinal), token);
                    self.jump(|pc| asm::jnes(key, wanted, pc), other, token);
                }
            }
            self.release(mark);
        }
    }

    /// The place of key n among the keys of its kind.
    fn ordinal(&self, map: MapId, n: usize) -> u8 {
        let keys = self.keys_of(map);
        let kind = keys.get(n).copied();
        keys.iter().take(n).filter(|key| Some(**key) == kind).count() as u8
    }

    fn load_key(&mut self, map: MapId, cursor: Reg, n: usize, variable: &Name) {
        let ordinal = self.ordinal(map, n);
        let name = variable.text.as_str();
        if self.keys_of(map).get(n) == Some(&ValueKind::Str) {
            let register = self.string_local(name).unwrap_or_else(|| self.new_string());
            self.emit(asm::ikeys(register, cursor, map, ordinal), variable.span);
            self.store_global_text(name, register, variable.span);
        } else {
            let register = self.long_local(name).unwrap_or_else(|| self.new_long());
            self.emit(asm::ikey(register, cursor, map, ordinal), variable.span);
            self.store_global_long(name, register, variable.span);
        }
    }

    fn load_value(&mut self, map: MapId, kind: Type, cursor: Reg, variable: &Name) {
        let name = variable.text.as_str();
        match kind {
            Type::Text => {
                let register = self.string_local(name).unwrap_or_else(|| self.new_string());
                self.emit(asm::ivals(register, cursor, map), variable.span);
                self.store_global_text(name, register, variable.span);
            }
            Type::Long => {
                let register = self.long_local(name).unwrap_or_else(|| self.new_long());
                self.emit(asm::ival(register, cursor, map), variable.span);
                self.store_global_long(name, register, variable.span);
            }
            Type::Stat => {}
        }
    }

    /// `[k, *] in a`: 1 if an entry has these keys.
    pub(super) fn slice_has(
        &mut self,
        map: MapId,
        keys: &'p [Option<Expression>],
        to: Reg,
        token: Span,
    ) {
        let slices = self.slices(map, keys);
        let (cursor, found) = (self.new_long(), self.new_long());
        let (head, other, done) = (self.label(), self.label(), self.label());
        self.emit(asm::ldi(found, 0), token);
        self.emit(asm::ifirst(cursor, map, SortOrder::UNSORTED), token);
        self.jump(|pc| asm::jz(cursor, pc), done, token);
        self.bind(head);
        self.emit(asm::charge(1), token);
        self.skip_others(&slices, map, cursor, other, token);
        self.emit(asm::ldi(found, 1), token);
        self.jump(asm::jmp, done, token);
        self.bind(other);
        self.jump(|pc| asm::inext(cursor, map, pc), head, token);
        self.bind(done);
        self.emit(asm::mov(to, found), token);
    }

    pub(super) fn delete(&mut self, target: &'p Expression, span: Span) {
        match &target.kind {
            ExpressionKind::Variable(name) => match self.global(name, target.span) {
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
                let Some((Place::Map(map), _)) = self.global(&array.text, array.span) else {
                    return;
                };
                if keys.iter().any(Option::is_none) {
                    return self.delete_slice(map, keys, target.token);
                }
                let (longs, strings) = self.tuple(map, keys);
                self.emit(asm::mdel(longs, strings, map), target.token);
            }
            _ => {}
        }
    }

    fn delete_slice(&mut self, map: MapId, keys: &'p [Option<Expression>], token: Span) {
        let slices = self.slices(map, keys);
        let cursor = self.new_long();
        let (head, other, done) = (self.label(), self.label(), self.label());
        self.emit(asm::ifirst(cursor, map, SortOrder::UNSORTED), token);
        self.jump(|pc| asm::jz(cursor, pc), done, token);
        self.bind(head);
        self.emit(asm::charge(1), token);
        self.skip_others(&slices, map, cursor, other, token);
        self.emit(asm::idel(cursor, cursor, map), token);
        self.jump(|pc| asm::jnz(cursor, pc), head, token);
        self.jump(asm::jmp, done, token);
        self.bind(other);
        self.jump(|pc| asm::inext(cursor, map, pc), head, token);
        self.bind(done);
    }
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

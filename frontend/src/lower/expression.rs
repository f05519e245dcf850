// SPDX-License-Identifier: GPL-2.0-or-later
//! Expressions: for their value (`long`, `text`) or only for their effect.

use super::Place;
use super::assign::{Use, Value};
use super::body::Body;
use super::fold::{constant, mutates};
use super::iterate::stat_operation;
use crate::program::Type;
use crate::regex::{Groups, Regex};
use crate::types::calls::printing;
use frontend_syntax::ast::{BinaryOperator, Expression, ExpressionKind, UnaryOperator};
use frontend_syntax::{Diagnostic, Span};
use vm_spec::helper::HelperId;
use vm_spec::ids::{MapId, Reg, StrReg};
use vm_spec::image::{ReturnKind, StatField, ValueKind};
use vm_spec::insn::Insn;
use vm_spec::isa::asm;

impl<'p> Body<'_, 'p> {
    /// The type that inference has found.
    pub(super) fn type_of(&self, e: &Expression) -> Type {
        let known = |known: crate::program::Known| known.map_or(Type::Long, |(kind, _)| kind);
        match &e.kind {
            ExpressionKind::Text(_) => Type::Text,
            ExpressionKind::Variable(name) => match self.global(name, e.span) {
                Some((_, kind)) => kind,
                None => known(self.scope.locals.get(name).copied().flatten()),
            },
            ExpressionKind::Element { array, .. } => {
                self.global(&array.text, array.span).map_or(Type::Long, |(_, kind)| kind)
            }
            ExpressionKind::Binary { operator: BinaryOperator::Concatenate, .. } => Type::Text,
            ExpressionKind::Assign { target, .. } => self.type_of(target),
            ExpressionKind::Ternary { then, .. } => self.type_of(then),
            ExpressionKind::Call { function, arguments } => {
                let name = function.text.as_str();
                if let Some((_, gives)) = printing(name) {
                    return if gives { Type::Text } else { Type::Long };
                }
                let program = self.context.program;
                if let Some(&n) = program.overloads(name, arguments.len(), function.span).first() {
                    return known(program.functions[n].returns);
                }
                match HelperId::from_name(name).map(|id| id.info().result) {
                    Some(ReturnKind::Str) => Type::Text,
                    _ => Type::Long,
                }
            }
            ExpressionKind::Resolved { .. }
            | ExpressionKind::Target(_)
            | ExpressionKind::Entry(_)
            | ExpressionKind::ChooseDefined(..)
            | ExpressionKind::At { .. } => self.target_type(e),
            _ => Type::Long,
        }
    }

    // ---- values --------------------------------------------------------------------

    /// A long's value, in its variable's own register if it is a local.
    pub(super) fn long(&mut self, e: &'p Expression) -> Reg {
        if let ExpressionKind::Variable(name) = &e.kind
            && let Some(register) = self.long_local(name)
        {
            return register;
        }
        let register = self.new_long();
        self.long_into(e, register);
        register
    }

    /// A string's value, in its variable's own register if it is a local.
    pub(super) fn text(&mut self, e: &'p Expression) -> StrReg {
        if let ExpressionKind::Variable(name) = &e.kind
            && let Some(register) = self.string_local(name)
        {
            return register;
        }
        let register = self.new_string();
        self.text_into(e, register);
        register
    }

    /// A value that stays while `later` is evaluated, which may change variables.
    pub(super) fn long_before(&mut self, e: &'p Expression, later: &Expression) -> Reg {
        if !mutates(later) {
            return self.long(e);
        }
        let register = self.new_long();
        self.long_into(e, register);
        register
    }

    pub(super) fn text_before(&mut self, e: &'p Expression, later: &Expression) -> StrReg {
        if !mutates(later) {
            return self.text(e);
        }
        let register = self.new_string();
        self.text_into(e, register);
        register
    }

    pub(super) fn number(&mut self, n: i64, span: Span) -> Reg {
        let register = self.new_long();
        self.number_into(n, register, span);
        register
    }

    fn number_into(&mut self, n: i64, to: Reg, span: Span) {
        match i32::try_from(n) {
            Ok(small) => self.emit(asm::ldi(to, small), span),
            Err(_) => {
                let constant = self.context.builder.long(n);
                self.emit(asm::ldk(to, constant), span);
            }
        }
    }

    pub(super) fn constant_text(&mut self, text: &[u8], span: Span) -> StrReg {
        let register = self.new_string();
        let constant = self.context.builder.string(text);
        self.emit(asm::lds(register, constant), span);
        register
    }

    /// Evaluates a long into a register.
    pub(super) fn long_into(&mut self, e: &'p Expression, to: Reg) {
        let mark = self.mark();
        self.long_value(e, to);
        self.release(mark);
    }

    fn long_value(&mut self, e: &'p Expression, to: Reg) {
        if let Some(n) = constant(e) {
            return self.number_into(n, to, e.token);
        }
        match &e.kind {
            ExpressionKind::Variable(name) => match self.global(name, e.span) {
                Some((Place::Scalar(scalar), _)) => self.emit(asm::gld(to, scalar), e.token),
                Some((Place::Map(map), _)) => {
                    self.emit(asm::mget(to, Reg(0), StrReg(0), map), e.token);
                }
                None => {
                    if let Some(register) = self.long_local(name)
                        && register != to
                    {
                        self.emit(asm::mov(to, register), e.token);
                    }
                }
            },
            ExpressionKind::Element { array, keys } => {
                let Some((Place::Map(map), _)) = self.global(&array.text, array.span) else {
                    return;
                };
                let (longs, strings) = self.tuple(map, keys);
                self.emit(asm::mget(to, longs, strings, map), e.token);
            }
            ExpressionKind::Call { function, arguments } => {
                self.call_long(function, arguments, e, to)
            }
            ExpressionKind::Match { left, regex, negated } => {
                self.regex_match(left, regex, to, e.token);
                if *negated {
                    self.emit(asm::isz(to, to), e.token);
                }
            }
            ExpressionKind::Unary { operator, operand } => {
                let operand = self.long(operand);
                let insn = match operator {
                    UnaryOperator::Negate => asm::rsubi(to, operand, 0),
                    UnaryOperator::Plus => asm::mov(to, operand),
                    UnaryOperator::LogicalNot => asm::isz(to, operand),
                    UnaryOperator::BitNot => asm::not(to, operand),
                };
                self.emit(insn, e.token);
            }
            ExpressionKind::Binary { operator, left, right } => {
                self.binary(*operator, left, right, to, e.token);
            }
            ExpressionKind::Step { step, position, target } => {
                if let Some(value) = self.step(*step, *position, target, e.token, Use::Value) {
                    self.emit(asm::mov(to, value), e.token);
                }
            }
            ExpressionKind::Assign { operator, target, value } => {
                let value = self.assign(*operator, target, value, e.token, Use::Value);
                if let Some(Value::Long(value)) = value
                    && value != to
                {
                    self.emit(asm::mov(to, value), e.token);
                }
            }
            ExpressionKind::Accumulate { target, value } => {
                if let Some(value) = self.accumulate(target, value, e.token) {
                    self.emit(asm::mov(to, value), e.token);
                }
            }
            ExpressionKind::Ternary { condition, then, otherwise } => {
                let (no, done) = (self.label(), self.label());
                let value = self.new_long();
                self.jump_unless(condition, no);
                self.long_into(then, value);
                self.jump(asm::jmp, done, e.token);
                self.bind(no);
                self.long_into(otherwise, value);
                self.bind(done);
                self.emit(asm::mov(to, value), e.token);
            }
            ExpressionKind::Logical { .. } => {
                let (no, done) = (self.label(), self.label());
                self.jump_unless(e, no);
                self.emit(asm::ldi(to, 1), e.token);
                self.jump(asm::jmp, done, e.token);
                self.bind(no);
                self.emit(asm::ldi(to, 0), e.token);
                self.bind(done);
            }
            ExpressionKind::In { keys, array } => {
                let Some((Place::Map(map), _)) = self.global(&array.text, array.span) else {
                    return;
                };
                if keys.iter().any(Option::is_none) {
                    return self.slice_has(map, keys, to, e.token);
                }
                let (longs, strings) = self.tuple(map, keys);
                self.emit(asm::mhas(to, longs, strings, map), e.token);
            }
            ExpressionKind::Aggregate { operation, target, shift } => {
                let Some((map, longs, strings)) = self.aggregate(target) else { return };
                let shift = shift.unwrap_or(0).clamp(0, 63) as u8;
                let field = StatField { operation: stat_operation(*operation), shift };
                self.emit(asm::sget(to, longs, strings, map, field), e.token);
            }
            ExpressionKind::Bucket { histogram, bucket } => {
                let ExpressionKind::Histogram { target, .. } = &histogram.kind else { return };
                let bucket = self.long(bucket);
                let Some((map, longs, strings)) = self.aggregate(target) else { return };
                self.emit(asm::bget(to, longs, strings, map, bucket), e.token);
            }
            _ => self.target_long(e, to),
        }
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &'p Expression,
        right: &'p Expression,
        to: Reg,
        token: Span,
    ) {
        use BinaryOperator as B;
        if self.type_of(left) == Type::Text {
            let a = self.text_before(left, right);
            let b = self.text(right);
            let insn = match operator {
                B::Equal => asm::eqs(to, a, b),
                B::NotEqual => asm::nes(to, a, b),
                B::Less => asm::lts(to, a, b),
                B::LessOrEqual => asm::les(to, a, b),
                B::Greater => asm::lts(to, b, a),
                _ => asm::les(to, b, a),
            };
            return self.emit(insn, token);
        }
        if let Some(small) = constant(right).and_then(|n| i32::try_from(n).ok())
            && let Some(make) = immediate(operator, small)
        {
            let a = self.long(left);
            return self.emit(make(to, a), token);
        }
        let a = self.long_before(left, right);
        let b = self.long(right);
        self.emit_binary(operator, to, a, b, token);
    }

    /// An operator on longs.
    pub(super) fn emit_binary(
        &mut self,
        operator: BinaryOperator,
        to: Reg,
        a: Reg,
        b: Reg,
        token: Span,
    ) {
        use BinaryOperator as B;
        let insn = match operator {
            B::Add => asm::add(to, a, b),
            B::Subtract => asm::sub(to, a, b),
            B::Multiply => asm::mul(to, a, b),
            B::Divide => asm::div(to, a, b),
            B::Modulo => asm::rem(to, a, b),
            B::BitAnd => asm::and(to, a, b),
            B::BitOr => asm::or(to, a, b),
            B::BitXor => asm::xor(to, a, b),
            B::ShiftLeft => asm::shl(to, a, b),
            B::ShiftRight => asm::shr(to, a, b),
            B::ShiftRightUnsigned => asm::ushr(to, a, b),
            B::Equal => asm::eq(to, a, b),
            B::NotEqual => asm::ne(to, a, b),
            B::Less => asm::lt(to, a, b),
            B::LessOrEqual => asm::le(to, a, b),
            B::Greater => asm::lt(to, b, a),
            B::GreaterOrEqual | B::Concatenate => asm::le(to, b, a),
        };
        self.emit(insn, token);
    }

    /// 1 if the text matches, 0 if not.
    fn regex_match(&mut self, left: &'p Expression, pattern: &[u8], to: Reg, token: Span) {
        let text = self.text(left);
        let groups = match self.context.program.asks_for_groups {
            true => Groups::Wanted,
            false => Groups::Unwanted,
        };
        match Regex::parse(pattern).and_then(|regex| regex.compile(groups)) {
            Ok(spec) => {
                let regex = self.context.builder.regex(pattern, &spec);
                self.emit(asm::rmatch(to, text, regex), token);
            }
            Err(error) => {
                self.context.diagnostics.push(Diagnostic::semantic(error.to_string(), token));
            }
        }
    }

    /// Evaluates a string into a register.
    pub(super) fn text_into(&mut self, e: &'p Expression, to: StrReg) {
        let mark = self.mark();
        self.text_value(e, to);
        self.release(mark);
    }

    fn text_value(&mut self, e: &'p Expression, to: StrReg) {
        match &e.kind {
            ExpressionKind::Text(text) => {
                let constant = self.context.builder.string(text);
                self.emit(asm::lds(to, constant), e.token);
            }
            ExpressionKind::Variable(name) => match self.global(name, e.span) {
                Some((Place::Map(map), _)) => {
                    self.emit(asm::mgets(to, Reg(0), StrReg(0), map), e.token);
                }
                Some(_) => {}
                None => {
                    if let Some(register) = self.string_local(name)
                        && register != to
                    {
                        self.emit(asm::movs(to, register), e.token);
                    }
                }
            },
            ExpressionKind::Element { array, keys } => {
                let Some((Place::Map(map), _)) = self.global(&array.text, array.span) else {
                    return;
                };
                let (longs, strings) = self.tuple(map, keys);
                self.emit(asm::mgets(to, longs, strings, map), e.token);
            }
            ExpressionKind::Call { function, arguments } => {
                self.call_text(function, arguments, e, to)
            }
            ExpressionKind::Binary { left, right, .. } => {
                let a = self.text_before(left, right);
                let b = self.text(right);
                self.emit(asm::cat(to, a, b), e.token);
            }
            ExpressionKind::Assign { operator, target, value } => {
                let value = self.assign(*operator, target, value, e.token, Use::Value);
                if let Some(Value::Text(value)) = value
                    && value != to
                {
                    self.emit(asm::movs(to, value), e.token);
                }
            }
            ExpressionKind::Ternary { condition, then, otherwise } => {
                let (no, done) = (self.label(), self.label());
                let value = self.new_string();
                self.jump_unless(condition, no);
                self.text_into(then, value);
                self.jump(asm::jmp, done, e.token);
                self.bind(no);
                self.text_into(otherwise, value);
                self.bind(done);
                self.emit(asm::movs(to, value), e.token);
            }
            _ => self.target_text(e, to),
        }
    }

    // ---- tuples --------------------------------------------------------------------

    /// Evaluates an array's keys into consecutive registers.
    pub(super) fn tuple(&mut self, map: MapId, keys: &'p [Option<Expression>]) -> (Reg, StrReg) {
        self.tuple_kept(map, keys, false)
    }

    /// The same; with `changes`, in registers that are no variable's own, because a
    /// variable may change before the keys are used.
    pub(super) fn tuple_kept(
        &mut self,
        map: MapId,
        keys: &'p [Option<Expression>],
        changes: bool,
    ) -> (Reg, StrReg) {
        let kinds = self.keys_of(map);
        let keys: Vec<(&Expression, ValueKind)> = keys.iter().flatten().zip(kinds).collect();
        match keys.as_slice() {
            [(key, ValueKind::Str)] if changes => {
                let register = self.new_string();
                self.text_into(key, register);
                (Reg(0), register)
            }
            [(key, _)] if changes => {
                let register = self.new_long();
                self.long_into(key, register);
                (register, StrReg(0))
            }
            keys => self.arguments(keys),
        }
    }

    /// Evaluates values into consecutive registers of their kinds.
    pub(super) fn arguments(&mut self, values: &[(&'p Expression, ValueKind)]) -> (Reg, StrReg) {
        let count = |wanted| values.iter().filter(|(_, kind)| *kind == wanted).count();
        let (long_count, string_count) = (count(ValueKind::Long), count(ValueKind::Str));
        // A tuple of one needs no copy of a local.
        if let [(value, kind)] = values {
            return match kind {
                ValueKind::Str => (Reg(0), self.text(value)),
                _ => (self.long(value), StrReg(0)),
            };
        }
        let longs = if long_count > 0 { self.longs(long_count) } else { Reg(0) };
        let strings = if string_count > 0 { self.strings(string_count) } else { StrReg(0) };
        let (mut long, mut string) = (longs.0, strings.0);
        for (value, kind) in values {
            if *kind == ValueKind::Str {
                self.text_into(value, StrReg(string));
                string = string.saturating_add(1);
            } else {
                self.long_into(value, Reg(long));
                long = long.saturating_add(1);
            }
        }
        (longs, strings)
    }

    /// The map and keys of an aggregate.
    pub(super) fn aggregate(&mut self, target: &'p Expression) -> Option<(MapId, Reg, StrReg)> {
        self.aggregate_with(target, false)
    }

    /// The same, keys in registers that are no variable's own.
    pub(super) fn aggregate_kept(
        &mut self,
        target: &'p Expression,
    ) -> Option<(MapId, Reg, StrReg)> {
        self.aggregate_with(target, true)
    }

    fn aggregate_with(
        &mut self,
        target: &'p Expression,
        changes: bool,
    ) -> Option<(MapId, Reg, StrReg)> {
        match &target.kind {
            ExpressionKind::Variable(name) => match self.global(name, target.span)? {
                (Place::Map(map), _) => Some((map, Reg(0), StrReg(0))),
                (Place::Scalar(_), _) => None,
            },
            ExpressionKind::Element { array, keys } => {
                let (Place::Map(map), _) = self.global(&array.text, array.span)? else {
                    return None;
                };
                let (longs, strings) = self.tuple_kept(map, keys, changes);
                Some((map, longs, strings))
            }
            _ => None,
        }
    }

    /// Evaluates an expression whose value nobody wants.
    pub(super) fn effect(&mut self, e: &'p Expression) {
        let mark = self.mark();
        match &e.kind {
            ExpressionKind::Step { step, position, target } => {
                self.step(*step, *position, target, e.token, Use::Effect);
            }
            ExpressionKind::Assign { operator, target, value } => {
                self.assign(*operator, target, value, e.token, Use::Effect);
            }
            ExpressionKind::Accumulate { target, value } => {
                self.accumulate(target, value, e.token);
            }
            ExpressionKind::Number(_) | ExpressionKind::Text(_) => {}
            ExpressionKind::Call { function, arguments } => {
                let unused = match self.type_of(e) {
                    Type::Text => self.new_string().0,
                    _ => self.new_long().0,
                };
                self.call(function, arguments, e, unused);
            }
            _ if self.type_of(e) == Type::Text => {
                self.text(e);
            }
            _ => {
                self.long(e);
            }
        }
        self.release(mark);
    }
}

/// The opcode of an operator with a constant right side, if there is one.
pub(super) fn immediate(operator: BinaryOperator, n: i32) -> Option<impl Fn(Reg, Reg) -> Insn> {
    use BinaryOperator as B;
    let make: fn(Reg, Reg, i32) -> Insn = match operator {
        B::Add | B::Subtract => asm::addi,
        B::Multiply => asm::muli,
        B::BitAnd => asm::andi,
        B::BitOr => asm::ori,
        B::BitXor => asm::xori,
        B::ShiftLeft => asm::shli,
        B::ShiftRight => asm::shri,
        B::ShiftRightUnsigned => asm::ushri,
        _ => return None,
    };
    let n = if operator == B::Subtract { n.checked_neg()? } else { n };
    Some(move |to, from| make(to, from, n))
}

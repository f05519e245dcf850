// SPDX-License-Identifier: GPL-2.0-or-later
//! Expressions: for their value (`long`, `text`) or only for their effect.

use super::Place;
use super::body::Body;
use super::statement::stat_operation;
use crate::program::Type;
use crate::types::calls::{is_context_function, printing};
use frontend_syntax::ast::{
    self, BinaryOperator, Expression, ExpressionKind, StepOperator, StepPosition, UnaryOperator,
};
use frontend_syntax::{Diagnostic, Span};
use vm_spec::helper::HelperId;
use vm_spec::ids::{MapId, Reg, ScalarId, StrReg};
use vm_spec::image::{ReturnKind, StatField, ValueKind};
use vm_spec::insn::Insn;
use vm_spec::isa::asm;
use vm_spec::probe::{ContextWord, Needs, ProbeKind};

impl<'p> Body<'_, 'p> {
    /// The type that inference has found.
    pub(super) fn type_of(&self, e: &Expression) -> Type {
        let known = |known: crate::program::Known| known.map_or(Type::Long, |(kind, _)| kind);
        match &e.kind {
            ExpressionKind::Text(_) => Type::Text,
            ExpressionKind::Variable(name) => match self.global(name) {
                Some((_, kind)) => kind,
                None => known(self.scope.locals.get(name).copied().flatten()),
            },
            ExpressionKind::Element { array, .. } => {
                self.global(&array.text).map_or(Type::Long, |(_, kind)| kind)
            }
            ExpressionKind::Binary { operator: BinaryOperator::Concatenate, .. } => Type::Text,
            ExpressionKind::Assign { target, .. } => self.type_of(target),
            ExpressionKind::Ternary { then, .. } => self.type_of(then),
            ExpressionKind::Call { function, .. } => {
                let name = function.text.as_str();
                if let Some(n) = self.context.program.function(name) {
                    return known(self.context.program.functions[n].returns);
                }
                if let Some((_, gives)) = printing(name) {
                    return if gives { Type::Text } else { Type::Long };
                }
                match HelperId::from_name(name).map(|id| id.info().result) {
                    Some(ReturnKind::Str) => Type::Text,
                    _ => Type::Long,
                }
            }
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
            ExpressionKind::Variable(name) => match self.global(name) {
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
                let Some((Place::Map(map), _)) = self.global(&array.text) else { return };
                let (longs, strings) = self.tuple(&array.text, keys);
                self.emit(asm::mget(to, longs, strings, map), e.token);
            }
            ExpressionKind::Call { function, arguments } => self.call(function, arguments, e, to.0),
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
            ExpressionKind::Step { position: StepPosition::Postfix, target, .. } => {
                // Into a temporary: the target may be the variable itself.
                let old = self.new_long();
                self.long_into(target, old);
                self.effect(e);
                self.emit(asm::mov(to, old), e.token);
            }
            ExpressionKind::Step { target, .. } => {
                self.effect(e);
                self.long_into(target, to);
            }
            ExpressionKind::Assign { target, .. } => {
                self.effect(e);
                self.long_into(target, to);
            }
            ExpressionKind::Accumulate { value, .. } => {
                self.effect(e);
                self.long_into(value, to);
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
                let Some((Place::Map(map), _)) = self.global(&array.text) else { return };
                let (longs, strings) = self.tuple(&array.text, keys);
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
            // Inference has refused what is left.
            _ => self.number_into(0, to, e.token),
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
            ExpressionKind::Variable(name) => match self.global(name) {
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
                let Some((Place::Map(map), _)) = self.global(&array.text) else { return };
                let (longs, strings) = self.tuple(&array.text, keys);
                self.emit(asm::mgets(to, longs, strings, map), e.token);
            }
            ExpressionKind::Call { function, arguments } => self.call(function, arguments, e, to.0),
            ExpressionKind::Binary { left, right, .. } => {
                let a = self.text_before(left, right);
                let b = self.text(right);
                self.emit(asm::cat(to, a, b), e.token);
            }
            ExpressionKind::Assign { target, .. } => {
                self.effect(e);
                self.text_into(target, to);
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
            // Inference has refused what is left.
            _ => {}
        }
    }

    // ---- tuples --------------------------------------------------------------------

    /// Evaluates an array's keys into consecutive registers.
    pub(super) fn tuple(&mut self, array: &str, keys: &'p [Option<Expression>]) -> (Reg, StrReg) {
        let kinds: Vec<ValueKind> =
            self.keys_of(array).into_iter().map(super::value_kind).collect();
        let keys: Vec<(&Expression, ValueKind)> =
            keys.iter().flatten().zip(kinds.iter().copied()).collect();
        self.arguments(&keys)
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
        match &target.kind {
            ExpressionKind::Variable(name) => match self.global(name)? {
                (Place::Map(map), _) => Some((map, Reg(0), StrReg(0))),
                _ => None,
            },
            ExpressionKind::Element { array, keys } => match self.global(&array.text)? {
                (Place::Map(map), _) => {
                    let (longs, strings) = self.tuple(&array.text, keys);
                    Some((map, longs, strings))
                }
                _ => None,
            },
            _ => None,
        }
    }

    // ---- effects -------------------------------------------------------------------

    /// Evaluates an expression whose value nobody wants.
    pub(super) fn effect(&mut self, e: &'p Expression) {
        let mark = self.mark();
        match &e.kind {
            ExpressionKind::Step { step, target, .. } => {
                let by = if *step == StepOperator::Increment { 1 } else { -1 };
                self.add_constant(target, by, e.token);
            }
            ExpressionKind::Assign { operator, target, value } => {
                self.assign(*operator, target, value, e.token);
            }
            ExpressionKind::Accumulate { target, value } => {
                let value = self.long(value);
                if let Some((map, longs, strings)) = self.aggregate(target) {
                    self.emit(asm::sadd(value, longs, strings, map), e.token);
                }
            }
            ExpressionKind::Number(_) | ExpressionKind::Text(_) => {}
            _ if self.type_of(e) == Type::Text => {
                self.text(e);
            }
            _ => {
                self.long(e);
            }
        }
        self.release(mark);
    }

    fn add_constant(&mut self, target: &'p Expression, by: i32, token: Span) {
        match &target.kind {
            ExpressionKind::Variable(name) => match self.global(name) {
                Some((Place::Scalar(scalar), _)) => self.emit(asm::gaddi(by, scalar), token),
                _ => {
                    if let Some(register) = self.long_local(name) {
                        self.emit(asm::addi(register, register, by), token);
                    }
                }
            },
            ExpressionKind::Element { array, keys } => {
                let Some((Place::Map(map), _)) = self.global(&array.text) else { return };
                let (longs, strings) = self.tuple(&array.text, keys);
                self.emit(asm::maddi(longs, strings, map, by), token);
            }
            _ => {}
        }
    }

    fn assign(
        &mut self,
        operator: Option<BinaryOperator>,
        target: &'p Expression,
        value: &'p Expression,
        token: Span,
    ) {
        match &target.kind {
            ExpressionKind::Variable(name) => match self.global(name) {
                Some((Place::Scalar(scalar), _)) => {
                    self.assign_scalar(operator, scalar, target, value, token);
                }
                Some((Place::Map(map), _)) => {
                    let text = self.new_text(operator, target, value, token);
                    self.emit(asm::msets(text, Reg(0), StrReg(0), map), token);
                }
                None => self.assign_local(operator, name, target, value, token),
            },
            ExpressionKind::Element { array, keys } => {
                let Some((Place::Map(map), kind)) = self.global(&array.text) else { return };
                if kind == Type::Text {
                    let text = self.new_text(operator, target, value, token);
                    let (longs, strings) = self.tuple(&array.text, keys);
                    self.emit(asm::msets(text, longs, strings, map), token);
                } else {
                    self.assign_element(operator, (array, map, keys), target, value, token);
                }
            }
            _ => {}
        }
    }

    /// What a string variable is to hold after an assignment.
    fn new_text(
        &mut self,
        operator: Option<BinaryOperator>,
        target: &'p Expression,
        value: &'p Expression,
        token: Span,
    ) -> StrReg {
        if operator.is_none() {
            return self.text(value);
        }
        let old = self.text_before(target, value);
        let more = self.text(value);
        let joined = self.new_string();
        self.emit(asm::cat(joined, old, more), token);
        joined
    }

    fn assign_scalar(
        &mut self,
        operator: Option<BinaryOperator>,
        scalar: ScalarId,
        target: &'p Expression,
        value: &'p Expression,
        token: Span,
    ) {
        use BinaryOperator as B;
        if operator == Some(B::Add)
            && let ExpressionKind::Binary { operator: B::Multiply, left, right } = &value.kind
            && let Some(by) = constant(right).and_then(|n| i16::try_from(n).ok())
        {
            let factor = self.long(left);
            return self.emit(asm::gmadd(factor, by.into(), scalar), token);
        }
        if let (Some(B::Add | B::Subtract), Some(n)) = (operator, constant(value))
            && let Ok(by) =
                i16::try_from(if operator == Some(B::Add) { n } else { n.wrapping_neg() })
        {
            return self.emit(asm::gaddi(by.into(), scalar), token);
        }
        match operator {
            None => {
                let value = self.long(value);
                self.emit(asm::gst(value, scalar), token);
            }
            Some(B::Add) => {
                let value = self.long(value);
                self.emit(asm::gadd(value, scalar), token);
            }
            Some(B::Subtract) => {
                let value = self.long(value);
                self.emit(asm::gsub(value, scalar), token);
            }
            Some(operator) => {
                let result = self.new_long();
                self.binary(operator, target, value, result, token);
                self.emit(asm::gst(result, scalar), token);
            }
        }
    }

    fn assign_local(
        &mut self,
        operator: Option<BinaryOperator>,
        name: &str,
        target: &'p Expression,
        value: &'p Expression,
        token: Span,
    ) {
        if let Some(register) = self.string_local(name) {
            let text = self.new_text(operator, target, value, token);
            if text != register {
                self.emit(asm::movs(register, text), token);
            }
            return;
        }
        let Some(register) = self.long_local(name) else { return };
        match operator {
            // A value that assigns the variable itself must not see it half-way.
            None if mutates(value) || mentions(value, name) => {
                let result = self.new_long();
                self.long_into(value, result);
                self.emit(asm::mov(register, result), token);
            }
            None => self.long_into(value, register),
            Some(operator) => self.binary(operator, target, value, register, token),
        }
    }

    fn assign_element(
        &mut self,
        operator: Option<BinaryOperator>,
        (array, map, keys): (&'p ast::Name, MapId, &'p [Option<Expression>]),
        target: &'p Expression,
        value: &'p Expression,
        token: Span,
    ) {
        let register = match operator {
            None | Some(BinaryOperator::Add) => {
                let register = self.new_long();
                self.long_into(value, register);
                register
            }
            Some(operator) => {
                let register = self.new_long();
                self.binary(operator, target, value, register, token);
                register
            }
        };
        let (longs, strings) = self.tuple(&array.text, keys);
        let insn = match operator {
            Some(BinaryOperator::Add) => asm::madd(register, longs, strings, map),
            _ => asm::mset(register, longs, strings, map),
        };
        self.emit(insn, token);
    }

    /// Stores what was loaded for a variable that is a global after all.
    pub(super) fn store_global_long(&mut self, name: &str, from: Reg, token: Span) {
        if let Some((Place::Scalar(scalar), _)) = self.global(name) {
            self.emit(asm::gst(from, scalar), token);
        }
    }

    pub(super) fn store_global_text(&mut self, name: &str, from: StrReg, token: Span) {
        if let Some((Place::Map(map), _)) = self.global(name) {
            self.emit(asm::msets(from, Reg(0), StrReg(0), map), token);
        }
    }

    // ---- calls ---------------------------------------------------------------------

    /// A call whose result, if it has one, goes to the register `to` of its kind.
    fn call(
        &mut self,
        function: &'p ast::Name,
        arguments: &'p [Expression],
        e: &'p Expression,
        to: u8,
    ) {
        let name = function.text.as_str();
        if let Some(n) = self.context.program.function(name) {
            return self.call_script(n, arguments, e, to);
        }
        if let Some((how, gives)) = printing(name) {
            return self.print(how, gives.then_some(StrReg(to)), arguments, e.token);
        }
        if name == "error" {
            if let [message] = arguments {
                let message = self.text(message);
                self.emit(asm::raise(message), e.token);
            }
            return;
        }
        if is_context_function(name) {
            return self.context_function(name, arguments, Reg(to), e.token);
        }
        let Some(helper) = HelperId::from_name(name) else { return };
        let info = helper.info();
        let values: Vec<_> = arguments.iter().zip(info.arguments.iter().copied()).collect();
        let (longs, strings) = self.arguments(&values);
        let result = if info.result == ReturnKind::Nothing { 0 } else { to };
        self.needs(info.needs);
        self.emit(asm::help(result, longs, strings, helper), e.token);
    }

    fn call_script(&mut self, n: usize, arguments: &'p [Expression], e: &'p Expression, to: u8) {
        let program = self.context.program;
        let callee = &program.functions[n];
        let kinds = callee
            .parameters
            .iter()
            .map(|p| super::value_kind(callee.scope.locals.get(&p.text).copied().flatten()));
        let values: Vec<_> = arguments.iter().zip(kinds).collect();
        let (longs, strings) = self.arguments(&values);
        let id = self.context.functions[n];
        let returns = super::return_kind(callee.gives, callee.returns);
        self.calls(id);
        let result = if returns == ReturnKind::Nothing { 0 } else { to };
        self.emit(asm::call(result, longs, strings, id), e.token);
    }

    /// `int_arg(1)` and its kin, `returnval()`.
    fn context_function(&mut self, name: &str, arguments: &'p [Expression], to: Reg, token: Span) {
        let index = match arguments.first().and_then(constant) {
            Some(n @ 1..=6) => n as u8 - 1,
            _ => 0,
        };
        let syscall = matches!(self.kind, Some(ProbeKind::SyscallEntry | ProbeKind::SyscallExit));
        let word = match (name, syscall) {
            ("returnval", true) => ContextWord::SyscallReturn,
            ("returnval", false) => ContextWord::ReturnValue,
            (_, true) => ContextWord::SyscallArgument(index),
            (_, false) => ContextWord::Argument(index),
        };
        let provided = self.kind.map_or(Needs::KNOWN, ProbeKind::provides);
        if !word.needs().within(provided) {
            let message = format!("{name}() has no meaning in this kind of probe");
            self.context.diagnostics.push(Diagnostic::semantic(message, token));
        }
        self.needs(word.needs());
        self.emit(asm::ctx(to, word), token);
        let extend: Option<fn(Reg, Reg, i32) -> Insn> = match name {
            "int_arg" | "s32_arg" => Some(asm::shri),
            "uint_arg" | "u32_arg" => Some(asm::ushri),
            _ => None,
        };
        if let Some(extend) = extend {
            self.emit(asm::shli(to, to, 32), token);
            self.emit(extend(to, to, 32), token);
        }
    }
}

/// The opcode of an operator with a constant right side, if there is one.
fn immediate(operator: BinaryOperator, n: i32) -> Option<impl Fn(Reg, Reg) -> Insn> {
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

/// The value of an expression of numbers only.
fn constant(e: &Expression) -> Option<i64> {
    match &e.kind {
        ExpressionKind::Number(n) => Some(*n),
        ExpressionKind::Unary { operator, operand } => {
            let n = constant(operand)?;
            Some(match operator {
                UnaryOperator::Negate => n.wrapping_neg(),
                UnaryOperator::Plus => n,
                UnaryOperator::LogicalNot => i64::from(n == 0),
                UnaryOperator::BitNot => !n,
            })
        }
        ExpressionKind::Binary { operator, left, right } => {
            use BinaryOperator as B;
            let (a, b) = (constant(left)?, constant(right)?);
            Some(match operator {
                B::Add => a.wrapping_add(b),
                B::Subtract => a.wrapping_sub(b),
                B::Multiply => a.wrapping_mul(b),
                B::Divide if b != 0 => a.wrapping_div(b),
                B::Modulo if b != 0 => a.wrapping_rem(b),
                B::BitAnd => a & b,
                B::BitOr => a | b,
                B::BitXor => a ^ b,
                B::ShiftLeft => a.wrapping_shl(b as u32),
                B::ShiftRight => a.wrapping_shr(b as u32),
                _ => return None,
            })
        }
        _ => None,
    }
}

/// Calls `visit` on an expression and all within it, until one says true.
fn any(e: &Expression, visit: &mut dyn FnMut(&Expression) -> bool) -> bool {
    if visit(e) {
        return true;
    }
    let mut each = |children: &[&Expression]| children.iter().any(|child| any(child, visit));
    match &e.kind {
        ExpressionKind::Element { keys, .. } | ExpressionKind::In { keys, .. } => {
            keys.iter().flatten().any(|key| each(&[key]))
        }
        ExpressionKind::Call { arguments, .. } | ExpressionKind::At { arguments, .. } => {
            arguments.iter().any(|argument| each(&[argument]))
        }
        ExpressionKind::Unary { operand, .. } => each(&[operand]),
        ExpressionKind::Binary { left, right, .. }
        | ExpressionKind::Logical { left, right, .. } => each(&[left, right]),
        ExpressionKind::Step { target, .. }
        | ExpressionKind::Aggregate { target, .. }
        | ExpressionKind::Histogram { target, .. } => each(&[target]),
        ExpressionKind::Assign { target, value, .. }
        | ExpressionKind::Accumulate { target, value } => each(&[target, value]),
        ExpressionKind::Ternary { condition, then, otherwise } => {
            each(&[condition, then, otherwise])
        }
        ExpressionKind::Match { left, .. } => each(&[left]),
        ExpressionKind::Bucket { histogram, bucket } => each(&[histogram, bucket]),
        ExpressionKind::Defined(inner) | ExpressionKind::Entry(inner) => each(&[inner]),
        ExpressionKind::ChooseDefined(a, b) => each(&[a, b]),
        ExpressionKind::Number(_)
        | ExpressionKind::Text(_)
        | ExpressionKind::Variable(_)
        | ExpressionKind::Target(_)
        | ExpressionKind::Perf(_) => false,
    }
}

/// Does evaluating it change a variable?
fn mutates(e: &Expression) -> bool {
    any(e, &mut |e| matches!(e.kind, ExpressionKind::Assign { .. } | ExpressionKind::Step { .. }))
}

/// Does it read this variable?
fn mentions(e: &Expression, name: &str) -> bool {
    any(e, &mut |e| matches!(&e.kind, ExpressionKind::Variable(used) if used == name))
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What changes variables: `=`, `op=`, `++`, `--`, `<<<`.
//!
//! The order is SystemTap's: an element's keys, then the right side, then the old
//! value. Keys are evaluated once, whatever is done with the element.

use super::Place;
use super::body::Body;
use super::expression::immediate;
use super::fold::{constant, mentions, mutates};
use crate::program::Type;
use frontend_syntax::Span;
use frontend_syntax::ast::{
    BinaryOperator, Expression, ExpressionKind, StepOperator, StepPosition,
};
use vm_spec::ids::{MapId, Reg, ScalarId, StrReg};
use vm_spec::isa::asm;

/// Where a value is kept, keys evaluated.
#[derive(Clone, Copy)]
enum Spot {
    LongLocal(Reg),
    TextLocal(StrReg),
    Scalar(ScalarId),
    /// An element, or a string global, which is a map without keys.
    Element {
        map: MapId,
        longs: Reg,
        strings: StrReg,
    },
}

/// A register with the value of an assignment.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Long(Reg),
    Text(StrReg),
}

/// Is the value of an assignment used?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Effect,
    Value,
}

/// What errors about a place are near: an element's array, else the operator.
fn written(target: &Expression, operator: Span) -> Span {
    match &target.kind {
        ExpressionKind::Element { array, .. } => array.span,
        _ => operator,
    }
}

impl<'p> Body<'_, 'p> {
    /// Finds the place that is changed; `later` is evaluated before it is.
    fn spot(&mut self, target: &'p Expression, later: Option<&Expression>) -> Option<Spot> {
        match &target.kind {
            ExpressionKind::Variable(name) => match self.global(name, target.span) {
                Some((Place::Scalar(scalar), _)) => Some(Spot::Scalar(scalar)),
                Some((Place::Map(map), _)) => {
                    Some(Spot::Element { map, longs: Reg(0), strings: StrReg(0) })
                }
                None => match (self.long_local(name), self.string_local(name)) {
                    (Some(register), _) => Some(Spot::LongLocal(register)),
                    (_, Some(register)) => Some(Spot::TextLocal(register)),
                    _ => None,
                },
            },
            ExpressionKind::Element { array, keys } => {
                let Some((Place::Map(map), _)) = self.global(&array.text, array.span) else {
                    return None;
                };
                let changes = later.is_some_and(mutates);
                let (longs, strings) = self.tuple_kept(map, keys, changes);
                Some(Spot::Element { map, longs, strings })
            }
            _ => None,
        }
    }

    pub(super) fn assign(
        &mut self,
        operator: Option<BinaryOperator>,
        target: &'p Expression,
        value: &'p Expression,
        token: Span,
        wanted: Use,
    ) -> Option<Value> {
        if let ExpressionKind::Target(_) = target.kind {
            return self.assign_target(operator, target, value, token);
        }
        let text = self.type_of(target) == Type::Text;
        let spot = self.spot(target, Some(value))?;
        let token = written(target, token);
        if text {
            return Some(Value::Text(self.assign_text(operator, spot, value, token)));
        }
        let register = match spot {
            Spot::LongLocal(register) => {
                self.assign_local(operator, register, target, value, token);
                register
            }
            Spot::Scalar(scalar) => self.assign_scalar(operator, scalar, value, token, wanted),
            Spot::Element { map, longs, strings } => {
                self.assign_element(operator, (map, longs, strings), value, token, wanted)
            }
            Spot::TextLocal(_) => return None,
        };
        Some(Value::Long(register))
    }

    fn assign_text(
        &mut self,
        operator: Option<BinaryOperator>,
        spot: Spot,
        value: &'p Expression,
        token: Span,
    ) -> StrReg {
        if let (Spot::TextLocal(register), None) = (spot, operator) {
            // Of these only the last instruction writes the result.
            if matches!(value.kind, ExpressionKind::Text(_) | ExpressionKind::Binary { .. }) {
                self.text_into(value, register);
                return register;
            }
            let text = self.text(value);
            if text != register {
                self.emit(asm::movs(register, text), token);
            }
            return register;
        }
        let more = self.text(value);
        if let (Spot::TextLocal(register), Some(_)) = (spot, operator) {
            self.emit(asm::cat(register, register, more), token);
            return register;
        }
        let text = match operator {
            None => more,
            Some(_) => {
                let joined = self.new_string();
                match spot {
                    Spot::Element { map, longs, strings } => {
                        self.emit(asm::mgets(joined, longs, strings, map), token);
                        self.emit(asm::cat(joined, joined, more), token);
                    }
                    Spot::LongLocal(_) | Spot::TextLocal(_) | Spot::Scalar(_) => {}
                }
                joined
            }
        };
        match spot {
            Spot::TextLocal(register) => self.emit(asm::movs(register, text), token),
            Spot::Element { map, longs, strings } => {
                self.emit(asm::msets(text, longs, strings, map), token);
            }
            Spot::LongLocal(_) | Spot::Scalar(_) => {}
        }
        text
    }

    fn assign_local(
        &mut self,
        operator: Option<BinaryOperator>,
        register: Reg,
        target: &Expression,
        value: &'p Expression,
        token: Span,
    ) {
        let ExpressionKind::Variable(name) = &target.kind else { return };
        match operator {
            // A value that assigns the variable itself must not see it half-way.
            None if mutates(value) || mentions(value, name) => {
                let result = self.new_long();
                self.long_into(value, result);
                self.emit(asm::mov(register, result), token);
            }
            None => self.long_into(value, register),
            Some(operator) => {
                let small = constant(value).and_then(|n| i32::try_from(n).ok());
                if let Some(make) = small.and_then(|n| immediate(operator, n)) {
                    return self.emit(make(register, register), token);
                }
                let by = self.long(value);
                self.emit_binary(operator, register, register, by, value.token);
            }
        }
    }

    fn assign_scalar(
        &mut self,
        operator: Option<BinaryOperator>,
        scalar: ScalarId,
        value: &'p Expression,
        token: Span,
        wanted: Use,
    ) -> Reg {
        if let Some(operator) = operator
            && wanted == Use::Effect
            && self.add_to_scalar(operator, scalar, value, token)
        {
            return Reg(0);
        }
        let by = self.long(value);
        let result = match operator {
            None => by,
            Some(operator) => {
                let old = self.new_long();
                self.emit(asm::gld(old, scalar), token);
                self.emit_binary(operator, old, old, by, value.token);
                old
            }
        };
        self.emit(asm::gst(result, scalar), token);
        result
    }

    /// `g += ...` and `g -= ...` in one instruction.
    fn add_to_scalar(
        &mut self,
        operator: BinaryOperator,
        scalar: ScalarId,
        value: &'p Expression,
        token: Span,
    ) -> bool {
        use BinaryOperator as B;
        if !matches!(operator, B::Add | B::Subtract) {
            return false;
        }
        if operator == B::Add
            && let ExpressionKind::Binary { operator: B::Multiply, left, right } = &value.kind
            && let Some(by) = constant(right).and_then(|n| i16::try_from(n).ok())
        {
            let factor = self.long(left);
            self.emit(asm::gmadd(factor, by.into(), scalar), token);
            return true;
        }
        let small = constant(value).map(|n| if operator == B::Add { n } else { n.wrapping_neg() });
        if let Some(by) = small.and_then(|n| i16::try_from(n).ok()) {
            self.emit(asm::gaddi(by.into(), scalar), token);
            return true;
        }
        let by = self.long(value);
        let insn = if operator == B::Add { asm::gadd(by, scalar) } else { asm::gsub(by, scalar) };
        self.emit(insn, token);
        true
    }

    fn assign_element(
        &mut self,
        operator: Option<BinaryOperator>,
        (map, longs, strings): (MapId, Reg, StrReg),
        value: &'p Expression,
        token: Span,
        wanted: Use,
    ) -> Reg {
        let by = self.long(value);
        let result = match operator {
            None => by,
            Some(BinaryOperator::Add) if wanted == Use::Effect => {
                self.emit(asm::madd(by, longs, strings, map), token);
                return by;
            }
            Some(operator) => {
                let old = self.new_long();
                self.emit(asm::mget(old, longs, strings, map), token);
                self.emit_binary(operator, old, old, by, value.token);
                old
            }
        };
        self.emit(asm::mset(result, longs, strings, map), token);
        result
    }

    /// `++` or `--`; gives the register of its value if that is wanted.
    pub(super) fn step(
        &mut self,
        step: StepOperator,
        position: StepPosition,
        target: &'p Expression,
        token: Span,
        wanted: Use,
    ) -> Option<Reg> {
        let by = if step == StepOperator::Increment { 1 } else { -1 };
        if let ExpressionKind::Target(_) = target.kind {
            return self.step_target(step, position, target, token);
        }
        let spot = self.spot(target, None)?;
        let token = written(target, token);
        if wanted == Use::Effect {
            self.add_constant(spot, by, token);
            return None;
        }
        let value = self.new_long();
        if position == StepPosition::Prefix {
            self.add_constant(spot, by, token);
            self.load(spot, value, token);
        } else {
            self.load(spot, value, token);
            self.add_constant(spot, by, token);
        }
        Some(value)
    }

    fn add_constant(&mut self, spot: Spot, by: i32, token: Span) {
        match spot {
            Spot::LongLocal(register) => self.emit(asm::addi(register, register, by), token),
            Spot::Scalar(scalar) => self.emit(asm::gaddi(by, scalar), token),
            Spot::Element { map, longs, strings } => {
                self.emit(asm::maddi(longs, strings, map, by), token);
            }
            Spot::TextLocal(_) => {}
        }
    }

    fn load(&mut self, spot: Spot, to: Reg, token: Span) {
        match spot {
            Spot::LongLocal(register) => self.emit(asm::mov(to, register), token),
            Spot::Scalar(scalar) => self.emit(asm::gld(to, scalar), token),
            Spot::Element { map, longs, strings } => {
                self.emit(asm::mget(to, longs, strings, map), token);
            }
            Spot::TextLocal(_) => {}
        }
    }

    /// `<<<`; gives the register of the value that was added.
    pub(super) fn accumulate(
        &mut self,
        target: &'p Expression,
        value: &'p Expression,
        token: Span,
    ) -> Option<Reg> {
        let Some(Spot::Element { map, longs, strings }) = self.spot(target, Some(value)) else {
            return None;
        };
        let value = self.long(value);
        self.emit(asm::sadd(value, longs, strings, map), written(target, token));
        Some(value)
    }

    /// Stores what was loaded for a variable that is a global after all.
    pub(super) fn store_global_long(&mut self, name: &str, from: Reg, at: Span) {
        if let Some((Place::Scalar(scalar), _)) = self.global(name, at) {
            self.emit(asm::gst(from, scalar), at);
        }
    }

    pub(super) fn store_global_text(&mut self, name: &str, from: StrReg, at: Span) {
        if let Some((Place::Map(map), _)) = self.global(name, at) {
            self.emit(asm::msets(from, Reg(0), StrReg(0), map), at);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel data by type (`$var`, `->`, `@cast`): the one place where lowering meets it,
//! as the operations that the pass [`crate::target`] has made of it.

use super::assign::Value;
use super::body::Body;
use crate::program::Type;
use crate::target::operation::{KeptId, Operation};
use frontend_syntax::Span;
use frontend_syntax::ast::{
    BinaryOperator, Expression, ExpressionKind, StepOperator, StepPosition,
};
use vm_spec::ids::{Reg, RelocationId, StrReg};
use vm_spec::image::{ValueKind, Width};
use vm_spec::isa::asm;
use vm_spec::probe::ContextWord;
use vm_spec::relocation;

impl<'p> Body<'_, 'p> {
    /// The type that inference has found.
    pub(super) fn target_type(&self, e: &Expression) -> Type {
        let targets = &self.context.program.targets;
        let operation = self.operation_of(e);
        operation.and_then(|operation| targets.result(operation)).unwrap_or(Type::Long)
    }

    /// What a target variable has become; nothing is left of others.
    fn operation_of(&self, e: &Expression) -> Option<Operation> {
        match e.kind {
            ExpressionKind::Resolved { id, .. } => self.context.program.targets.operation(id),
            _ => None,
        }
    }

    /// Evaluates a long.
    pub(super) fn target_long(&mut self, e: &'p Expression, to: Reg) {
        let (Some(operation), ExpressionKind::Resolved { operands, .. }, token) =
            (self.operation_of(e), &e.kind, e.token)
        else {
            return;
        };
        match operation {
            Operation::Slot(slot) => self.emit(asm::ldr(to, slot), token),
            Operation::Word(slot) => {
                self.need_word(slot);
                self.emit(asm::ctxr(to, slot), token);
            }
            Operation::Load(slot) => {
                let Some(address) = self.operand(operands) else { return };
                self.emit(asm::ldmr(to, address, slot), token);
            }
            Operation::Bits { unit, above, below, signed } => {
                let Some(address) = self.operand(operands) else { return };
                let shift = self.new_long();
                self.emit(asm::ldmr(to, address, unit), token);
                self.emit(asm::ldr(shift, above), token);
                self.emit(asm::shl(to, to, shift), token);
                self.emit(asm::ldr(shift, below), token);
                let right = if signed { asm::shr } else { asm::ushr };
                self.emit(right(to, to, shift), token);
            }
            Operation::Register(n) => {
                let word = ContextWord::Register(n);
                self.needs(word.needs());
                self.emit(asm::ctx(to, word), token);
            }
            Operation::Bytes(bytes) => {
                let Some(address) = self.operand(operands) else { return };
                let width = match bytes {
                    1 => Width::U8,
                    2 => Width::U16,
                    4 => Width::U32,
                    _ => Width::U64,
                };
                self.emit(asm::ldm(to, address, width, 0), token);
            }
            Operation::Keep(kept) => self.keep(kept, operands, token),
            Operation::Kept(kept) => {
                let (_, number) = self.context.program.targets.kept_number(self.kept, kept);
                self.emit(asm::ldsv(to, number), token);
            }
            Operation::Helper(helper) => {
                let Some(argument) = self.operand(operands) else { return };
                self.needs(helper.info().needs);
                self.emit(asm::help(to.0, argument, StrReg(0), helper), token);
            }
        }
    }

    /// Evaluates a string.
    pub(super) fn target_text(&mut self, e: &'p Expression, to: StrReg) {
        let (Some(operation), ExpressionKind::Resolved { operands, .. }, token) =
            (self.operation_of(e), &e.kind, e.token)
        else {
            return;
        };
        match operation {
            Operation::Kept(kept) => {
                let (_, number) = self.context.program.targets.kept_number(self.kept, kept);
                self.emit(asm::ldsvs(to, number), token);
            }
            Operation::Helper(helper) => {
                let Some(argument) = self.operand(operands) else { return };
                self.needs(helper.info().needs);
                self.emit(asm::help(to.0, argument, StrReg(0), helper), token);
            }
            // The others give no text.
            _ => {}
        }
    }

    /// `$var = value`, only allowed in guru mode.
    pub(super) fn assign_target(
        &mut self,
        _operator: Option<BinaryOperator>,
        _target: &'p Expression,
        _value: &'p Expression,
        _token: Span,
    ) -> Option<Value> {
        None
    }

    /// `$var++` and so on, only allowed in guru mode.
    pub(super) fn step_target(
        &mut self,
        _step: StepOperator,
        _position: StepPosition,
        _target: &'p Expression,
        _token: Span,
    ) -> Option<Reg> {
        None
    }

    fn operand(&mut self, operands: &'p [Expression]) -> Option<Reg> {
        operands.first().map(|operand| self.long(operand))
    }

    fn keep(&mut self, kept: KeptId, operands: &'p [Expression], token: Span) {
        let (kind, number) = self.context.program.targets.kept_number(self.kept, kept);
        let Some(value) = operands.first() else { return };
        if kind == ValueKind::Str {
            let text = self.text(value);
            self.emit(asm::saves(text, number), token);
        } else {
            let long = self.long(value);
            self.emit(asm::save(long, number), token);
        }
    }

    fn need_word(&mut self, slot: RelocationId) {
        let asked = self.context.program.targets.relocations.get(slot.index());
        if let Some(needs) = asked.and_then(|asked| relocation::needs(asked.slot_kind())) {
            self.needs(needs);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel data by type (`$var`, `->`, `@cast`): the one place where lowering meets it.
//! Inference has refused what is not supported, so nothing here is reached with it.

use super::assign::Value;
use super::body::Body;
use crate::program::Type;
use frontend_syntax::Span;
use frontend_syntax::ast::{BinaryOperator, Expression, StepOperator, StepPosition};
use vm_spec::ids::{Reg, StrReg};
use vm_spec::isa::asm;

impl<'p> Body<'_, 'p> {
    /// The type that inference has found.
    pub(super) fn target_type(&self, _e: &Expression) -> Type {
        Type::Long
    }

    /// Evaluates a long.
    pub(super) fn target_long(&mut self, e: &'p Expression, to: Reg) {
        self.emit(asm::ldi(to, 0), e.token);
    }

    /// Evaluates a string.
    pub(super) fn target_text(&mut self, _e: &'p Expression, _to: StrReg) {}

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
}

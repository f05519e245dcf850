// SPDX-License-Identifier: GPL-2.0-or-later
//! Conditions as jumps.

use super::body::{Body, Label};
use crate::program::Type;
use frontend_syntax::Span;
use frontend_syntax::ast::{
    BinaryOperator, Expression, ExpressionKind, LogicalOperator, UnaryOperator,
};
use vm_spec::ids::Reg;
use vm_spec::isa::asm;

impl<'p> Body<'_, 'p> {
    /// Jumps if the expression is not 0.
    pub(super) fn jump_if(&mut self, e: &'p Expression, to: Label) {
        self.branch(e, to, true);
    }

    /// Jumps if the expression is 0.
    pub(super) fn jump_unless(&mut self, e: &'p Expression, to: Label) {
        self.branch(e, to, false);
    }

    fn branch(&mut self, e: &'p Expression, to: Label, when: bool) {
        let mark = self.mark();
        match &e.kind {
            ExpressionKind::Unary { operator: UnaryOperator::LogicalNot, operand } => {
                self.branch(operand, to, !when);
            }
            ExpressionKind::Logical { operator, left, right } => {
                // `a && b` jumps on falsehood of either; `a || b` on truth of either.
                let either = (*operator == LogicalOperator::Or) == when;
                if either {
                    self.branch(left, to, when);
                    self.branch(right, to, when);
                } else {
                    let past = self.label();
                    self.branch(left, past, !when);
                    self.branch(right, to, when);
                    self.bind(past);
                }
            }
            ExpressionKind::Binary { operator, left, right } => {
                self.branch_binary(e, *operator, left, right, to, when);
            }
            _ => self.branch_value(e, to, when),
        }
        self.release(mark);
    }

    fn branch_value(&mut self, e: &'p Expression, to: Label, when: bool) {
        let register = self.long(e);
        self.jump(
            |pc| if when { asm::jnz(register, pc) } else { asm::jz(register, pc) },
            to,
            e.token,
        );
    }

    fn branch_binary(
        &mut self,
        e: &'p Expression,
        operator: BinaryOperator,
        left: &'p Expression,
        right: &'p Expression,
        to: Label,
        when: bool,
    ) {
        use BinaryOperator as B;
        let small = match right.kind {
            ExpressionKind::Number(n) => i16::try_from(n).ok(),
            _ => None,
        };
        if let (B::BitAnd, Some(bits)) = (operator, small) {
            let register = self.long(left);
            let bits = i32::from(bits);
            let make = |pc| match when {
                true => asm::jbs(register, bits, pc),
                false => asm::jbc(register, bits, pc),
            };
            return self.jump(make, to, e.token);
        }
        let comparison = match operator {
            B::Equal | B::NotEqual | B::Less | B::LessOrEqual | B::Greater | B::GreaterOrEqual => {
                if when {
                    operator
                } else {
                    negated(operator)
                }
            }
            _ => return self.branch_value(e, to, when),
        };
        if self.type_of(left) == Type::Text {
            return self.branch_text(e, comparison, left, right, to, when);
        }
        if let Some(n) = small {
            let register = self.long(left);
            return self.branch_small(comparison, register, n.into(), to, e.token);
        }
        let a = self.long_before(left, right);
        let b = self.long(right);
        let make = |pc| match comparison {
            B::Equal => asm::jeq(a, b, pc),
            B::NotEqual => asm::jne(a, b, pc),
            B::Less => asm::jlt(a, b, pc),
            B::LessOrEqual => asm::jle(a, b, pc),
            B::Greater => asm::jlt(b, a, pc),
            _ => asm::jle(b, a, pc),
        };
        self.jump(make, to, e.token);
    }

    fn branch_small(
        &mut self,
        comparison: BinaryOperator,
        register: Reg,
        n: i32,
        to: Label,
        token: Span,
    ) {
        use BinaryOperator as B;
        let make = |pc| match comparison {
            B::Equal if n == 0 => asm::jz(register, pc),
            B::NotEqual if n == 0 => asm::jnz(register, pc),
            B::Equal => asm::jeqi(register, n, pc),
            B::NotEqual => asm::jnei(register, n, pc),
            B::Less => asm::jlti(register, n, pc),
            B::LessOrEqual => asm::jlei(register, n, pc),
            B::Greater => asm::jgti(register, n, pc),
            _ => asm::jgei(register, n, pc),
        };
        self.jump(make, to, token);
    }

    fn branch_text(
        &mut self,
        e: &'p Expression,
        comparison: BinaryOperator,
        left: &'p Expression,
        right: &'p Expression,
        to: Label,
        when: bool,
    ) {
        use BinaryOperator as B;
        if !matches!(comparison, B::Equal | B::NotEqual) {
            return self.branch_value(e, to, when);
        }
        let a = self.text_before(left, right);
        let b = self.text(right);
        let make = |pc| match comparison {
            B::Equal => asm::jeqs(a, b, pc),
            _ => asm::jnes(a, b, pc),
        };
        self.jump(make, to, e.token);
    }
}

fn negated(operator: BinaryOperator) -> BinaryOperator {
    use BinaryOperator as B;
    match operator {
        B::Equal => B::NotEqual,
        B::NotEqual => B::Equal,
        B::Less => B::GreaterOrEqual,
        B::LessOrEqual => B::Greater,
        B::Greater => B::LessOrEqual,
        B::GreaterOrEqual => B::Less,
        other => other,
    }
}

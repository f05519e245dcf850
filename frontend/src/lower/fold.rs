// SPDX-License-Identifier: GPL-2.0-or-later
//! What can be told of an expression without running it.

use frontend_syntax::ast::{BinaryOperator, Expression, ExpressionKind, UnaryOperator};

/// The value of an expression of numbers only.
pub(crate) fn constant(e: &Expression) -> Option<i64> {
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
pub(crate) fn any(e: &Expression, visit: &mut dyn FnMut(&Expression) -> bool) -> bool {
    if visit(e) {
        return true;
    }
    let mut each = |children: &[&Expression]| children.iter().any(|child| any(child, visit));
    match &e.kind {
        ExpressionKind::Element { keys, .. } | ExpressionKind::In { keys, .. } => {
            keys.iter().flatten().any(|key| each(&[key]))
        }
        ExpressionKind::Call { arguments, .. }
        | ExpressionKind::At { arguments, .. }
        | ExpressionKind::Resolved { operands: arguments, .. } => {
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
pub(crate) fn mutates(e: &Expression) -> bool {
    any(e, &mut |e| matches!(e.kind, ExpressionKind::Assign { .. } | ExpressionKind::Step { .. }))
}

/// Does it read this variable?
pub(crate) fn mentions(e: &Expression, name: &str) -> bool {
    any(e, &mut |e| matches!(&e.kind, ExpressionKind::Variable(used) if used == name))
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Walking over trees, for passes that look for a few kinds of node only.
//!
//! Each function exists twice, for looking and for changing; the macro writes one text
//! for both, because only the `&` differs.

use crate::ast::{
    Block, Expression, ExpressionKind, Foreach, Name, Selector, Statement, StatementKind,
    TargetBase, TargetVariable,
};

macro_rules! define_visits {
    ($block:ident, $statement:ident, $within:ident, $children:ident, $target:ident, $names:ident,
     $some:ident $(, $mutable:tt)?) => {
        /// Calls `visit` on each expression that stands in a block, not on its parts.
        pub fn $block(block: &$($mutable)? Block, visit: &mut dyn FnMut(&$($mutable)? Expression)) {
            for statement in &$($mutable)? block.statements {
                $statement(statement, visit);
            }
        }

        /// Calls `visit` on each expression that stands in a statement, not on its parts.
        pub fn $statement(
            statement: &$($mutable)? Statement,
            visit: &mut dyn FnMut(&$($mutable)? Expression),
        ) {
            match &$($mutable)? statement.kind {
                StatementKind::Empty
                | StatementKind::Break
                | StatementKind::Continue
                | StatementKind::Next
                | StatementKind::Return(None) => {}
                StatementKind::Block(block) => $block(block, visit),
                StatementKind::Expression(e)
                | StatementKind::Return(Some(e))
                | StatementKind::Delete(e) => visit(e),
                StatementKind::If { condition, then, otherwise } => {
                    visit(condition);
                    $statement(then, visit);
                    if let Some(otherwise) = otherwise {
                        $statement(otherwise, visit);
                    }
                }
                StatementKind::While { condition, body } => {
                    visit(condition);
                    $statement(body, visit);
                }
                StatementKind::For { initial, condition, step, body } => {
                    for e in [initial, condition, step] {
                        if let Some(e) = e {
                            visit(e);
                        }
                    }
                    $statement(body, visit);
                }
                StatementKind::Foreach(Foreach { array, slice, limit, body, .. }) => {
                    visit(array);
                    if let Some(slice) = slice {
                        for e in slice.$some().flatten() {
                            visit(e);
                        }
                    }
                    if let Some(limit) = limit {
                        visit(limit);
                    }
                    $statement(body, visit);
                }
                StatementKind::Try { body, handler, .. } => {
                    $block(body, visit);
                    $block(handler, visit);
                }
            }
        }

        /// Calls `visit` on each name that a statement, or one in it, gives a value to
        /// without an expression: the variables of `foreach` and `catch`.
        pub fn $names(
            statement: &$($mutable)? Statement,
            visit: &mut dyn FnMut(&$($mutable)? Name),
        ) {
            match &$($mutable)? statement.kind {
                StatementKind::Block(block) => {
                    for inner in &$($mutable)? block.statements {
                        $names(inner, visit);
                    }
                }
                StatementKind::If { then, otherwise, .. } => {
                    $names(then, visit);
                    if let Some(otherwise) = otherwise {
                        $names(otherwise, visit);
                    }
                }
                StatementKind::While { body, .. } | StatementKind::For { body, .. } => {
                    $names(body, visit);
                }
                StatementKind::Foreach(Foreach { value, keys, body, .. }) => {
                    for name in keys {
                        visit(name);
                    }
                    if let Some(value) = value {
                        visit(value);
                    }
                    $names(body, visit);
                }
                StatementKind::Try { body, message, handler } => {
                    if let Some(message) = message {
                        visit(message);
                    }
                    for block in [body, handler] {
                        for inner in &$($mutable)? block.statements {
                            $names(inner, visit);
                        }
                    }
                }
                _ => {}
            }
        }

        /// Calls `visit` on an expression and on every one in it, the outer first.
        pub fn $within(
            expression: &$($mutable)? Expression,
            visit: &mut dyn FnMut(&$($mutable)? Expression),
        ) {
            visit(expression);
            $children(expression, &mut |child| $within(child, visit));
        }

        /// Calls `visit` on each expression directly within one.
        pub fn $children(
            expression: &$($mutable)? Expression,
            visit: &mut dyn FnMut(&$($mutable)? Expression),
        ) {
            match &$($mutable)? expression.kind {
                ExpressionKind::Element { keys, .. } | ExpressionKind::In { keys, .. } => {
                    for key in keys.$some().flatten() {
                        visit(key);
                    }
                }
                ExpressionKind::Call { arguments, .. }
                | ExpressionKind::At { arguments, .. }
                | ExpressionKind::Resolved { operands: arguments, .. } => {
                    for argument in arguments {
                        visit(argument);
                    }
                }
                ExpressionKind::Unary { operand: inner, .. }
                | ExpressionKind::Step { target: inner, .. }
                | ExpressionKind::Aggregate { target: inner, .. }
                | ExpressionKind::Histogram { target: inner, .. }
                | ExpressionKind::Match { left: inner, .. }
                | ExpressionKind::Defined(inner)
                | ExpressionKind::Entry(inner) => visit(inner),
                ExpressionKind::Binary { left, right, .. }
                | ExpressionKind::Logical { left, right, .. }
                | ExpressionKind::Assign { target: left, value: right, .. }
                | ExpressionKind::Accumulate { target: left, value: right }
                | ExpressionKind::Bucket { histogram: left, bucket: right }
                | ExpressionKind::ChooseDefined(left, right) => {
                    visit(left);
                    visit(right);
                }
                ExpressionKind::Ternary { condition, then, otherwise } => {
                    visit(condition);
                    visit(then);
                    visit(otherwise);
                }
                ExpressionKind::Target(target) => $target(target, visit),
                ExpressionKind::Number(_)
                | ExpressionKind::Text(_)
                | ExpressionKind::Variable(_)
                | ExpressionKind::Perf(_) => {}
            }
        }

        fn $target(
            target: &$($mutable)? TargetVariable,
            visit: &mut dyn FnMut(&$($mutable)? Expression),
        ) {
            match &$($mutable)? target.base {
                TargetBase::Cast { operand: inner, .. } | TargetBase::Value(inner) => visit(inner),
                TargetBase::Name(_) | TargetBase::Var { .. } => {}
            }
            for selector in &$($mutable)? target.selectors {
                if let Selector::Index(index) = selector {
                    visit(index);
                }
            }
        }
    };
}

define_visits!(
    expressions,
    expressions_of,
    within,
    children,
    children_of_target,
    bound_names,
    iter
);
define_visits!(
    expressions_mut,
    expressions_of_mut,
    within_mut,
    children_mut,
    children_of_target_mut,
    bound_names_mut,
    iter_mut,
    mut
);

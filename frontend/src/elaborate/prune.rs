// SPDX-License-Identifier: GPL-2.0-or-later
//! Drops what a library alias computes and nobody reads.
//!
//! An alias of the tapset sets a dozen variables; a handler looks at one or two. An
//! assignment to a local that nothing in the probe reads goes away with the expression
//! behind it, then those whose only reader that was, until nothing more goes. Functions
//! of the library are taken to have no effect but their value, except those that print
//! or end the session.

use crate::library::{called_in, variables_in};
use crate::types::calls::LIBRARY_FAULT;
use frontend_syntax::ast::{Block, Expression, ExpressionKind, Statement, StatementKind};
use frontend_syntax::visit;
use std::collections::BTreeSet;

/// Prunes the prologues of a probe; `read` are the variables that its other bodies name.
/// A variable for which `kept` says true is never dropped.
pub(super) fn prune(
    blocks: Vec<Block>,
    read: &BTreeSet<String>,
    kept: &dyn Fn(&str) -> bool,
) -> Vec<Block> {
    let mut blocks = blocks;
    loop {
        let mut live = read.clone();
        blocks.iter().for_each(|block| reads(block, &mut live));
        let mut pass = Pass { live: &live, kept, changed: false };
        blocks = blocks.into_iter().map(|block| pass.block(block)).collect();
        if !pass.changed {
            return blocks;
        }
    }
}

/// Variables whose value a block needs: all that it names, but for plain assignments to
/// them.
fn reads(block: &Block, found: &mut BTreeSet<String>) {
    visit::expressions(block, &mut |expression| match assigned(expression) {
        Some((_, value)) => variables_in(value, found),
        None => variables_in(expression, found),
    });
}

/// `variable = value`
fn assigned(e: &Expression) -> Option<(&str, &Expression)> {
    match &e.kind {
        ExpressionKind::Assign { operator: None, target, value } => match &target.kind {
            ExpressionKind::Variable(name) => Some((name, value)),
            _ => None,
        },
        _ => None,
    }
}

struct Pass<'a> {
    live: &'a BTreeSet<String>,
    kept: &'a dyn Fn(&str) -> bool,
    changed: bool,
}

impl Pass<'_> {
    fn block(&mut self, block: Block) -> Block {
        let statements = block.statements.into_iter().filter_map(|s| self.statement(s)).collect();
        Block { statements, ..block }
    }

    fn statement(&mut self, statement: Statement) -> Option<Statement> {
        let Statement { kind, span } = statement;
        let kind = match kind {
            StatementKind::Empty => None,
            StatementKind::Block(block) => {
                let block = self.block(block);
                (!block.statements.is_empty()).then_some(StatementKind::Block(block))
            }
            StatementKind::Expression(e) => {
                let dead = assigned(&e).is_some_and(|(name, value)| {
                    !self.live.contains(name) && !(self.kept)(name) && is_pure(value)
                });
                self.changed |= dead;
                (!dead).then_some(StatementKind::Expression(e))
            }
            StatementKind::If { condition, then, otherwise } => {
                let then = self.statement(*then);
                let otherwise = otherwise.and_then(|s| self.statement(*s)).map(Box::new);
                if then.is_none() && otherwise.is_none() && is_pure(&condition) {
                    self.changed = true;
                    None
                } else {
                    let then = then.unwrap_or(Statement { kind: StatementKind::Empty, span });
                    Some(StatementKind::If { condition, then: Box::new(then), otherwise })
                }
            }
            StatementKind::Try { body, message, handler } => {
                let body = self.block(body);
                if body.statements.is_empty() {
                    self.changed = true;
                    None
                } else {
                    let handler = self.block(handler);
                    Some(StatementKind::Try { body, message, handler })
                }
            }
            kind => Some(kind),
        };
        kind.map(|kind| Statement { kind, span })
    }
}

/// Does evaluating it do nothing but give a value?
fn is_pure(e: &Expression) -> bool {
    let mut pure = true;
    visit::within(e, &mut |e| {
        let changes = matches!(
            e.kind,
            ExpressionKind::Assign { .. }
                | ExpressionKind::Step { .. }
                | ExpressionKind::Accumulate { .. }
                | ExpressionKind::At { .. }
        );
        pure &= !changes;
    });
    let mut calls = BTreeSet::new();
    called_in(e, &mut calls);
    pure && !calls.iter().any(|name| has_effect(name))
}

fn has_effect(name: &str) -> bool {
    name.starts_with("print")
        || name.starts_with("set_")
        || matches!(
            name,
            "exit" | "error" | LIBRARY_FAULT | "log" | "warn" | "system" | "next" | "randint"
        )
}

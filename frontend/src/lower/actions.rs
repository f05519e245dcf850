// SPDX-License-Identifier: GPL-2.0-or-later
//! What statements take off the budget of MAXACTION, counted as SystemTap counts them.
//!
//! A statement is one action, a round of a loop is one more, a block and `;` are none. A
//! call costs the statements of the function, those in both branches of an `if` as well,
//! unless it loops or calls itself: then it pays while it runs.
//!
//! Straight code runs once and pays nothing. A round of a loop pays for all that it is
//! sure to do when it begins, up to the first statement that may leave it; what only a
//! branch does is paid there, and what comes behind such a statement is paid behind it.

use crate::program::{Function, Program};
use frontend_syntax::Span;
use frontend_syntax::ast::{Block, Expression, ExpressionKind, Foreach, Statement, StatementKind};
use frontend_syntax::visit;
use std::collections::BTreeSet;

/// What the functions of a program cost.
#[derive(Debug)]
pub(crate) struct Actions {
    /// Of each function the actions of a call; `None` if it pays by itself.
    calls: Vec<Option<u32>>,
}

impl Actions {
    pub(crate) fn of(program: &Program) -> Actions {
        let graph = CallGraph::of(program);
        let mut actions = Actions { calls: vec![None; program.functions.len()] };
        for n in graph.callees_first {
            let Some(function) = program.functions.get(n) else { continue };
            if !loops(&function.body) {
                let cost = actions.whole(program, &function.body);
                if let Some(entry) = actions.calls.get_mut(n) {
                    *entry = Some(cost);
                }
            }
        }
        actions
    }

    /// Every statement of a body without loops.
    fn whole(&self, program: &Program, block: &Block) -> u32 {
        let mut cost = 0u32;
        each(block, &mut |statement| {
            let own = match &statement.kind {
                StatementKind::Empty | StatementKind::Block(_) => 0,
                _ => 1,
            };
            cost = cost.saturating_add(own);
        });
        visit::expressions(block, &mut |e| cost = cost.saturating_add(self.called(program, e)));
        cost
    }

    /// The functions that an expression calls.
    fn called(&self, program: &Program, e: &Expression) -> u32 {
        let mut cost = 0u32;
        visit::within(e, &mut |e| {
            if let ExpressionKind::Call { function, arguments } = &e.kind {
                let callees = program.overloads(&function.text, arguments.len(), function.span);
                let known = callees.first().and_then(|&n| self.calls.get(n).copied().flatten());
                // The call itself pays one.
                cost = cost.saturating_add(known.map_or(0, |known| known.saturating_sub(1)));
            }
        });
        cost
    }

    /// A round of a loop with this body, beside what the round itself is.
    pub(super) fn round(
        &self,
        program: &Program,
        header: [Option<&Expression>; 2],
        body: &Statement,
    ) -> u32 {
        let header = header.into_iter().flatten().map(|e| self.called(program, e));
        header.fold(self.sure(program, body), u32::saturating_add)
    }

    /// What a statement surely does, up to the first that may leave the loop.
    pub(super) fn sure(&self, program: &Program, statement: &Statement) -> u32 {
        let called = |e: &Expression| self.called(program, e);
        let inner = match &statement.kind {
            StatementKind::Empty => return 0,
            StatementKind::Block(block) => return self.sure_of(program, &block.statements),
            StatementKind::Expression(e) | StatementKind::Delete(e) => called(e),
            StatementKind::Return(value) => value.as_ref().map_or(0, called),
            StatementKind::If { condition, then, otherwise } => {
                let least = self.least(program, then, otherwise.as_deref());
                called(condition).saturating_add(least)
            }
            StatementKind::While { .. } => 0,
            StatementKind::For { initial, .. } => {
                initial.as_ref().map_or(0, |e| called(e).saturating_add(1))
            }
            StatementKind::Foreach(Foreach { limit, .. }) => limit.as_ref().map_or(0, called),
            StatementKind::Try { body, .. } => self.sure_of(program, &body.statements),
            StatementKind::Break | StatementKind::Continue | StatementKind::Next => 0,
        };
        inner.saturating_add(1)
    }

    /// What statements in a row surely do, up to the first that may leave the loop.
    pub(super) fn sure_of(&self, program: &Program, statements: &[Statement]) -> u32 {
        let mut cost = 0u32;
        for statement in statements {
            cost = cost.saturating_add(self.sure(program, statement));
            if leaves(statement) {
                break;
            }
        }
        cost
    }

    /// What both branches of an `if` do.
    pub(super) fn least(
        &self,
        program: &Program,
        then: &Statement,
        otherwise: Option<&Statement>,
    ) -> u32 {
        let other = otherwise.map_or(0, |other| self.sure(program, other));
        self.sure(program, then).min(other)
    }
}

/// May it end the round of the loop around it?
pub(super) fn leaves(statement: &Statement) -> bool {
    let mut found = false;
    each_within(statement, &mut |inner| {
        found |= matches!(
            inner.kind,
            StatementKind::Break
                | StatementKind::Continue
                | StatementKind::Next
                | StatementKind::Return(_)
        );
    });
    found
}

/// Where SystemTap looks at the budget first in this statement: at the first that is not
/// just an expression; in a loop's body without one, at the body's end.
pub(super) fn checked_at(body: &Statement) -> Span {
    fn first(statement: &Statement) -> Option<Span> {
        match &statement.kind {
            StatementKind::Empty | StatementKind::Expression(_) => None,
            StatementKind::Block(block) => block.statements.iter().find_map(first),
            _ => Some(statement.span),
        }
    }
    first(body).unwrap_or_else(|| closing(body))
}

/// The only statement, or the block of many.
fn closing(body: &Statement) -> Span {
    match &body.kind {
        StatementKind::Block(block) => match block.statements.as_slice() {
            [only] => closing(only),
            _ => block.span,
        },
        _ => body.span,
    }
}

fn loops(block: &Block) -> bool {
    let mut found = false;
    each(block, &mut |statement| {
        found |= matches!(
            statement.kind,
            StatementKind::While { .. } | StatementKind::For { .. } | StatementKind::Foreach(_)
        );
    });
    found
}

/// Calls `visit` on each statement of a block and all within them.
fn each(block: &Block, visit: &mut dyn FnMut(&Statement)) {
    block.statements.iter().for_each(|statement| each_within(statement, visit));
}

fn each_within(statement: &Statement, visit: &mut dyn FnMut(&Statement)) {
    visit(statement);
    match &statement.kind {
        StatementKind::Block(block) => each(block, visit),
        StatementKind::If { then, otherwise, .. } => {
            each_within(then, visit);
            if let Some(otherwise) = otherwise {
                each_within(otherwise, visit);
            }
        }
        StatementKind::While { body, .. } | StatementKind::For { body, .. } => {
            each_within(body, visit);
        }
        StatementKind::Foreach(foreach) => each_within(&foreach.body, visit),
        StatementKind::Try { body, handler, .. } => {
            each(body, visit);
            each(handler, visit);
        }
        StatementKind::Empty
        | StatementKind::Expression(_)
        | StatementKind::Break
        | StatementKind::Continue
        | StatementKind::Next
        | StatementKind::Return(_)
        | StatementKind::Delete(_) => {}
    }
}

/// Which functions call which.
struct CallGraph {
    callees: Vec<BTreeSet<usize>>,
    /// Those that lead to no recursion, each behind those that it calls.
    callees_first: Vec<usize>,
}

impl CallGraph {
    fn of(program: &Program) -> CallGraph {
        let callees: Vec<BTreeSet<usize>> =
            program.functions.iter().map(|function| callees(program, function)).collect();
        let mut callers: Vec<Vec<usize>> = vec![Vec::new(); callees.len()];
        let mut left: Vec<usize> = callees.iter().map(BTreeSet::len).collect();
        for (n, called) in callees.iter().enumerate() {
            for &callee in called {
                callers[callee].push(n);
            }
        }
        let mut callees_first: Vec<usize> = (0..left.len()).filter(|&n| left[n] == 0).collect();
        let mut done = 0;
        while let Some(&n) = callees_first.get(done) {
            done += 1;
            for &caller in &callers[n] {
                left[caller] -= 1;
                if left[caller] == 0 {
                    callees_first.push(caller);
                }
            }
        }
        CallGraph { callees, callees_first }
    }
}

fn callees(program: &Program, function: &Function) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    visit::expressions(&function.body, &mut |e| {
        visit::within(e, &mut |e| {
            if let ExpressionKind::Call { function, arguments } = &e.kind {
                found.extend(program.overloads(&function.text, arguments.len(), function.span));
            }
        });
    });
    found
}

/// Calls within calls that recursion may take beside those that the text shows.
const RECURSION: usize = 10;

/// `MAXNESTING` as SystemTap chooses it: the deepest calls that the text shows, and some
/// more if functions call themselves.
pub(crate) fn nesting(program: &Program) -> usize {
    let graph = CallGraph::of(program);
    // Of functions that lead to no recursion: calls within calls, their own included.
    let mut depth = vec![0usize; graph.callees.len()];
    for &n in &graph.callees_first {
        depth[n] = 1 + graph.callees[n].iter().map(|&callee| depth[callee]).max().unwrap_or(0);
    }
    let deepest = depth.iter().copied().max().unwrap_or(0);
    let recursive = depth.len() - graph.callees_first.len();
    if recursive == 0 {
        return deepest;
    }
    let called = (0..depth.len()).filter(|&n| depth[n] == 0);
    let beyond = called.flat_map(|n| graph.callees[n].iter().map(|&callee| depth[callee])).max();
    (recursive + beyond.unwrap_or(0).max(1) + 1 + RECURSION).max(deepest)
}

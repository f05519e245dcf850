// SPDX-License-Identifier: GPL-2.0-or-later
//! Rewrites a body without what has no effect.

use super::is_empty;
use super::uses::{Collector, Variable};
use crate::program::Program;
use frontend_syntax::ast::{
    Block, Expression, ExpressionKind, Statement, StatementKind, UnaryOperator,
};
use frontend_syntax::{Diagnostic, FileId, Span, visit};
use std::collections::BTreeSet;
use std::rc::Rc;

/// One body, or the bodies of one probe, which share their locals.
pub(super) struct Elider<'p> {
    program: &'p Program,
    script_files: &'p [FileId],
    pure: &'p [bool],
    /// Globals that are read somewhere.
    live: &'p BTreeSet<Variable>,
    /// Locals that are read somewhere in these bodies.
    live_locals: BTreeSet<Variable>,
    pub(super) changed: bool,
    pub(super) warnings: Vec<Diagnostic>,
}

impl<'p> Elider<'p> {
    pub(super) fn new(
        program: &'p Program,
        script_files: &'p [FileId],
        pure: &'p [bool],
        live: &'p BTreeSet<Variable>,
    ) -> Elider<'p> {
        Elider {
            program,
            script_files,
            pure,
            live,
            live_locals: BTreeSet::new(),
            changed: false,
            warnings: Vec::new(),
        }
    }

    /// Rewrites bodies; those in which nothing is to be done stay shared.
    pub(super) fn bodies(
        &mut self,
        bodies: Vec<Rc<Block>>,
        condition: Option<&Expression>,
    ) -> Vec<Rc<Block>> {
        let mut collector = Collector::new(self.program);
        bodies.iter().for_each(|body| collector.block(body));
        if let Some(condition) = condition {
            collector.expression(condition, true);
        }
        self.live_locals = collector.uses.read;
        bodies
            .into_iter()
            .map(|shared| {
                let before = std::mem::replace(&mut self.changed, false);
                let body = self.block((*shared).clone());
                let kept = if self.changed { Rc::new(body) } else { shared };
                self.changed |= before;
                kept
            })
            .collect()
    }

    fn block(&mut self, block: Block) -> Block {
        let mut statements = Vec::with_capacity(block.statements.len());
        let mut left = block.statements.into_iter();
        for statement in left.by_ref() {
            let statement = self.statement(statement);
            if matches!(statement.kind, StatementKind::Empty) {
                self.changed = true;
                continue;
            }
            let leaves = matches!(
                statement.kind,
                StatementKind::Return(_)
                    | StatementKind::Next
                    | StatementKind::Break
                    | StatementKind::Continue
            );
            statements.push(statement);
            if leaves {
                break;
            }
        }
        // Nothing comes to what stands behind a `return`.
        self.changed |= left.next().is_some();
        Block { statements, span: block.span }
    }

    fn boxed(&mut self, statement: Statement) -> Box<Statement> {
        Box::new(self.statement(statement))
    }

    fn statement(&mut self, mut statement: Statement) -> Statement {
        let span = statement.span;
        visit_assignments(&mut statement, &mut |e| self.assignments(e));
        let kind = match statement.kind {
            StatementKind::Block(block) => {
                let block = self.block(block);
                if is_empty(&block) { StatementKind::Empty } else { StatementKind::Block(block) }
            }
            StatementKind::Expression(e) => self.expression_statement(e),
            StatementKind::If { condition, then, otherwise } => {
                let then = self.boxed(*then);
                let otherwise = otherwise.map(|otherwise| self.boxed(*otherwise));
                self.conditional(condition, then, otherwise, span)
            }
            StatementKind::While { condition, body } => {
                StatementKind::While { condition, body: self.boxed(*body) }
            }
            StatementKind::For { initial, condition, step, body } => {
                StatementKind::For { initial, condition, step, body: self.boxed(*body) }
            }
            StatementKind::Foreach(mut foreach) => {
                foreach.body = self.boxed(*foreach.body);
                StatementKind::Foreach(foreach)
            }
            StatementKind::Try { body, message, handler } => {
                let (body, handler) = (self.block(body), self.block(handler));
                if is_empty(&body) {
                    StatementKind::Empty
                } else {
                    StatementKind::Try { body, message, handler }
                }
            }
            other => other,
        };
        Statement { kind, span }
    }

    fn expression_statement(&mut self, e: Expression) -> StatementKind {
        if !self.only_reads(&e) {
            return StatementKind::Expression(e);
        }
        let message = "Eliding side-effect-free expression ";
        self.warnings.push(Diagnostic::warning(message, e.span));
        StatementKind::Empty
    }

    fn conditional(
        &mut self,
        condition: Expression,
        then: Box<Statement>,
        otherwise: Option<Box<Statement>>,
        span: Span,
    ) -> StatementKind {
        let otherwise = otherwise.filter(|s| !matches!(s.kind, StatementKind::Empty));
        if let ExpressionKind::Number(n) = condition.kind {
            self.changed = true;
            let taken = if n != 0 { Some(then) } else { otherwise };
            return taken.map_or(StatementKind::Empty, |taken| taken.kind);
        }
        match (matches!(then.kind, StatementKind::Empty), otherwise) {
            (false, otherwise) => StatementKind::If { condition, then, otherwise },
            (true, Some(otherwise)) => {
                self.changed = true;
                let kind = ExpressionKind::Unary {
                    operator: UnaryOperator::LogicalNot,
                    operand: Box::new(condition),
                };
                let condition = Expression { kind, span, token: span };
                StatementKind::If { condition, then: otherwise, otherwise: None }
            }
            (true, None) => {
                self.changed = true;
                if self.only_reads(&condition) {
                    StatementKind::Empty
                } else {
                    StatementKind::Expression(condition)
                }
            }
        }
    }

    fn only_reads(&self, e: &Expression) -> bool {
        let mut collector = Collector::new(self.program);
        collector.expression(e, false);
        let pure = |n: &usize| self.pure.get(*n).is_some_and(|pure| *pure);
        collector.uses.only_reads() && collector.uses.calls.iter().all(pure)
    }

    /// Puts the value in the place of an assignment to what nobody reads.
    fn assignments(&mut self, e: &mut Expression) {
        visit::children_mut(e, &mut |child| self.assignments(child));
        let (target, what) = match &e.kind {
            ExpressionKind::Assign { operator: None, target, .. }
            | ExpressionKind::Accumulate { target, .. } => (target, e.token),
            _ => return,
        };
        let name = match &target.kind {
            ExpressionKind::Variable(name) => name,
            // Keys are evaluated, whatever becomes of the element; and an array that is
            // no global is an error.
            ExpressionKind::Element { array, keys }
                if keys.iter().flatten().all(is_plain)
                    && self.program.global_at(&array.text, array.span).is_some() =>
            {
                &array.text
            }
            _ => return,
        };
        if !self.is_dead(name, target.span) {
            return;
        }
        let message = format!("Eliding assignment to '{name}'");
        self.warnings.push(Diagnostic::warning(message, what).label("nothing ever reads it"));
        self.changed = true;
        let placeholder = ExpressionKind::Number(0);
        let kind = std::mem::replace(&mut e.kind, placeholder);
        if let ExpressionKind::Assign { value, .. } | ExpressionKind::Accumulate { value, .. } =
            kind
        {
            // The place stays that of the assignment, as in SystemTap's messages.
            *e = Expression { span: e.span, ..*value };
        }
    }

    fn is_dead(&self, name: &str, at: Span) -> bool {
        match self.program.global_at(name, at) {
            None => !self.live_locals.contains(&Variable::Local(name.to_owned())),
            // The script's own are printed when the session ends.
            Some(n) => {
                let script = self
                    .program
                    .globals
                    .get(n)
                    .is_none_or(|global| self.script_files.contains(&global.span.file));
                !script && !self.live.contains(&Variable::Global(n))
            }
        }
    }
}

fn is_plain(e: &Expression) -> bool {
    matches!(
        e.kind,
        ExpressionKind::Number(_) | ExpressionKind::Text(_) | ExpressionKind::Variable(_)
    )
}

/// Calls `edit` on the expressions that stand in a statement itself, not in those within.
fn visit_assignments(statement: &mut Statement, edit: &mut dyn FnMut(&mut Expression)) {
    match &mut statement.kind {
        StatementKind::Expression(e)
        | StatementKind::Return(Some(e))
        | StatementKind::Delete(e) => {
            edit(e);
        }
        StatementKind::If { condition, .. } | StatementKind::While { condition, .. } => {
            edit(condition);
        }
        StatementKind::For { initial, condition, step, .. } => {
            [initial, condition, step].into_iter().flatten().for_each(edit);
        }
        StatementKind::Foreach(foreach) => {
            foreach.slice.iter_mut().flatten().flatten().for_each(&mut *edit);
            foreach.limit.iter_mut().for_each(edit);
        }
        _ => {}
    }
}

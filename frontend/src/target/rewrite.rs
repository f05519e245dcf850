// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements and expressions with their target variables replaced.
//!
//! `@defined` is a question to the kernel that the program will run on, so most often
//! its answer is a relocation. Code that only runs for one answer is *guarded*: its
//! relocations need not have an answer when the other one holds. Where the answer is
//! the same everywhere, the code that cannot be reached is dropped.

use super::operation::{KeptId, Operation};
use super::place::Place;
use super::{Problem, Resolver};
use frontend_syntax::Span;
use frontend_syntax::ast::{
    Block, Expression, ExpressionKind, LogicalOperator, Statement, StatementKind, TargetBase,
    UnaryOperator,
};
use frontend_syntax::printer::print_expression;
use frontend_syntax::visit;
use vm_spec::relocation::{Guard, Path, Question, Root};

/// What is known of a condition.
#[derive(Default)]
struct Truth {
    /// It is always so.
    constant: Option<bool>,
    /// What exists when it holds.
    when_true: Vec<Guard>,
    /// What exists, or does not, when it does not hold.
    when_false: Vec<Guard>,
}

impl Resolver<'_> {
    pub(super) fn block(&mut self, block: &mut Block, place: &mut Place) {
        for statement in &mut block.statements {
            self.statement(statement, place);
        }
    }

    fn statement(&mut self, statement: &mut Statement, place: &mut Place) {
        match &mut statement.kind {
            StatementKind::Block(block) => self.block(block, place),
            StatementKind::If { condition, then, otherwise } => {
                let truth = self.condition(condition, place);
                if let Some(holds) = truth.constant {
                    let nothing = Statement { kind: StatementKind::Empty, span: statement.span };
                    let kept = if holds { Some(then) } else { otherwise.as_mut() };
                    let mut kept = kept
                        .map_or(nothing.clone(), |kept| std::mem::replace(&mut **kept, nothing));
                    self.statement(&mut kept, place);
                    *statement = kept;
                    return;
                }
                self.guarded(&truth.when_true, place, |own, place| own.statement(then, place));
                if let Some(otherwise) = otherwise {
                    self.guarded(&truth.when_false, place, |own, place| {
                        own.statement(otherwise, place);
                    });
                }
            }
            StatementKind::While { condition, body } => {
                let truth = self.condition(condition, place);
                if truth.constant == Some(false) {
                    statement.kind = StatementKind::Empty;
                    return;
                }
                self.guarded(&truth.when_true, place, |own, place| own.statement(body, place));
            }
            StatementKind::For { initial, condition, step, body } => {
                if let Some(initial) = initial {
                    self.expression(initial, place);
                }
                let condition = condition.as_mut();
                let truth = condition.map_or(Truth::default(), |e| self.condition(e, place));
                if truth.constant == Some(false) {
                    let initial = initial.take();
                    statement.kind =
                        initial.map_or(StatementKind::Empty, StatementKind::Expression);
                    return;
                }
                self.guarded(&truth.when_true, place, |own, place| {
                    if let Some(step) = step {
                        own.expression(step, place);
                    }
                    own.statement(body, place);
                });
            }
            StatementKind::Foreach(foreach) => {
                self.expression(&mut foreach.array, place);
                for e in foreach.slice.iter_mut().flatten().flatten().chain(&mut foreach.limit) {
                    self.expression(e, place);
                }
                self.statement(&mut foreach.body, place);
            }
            StatementKind::Try { body, handler, .. } => {
                self.block(body, place);
                self.block(handler, place);
            }
            _ => visit::expressions_of_mut(statement, &mut |e| self.expression(e, place)),
        }
    }

    /// Does something under more guards.
    fn guarded(
        &mut self,
        guards: &[Guard],
        place: &mut Place,
        inner: impl FnOnce(&mut Self, &mut Place),
    ) {
        let before = place.guards.len();
        place.guards.extend(guards);
        inner(self, place);
        place.guards.truncate(before);
    }

    /// Replaces an expression, if it is a target variable, and those within it.
    pub(super) fn expression(&mut self, e: &mut Expression, place: &mut Place) {
        match &mut e.kind {
            ExpressionKind::Target(_) => {
                let result = self.target(e, place);
                self.put(e, result, place);
            }
            ExpressionKind::Entry(inner) => {
                let result = self.entry((**inner).clone(), e.token, place);
                self.put(e, result, place);
            }
            ExpressionKind::Defined(_) => {
                self.condition(e, place);
            }
            ExpressionKind::ChooseDefined(first, second) => {
                let (first, second) = (first.clone(), second.clone());
                let (span, token) = (e.span, e.token);
                let defined = ExpressionKind::Defined(first.clone());
                let condition = Box::new(Expression { kind: defined, span, token });
                e.kind = ExpressionKind::Ternary { condition, then: first, otherwise: second };
                self.expression(e, place);
            }
            ExpressionKind::Ternary { condition, then, otherwise } => {
                let truth = self.condition(condition, place);
                if let Some(holds) = truth.constant {
                    let mut kept = if holds { then.clone() } else { otherwise.clone() };
                    self.expression(&mut kept, place);
                    *e = *kept;
                    return;
                }
                self.guarded(&truth.when_true, place, |own, place| own.expression(then, place));
                self.guarded(&truth.when_false, place, |own, place| {
                    own.expression(otherwise, place);
                });
            }
            ExpressionKind::Logical { .. }
            | ExpressionKind::Unary { operator: UnaryOperator::LogicalNot, .. } => {
                self.condition(e, place);
            }
            ExpressionKind::Assign { target, .. }
            | ExpressionKind::Step { target, .. }
            | ExpressionKind::Accumulate { target, .. }
                if matches!(target.kind, ExpressionKind::Target(_)) =>
            {
                let message = if self.guru {
                    "writing to target variables is not supported by this version"
                } else {
                    "write to target variable not permitted; need stap -g"
                };
                self.problems.push(Problem::new(message, target.token));
            }
            _ => visit::children_mut(e, &mut |child| self.expression(child, place)),
        }
    }

    fn put(&mut self, e: &mut Expression, result: Result<Expression, Problem>, place: &Place) {
        match result {
            Ok(resolved) => *e = resolved,
            // What it would be on the kernel that the code is for, this one cannot tell.
            Err(_) if self.is_for_other_kernels(place) => {
                let path = Path {
                    root: Root::Type(format!("{} (unknown to the compiler)", print_expression(e))),
                    module: None,
                    steps: Vec::new(),
                };
                let relocation = self.relocation(Question::Size, path, place);
                *e = self.operation(Operation::Slot(relocation), Vec::new(), e.token);
            }
            Err(problem) => {
                self.problems.push(problem);
                e.kind = ExpressionKind::Number(0);
            }
        }
    }

    /// Is code under these guards never reached on the kernel at hand?
    fn is_for_other_kernels(&self, place: &Place) -> bool {
        let Some(types) = self.types else { return false };
        place.guards.iter().any(|guard| {
            let asked = self.tables.relocations.get(guard.relocation as usize);
            asked.is_some_and(|asked| {
                asked.question == Question::Exists
                    && debuginfo::walk(types, &asked.path).is_ok() != guard.exists
            })
        })
    }

    /// Replaces within a condition, and says what follows from it.
    fn condition(&mut self, e: &mut Expression, place: &mut Place) -> Truth {
        match &mut e.kind {
            ExpressionKind::Number(n) => Truth { constant: Some(*n != 0), ..Truth::default() },
            ExpressionKind::Defined(inner) => {
                let inner = (**inner).clone();
                self.defined(e, &inner, place)
            }
            ExpressionKind::Unary { operator: UnaryOperator::LogicalNot, operand } => {
                let Truth { constant, when_true, when_false } = self.condition(operand, place);
                let constant = constant.map(|holds| !holds);
                Truth { constant, when_true: when_false, when_false: when_true }
            }
            ExpressionKind::Logical { operator, left, right } => {
                let stops = *operator == LogicalOperator::Or;
                let first = self.condition(left, place);
                if first.constant == Some(stops) {
                    e.kind = ExpressionKind::Number(stops.into());
                    return Truth { constant: Some(stops), ..Truth::default() };
                }
                // The right side is only reached if the left one does not decide.
                let reached = if stops { &first.when_false } else { &first.when_true };
                let mut second = Truth::default();
                self.guarded(reached, place, |own, place| {
                    second = own.condition(right, place);
                });
                both(stops, first, second)
            }
            ExpressionKind::Target(_)
            | ExpressionKind::Entry(_)
            | ExpressionKind::ChooseDefined(..)
            | ExpressionKind::Ternary { .. }
            | ExpressionKind::Assign { .. }
            | ExpressionKind::Step { .. }
            | ExpressionKind::Accumulate { .. } => {
                self.expression(e, place);
                Truth::default()
            }
            _ => {
                visit::children_mut(e, &mut |child| self.expression(child, place));
                Truth::default()
            }
        }
    }

    /// `@defined(inner)`: a number or a slot.
    fn defined(&mut self, e: &mut Expression, inner: &Expression, place: &mut Place) -> Truth {
        let constant = |e: &mut Expression, holds: bool| {
            e.kind = ExpressionKind::Number(holds.into());
            Truth { constant: Some(holds), ..Truth::default() }
        };
        let ExpressionKind::Target(target) = &inner.kind else {
            // What is no target variable needs nobody to find it.
            return constant(e, true);
        };
        let question = match place.at_entry() {
            // Of what is looked at when the function is entered.
            Some(entry) if Self::is_from_entry(&target.base, place) => {
                self.existence(target, &entry)
            }
            _ => self.existence(target, place),
        };
        let path = match question {
            Ok(Some(path)) => path,
            Ok(None) => return constant(e, true),
            Err(_) => return constant(e, false),
        };
        let relocation = self.relocation(Question::Exists, path, place);
        *e = self.operation(Operation::Slot(relocation), Vec::new(), e.token);
        let guard = |exists| vec![Guard { relocation: relocation.0, exists }];
        Truth { constant: None, when_true: guard(true), when_false: guard(false) }
    }

    /// `@entry(inner)`: kept when the function is entered.
    pub(super) fn entry(
        &mut self,
        inner: Expression,
        token: Span,
        place: &mut Place,
    ) -> Result<Expression, Problem> {
        let Some(mut entry) = place.at_entry() else {
            return Err(Problem::new("@entry is only valid in .return probes", token));
        };
        let key = format!("{} {:?}", print_expression(&inner), place.guards);
        let known = place.kept.iter().find(|(known, _)| *known == key).map(|(_, id)| *id);
        if let Some(id) = known {
            return Ok(self.operation(Operation::Kept(id), Vec::new(), token));
        }
        let mut value = inner;
        self.expression(&mut value, &mut entry);
        let id = KeptId(self.tables.kept.len());
        self.tables.kept.push(None);
        let keep = self.operation(Operation::Keep(id), vec![value], token);
        let mut statement = Statement { kind: StatementKind::Expression(keep), span: token };
        for guard in &place.guards {
            let slot = Operation::Slot(vm_spec::ids::RelocationId(guard.relocation));
            let mut condition = self.operation(slot, Vec::new(), token);
            if !guard.exists {
                let operand = Box::new(condition);
                let kind = ExpressionKind::Unary { operator: UnaryOperator::LogicalNot, operand };
                condition = Expression { kind, span: token, token };
            }
            let then = Box::new(statement);
            let kind = StatementKind::If { condition, then, otherwise: None };
            statement = Statement { kind, span: token };
        }
        place.entry.push(statement);
        place.kept.push((key, id));
        Ok(self.operation(Operation::Kept(id), Vec::new(), token))
    }

    /// A parameter in a return probe is meant as it was at the entry, with all that is
    /// selected of it.
    pub(super) fn is_from_entry(base: &TargetBase, place: &Place) -> bool {
        let TargetBase::Name(name) = base else { return false };
        place.at_entry().is_some() && !name.starts_with("$$") && name != "$return"
    }
}

/// What follows from `a && b` (or, with `stops`, `a || b`).
fn both(stops: bool, first: Truth, second: Truth) -> Truth {
    let constant = match (first.constant, second.constant) {
        (Some(_), second) => second,
        // The left side must still be evaluated.
        (None, _) => None,
    };
    let together = |mut a: Vec<Guard>, b: Vec<Guard>| {
        a.extend(b);
        a
    };
    // A constant left side that does not decide leaves the word to the right one.
    let one = |decided: bool, a: Vec<Guard>, b: Vec<Guard>| {
        if decided {
            b
        } else {
            drop(a);
            Vec::new()
        }
    };
    let alone = first.constant.is_some();
    if stops {
        Truth {
            constant,
            when_true: one(alone, first.when_true, second.when_true),
            when_false: together(first.when_false, second.when_false),
        }
    } else {
        Truth {
            constant,
            when_true: together(first.when_true, second.when_true),
            when_false: one(alone, first.when_false, second.when_false),
        }
    }
}

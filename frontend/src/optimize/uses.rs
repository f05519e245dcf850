// SPDX-License-Identifier: GPL-2.0-or-later
//! What a body reads, writes, calls and does.

use crate::program::Program;
use crate::types::calls::printing;
use frontend_syntax::Span;
use frontend_syntax::ast::{
    Block, Expression, ExpressionKind, Name, Selector, Statement, StatementKind, TargetBase,
};
use std::collections::{BTreeMap, BTreeSet};
use vm_spec::helper::HelperId;
use vm_spec::image::ReturnKind;

/// A variable, by number if it is a global.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Variable {
    Global(usize),
    Local(String),
}

/// What a body does with its variables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uses {
    /// Read, if only to be changed (`x++`).
    pub(crate) read: BTreeSet<Variable>,
    /// Read for a value that goes somewhere.
    pub(crate) used: BTreeSet<Variable>,
    pub(crate) written: BTreeSet<Variable>,
    /// Locals in the order in which they are mentioned, with the first place.
    pub(crate) mentioned: BTreeMap<String, Span>,
    /// Script functions that are called.
    pub(crate) calls: BTreeSet<usize>,
    /// It does something that is neither reading nor changing variables.
    pub(crate) effects: bool,
    /// It leaves the place where it stands: `break`, `return` and so on.
    pub(crate) control: bool,
}

impl Uses {
    /// It does nothing but read.
    pub(crate) fn only_reads(&self) -> bool {
        !self.effects && !self.control && self.written.is_empty()
    }
}

/// Walks bodies and adds up their uses.
pub(crate) struct Collector<'p> {
    pub(crate) program: &'p Program,
    pub(crate) uses: Uses,
}

impl<'p> Collector<'p> {
    pub(crate) fn new(program: &'p Program) -> Collector<'p> {
        Collector { program, uses: Uses::default() }
    }

    fn variable(&mut self, name: &str, at: Span) -> Variable {
        match self.program.global_at(name, at) {
            Some(n) => Variable::Global(n),
            None => {
                self.uses.mentioned.entry(name.to_owned()).or_insert(at);
                Variable::Local(name.to_owned())
            }
        }
    }

    fn reads(&mut self, name: &str, at: Span, used: bool) {
        let variable = self.variable(name, at);
        if used {
            self.uses.used.insert(variable.clone());
        }
        self.uses.read.insert(variable);
    }

    fn writes(&mut self, name: &str, at: Span) {
        let variable = self.variable(name, at);
        self.uses.written.insert(variable);
    }

    pub(crate) fn block(&mut self, block: &Block) {
        for statement in &block.statements {
            self.statement(statement);
        }
    }

    pub(crate) fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Empty => {}
            StatementKind::Break | StatementKind::Continue | StatementKind::Next => {
                self.uses.control = true;
            }
            StatementKind::Block(block) => self.block(block),
            StatementKind::Expression(e) => self.expression(e, false),
            StatementKind::If { condition, then, otherwise } => {
                self.expression(condition, true);
                self.statement(then);
                if let Some(otherwise) = otherwise {
                    self.statement(otherwise);
                }
            }
            StatementKind::While { condition, body } => {
                self.expression(condition, true);
                self.statement(body);
            }
            StatementKind::For { initial, condition, step, body } => {
                for e in [initial, step].into_iter().flatten() {
                    self.expression(e, false);
                }
                if let Some(condition) = condition {
                    self.expression(condition, true);
                }
                self.statement(body);
            }
            StatementKind::Foreach(foreach) => {
                match &foreach.array.kind {
                    ExpressionKind::Variable(name) => self.reads(name, foreach.array.span, true),
                    _ => self.expression(&foreach.array, true),
                }
                for key in foreach.slice.iter().flatten().flatten().chain(&foreach.limit) {
                    self.expression(key, true);
                }
                for name in foreach.keys.iter().chain(&foreach.value) {
                    self.writes(&name.text, name.span);
                }
                self.statement(&foreach.body);
            }
            StatementKind::Return(value) => {
                self.uses.control = true;
                if let Some(value) = value {
                    self.expression(value, true);
                }
            }
            StatementKind::Delete(target) => {
                self.target(target);
                match &target.kind {
                    ExpressionKind::Variable(name) => self.reads(name, target.span, true),
                    ExpressionKind::Element { array, .. } => {
                        self.reads(&array.text, array.span, true);
                    }
                    _ => {}
                }
            }
            StatementKind::Try { body, message, handler } => {
                self.block(body);
                if let Some(name) = message {
                    self.writes(&name.text, name.span);
                }
                self.block(handler);
            }
        }
    }

    /// What is changed: its keys are read, itself is written.
    fn target(&mut self, e: &Expression) {
        match &e.kind {
            ExpressionKind::Variable(name) => self.writes(name, e.span),
            ExpressionKind::Element { array, keys } => {
                self.keys(keys);
                self.writes(&array.text, array.span);
            }
            _ => {
                // The probed program's memory.
                self.uses.effects = true;
                self.expression(e, true);
            }
        }
    }

    /// What is changed by what it was.
    fn changed(&mut self, e: &Expression, used: bool) {
        self.target(e);
        match &e.kind {
            ExpressionKind::Variable(name) => self.reads(name, e.span, used),
            ExpressionKind::Element { array, .. } => self.reads(&array.text, array.span, used),
            _ => {}
        }
    }

    fn keys(&mut self, keys: &[Option<Expression>]) {
        for key in keys.iter().flatten() {
            self.expression(key, true);
        }
    }

    /// Walks an expression; `used` says whether its value goes somewhere.
    pub(crate) fn expression(&mut self, e: &Expression, used: bool) {
        match &e.kind {
            ExpressionKind::Number(_) | ExpressionKind::Text(_) | ExpressionKind::Perf(_) => {}
            ExpressionKind::Variable(name) => self.reads(name, e.span, used),
            ExpressionKind::Element { array, keys } => {
                self.keys(keys);
                self.reads(&array.text, array.span, used);
            }
            ExpressionKind::In { keys, array } => {
                self.keys(keys);
                self.reads(&array.text, array.span, true);
            }
            ExpressionKind::Call { function, arguments } => self.call(function, arguments),
            ExpressionKind::Unary { operand, .. } => self.expression(operand, true),
            ExpressionKind::Binary { left, right, .. }
            | ExpressionKind::Logical { left, right, .. } => {
                self.expression(left, true);
                self.expression(right, true);
            }
            ExpressionKind::Step { target, .. } => self.changed(target, used),
            ExpressionKind::Assign { operator: None, target, value } => {
                self.expression(value, true);
                self.target(target);
            }
            ExpressionKind::Assign { operator: Some(_), target, value } => {
                self.expression(value, true);
                self.changed(target, used);
            }
            ExpressionKind::Accumulate { target, value } => {
                self.expression(value, true);
                self.target(target);
            }
            ExpressionKind::Ternary { condition, then, otherwise } => {
                self.expression(condition, true);
                self.expression(then, used);
                self.expression(otherwise, used);
            }
            ExpressionKind::Match { left, .. } => self.expression(left, true),
            ExpressionKind::Aggregate { target, .. } | ExpressionKind::Histogram { target, .. } => {
                self.expression(target, true)
            }
            ExpressionKind::Bucket { histogram, bucket } => {
                self.expression(histogram, true);
                self.expression(bucket, true);
            }
            ExpressionKind::Target(target) => {
                match &target.base {
                    TargetBase::Cast { operand, .. } | TargetBase::Value(operand) => {
                        self.expression(operand, true);
                    }
                    TargetBase::Name(_) | TargetBase::Var { .. } => {}
                }
                for selector in &target.selectors {
                    if let Selector::Index(index) = selector {
                        self.expression(index, true);
                    }
                }
            }
            ExpressionKind::Defined(inner) | ExpressionKind::Entry(inner) => {
                self.expression(inner, true);
            }
            ExpressionKind::ChooseDefined(a, b) => {
                self.expression(a, used);
                self.expression(b, used);
            }
            // Some of these keep values for another probe.
            ExpressionKind::At { arguments, .. }
            | ExpressionKind::Resolved { operands: arguments, .. } => {
                self.uses.effects = true;
                for argument in arguments {
                    self.expression(argument, true);
                }
            }
        }
    }

    fn call(&mut self, function: &Name, arguments: &[Expression]) {
        for argument in arguments {
            self.expression(argument, true);
        }
        let name = function.text.as_str();
        if let Some((_, gives)) = printing(name) {
            self.uses.effects |= !gives;
            return;
        }
        let mut called = self.program.overloads(name, arguments.len(), function.span);
        if called.is_empty() {
            // What is wrong with the call must be reported, so it must stay.
            called = self.program.functions_named(name, function.span);
            let helper = HelperId::from_name(name).filter(|_| called.is_empty());
            self.uses.effects |= helper.is_none_or(has_effect);
        }
        self.uses.calls.extend(called);
    }
}

/// Does a helper do something, other than giving a value?
fn has_effect(helper: HelperId) -> bool {
    helper.info().result == ReturnKind::Nothing
}

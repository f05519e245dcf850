// SPDX-License-Identifier: GPL-2.0-or-later
//! `function()->member`, `variable->member`: what a number points to, if the script has
//! said so where it comes from.
//!
//! A number has the type of the target variable that it was read as. A function's result
//! has that of the first `return` that tells one, a variable that of the first assignment, a
//! global that of the first assignment in any handler.

use super::place::Place;
use super::{Resolver, block_has};
use crate::program::Program;
use debuginfo::Shape;
use frontend_syntax::Span;
use frontend_syntax::ast::{
    Block, Expression, ExpressionKind, Statement, StatementKind, TargetBase, TargetVariable,
};
use frontend_syntax::visit;
use std::collections::BTreeMap;
use vm_spec::relocation::{Path, Root, Step};

/// Functions whose results are made of those of others.
const ROUNDS: usize = 4;

/// What results or variables point to, by name.
pub(super) type Pointees = BTreeMap<String, Path>;

impl Resolver<'_> {
    /// Finds out what the results of functions point to.
    pub(super) fn learn_results(&mut self, program: &Program) {
        for _ in 0..ROUNDS {
            for function in &program.functions {
                if self.results.contains_key(&function.name.text) {
                    continue;
                }
                let mut place = Place::within_function(&function.parameters);
                self.learn_variables(&function.body, &mut place);
                let mut values = Vec::new();
                returned(&function.body.statements, &mut values);
                let found = values.into_iter().find_map(|value| self.pointee(value, &place));
                if let Some(path) = found {
                    self.results.insert(function.name.text.clone(), path);
                }
            }
        }
    }

    /// Finds out what globals point to.
    pub(super) fn learn_globals(&mut self, program: &Program) {
        let is_cast = |e: &Expression| match &e.kind {
            ExpressionKind::Target(target) => matches!(target.base, TargetBase::Value(_)),
            _ => false,
        };
        let bodies = program.probes.iter().flat_map(|probe| &probe.bodies);
        let mut all = bodies.clone().chain(program.functions.iter().map(|f| &f.body));
        if program.globals.is_empty() || !all.any(|body| block_has(body, &is_cast)) {
            return;
        }
        for probe in &program.probes {
            let mut place = Place::of_probe(probe);
            self.find_tracepoint(&mut place);
            for body in &probe.bodies {
                self.learn_variables(body, &mut place);
            }
            for global in &program.globals {
                if let Some(path) = place.variables.remove(&global.name) {
                    self.globals.entry(global.name.clone()).or_insert(path);
                }
            }
        }
    }

    /// Finds out what the variables of a body point to.
    pub(super) fn learn_variables(&mut self, block: &Block, place: &mut Place) {
        let mut assignments = Vec::new();
        visit::expressions(block, &mut |e| {
            visit::within(e, &mut |e| {
                if let ExpressionKind::Assign { operator: None, target, value } = &e.kind
                    && let ExpressionKind::Variable(name) = &target.kind
                {
                    assignments.push((name.clone(), (**value).clone()));
                }
            });
        });
        for (name, value) in assignments {
            if !place.variables.contains_key(&name)
                && let Some(path) = self.pointee(&value, place)
            {
                place.variables.insert(name, path);
            }
        }
    }

    /// What an expression's value points to.
    pub(super) fn pointee(&self, e: &Expression, place: &Place) -> Option<Path> {
        match &e.kind {
            ExpressionKind::Target(target) => self.pointee_of_target(target, place),
            ExpressionKind::Entry(inner) => self.pointee(inner, &place.at_entry()?),
            ExpressionKind::Variable(name) => {
                let global = || self.globals.get(name).filter(|_| !place.hides.contains(name));
                place.variables.get(name).or_else(global).cloned()
            }
            ExpressionKind::Call { function, .. } if function.text == "task_current" => {
                let root = Root::Type("task_struct".to_owned());
                Some(Path { root, module: None, steps: Vec::new() })
            }
            ExpressionKind::Call { function, .. } => self.results.get(&function.text).cloned(),
            ExpressionKind::Ternary { then, otherwise, .. } => {
                self.pointee(then, place).or_else(|| self.pointee(otherwise, place))
            }
            _ => None,
        }
    }

    fn pointee_of_target(&self, target: &TargetVariable, place: &Place) -> Option<Path> {
        let entry = place.at_entry();
        let from_entry = Self::is_from_entry(&target.base, place);
        let place = if from_entry { entry.as_ref()? } else { place };
        let mut path = self.existence(target, place).ok().flatten()?;
        let at = debuginfo::walk(self.types?, &path).ok()?;
        if target.address_of {
            return Some(path);
        }
        let step = match at.ty.shape() {
            Shape::Pointer => Step::Dereference,
            Shape::Array { .. } => Step::AnyElement,
            _ => return None,
        };
        at.step(&step).ok()?;
        path.steps.push(step);
        Some(path)
    }
}

fn returned<'a>(statements: &'a [Statement], values: &mut Vec<&'a Expression>) {
    for statement in statements {
        match &statement.kind {
            StatementKind::Return(Some(value)) => values.push(value),
            StatementKind::Block(block) => returned(&block.statements, values),
            StatementKind::If { then, otherwise, .. } => {
                returned(std::slice::from_ref(then), values);
                if let Some(otherwise) = otherwise {
                    returned(std::slice::from_ref(otherwise), values);
                }
            }
            StatementKind::While { body, .. } | StatementKind::For { body, .. } => {
                returned(std::slice::from_ref(body), values);
            }
            StatementKind::Foreach(foreach) => {
                returned(std::slice::from_ref(&foreach.body), values);
            }
            StatementKind::Try { body, handler, .. } => {
                returned(&body.statements, values);
                returned(&handler.statements, values);
            }
            _ => {}
        }
    }
}

/// Where nothing is known of what is selected from.
pub(super) fn unknown(token: Span) -> super::Problem {
    super::Problem::new("the type of what is selected from is not known: use @cast", token)
}

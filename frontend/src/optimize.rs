// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 2, between elaboration and types: drops what has no effect, as SystemTap does,
//! and says so with its words.
//!
//! Functions that no probe reaches, globals that nobody mentions, assignments to
//! variables that nobody reads, statements that do nothing, and probes of which nothing
//! is left. What was dropped is not looked at any more: a mistake in it goes unnoticed,
//! there as here.

mod elide;
pub(crate) mod uses;

use crate::names::similar;
use crate::program::{Program, Scope};
use elide::Elider;
use frontend_syntax::ast::{Block, StatementKind};
use frontend_syntax::{Diagnostic, FileId, Span};
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use uses::{Collector, Uses, Variable};

/// Rounds after which the rest may stay: each drops something that the one before it
/// has made useless.
const MAX_ROUNDS: usize = 50;

/// Optimises a program; `script_files` are those that warnings may speak of.
pub(crate) fn optimize(program: &mut Program, script_files: &[FileId]) -> Vec<Diagnostic> {
    let mut pass = Pass { program, script_files, said: HashSet::new(), warnings: Vec::new() };
    pass.drop_unreachable();
    let uses = pass.all_uses();
    pass.never_assigned(&uses);
    for _ in 0..MAX_ROUNDS {
        let uses = pass.all_uses();
        pass.drop_unused_globals(&uses);
        if !pass.elide() {
            break;
        }
        pass.drop_unreachable();
    }
    pass.drop_empty_probes();
    pass.warnings
}

/// What each body does, functions first.
struct AllUses {
    functions: Vec<Uses>,
    probes: Vec<Uses>,
}

impl AllUses {
    fn each(&self) -> impl Iterator<Item = &Uses> {
        self.functions.iter().chain(&self.probes)
    }
}

struct Pass<'a> {
    program: &'a mut Program,
    script_files: &'a [FileId],
    /// A body behind several probe points is seen for each of them.
    said: HashSet<(Span, String)>,
    warnings: Vec<Diagnostic>,
}

impl Pass<'_> {
    fn warn(&mut self, warning: Diagnostic) {
        let place = (warning.primary.span, warning.message.clone());
        if self.script_files.contains(&warning.primary.span.file) && self.said.insert(place) {
            self.warnings.push(warning);
        }
    }

    fn all_uses(&self) -> AllUses {
        let functions = self.program.functions.iter().map(|function| {
            let mut collector = Collector::new(self.program);
            collector.block(&function.body);
            collector.uses
        });
        let probes = self.program.probes.iter().map(|probe| {
            let mut collector = Collector::new(self.program);
            if let Some(condition) = &probe.condition {
                collector.expression(condition, true);
            }
            probe.bodies.iter().for_each(|body| collector.block(body));
            collector.uses
        });
        AllUses { functions: functions.collect(), probes: probes.collect() }
    }

    /// Functions that no probe calls, directly or not.
    fn drop_unreachable(&mut self) {
        let uses = self.all_uses();
        let mut reached = vec![false; self.program.functions.len()];
        let mut waiting: Vec<usize> =
            uses.probes.iter().flat_map(|uses| uses.calls.iter().copied()).collect();
        while let Some(n) = waiting.pop() {
            let Some(seen) = reached.get_mut(n) else { continue };
            if !std::mem::replace(seen, true)
                && let Some(uses) = uses.functions.get(n)
            {
                waiting.extend(uses.calls.iter().copied());
            }
        }
        if reached.contains(&false) {
            let globals = vec![true; self.program.globals.len()];
            self.program.retain(&reached, &globals);
        }
    }

    fn drop_unused_globals(&mut self, uses: &AllUses) {
        let mentioned: BTreeSet<&Variable> =
            uses.each().flat_map(|uses| uses.read.iter().chain(&uses.written)).collect();
        let globals: Vec<bool> = (0..self.program.globals.len())
            .map(|n| mentioned.contains(&Variable::Global(n)))
            .collect();
        if globals.contains(&false) {
            let functions = vec![true; self.program.functions.len()];
            self.program.retain(&functions, &globals);
        }
    }

    fn never_assigned(&mut self, uses: &AllUses) {
        let written: BTreeSet<&Variable> = uses.each().flat_map(|uses| &uses.written).collect();
        let read: BTreeSet<&Variable> = uses.each().flat_map(|uses| &uses.read).collect();
        let names: Vec<&str> = self.program.globals.iter().map(|g| g.name.as_str()).collect();
        let mut warnings = Vec::new();
        for (n, global) in self.program.globals.iter().enumerate() {
            let variable = Variable::Global(n);
            let unassigned = read.contains(&variable) && !written.contains(&variable);
            if unassigned && global.initial.is_none() {
                let known = names.iter().copied();
                warnings.push(unassigned_warning("global", &global.name, global.span, known));
            }
        }
        let parameters = self.program.functions.iter().map(|f| f.parameters.as_slice());
        let parameters = parameters.chain(std::iter::repeat(&[][..]));
        for (uses, parameters) in uses.each().zip(parameters) {
            for (name, span) in &uses.mentioned {
                let variable = Variable::Local(name.clone());
                let is_parameter = parameters.iter().any(|parameter| parameter.text == *name);
                let assigned = uses.written.contains(&variable) || is_parameter;
                if uses.read.contains(&variable) && !assigned {
                    let own = uses.mentioned.keys().map(String::as_str);
                    let known = names.iter().copied().chain(own);
                    warnings.push(unassigned_warning("local", name, *span, known));
                }
            }
        }
        warnings.into_iter().for_each(|warning| self.warn(warning));
    }

    /// One round over all bodies; true if something was dropped.
    fn elide(&mut self) -> bool {
        let uses = self.all_uses();
        let live: BTreeSet<Variable> = uses
            .each()
            .flat_map(|uses| uses.read.iter())
            .filter(|variable| matches!(variable, Variable::Global(_)))
            .cloned()
            .collect();
        let pure = pure_functions(&uses.functions);
        let mut changed = false;
        let mut warnings = Vec::new();
        for n in 0..self.program.functions.len() {
            let body = Rc::clone(&self.program.functions[n].body);
            let mut elider = Elider::new(self.program, self.script_files, &pure, &live);
            let body = elider.bodies(vec![body], None);
            changed |= elider.changed;
            warnings.append(&mut elider.warnings);
            if let Some(body) = body.into_iter().next() {
                self.program.functions[n].body = body;
            }
        }
        for n in 0..self.program.probes.len() {
            let probe = &self.program.probes[n];
            let (bodies, condition) = (probe.bodies.clone(), probe.condition.clone());
            let mut elider = Elider::new(self.program, self.script_files, &pure, &live);
            let bodies = elider.bodies(bodies, condition.as_deref());
            changed |= elider.changed;
            warnings.append(&mut elider.warnings);
            self.program.probes[n].bodies = bodies;
        }
        warnings.into_iter().for_each(|warning| self.warn(warning));
        changed
    }

    fn drop_empty_probes(&mut self) {
        let probes = std::mem::take(&mut self.program.probes);
        for mut probe in probes {
            let empty = probe.bodies.iter().all(|body| body.statements.is_empty());
            if empty {
                let name = probe.text.split(['.', '(']).next().unwrap_or_default();
                let at = probe.bodies.last().map_or(Span::default(), |body| body.span);
                let message = format!("Probe '{name}' has been elided");
                self.warn(Diagnostic::warning(message, at).label("nothing is left to be done"));
            } else {
                probe.scope = Scope::default();
                self.program.probes.push(probe);
            }
        }
    }
}

fn unassigned_warning<'a>(
    what: &str,
    name: &str,
    span: Span,
    known: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let others = known.filter(|other| *other != name);
    let near = similar(name, others).map_or(String::new(), |near| format!(" (similar: {near})"));
    Diagnostic::warning(format!("never-assigned {what} variable '{name}'{near}"), span)
}

/// The functions whose calls do nothing but give a value.
fn pure_functions(uses: &[Uses]) -> Vec<bool> {
    let writes_globals =
        |uses: &Uses| uses.written.iter().any(|variable| matches!(variable, Variable::Global(_)));
    let mut callers = vec![Vec::new(); uses.len()];
    for (n, uses) in uses.iter().enumerate() {
        for &callee in &uses.calls {
            if let Some(callers) = callers.get_mut(callee) {
                callers.push(n);
            }
        }
    }
    let mut pure = vec![true; uses.len()];
    let does_something = |n: &usize| uses[*n].effects || writes_globals(&uses[*n]);
    let mut waiting: Vec<usize> = (0..uses.len()).filter(does_something).collect();
    while let Some(n) = waiting.pop() {
        if std::mem::replace(&mut pure[n], false) {
            waiting.extend(callers[n].iter().filter(|caller| pure[**caller]));
        }
    }
    pure
}

/// Is nothing left of a block?
fn is_empty(block: &Block) -> bool {
    block.statements.iter().all(|statement| matches!(statement.kind, StatementKind::Empty))
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 2, last part: the type of every variable of the whole program.
//!
//! A body is walked, and walked again whenever a global or function that it mentions
//! has learnt something. Each type is learnt once, so the work is bounded by the
//! mentions and not by rounds over the whole program. When nothing is left to learn,
//! every body is walked a last time to report what does not fit and what has no type.

pub(crate) mod calls;
mod expression;
mod place;
mod statement;
mod target;
mod variance;

use crate::program::{Known, Program, Scope, Type};
use frontend_syntax::ast::{Expression, ExpressionKind};
use frontend_syntax::{Diagnostic, Span, visit};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::rc::Rc;

/// Learns all types; returns what does not fit.
pub(crate) fn infer(program: &mut Program) -> Vec<Diagnostic> {
    let owners = (0..program.functions.len())
        .map(Owner::Function)
        .chain((0..program.probes.len()).map(Owner::Probe))
        .collect();
    let mut diagnostics = variance::collect(program);
    diagnostics.extend(infer_bodies(program, owners));
    diagnostics
}

/// Learns the types of some bodies; those of the others are known.
pub(crate) fn infer_bodies(program: &mut Program, owners: Vec<Owner>) -> Vec<Diagnostic> {
    let mut pass = Pass {
        global_users: vec![BTreeSet::new(); program.globals.len()],
        function_users: vec![BTreeSet::new(); program.functions.len()],
        program,
        waiting: VecDeque::new(),
        queued: HashSet::new(),
        report: false,
        unresolved: HashSet::new(),
        undeclared: HashSet::new(),
        reported: HashSet::new(),
        diagnostics: Vec::new(),
    };
    for &owner in &owners {
        pass.enqueue(owner);
    }
    while let Some(owner) = pass.waiting.pop_front() {
        pass.queued.remove(&owner);
        pass.walk(owner);
    }
    pass.report = true;
    for &owner in &owners {
        pass.walk(owner);
    }
    pass.settle();
    pass.diagnostics
}

/// Whose body is being walked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Owner {
    Function(usize),
    Probe(usize),
}

/// What is to become of an expression's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Want {
    /// Nothing: it may have no type.
    Nothing,
    /// It is used, whatever its type.
    Value,
    /// It is used as a long or string.
    Type(Type),
}

impl Want {
    fn of(known: Known) -> Want {
        known.map_or(Want::Value, |(kind, _)| Want::Type(kind))
    }

    fn known(self, at: Span) -> Known {
        match self {
            Want::Type(kind) => Some((kind, at)),
            Want::Nothing | Want::Value => None,
        }
    }
}

struct Pass<'a> {
    program: &'a mut Program,
    /// The bodies that mention a global.
    global_users: Vec<BTreeSet<Owner>>,
    /// The bodies that call a function.
    function_users: Vec<BTreeSet<Owner>>,
    waiting: VecDeque<Owner>,
    queued: HashSet<Owner>,
    report: bool,
    /// What has been said to have no type.
    unresolved: HashSet<(Option<Owner>, String)>,
    /// Deletions of locals that nothing before them mentions.
    undeclared: HashSet<Span>,
    /// A body behind many aliases is walked for each of them.
    reported: HashSet<(Span, String)>,
    diagnostics: Vec<Diagnostic>,
}

/// The body that is being walked.
struct Body {
    owner: Owner,
}

impl Pass<'_> {
    fn enqueue(&mut self, owner: Owner) {
        if self.queued.insert(owner) {
            self.waiting.push_back(owner);
        }
    }

    fn walk(&mut self, owner: Owner) {
        let body = &Body { owner };
        match owner {
            Owner::Function(n) => {
                let Some(function) = self.program.functions.get(n) else { return };
                let block = Rc::clone(&function.body);
                self.block(&block, body);
            }
            Owner::Probe(n) => {
                let Some(probe) = self.program.probes.get(n) else { return };
                let (bodies, condition) = (probe.bodies.clone(), probe.condition.clone());
                if let Some(condition) = condition {
                    self.condition(&condition, body);
                }
                for block in bodies {
                    self.block(&block, body);
                }
            }
        }
    }

    /// What stands behind a probe point's `if`: it speaks of globals only.
    fn condition(&mut self, condition: &Expression, body: &Body) {
        let mut locals = Vec::new();
        visit::within(condition, &mut |e: &Expression| {
            if let ExpressionKind::Variable(name) = &e.kind
                && self.program.global_at(name, e.span).is_none()
            {
                locals.push(e.span);
            }
        });
        for at in locals {
            let message = "probe condition must not reference undeclared global";
            self.error(Diagnostic::semantic(message, at));
        }
        self.expression(condition, Want::Type(Type::Long), body);
    }

    fn scope(&mut self, owner: Owner) -> &mut Scope {
        match owner {
            Owner::Function(n) => &mut self.program.functions[n].scope,
            Owner::Probe(n) => &mut self.program.probes[n].scope,
        }
    }

    /// What has no type by now is a long: it is not used, or an error says so.
    fn settle(&mut self) {
        let long = |known: &mut Known, span| {
            known.get_or_insert((Type::Long, span));
        };
        for global in &mut self.program.globals {
            long(&mut global.value, global.span);
            for key in global.keys.iter_mut().flatten() {
                long(key, global.span);
            }
        }
        for function in &mut self.program.functions {
            if function.gives {
                long(&mut function.returns, function.name.span);
            }
            function.scope.locals.values_mut().for_each(|l| long(l, function.name.span));
        }
        for probe in &mut self.program.probes {
            probe.scope.locals.values_mut().for_each(|local| long(local, Span::default()));
        }
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        if self.report
            && self.reported.insert((diagnostic.primary.span, diagnostic.message.clone()))
        {
            self.diagnostics.push(diagnostic);
        }
    }

    fn global_learnt(&mut self, n: usize) {
        let users = self.global_users.get(n).cloned().unwrap_or_default();
        users.into_iter().for_each(|owner| self.enqueue(owner));
    }

    fn function_learnt(&mut self, n: usize) {
        self.enqueue(Owner::Function(n));
        let users = self.function_users.get(n).cloned().unwrap_or_default();
        users.into_iter().for_each(|owner| self.enqueue(owner));
    }

    /// Says that a value which is used has no type.
    fn unresolved(&mut self, e: &Expression, body: &Body) {
        let name = match &e.kind {
            ExpressionKind::Variable(name) => name,
            ExpressionKind::Element { array, .. } | ExpressionKind::In { array, .. } => &array.text,
            ExpressionKind::Call { function, .. } => &function.text,
            _ => return,
        };
        let local = self.program.global_at(name, e.span).is_none();
        let owner = local.then_some(body.owner);
        if self.report && self.unresolved.insert((owner, name.clone())) {
            let what = match &e.kind {
                ExpressionKind::Call { .. } => "nothing says what it returns",
                _ => "nothing is ever assigned to it that would tell its type",
            };
            self.error(Diagnostic::semantic("unresolved type ", e.token).label(what));
        }
    }

    /// Compares the type that an expression has with the one that is wanted.
    fn fits(&mut self, e: &Expression, found: Known, want: Want) {
        let (Some((found, first)), Want::Type(want)) = (found, want) else { return };
        if found == want {
            return;
        }
        if found == Type::Stat {
            return self.stat_as_value(e, want, first);
        }
        let diagnostic = if has_declared_type(e) {
            let message = format!("type mismatch ({})", want.text());
            Diagnostic::semantic(message, e.token).also(first, first_inferred(found))
        } else {
            let message =
                format!("type mismatch: expected {} but found {}", want.text(), found.text());
            Diagnostic::semantic(message, e.token)
        };
        self.error(diagnostic.label(format!("a {} is wanted here", want.text())));
    }

    fn stat_as_value(&mut self, e: &Expression, want: Type, first: Span) {
        let message = format!("type mismatch ({})", want.text());
        self.error(
            Diagnostic::semantic(message, e.token).also(first, first_inferred(Type::Stat)).help(
                "an aggregate is read by @count, @sum, @min, @max, @avg, @variance, @hist_log \
                 and @hist_linear",
            ),
        );
    }
}

fn first_inferred(kind: Type) -> String {
    format!("type was first inferred here ({})", kind.text())
}

/// Is its type that of something declared elsewhere?
fn has_declared_type(e: &Expression) -> bool {
    matches!(
        e.kind,
        ExpressionKind::Variable(_) | ExpressionKind::Element { .. } | ExpressionKind::Call { .. }
    )
}

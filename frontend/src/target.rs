// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 2, between its halves: target variables become loads.
//!
//! `$name`, `@cast`, `@var` and what is selected of them ask for types of the kernel. The
//! compiler looks them up to know what can be done with each, but puts no offset into
//! the code: it leaves a relocation, which the loader answers on the kernel at hand.
//!
//! ```text
//! place      what $name means where it stands
//! rewrite    statements and expressions; @defined decides which code is reached
//! autocast   what variables and results of functions point to
//! chain      $name->member[index]: one selector after the other
//! code       variables where only debug symbols tell what they are
//! bundle     $$vars and its like
//! pretty     $name$ and $name$$
//! operation  what they become
//! ```
//! A probe whose handler looks at `$name` is one for each function that its wildcard
//! matches, since each has other names; other wildcards stay patterns.

mod autocast;
mod bundle;
mod chain;
mod code;
pub(crate) mod operation;
mod place;
mod pretty;
mod rewrite;

use crate::elaborate::MAX_PROBES;
use crate::library::called_in;
use crate::program::{Keeping, Probe, Program, Scope};
use debuginfo::{Types, TypesError};
use frontend_syntax::ast::{Block, Expression, ExpressionKind, Name, Statement, TargetBase};
use frontend_syntax::preprocess::glob;
use frontend_syntax::{Diagnostic, Span, visit};
use operation::{KeptId, Operation, Tables};
use place::Place;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use vm_spec::blob::AttachSpec;
use vm_spec::limits::{MAX_RELOCATIONS, MAX_SAVED_LONGS, MAX_SAVED_STRINGS};
use vm_spec::probe::ProbeKind;

/// What is wrong, and where.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    message: String,
    at: Span,
}

impl Problem {
    fn new(message: impl Into<String>, at: Span) -> Problem {
        Problem { message: message.into(), at }
    }
}

/// The pass.
struct Resolver<'r> {
    types: Option<&'r Types>,
    tables: Tables,
    functions: Vec<crate::program::Function>,
    problems: Vec<Problem>,
    /// What the results of functions point to.
    results: autocast::Pointees,
    /// What globals point to.
    globals: autocast::Pointees,
    guru: bool,
    /// `MAXSTRINGLEN`: no text is longer.
    string_length: usize,
    /// The probe at hand is one of those that a wildcard stands for.
    from_wildcard: bool,
    /// Functions that print values, by what they print.
    printers: HashMap<String, Name>,
}

/// Resolves the target variables of a whole program.
pub(crate) fn resolve(
    program: &mut Program,
    types: Option<&Types>,
    guru: bool,
    string_length: u32,
) -> Vec<Diagnostic> {
    let mut resolver = Resolver {
        types,
        tables: Tables::default(),
        functions: Vec::new(),
        problems: Vec::new(),
        results: autocast::Pointees::new(),
        globals: autocast::Pointees::new(),
        guru,
        string_length: string_length as usize,
        from_wildcard: false,
        printers: HashMap::new(),
    };
    resolver.learn_results(program);
    resolver.learn_globals(program);
    let mut diagnostics = Vec::new();
    for probe in std::mem::take(&mut program.probes) {
        let expanded = resolver.expanded(probe, &mut diagnostics);
        if program.probes.len() + expanded.len() > MAX_PROBES {
            diagnostics.push(too_many_probes(&expanded, program.probes.len()));
            return diagnostics;
        }
        resolver.from_wildcard = expanded.len() > 1;
        for probe in expanded {
            resolver.probe(probe, program, &mut diagnostics);
            if resolver.tables.relocations.len() > MAX_RELOCATIONS {
                diagnostics.push(too_many_relocations(program.probes.last()));
                return diagnostics;
            }
        }
    }
    resolver.functions(program, &mut diagnostics);
    for function in std::mem::take(&mut resolver.functions) {
        program.add_function(function);
    }
    if resolver.tables.relocations.len() > MAX_RELOCATIONS {
        diagnostics.push(too_many_relocations(program.probes.last()));
    }
    program.targets = resolver.tables;
    diagnostics
}

fn span_of(probe: Option<&Probe>) -> Span {
    probe.and_then(|probe| probe.bodies.last()).map_or(Span::default(), |body| body.span)
}

fn too_many_probes(expanded: &[Probe], others: usize) -> Diagnostic {
    let message = format!(
        "the handler's $variables are different in each function, so that the wildcard stands \
         for {} probes beside {others} others: a script can have {MAX_PROBES}; use a narrower one",
        expanded.len()
    );
    Diagnostic::semantic(message, span_of(expanded.first()))
}

fn too_many_relocations(probe: Option<&Probe>) -> Diagnostic {
    let message = format!(
        "too many different uses of kernel types in one script: there can be {MAX_RELOCATIONS}; \
         use narrower wildcards, or print less of what is pointed to"
    );
    Diagnostic::semantic(message, span_of(probe))
}

fn report(problems: Vec<Problem>, diagnostics: &mut Vec<Diagnostic>) {
    for Problem { message, at } in problems {
        let diagnostic = Diagnostic::semantic(message, at);
        if !diagnostics.contains(&diagnostic) {
            diagnostics.push(diagnostic);
        }
    }
}

impl Resolver<'_> {
    /// The probes that a probe stands for, as far as its handler needs to know.
    fn expanded(&self, probe: Probe, diagnostics: &mut Vec<Diagnostic>) -> Vec<Probe> {
        if !names_anything(&probe) {
            return vec![probe];
        }
        let names = match (self.types, &probe.attach) {
            (Some(types), AttachSpec::Function { pattern, module, .. }) if is_wild(pattern) => {
                types.function_names(module.as_deref()).map(|names| matching(names, pattern, ""))
            }
            (Some(types), AttachSpec::Tracepoint { pattern, system }) if is_wild(pattern) => {
                let names = types.function_names(None);
                let mut names = names.map(|names| matching(names, pattern, "__traceiter_"));
                if let (Some(system), Ok(names)) = (system, &mut names) {
                    // What is not known to be of another subsystem may be of this.
                    let glob = |known: &str| glob(system.as_bytes(), known.as_bytes());
                    names.retain(|name| types.system_of(name).is_none_or(glob));
                }
                names
            }
            _ => return vec![probe],
        };
        let names = match names {
            Ok(names) => names,
            Err(error) => {
                diagnostics.push(Diagnostic::semantic(error.to_string(), Span::default()));
                return Vec::new();
            }
        };
        names.into_iter().map(|name| one_of(&probe, &name)).collect()
    }

    fn probe(
        &mut self,
        mut probe: Probe,
        program: &mut Program,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        self.only_from_callers(&mut probe);
        if !has_targets(&probe) {
            program.probes.push(probe);
            return;
        }
        let mut place = Place::of_probe(&probe);
        self.find_tracepoint(&mut place);
        for body in &probe.bodies {
            self.learn_variables(body, &mut place);
        }
        if let Some(condition) = &mut probe.condition {
            let mut own = (**condition).clone();
            self.expression(&mut own, &mut place);
            *condition = Rc::new(own);
        }
        for body in &mut probe.bodies {
            let mut own = (**body).clone();
            self.block(&mut own, &mut place);
            *body = Rc::new(own);
        }
        let problems = std::mem::take(&mut self.problems);
        if !problems.is_empty() {
            if !probe.optional {
                report(problems, diagnostics);
            }
            return;
        }
        let kept: Vec<KeptId> = place.kept.iter().map(|(_, id)| *id).collect();
        if !kept.is_empty() {
            let entry = entry_of(&probe, place.entry, kept.clone());
            let at = Some(program.probes.len());
            probe.keeping = Keeping { kept, entry: at, serves_return: false };
            program.probes.push(entry);
        }
        program.probes.push(probe);
    }

    fn functions(&mut self, program: &mut Program, diagnostics: &mut Vec<Diagnostic>) {
        let reached = reached(program);
        for function in &mut program.functions {
            if !block_has(&function.body, &|e| is_target(e)) {
                continue;
            }
            let mut place = Place::within_function(&function.parameters);
            let mut own = (*function.body).clone();
            self.learn_variables(&own, &mut place);
            self.block(&mut own, &mut place);
            function.body = Rc::new(own);
            let problems = std::mem::take(&mut self.problems);
            // What no probe calls may ask for what this kernel does not have.
            if reached.contains(&function.name.text) {
                report(problems, diagnostics);
            }
        }
    }

    fn types(&self, at: Span) -> Result<&Types, Problem> {
        self.types.ok_or_else(|| {
            let message = "no type information (BTF) of the kernel at hand: \
                           give a kernel or a BTF file with -r";
            Problem::new(message, at)
        })
    }

    /// An expression of an operation.
    fn operation(
        &mut self,
        operation: Operation,
        operands: Vec<Expression>,
        span: Span,
    ) -> Expression {
        let id = self.tables.operation_id(operation);
        let kind = ExpressionKind::Resolved { id, operands };
        Expression { kind, span, token: span }
    }
}

/// The handler that keeps values at a function's entry for its return.
fn entry_of(probe: &Probe, statements: Vec<Statement>, kept: Vec<KeptId>) -> Probe {
    let span = probe.bodies.last().map_or(Span::default(), |body| body.span);
    let body = Block { statements, span };
    Probe {
        kind: ProbeKind::FunctionEntry,
        attach: AttachSpec::Never,
        optional: true,
        text: probe.text.clone(),
        alias: None,
        bodies: vec![Rc::new(body)],
        condition: None,
        scope: Scope::default(),
        keeping: Keeping { kept, entry: None, serves_return: true },
        code: None,
    }
}

/// The probe, at one of the places that its wildcard matches.
fn one_of(probe: &Probe, name: &str) -> Probe {
    let mut is_maybe = false;
    let (attach, text) = match &probe.attach {
        AttachSpec::Function { pattern, module, maxactive, exported } => {
            let text = probe.text.replacen(&format!("\"{pattern}"), &format!("\"{name}"), 1);
            let (module, maxactive, exported) = (module.clone(), *maxactive, *exported);
            let pattern = name.to_owned();
            (AttachSpec::Function { pattern, module, maxactive, exported }, text)
        }
        AttachSpec::Tracepoint { system, pattern } => {
            let text = probe.text.replacen(pattern.as_str(), name, 1);
            // Whether it is of the subsystem, the kernel says that the program runs on.
            is_maybe = system.is_some();
            (AttachSpec::Tracepoint { system: system.clone(), pattern: name.to_owned() }, text)
        }
        other => (other.clone(), probe.text.clone()),
    };
    Probe {
        kind: probe.kind,
        attach,
        optional: probe.optional || is_maybe,
        text,
        alias: probe.alias.clone(),
        bodies: probe.bodies.clone(),
        condition: probe.condition.clone(),
        scope: Scope::default(),
        keeping: Keeping::default(),
        code: None,
    }
}

fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

fn matching(names: Vec<String>, pattern: &str, prefix: &str) -> Vec<String> {
    let mut found: Vec<String> = names
        .into_iter()
        .filter_map(|name| name.strip_prefix(prefix).map(str::to_owned))
        .filter(|name| glob(pattern.as_bytes(), name.as_bytes()))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Functions that some probe calls, by way of others, too.
fn reached(program: &Program) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for probe in &program.probes {
        for body in &probe.bodies {
            visit::expressions(body, &mut |e| called_in(e, &mut names));
        }
        if let Some(condition) = &probe.condition {
            called_in(condition, &mut names);
        }
    }
    let mut queue: Vec<String> = names.iter().cloned().collect();
    while let Some(name) = queue.pop() {
        for function in program.functions.iter().filter(|f| f.name.text == name) {
            let mut called = BTreeSet::new();
            visit::expressions(&function.body, &mut |e| called_in(e, &mut called));
            queue.extend(called.into_iter().filter(|name| names.insert(name.clone())));
        }
    }
    names
}

fn block_has(block: &Block, wanted: &dyn Fn(&Expression) -> bool) -> bool {
    let mut found = false;
    visit::expressions(block, &mut |e| {
        visit::within(e, &mut |e| found |= wanted(e));
    });
    found
}

fn probe_has(probe: &Probe, wanted: &dyn Fn(&Expression) -> bool) -> bool {
    let mut found = probe.bodies.iter().any(|body| block_has(body, wanted));
    if let Some(condition) = &probe.condition {
        visit::within(condition, &mut |e| found |= wanted(e));
    }
    found
}

fn is_target(e: &Expression) -> bool {
    matches!(
        e.kind,
        ExpressionKind::Target(_)
            | ExpressionKind::Defined(_)
            | ExpressionKind::Entry(_)
            | ExpressionKind::ChooseDefined(..)
    )
}

fn has_targets(probe: &Probe) -> bool {
    probe_has(probe, &is_target)
}

/// Does the handler ask for what is different at each place that it is attached to?
fn names_anything(probe: &Probe) -> bool {
    probe_has(probe, &|e| match &e.kind {
        ExpressionKind::Target(target) => matches!(target.base, TargetBase::Name(_)),
        ExpressionKind::Entry(_) => true,
        _ => false,
    })
}

/// More values than the kernel keeps for a return probe?
pub(crate) fn too_many_kept(tables: &Tables, kept: &[KeptId]) -> Option<String> {
    let (longs, strings) = tables.kept_counts(kept);
    let fits = longs <= usize::from(MAX_SAVED_LONGS) && strings <= usize::from(MAX_SAVED_STRINGS);
    (!fits).then(|| {
        format!(
            "a return probe keeps at most {MAX_SAVED_LONGS} numbers and {MAX_SAVED_STRINGS} \
             strings from the function's entry, not {longs} and {strings}"
        )
    })
}

/// The message of an error about types in general.
fn types_problem(error: &TypesError, at: Span) -> Problem {
    Problem::new(error.to_string(), at)
}

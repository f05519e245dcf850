// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 3: typed bodies to instructions.
//!
//! Every local variable has a register of its own; temporaries are a stack above them.
//! Globals that a body touches are gathered on the way, with those of the functions it
//! calls, and become the lock set.

mod actions;
mod assign;
mod body;
mod call;
mod condition;
mod expression;
mod fold;
mod iterate;
mod print;
mod statement;
mod target;

use crate::program::{Global, Known, Program, Type};
use crate::target::too_many_kept;
use crate::{Request, define};
use actions::Actions;
pub(crate) use actions::nesting;
use body::{Body, Lowered};
use frontend_syntax::ast::{Block, Literal, Statement, StatementKind};
use frontend_syntax::{Diagnostic, SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vm_spec::blob::{ProbePoint, SourceEntry, SourceLine};
use vm_spec::build::{
    self, Builder, CatchSpec, FunctionSpec, Histogram, Limits, MapSpec, ProbeSpec,
};
use vm_spec::ids::{FunctionId, MapId, ProbeId, ScalarId};
use vm_spec::image::{LockMode, Overflow, ReturnKind, ValueKind};
use vm_spec::insn::Insn;
use vm_spec::limits;
use vm_spec::probe::{Needs, ProbeKind};

/// Image words, probe points and the source map.
pub(crate) type Translation = (Vec<u64>, Vec<ProbePoint>, vm_spec::blob::SourceMap);

/// Entries of an array for which the script says nothing (`MAXMAPENTRIES`).
const DEFAULT_MAP_ENTRIES: u32 = 2048;

/// Where a global lives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Scalar(ScalarId),
    Map(MapId),
}

/// What all bodies share.
pub(crate) struct Context<'a> {
    pub(crate) program: &'a Program,
    pub(crate) builder: Builder,
    pub(crate) places: Vec<Place>,
    /// The kinds of each map's keys.
    pub(crate) keys: Vec<Vec<ValueKind>>,
    /// What histogram each map's aggregates keep.
    pub(crate) histograms: Vec<Histogram>,
    pub(crate) functions: Vec<FunctionId>,
    /// The functions that may leave a call to their next overload.
    pub(crate) declines: Vec<bool>,
    /// What statements take off the budget.
    pub(crate) actions: Actions,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Translates a program.
pub(crate) fn lower(
    program: &Program,
    map: &SourceMap,
    limits: Limits,
    request: &Request<'_>,
) -> (Option<Translation>, Vec<Diagnostic>) {
    let mut builder = Builder::new(limits);
    let entries = define(request, "MAXMAPENTRIES").unwrap_or(DEFAULT_MAP_ENTRIES);
    let places: Vec<Place> =
        program.globals.iter().map(|global| place(&mut builder, global, entries)).collect();
    let maps = || {
        let globals = program.globals.iter().zip(&places);
        globals.filter(|(_, place)| matches!(place, Place::Map(_))).map(|(global, _)| global)
    };
    let keys = maps()
        .map(|global| global.keys.iter().flatten().map(|key| value_kind(*key)).collect())
        .collect();
    let histograms = maps().map(|global| global.histogram).collect();
    for relocation in &program.targets.relocations {
        builder.relocation(&relocation.to_string(), relocation.slot_kind());
    }
    let functions = program.functions.iter().map(|_| builder.declare_function()).collect();
    let declines = program.functions.iter().map(|f| declines(&f.body)).collect();
    let actions = Actions::of(program);
    let mut context = Context {
        program,
        builder,
        places,
        keys,
        histograms,
        functions,
        declines,
        actions,
        diagnostics: Vec::new(),
    };

    let mut lowered: Vec<(FunctionId, Lowered)> = Vec::new();
    for (n, function) in program.functions.iter().enumerate() {
        let id = context.functions[n];
        lowered.push((id, Body::function(&mut context, function)));
    }
    let mut handlers: HashMap<(Vec<[u8; 8]>, Vec<CatchSpec>), FunctionId> = HashMap::new();
    let mut points = Vec::new();
    let mut handlers_of: Vec<(FunctionId, Option<FunctionId>)> = Vec::new();
    // The probe and the handler of each of the program's probes.
    let mut made: Vec<(ProbeId, FunctionId)> = Vec::new();
    for probe in &program.probes {
        let handler = Body::handler(&mut context, probe);
        let bytes = handler.code.iter().map(encode).collect();
        let id = *handlers.entry((bytes, handler.catches.clone())).or_insert_with(|| {
            let id = context.builder.declare_function();
            lowered.push((id, handler));
            id
        });
        let steps = steps(request);
        if let Some(message) = too_many_kept(&program.targets, &probe.keeping.kept) {
            let span = probe.bodies.last().map_or(Span::default(), |body| body.span);
            context.diagnostics.push(Diagnostic::semantic(message, span));
        }
        let saved = match probe.kind {
            ProbeKind::FunctionReturn => program.targets.kept_counts(&probe.keeping.kept),
            _ => (0, 0),
        };
        let saved = (saved.0 as u8, saved.1 as u8);
        let name = probe.text.clone();
        let spec = ProbeSpec { name, handler: id, kind: probe.kind, steps, saved };
        let built = context.builder.probe(spec);
        made.push((built, id));
        if probe.keeping.serves_return {
            continue;
        }
        let entry = probe.keeping.entry.and_then(|n| made.get(n)).copied();
        handlers_of.push((id, entry.map(|(_, handler)| handler)));
        points.push(ProbePoint {
            probe: built,
            attach: probe.attach.clone(),
            optional: probe.optional,
            text: probe.text.clone(),
            entry: entry.map(|(probe, _)| probe),
            relocations: Vec::new(),
        });
    }
    if context.diagnostics.iter().any(Diagnostic::is_error) {
        return (None, context.diagnostics);
    }
    close(&mut lowered);
    for (point, (handler, entry)) in points.iter_mut().zip(handlers_of) {
        let used = |id: FunctionId| lowered.iter().filter(move |(other, _)| *other == id);
        let both = used(handler).chain(entry.into_iter().flat_map(used));
        let both: BTreeSet<u32> = both.flat_map(|(_, body)| body.relocations.clone()).collect();
        point.relocations = both.into_iter().collect();
    }
    // Ids are positions, in the order of declaration.
    lowered.sort_by_key(|(id, _)| *id);
    let Context { mut builder, mut diagnostics, .. } = context;
    for (id, body) in &lowered {
        builder.define_function(*id, body.spec());
    }
    match builder.finish() {
        Ok(built) => {
            let source = source_map(map, &lowered, &built.function_starts);
            (Some((built.image, points, source)), diagnostics)
        }
        Err(error) => {
            diagnostics.push(Diagnostic::semantic(error.to_string(), Span::default()));
            (None, diagnostics)
        }
    }
}

/// Does a function's body have a `next`?
fn declines(block: &Block) -> bool {
    fn has_next(statement: &Statement) -> bool {
        match &statement.kind {
            StatementKind::Next => true,
            StatementKind::Block(block) => declines(block),
            StatementKind::If { then, otherwise, .. } => {
                has_next(then) || otherwise.as_deref().is_some_and(has_next)
            }
            StatementKind::While { body, .. } | StatementKind::For { body, .. } => has_next(body),
            StatementKind::Foreach(foreach) => has_next(&foreach.body),
            StatementKind::Try { body, handler, .. } => declines(body) || declines(handler),
            _ => false,
        }
    }
    block.statements.iter().any(has_next)
}

fn encode(insn: &Insn) -> [u8; 8] {
    let [d, e, f, g] = insn.imm.to_le_bytes();
    [insn.op, insn.a, insn.b, insn.c, d, e, f, g]
}

/// So many times `MAXACTION` may a probe do, as it may be interrupted.
const INTERRUPTIBLE: u32 = 10;
/// `MAXACTION` by default.
const DEFAULT_ACTIONS: u32 = 1000;

/// What one run may do. The action that would use up the budget is the one too many.
fn steps(request: &Request<'_>) -> u32 {
    if request.defines.iter().any(|(name, _)| name == crate::SUPPRESS_TIME_LIMITS) {
        return limits::MAX_STEPS;
    }
    let actions = define(request, "MAXACTION").unwrap_or(DEFAULT_ACTIONS);
    let budget = if define(request, "INTERRUPTIBLE") == Some(0) {
        actions
    } else {
        let interruptible = define(request, "MAXACTION_INTERRUPTIBLE");
        interruptible.unwrap_or(actions.saturating_mul(INTERRUPTIBLE))
    };
    budget.saturating_sub(1).clamp(1, limits::MAX_STEPS)
}

pub(crate) fn value_kind(known: Known) -> ValueKind {
    match known.map(|(kind, _)| kind) {
        Some(Type::Text) => ValueKind::Str,
        Some(Type::Stat) => ValueKind::Stat,
        _ => ValueKind::Long,
    }
}

fn place(builder: &mut Builder, global: &Global, entries: u32) -> Place {
    let value = value_kind(global.value);
    if global.keys.is_none() && value == ValueKind::Long {
        let initial = match global.initial {
            Some(Literal::Number(n)) => n,
            _ => 0,
        };
        return Place::Scalar(builder.scalar(&global.name, initial));
    }
    let size = global.size.and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
    Place::Map(builder.map(MapSpec {
        name: global.name.clone(),
        keys: global.keys.iter().flatten().map(|key| value_kind(*key)).collect(),
        value,
        capacity: size.unwrap_or(entries).clamp(1, limits::MAX_MAP_ENTRIES),
        overflow: match (global.wrap, size) {
            (true, _) => Overflow::DropOldest,
            (false, Some(_)) => Overflow::FailAtSize,
            (false, None) => Overflow::Fail,
        },
        histogram: global.histogram,
        variance: global.variance,
        initial: match &global.initial {
            Some(Literal::Text(text)) => Some(text.clone()),
            _ => None,
        },
    }))
}

/// Adds to each body what the functions it calls lock and need.
fn close(lowered: &mut [(FunctionId, Lowered)]) {
    let positions: BTreeMap<FunctionId, usize> =
        lowered.iter().enumerate().map(|(n, (id, _))| (*id, n)).collect();
    let mut callers = vec![Vec::new(); lowered.len()];
    for (n, (_, body)) in lowered.iter().enumerate() {
        for callee in body.calls.iter().filter_map(|id| positions.get(id)) {
            callers[*callee].push(n);
        }
    }
    let mut waiting: Vec<usize> = (0..lowered.len()).collect();
    while let Some(callee) = waiting.pop() {
        let (locks, needs) = (lowered[callee].1.locks.clone(), lowered[callee].1.needs);
        let relocations = lowered[callee].1.relocations.clone();
        for &caller in &callers[callee] {
            if lowered[caller].1.absorb(&locks, needs, &relocations) {
                waiting.push(caller);
            }
        }
    }
}

impl Lowered {
    fn absorb(
        &mut self,
        locks: &BTreeMap<build::Global, LockMode>,
        needs: Needs,
        relocations: &BTreeSet<u32>,
    ) -> bool {
        let before = (self.locks.clone(), self.needs);
        let used = self.relocations.len();
        self.relocations.extend(relocations);
        for (global, mode) in locks {
            let held = self.locks.entry(*global).or_insert(*mode);
            *held = (*held).max(*mode);
        }
        self.needs = self.needs.union(needs);
        before != (self.locks.clone(), self.needs) || used != self.relocations.len()
    }

    fn spec(&self) -> FunctionSpec {
        FunctionSpec {
            name: self.name.clone(),
            long_parameters: self.parameters.0,
            string_parameters: self.parameters.1,
            returns: self.returns,
            long_registers: self.registers.0,
            string_registers: self.registers.1,
            needs: self.needs,
            locks: self.locks.iter().map(|(global, mode)| (*global, *mode)).collect(),
            code: self.code.clone(),
            catches: self.catches.clone(),
        }
    }
}

pub(crate) fn return_kind(gives: bool, known: Known) -> ReturnKind {
    match value_kind(known) {
        _ if !gives => ReturnKind::Nothing,
        ValueKind::Str => ReturnKind::Str,
        _ => ReturnKind::Long,
    }
}

fn source_map(
    map: &SourceMap,
    lowered: &[(FunctionId, Lowered)],
    starts: &[u32],
) -> vm_spec::blob::SourceMap {
    let mut source = vm_spec::blob::SourceMap::default();
    let mut files: BTreeMap<u32, u32> = BTreeMap::new();
    let mut lines: BTreeMap<(u32, u32), String> = BTreeMap::new();
    for ((_, body), start) in lowered.iter().zip(starts) {
        for (pc, span) in &body.entries {
            let file = *files.entry(span.file.0).or_insert_with(|| {
                source.files.push(map.name(span.file).to_owned());
                source.files.len() as u32 - 1
            });
            let position = map.position(*span);
            let line = position.line;
            lines.entry((file, line)).or_insert_with(|| map.line(span.file, line).to_owned());
            source.entries.push(SourceEntry {
                pc: start + pc,
                file,
                line,
                column: position.column,
                token: token(map.text(*span)),
            });
        }
    }
    source.lines =
        lines.into_iter().map(|((file, line), text)| SourceLine { file, line, text }).collect();
    source
}

/// What run-time errors say they are near: the first token of the text, in the words
/// of SystemTap.
fn token(text: &str) -> String {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
    let word = |text: &str| text.chars().take_while(|c| is_letter(*c)).collect::<String>();
    let line = text.lines().next().unwrap_or_default();
    match text.chars().next() {
        // An error that is near nothing.
        None => String::new(),
        // Of a chain through kernel data, what could not be read is named whole.
        Some('$') if line.contains("->") => format!("identifier '{line}'"),
        Some('@') if line.contains("->") => format!("operator '{line}'"),
        Some(c) if c.is_ascii_digit() => format!("number '{}'", word(text)),
        Some(c) if is_letter(c) => match word(text).as_str() {
            "if" | "for" | "while" | "foreach" | "try" | "delete" | "return" | "next" | "break"
            | "continue" => "keyword".to_owned(),
            name => format!("identifier '{name}'"),
        },
        Some('@') => format!("operator '@{}'", word(&text[1..])),
        Some(c @ ('{' | '(' | ';')) => format!("operator '{c}'"),
        _ => format!("operator '{}'", text.split_whitespace().next().unwrap_or_default()),
    }
}

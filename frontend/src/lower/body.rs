// SPDX-License-Identifier: GPL-2.0-or-later
//! One function or handler under construction: its code, registers and labels.

use super::{Context, Place, return_kind, value_kind};
use crate::program::{Function, Probe, Scope, Type};
use crate::target::operation::KeptId;
use frontend_syntax::{Diagnostic, Span};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vm_spec::build::{CatchSpec, Global};
use vm_spec::ids::{FunctionId, MapId, Pc, Reg, ScalarId, StrReg};
use vm_spec::image::{LockMode, ReturnKind, ValueKind};
use vm_spec::insn::{Field, Insn};
use vm_spec::isa::{Opcode, OperandKind, asm};
use vm_spec::limits::FRAME_REGISTERS;
use vm_spec::probe::{Needs, ProbeKind};

/// A finished body.
pub(crate) struct Lowered {
    pub(crate) name: String,
    pub(crate) code: Vec<Insn>,
    pub(crate) catches: Vec<CatchSpec>,
    /// From which instruction on code comes from which token.
    pub(crate) entries: Vec<(u32, Span)>,
    pub(crate) locks: BTreeMap<Global, LockMode>,
    pub(crate) needs: Needs,
    pub(crate) calls: BTreeSet<FunctionId>,
    pub(crate) relocations: BTreeSet<u32>,
    pub(crate) registers: (u16, u16),
    pub(crate) parameters: (u8, u8),
    pub(crate) returns: ReturnKind,
}

/// A place in the code that jumps go to, known once it is bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Label(usize);

/// Where break and continue of a loop go.
#[derive(Clone, Copy)]
pub(crate) struct Loop {
    pub(crate) done: Label,
    pub(crate) again: Label,
}

/// How many temporaries are in use.
#[derive(Clone, Copy)]
pub(crate) struct Mark(usize, usize);

/// A body under construction.
pub(crate) struct Body<'c, 'p> {
    pub(crate) context: &'c mut Context<'p>,
    pub(crate) scope: &'p Scope,
    pub(crate) kind: Option<ProbeKind>,
    /// The name of the script's function, or nothing.
    pub(crate) function: Span,
    /// Values that the probe keeps from the function's entry.
    pub(crate) kept: &'p [KeptId],
    pub(crate) loops: Vec<Loop>,
    lowered: Lowered,
    longs: HashMap<&'p str, Reg>,
    strings: HashMap<&'p str, StrReg>,
    next: Mark,
    most: Mark,
    labels: Vec<Option<u32>>,
    uses: Vec<(usize, Label)>,
    too_large: bool,
}

impl<'c, 'p> Body<'c, 'p> {
    fn new(context: &'c mut Context<'p>, name: &str, scope: &'p Scope) -> Body<'c, 'p> {
        Body {
            context,
            scope,
            kind: None,
            function: Span::default(),
            kept: &[],
            loops: Vec::new(),
            lowered: Lowered {
                name: name.to_owned(),
                code: Vec::new(),
                catches: Vec::new(),
                entries: Vec::new(),
                locks: BTreeMap::new(),
                needs: Needs::NONE,
                calls: BTreeSet::new(),
                relocations: BTreeSet::new(),
                registers: (0, 0),
                parameters: (0, 0),
                returns: ReturnKind::Nothing,
            },
            longs: HashMap::new(),
            strings: HashMap::new(),
            next: Mark(0, 0),
            most: Mark(0, 0),
            labels: Vec::new(),
            uses: Vec::new(),
            too_large: false,
        }
    }

    /// A function of the script.
    pub(crate) fn function(context: &'c mut Context<'p>, function: &'p Function) -> Lowered {
        let span = function.name.span;
        let mut body = Body::new(context, &function.name.text, &function.scope);
        body.function = span;
        body.lowered.returns = return_kind(function.gives, function.returns);
        for parameter in &function.parameters {
            body.local(&parameter.text);
        }
        body.lowered.parameters = (body.longs.len() as u8, body.strings.len() as u8);
        body.locals();
        body.block(&function.body);
        match body.lowered.returns {
            ReturnKind::Nothing => body.emit(asm::ret(), span),
            ReturnKind::Long => {
                let zero = body.new_long();
                body.emit(asm::ldi(zero, 0), span);
                body.emit(asm::retl(zero), span);
            }
            ReturnKind::Str => {
                let empty = body.new_string();
                let text = body.context.builder.string(b"");
                body.emit(asm::lds(empty, text), span);
                body.emit(asm::rets(empty), span);
            }
        }
        body.finish(span)
    }

    /// A probe's handler.
    pub(crate) fn handler(context: &'c mut Context<'p>, probe: &'p Probe) -> Lowered {
        let span = probe.bodies.last().map_or(Span::default(), |block| block.span);
        let mut body = Body::new(context, &probe.text, &probe.scope);
        body.kind = Some(probe.kind);
        body.kept = &probe.keeping.kept;
        body.locals();
        let end = body.label();
        if let Some(condition) = &probe.condition {
            body.jump_unless(condition, end);
        }
        for block in &probe.bodies {
            body.block(block);
        }
        body.bind(end);
        body.emit(asm::ret(), span);
        body.finish(span)
    }

    /// A register for a local variable, before any temporary.
    fn local(&mut self, name: &'p str) {
        match value_kind(self.scope.locals.get(name).copied().flatten()) {
            ValueKind::Str => {
                let register = self.new_string();
                self.strings.insert(name, register);
            }
            _ => {
                let register = self.new_long();
                self.longs.insert(name, register);
            }
        }
    }

    fn locals(&mut self) {
        let scope = self.scope;
        for name in scope.locals.keys() {
            if !self.longs.contains_key(name.as_str()) && !self.strings.contains_key(name.as_str())
            {
                self.local(name);
            }
        }
    }

    fn finish(mut self, span: Span) -> Lowered {
        for (at, label) in std::mem::take(&mut self.uses) {
            // Every label that is used has been bound.
            let target = self.labels[label.0].unwrap_or(0);
            let insn = self.lowered.code[at];
            self.lowered.code[at] = insn.with(Field::Imm, target.into());
        }
        if self.too_large {
            let message = "too many variables and intermediate values in one handler or function";
            self.context.diagnostics.push(Diagnostic::semantic(message, span));
        }
        self.lowered.registers = (self.most.0 as u16, self.most.1 as u16);
        self.lowered
    }

    // ---- code ----------------------------------------------------------------------

    /// Appends an instruction that comes from this token.
    pub(crate) fn emit(&mut self, insn: Insn, span: Span) {
        let pc = self.lowered.code.len() as u32;
        if self.lowered.entries.last().is_none_or(|(_, last)| *last != span) {
            self.lowered.entries.push((pc, span));
        }
        self.lowered.code.push(insn);
        self.touch(insn);
    }

    /// Notes the global that an instruction touches.
    fn touch(&mut self, insn: Insn) {
        let Some(opcode) = Opcode::from_number(insn.op) else { return };
        let info = opcode.info();
        for &(field, kind) in info.operands {
            let index = insn.get(field) as u16;
            if matches!(
                kind,
                OperandKind::ValueSlot | OperandKind::MemberSlot | OperandKind::WordSlot
            ) {
                self.lowered.relocations.insert(insn.get(field) as u32);
            }
            let global = match kind {
                OperandKind::Scalar => Global::Scalar(ScalarId(index)),
                OperandKind::MapOfLong
                | OperandKind::MapOfStr
                | OperandKind::MapOfStat
                | OperandKind::AnyMap
                | OperandKind::WideMap => Global::Map(MapId(index)),
                _ => continue,
            };
            let mode = if info.writes { LockMode::Write } else { LockMode::Read };
            let held = self.lowered.locks.entry(global).or_insert(mode);
            *held = (*held).max(mode);
        }
    }

    pub(crate) fn calls(&mut self, function: FunctionId) {
        self.lowered.calls.insert(function);
    }

    pub(crate) fn needs(&mut self, needs: Needs) {
        self.lowered.needs = self.lowered.needs.union(needs);
    }

    pub(crate) fn returns(&self) -> ReturnKind {
        self.lowered.returns
    }

    pub(crate) fn here(&self) -> u32 {
        self.lowered.code.len() as u32
    }

    pub(crate) fn catch(&mut self, catch: CatchSpec) {
        self.lowered.catches.push(catch);
    }

    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub(crate) fn bind(&mut self, label: Label) {
        self.labels[label.0] = Some(self.here());
    }

    /// Appends a jump; `make` gets a placeholder target.
    pub(crate) fn jump(&mut self, make: impl FnOnce(Pc) -> Insn, label: Label, span: Span) {
        self.uses.push((self.lowered.code.len(), label));
        self.emit(make(Pc(0)), span);
    }

    // ---- registers -----------------------------------------------------------------

    pub(crate) fn mark(&self) -> Mark {
        self.next
    }

    pub(crate) fn release(&mut self, mark: Mark) {
        self.next = mark;
    }

    /// `count` consecutive long registers.
    pub(crate) fn longs(&mut self, count: usize) -> Reg {
        let first = self.next.0;
        self.next.0 += count;
        self.most.0 = self.most.0.max(self.next.0).min(FRAME_REGISTERS);
        self.too_large |= self.next.0 > FRAME_REGISTERS;
        Reg(first.min(FRAME_REGISTERS - 1) as u8)
    }

    /// `count` consecutive string registers.
    pub(crate) fn strings(&mut self, count: usize) -> StrReg {
        let first = self.next.1;
        self.next.1 += count;
        self.most.1 = self.most.1.max(self.next.1).min(FRAME_REGISTERS);
        self.too_large |= self.next.1 > FRAME_REGISTERS;
        StrReg(first.min(FRAME_REGISTERS - 1) as u8)
    }

    pub(crate) fn new_long(&mut self) -> Reg {
        self.longs(1)
    }

    pub(crate) fn new_string(&mut self) -> StrReg {
        self.strings(1)
    }

    pub(crate) fn long_local(&self, name: &str) -> Option<Reg> {
        self.longs.get(name).copied()
    }

    pub(crate) fn string_local(&self, name: &str) -> Option<StrReg> {
        self.strings.get(name).copied()
    }

    // ---- globals -------------------------------------------------------------------

    /// The global that a name at a place means: where it lives and the type of its value.
    pub(crate) fn global(&self, name: &str, at: Span) -> Option<(Place, Type)> {
        let n = self.context.program.global_at(name, at)?;
        let kind = self.context.program.globals[n].value.map_or(Type::Long, |(kind, _)| kind);
        Some((self.context.places[n], kind))
    }

    /// The kinds of a map's keys.
    pub(crate) fn keys_of(&self, map: MapId) -> Vec<ValueKind> {
        self.context.keys.get(map.index()).cloned().unwrap_or_default()
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Rules 9 to 15, 17 and 18: the instructions.

use super::{Reject, Rule, Site, ensure, reject};
use crate::format::Piece;
use crate::helper::HelperId;
use crate::ids::*;
use crate::image::{
    FunctionRecord, Image, LockMode, LockRecord, MapRecord, ReturnKind, SlotKind, SortOrder,
    SortSubject, StatField, ValueKind, Width,
};
use crate::insn::Insn;
use crate::isa::{Opcode, OpcodeInfo, OperandKind};
use crate::limits;
use crate::probe::{ContextWord, Needs};
use crate::relocation;

/// Lock set comparisons allowed for each instruction of the image, on average.
const WORK_PER_INSN: u64 = 64;

pub(super) fn check(image: &Image<'_>) -> Result<(), Reject> {
    let mut work = (image.code.len() as u64).saturating_add(1024).saturating_mul(WORK_PER_INSN);
    for (n, function) in (0..).zip(image.functions) {
        let code = crate::image::run(image.code, function.first_insn, function.insn_count);
        let Some(code) = code else {
            return reject(Rule::Partition, Site::Function(n), function.first_insn.into());
        };
        let end = function.first_insn.saturating_add(function.insn_count);
        let scope = Scope { image, function, end };
        for (pc, &insn) in (function.first_insn..end).zip(code) {
            scope.instruction(pc, insn, &mut work)?;
        }
    }
    Ok(())
}

/// The function whose code is being checked.
struct Scope<'a> {
    image: &'a Image<'a>,
    function: &'a FunctionRecord,
    end: u32,
}

/// The kinds of an argument tuple, and what a call gives.
#[derive(Default)]
struct Signature {
    longs: usize,
    strings: usize,
    result: Option<ReturnKind>,
}

impl Signature {
    fn of_kinds(kinds: impl Iterator<Item = ValueKind>, result: Option<ReturnKind>) -> Signature {
        let mut signature = Signature { longs: 0, strings: 0, result };
        for kind in kinds {
            match kind {
                ValueKind::Str => signature.strings = signature.strings.saturating_add(1),
                _ => signature.longs = signature.longs.saturating_add(1),
            }
        }
        signature
    }

    fn of_keys(map: &MapRecord) -> Signature {
        Signature {
            longs: map.long_key_count().into(),
            strings: map.string_key_count().into(),
            result: None,
        }
    }
}

impl Scope<'_> {
    fn instruction(&self, pc: u32, insn: Insn, work: &mut u64) -> Result<(), Reject> {
        let site = Site::Insn(pc);
        let Some(opcode) = Opcode::from_number(insn.op) else {
            return reject(Rule::Opcode, site, insn.op.into());
        };
        let info = opcode.info();
        unused_fields(site, insn, info)?;
        let next = pc.saturating_add(1);
        ensure(next < self.end || info.ends, Rule::FallThrough, site, insn.op.into())?;
        // A jump that ends a function may go anywhere in it; `ends` covers `jmp`.

        let signature = self.signature(site, insn, info, work)?;
        for &(field, kind) in info.operands {
            let value = insn.get(field);
            self.operand(pc, info, &signature, kind, value, insn)?;
        }
        if opcode == Opcode::Return {
            let nothing = self.function.returns == ReturnKind::Nothing as u8;
            ensure(nothing, Rule::Returns, site, self.function.returns.into())?;
        }
        Ok(())
    }

    /// The tuple that the instruction's callee, map or format asks for; checks the
    /// operand that names it on the way.
    fn signature(
        &self,
        site: Site,
        insn: Insn,
        info: &OpcodeInfo,
        work: &mut u64,
    ) -> Result<Signature, Reject> {
        for &(field, kind) in info.operands {
            let value = insn.get(field);
            match kind {
                OperandKind::MapOfLong
                | OperandKind::MapOfStr
                | OperandKind::MapOfStat
                | OperandKind::AnyMap
                | OperandKind::WideMap => {
                    return self.map(site, info, kind, value).map(Signature::of_keys);
                }
                OperandKind::Function => return self.callee(site, value, work),
                OperandKind::Helper => return self.helper(site, value),
                OperandKind::Format => return self.format(site, value),
                _ => {}
            }
        }
        Ok(Signature::default())
    }

    fn operand(
        &self,
        pc: u32,
        info: &OpcodeInfo,
        signature: &Signature,
        kind: OperandKind,
        value: i64,
        insn: Insn,
    ) -> Result<(), Reject> {
        let site = Site::Insn(pc);
        let longs = i64::from(self.function.long_registers);
        let strings = i64::from(self.function.string_registers);
        let holds = match kind {
            OperandKind::LongDef | OperandKind::LongUse | OperandKind::HighReg => {
                (0..longs).contains(&value)
            }
            OperandKind::StrDef | OperandKind::StrUse => (0..strings).contains(&value),
            OperandKind::Int => true,
            OperandKind::Steps => value > 0,
            OperandKind::Regex => in_table(value, self.image.regexes.len()),
            OperandKind::LongConst => in_table(value, self.image.longs.len()),
            OperandKind::StrConst => in_table(value, self.image.strings.len()),
            OperandKind::Target => return self.target(pc, info, value),
            OperandKind::Scalar => {
                let known = in_table(value, self.image.scalars.len());
                ensure(known, Rule::Operand, site, value as u64)?;
                return self.access(site, value as u32, info.writes);
            }
            OperandKind::Stat => StatField::from_raw(value as u16).is_some(),
            OperandKind::Sort => self.sort(insn, value),
            OperandKind::LongKey => {
                self.map_of(insn.lo().into()).is_some_and(|map| value < map.long_key_count().into())
            }
            OperandKind::StrKey => self
                .map_of(insn.lo().into())
                .is_some_and(|map| value < map.string_key_count().into()),
            OperandKind::TupleLongs => tuple_fits(value, signature.longs, longs),
            OperandKind::TupleStrs => tuple_fits(value, signature.strings, strings),
            OperandKind::TupleResult => match signature.result {
                Some(ReturnKind::Long) => (0..longs).contains(&value),
                Some(ReturnKind::Str) => (0..strings).contains(&value),
                Some(ReturnKind::Nothing) | None => value == 0,
            },
            OperandKind::ReturnsLong => {
                self.returns(site, ReturnKind::Long)?;
                (0..longs).contains(&value)
            }
            OperandKind::ReturnsStr => {
                self.returns(site, ReturnKind::Str)?;
                (0..strings).contains(&value)
            }
            OperandKind::Word => return self.context(site, value),
            OperandKind::MemoryWidth => {
                u8::try_from(value).is_ok_and(|n| Width::from_number(n).is_some())
            }
            OperandKind::ValueSlot => self.slot(value) == Some(SlotKind::Value),
            OperandKind::MemberSlot => self.slot(value) == Some(SlotKind::Member),
            OperandKind::WordSlot => return self.word_slot(site, value),
            OperandKind::SavedLong => (0..limits::MAX_SAVED_LONGS.into()).contains(&value),
            OperandKind::SavedStr => (0..limits::MAX_SAVED_STRINGS.into()).contains(&value),
            // `signature` has checked these.
            OperandKind::MapOfLong
            | OperandKind::MapOfStr
            | OperandKind::MapOfStat
            | OperandKind::AnyMap
            | OperandKind::WideMap
            | OperandKind::Function
            | OperandKind::Helper
            | OperandKind::Format => true,
        };
        ensure(holds, Rule::Operand, site, value as u64)
    }

    fn target(&self, pc: u32, info: &OpcodeInfo, value: i64) -> Result<(), Reject> {
        let (site, broken) = (Site::Insn(pc), value as u64);
        let Ok(target) = u32::try_from(value) else {
            return reject(Rule::Target, site, broken);
        };
        let inside = (self.function.first_insn..self.end).contains(&target);
        ensure(inside, Rule::Target, site, broken)?;
        let lands_on = self.image.code.get(target as usize).map(|insn| insn.op);
        let paid = target > pc || info.pays || lands_on == Some(Opcode::Charge as u8);
        ensure(paid, Rule::Target, site, broken)
    }

    fn map_of(&self, value: i64) -> Option<&MapRecord> {
        self.image.maps.get(usize::try_from(value).ok()?)
    }

    fn map(
        &self,
        site: Site,
        info: &OpcodeInfo,
        kind: OperandKind,
        value: i64,
    ) -> Result<&MapRecord, Reject> {
        let Some(map) = self.map_of(value) else {
            return reject(Rule::Operand, site, value as u64);
        };
        let wanted = match kind {
            OperandKind::MapOfLong => Some(ValueKind::Long),
            OperandKind::MapOfStr => Some(ValueKind::Str),
            OperandKind::MapOfStat => Some(ValueKind::Stat),
            _ => None,
        };
        let fits = wanted.is_none_or(|wanted| map.value == wanted as u8);
        ensure(fits, Rule::Operand, site, map.value.into())?;
        self.access(site, value as u32 | LockRecord::MAP, info.writes)?;
        Ok(map)
    }

    /// Rule 13.
    fn access(&self, site: Site, global: u32, writes: bool) -> Result<(), Reject> {
        let held = lock_mode(self.image.locks_of(self.function), global);
        let enough = match held {
            Some(LockMode::Write) => true,
            Some(LockMode::Read) => !writes,
            None => false,
        };
        ensure(enough, Rule::Access, site, global.into())
    }

    fn sort(&self, insn: Insn, value: i64) -> bool {
        let Some(map) = self.map_of(insn.lo().into()) else { return false };
        let Some(order) = SortOrder::from_raw(value as u16) else { return false };
        match order.subject {
            SortSubject::Unsorted => true,
            SortSubject::Key(n) => n < map.key_count,
            SortSubject::Value => map.value != ValueKind::Stat as u8,
            SortSubject::Stat(_) => map.value == ValueKind::Stat as u8,
        }
    }

    /// Rule 14.
    fn callee(&self, site: Site, value: i64, work: &mut u64) -> Result<Signature, Reject> {
        let callee = usize::try_from(value).ok().and_then(|n| self.image.functions.get(n));
        let Some(callee) = callee else {
            return reject(Rule::Operand, site, value as u64);
        };
        let declared = Needs(callee.needs).within(Needs(self.function.needs));
        ensure(declared, Rule::Calls, site, callee.needs.into())?;
        *work = match work.checked_sub(callee.lock_count.into()) {
            Some(left) => left,
            None => return reject(Rule::Work, site, callee.lock_count.into()),
        };
        for lock in self.image.locks_of(callee) {
            let writes = lock.mode == LockMode::Write as u32;
            let held = self.access(site, lock.global, writes);
            held.map_err(|reject| Reject { rule: Rule::Calls, ..reject })?;
        }
        Ok(Signature {
            longs: callee.long_parameters.into(),
            strings: callee.string_parameters.into(),
            result: ReturnKind::from_number(callee.returns),
        })
    }

    fn helper(&self, site: Site, value: i64) -> Result<Signature, Reject> {
        let helper = u16::try_from(value).ok().and_then(HelperId::from_number);
        let Some(helper) = helper else {
            return reject(Rule::Operand, site, value as u64);
        };
        let info = helper.info();
        self.needs(site, info.needs)?;
        Ok(Signature::of_kinds(info.arguments.iter().copied(), Some(info.result)))
    }

    fn format(&self, site: Site, value: i64) -> Result<Signature, Reject> {
        let id =
            u32::try_from(value).ok().filter(|&n| in_table(n.into(), self.image.formats.len()));
        let Some(id) = id else {
            return reject(Rule::Operand, site, value as u64);
        };
        let pieces = self.image.pieces_of(FormatId(id)).iter();
        let kinds = pieces.filter_map(Piece::from_record).flat_map(Piece::arguments);
        Ok(Signature::of_kinds(kinds, None))
    }

    /// Rule 15, for context words.
    fn context(&self, site: Site, value: i64) -> Result<(), Reject> {
        let word = i32::try_from(value).ok().and_then(ContextWord::from_raw);
        let Some(word) = word else {
            return reject(Rule::Operand, site, value as u64);
        };
        if word == ContextWord::SyscallNumber {
            // Both ends of a system call know its number; one of them must be declared.
            let either = self.function.needs & (Needs::SYSCALL_ENTRY.0 | Needs::SYSCALL_EXIT.0);
            return ensure(either != 0, Rule::Needs, site, self.function.needs.into());
        }
        self.needs(site, word.needs())
    }

    /// What relocation slot `value` holds, if there is one.
    fn slot(&self, value: i64) -> Option<SlotKind> {
        let record = self.image.relocations.get(usize::try_from(value).ok()?)?;
        SlotKind::from_number(record.kind)
    }

    /// Rule 15, for slots with context words.
    fn word_slot(&self, site: Site, value: i64) -> Result<(), Reject> {
        match self.slot(value).and_then(relocation::needs) {
            Some(needs) => self.needs(site, needs),
            None => reject(Rule::Operand, site, value as u64),
        }
    }

    fn needs(&self, site: Site, needs: Needs) -> Result<(), Reject> {
        let declared = needs.within(Needs(self.function.needs));
        ensure(declared, Rule::Needs, site, needs.0.into())
    }

    /// Rule 17.
    fn returns(&self, site: Site, kind: ReturnKind) -> Result<(), Reject> {
        let declared = self.function.returns == kind as u8;
        ensure(declared, Rule::Returns, site, self.function.returns.into())
    }
}

/// Does the lock set hold the global, and how? Sets are sorted by global.
fn lock_mode(locks: &[LockRecord], global: u32) -> Option<LockMode> {
    let at = locks.binary_search_by_key(&global, |lock| lock.global).ok()?;
    LockMode::from_number(locks.get(at)?.mode)
}

fn in_table(value: i64, length: usize) -> bool {
    usize::try_from(value).is_ok_and(|n| n < length)
}

/// Do `count` registers from `base` lie among the frame's `registers`? A tuple with
/// no member must name register 0.
fn tuple_fits(base: i64, count: usize, registers: i64) -> bool {
    if count == 0 {
        return base == 0;
    }
    base.saturating_add(count as i64) <= registers
}

/// Rule 9: what no operand covers is zero.
fn unused_fields(site: Site, insn: Insn, info: &OpcodeInfo) -> Result<(), Reject> {
    let mut rest = insn;
    for &(field, _) in info.operands {
        rest = rest.with(field, 0);
    }
    let clear = rest == Insn { op: insn.op, ..Insn::default() };
    let value = u64::from(rest.imm as u32) << 24
        | u64::from(rest.a) << 16
        | u64::from(rest.b) << 8
        | u64::from(rest.c);
    ensure(clear, Rule::Opcode, site, value)
}

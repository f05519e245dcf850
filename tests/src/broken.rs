// SPDX-License-Identifier: GPL-2.0-or-later
//! Images and blobs with one thing wrong, made from whole ones. What is wrong is found
//! through the instruction table, so that opcodes to come are covered as well.

use vm_spec::image::{FunctionRecord, Header, LockRecord, MapRecord, ProbeRecord, Section};
use vm_spec::insn::{Field, Insn};
use vm_spec::isa::{Opcode, OperandKind};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A way to break an image.
#[derive(Clone, Copy, Debug)]
pub struct Damage {
    /// What is wrong.
    pub name: &'static str,
    /// Breaks an image; false if it has nothing of the kind that would be broken.
    pub apply: fn(&mut Vec<u64>) -> bool,
}

/// Every way.
pub const DAMAGES: &[Damage] = &[
    Damage { name: "truncated", apply: |words| truncate(words, words.len() / 2) },
    Damage { name: "one word too short", apply: |words| truncate(words, words.len() - 1) },
    Damage { name: "only a magic number", apply: |words| truncate(words, 1) },
    Damage { name: "bad magic", apply: |words| header(words, |h| h.magic ^= 1) },
    Damage { name: "newer version", apply: |words| header(words, |h| h.version += 1) },
    Damage { name: "longer than it says", apply: |words| header(words, |h| h.total_bytes += 8) },
    Damage { name: "strings of length 0", apply: |words| header(words, |h| h.string_length = 0) },
    Damage { name: "endless nesting", apply: |words| header(words, |h| h.call_depth = u32::MAX) },
    Damage {
        name: "misaligned section",
        apply: |words| header(words, |h| h.sections[Section::Code as usize].offset += 4),
    },
    Damage {
        name: "section outside",
        apply: |words| header(words, |h| h.sections[Section::Maps as usize].count = u32::MAX),
    },
    Damage { name: "unknown opcode", apply: |words| instruction(words, unknown_opcode) },
    Damage { name: "unused field", apply: |words| instruction(words, unused_field) },
    Damage {
        name: "jump outside",
        apply: |words| operand(words, &[OperandKind::Target], |_, _| 1 << 20),
    },
    Damage {
        name: "jump before the start",
        apply: |words| operand(words, &[OperandKind::Target], |_, _| -1),
    },
    Damage {
        name: "register outside the frame",
        apply: |words| operand(words, &[OperandKind::LongDef], |_, _| 255),
    },
    Damage {
        name: "string register outside the frame",
        apply: |words| operand(words, &[OperandKind::StrDef], |_, _| 255),
    },
    Damage { name: "map that is not there", apply: |words| operand(words, MAPS, |_, _| 0xff) },
    Damage {
        name: "global that is not there",
        apply: |words| operand(words, &[OperandKind::Scalar], |_, _| 0xff),
    },
    Damage {
        name: "string constant that is not there",
        apply: |words| operand(words, &[OperandKind::StrConst], |_, _| 1 << 24),
    },
    Damage {
        name: "format that is not there",
        apply: |words| operand(words, &[OperandKind::Format], |_, _| 1 << 24),
    },
    Damage {
        name: "helper that is not there",
        apply: |words| operand(words, &[OperandKind::Helper], |_, _| 0xffff),
    },
    Damage {
        name: "function that is not there",
        apply: |words| operand(words, &[OperandKind::Function], |_, _| 1 << 24),
    },
    Damage { name: "end of the code without return", apply: |words| no_return(words) },
    Damage { name: "loop that does not pay", apply: |words| free_loop(words) },
    Damage {
        name: "lock set that is not sorted",
        apply: |words| record::<LockRecord>(words, Section::Locks, |l| l.global = u32::MAX),
    },
    Damage {
        name: "frame of 300 registers",
        apply: |words| {
            record::<FunctionRecord>(words, Section::Functions, |f| f.long_registers = 300)
        },
    },
    Damage {
        name: "function without code",
        apply: |words| record::<FunctionRecord>(words, Section::Functions, |f| f.insn_count = 0),
    },
    Damage {
        name: "map of 4 billion entries",
        apply: |words| record::<MapRecord>(words, Section::Maps, |m| m.capacity = u32::MAX),
    },
    Damage {
        name: "probe of an unknown kind",
        apply: |words| record::<ProbeRecord>(words, Section::Probes, |p| p.kind = 0xffff),
    },
    Damage {
        name: "handler that is not there",
        apply: |words| record::<ProbeRecord>(words, Section::Probes, |p| p.handler = u32::MAX),
    },
    Damage {
        name: "budget of 4 billion steps",
        apply: |words| record::<ProbeRecord>(words, Section::Probes, |p| p.steps = u32::MAX),
    },
];

const MAPS: &[OperandKind] = &[
    OperandKind::MapOfLong,
    OperandKind::MapOfStr,
    OperandKind::MapOfStat,
    OperandKind::AnyMap,
    OperandKind::WideMap,
];

fn truncate(words: &mut Vec<u64>, length: usize) -> bool {
    words.truncate(length);
    true
}

fn header(words: &mut [u64], change: impl FnOnce(&mut Header)) -> bool {
    let Ok((header, _)) = Header::mut_from_prefix(words.as_mut_bytes()) else { return false };
    change(header);
    true
}

/// The records of a section that lies within the image.
fn section<T>(words: &mut [u64], section: Section) -> &mut [T]
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    let range = Header::ref_from_prefix(words.as_bytes())
        .map(|(header, _)| header.sections[section as usize])
        .unwrap_or_default();
    let bytes = words.as_mut_bytes();
    let bytes = bytes.get_mut(range.offset as usize..).unwrap_or_default();
    let records = <[T]>::mut_from_prefix_with_elems(bytes, range.count as usize);
    records.map_or(&mut [], |(records, _)| records)
}

fn record<T>(words: &mut [u64], of: Section, change: impl FnOnce(&mut T)) -> bool
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    let first = section::<T>(words, of).first_mut();
    first.map(change).is_some()
}

/// Changes the first instruction that `change` wants to change.
fn instruction(words: &mut [u64], change: impl Fn(Insn) -> Option<Insn>) -> bool {
    let changed = section::<Insn>(words, Section::Code).iter_mut().find_map(|insn| {
        *insn = change(*insn)?;
        Some(())
    });
    changed.is_some()
}

/// Changes the first operand of one of the kinds.
fn operand(words: &mut [u64], kinds: &[OperandKind], value: fn(Insn, Field) -> i64) -> bool {
    instruction(words, |insn| {
        let info = Opcode::from_number(insn.op)?.info();
        let &(field, _) = info.operands.iter().find(|(_, kind)| kinds.contains(kind))?;
        Some(insn.with(field, value(insn, field)))
    })
}

fn unknown_opcode(insn: Insn) -> Option<Insn> {
    let op = (0..=u8::MAX).rev().find(|number| Opcode::from_number(*number).is_none())?;
    Some(Insn { op, ..insn })
}

fn unused_field(insn: Insn) -> Option<Insn> {
    let operands = Opcode::from_number(insn.op)?.info().operands;
    operands.is_empty().then_some(Insn { a: 1, ..insn })
}

fn no_return(words: &mut [u64]) -> bool {
    let functions = section::<FunctionRecord>(words, Section::Functions);
    let Some(last) = functions.first().map(|f| f.first_insn + f.insn_count - 1) else {
        return false;
    };
    let insn = section::<Insn>(words, Section::Code).get_mut(last as usize);
    insn.map(|insn| *insn = Insn { op: Opcode::Charge as u8, imm: 1, ..Insn::default() }).is_some()
}

fn free_loop(words: &mut [u64]) -> bool {
    let functions = section::<FunctionRecord>(words, Section::Functions);
    let Some(first) = functions.first().map(|f| f.first_insn) else { return false };
    let insn = section::<Insn>(words, Section::Code).get_mut(first as usize);
    let jump = Insn { op: Opcode::Jump as u8, imm: first as i32, ..Insn::default() };
    insn.map(|insn| *insn = jump).is_some()
}

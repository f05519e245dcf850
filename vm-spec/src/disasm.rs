// SPDX-License-Identifier: GPL-2.0-or-later
//! Instructions as text, from the instruction table alone.
//!
//! [`insn`] prints one instruction; [`Listing`] prints a whole image: its probes with
//! lock sets, its functions with their code, its globals and constants. What the
//! reader of a blob must know about attach points and source lines comes in through
//! [`Notes`], since the image itself has neither.

use crate::format::{Conversion, Flags, Measure, Piece};
use crate::helper::HelperId;
use crate::ids::*;
use crate::image::*;
use crate::insn::Insn;
use crate::isa::{Opcode, OperandKind};
use crate::probe::{ContextWord, Needs, ProbeKind};
use core::fmt::{self, Display, Formatter, Write};

/// What a listing says beyond the image.
pub trait Notes {
    /// The attach point of a probe, to stand below its name.
    fn attach_point(&self, probe: ProbeId, out: &mut dyn Write) -> fmt::Result;
    /// The source line that begins at this instruction, if one does.
    fn source_line(&self, pc: Pc, out: &mut dyn Write) -> fmt::Result;
}

/// Nothing is known beyond the image.
#[derive(Clone, Copy, Debug)]
pub struct NoNotes;

impl Notes for NoNotes {
    fn attach_point(&self, _: ProbeId, _: &mut dyn Write) -> fmt::Result {
        Ok(())
    }

    fn source_line(&self, _: Pc, _: &mut dyn Write) -> fmt::Result {
        Ok(())
    }
}

/// A byte string as a C string literal.
struct Quoted<'a>(&'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Prints one instruction: mnemonic and operands, names where they help.
///
/// # Errors
/// Those of `out`.
pub fn insn(image: &Image<'_>, insn: Insn, out: &mut dyn Write) -> fmt::Result {
    let Some(opcode) = Opcode::from_number(insn.op) else {
        return write!(out, "?? {:#04x}", insn.op);
    };
    let info = opcode.info();
    write!(out, "{:<7}", info.mnemonic)?;
    let mut separator = " ";
    for &(field, kind) in info.operands {
        if absent(image, insn, kind) {
            continue;
        }
        out.write_str(separator)?;
        separator = ", ";
        operand(image, insn, kind, insn.get(field), out)?;
    }
    Ok(())
}

/// Is the operand the base of a tuple with no such member, or the place of a result
/// that does not exist?
fn absent(image: &Image<'_>, insn: Insn, kind: OperandKind) -> bool {
    let (longs, strings, gives) = tuple_shape(image, insn);
    match kind {
        OperandKind::TupleLongs => longs == 0,
        OperandKind::TupleStrs => strings == 0,
        OperandKind::TupleResult => gives == ReturnKind::Nothing,
        _ => false,
    }
}

/// Longs and strings in the instruction's tuple, and what it gives.
fn tuple_shape(image: &Image<'_>, insn: Insn) -> (usize, usize, ReturnKind) {
    let nothing = (0, 0, ReturnKind::Nothing);
    let Some(opcode) = Opcode::from_number(insn.op) else { return nothing };
    for &(field, kind) in opcode.info().operands {
        let index = insn.get(field) as usize;
        match kind {
            OperandKind::MapOfLong
            | OperandKind::MapOfStr
            | OperandKind::MapOfStat
            | OperandKind::AnyMap => {
                return image.maps.get(index).map_or(nothing, |map| {
                    let strings = map.string_key_count().into();
                    (map.long_key_count().into(), strings, ReturnKind::Nothing)
                });
            }
            OperandKind::Function => {
                return image.functions.get(index).map_or(nothing, |function| {
                    let gives = ReturnKind::from_number(function.returns);
                    (
                        function.long_parameters.into(),
                        function.string_parameters.into(),
                        gives.unwrap_or(ReturnKind::Nothing),
                    )
                });
            }
            OperandKind::Helper => {
                let Some(helper) = HelperId::from_number(index as u16) else { return nothing };
                let arguments = helper.info().arguments;
                let strings = arguments.iter().filter(|kind| **kind == ValueKind::Str).count();
                return (arguments.len().saturating_sub(strings), strings, helper.info().result);
            }
            OperandKind::Format => {
                let pieces = image.pieces_of(FormatId(index as u32));
                let kinds = pieces.iter().filter_map(Piece::from_record).flat_map(Piece::arguments);
                return kinds.fold(nothing, |(longs, strings, gives), kind| match kind {
                    ValueKind::Str => (longs, strings.saturating_add(1), gives),
                    _ => (longs.saturating_add(1), strings, gives),
                });
            }
            _ => {}
        }
    }
    nothing
}

fn operand(
    image: &Image<'_>,
    insn: Insn,
    kind: OperandKind,
    value: i64,
    out: &mut dyn Write,
) -> fmt::Result {
    let name = |id: Option<u32>| Quoted(id.map_or(&[][..], |id| image.string(StrId(id))));
    match kind {
        OperandKind::LongDef
        | OperandKind::LongUse
        | OperandKind::HighReg
        | OperandKind::ReturnsLong => write!(out, "r{value}"),
        OperandKind::StrDef | OperandKind::StrUse | OperandKind::ReturnsStr => {
            write!(out, "s{value}")
        }
        OperandKind::TupleLongs => tuple(out, 'r', value, tuple_shape(image, insn).0),
        OperandKind::TupleStrs => tuple(out, 's', value, tuple_shape(image, insn).1),
        OperandKind::TupleResult => match tuple_shape(image, insn).2 {
            ReturnKind::Str => write!(out, "s{value}"),
            _ => write!(out, "r{value}"),
        },
        OperandKind::Int | OperandKind::Steps => write!(out, "{value}"),
        OperandKind::LongConst => match image.longs.get(value as usize) {
            Some(constant) => write!(out, "{constant}"),
            None => write!(out, "k{value}"),
        },
        OperandKind::StrConst => write!(out, "{}", Quoted(image.string(StrId(value as u32)))),
        OperandKind::Target => write!(out, "@{value}"),
        OperandKind::Scalar => {
            let id = image.scalars.get(value as usize).map(|scalar| scalar.name);
            write!(out, "g{value}:{}", bare(name(id)))
        }
        OperandKind::MapOfLong
        | OperandKind::MapOfStr
        | OperandKind::MapOfStat
        | OperandKind::AnyMap
        | OperandKind::WideMap => {
            let id = image.maps.get(value as usize).map(|map| map.name);
            write!(out, "m{value}:{}", bare(name(id)))
        }
        OperandKind::Stat => match StatField::from_raw(value as u16) {
            Some(StatField { operation, shift: 0 }) => write!(out, "@{}", stat_name(operation)),
            Some(field) => write!(out, "@{}<<{}", stat_name(field.operation), field.shift),
            None => write!(out, "?{value}"),
        },
        OperandKind::Sort => sort(out, value),
        OperandKind::LongKey | OperandKind::StrKey => write!(out, "key {value}"),
        OperandKind::Function => {
            let id = image.functions.get(value as usize).map(|function| function.name);
            write!(out, "f{value}:{}", bare(name(id)))
        }
        OperandKind::Helper => match HelperId::from_number(value as u16) {
            Some(helper) => write!(out, "{}", helper.info().name),
            None => write!(out, "helper?{value}"),
        },
        OperandKind::Format => format(image, FormatId(value as u32), out),
        OperandKind::Regex => match image.regexes.get(value as usize) {
            Some(record) => write!(out, "{}", Quoted(image.string(StrId(record.pattern)))),
            None => write!(out, "re?{value}"),
        },
        OperandKind::Word => match ContextWord::from_raw(value as i32) {
            Some(word) => write!(out, "{word:?}"),
            None => write!(out, "word?{value}"),
        },
        OperandKind::ValueSlot | OperandKind::MemberSlot | OperandKind::WordSlot => {
            let id = image.relocations.get(value as usize).map(|relocation| relocation.name);
            write!(out, "rel{value}:{}", bare(name(id)))
        }
        OperandKind::SavedLong | OperandKind::SavedStr => write!(out, "saved {value}"),
        OperandKind::MemoryWidth => match Width::from_number(value as u8) {
            Some(width) => write!(out, "{width:?}"),
            None => write!(out, "width?{value}"),
        },
    }
}

/// A name without its quotes.
fn bare<'a>(name: Quoted<'a>) -> impl Display + 'a {
    name.0.escape_ascii()
}

fn tuple(out: &mut dyn Write, file: char, base: i64, count: usize) -> fmt::Result {
    match count {
        1 => write!(out, "{file}{base}"),
        _ => write!(out, "{file}{base}..{file}{}", base.saturating_add(count as i64 - 1)),
    }
}

fn stat_name(operation: StatOperation) -> &'static str {
    match operation {
        StatOperation::Count => "count",
        StatOperation::Sum => "sum",
        StatOperation::Min => "min",
        StatOperation::Max => "max",
        StatOperation::Average => "avg",
        StatOperation::Variance => "variance",
    }
}

fn sort(out: &mut dyn Write, value: i64) -> fmt::Result {
    let Some(order) = SortOrder::from_raw(value as u16) else {
        return write!(out, "order?{value}");
    };
    let sign = if order.descending { '-' } else { '+' };
    match order.subject {
        SortSubject::Unsorted => write!(out, "as inserted"),
        SortSubject::Key(n) => write!(out, "by key {n}{sign}"),
        SortSubject::Value => write!(out, "by value{sign}"),
        SortSubject::Stat(operation) => write!(out, "by @{}{sign}", stat_name(operation)),
    }
}

fn format(image: &Image<'_>, id: FormatId, out: &mut dyn Write) -> fmt::Result {
    out.write_char('"')?;
    for piece in image.pieces_of(id).iter().filter_map(Piece::from_record) {
        if piece.conversion == Conversion::Literal {
            for &byte in image.string(piece.literal) {
                match byte {
                    b'%' => out.write_str("%%")?,
                    _ => write!(out, "{}", core::ascii::escape_default(byte))?,
                }
            }
            continue;
        }
        out.write_char('%')?;
        for (flag, text) in [
            (Flags::LEFT, '-'),
            (Flags::ZERO, '0'),
            (Flags::PLUS, '+'),
            (Flags::SPACE, ' '),
            (Flags::ALTERNATE, '#'),
        ] {
            if piece.flags.has(flag) {
                out.write_char(text)?;
            }
        }
        measure(out, "", piece.width)?;
        measure(out, ".", piece.precision)?;
        out.write_char(match piece.conversion {
            Conversion::Literal | Conversion::Signed => 'd',
            Conversion::Unsigned => 'u',
            Conversion::Octal => 'o',
            Conversion::HexLower => 'x',
            Conversion::HexUpper => 'X',
            Conversion::Pointer => 'p',
            Conversion::Character => 'c',
            Conversion::String => 's',
            Conversion::Binary => 'b',
            Conversion::Memory => 'm',
            Conversion::MemoryHex => 'M',
        })?;
    }
    out.write_char('"')
}

fn measure(out: &mut dyn Write, before: &str, measure: Measure) -> fmt::Result {
    match measure {
        Measure::Unset => Ok(()),
        Measure::Fixed(n) => write!(out, "{before}{n}"),
        Measure::Argument => write!(out, "{before}*"),
    }
}

/// Prints a whole image.
///
/// # Errors
/// Those of `out`.
pub fn listing(image: &Image<'_>, notes: &dyn Notes, out: &mut dyn Write) -> fmt::Result {
    let header = image.header;
    writeln!(
        out,
        "limits: MAXSTRINGLEN={} MAXNESTING={} MAXERRORS={} MAXSKIPPED={}",
        header.string_length, header.call_depth, header.max_errors, header.max_skipped
    )?;
    globals(image, out)?;
    for (n, probe) in (0..).zip(image.probes) {
        let kind = ProbeKind::from_number(probe.kind).map_or("?", ProbeKind::text);
        let name = image.string(StrId(probe.name)).escape_ascii();
        writeln!(out, "\nprobe p{n} {name}")?;
        writeln!(out, "  kind {kind}, handler f{}, at most {} steps", probe.handler, probe.steps)?;
        notes.attach_point(ProbeId(n), out)?;
        if let Some(handler) = image.functions.get(probe.handler as usize) {
            lock_set(image, handler, out)?;
        }
    }
    for (n, function) in (0..).zip(image.functions) {
        self::function(image, FunctionId(n), function, notes, out)?;
    }
    constants(image, out)
}

fn globals(image: &Image<'_>, out: &mut dyn Write) -> fmt::Result {
    if !image.scalars.is_empty() || !image.maps.is_empty() {
        writeln!(out, "\nglobals")?;
    }
    for (n, scalar) in (0..).zip(image.scalars) {
        let name = image.string(StrId(scalar.name)).escape_ascii();
        writeln!(out, "  g{n} {name}: long = {}", scalar.initial)?;
    }
    for (n, map) in (0..).zip(image.maps) {
        write!(out, "  m{n} {}", image.string(StrId(map.name)).escape_ascii())?;
        let mut separator = "[";
        for key in 0..map.key_count {
            write!(out, "{separator}{}", if map.key_is_string(key) { "string" } else { "long" })?;
            separator = ", ";
        }
        if map.key_count > 0 {
            write!(out, "]")?;
        }
        let value = match ValueKind::from_number(map.value) {
            Some(ValueKind::Long) => "long",
            Some(ValueKind::Str) => "string",
            Some(ValueKind::Stat) => "stats",
            None => "?",
        };
        writeln!(out, ": {value}, at most {}", map.capacity)?;
    }
    Ok(())
}

fn lock_set(image: &Image<'_>, handler: &FunctionRecord, out: &mut dyn Write) -> fmt::Result {
    write!(out, "  locks")?;
    let locks = image.locks_of(handler);
    if locks.is_empty() {
        write!(out, " none")?;
    }
    for lock in locks {
        let index = lock.global & !LockRecord::MAP;
        let mode = match LockMode::from_number(lock.mode) {
            Some(LockMode::Write) => "write",
            _ => "read",
        };
        let (prefix, name) = if lock.global & LockRecord::MAP != 0 {
            ('m', image.maps.get(index as usize).map(|map| map.name))
        } else {
            ('g', image.scalars.get(index as usize).map(|scalar| scalar.name))
        };
        let name = name.map_or(&[][..], |id| image.string(StrId(id)));
        write!(out, " {prefix}{index}:{}({mode})", name.escape_ascii())?;
    }
    writeln!(out)
}

fn function(
    image: &Image<'_>,
    id: FunctionId,
    function: &FunctionRecord,
    notes: &dyn Notes,
    out: &mut dyn Write,
) -> fmt::Result {
    let name = image.string(StrId(function.name)).escape_ascii();
    writeln!(
        out,
        "\n{id} {name}: {} longs, {} strings; parameters {}+{}{}",
        function.long_registers,
        function.string_registers,
        function.long_parameters,
        function.string_parameters,
        if Needs(function.needs) == Needs::NONE { "" } else { "; needs the probe's context" }
    )?;
    let end = function.first_insn.saturating_add(function.insn_count);
    let code = run(image.code, function.first_insn, function.insn_count);
    for (pc, &instruction) in (function.first_insn..end).zip(code.unwrap_or_default()) {
        notes.source_line(Pc(pc), out)?;
        write!(out, "  {pc:>5}  ")?;
        insn(image, instruction, out)?;
        writeln!(out)?;
    }
    for catch in image.catches_of(function) {
        writeln!(out, "  catch @{}..@{} -> @{}", catch.start, catch.end, catch.target)?;
    }
    Ok(())
}

fn constants(image: &Image<'_>, out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "\nconstants")?;
    for (n, value) in image.longs.iter().enumerate() {
        writeln!(out, "  k{n} {value} {value:#x}")?;
    }
    for n in 0..image.strings.len() as u32 {
        writeln!(out, "  str{n} {}", Quoted(image.string(StrId(n))))?;
    }
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The probe's context and memory.

use super::{long, outlined_ops, set_long};
use crate::fault::Fault;
use crate::machine::{Machine, Stop, Window, next};
use crate::step::{Step, Word};
use vm_spec::image::{SlotKind, Width};
use vm_spec::probe::ContextWord;
use vm_spec::relocation::Placed;

/// The number in a relocation slot.
fn slot(m: &Machine<'_>, insn: &Word) -> Result<i64, Fault> {
    m.relocations.get(insn.imm() as u32 as usize).copied().ok_or(Fault::Impossible)
}

fn placed(m: &Machine<'_>, insn: &Word) -> Result<Placed, Fault> {
    Placed::from_raw(slot(m, insn)?).ok_or(Fault::Impossible)
}

/// A value of the width, the bits above which may be anything.
fn narrow(width: Width, value: i64) -> i64 {
    match width {
        Width::U8 => (value as u8).into(),
        Width::U16 => (value as u16).into(),
        Width::U32 => (value as u32).into(),
        Width::U64 => value,
        Width::I8 => (value as i8).into(),
        Width::I16 => (value as i16).into(),
        Width::I32 => (value as i32).into(),
    }
}

/// The context word that a slot names, as wide as it says.
fn placed_word(m: &mut Machine<'_>, insn: &Word) -> Result<i64, Fault> {
    let placed = placed(m, insn)?;
    let record = m.image.relocations.get(insn.imm() as u32 as usize);
    let kind = record.and_then(|record| SlotKind::from_number(record.kind));
    let word = kind.and_then(|kind| placed.word(kind)).ok_or(Fault::Impossible)?;
    Ok(narrow(placed.width, m.host.context_word(word)))
}

/// Bytes of a memory load.
fn size(width: Width) -> usize {
    match width {
        Width::U8 | Width::I8 => 1,
        Width::U16 | Width::I16 => 2,
        Width::U32 | Width::I32 => 4,
        Width::U64 => 8,
    }
}

/// The loaded bytes, the rest of which are 0, as a long.
fn extend(width: Width, bytes: [u8; 8]) -> i64 {
    let word = u64::from_le_bytes(bytes);
    match width {
        Width::I8 => (word as i8).into(),
        Width::I16 => (word as i16).into(),
        Width::I32 => (word as i32).into(),
        _ => word as i64,
    }
}

outlined_ops! {
    ctx(m, window, insn) {
        let word = ContextWord::from_raw(insn.imm()).ok_or(Fault::Impossible)?;
        set_long(window, insn.a(), m.host.context_word(word));
        Ok(())
    }
    ldm(m, window, insn) {
        let width = Width::from_number(insn.c()).ok_or(Fault::Impossible)?;
        let address = long(window, insn.b()).wrapping_add(insn.imm().into()) as u64;
        let mut bytes = [0; 8];
        if !m.host.read_kernel(address, bytes.get_mut(..size(width)).unwrap_or_default()) {
            return Err(Fault::KernelRead(address));
        }
        set_long(window, insn.a(), extend(width, bytes));
        Ok(())
    }
    ldu(m, window, insn) {
        let width = Width::from_number(insn.c()).ok_or(Fault::Impossible)?;
        let address = long(window, insn.b()).wrapping_add(insn.imm().into()) as u64;
        let mut bytes = [0; 8];
        if !m.host.read_user(address, bytes.get_mut(..size(width)).unwrap_or_default()) {
            return Err(Fault::UserRead(address));
        }
        set_long(window, insn.a(), extend(width, bytes));
        Ok(())
    }
    ldr(m, window, insn) {
        set_long(window, insn.a(), slot(m, insn)?);
        Ok(())
    }
    ldmr(m, window, insn) {
        let Placed { offset, width } = placed(m, insn)?;
        let address = long(window, insn.b()).wrapping_add(offset.into()) as u64;
        let mut bytes = [0; 8];
        if !m.host.read_kernel(address, bytes.get_mut(..size(width)).unwrap_or_default()) {
            return Err(Fault::KernelRead(address));
        }
        set_long(window, insn.a(), extend(width, bytes));
        Ok(())
    }
    ldur(m, window, insn) {
        let Placed { offset, width } = placed(m, insn)?;
        let address = long(window, insn.b()).wrapping_add(offset.into()) as u64;
        let mut bytes = [0; 8];
        if !m.host.read_user(address, bytes.get_mut(..size(width)).unwrap_or_default()) {
            return Err(Fault::UserRead(address));
        }
        set_long(window, insn.a(), extend(width, bytes));
        Ok(())
    }
    ctxr(m, window, insn) {
        let value = placed_word(m, insn)?;
        set_long(window, insn.a(), value);
        Ok(())
    }
    save(m, window, insn) {
        m.host.save_long(insn.imm() as u8, long(window, insn.a()));
        Ok(())
    }
    ldsv(m, window, insn) {
        let value = m.host.saved_long(insn.imm() as u8);
        set_long(window, insn.a(), value);
        Ok(())
    }
    saves(m, _window, insn) {
        let text = m.strings.bytes(m.strings.get(insn.a()));
        m.host.save_string(insn.imm() as u8, text);
        m.pay_for_bytes(vm_spec::limits::SAVED_STRING_BYTES)
    }
    ldsvs(m, _window, insn) {
        let room = m.strings.room().bytes;
        let length = m.host.saved_string(insn.imm() as u8, room).min(room.len());
        let string = m.strings.commit(length);
        m.strings.set(insn.a(), string);
        m.pay_for_bytes(length)
    }
}

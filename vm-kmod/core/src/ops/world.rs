// SPDX-License-Identifier: GPL-2.0-or-later
//! The probe's context and memory.

use super::{long, outlined_ops, set_long};
use crate::fault::Fault;
use crate::machine::{Machine, Stop, Window, Word, dispatch};
use vm_spec::image::Width;
use vm_spec::probe::ContextWord;

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
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Strings: constants, moves, comparisons, concatenation.

use super::{outlined_ops, plain_ops, set_long};
use crate::format::{Sink, SliceSink};
use crate::machine::{Machine, Stop, Window, next};
use crate::step::{Step, Word};
use core::cmp::Ordering;
use vm_spec::ids::StrId;

/// Are the strings of two registers equal?
#[inline(never)]
pub(super) fn equal(m: &Machine<'_>, a: u8, b: u8) -> bool {
    let (a, b) = (m.strings.get(a), m.strings.get(b));
    a == b || (a.length() == b.length() && m.strings.bytes(a) == m.strings.bytes(b))
}

#[inline(never)]
fn compare(m: &Machine<'_>, a: u8, b: u8) -> Ordering {
    m.strings.bytes(m.strings.get(a)).cmp(m.strings.bytes(m.strings.get(b)))
}

#[inline(never)]
fn equals_constant(m: &Machine<'_>, register: u8, id: StrId) -> bool {
    let (string, constant) = (m.strings.get(register), m.strings.constant(id));
    string.length() == constant.length() && m.strings.bytes(string) == m.strings.bytes(constant)
}

plain_ops! {
    lds(m, window, insn) {
        let _ = &window;
        m.strings.set(insn.a(), m.strings.constant(StrId(insn.imm() as u32)));
    }
    movs(m, window, insn) {
        let _ = &window;
        m.strings.set(insn.a(), m.strings.get(insn.b()));
    }
    eqs(m, window, insn) {
        set_long(window, insn.a(), i64::from(equal(m, insn.b(), insn.c())));
    }
    nes(m, window, insn) {
        set_long(window, insn.a(), i64::from(!equal(m, insn.b(), insn.c())));
    }
    lts(m, window, insn) {
        set_long(window, insn.a(), i64::from(compare(m, insn.b(), insn.c()) == Ordering::Less));
    }
    les(m, window, insn) {
        set_long(window, insn.a(), i64::from(compare(m, insn.b(), insn.c()) != Ordering::Greater));
    }
    eqsk(m, window, insn) {
        set_long(window, insn.a(), i64::from(equals_constant(m, insn.b(), StrId(insn.imm() as u32))));
    }
}

outlined_ops! {
    cat(m, _window, insn) {
        let room = m.strings.room();
        let (first, second) = (room.string(insn.b()), room.string(insn.c()));
        let mut sink = SliceSink::new(room.bytes);
        sink.put(first);
        sink.put(second);
        let length = sink.written();
        let string = m.strings.commit(length);
        m.strings.set(insn.a(), string);
        m.pay_for_bytes(length)
    }
}

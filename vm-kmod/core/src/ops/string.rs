// SPDX-License-Identifier: GPL-2.0-or-later
//! Strings: constants, moves, comparisons, concatenation.

use super::{outlined_ops, plain_ops, set_long};
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

pub(super) fn cat<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    let insn = step.word();
    if let Some(string) = m.strings.joined(insn.b(), insn.c()) {
        m.strings.set(insn.a(), string);
        return next(m, window, step);
    }
    cat_general(m, window, step)
}

outlined_ops! {
    cat_general(m, _window, insn) {
        let string = m.strings.concatenate(insn.b(), insn.c());
        m.strings.set(insn.a(), string);
        m.pay_for_bytes(string.length())
    }
}

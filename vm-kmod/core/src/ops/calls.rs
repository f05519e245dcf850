// SPDX-License-Identifier: GPL-2.0-or-later
//! Calls, returns and the end of a run. The frames are the machine's business.

use super::{failed, long, outlined_ops};
use crate::fault::Fault;
use crate::helpers;
use crate::machine::{Machine, Stop, Window, Word, dispatch};
use crate::strings::StrRef;

macro_rules! stop_ops {
    ($($name:ident($m:ident, $window:ident, $insn:ident) $effect:block -> $stop:ident)*) => {$(
        pub(super) fn $name<'a>(
            $m: &mut Machine<'a>,
            $window: &mut Window,
            _: &'a [u64],
            pc: usize,
            $insn: Word,
        ) -> Stop {
            $m.pc = pc;
            $effect
            Stop::$stop
        }
    )*};
}

stop_ops! {
    call(m, _window, _insn) {} -> Call
    ret(m, _window, _insn) {} -> Return
    retl(m, window, insn) { m.long_result = long(window, insn.a()); } -> Return
    rets(m, _window, insn) { m.string_result = m.strings.get(insn.a()); } -> Return
    finish(m, _window, _insn) {} -> Finish
    declin(m, _window, _insn) {
        m.declined = true;
        m.long_result = 0;
        m.string_result = StrRef::EMPTY;
    } -> Return
}

pub(super) fn jacc<'a>(
    m: &mut Machine<'a>,
    window: &mut Window,
    code: &'a [u64],
    pc: usize,
    insn: Word,
) -> Stop {
    if core::mem::take(&mut m.declined) {
        return dispatch(m, window, code, pc.wrapping_add(1));
    }
    dispatch(m, window, code, insn.imm() as u32 as usize)
}

pub(super) fn raise<'a>(
    m: &mut Machine<'a>,
    _: &mut Window,
    _: &'a [u64],
    pc: usize,
    insn: Word,
) -> Stop {
    let message = m.strings.get(insn.a());
    failed(m, pc, Fault::Raised(message))
}

outlined_ops! {
    help(m, window, insn) { helpers::call(m, window, insn) }
}

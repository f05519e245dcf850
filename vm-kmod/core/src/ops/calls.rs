// SPDX-License-Identifier: GPL-2.0-or-later
//! Calls, returns and the end of a run. The frames are the machine's business.

use super::{failed, long, outlined_ops, set_long};
use crate::fault::Fault;
use crate::helpers;
use crate::machine::{Machine, Stop, Window, Word, dispatch};
use crate::strings::StrRef;
use vm_spec::helper::HelperId;

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

/// The two helpers that no other can do without are answered here.
pub(super) fn help<'a>(
    m: &mut Machine<'a>,
    window: &mut Window,
    code: &'a [u64],
    pc: usize,
    insn: Word,
) -> Stop {
    const PID: i32 = HelperId::Pid as i32;
    const TID: i32 = HelperId::Tid as i32;
    let value = match insn.imm() {
        PID => m.task.pid,
        TID => m.task.tid,
        _ => return help_general(m, window, code, pc, insn),
    };
    set_long(window, insn.a(), value.into());
    dispatch(m, window, code, pc.wrapping_add(1))
}

outlined_ops! {
    help_general(m, window, insn) {
        if let Some(id) = helpers::asks_host(insn.imm()) {
            let second = window.get(usize::from(insn.b()).wrapping_add(1)).copied();
            let arguments = [long(window, insn.b()), second.unwrap_or(0)];
            let value = m.host.helper_long(id, arguments);
            set_long(window, insn.a(), value);
            return Ok(());
        }
        helpers::call(m, window, insn)
    }
}

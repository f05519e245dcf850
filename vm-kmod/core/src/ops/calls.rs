// SPDX-License-Identifier: GPL-2.0-or-later
//! Calls, returns and the end of a run. The frames are the machine's business.

use super::{failed, long, outlined_ops, set_long};
use crate::fault::Fault;
use crate::helpers;
use crate::machine::{Machine, Stop, Window, jump, next};
use crate::step::{Step, Word};
use crate::strings::StrRef;
use vm_spec::helper::HelperId;

macro_rules! stop_ops {
    ($($name:ident($m:ident, $window:ident, $insn:ident) $effect:block -> $stop:ident)*) => {$(
        pub(super) fn $name<'a>(
            m: &mut Machine<'a>,
            window: &mut Window,
            step: &'a Step<'a>,
        ) -> Stop {
            let ($m, $window, $insn) = (&mut *m, &*window, step.word());
            let _ = (&$m, $window, $insn);
            $effect
            Stop::$stop
        }
    )*};
}

stop_ops! {
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

pub(super) fn call<'a>(m: &mut Machine<'a>, _: &mut Window, step: &'a Step<'a>) -> Stop {
    m.stopped_at(step);
    Stop::Call
}

pub(super) fn jacc<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    if core::mem::take(&mut m.declined) {
        return next(m, window, step);
    }
    jump(m, window, step)
}

pub(super) fn raise<'a>(m: &mut Machine<'a>, _: &mut Window, step: &'a Step<'a>) -> Stop {
    let message = m.strings.get(step.word().a());
    failed(m, step, Fault::Raised(message))
}

/// The two helpers that no other can do without are answered here.
pub(super) fn help<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    const PID: i32 = HelperId::Pid as i32;
    const TID: i32 = HelperId::Tid as i32;
    let insn = step.word();
    let value = match insn.imm() {
        PID => m.task.pid,
        TID => m.task.tid,
        _ => return help_general(m, window, step),
    };
    set_long(window, insn.a(), value.into());
    next(m, window, step)
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

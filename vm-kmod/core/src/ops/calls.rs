// SPDX-License-Identifier: GPL-2.0-or-later
//! Calls, returns and the end of a run. The frames are the machine's business.

use super::{failed, long, outlined_ops, plain_ops, set_long};
use crate::fault::Fault;
use crate::helpers;
use crate::machine::{Machine, Stop, Window, jump, next};
use crate::step::{Op, Step, Word};
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

/// Helpers in nearly every script, and the functions that ask for just them.
const USUAL: [(HelperId, Op); 5] = [
    (HelperId::Pid, help_pid),
    (HelperId::Tid, help_tid),
    (HelperId::Execname, help_execname),
    (HelperId::RealtimeUs, help_realtime_us),
    (HelperId::RealtimeNs, help_realtime_ns),
];

/// The function of a call of a helper. Which helper is known when code is linked, so
/// that it need not be found out at each hit.
pub(super) fn call_of(number: i32) -> Op {
    let usual = USUAL.iter().find(|(id, _)| *id as i32 == number);
    let other: Op = if helpers::asks_host(number).is_some() { help_host } else { help };
    usual.map_or(other, |&(_, op)| op)
}

plain_ops! {
    help_pid(m, window, insn) {
        set_long(window, insn.a(), m.task.pid.into());
    }
    help_tid(m, window, insn) {
        set_long(window, insn.a(), m.task.tid.into());
    }
    help_realtime_us(m, window, insn) {
        set_long(window, insn.a(), m.host.helper_long(HelperId::RealtimeUs, [0; 2]));
    }
    help_realtime_ns(m, window, insn) {
        set_long(window, insn.a(), m.host.helper_long(HelperId::RealtimeNs, [0; 2]));
    }
}

outlined_ops! {
    help_execname(m, _window, insn) {
        helpers::execname(m, insn)
    }
    help_host(m, window, insn) {
        let id = helpers::asks_host(insn.imm()).ok_or(Fault::Impossible)?;
        let second = window.get(usize::from(insn.b()).wrapping_add(1)).copied();
        let arguments = [long(window, insn.b()), second.unwrap_or(0)];
        set_long(window, insn.a(), m.host.helper_long(id, arguments));
        Ok(())
    }
    help(m, window, insn) {
        helpers::call(m, window, insn)
    }
}

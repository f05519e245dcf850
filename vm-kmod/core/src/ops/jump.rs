// SPDX-License-Identifier: GPL-2.0-or-later
//! Jumps and the step budget.

use super::{failed, long, set_long};
use crate::fault::Fault;
use crate::machine::{Machine, Stop, Window, jump, next};
use crate::step::Step;

macro_rules! jump_ops {
    ($($name:ident |$m:ident, $window:ident, $insn:ident| $taken:expr;)*) => {$(
        pub(super) fn $name<'a>(
            $m: &mut Machine<'a>,
            $window: &mut Window,
            step: &'a Step<'a>,
        ) -> Stop {
            let $insn = step.word();
            // Two dispatches: each jumps by itself, and the branch can be predicted.
            if $taken {
                return jump($m, $window, step);
            }
            next($m, $window, step)
        }
    )*};
}

jump_ops! {
    jz |m, w, insn| long(w, insn.a()) == 0;
    jnz |m, w, insn| long(w, insn.a()) != 0;
    jeq |m, w, insn| long(w, insn.a()) == long(w, insn.b());
    jne |m, w, insn| long(w, insn.a()) != long(w, insn.b());
    jlt |m, w, insn| long(w, insn.a()) < long(w, insn.b());
    jle |m, w, insn| long(w, insn.a()) <= long(w, insn.b());
    jeqi |m, w, insn| long(w, insn.a()) == i64::from(insn.bc());
    jnei |m, w, insn| long(w, insn.a()) != i64::from(insn.bc());
    jlti |m, w, insn| long(w, insn.a()) < i64::from(insn.bc());
    jlei |m, w, insn| long(w, insn.a()) <= i64::from(insn.bc());
    jgti |m, w, insn| long(w, insn.a()) > i64::from(insn.bc());
    jgei |m, w, insn| long(w, insn.a()) >= i64::from(insn.bc());
    jbc |m, w, insn| long(w, insn.a()) & i64::from(insn.bc()) == 0;
    jbs |m, w, insn| long(w, insn.a()) & i64::from(insn.bc()) != 0;
    jeqs |m, w, insn| super::string::equal(m, insn.a(), insn.b());
    jnes |m, w, insn| !super::string::equal(m, insn.a(), insn.b());
}

pub(super) fn jmp<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    jump(m, window, step)
}

pub(super) fn charge<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    match m.pay(step.word().imm() as u32) {
        Ok(()) => next(m, window, step),
        Err(fault) => failed(m, step, fault),
    }
}

#[inline(always)]
pub(super) fn count<'a>(
    m: &mut Machine<'a>,
    window: &mut Window,
    step: &'a Step<'a>,
    bound: i64,
    cost: u32,
) -> Stop {
    let insn = step.word();
    let Some(left) = m.steps.checked_sub(cost) else {
        return failed(m, step, Fault::StepsExceeded);
    };
    m.steps = left;
    let counter = long(window, insn.a()).wrapping_add(1);
    set_long(window, insn.a(), counter);
    if counter < bound {
        return jump(m, window, step);
    }
    next(m, window, step)
}

pub(super) fn iloop<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    count(m, window, step, step.word().bc().into(), 1)
}

pub(super) fn iloopc<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    let insn = step.word();
    count(m, window, step, insn.b().into(), insn.c().into())
}

pub(super) fn iloopr<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    let insn = step.word();
    // The counter may be the bound's register: the bound is the counter's new value.
    let bound = long(window, insn.b());
    let bound = if insn.a() == insn.b() { bound.wrapping_add(1) } else { bound };
    count(m, window, step, bound, 1)
}

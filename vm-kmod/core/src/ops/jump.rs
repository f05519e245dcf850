// SPDX-License-Identifier: GPL-2.0-or-later
//! Jumps and the step budget.

use super::{failed, long, set_long};
use crate::fault::Fault;
use crate::machine::{Machine, Stop, Window, Word, dispatch};

macro_rules! jump_ops {
    ($($name:ident |$m:ident, $window:ident, $insn:ident| $taken:expr;)*) => {$(
        pub(super) fn $name<'a>(
            $m: &mut Machine<'a>,
            $window: &mut Window,
            code: &'a [u64],
            pc: usize,
            $insn: Word,
        ) -> Stop {
            // Two dispatches: each jumps by itself, and the branch can be predicted.
            if $taken {
                return dispatch($m, $window, code, $insn.imm() as u32 as usize);
            }
            dispatch($m, $window, code, pc.wrapping_add(1))
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

pub(super) fn jmp<'a>(
    m: &mut Machine<'a>,
    window: &mut Window,
    code: &'a [u64],
    _: usize,
    insn: Word,
) -> Stop {
    dispatch(m, window, code, insn.imm() as u32 as usize)
}

pub(super) fn charge<'a>(
    m: &mut Machine<'a>,
    window: &mut Window,
    code: &'a [u64],
    pc: usize,
    insn: Word,
) -> Stop {
    match m.pay(insn.imm() as u32) {
        Ok(()) => dispatch(m, window, code, pc.wrapping_add(1)),
        Err(fault) => failed(m, pc, fault),
    }
}

#[inline(always)]
fn loop_until<'a>(
    m: &mut Machine<'a>,
    window: &mut Window,
    code: &'a [u64],
    pc: usize,
    insn: Word,
    bound: i64,
) -> Stop {
    let Some(left) = m.steps.checked_sub(1) else {
        return failed(m, pc, Fault::StepsExceeded);
    };
    m.steps = left;
    let counter = long(window, insn.a()).wrapping_add(1);
    set_long(window, insn.a(), counter);
    if counter < bound {
        return dispatch(m, window, code, insn.imm() as u32 as usize);
    }
    dispatch(m, window, code, pc.wrapping_add(1))
}

pub(super) fn iloop<'a>(
    m: &mut Machine<'a>,
    window: &mut Window,
    code: &'a [u64],
    pc: usize,
    insn: Word,
) -> Stop {
    loop_until(m, window, code, pc, insn, insn.bc().into())
}

pub(super) fn iloopr<'a>(
    m: &mut Machine<'a>,
    window: &mut Window,
    code: &'a [u64],
    pc: usize,
    insn: Word,
) -> Stop {
    // The counter may be the bound's register: the bound is the counter's new value.
    let bound = long(window, insn.b());
    let bound = if insn.a() == insn.b() { bound.wrapping_add(1) } else { bound };
    loop_until(m, window, code, pc, insn, bound)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Constants, moves, arithmetic, comparisons and globals of type long.

use super::{failed, long, plain_ops, set_long};
use crate::fault::Fault;
use crate::machine::{Machine, Stop, Window, next};
use crate::step::{Step, Word};
use core::sync::atomic::{AtomicI64, Ordering::Relaxed};
use vm_spec::ids::LongId;

macro_rules! binary_ops {
    ($($name:ident |$x:ident, $y:ident| $value:expr;)*) => {
        plain_ops! {$(
            $name(m, window, insn) {
                let ($x, $y) = (long(window, insn.b()), long(window, insn.c()));
                set_long(window, insn.a(), $value);
            }
        )*}
    };
}

macro_rules! immediate_ops {
    ($($name:ident |$x:ident, $y:ident| $value:expr;)*) => {
        plain_ops! {$(
            $name(m, window, insn) {
                let ($x, $y) = (long(window, insn.b()), i64::from(insn.imm()));
                set_long(window, insn.a(), $value);
            }
        )*}
    };
}

binary_ops! {
    add |x, y| x.wrapping_add(y);
    sub |x, y| x.wrapping_sub(y);
    mul |x, y| x.wrapping_mul(y);
    and |x, y| x & y;
    or |x, y| x | y;
    xor |x, y| x ^ y;
    shl |x, y| x.wrapping_shl(y as u32);
    shr |x, y| x.wrapping_shr(y as u32);
    ushr |x, y| (x as u64).wrapping_shr(y as u32) as i64;
    eq |x, y| i64::from(x == y);
    ne |x, y| i64::from(x != y);
    lt |x, y| i64::from(x < y);
    le |x, y| i64::from(x <= y);
}

immediate_ops! {
    addi |x, y| x.wrapping_add(y);
    muli |x, y| x.wrapping_mul(y);
    andi |x, y| x & y;
    ori |x, y| x | y;
    xori |x, y| x ^ y;
    shli |x, y| x.wrapping_shl(y as u32);
    shri |x, y| x.wrapping_shr(y as u32);
    ushri |x, y| (x as u64).wrapping_shr(y as u32) as i64;
    rsubi |x, y| y.wrapping_sub(x);
}

/// A quotient or remainder, or a fault if the divisor is 0.
macro_rules! division_ops {
    ($($name:ident |$x:ident, $y:ident| $value:expr;)*) => {$(
        pub(super) fn $name<'a>(
            m: &mut Machine<'a>,
            window: &mut Window,
            step: &'a Step<'a>,
        ) -> Stop {
            let insn = step.word();
            let ($x, $y) = (long(window, insn.b()), long(window, insn.c()));
            if $y == 0 {
                return failed(m, step, Fault::DivisionByZero);
            }
            set_long(window, insn.a(), $value);
            next(m, window, step)
        }
    )*};
}

// The only overflow is MIN / -1: MIN, rest 0.
division_ops! {
    div |x, y| x.checked_div(y).unwrap_or(i64::MIN);
    rem |x, y| x.checked_rem(y).unwrap_or(0);
}

fn scalar<'a>(m: &Machine<'a>, insn: &Word) -> Option<&'a AtomicI64> {
    m.scalars.get(usize::from(insn.lo()))
}

/// The lock set makes the load and the store one.
#[inline(always)]
pub(super) fn add_to_scalar(m: &Machine<'_>, insn: &Word, value: i64) {
    if let Some(scalar) = scalar(m, insn) {
        scalar.store(scalar.load(Relaxed).wrapping_add(value), Relaxed);
    }
}

plain_ops! {
    ldi(m, window, insn) {
        set_long(window, insn.a(), insn.imm().into());
    }
    ldk(m, window, insn) {
        let constant = m.image.longs.get(LongId(insn.imm() as u32).index()).copied();
        set_long(window, insn.a(), constant.unwrap_or(0));
    }
    mov(m, window, insn) {
        set_long(window, insn.a(), long(window, insn.b()));
    }
    not(m, window, insn) {
        set_long(window, insn.a(), !long(window, insn.b()));
    }
    isz(m, window, insn) {
        set_long(window, insn.a(), i64::from(long(window, insn.b()) == 0));
    }
    isnz(m, window, insn) {
        set_long(window, insn.a(), i64::from(long(window, insn.b()) != 0));
    }
    gld(m, window, insn) {
        let value = scalar(m, insn).map_or(0, |scalar| scalar.load(Relaxed));
        set_long(window, insn.a(), value);
    }
    gst(m, window, insn) {
        if let Some(scalar) = scalar(m, insn) {
            scalar.store(long(window, insn.a()), Relaxed);
        }
    }
    gadd(m, window, insn) {
        add_to_scalar(m, insn, long(window, insn.a()));
    }
    gsub(m, window, insn) {
        add_to_scalar(m, insn, long(window, insn.a()).wrapping_neg());
    }
    gaddi(m, window, insn) {
        let _ = &window;
        add_to_scalar(m, insn, insn.bc().into());
    }
    gmadd(m, window, insn) {
        add_to_scalar(m, insn, long(window, insn.a()).wrapping_mul(insn.bc().into()));
    }
}

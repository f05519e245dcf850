// SPDX-License-Identifier: GPL-2.0-or-later
//! The opcodes, one function each, named by their mnemonics.

mod calls;
mod fused;
mod integer;
mod jump;
mod map;
mod output;
mod quick_map;
mod regex;
mod string;
mod world;

use crate::fault::Fault;
use crate::machine::{Machine, Stop, Window};
use crate::step::{Op, Step};
use calls::*;
pub(crate) use fused::fused;
use integer::*;
use jump::*;
use map::*;
use output::*;
use quick_map::*;
use regex::*;
use string::*;
use vm_spec::insn::Insn;
use vm_spec::isa::Opcode;
use world::*;

macro_rules! table {
    ($($(#[$doc:meta])* $number:literal $name:ident $mnemonic:ident
        { $($field:ident: $role:ident),* } [$($property:ident)*];)*) => {
        const fn table() -> [Op; 256] {
            let mut table: [Op; 256] = [unknown; 256];
            $(table[$number] = $mnemonic;)*
            table
        }
    };
}

vm_spec::for_each_opcode!(table);

static TABLE: [Op; 256] = table();

/// The function of an instruction.
#[expect(clippy::indexing_slicing, reason = "a u8 is below 256")]
pub(crate) fn of(insn: &Insn) -> Op {
    if insn.op == Opcode::CallHelper as u8 {
        return call_of(insn.imm);
    }
    TABLE[usize::from(insn.op)]
}

/// Of numbers that are no opcode; the verifier has ruled them out.
fn unknown<'a>(m: &mut Machine<'a>, _: &mut Window, _: &'a Step<'a>) -> Stop {
    m.lost()
}

/// A long register.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "a u8 is below 256")]
fn long(window: &Window, register: u8) -> i64 {
    window[register as usize]
}

/// Changes a long register.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "a u8 is below 256")]
fn set_long(window: &mut Window, register: u8, value: i64) {
    window[register as usize] = value;
}

/// The longs of a tuple.
#[inline(always)]
fn longs(window: &Window, first: u8) -> &[i64] {
    window.get(usize::from(first)..).unwrap_or_default()
}

#[cold]
#[inline(never)]
fn failed<'a>(m: &mut Machine<'a>, step: &'a Step<'a>, fault: Fault) -> Stop {
    m.stopped_at(step);
    m.fail(fault)
}

/// Ops that cannot fail and fall through.
macro_rules! plain_ops {
    ($($name:ident($m:ident, $window:ident, $insn:ident) $body:block)*) => {$(
        pub(super) fn $name<'a>(
            m: &mut Machine<'a>,
            window: &mut Window,
            step: &'a Step<'a>,
        ) -> Stop {
            {
                let ($m, $window, $insn) = (&mut *m, &mut *window, step.word());
                let _ = &$m;
                $body
            }
            next(m, window, step)
        }
    )*};
}

/// Gives a block a `?` of its own.
#[inline(always)]
fn attempt(body: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    body()
}

/// Ops whose work is done in a function of its own, with a `Result`.
macro_rules! outlined_ops {
    ($($name:ident($m:ident, $window:ident, $insn:ident) $body:block)*) => {$(
        pub(super) fn $name<'a>(
            m: &mut Machine<'a>,
            window: &mut Window,
            step: &'a Step<'a>,
        ) -> Stop {
            // False: it failed, and the machine says why. A `Result` would come back
            // through memory of this frame.
            #[inline(never)]
            fn work($m: &mut Machine<'_>, $window: &mut Window, $insn: &Word) -> bool {
                match super::attempt(|| $body) {
                    Ok(()) => true,
                    Err(fault) => {
                        $m.fault = fault;
                        false
                    }
                }
            }
            if !work(m, window, step.word()) {
                m.stopped_at(step);
                return Stop::Fault;
            }
            next(m, window, step)
        }
    )*};
}

use {outlined_ops, plain_ops};

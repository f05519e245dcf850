// SPDX-License-Identifier: GPL-2.0-or-later
//! Functions that do two steps at once. Linking puts them in the place of the first
//! step's own; see [`crate::step`].

use super::integer::add_to_scalar;
use super::jump::count;
use super::{long, set_long};
use crate::machine::{Machine, Stop, Window};
use crate::step::{Op, Step};
use vm_spec::isa::Opcode;

/// Work that is often the last of a loop's body, and then the loop's own step.
macro_rules! before_loop {
    ($($opcode:ident $name:ident($m:ident, $window:ident, $insn:ident) $effect:block)*) => {
        /// The function that does a step and the one after it, if there is one.
        pub(crate) fn fused(first: Opcode, second: Opcode) -> Option<Op> {
            match (first, second) {
                $((Opcode::$opcode, Opcode::IncrementLoopCost) => Some($name),)*
                _ => None,
            }
        }

        $(fn $name<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
            let ($m, $window, $insn) = (&mut *m, &mut *window, step.word());
            let _ = &$m;
            $effect
            match step.following() {
                Some(step) => {
                    let (bound, cost) = (step.word().b().into(), step.word().c().into());
                    count(m, window, step, bound, cost)
                }
                None => m.lost(),
            }
        })*
    };
}

before_loop! {
    AddGlobal gadd_iloopc(m, window, insn) {
        add_to_scalar(m, insn, long(window, insn.a()));
    }
    SubGlobal gsub_iloopc(m, window, insn) {
        add_to_scalar(m, insn, long(window, insn.a()).wrapping_neg());
    }
    AddGlobalImm gaddi_iloopc(m, _window, insn) {
        add_to_scalar(m, insn, insn.bc().into());
    }
    MulAddGlobal gmadd_iloopc(m, window, insn) {
        add_to_scalar(m, insn, long(window, insn.a()).wrapping_mul(insn.bc().into()));
    }
    Add add_iloopc(m, window, insn) {
        set_long(window, insn.a(), long(window, insn.b()).wrapping_add(long(window, insn.c())));
    }
    AddImm addi_iloopc(m, window, insn) {
        set_long(window, insn.a(), long(window, insn.b()).wrapping_add(insn.imm().into()));
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Code as the machine runs it: instructions that know their function and their
//! successors.
//!
//! An image's code is linked once, when the program is loaded. Afterwards an
//! instruction leads to the next one, or to its target, by a reference: no table is
//! looked up, no position is checked and no operand is taken out of a word on the way.
//! Two things are done on top:
//!
//! - A step leads past `jmp`s to where they go.
//! - Where two steps often follow each other, the first one's function does the work of
//!   both ([`crate::ops::fused`]). The second one stays what it is, so that a jump may
//!   land there.
//!
//! Whoever links owns the memory; the links make it impossible to move it.

use crate::machine::{Machine, Stop, Window};
use crate::ops;
use core::cell::Cell;
use core::ptr;
use vm_spec::image::Image;
use vm_spec::insn::{Field, Insn};
use vm_spec::isa::{Opcode, OperandKind};
use vm_spec::verify::Verified;

/// One opcode: machine, window, and the step to do.
pub(crate) type Op = for<'m, 'a> fn(&'m mut Machine<'a>, &'m mut Window, &'a Step<'a>) -> Stop;

/// Jumps to jumps that are followed when code is linked.
const HOPS: usize = 8;

/// An instruction with its function and its successors.
pub struct Step<'c> {
    op: Cell<Op>,
    word: Word,
    next: Cell<Option<&'c Step<'c>>>,
    target: Cell<Option<&'c Step<'c>>>,
}

/// The operands of an instruction. Always behind a reference: each is then loaded from
/// memory as wide as it is, where a copy in a register would be taken apart by shifts.
pub(crate) struct Word(Insn);

impl Word {
    #[inline(always)]
    pub(crate) const fn a(&self) -> u8 {
        self.0.a
    }

    #[inline(always)]
    pub(crate) const fn b(&self) -> u8 {
        self.0.b
    }

    #[inline(always)]
    pub(crate) const fn c(&self) -> u8 {
        self.0.c
    }

    /// Bytes 2 and 3, signed.
    #[inline(always)]
    pub(crate) const fn bc(&self) -> i16 {
        i16::from_le_bytes([self.0.b, self.0.c])
    }

    #[inline(always)]
    pub(crate) const fn imm(&self) -> i32 {
        self.0.imm
    }

    /// Bytes 4 and 5.
    #[inline(always)]
    pub(crate) const fn lo(&self) -> u16 {
        self.0.imm as u16
    }

    /// Bytes 6 and 7.
    #[inline(always)]
    pub(crate) const fn hi(&self) -> u16 {
        (self.0.imm >> 16) as u16
    }
}

impl<'c> Step<'c> {
    /// A step that is not linked yet.
    pub fn of(insn: &Insn) -> Step<'c> {
        let (next, target) = (Cell::new(None), Cell::new(None));
        Step { op: Cell::new(ops::of(insn)), word: Word(*insn), next, target }
    }

    /// Its operands.
    #[inline(always)]
    pub(crate) fn word(&self) -> &Word {
        &self.word
    }

    /// What follows it.
    #[inline(always)]
    pub(crate) fn following(&self) -> Option<&'c Step<'c>> {
        self.next.get()
    }

    /// Where it may jump.
    #[inline(always)]
    pub(crate) fn target(&self) -> Option<&'c Step<'c>> {
        self.target.get()
    }

    /// The function that does it.
    #[inline(always)]
    pub(crate) fn op(&self) -> Op {
        self.op.get()
    }

    /// Its opcode, whatever its function does beside.
    fn opcode(&self) -> Option<Opcode> {
        Opcode::from_number(self.word.0.op)
    }
}

impl core::fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.word.0.fmt(f)
    }
}

/// Linked code.
#[derive(Clone, Copy, Debug)]
pub struct Code<'c> {
    steps: &'c [Step<'c>],
}

impl<'c> Code<'c> {
    /// Links a program's code. `steps` are [`Step::of`] each of the image's instructions;
    /// `None` if they are not.
    pub fn link(verified: &Verified<'_>, steps: &'c [Step<'c>]) -> Option<Code<'c>> {
        let image: &Image<'_> = verified.image();
        if !steps.iter().map(|step| &step.word.0).eq(image.code) {
            return None;
        }
        for (n, step) in steps.iter().enumerate() {
            step.next.set(landing(steps, n.wrapping_add(1)));
            let target = jump_target(step).and_then(|n| landing(steps, n));
            step.target.set(target);
        }
        for step in steps {
            let pair = (step.opcode(), step.following().and_then(Step::opcode));
            if let (Some(first), Some(second)) = pair
                && let Some(op) = ops::fused(first, second)
            {
                step.op.set(op);
            }
        }
        Some(Code { steps })
    }

    /// The step at a position.
    #[inline(always)]
    pub(crate) fn at(self, position: usize) -> Option<&'c Step<'c>> {
        self.steps.get(position)
    }

    /// The position of a step.
    pub(crate) fn position(self, step: &Step<'c>) -> usize {
        let bytes = ptr::from_ref(step).addr().wrapping_sub(self.steps.as_ptr().addr());
        bytes.checked_div(size_of::<Step<'_>>()).unwrap_or(0)
    }
}

/// The step at a position, or where the jumps there lead.
fn landing<'c>(steps: &'c [Step<'c>], position: usize) -> Option<&'c Step<'c>> {
    let mut step = steps.get(position)?;
    for _ in 0..HOPS {
        if step.opcode() != Some(Opcode::Jump) {
            break;
        }
        step = steps.get(jump_target(step)?)?;
    }
    Some(step)
}

fn jump_target(step: &Step<'_>) -> Option<usize> {
    let operands = step.opcode()?.info().operands;
    let jumps = operands.contains(&(Field::Imm, OperandKind::Target));
    jumps.then_some(step.word.imm() as u32 as usize)
}

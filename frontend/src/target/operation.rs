// SPDX-License-Identifier: GPL-2.0-or-later
//! What target variables are made of.

use crate::program::{Known, Type};
use std::collections::HashMap;
use vm_spec::helper::HelperId;
use vm_spec::ids::RelocationId;
use vm_spec::image::{ReturnKind, ValueKind};
use vm_spec::relocation::Relocation;

/// What an [`ExpressionKind::Resolved`](frontend_syntax::ast::ExpressionKind::Resolved)
/// does with its operands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Operation {
    /// The number in a slot.
    Slot(RelocationId),
    /// The context word of a slot.
    Word(RelocationId),
    /// What is in memory at the operand, where and as wide as the slot says.
    Load(RelocationId),
    /// A bit field in memory at the operand.
    Bits {
        /// Its storage unit.
        unit: RelocationId,
        /// The shift to the left that drops what is above it.
        above: RelocationId,
        /// The shift to the right that drops what is below it.
        below: RelocationId,
        /// The last shift copies the sign.
        signed: bool,
    },
    /// A saved register, in the order of `struct pt_regs`.
    Register(u8),
    /// So many bytes of memory at the operand, without a sign.
    Bytes(u8),
    /// A helper that no function of the script can hide.
    Helper(HelperId),
    /// Keeps the operand from a function's entry to its return.
    Keep(KeptId),
    /// What was kept.
    Kept(KeptId),
}

/// A value that is kept from a function's entry to its return.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct KeptId(pub(crate) usize);

/// What target variables of the whole program refer to.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) operations: Vec<Operation>,
    pub(crate) relocations: Vec<Relocation>,
    /// Types of the kept values.
    pub(crate) kept: Vec<Known>,
    operation_ids: HashMap<Operation, u32>,
    relocation_ids: HashMap<Relocation, u32>,
}

impl Tables {
    pub(crate) fn operation(&self, id: u32) -> Option<Operation> {
        self.operations.get(id as usize).copied()
    }

    /// The number of an operation; the same one gets the same number.
    pub(crate) fn operation_id(&mut self, operation: Operation) -> u32 {
        let next = self.operations.len() as u32;
        *self.operation_ids.entry(operation).or_insert_with(|| {
            self.operations.push(operation);
            next
        })
    }

    /// The number of a relocation; the same question gets the same number.
    pub(crate) fn relocation(&mut self, relocation: Relocation) -> RelocationId {
        let next = self.relocations.len() as u32;
        let n = *self.relocation_ids.entry(relocation).or_insert_with_key(|relocation| {
            self.relocations.push(relocation.clone());
            next
        });
        RelocationId(n)
    }

    /// The type of what an operation gives; `None` while it is not known.
    pub(crate) fn result(&self, operation: Operation) -> Option<Type> {
        match operation {
            Operation::Kept(id) => self.kept.get(id.0).copied().flatten().map(|(kind, _)| kind),
            Operation::Helper(helper) if helper.info().result == ReturnKind::Str => {
                Some(Type::Text)
            }
            _ => Some(Type::Long),
        }
    }

    /// Is the kept value a string, and which number has it among those of its kind?
    pub(crate) fn kept_number(&self, all: &[KeptId], wanted: KeptId) -> (ValueKind, u8) {
        let kind = |id: KeptId| match self.kept.get(id.0).copied().flatten() {
            Some((Type::Text, _)) => ValueKind::Str,
            _ => ValueKind::Long,
        };
        let before = all.iter().take_while(|id| **id != wanted);
        let number = before.filter(|id| kind(**id) == kind(wanted)).count();
        (kind(wanted), u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// How many of the kept values are longs, and how many are strings.
    pub(crate) fn kept_counts(&self, all: &[KeptId]) -> (usize, usize) {
        let is_text =
            |id: &&KeptId| matches!(self.kept.get(id.0).copied().flatten(), Some((Type::Text, _)));
        let strings = all.iter().filter(is_text).count();
        (all.len() - strings, strings)
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel data by type (`$var`, `->`, `@cast`): the one place where inference meets it.

use super::{Body, Owner, Pass, Want};
use crate::program::{Known, Type};
use crate::target::operation::{KeptId, Operation};
use frontend_syntax::Diagnostic;
use frontend_syntax::ast::{Expression, ExpressionKind};

impl Pass<'_> {
    /// The type of an expression that speaks of the probed program. The pass
    /// [`crate::target`] has left nothing of those that it knows but operations.
    pub(super) fn target(&mut self, e: &Expression, want: Want, body: &Body) -> Known {
        let ExpressionKind::Resolved { id, operands } = &e.kind else {
            let message = match &e.kind {
                ExpressionKind::Perf(_) => {
                    "@perf is for probes within programs, which are not there yet"
                }
                _ => "this operator is not supported by this version",
            };
            self.error(Diagnostic::semantic(message, e.span));
            return want.known(e.span);
        };
        let operation = self.program.targets.operation(*id)?;
        if let (Operation::Keep(kept), [value]) = (operation, operands.as_slice()) {
            self.keep(kept, value, body);
            return Some((Type::Long, e.span));
        }
        for operand in operands {
            self.expression(operand, Want::Type(Type::Long), body);
        }
        self.program.targets.result(operation).map(|kind| (kind, e.span))
    }

    /// A value that is kept for a return probe, which learns its type.
    fn keep(&mut self, kept: KeptId, value: &Expression, body: &Body) {
        let found = self.expression(value, Want::Value, body);
        let Some(slot) = self.program.targets.kept.get_mut(kept.0) else { return };
        if slot.is_some() || found.is_none() {
            return;
        }
        *slot = found;
        for n in 0..self.program.probes.len() {
            if self.program.probes[n].keeping.kept.contains(&kept) {
                self.enqueue(Owner::Probe(n));
            }
        }
    }
}

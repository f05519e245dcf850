// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel data by type (`$var`, `->`, `@cast`): the one place where inference meets it.

use super::{Body, Pass, Want};
use crate::program::Known;
use frontend_syntax::Diagnostic;
use frontend_syntax::ast::Expression;

impl Pass<'_> {
    /// The type of an expression that speaks of the probed program.
    pub(super) fn target(&mut self, e: &Expression, want: Want, _body: &Body) -> Known {
        let message =
            "kernel data by type ($variables, ->, @cast) is not supported by this version";
        self.error(Diagnostic::semantic(message, e.span));
        want.known(e.span)
    }
}

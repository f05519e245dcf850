// SPDX-License-Identifier: GPL-2.0-or-later
//! The bit shift with which each aggregate keeps its variance.
//!
//! It belongs to the aggregate and not to the `@variance` that asks for it, so all must
//! agree. One that names none counts as 0, and 0 gives way to a later one, as in
//! SystemTap.

use crate::program::Program;
use frontend_syntax::ast::{Aggregate, Block, Expression, ExpressionKind};
use frontend_syntax::{Diagnostic, Span, visit};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use vm_spec::limits::MAX_VARIANCE_SHIFT;

/// Tells the program's globals their shifts.
pub(super) fn collect(program: &mut Program) -> Vec<Diagnostic> {
    let mut shifts: BTreeMap<usize, u8> = BTreeMap::new();
    let mut diagnostics = Vec::new();
    let mut asked = |n: usize, wanted: u8, token: Span| {
        let known = shifts.entry(n).or_insert(wanted);
        if *known == 0 {
            *known = wanted;
        } else if *known != wanted {
            let message = format!("conflicting bit shifts declared (previously {known})");
            diagnostics.push(Diagnostic::semantic(message, token));
        }
    };
    // A body may be that of thousands of probes.
    let mut seen: HashSet<*const Block> = HashSet::new();
    let of_probes = program.probes.iter().flat_map(|probe| &probe.bodies);
    let of_functions = program.functions.iter().map(|function| &function.body);
    for body in of_probes.chain(of_functions).filter(|body| seen.insert(Rc::as_ptr(body))) {
        visit::expressions(body, &mut |e| {
            visit::within(e, &mut |e| {
                if let Some((name, shift)) = variance(e)
                    && let Some(n) = program.global_at(name, e.span)
                {
                    asked(n, shift, e.token);
                }
            });
        });
    }
    for (n, shift) in shifts {
        program.globals[n].variance = Some(shift);
    }
    diagnostics
}

/// The aggregate that an expression asks for the variance of, and the shift. One that is
/// out of range is told of elsewhere.
fn variance(e: &Expression) -> Option<(&str, u8)> {
    let ExpressionKind::Aggregate { operation: Aggregate::Variance, target, shift } = &e.kind
    else {
        return None;
    };
    let name = match &target.kind {
        ExpressionKind::Variable(name) => name,
        ExpressionKind::Element { array, .. } => &array.text,
        _ => return None,
    };
    let shift = u8::try_from(shift.unwrap_or(0)).ok().filter(|n| *n <= MAX_VARIANCE_SHIFT)?;
    Some((name, shift))
}

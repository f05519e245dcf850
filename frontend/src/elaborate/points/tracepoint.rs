// SPDX-License-Identifier: GPL-2.0-or-later
//! Static tracepoints of the kernel and of its modules.

use super::{Arguments, ContextVariables, Points, one};
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

/// `kernel.trace("[system:]pattern")`
pub(super) fn trace(point: &Arguments<'_>) -> Points {
    point.end(2)?;
    let given = point.text(1)?;
    let (system, pattern) = match given.split_once(':') {
        Some((system, name)) => (Some(system.to_owned()), name.to_owned()),
        None => (None, given),
    };
    let attach = AttachSpec::Tracepoint { system, pattern };
    Ok(one(point, ProbeKind::Tracepoint, attach))
}

/// `kernel.tracepoint("name")`: its arguments are `$arg1` and on, as numbers.
pub(super) fn tracepoint(point: &Arguments<'_>) -> Points {
    let mut found = trace(point)?;
    for resolved in &mut found {
        resolved.variables = ContextVariables::TraceArguments;
    }
    Ok(found)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! System calls, by number. Their prologues are made later, when it is known what is read.

use super::{Arguments, Points, Resolved, one};
use crate::syscalls;
use frontend_syntax::preprocess::glob;
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

pub(super) fn syscall(point: &Arguments<'_>) -> Points {
    let name = point.name(1);
    let kind = match point.name(2) {
        "" | "call" => ProbeKind::SyscallEntry,
        pattern if glob(pattern.as_bytes(), b"return") => ProbeKind::SyscallExit,
        _ => return Err(point.unknown(2)),
    };
    point.end(3)?;
    let family = point.name(0);
    let suffix = if kind == ProbeKind::SyscallExit { ".return" } else { "" };
    let wild = name.contains('*');
    let found: Vec<Resolved> = syscalls::matching(name)
        .into_iter()
        .filter(|call| !wild || call.number.is_some())
        .map(|call| {
            let attach = match call.number {
                Some(number) => AttachSpec::Syscall { number: Some(number) },
                None => AttachSpec::Never,
            };
            Resolved {
                text: format!("{family}.{}{suffix}", call.alias),
                // A wildcard takes what there is.
                optional: wild,
                call: Some(call),
                ..Resolved::new(point.0, kind, attach)
            }
        })
        .collect();
    if found.is_empty() { Err(point.unknown(1)) } else { Ok(found) }
}

/// Every system call as one probe, which knows the number only.
pub(super) fn any(point: &Arguments<'_>) -> Points {
    point.plain(0)?;
    let kind = match point.name(1) {
        "" => ProbeKind::SyscallEntry,
        "return" => ProbeKind::SyscallExit,
        _ => return Err(point.unknown(1)),
    };
    point.end(2)?;
    Ok(one(point, kind, AttachSpec::Syscall { number: None }))
}

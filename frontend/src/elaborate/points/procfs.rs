// SPDX-License-Identifier: GPL-2.0-or-later
//! Files below /proc/systemtap/NAME: `procfs(...)`.

use super::{Arguments, ContextVariables, Points, Resolved};
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

/// The file's name unless the script gives one.
const DEFAULT_PATH: &str = "command";
/// Only for the owner.
const DEFAULT_UMASK: u32 = 0o077;
/// Most that a file can give.
const MAX_SIZE: i64 = 1 << 20;

pub(super) fn procfs(point: &Arguments<'_>) -> Points {
    let path = if point.has_argument(0) { point.text(0)? } else { DEFAULT_PATH.to_owned() };
    let (mut umask, mut max_size, mut kind) = (DEFAULT_UMASK, 0, None);
    for n in 1..point.components().len() {
        match point.name(n) {
            "umask" if kind.is_none() => umask = point.number_within(n, 0..=0o777, "umask")? as u32,
            "maxsize" if kind == Some(ProbeKind::ProcfsRead) => {
                max_size = point.number_within(n, 1..=MAX_SIZE, "maxsize")? as u32;
            }
            "read" if kind.is_none() => {
                point.plain(n)?;
                kind = Some(ProbeKind::ProcfsRead);
            }
            "write" if kind.is_none() => {
                point.plain(n)?;
                kind = Some(ProbeKind::ProcfsWrite);
            }
            _ => return Err(point.unknown(n)),
        }
    }
    let kind = kind.ok_or_else(|| point.unknown(0))?;
    let attach = AttachSpec::Procfs { path, umask, max_size };
    let resolved =
        Resolved { variables: ContextVariables::Value, ..Resolved::new(point.0, kind, attach) };
    Ok(vec![resolved])
}

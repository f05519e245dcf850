// SPDX-License-Identifier: GPL-2.0-or-later
//! Points in a session's life: `begin`, `end`, `error`, `never`.

use super::{Arguments, Points, Unresolved, one};
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

fn order(point: &Arguments<'_>) -> Result<i64, Unresolved> {
    point.end(1)?;
    if point.has_argument(0) { point.number(0) } else { Ok(0) }
}

pub(super) fn begin(point: &Arguments<'_>) -> Points {
    let order = order(point)?;
    Ok(one(point, ProbeKind::Begin, AttachSpec::Begin { order }))
}

pub(super) fn end(point: &Arguments<'_>) -> Points {
    let order = order(point)?;
    Ok(one(point, ProbeKind::End, AttachSpec::End { order }))
}

pub(super) fn error(point: &Arguments<'_>) -> Points {
    let order = order(point)?;
    Ok(one(point, ProbeKind::Error, AttachSpec::Error { order }))
}

pub(super) fn never(point: &Arguments<'_>) -> Points {
    point.end(1)?;
    point.plain(0)?;
    Ok(one(point, ProbeKind::Never, AttachSpec::Never))
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Watched memory: `kernel.data(...)`.

use super::{Arguments, Points, one};
use vm_spec::blob::{AttachSpec, DataPlace};
use vm_spec::probe::ProbeKind;

/// Bytes that a debug register can watch.
const LENGTHS: std::ops::RangeInclusive<i64> = 1..=8;

pub(super) fn data(point: &Arguments<'_>) -> Points {
    let (place, has_length) = match point.text(1) {
        Ok(symbol) => (DataPlace::Symbol(symbol), false),
        Err(_) => (DataPlace::Address(point.number(1)? as u64), point.name(2) == "length"),
    };
    let (length, access) = if has_length {
        (point.number_within(2, LENGTHS, "length of watched memory")?, 3)
    } else {
        (1, 2)
    };
    let reads = match point.name(access) {
        "write" => false,
        "rw" => true,
        "" => return Err(point.unknown(1)),
        _ => return Err(point.unknown(access)),
    };
    point.plain(access)?;
    point.end(access + 1)?;
    let attach = AttachSpec::Watchpoint { place, length: length as u32, reads };
    Ok(one(point, ProbeKind::Watchpoint, attach))
}

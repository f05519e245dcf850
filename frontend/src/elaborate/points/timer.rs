// SPDX-License-Identifier: GPL-2.0-or-later
//! `timer.*`

use super::{Arguments, Points, Unresolved, one};
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

/// Debian's kernels tick 250 times a second.
const NS_PER_JIFFY: i64 = 4_000_000;
const NS_PER_S: i64 = 1_000_000_000;
/// Intervals in nanoseconds, as SystemTap allows them.
const SHORTEST: i64 = 100_000;
const LONGEST: i64 = 86_400 * NS_PER_S;
const MOST_JIFFIES: i64 = 1_000_000;
/// What the kernel takes.
const PROFILE_HZ: std::ops::RangeInclusive<i64> = 1..=10_000;

pub(super) fn timer(point: &Arguments<'_>) -> Points {
    let scale = match point.name(1) {
        "s" | "sec" => NS_PER_S,
        "ms" | "msec" => 1_000_000,
        "us" | "usec" => 1_000,
        "ns" | "nsec" => 1,
        "jiffies" => NS_PER_JIFFY,
        "hz" => return hz(point),
        "profile" => return profile(point),
        "" => return Err(point.unknown(0)),
        _ => return Err(point.unknown(1)),
    };
    let (least, most) = match scale {
        NS_PER_JIFFY => (1, MOST_JIFFIES),
        _ => ((SHORTEST / scale).max(1), LONGEST / scale),
    };
    let period = point.number(1)?;
    if !(least..=most).contains(&period) {
        let message = format!("interval value out of range ({least}, {most})");
        return Err(Unresolved::new(1, message));
    }
    let random = match point.name(2) {
        "" => 0,
        "randomize" => {
            let random = point.number(2)?;
            if !(0..=period).contains(&random) {
                return Err(Unresolved::new(2, "randomization value out of range"));
            }
            random
        }
        _ => return Err(point.unknown(2)),
    };
    point.end(3)?;
    let ns = |n: i64| n.saturating_mul(scale) as u64;
    let attach = AttachSpec::Timer { period_ns: ns(period), random_ns: ns(random) };
    Ok(one(point, ProbeKind::Timer, attach))
}

fn hz(point: &Arguments<'_>) -> Points {
    point.end(2)?;
    let frequency = point.number_within(1, 1..=NS_PER_S / SHORTEST, "timer frequency")?;
    let attach = AttachSpec::Timer { period_ns: (NS_PER_S / frequency) as u64, random_ns: 0 };
    Ok(one(point, ProbeKind::Timer, attach))
}

/// `timer.profile`, `timer.profile.tick`, `timer.profile.freq.hz(N)`
fn profile(point: &Arguments<'_>) -> Points {
    point.plain(1)?;
    let hz = match (point.name(2), point.name(3)) {
        ("", _) => 0,
        ("tick", "") => 0,
        ("freq", "hz") => point.number_within(3, PROFILE_HZ, "profiling frequency")? as u32,
        ("freq", _) => return Err(point.unknown(2)),
        _ => return Err(point.unknown(2)),
    };
    point.end(4)?;
    Ok(one(point, ProbeKind::Profile, AttachSpec::Profile { hz }))
}

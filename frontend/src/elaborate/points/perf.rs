// SPDX-License-Identifier: GPL-2.0-or-later
//! Performance counters: by number as perf_event_open(2) has them, and by name.

use super::{Arguments, Points, Unresolved, one};
use vm_spec::blob::{AttachSpec, Sampling};
use vm_spec::probe::ProbeKind;

const HARDWARE: u32 = 0;
const SOFTWARE: u32 = 1;
/// Events between two hits unless the script says otherwise.
const DEFAULT_PERIOD: u64 = 1_000_000;

/// `PERF_COUNT_HW_*` by their numbers.
const HARDWARE_NAMES: [&str; 10] = [
    "cpu_cycles",
    "instructions",
    "cache_references",
    "cache_misses",
    "branch_instructions",
    "branch_misses",
    "bus_cycles",
    "stalled_cycles_frontend",
    "stalled_cycles_backend",
    "ref_cpu_cycles",
];

/// `PERF_COUNT_SW_*` by their numbers.
const SOFTWARE_NAMES: [&str; 9] = [
    "cpu_clock",
    "task_clock",
    "page_faults",
    "context_switches",
    "cpu_migrations",
    "page_faults_min",
    "page_faults_maj",
    "alignment_faults",
    "emulation_faults",
];

/// Why there are no counters to be read.
const READ_WITHIN_PROGRAMS: &str =
    "counters are read by probes within programs (@perf), which are not there yet";

pub(super) fn perf(point: &Arguments<'_>) -> Points {
    point.plain(0)?;
    let (kind, config) = match point.name(1) {
        "type" if point.name(2) == "config" => {
            let kind = point.number_within(1, 0..=i64::from(u32::MAX), "counter type")?;
            (kind as u32, point.number(2)? as u64)
        }
        "hw" => (HARDWARE, named(point, &HARDWARE_NAMES)?),
        "sw" => (SOFTWARE, named(point, &SOFTWARE_NAMES)?),
        "" => return Err(point.unknown(0)),
        _ => return Err(point.unknown(1)),
    };
    let range = 1..=i64::MAX;
    let every = match point.name(3) {
        "" => Sampling::Period(DEFAULT_PERIOD),
        "sample" => Sampling::Period(point.number_within(3, range, "sample period")? as u64),
        "hz" => Sampling::Frequency(point.number_within(3, range, "frequency")? as u64),
        "process" => return Err(Unresolved::new(3, "user-space probes are not there yet")),
        // Its handler never runs: only probes within programs read it.
        "counter" => return Err(Unresolved::new(3, READ_WITHIN_PROGRAMS)),
        _ => return Err(point.unknown(3)),
    };
    point.end(4)?;
    Ok(one(point, ProbeKind::Perf, AttachSpec::Perf { kind, config, every }))
}

fn named(point: &Arguments<'_>, names: &[&str]) -> Result<u64, Unresolved> {
    point.plain(2)?;
    let found = names.iter().position(|name| *name == point.name(2));
    found.map(|number| number as u64).ok_or_else(|| point.unknown(2))
}

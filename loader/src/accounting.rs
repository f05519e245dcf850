// SPDX-License-Identifier: GPL-2.0-or-later
//! What became of every hit and every record: the warnings at the end of a run, and the
//! report of `-t`.

use crate::device::{Device, DeviceError, LockSkips, Missed};
use std::fmt::Write;
use vm_spec::blob::{Blob, ProbePoint};
use vm_spec::device::*;
use vm_spec::ids::StrId;
use vm_spec::image::Image;
use vm_spec::probe::ProbeKind;

/// The counts of a run that is over.
#[derive(Debug)]
pub struct Accounts {
    status: Status,
    /// Hits that the lock of a global cost, with its name.
    locks: Vec<(String, u64)>,
    /// Hits of a probe that the kernel missed, with its kind and point.
    missed: Vec<(&'static str, String, u64)>,
    /// Records that were printed.
    delivered: u64,
}

impl Accounts {
    /// Asks the kernel.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn take(
        device: &Device,
        blob: &Blob,
        image: &Image<'_>,
        records: &[AttachRecord],
        delivered: u64,
    ) -> Result<Accounts, DeviceError> {
        let status = device.status()?;
        let mut accounts = Accounts { status, locks: Vec::new(), missed: Vec::new(), delivered };
        if status.skipped_lock > 0 {
            let names = global_names(image);
            let skips: Vec<LockSkips> = device.table(names.len())?;
            let skipped = names.into_iter().zip(skips).filter(|(_, skips)| skips.0 > 0);
            accounts.locks = skipped.map(|(name, skips)| (name, skips.0)).collect();
        }
        if status.skipped_missed > 0 {
            let missed: Vec<Missed> = device.table(records.len())?;
            let missed = records.iter().zip(missed).filter(|(_, missed)| missed.0 > 0);
            accounts.missed = missed
                .map(|(record, missed)| {
                    let kind = match kind_of(image, record) {
                        Some(ProbeKind::FunctionReturn) => "kretprobe",
                        _ => "kprobe",
                    };
                    (kind, point_of(blob, record), missed.0)
                })
                .collect();
        }
        Ok(accounts)
    }

    /// The accounts of a run outside the kernel, where no hit and no record gets lost.
    pub fn of_user(errors: u64, skipped_overload: u64) -> Accounts {
        let errors = u32::try_from(errors).unwrap_or(u32::MAX);
        let status = Status { errors, skipped_overload, ..Status::default() };
        Accounts { status, locks: Vec::new(), missed: Vec::new(), delivered: 0 }
    }

    /// Hits that no handler saw to its end.
    pub fn skipped(&self) -> u64 {
        let status = &self.status;
        status.skipped_lock
            + status.skipped_reentrant
            + status.skipped_low_stack
            + status.skipped_missed
            + status.skipped_overload
    }

    /// Did the session fail? Even errors that MAXERRORS allows are told to whoever started
    /// the run.
    pub fn has_failed(&self, image: &Image<'_>) -> bool {
        self.status.failure != FAILURE_NONE
            || self.status.errors > 0
            || self.skipped() > u64::from(image.header.max_skipped)
    }

    /// What went wrong, a line each.
    pub fn complaints(&self) -> Vec<String> {
        let status = &self.status;
        let mut lines = Vec::new();
        match status.failure {
            FAILURE_OVERLOAD => lines.push(format!(
                "ERROR: probe overhead ({} cycles) exceeded threshold in last {} cycles",
                status.overload_cycles, status.overload_span
            )),
            FAILURE_SKIPPED => lines.push(
                "ERROR: Skipped too many probes, check MAXSKIPPED or try again with stap -t for \
                 more details."
                    .to_owned(),
            ),
            _ => {}
        }
        let skipped = self.skipped();
        if status.errors > 0 || skipped > 0 {
            let errors = status.errors;
            lines.push(format!("WARNING: Number of errors: {errors}, skipped probes: {skipped}"));
        }
        for (name, count) in &self.locks {
            lines.push(format!("WARNING: Skipped due to global '{name}' lock timeout: {count}"));
        }
        for (count, cause) in [
            (status.skipped_low_stack, "low stack"),
            (status.skipped_reentrant, "reentrancy"),
            (status.skipped_overload, "timer overload"),
        ] {
            if count > 0 {
                lines.push(format!("WARNING: Skipped due to {cause}: {count}"));
            }
        }
        for (kind, point, count) in &self.missed {
            lines.push(format!("WARNING: Skipped due to missed {kind} on '{point}': {count}"));
        }
        if status.late_failed > 0 {
            let count = status.late_failed;
            lines.push(format!("WARNING: {count} probes of modules could not be registered."));
        }
        if status.lost > 0 {
            lines.push(format!("WARNING: There were {} transport failures.", status.lost));
        }
        lines.extend(self.imbalance());
        lines
    }

    /// The counts must add up; whoever sees this line has found a fault of this program.
    fn imbalance(&self) -> Option<String> {
        let status = &self.status;
        let accounted = status.handled
            + status.skipped_lock
            + status.skipped_reentrant
            + status.skipped_low_stack;
        if status.fired == accounted && status.produced == self.delivered {
            return None;
        }
        Some(format!(
            "WARNING: the counts do not add up: {} hits, {accounted} accounted for; {} records, \
             {} delivered",
            status.fired, status.produced, self.delivered
        ))
    }

    /// `-t`: each probe's runs, and where every hit and record went.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn report(
        &self,
        device: &Device,
        blob: &Blob,
        image: &Image<'_>,
        records: &[AttachRecord],
    ) -> Result<String, DeviceError> {
        let times: Vec<Times> = device.table(records.len())?;
        let mut out = String::from("----- probe hit report: \n");
        for (index, (record, times)) in records.iter().zip(times).enumerate() {
            if times.hits == 0 {
                continue;
            }
            let place = place_of(blob, image, record);
            let _ = writeln!(
                out,
                "{}, ({place}), hits: {}, cycles: {}min/{}avg/{}max, index: {index}",
                point_of(blob, record),
                times.hits,
                times.least,
                times.total / times.hits,
                times.most,
            );
        }
        let status = &self.status;
        let _ = writeln!(
            out,
            "----- hits: {} fired = {} handled + {} lock + {} reentrancy + {} low stack; {} missed \
             by the kernel, {} timer overload",
            status.fired,
            status.handled,
            status.skipped_lock,
            status.skipped_reentrant,
            status.skipped_low_stack,
            status.skipped_missed,
            status.skipped_overload,
        );
        let _ = writeln!(
            out,
            "----- records: {} produced = {} delivered + {} lost",
            status.produced + status.lost,
            self.delivered,
            status.lost,
        );
        Ok(out)
    }
}

/// Names of the globals, scalars first.
fn global_names(image: &Image<'_>) -> Vec<String> {
    let scalars = image.scalars.iter().map(|scalar| scalar.name);
    let maps = image.maps.iter().map(|map| map.name);
    let text = |name| String::from_utf8_lossy(image.string(StrId(name))).into_owned();
    scalars.chain(maps).map(text).collect()
}

fn kind_of(image: &Image<'_>, record: &AttachRecord) -> Option<ProbeKind> {
    let probe = image.probes.get(usize::try_from(record.probe).ok()?)?;
    ProbeKind::from_number(probe.kind)
}

fn point_of(blob: &Blob, record: &AttachRecord) -> String {
    let is_its = |point: &&ProbePoint| point.probe.0 == record.probe;
    blob.points.iter().find(is_its).map_or_else(|| "?".to_owned(), |point| point.text.clone())
}

/// `FILE:LINE:COLUMN` of a probe's handler.
fn place_of(blob: &Blob, image: &Image<'_>, record: &AttachRecord) -> String {
    let entry = image
        .probes
        .get(record.probe as usize)
        .and_then(|probe| image.functions.get(probe.handler as usize))
        .and_then(|function| blob.source.lookup(function.first_insn));
    entry.map_or_else(String::new, |entry| {
        format!("{}:{}:{}", blob.source.file(entry.file), entry.line, entry.column)
    })
}

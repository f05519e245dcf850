// SPDX-License-Identifier: GPL-2.0-or-later
//! Probe points to attach records of this kernel: wildcards are expanded, names get
//! addresses.

mod modules;
mod symbols;

use crate::relocate::Relocated;
use crate::relocate::places::{PlaceError, address};
use std::fs;
pub use symbols::Absent;
use symbols::{Symbol, Symbols, Wanted};
use vm_spec::blob::{AttachSpec, Blob, DataPlace, ProbePoint, Sampling};
use vm_spec::device::{ANY_SYSCALL, ATTACH_FREQUENCY, ATTACH_OPTIONAL, AttachRecord};
use vm_spec::image::Image;
use vm_spec::probe::ProbeKind;

/// Why a probe point cannot be attached on this kernel.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Nothing here has that name.
    #[error("semantic error: while resolving probe point: no match for {0} on this kernel")]
    NoMatch(String),
    /// Nothing here has that name, for a reason.
    #[error("semantic error: while resolving probe point: no match for {point}: {reason}")]
    Absent {
        /// The probe point.
        point: String,
        /// Why.
        reason: Absent,
    },
    /// The kernel's symbols cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// File.
        path: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// A place that debug symbols have told of is not there.
    #[error("probe {point} cannot be attached: {error}")]
    Place {
        /// The probe point.
        point: String,
        /// Why.
        error: PlaceError,
    },
    /// Addresses are hidden from this user.
    #[error("/proc/kallsyms shows no addresses: run as root, with kernel.kptr_restrict below 2")]
    HiddenAddresses,
}

/// The attach list with the names it points into.
#[derive(Debug, Default)]
pub struct Plan {
    /// Attachments, in the order in which their probes run.
    pub records: Vec<AttachRecord>,
    /// Names.
    pub names: Vec<u8>,
}

pub(crate) const EVENTS: [&str; 2] =
    ["/sys/kernel/tracing/available_events", "/sys/kernel/debug/tracing/available_events"];

/// Makes the attach list of a blob.
///
/// # Errors
/// [`AttachError`]; optional points that match nothing are left out.
pub fn plan(blob: &Blob, image: &Image<'_>, relocated: &Relocated) -> Result<Plan, AttachError> {
    let points = blob.points.iter().enumerate().filter(|(n, _)| !relocated.drops(*n));
    let mut points: Vec<&ProbePoint> = points.map(|(_, point)| point).collect();
    points.sort_by_key(|point| order(&point.attach));
    let symbols = Symbols::read(&points)?;
    let mut plan = Plan::default();
    for point in points {
        let before = plan.records.len();
        let kind = image
            .probes
            .get(point.probe.index())
            .and_then(|probe| ProbeKind::from_number(probe.kind));
        plan.point(point, kind, &symbols, image.header.string_length)?;
        let never = point.attach == AttachSpec::Never;
        if plan.records.len() == before && !never && !point.optional {
            let text = point.text.clone();
            let wanted = Wanted::of(&point.attach);
            return Err(match wanted.and_then(|wanted| symbols.why_absent(wanted)) {
                Some(reason) => AttachError::Absent { point: text, reason },
                None => AttachError::NoMatch(text),
            });
        }
    }
    Ok(plan)
}

/// Probes of one kind run in the order of their numbers.
fn order(attach: &AttachSpec) -> i64 {
    match attach {
        AttachSpec::Begin { order } | AttachSpec::End { order } | AttachSpec::Error { order } => {
            *order
        }
        _ => 0,
    }
}

impl Plan {
    fn name(&mut self, name: &str) -> (u32, u32) {
        let offset = self.names.len() as u32;
        self.names.extend(name.bytes());
        (offset, name.len() as u32)
    }

    fn push(&mut self, point: &ProbePoint, record: AttachRecord) {
        let optional = if point.optional { ATTACH_OPTIONAL } else { 0 };
        let flags = record.flags | optional;
        self.records.push(AttachRecord { probe: point.probe.0, flags, ..record });
    }

    fn point(
        &mut self,
        point: &ProbePoint,
        kind: Option<ProbeKind>,
        symbols: &Symbols,
        string_length: u32,
    ) -> Result<(), AttachError> {
        let plain = AttachRecord::default();
        match &point.attach {
            AttachSpec::Begin { .. } | AttachSpec::End { .. } | AttachSpec::Error { .. } => {
                self.push(point, plain);
            }
            AttachSpec::Never => {}
            AttachSpec::Timer { period_ns, random_ns } => {
                self.push(point, AttachRecord { value: *period_ns, extra: *random_ns, ..plain });
            }
            AttachSpec::Function { pattern, module, maxactive, exported } => {
                let wild = is_wild(pattern) || module.as_deref().is_some_and(is_wild);
                let module = module.as_deref();
                for symbol in symbols.matching(Wanted { pattern, module, exported: *exported }) {
                    self.function(point, symbol, wild, kind, *maxactive);
                }
            }
            AttachSpec::Statement { address } => {
                self.push(point, AttachRecord { address: *address, ..plain });
            }
            AttachSpec::Code { place, one_of_many } => match address(place) {
                Ok(address) => {
                    let flags = if *one_of_many { ATTACH_OPTIONAL } else { 0 };
                    let value = entry_of(point);
                    self.push(point, AttachRecord { flags, address, value, ..plain });
                }
                Err(_) if point.optional => {}
                Err(error) => {
                    return Err(AttachError::Place { point: point.text.clone(), error });
                }
            },
            AttachSpec::Tracepoint { system, pattern } => {
                self.tracepoint(point, system.as_deref(), pattern)?;
            }
            AttachSpec::Syscall { number } => {
                let value = number.map_or(ANY_SYSCALL, u64::from);
                self.push(point, AttachRecord { value, ..plain });
            }
            AttachSpec::Profile { hz } => {
                let value = u64::from(*hz);
                self.push(point, AttachRecord { value, ..plain });
            }
            AttachSpec::Perf { kind, config, every } => {
                let (flags, extra) = match *every {
                    Sampling::Period(events) => (0, events),
                    Sampling::Frequency(hz) => (ATTACH_FREQUENCY, hz),
                };
                let address = u64::from(*kind);
                self.push(point, AttachRecord { flags, address, value: *config, extra, ..plain });
            }
            AttachSpec::Watchpoint { place, length, reads } => {
                let address = match place {
                    DataPlace::Address(address) => Some(*address),
                    DataPlace::Symbol(name) => symbols.data(name),
                };
                if let Some(address) = address {
                    let (value, extra) = (u64::from(*length), if *reads { 3 } else { 1 });
                    self.push(point, AttachRecord { address, value, extra, ..plain });
                }
            }
            AttachSpec::Procfs { path, umask, max_size } => {
                let (name_offset, name_length) = self.name(path);
                let all = if kind == Some(ProbeKind::ProcfsRead) { 0o444 } else { 0o222 };
                let value = u64::from(all & !umask);
                let extra = u64::from(if *max_size == 0 { string_length } else { *max_size });
                let record = AttachRecord { value, extra, name_offset, name_length, ..plain };
                self.push(point, record);
            }
            AttachSpec::Netfilter { family, hook, priority } => {
                let value = u64::from(*family) << 32 | u64::from(*hook);
                let extra = i64::from(*priority).cast_unsigned();
                self.push(point, AttachRecord { value, extra, ..plain });
            }
        }
        Ok(())
    }

    fn function(
        &mut self,
        point: &ProbePoint,
        symbol: &Symbol,
        wild: bool,
        kind: Option<ProbeKind>,
        maxactive: u32,
    ) {
        let suffix = if kind == Some(ProbeKind::FunctionReturn) { ".return" } else { "" };
        let text = match &symbol.module {
            Some(module) => {
                format!("module(\"{module}\").function(\"{}\"){suffix}", symbol.name)
            }
            None => format!("kernel.function(\"{}\"){suffix}", symbol.name),
        };
        let (name_offset, name_length) = self.name(&symbol.name);
        let (point_offset, point_length) = self.name(&text);
        let (module_offset, module_length) =
            symbol.module.as_deref().map_or((0, 0), |module| self.name(module));
        // A wildcard takes what can be probed.
        let flags = if wild { ATTACH_OPTIONAL } else { 0 };
        let record = AttachRecord {
            flags,
            module_offset,
            module_length,
            address: symbol.address,
            extra: maxactive.into(),
            value: entry_of(point),
            name_offset,
            name_length,
            point_offset,
            point_length,
            ..AttachRecord::default()
        };
        self.push(point, record);
    }

    fn tracepoint(
        &mut self,
        point: &ProbePoint,
        system: Option<&str>,
        pattern: &str,
    ) -> Result<(), AttachError> {
        let names = if is_wild(pattern) || system.is_some() {
            tracepoints(system.unwrap_or("*"), pattern)?
        } else {
            vec![pattern.to_owned()]
        };
        for name in names {
            let text = format!("kernel.trace(\"{name}\")");
            let (name_offset, name_length) = self.name(&name);
            let (point_offset, point_length) = self.name(&text);
            let flags = if is_wild(pattern) { ATTACH_OPTIONAL } else { 0 };
            let record = AttachRecord {
                flags,
                name_offset,
                name_length,
                point_offset,
                point_length,
                ..AttachRecord::default()
            };
            self.push(point, record);
        }
        Ok(())
    }
}

/// The handler that keeps values for a return probe, as attach records name it.
fn entry_of(point: &ProbePoint) -> u64 {
    point.entry.map_or(0, |entry| u64::from(entry.0) + 1)
}

fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

fn matches(pattern: &str, text: &str) -> bool {
    frontend_syntax::preprocess::glob(pattern.as_bytes(), text.as_bytes())
}

fn tracepoints(system: &str, pattern: &str) -> Result<Vec<String>, AttachError> {
    let mut last = None;
    for path in EVENTS {
        match fs::read_to_string(path) {
            Ok(events) => {
                let pairs = events.lines().filter_map(|line| line.split_once(':'));
                let found = pairs.filter(|(s, n)| matches(system, s) && matches(pattern, n));
                return Ok(found.map(|(_, name)| name.to_owned()).collect());
            }
            Err(error) => last = Some(AttachError::Unreadable { path, error }),
        }
    }
    last.map_or(Ok(Vec::new()), Err)
}

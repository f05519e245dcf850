// SPDX-License-Identifier: GPL-2.0-or-later
//! Probe points to attach records of this kernel: wildcards are expanded, names get
//! addresses.

use crate::relocate::Relocated;
use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use vm_spec::blob::{AttachSpec, Blob, ProbePoint};
use vm_spec::device::{ANY_SYSCALL, ATTACH_OPTIONAL, AttachRecord};
use vm_spec::image::Image;
use vm_spec::probe::ProbeKind;

/// Why a probe point cannot be attached on this kernel.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Nothing here has that name.
    #[error("semantic error: while resolving probe point: no match for {0} on this kernel")]
    NoMatch(String),
    /// The kernel's symbols cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// File.
        path: &'static str,
        /// Why.
        error: std::io::Error,
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

const KALLSYMS: &str = "/proc/kallsyms";
const EVENTS: [&str; 2] =
    ["/sys/kernel/tracing/available_events", "/sys/kernel/debug/tracing/available_events"];
const BLACKLIST: &str = "/sys/kernel/debug/kprobes/blacklist";

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
        plan.point(point, kind == Some(ProbeKind::FunctionReturn), &symbols)?;
        let never = point.attach == AttachSpec::Never;
        if plan.records.len() == before && !never && !point.optional {
            return Err(AttachError::NoMatch(point.text.clone()));
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
        is_return: bool,
        symbols: &Symbols,
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
            AttachSpec::Function { pattern, module, maxactive } => {
                let wild = is_wild(pattern) || module.as_deref().is_some_and(is_wild);
                for symbol in symbols.matching(pattern, module.as_deref()) {
                    self.function(point, symbol, wild, is_return, *maxactive);
                }
            }
            AttachSpec::Statement { address } => {
                self.push(point, AttachRecord { address: *address, ..plain });
            }
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
        }
        Ok(())
    }

    fn function(
        &mut self,
        point: &ProbePoint,
        symbol: &Symbol,
        wild: bool,
        is_return: bool,
        maxactive: u32,
    ) {
        let suffix = if is_return { ".return" } else { "" };
        let text = match &symbol.module {
            Some(module) => {
                format!("module(\"{module}\").function(\"{}\"){suffix}", symbol.name)
            }
            None => format!("kernel.function(\"{}\"){suffix}", symbol.name),
        };
        let (name_offset, name_length) = self.name(&symbol.name);
        let (point_offset, point_length) = self.name(&text);
        // A wildcard takes what can be probed.
        let flags = if wild { ATTACH_OPTIONAL } else { 0 };
        let record = AttachRecord {
            flags,
            address: symbol.address,
            extra: maxactive.into(),
            value: point.entry.map_or(0, |entry| u64::from(entry.0) + 1),
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

/// A function of the kernel or a module.
struct Symbol {
    address: u64,
    name: String,
    module: Option<String>,
}

/// The functions that some probe point may mean.
#[derive(Default)]
struct Symbols(Vec<Symbol>);

impl Symbols {
    /// Reads the kernel's symbols, if any point needs them.
    fn read(points: &[&ProbePoint]) -> Result<Symbols, AttachError> {
        let patterns: Vec<(&str, Option<&str>)> = points
            .iter()
            .filter_map(|point| match &point.attach {
                AttachSpec::Function { pattern, module, .. } => {
                    Some((pattern.as_str(), module.as_deref()))
                }
                _ => None,
            })
            .collect();
        if patterns.is_empty() {
            return Ok(Symbols::default());
        }
        let unreadable = |error| AttachError::Unreadable { path: KALLSYMS, error };
        let mut file =
            BufReader::with_capacity(1 << 20, fs::File::open(KALLSYMS).map_err(unreadable)?);
        let forbidden = blacklist();
        let mut found = Vec::new();
        let mut line = String::new();
        while file.read_line(&mut line).map_err(unreadable)? > 0 {
            if let Some(symbol) = parse(&line)
                && patterns.iter().any(|(name, module)| symbol.is(name, *module))
            {
                if symbol.address == 0 {
                    return Err(AttachError::HiddenAddresses);
                }
                if !forbidden.contains(&symbol.name) {
                    found.push(symbol);
                }
            }
            line.clear();
        }
        Ok(Symbols(found))
    }

    fn matching<'a>(
        &'a self,
        pattern: &'a str,
        module: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Symbol> {
        self.0.iter().filter(move |symbol| symbol.is(pattern, module))
    }
}

impl Symbol {
    fn is(&self, pattern: &str, module: Option<&str>) -> bool {
        let in_module = match (module, self.module.as_deref()) {
            (None, None) => true,
            (Some(wanted), Some(module)) => matches(wanted, module),
            _ => false,
        };
        in_module && matches(pattern, &self.name)
    }
}

/// `ffffffff81000000 T name [module]`, of functions that a script can mean.
fn parse(line: &str) -> Option<Symbol> {
    let mut fields = line.split_ascii_whitespace();
    let (address, kind, name) = (fields.next()?, fields.next()?, fields.next()?);
    let is_text = matches!(kind, "t" | "T" | "w" | "W");
    // Parts that the compiler cut off a function, and padding before it, are not it.
    if !is_text || name.contains('.') || name.starts_with("__pfx_") {
        return None;
    }
    let module = fields.next().map(|module| module.trim_matches(['[', ']']).to_owned());
    Some(Symbol { address: u64::from_str_radix(address, 16).ok()?, name: name.to_owned(), module })
}

/// Functions that must not be probed; empty if debugfs is not mounted, when the kernel
/// itself still refuses kprobes on them.
fn blacklist() -> HashSet<String> {
    let text = fs::read_to_string(BLACKLIST).unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn symbols_are_read() {
        let symbol = parse("ffffffff81234560 T vfs_read\n").unwrap();
        assert_eq!((symbol.address, symbol.name.as_str()), (0xffff_ffff_8123_4560, "vfs_read"));
        let symbol = parse("ffffffffc0001000 t nf_hook\t[nf_tables]\n").unwrap();
        assert_eq!(symbol.module.as_deref(), Some("nf_tables"));
        assert!(parse("ffffffff81234560 T vfs_read.cold\n").is_none());
        assert!(parse("ffffffff81234560 D jiffies\n").is_none());
        assert!(parse("junk").is_none());
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The functions of this kernel that probe points may mean: those of the kernel and of
//! loaded modules from /proc/kallsyms, those of modules that are not loaded from their
//! files.

use super::modules;
use super::{AttachError, matches};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use vm_spec::blob::{AttachSpec, DataPlace, ProbePoint};

const KALLSYMS: &str = "/proc/kallsyms";
const BLACKLIST: &str = "/sys/kernel/debug/kprobes/blacklist";
/// Before the name of what modules may use.
const EXPORT: &str = "__ksymtab_";

/// A function of the kernel or a module.
pub(super) struct Symbol {
    /// 0 if it is of a module.
    pub(super) address: u64,
    pub(super) name: String,
    pub(super) module: Option<String>,
    pub(super) exported: bool,
}

/// Which functions a probe point means.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) pattern: &'a str,
    pub(super) module: Option<&'a str>,
    pub(super) exported: bool,
}

/// What some probe point may mean.
#[derive(Default)]
pub(super) struct Symbols {
    functions: Vec<Symbol>,
    data: Vec<(String, u64)>,
}

impl Symbols {
    /// Reads the kernel's symbols, if any point needs them.
    pub(super) fn read(points: &[&ProbePoint]) -> Result<Symbols, AttachError> {
        let wanted: Vec<Wanted<'_>> =
            points.iter().filter_map(|point| Wanted::of(&point.attach)).collect();
        let data: HashSet<&str> =
            points.iter().filter_map(|point| data_of(&point.attach)).collect();
        let mut found = Symbols::default();
        if wanted.is_empty() && data.is_empty() {
            return Ok(found);
        }
        let loaded = found.read_kernel(&wanted, &data)?;
        let patterns: BTreeSet<&str> = wanted.iter().filter_map(|wanted| wanted.module).collect();
        let mut on_disk = BTreeMap::new();
        for module in patterns {
            let here = |name: &str| loaded.contains(&modules::normal(name));
            // A module that several patterns name counts once.
            on_disk.extend(modules::functions_on_disk(module, here));
        }
        found.functions.extend(on_disk.into_values().flatten());
        let forbidden = blacklist();
        found.functions.retain(|symbol| !forbidden.contains(&symbol.name));
        Ok(found)
    }

    /// Reads /proc/kallsyms; gives the names of the modules that are loaded.
    fn read_kernel(
        &mut self,
        wanted: &[Wanted<'_>],
        data: &HashSet<&str>,
    ) -> Result<HashSet<String>, AttachError> {
        let unreadable = |error| AttachError::Unreadable { path: KALLSYMS, error };
        let mut file =
            BufReader::with_capacity(1 << 20, fs::File::open(KALLSYMS).map_err(unreadable)?);
        let any_exported = wanted.iter().any(|wanted| wanted.exported);
        let (mut exported, mut loaded) = (HashSet::new(), HashSet::new());
        let mut line = String::new();
        while file.read_line(&mut line).map_err(unreadable)? > 0 {
            if let Some((_, module)) = line.trim_end().rsplit_once('[') {
                let module = modules::normal(module.trim_end_matches(']'));
                if !loaded.contains(&module) {
                    loaded.insert(module);
                }
            }
            if any_exported && let Some(name) = export(&line) {
                exported.insert(name.to_owned());
            }
            if let Some((name, address)) = parse_data(&line)
                && data.contains(name)
            {
                self.data.push((name.to_owned(), address));
            }
            if let Some(symbol) = parse(&line)
                && wanted.iter().any(|wanted| symbol.may_be(*wanted))
            {
                if symbol.address == 0 {
                    return Err(AttachError::HiddenAddresses);
                }
                self.functions.push(symbol);
            }
            line.clear();
        }
        for symbol in &mut self.functions {
            symbol.exported = exported.contains(&symbol.name);
        }
        Ok(loaded)
    }

    pub(super) fn matching<'a>(&'a self, wanted: Wanted<'a>) -> impl Iterator<Item = &'a Symbol> {
        let exported = move |symbol: &&Symbol| symbol.exported || !wanted.exported;
        self.functions.iter().filter(move |symbol| symbol.may_be(wanted)).filter(exported)
    }

    /// The address of a variable.
    pub(super) fn data(&self, name: &str) -> Option<u64> {
        self.data.iter().find(|(known, _)| known == name).map(|&(_, address)| address)
    }
}

impl<'a> Wanted<'a> {
    pub(super) fn of(attach: &'a AttachSpec) -> Option<Wanted<'a>> {
        match attach {
            AttachSpec::Function { pattern, module, exported, .. } => Some(Wanted {
                pattern: pattern.as_str(),
                module: module.as_deref(),
                exported: *exported,
            }),
            _ => None,
        }
    }
}

fn data_of(attach: &AttachSpec) -> Option<&str> {
    match attach {
        AttachSpec::Watchpoint { place: DataPlace::Symbol(name), .. } => Some(name),
        _ => None,
    }
}

impl Symbol {
    /// Is it of the name and module? Whether it is exported is known later.
    fn may_be(&self, wanted: Wanted<'_>) -> bool {
        let in_module = match (wanted.module, self.module.as_deref()) {
            (None, None) => true,
            (Some(wanted), Some(module)) => matches(&modules::normal(wanted), module),
            _ => false,
        };
        in_module && matches(wanted.pattern, &self.name)
    }
}

/// A name that scripts can mean: parts that the compiler cut off a function, and padding
/// before it, are not it.
pub(super) fn is_function_name(name: &str) -> bool {
    !name.contains('.') && !name.starts_with("__pfx_")
}

/// `ffffffff81000000 T name [module]`, of functions that a script can mean.
fn parse(line: &str) -> Option<Symbol> {
    let mut fields = line.split_ascii_whitespace();
    let (address, kind, name) = (fields.next()?, fields.next()?, fields.next()?);
    if !matches!(kind, "t" | "T" | "w" | "W") || !is_function_name(name) {
        return None;
    }
    let module = fields.next().map(|module| modules::normal(module.trim_matches(['[', ']'])));
    // The kernel knows a module's functions by name, wherever the module comes to lie.
    let address = u64::from_str_radix(address, 16).ok()?;
    Some(Symbol { address, name: name.to_owned(), module, exported: false })
}

/// The name and address of a line about data.
fn parse_data(line: &str) -> Option<(&str, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (address, kind, name) = (fields.next()?, fields.next()?, fields.next()?);
    if !matches!(kind, "d" | "D" | "b" | "B" | "r" | "R" | "v" | "V") {
        return None;
    }
    Some((name, u64::from_str_radix(address, 16).ok()?))
}

/// The name that a line exports.
fn export(line: &str) -> Option<&str> {
    line.split_ascii_whitespace().nth(2)?.strip_prefix(EXPORT)
}

/// Functions that must not be probed; empty if debugfs is not mounted, when the kernel
/// itself still refuses kprobes on them.
fn blacklist() -> HashSet<String> {
    let text = fs::read_to_string(BLACKLIST).unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{export, parse, parse_data};

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

    #[test]
    fn data_and_exports_are_read() {
        assert_eq!(
            parse_data("ffffffff82000010 D jiffies\n"),
            Some(("jiffies", 0xffff_ffff_8200_0010))
        );
        assert_eq!(parse_data("ffffffff81234560 T vfs_read\n"), None);
        assert_eq!(export("ffffffff82000010 r __ksymtab_vfs_read\n"), Some("vfs_read"));
    }
}

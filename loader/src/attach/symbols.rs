// SPDX-License-Identifier: GPL-2.0-or-later
//! The functions of this kernel that probe points may mean: those of the kernel and of
//! loaded modules from /proc/kallsyms, those of modules that are not loaded from their
//! files.

use super::modules;
use super::{AttachError, is_wild, matches};
use crate::kallsyms::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use vm_spec::blob::{AttachSpec, DataPlace, ProbePoint};

const KALLSYMS: &str = "/proc/kallsyms";
const BLACKLIST: &str = "/sys/kernel/debug/kprobes/blacklist";
/// Before the name of what modules may use.
pub(super) const EXPORT: &str = "__ksymtab_";

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

/// Why no function has the name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Absent {
    /// The kernel says so.
    #[error("the kernel forbids probes in '{0}' (/sys/kernel/debug/kprobes/blacklist)")]
    Forbidden(String),
    /// Nobody calls it.
    #[error(
        "the compiler has inlined '{name}' everywhere, and only parts of it are functions \
         ({part}): with debug symbols where the script is compiled, the places are probed"
    )]
    Inlined {
        /// The function.
        name: String,
        /// One of its parts.
        part: String,
    },
}

/// What some probe point may mean.
#[derive(Default)]
pub(super) struct Symbols {
    functions: Vec<Symbol>,
    /// Of functions with literal names, what the compiler has made: `name.isra.0`.
    made: Vec<Symbol>,
    forbidden: HashSet<String>,
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
        found.forbidden = blacklist();
        Ok(found)
    }

    /// Reads /proc/kallsyms; gives the names of the modules that are loaded.
    fn read_kernel(
        &mut self,
        wanted: &[Wanted<'_>],
        data: &HashSet<&str>,
    ) -> Result<HashSet<String>, AttachError> {
        let text = fs::read_to_string(KALLSYMS)
            .map_err(|error| AttachError::Unreadable { path: KALLSYMS, error })?;
        let any_exported = wanted.iter().any(|wanted| wanted.exported);
        let names = Names::of(wanted);
        let (mut exported, mut loaded) = (HashSet::new(), HashSet::new());
        let mut last_module = None;
        for entry in text.lines().filter_map(Entry::parse) {
            if entry.module != last_module {
                last_module = entry.module;
                loaded.extend(entry.module.map(modules::normal));
            }
            if any_exported && let Some(name) = entry.name.strip_prefix(EXPORT) {
                exported.insert(name.to_owned());
            }
            if !data.is_empty() && entry.is_data() && data.contains(entry.name) {
                self.data.push((entry.name.to_owned(), entry.address().unwrap_or(0)));
            }
            if names.may_have(entry.name) && is_function(&entry) {
                self.functions.push(symbol(&entry)?);
            } else if let Some((name, _)) = entry.name.split_once('.')
                && names.has_literal(name)
                && entry.is_text()
            {
                self.made.push(symbol(&entry)?);
            }
        }
        for symbol in &mut self.functions {
            symbol.exported = exported.contains(&symbol.name);
        }
        Ok(loaded)
    }

    /// The functions. One that the compiler has made anew, with fewer parameters or for some
    /// callers, stands for one that nobody calls otherwise: where its parameters are, is not for
    /// us to say, and types do not tell them.
    pub(super) fn matching(&self, wanted: Wanted<'_>) -> Vec<&Symbol> {
        let allowed = |symbol: &&Symbol| !self.forbidden.contains(&symbol.name);
        let exported = |symbol: &&Symbol| symbol.exported || !wanted.exported;
        let may_be = |symbol: &&Symbol| symbol.may_be(wanted);
        let named = || self.functions.iter().filter(may_be);
        let mut found: Vec<&Symbol> = named().filter(exported).filter(allowed).collect();
        if named().next().is_none() && !wanted.exported {
            let whole = self.made.iter().filter(|symbol| symbol.is_whole());
            found.extend(whole.filter(|symbol| symbol.is_made_of(wanted)).filter(allowed));
        }
        found
    }

    /// Why no function is one that a point means, if more can be said than that there is none.
    pub(super) fn why_absent(&self, wanted: Wanted<'_>) -> Option<Absent> {
        let forbidden = |symbol: &&Symbol| self.forbidden.contains(&symbol.name);
        if let Some(symbol) = self.functions.iter().filter(|s| s.may_be(wanted)).find(forbidden) {
            return Some(Absent::Forbidden(symbol.name.clone()));
        }
        let part = self.made.iter().find(|symbol| symbol.is_made_of(wanted))?;
        Some(Absent::Inlined { name: wanted.pattern.to_owned(), part: part.name.clone() })
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
        self.is_in(wanted.module) && matches(wanted.pattern, &self.name)
    }

    fn is_in(&self, module: Option<&str>) -> bool {
        match (module, self.module.as_deref()) {
            (None, None) => true,
            (Some(wanted), Some(module)) => matches(&modules::normal(wanted), module),
            _ => false,
        }
    }

    /// Has the compiler made it of the function?
    fn is_made_of(&self, wanted: Wanted<'_>) -> bool {
        let name = self.name.split('.').next();
        self.is_in(wanted.module) && name == Some(wanted.pattern)
    }

    /// Is it a whole function, and not a part of one (`name.part.0`, `name.cold`)?
    fn is_whole(&self) -> bool {
        let mut words = self.name.split('.').skip(1);
        words.all(|word| matches!(word, "isra" | "constprop") || word.parse::<u32>().is_ok())
    }
}

/// A name that scripts can mean: parts that the compiler cut off a function, and padding
/// before it, are not it.
pub(super) fn is_function_name(name: &str) -> bool {
    !name.contains('.') && !name.starts_with("__pfx_")
}

/// The names that some probe point may mean: there are many of both, so that not each is
/// compared with each.
struct Names<'a> {
    literal: HashSet<&'a str>,
    /// Is a literal name of this length? Spares most of the kernel's a hash.
    lengths: Vec<bool>,
    patterns: Vec<&'a str>,
}

impl<'a> Names<'a> {
    fn of(wanted: &[Wanted<'a>]) -> Names<'a> {
        let (patterns, literal): (Vec<&str>, Vec<&str>) =
            wanted.iter().map(|wanted| wanted.pattern).partition(|pattern| is_wild(pattern));
        let longest = literal.iter().map(|name| name.len()).max().unwrap_or(0);
        let lengths =
            (0..=longest).map(|length| literal.iter().any(|name| name.len() == length)).collect();
        Names { literal: literal.into_iter().collect(), lengths, patterns }
    }

    fn has_literal(&self, name: &str) -> bool {
        self.lengths.get(name.len()) == Some(&true) && self.literal.contains(name)
    }

    fn may_have(&self, name: &str) -> bool {
        self.has_literal(name) || self.patterns.iter().any(|pattern| matches(pattern, name))
    }
}

/// Is it a function that a script can mean?
fn is_function(entry: &Entry<'_>) -> bool {
    entry.is_text() && is_function_name(entry.name)
}

fn symbol(entry: &Entry<'_>) -> Result<Symbol, AttachError> {
    let address = match entry.address() {
        None | Some(0) => return Err(AttachError::HiddenAddresses),
        Some(address) => address,
    };
    let module = entry.module.map(modules::normal);
    Ok(Symbol { address, name: entry.name.to_owned(), module, exported: false })
}

/// Functions that must not be probed; empty if debugfs is not mounted, when the kernel
/// itself still refuses kprobes on them.
fn blacklist() -> HashSet<String> {
    let text = fs::read_to_string(BLACKLIST).unwrap_or_default();
    text.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Absent, Entry, Names, Symbols, Wanted, is_function, symbol};

    #[test]
    fn functions_are_read() {
        let found = symbol(&Entry::parse("ffffffff81234560 T vfs_read").unwrap()).unwrap();
        assert_eq!((found.address, found.name.as_str()), (0xffff_ffff_8123_4560, "vfs_read"));
        let entry = Entry::parse("ffffffffc0001000 t nf_hook\t[nf_tables]").unwrap();
        assert!(is_function(&entry));
        assert_eq!(symbol(&entry).unwrap().module.as_deref(), Some("nf_tables"));
        let is_function = |line| is_function(&Entry::parse(line).unwrap());
        assert!(!is_function("ffffffff81234560 T vfs_read.cold"));
        assert!(!is_function("ffffffff81234560 D jiffies"));
        assert!(symbol(&Entry::parse("0000000000000000 T hidden").unwrap()).is_err());
        assert!(Entry::parse("junk").is_none());
    }

    #[test]
    fn data_is_read() {
        let entry = Entry::parse("ffffffff82000010 D jiffies").unwrap();
        assert!(entry.is_data());
        assert_eq!((entry.name, entry.address()), ("jiffies", Some(0xffff_ffff_8200_0010)));
        assert!(!Entry::parse("ffffffff81234560 T vfs_read").unwrap().is_data());
    }

    #[test]
    fn names_and_patterns_are_known() {
        let wanted = |pattern| Wanted { pattern, module: None, exported: false };
        let names = Names::of(&[wanted("vfs_read"), wanted("tcp_*")]);
        assert!(names.may_have("vfs_read") && names.may_have("tcp_sendmsg"));
        assert!(!names.may_have("vfs_readv"));
    }

    /// Symbols of these names, at some address.
    fn symbols(names: &[&str], made: &[&str], forbidden: &[&str]) -> Symbols {
        let read = |names: &[&str]| {
            let entries = names.iter().map(|name| format!("ffffffff81000010 t {name}"));
            entries.map(|line| symbol(&Entry::parse(&line).unwrap()).unwrap()).collect()
        };
        let forbidden = forbidden.iter().map(|name| (*name).to_owned()).collect();
        Symbols { functions: read(names), made: read(made), forbidden, ..Symbols::default() }
    }

    #[test]
    fn functions_that_the_compiler_changed() {
        let wanted = |pattern| Wanted { pattern, module: None, exported: false };
        let all = symbols(
            &["plain", "never"],
            &["plain.isra.0", "gone.constprop.0.isra.1", "gone.cold", "cut.part.0", "never.cold"],
            &["never"],
        );
        let names = |pattern| {
            let found = all.matching(wanted(pattern)).into_iter();
            found.map(|symbol| symbol.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(names("plain"), ["plain"]);
        assert_eq!(names("gone"), ["gone.constprop.0.isra.1"]);
        assert!(names("cut").is_empty() && names("never").is_empty() && names("other").is_empty());
        let why = |pattern| all.why_absent(wanted(pattern));
        let (name, part) = ("cut".to_owned(), "cut.part.0".to_owned());
        assert_eq!(why("cut"), Some(Absent::Inlined { name, part }));
        assert_eq!(why("never"), Some(Absent::Forbidden("never".to_owned())));
        assert_eq!(why("other"), None);
    }
}

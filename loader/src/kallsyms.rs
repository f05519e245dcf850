// SPDX-License-Identifier: GPL-2.0-or-later
//! Names of the kernel's addresses, for stacks that are only printed: the kernel gathers
//! the addresses, and nobody waits for it to look names up.

use std::cell::OnceCell;
use std::fs;
use std::time::{Duration, Instant};

/// A module may have come since the symbols were read.
const STALE: Duration = Duration::from_secs(5);

/// The kernel's symbols, read when the first address is to be named.
#[derive(Debug, Default)]
pub struct Kallsyms {
    table: OnceCell<Table>,
}

#[derive(Debug)]
struct Table {
    /// Sorted by address.
    symbols: Vec<Symbol>,
    read: Instant,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Symbol {
    address: u64,
    name: String,
    module: Option<String>,
}

impl Kallsyms {
    /// `name+0x1/0x20 [module]`, or the address as a number.
    pub fn name(&mut self, address: u64) -> String {
        if let Some(name) = self.table.get_or_init(Table::read).name(address) {
            return name;
        }
        if self.table.get().is_some_and(|table| table.read.elapsed() > STALE) {
            self.table = OnceCell::from(Table::read());
        }
        let table = self.table.get_or_init(Table::read);
        table.name(address).unwrap_or_else(|| format!("{address:#x}"))
    }

    /// The lines of a stack: its addresses are hexadecimal, with blanks between.
    pub fn lines(&mut self, stack: &str) -> String {
        let line = |word: &str| {
            let address = u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or(0);
            format!(" {word} : {}\n", self.name(address))
        };
        stack.split_ascii_whitespace().map(line).collect()
    }
}

impl Table {
    fn read() -> Table {
        // Without it addresses stay numbers.
        Table::parse(&fs::read_to_string("/proc/kallsyms").unwrap_or_default())
    }

    fn parse(text: &str) -> Table {
        let mut symbols: Vec<Symbol> = text.lines().filter_map(symbol).collect();
        symbols.sort();
        Table { symbols, read: Instant::now() }
    }

    fn name(&self, address: u64) -> Option<String> {
        let after = self.symbols.partition_point(|symbol| symbol.address <= address);
        let last = self.symbols.get(after.checked_sub(1)?)?;
        // Of several names for one address the kernel tells the first.
        let first = self.symbols.partition_point(|symbol| symbol.address < last.address);
        let symbol = self.symbols.get(first)?;
        let end = self.symbols.get(after)?.address;
        let (offset, size) = (address - symbol.address, end - symbol.address);
        let module = symbol.module.as_deref().unwrap_or("kernel");
        Some(format!("{}+{offset:#x}/{size:#x} [{module}]", symbol.name))
    }
}

/// The symbol of a line about text.
fn symbol(line: &str) -> Option<Symbol> {
    let entry = Entry::parse(line).filter(Entry::is_text)?;
    let module = entry.module.map(str::to_owned);
    Some(Symbol { address: entry.address()?, name: entry.name.to_owned(), module })
}

/// A line of /proc/kallsyms: `ffffffff81000000 T name [module]`, with a tab before the
/// module, as `s_show` of kernel/kallsyms.c prints it.
pub(crate) struct Entry<'a> {
    address: &'a str,
    kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) module: Option<&'a str>,
}

impl<'a> Entry<'a> {
    pub(crate) fn parse(line: &'a str) -> Option<Entry<'a>> {
        // Most lines are not wanted and there are many: fields of fixed width are not sought.
        let (address, rest) = line.split_at_checked(16)?;
        let (kind, rest) = rest.strip_prefix(' ')?.split_at_checked(1)?;
        let rest = rest.strip_prefix(' ')?;
        let (name, module) = match rest.split_once('\t') {
            Some((name, module)) => (name, Some(module.trim_matches(['[', ']']))),
            None => (rest, None),
        };
        Some(Entry { address, kind, name, module })
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.kind, "t" | "T" | "w" | "W")
    }

    pub(crate) fn is_data(&self) -> bool {
        matches!(self.kind, "d" | "D" | "b" | "B" | "r" | "R" | "v" | "V")
    }

    /// 0 if the kernel does not tell.
    pub(crate) fn address(&self) -> Option<u64> {
        u64::from_str_radix(self.address, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    const TEXT: &str = "ffffffff81000000 T first\n\
                        ffffffff81000010 t second\n\
                        ffffffff81000010 t also_second\n\
                        ffffffff81000020 D data\n\
                        ffffffff81000030 T third\t[ext4]\n\
                        ffffffff81000040 T end\n";

    #[test]
    fn addresses_are_named() {
        let table = Table::parse(TEXT);
        let name = |address| table.name(address);
        assert_eq!(name(0xffff_ffff_8100_0000).as_deref(), Some("first+0x0/0x10 [kernel]"));
        assert_eq!(name(0xffff_ffff_8100_0018).as_deref(), Some("also_second+0x8/0x20 [kernel]"));
        assert_eq!(name(0xffff_ffff_8100_0031).as_deref(), Some("third+0x1/0x10 [ext4]"));
        assert_eq!(name(0xffff_ffff_8100_0041), None);
        assert_eq!(name(0x10), None);
    }
}

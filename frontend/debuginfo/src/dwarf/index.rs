// SPDX-License-Identifier: GPL-2.0-or-later
//! What the symbols name, to be found without reading them all: a kernel has 160 MB.
//!
//! ```text
//! magic, build id (64 bytes), rows of each table, bytes of names    little-endian u32
//! tables     rows of so many u32, sorted by their first
//! names      each once, sorted, a zero behind each
//! ```
//! It is made once for each build id and kept; what is kept is checked against its sum, for
//! it may be damaged as any file.

mod make;

use super::Reading;
use super::image::Image;
use std::cmp::Ordering;
use std::ops::Range;

const MAGIC: &[u8; 8] = b"STAPDW\x01\n";
const ID_BYTES: usize = 64;
const HEADER_BYTES: usize = 8 + ID_BYTES + 4 * (TABLES + 1) + 8;
const TABLES: usize = 4;

/// A table, with how many words its rows have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Table {
    /// name, file, line, unit, entry, flags
    Functions = 0,
    /// function, unit, entry, kind
    Instances = 1,
    /// name, unit, entry, tag
    Types = 2,
    /// name, unit, entry, file
    Variables = 3,
}

const WIDTHS: [usize; TABLES] = [6, 4, 4, 4];
/// In the flags of a function: it has code of its own.
const HAS_CODE: u32 = 1;
/// The kind of an instance: an inlined one. Others are the function out of line.
const INLINED: u32 = 1;

/// A function: its definition, which may be abstract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FunctionRow {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) unit: usize,
    pub(super) entry: usize,
    /// The entry itself has code.
    pub(super) has_code: bool,
}

/// A copy of a function's code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct InstanceRow {
    pub(super) unit: usize,
    pub(super) entry: usize,
    pub(super) inlined: bool,
}

/// A type or a variable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NamedRow {
    pub(super) unit: usize,
    pub(super) entry: usize,
    /// The tag of a type.
    pub(super) tag: u32,
    /// The file of a variable.
    pub(super) file: String,
}

#[derive(Default)]
pub(super) struct Index {
    bytes: Vec<u8>,
    tables: [Range<usize>; TABLES],
    names: Range<usize>,
}

/// FNV-1a over words: enough to find damage.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    let sum =
        words.iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| step(sum, u64::from_le_bytes(*word)));
    rest.iter().fold(sum, |sum, byte| step(sum, u64::from(*byte)))
}

impl Index {
    /// The bytes of an index of a file.
    pub(super) fn make(image: &Image) -> Reading<Vec<u8>> {
        make::make(image)
    }

    /// An index that was made before, if it is whole and of this build.
    pub(super) fn read(bytes: Vec<u8>, build_id: &str) -> Option<Index> {
        let header = bytes.get(..HEADER_BYTES)?;
        if !header.starts_with(MAGIC) || header.get(8..8 + ID_BYTES)? != id_field(build_id) {
            return None;
        }
        let number = |at: usize| {
            header.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk) as usize)
        };
        let mut start = HEADER_BYTES;
        let mut tables: [Range<usize>; TABLES] = Default::default();
        for (n, (table, width)) in tables.iter_mut().zip(WIDTHS).enumerate() {
            let length = number(8 + ID_BYTES + 4 * n)?.checked_mul(4 * width)?;
            let end = start.checked_add(length)?;
            *table = start..end;
            start = end;
        }
        let end = start.checked_add(number(8 + ID_BYTES + 4 * TABLES)?)?;
        let kept = header.get(HEADER_BYTES - 8..)?.first_chunk().map(|c| u64::from_le_bytes(*c))?;
        if end != bytes.len() || sum(bytes.get(HEADER_BYTES..)?) != kept {
            return None;
        }
        Some(Index { bytes, tables, names: start..end })
    }

    fn row<const N: usize>(&self, table: Table, n: usize) -> Option<[u32; N]> {
        let range = self.tables.get(table as usize)?.clone();
        let start = range.start.checked_add(n.checked_mul(4 * N)?)?;
        let bytes = self.bytes.get(range)?;
        let at = start.checked_sub(self.tables.get(table as usize)?.start)?;
        let bytes = bytes.get(at..at.checked_add(4 * N)?)?;
        let mut row = [0; N];
        for (word, bytes) in row.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Some(row)
    }

    fn rows(&self, table: Table) -> usize {
        let bytes = self.tables.get(table as usize).map_or(0, ExactSizeIterator::len);
        bytes / (4 * WIDTHS.get(table as usize).copied().unwrap_or(1))
    }

    fn name(&self, offset: u32) -> &str {
        let names = self.bytes.get(self.names.clone()).unwrap_or_default();
        let rest = names.get(offset as usize..).unwrap_or_default();
        let length = memchr::memchr(0, rest).unwrap_or(rest.len());
        std::str::from_utf8(&rest[..length]).unwrap_or("")
    }

    /// The rows whose first word compares as equal; rows are sorted by it.
    fn equal<const N: usize>(
        &self,
        table: Table,
        compare: impl Fn(u32) -> Ordering,
    ) -> Vec<[u32; N]> {
        let (mut low, mut high) = (0, self.rows(table));
        while low < high {
            let middle = low.midpoint(high);
            let row = self.row::<N>(table, middle);
            let Some(first) = row.and_then(|row| row.first().copied()) else { return Vec::new() };
            if compare(first) == Ordering::Less { low = middle + 1 } else { high = middle }
        }
        let rows = (low..).map_while(|n| self.row::<N>(table, n));
        rows.take_while(|row| row.first().is_some_and(|first| compare(*first) == Ordering::Equal))
            .collect()
    }

    fn function(&self, row: [u32; 6]) -> FunctionRow {
        let [name, file, line, unit, entry, flags] = row;
        FunctionRow {
            name: self.name(name).to_owned(),
            file: self.name(file).to_owned(),
            line: line.into(),
            unit: unit as usize,
            entry: entry as usize,
            has_code: flags & HAS_CODE != 0,
        }
    }

    /// The functions whose names and files are wanted.
    pub(super) fn functions(&self, wanted: impl Fn(&str, &str) -> bool) -> Vec<FunctionRow> {
        let mut found = Vec::new();
        let mut last = (u32::MAX, u32::MAX, false);
        for n in 0..self.rows(Table::Functions) {
            let Some(row) = self.row::<6>(Table::Functions, n) else { break };
            if (row[0], row[1]) != (last.0, last.1) {
                last = (row[0], row[1], wanted(self.name(row[0]), self.name(row[1])));
            }
            if last.2 {
                found.push(self.function(row));
            }
        }
        found
    }

    /// The functions of a name.
    pub(super) fn functions_named(&self, name: &str) -> Vec<FunctionRow> {
        let rows = self.equal::<6>(Table::Functions, |offset| self.name(offset).cmp(name));
        rows.into_iter().map(|row| self.function(row)).collect()
    }

    /// The copies of the function at this entry.
    pub(super) fn instances(&self, function: usize) -> Vec<InstanceRow> {
        let rows = self.equal::<4>(Table::Instances, |entry| (entry as usize).cmp(&function));
        rows.into_iter()
            .map(|[_, unit, entry, kind]| InstanceRow {
                unit: unit as usize,
                entry: entry as usize,
                inlined: kind == INLINED,
            })
            .collect()
    }

    fn named(&self, table: Table, name: &str) -> Vec<NamedRow> {
        let rows = self.equal::<4>(table, |offset| self.name(offset).cmp(name));
        rows.into_iter()
            .map(|[_, unit, entry, last]| NamedRow {
                unit: unit as usize,
                entry: entry as usize,
                tag: if table == Table::Types { last } else { 0 },
                file: if table == Table::Variables { self.name(last) } else { "" }.to_owned(),
            })
            .collect()
    }

    /// Types of a name.
    pub(super) fn types(&self, name: &str) -> Vec<NamedRow> {
        self.named(Table::Types, name)
    }

    /// Variables of a name, outside functions.
    pub(super) fn variables(&self, name: &str) -> Vec<NamedRow> {
        self.named(Table::Variables, name)
    }
}

/// The build id as the header has it.
fn id_field(build_id: &str) -> [u8; ID_BYTES] {
    let mut field = [0; ID_BYTES];
    for (to, from) in field.iter_mut().zip(build_id.bytes()) {
        *to = from;
    }
    field
}

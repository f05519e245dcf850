// SPDX-License-Identifier: GPL-2.0-or-later
//! One compilation unit as a tree of its entries, whose attributes are read when somebody
//! asks for them.

use super::{Reading, Slice};
use gimli::{AttributeValue, DebugInfoOffset, DwAt, DwTag, UnitOffset, constants};
use std::ops::Range;

/// References from one entry to another: what is longer is damage.
const MAX_REFERENCES: usize = 16;
/// Entries of one unit.
const MAX_ENTRIES: usize = 4_000_000;

/// An entry of the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Its offset in .debug_info.
    pub(super) offset: usize,
    pub(super) tag: DwTag,
    /// Its parent's position; its own if it is the root.
    pub(super) parent: usize,
    /// The position behind its last descendant.
    pub(super) end: usize,
}

/// A unit with its tree.
pub(super) struct Unit {
    pub(super) offset: usize,
    pub(super) nodes: Vec<Node>,
}

impl Unit {
    pub(super) fn read(dwarf: &gimli::Dwarf<Slice<'_>>, offset: usize) -> Reading<Unit> {
        let unit = open(dwarf, offset)?;
        let mut nodes: Vec<Node> = Vec::new();
        let mut open_nodes: Vec<usize> = Vec::new();
        let mut entries = unit.entries_raw(None)?;
        while !entries.is_empty() && nodes.len() < MAX_ENTRIES {
            let depth = usize::try_from(entries.next_depth()).unwrap_or(0);
            let at = offset.saturating_add(entries.next_offset().0);
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            let tag = abbreviation.tag();
            entries.skip_attributes(abbreviation.attributes())?;
            let n = nodes.len();
            while open_nodes.len() > depth {
                if let Some(node) = open_nodes.pop().and_then(|closed| nodes.get_mut(closed)) {
                    node.end = n;
                }
            }
            let parent = open_nodes.last().copied().unwrap_or(n);
            nodes.push(Node { offset: at, tag, parent, end: n + 1 });
            open_nodes.push(n);
        }
        let count = nodes.len();
        for n in open_nodes {
            if let Some(node) = nodes.get_mut(n) {
                node.end = count;
            }
        }
        Ok(Unit { offset, nodes })
    }

    /// The position of the entry at an offset.
    pub(super) fn position(&self, offset: usize) -> Option<usize> {
        self.nodes.binary_search_by_key(&offset, |node| node.offset).ok()
    }

    /// The positions of an entry's children.
    pub(super) fn children(&self, parent: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.nodes.get(parent).map_or(0, |node| node.end);
        let mut next = parent + 1;
        std::iter::from_fn(move || {
            let n = next;
            if n >= end {
                return None;
            }
            next = self.nodes.get(n)?.end.max(n + 1);
            Some(n)
        })
    }

    /// Its ancestors, the nearest first.
    pub(super) fn ancestors(&self, n: usize) -> impl Iterator<Item = usize> + '_ {
        let mut at = n;
        std::iter::from_fn(move || {
            let parent = self.nodes.get(at)?.parent;
            if parent >= at {
                return None;
            }
            at = parent;
            Some(parent)
        })
    }
}

/// The header, abbreviations and line program of the unit at an offset.
pub(super) fn open<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    offset: usize,
) -> Reading<gimli::Unit<Slice<'a>>> {
    dwarf.unit(dwarf.unit_header(DebugInfoOffset(offset))?)
}

/// An open unit with what is needed to read its entries.
pub(super) struct Reader<'a> {
    pub(super) dwarf: gimli::Dwarf<Slice<'a>>,
    pub(super) unit: gimli::Unit<Slice<'a>>,
    pub(super) offset: usize,
}

/// An entry with its attributes.
pub(super) type Entry<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;

impl<'a> Reader<'a> {
    pub(super) fn new(dwarf: gimli::Dwarf<Slice<'a>>, offset: usize) -> Reading<Reader<'a>> {
        let unit = open(&dwarf, offset)?;
        Ok(Reader { dwarf, unit, offset })
    }

    /// The entry at an offset in .debug_info.
    pub(super) fn entry(&self, offset: usize) -> Reading<Entry<'a>> {
        let within = offset.checked_sub(self.offset).ok_or(gimli::Error::OffsetOutOfBounds(0))?;
        self.unit.entry(UnitOffset(within))
    }

    /// The offset in .debug_info that an attribute refers to, within this unit.
    pub(super) fn reference(&self, value: Option<AttributeValue<Slice<'a>>>) -> Option<usize> {
        match value? {
            AttributeValue::UnitRef(offset) => self.offset.checked_add(offset.0),
            AttributeValue::DebugInfoRef(offset) => Some(offset.0),
            _ => None,
        }
    }

    /// An attribute of the entry, or of the one that it is an instance of or completes.
    pub(super) fn attribute(
        &self,
        entry: &Entry<'a>,
        name: DwAt,
    ) -> Option<AttributeValue<Slice<'a>>> {
        self.whole_attribute(entry, name).map(|attribute| attribute.value())
    }

    fn whole_attribute(
        &self,
        entry: &Entry<'a>,
        name: DwAt,
    ) -> Option<gimli::Attribute<Slice<'a>>> {
        let mut at = entry.clone();
        for _ in 0..MAX_REFERENCES {
            if let Some(attribute) = at.attr(name) {
                return Some(*attribute);
            }
            let next = self
                .reference(at.attr_value(constants::DW_AT_abstract_origin))
                .or_else(|| self.reference(at.attr_value(constants::DW_AT_specification)))?;
            at = self.entry(next).ok()?;
        }
        None
    }

    pub(super) fn text(&self, value: Option<AttributeValue<Slice<'a>>>) -> Option<String> {
        let slice = self.dwarf.attr_string(&self.unit, value?).ok()?;
        Some(slice.to_string_lossy().into_owned())
    }

    pub(super) fn name(&self, entry: &Entry<'a>) -> Option<String> {
        self.text(self.attribute(entry, constants::DW_AT_name))
    }

    pub(super) fn number(&self, entry: &Entry<'a>, name: DwAt) -> Option<u64> {
        self.whole_attribute(entry, name)?.udata_value()
    }

    /// The addresses that an entry covers.
    pub(super) fn ranges(&self, entry: &Entry<'a>) -> Vec<Range<u64>> {
        let mut found = Vec::new();
        if let Some(value) = entry.attr_value(constants::DW_AT_ranges) {
            if let Ok(Some(mut ranges)) = self.dwarf.attr_ranges(&self.unit, value) {
                while let Ok(Some(range)) = ranges.next() {
                    found.push(range.begin..range.end);
                }
            }
        } else if let Some(range) = self.whole_range(entry) {
            found.push(range);
        }
        found.retain(|range| range.start < range.end);
        found
    }

    /// From the first address to the last, which may be given as a length.
    fn whole_range(&self, entry: &Entry<'a>) -> Option<Range<u64>> {
        let address = |value| self.dwarf.attr_address(&self.unit, value).ok().flatten();
        let low = address(entry.attr_value(constants::DW_AT_low_pc)?)?;
        let high = entry.attr_value(constants::DW_AT_high_pc)?;
        let end = match address(high) {
            Some(end) => end,
            None => low.checked_add(high.udata_value()?)?,
        };
        Some(low..end)
    }

    /// The first instruction of a function or of an inlined instance.
    pub(super) fn entry_pc(&self, entry: &Entry<'a>) -> Option<u64> {
        let low = entry.attr_value(constants::DW_AT_low_pc);
        let low = low.and_then(|value| self.dwarf.attr_address(&self.unit, value).ok().flatten());
        let low = low.or_else(|| self.ranges(entry).first().map(|range| range.start));
        let Some(value) = entry.attr_value(constants::DW_AT_entry_pc) else { return low };
        if let Ok(Some(address)) = self.dwarf.attr_address(&self.unit, value) {
            return Some(address);
        }
        // An offset from the first address.
        low.zip(value.udata_value()).and_then(|(low, offset)| low.checked_add(offset))
    }

    /// The path of a file of the line table, as SystemTap writes it: without the folder that
    /// the compiler ran in.
    pub(super) fn file(&self, index: u64) -> Option<String> {
        let header = self.unit.line_program.as_ref()?.header();
        let file = header.file(index)?;
        let name = self.text(Some(file.path_name()))?;
        if name.starts_with('/') {
            return Some(name);
        }
        let folder = match file.directory_index() {
            0 => String::new(),
            _ => self.text(file.directory(header)).unwrap_or_default(),
        };
        let top = self.unit.comp_dir.map(|folder| folder.to_string_lossy().into_owned());
        let folder = match top {
            Some(top) if folder == top => "",
            Some(top) => folder.strip_prefix(&format!("{top}/")).unwrap_or(&folder),
            None => &folder,
        };
        let folder = folder.strip_prefix("./").unwrap_or(folder);
        Some(if folder.is_empty() || folder == "." { name } else { format!("{folder}/{name}") })
    }
}

/// Has a whole number of this encoding a sign? `None` if it is none.
pub(super) fn is_signed(encoding: gimli::DwAte) -> Option<bool> {
    match encoding {
        gimli::DW_ATE_signed | gimli::DW_ATE_signed_char => Some(true),
        gimli::DW_ATE_unsigned
        | gimli::DW_ATE_unsigned_char
        | gimli::DW_ATE_boolean
        | gimli::DW_ATE_address => Some(false),
        _ => None,
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The object file: a kernel, whose addresses are fixed up to where it is moved as a whole,
//! or a module, whose sections the kernel puts anywhere.

use super::{DebugError, Slice};
use gimli::{LittleEndian, SectionId};
use object::{
    Object, ObjectKind, ObjectSection, ObjectSymbol, RelocationKind, RelocationTarget, SectionIndex,
};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The bytes of a file, in memory or mapped.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Symbol from which offsets count in the kernel.
const ANCHOR: &str = "_stext";
/// Where the first section of a module is taken to be, and what the others' places are
/// multiples of: they have no addresses of their own.
const SECTION_UNIT: u64 = 1 << 16;
/// Most bytes of sections that are copied to be relocated.
const MAX_COPIED: usize = 1 << 30;

/// Bytes of a section.
enum Data {
    /// As they are in the file.
    File(Range<usize>),
    /// Relocated.
    Own(Vec<u8>),
}

/// Where sections that are loaded lie.
struct Loaded {
    name: String,
    range: Range<u64>,
}

pub(super) struct Image {
    bytes: Bytes,
    sections: HashMap<&'static str, Data>,
    pub(super) build_id: String,
    /// Address of [`ANCHOR`]; `None` for a module.
    anchor: Option<u64>,
    loaded: Vec<Loaded>,
}

const WANTED: [SectionId; 14] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugFrame,
    SectionId::EhFrame,
];

impl Image {
    pub(super) fn new(bytes: Bytes, path: &str) -> Result<Image, DebugError> {
        let not_elf = |error: object::Error| DebugError::NotElf {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let all = (*bytes).as_ref();
        let elf = object::File::parse(all).map_err(not_elf)?;
        let relocatable = elf.kind() == ObjectKind::Relocatable;
        let mut loaded = Vec::new();
        let mut starts: HashMap<SectionIndex, u64> = HashMap::new();
        let mut next = SECTION_UNIT;
        for section in elf.sections() {
            let is_loaded = !matches!(
                section.kind(),
                object::SectionKind::Other
                    | object::SectionKind::Debug
                    | object::SectionKind::DebugString
                    | object::SectionKind::Metadata
                    | object::SectionKind::OtherString
            );
            if !is_loaded {
                continue;
            }
            let start = match relocatable {
                true => next,
                false => section.address(),
            };
            let end = start.saturating_add(section.size().max(1));
            next = end.div_ceil(SECTION_UNIT).saturating_mul(SECTION_UNIT);
            starts.insert(section.index(), start);
            let name = section.name().unwrap_or_default().to_owned();
            loaded.push(Loaded { name, range: start..end });
        }
        let mut sections = HashMap::new();
        let mut copied = 0usize;
        for id in WANTED {
            let Some(section) = elf.section_by_name(id.name()) else { continue };
            let data = section.data().map_err(not_elf)?;
            if relocatable && section.relocations().next().is_some() {
                copied = copied.saturating_add(data.len());
                if copied > MAX_COPIED {
                    let reason = "its sections are too large".to_owned();
                    return Err(DebugError::NotElf { path: path.to_owned(), reason });
                }
                sections.insert(id.name(), Data::Own(relocated(&elf, &section, data, &starts)));
            } else if let Some((start, size)) = section.file_range()
                && let (Ok(start), Ok(size)) = (usize::try_from(start), usize::try_from(size))
                && let Some(end) = start.checked_add(size)
                && size == data.len()
                && end <= all.len()
            {
                sections.insert(id.name(), Data::File(start..end));
            }
        }
        if !sections.contains_key(SectionId::DebugInfo.name()) {
            return Err(DebugError::NoSymbols { path: path.to_owned() });
        }
        let build_id = build_id(&elf, path)?;
        let anchor = if relocatable { None } else { anchor(&elf) };
        drop(elf);
        Ok(Image { bytes, sections, build_id, anchor, loaded })
    }

    /// The bytes of a section, none if there is no such.
    fn section(&self, id: SectionId) -> Slice<'_> {
        let bytes = match self.sections.get(id.name()) {
            Some(Data::File(range)) => (*self.bytes).as_ref().get(range.clone()),
            Some(Data::Own(bytes)) => Some(bytes.as_slice()),
            None => None,
        };
        Slice::new(bytes.unwrap_or_default(), LittleEndian)
    }

    /// All of it, as gimli wants it; costs nothing.
    pub(super) fn dwarf(&self) -> gimli::Dwarf<Slice<'_>> {
        let loaded: Result<_, std::convert::Infallible> =
            gimli::Dwarf::load(|id| Ok(self.section(id)));
        match loaded {
            Ok(dwarf) => dwarf,
            Err(never) => match never {},
        }
    }

    pub(super) fn debug_frame(&self) -> gimli::DebugFrame<Slice<'_>> {
        let mut frame = gimli::DebugFrame::from(self.section(SectionId::DebugFrame));
        frame.set_address_size(8);
        frame
    }

    pub(super) fn eh_frame(&self) -> (gimli::EhFrame<Slice<'_>>, gimli::BaseAddresses) {
        let mut frame = gimli::EhFrame::from(self.section(SectionId::EhFrame));
        frame.set_address_size(8);
        let start = self.loaded.iter().find(|section| section.name == ".eh_frame");
        let bases = gimli::BaseAddresses::default();
        let bases = match start {
            Some(section) => bases.set_eh_frame(section.range.start),
            None => bases,
        };
        (frame, bases)
    }

    /// The section, if it is a module's, and the offset of an address.
    pub(super) fn place(&self, address: u64) -> Option<(Option<String>, u64)> {
        let section = self.loaded.iter().find(|section| section.range.contains(&address))?;
        Some(match self.anchor {
            Some(anchor) => (None, address.wrapping_sub(anchor)),
            None => (Some(section.name.clone()), address.checked_sub(section.range.start)?),
        })
    }
}

/// The build id of a file with debug symbols.
pub(super) fn identify(bytes: &Bytes, path: &str) -> Result<String, DebugError> {
    let not_elf = |error: object::Error| DebugError::NotElf {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let elf = object::File::parse((**bytes).as_ref()).map_err(not_elf)?;
    let symbols = elf.section_by_name(SectionId::DebugInfo.name());
    // Where symbols were split off, the section is there, but not in the file.
    if symbols.and_then(|section| section.data().ok()).is_none_or(<[u8]>::is_empty) {
        return Err(DebugError::NoSymbols { path: path.to_owned() });
    }
    build_id(&elf, path)
}

fn build_id(elf: &object::File<'_>, path: &str) -> Result<String, DebugError> {
    let found = elf.build_id().ok().flatten().map(hexadecimal);
    // The kernel's notes share a section that has another name.
    let notes = || build_id_of_notes(elf.section_by_name(".notes")?.data().ok()?);
    found.or_else(notes).ok_or_else(|| DebugError::NoBuildId { path: path.to_owned() })
}

fn anchor(elf: &object::File<'_>) -> Option<u64> {
    let named = elf.symbols().find(|symbol| symbol.name() == Ok(ANCHOR));
    // Test objects have none: there, the first section of code will do.
    named
        .map(|symbol| symbol.address())
        .or_else(|| elf.section_by_name(".text").map(|section| section.address()))
}

/// A section with the addresses that the linker has left open.
fn relocated<'a>(
    elf: &object::File<'a>,
    section: &object::Section<'a, '_>,
    data: &[u8],
    starts: &HashMap<SectionIndex, u64>,
) -> Vec<u8> {
    let mut bytes = data.to_vec();
    let own = starts.get(&section.index()).copied().unwrap_or(0);
    for (offset, relocation) in section.relocations() {
        let target = match relocation.target() {
            RelocationTarget::Symbol(index) => {
                let Ok(symbol) = elf.symbol_by_index(index) else { continue };
                let start = symbol.section_index().and_then(|index| starts.get(&index));
                symbol.address().wrapping_add(start.copied().unwrap_or(0))
            }
            RelocationTarget::Section(index) => starts.get(&index).copied().unwrap_or(0),
            _ => continue,
        };
        let value = target.wrapping_add(relocation.addend().cast_unsigned());
        let value = match relocation.kind() {
            RelocationKind::Absolute => value,
            RelocationKind::Relative => value.wrapping_sub(own.wrapping_add(offset)),
            _ => continue,
        };
        let width = usize::from(relocation.size() / 8);
        let place = usize::try_from(offset).ok().and_then(|at| {
            let end = at.checked_add(width)?;
            bytes.get_mut(at..end)
        });
        if let (Some(place), Some(value)) = (place, value.to_le_bytes().get(..width)) {
            place.copy_from_slice(value);
        }
    }
    bytes
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The build id among ELF notes, as /sys/kernel/notes has them.
pub fn build_id_of_notes(notes: &[u8]) -> Option<String> {
    const BUILD_ID: u32 = 3;
    let word = |at: usize| notes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk));
    let mut at = 0usize;
    loop {
        let (name, length, kind) = (word(at)?, word(at + 4)?, word(at + 8)?);
        let start = at.checked_add(12)?;
        let description = start.checked_add(name as usize)?.next_multiple_of(4);
        let end = description.checked_add(length as usize)?;
        let is_gnu = notes.get(start..)?.starts_with(b"GNU\0");
        if kind == BUILD_ID && name == 4 && is_gnu {
            return notes.get(description..end).map(hexadecimal);
        }
        at = end.next_multiple_of(4);
    }
}

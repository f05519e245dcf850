// SPDX-License-Identifier: GPL-2.0-or-later
//! BTF, the type format that the kernel carries
//! (Documentation/bpf/btf.rst).
//!
//! ```text
//! header | types: {name, kind and count, size or type} + what the kind adds | strings
//! ```
//! Reading a file walks over its types once, to check their extents and to note where
//! each begins; a type is decoded when somebody looks at it. The BTF of a module is
//! split: its types and strings are numbered on from those of the kernel's.
//!
//! Bytes come from outside and may say anything: every length is checked, an index that
//! leads nowhere gives nothing, and followers of chains count their steps.

pub mod build;
mod kind;
mod names;

pub use kind::{Enumerator, Kind, Member, Members, Parameter};
use names::NameIndex;
use std::sync::{Arc, OnceLock};

const MAGIC: u16 = 0xeb9f;
const HEADER_BYTES: usize = 24;
/// Bytes of every type before what its kind adds.
const TYPE_BYTES: usize = 12;

/// Why bytes are no BTF.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BtfError {
    /// Fewer bytes than the header or than it says.
    #[error("truncated: {needed} bytes needed, {have} there")]
    Truncated {
        /// Bytes that should be there.
        needed: u64,
        /// Bytes that are.
        have: u64,
    },
    /// The first bytes are not the magic number.
    #[error("not BTF (magic number {0:#06x})")]
    BadMagic(u16),
    /// A version that this reader does not know.
    #[error("BTF version {0} is not supported")]
    BadVersion(u8),
    /// A type has a kind that this reader does not know.
    #[error("type {id} is of unknown kind {kind}")]
    UnknownKind {
        /// The type.
        id: u32,
        /// Its kind.
        kind: u8,
    },
    /// A type leaves the type section.
    #[error("type {0} leaves the type section")]
    TypeOutOfBounds(u32),
    /// More types than there can be numbers.
    #[error("too many types")]
    TooManyTypes,
}

/// The types of the kernel, or of a module on top of them.
#[derive(Debug)]
pub struct Btf {
    bytes: Vec<u8>,
    /// Where the strings are.
    strings: std::ops::Range<usize>,
    /// Where each type begins; the first is number `first`.
    types: Vec<u32>,
    first: u32,
    /// Offset that the first own string has.
    first_string: u32,
    base: Option<Arc<Btf>>,
    /// Its own types by name, once one has been looked up.
    index: OnceLock<NameIndex>,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

impl Btf {
    /// Reads a BTF section; `base` is what the BTF of a module builds upon.
    ///
    /// # Errors
    /// [`BtfError`] with what is wrong.
    pub fn new(bytes: Vec<u8>, base: Option<Arc<Btf>>) -> Result<Btf, BtfError> {
        let have = bytes.len() as u64;
        let truncated = |needed: u64| BtfError::Truncated { needed, have };
        let word = |at: usize| u32_at(&bytes, at).ok_or(truncated(HEADER_BYTES as u64));
        let magic = u16_at(&bytes, 0).ok_or(truncated(HEADER_BYTES as u64))?;
        if magic != MAGIC {
            return Err(BtfError::BadMagic(magic));
        }
        let version = *bytes.get(2).ok_or(truncated(HEADER_BYTES as u64))?;
        if version != 1 {
            return Err(BtfError::BadVersion(version));
        }
        let section = |offset: u32, length: u32| {
            let start = u64::from(word(4)?) + u64::from(offset);
            let end = start + u64::from(length);
            if end > have { Err(truncated(end)) } else { Ok(start as usize..end as usize) }
        };
        let types = section(word(8)?, word(12)?)?;
        let strings = section(word(16)?, word(20)?)?;
        let (first, first_string) = match &base {
            Some(base) => (base.end(), base.string_end()),
            None => (1, 0),
        };
        let types = positions(&bytes, types, first)?;
        Ok(Btf { bytes, strings, types, first, first_string, base, index: OnceLock::new() })
    }

    /// The number after the last type's.
    fn end(&self) -> u32 {
        self.first + self.types.len() as u32
    }

    fn string_end(&self) -> u32 {
        self.first_string.saturating_add(self.strings.len() as u32)
    }

    /// The BTF that this one builds upon.
    pub fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }

    /// The numbers of its own types.
    pub fn own_types(&self) -> std::ops::Range<u32> {
        self.first..self.end()
    }

    /// The string at an offset; empty if there is none.
    fn string(&self, offset: u32) -> &str {
        std::str::from_utf8(self.string_bytes(offset)).unwrap_or("")
    }

    fn string_bytes(&self, offset: u32) -> &[u8] {
        let Some(own) = offset.checked_sub(self.first_string) else {
            return self.base.as_ref().map_or(&[], |base| base.string_bytes(offset));
        };
        let strings = self.bytes.get(self.strings.clone()).unwrap_or_default();
        let rest = strings.get(own as usize..).unwrap_or_default();
        let length = memchr::memchr(0, rest).unwrap_or(rest.len());
        &rest[..length]
    }

    /// A type's three words and where its further words begin.
    fn header(&self, id: u32) -> Option<(u32, u32, u32, usize)> {
        let at = *self.types.get(id.checked_sub(self.first)? as usize)? as usize;
        let word = |n: usize| u32_at(&self.bytes, at + 4 * n);
        Some((word(0)?, word(1)?, word(2)?, at + TYPE_BYTES))
    }

    /// The name of a type; empty if it has none.
    pub fn name(&self, id: u32) -> &str {
        if let Some(base) = &self.base
            && id < self.first
        {
            return base.name(id);
        }
        self.header(id).map_or("", |(name, ..)| self.string(name))
    }

    /// What a type is; [`Kind::Void`] for 0 and for numbers that no type has.
    pub fn kind(&self, id: u32) -> Kind<'_> {
        if let Some(base) = &self.base
            && id < self.first
        {
            return base.kind(id);
        }
        self.header(id)
            .map_or(Kind::Void, |(_, info, word, rest)| kind::decode(self, info, word, rest))
    }

    /// Is the type a function? Cheaper than [`Btf::kind`].
    pub fn is_function(&self, id: u32) -> bool {
        self.header(id).is_some_and(|(_, info, ..)| kind::is_function(info))
    }

    /// ` const` or another word of a modifier; empty for a tag.
    pub(crate) fn qualifier(&self, id: u32) -> &'static str {
        match &self.base {
            Some(base) if id < self.first => base.qualifier(id),
            _ => self.header(id).map_or("", |(_, info, ..)| kind::qualifier(info)),
        }
    }

    /// All types with this name, those of the base first.
    pub fn named(&self, name: &str) -> Vec<u32> {
        let mut found = self.base.as_ref().map_or_else(Vec::new, |base| base.named(name));
        found.extend(self.own_named(name));
        found
    }

    /// Its own types with this name.
    pub fn own_named(&self, name: &str) -> Vec<u32> {
        if name.is_empty() {
            return Vec::new();
        }
        let own_name = |place: u32| {
            let offset = self.header(self.first + place).map_or(0, |(offset, ..)| offset);
            self.string_bytes(offset)
        };
        let names = (0..self.types.len()).map(|place| own_name(place as u32));
        let index = self.index.get_or_init(|| NameIndex::new(names));
        let candidates = index.candidates(name.as_bytes());
        let found = candidates.filter(|place| own_name(*place) == name.as_bytes());
        found.map(|place| self.first + place).collect()
    }
}

/// Where each type begins.
fn positions(
    bytes: &[u8],
    section: std::ops::Range<usize>,
    first: u32,
) -> Result<Vec<u32>, BtfError> {
    // Most types take 12 to 24 bytes.
    let mut positions = Vec::with_capacity(section.len() / 24);
    let mut at = section.start;
    while at < section.end {
        let id = u32::try_from(positions.len()).ok().and_then(|n| n.checked_add(first));
        let id = id.ok_or(BtfError::TooManyTypes)?;
        let out_of_bounds = BtfError::TypeOutOfBounds(id);
        let info = u32_at(bytes, at + 4).ok_or(out_of_bounds)?;
        let more = kind::extra_bytes(info)
            .ok_or(BtfError::UnknownKind { id, kind: kind::number(info) })?;
        positions.push(u32::try_from(at).map_err(|_| out_of_bounds)?);
        at += TYPE_BYTES + more;
        if at > section.end {
            return Err(out_of_bounds);
        }
    }
    Ok(positions)
}

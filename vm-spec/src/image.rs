// SPDX-License-Identifier: GPL-2.0-or-later
//! The program image: the fixed layout that the kernel reads.
//!
//! ```text
//! Header                      magic, version, limits, one range per section
//! section 0..                 each 8-byte aligned, records of a fixed size
//! ```
//! The image is handed over as 64-bit words, so every section is aligned, and all
//! of it is little-endian. [`Image::parse`] checks that every section lies inside
//! the image and gives typed slices into it without copying; what the records say
//! is checked by [`crate::verify`].

mod records;

pub use records::*;

use crate::format::PieceRecord;
use crate::ids::*;
use crate::insn::Insn;
use crate::limits;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// First word of every image: `STAPVM` and two bytes that break text transfers.
pub const MAGIC: u64 = u64::from_le_bytes(*b"STAPVM\r\x1a");
/// Version of the layout. A kernel module refuses any other.
pub const VERSION: u32 = 2;

/// Sections of the image, in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Section {
    /// [`Insn`]s of all functions.
    Code,
    /// 64-bit constants.
    Longs,
    /// [`StringRecord`]s.
    Strings,
    /// Bytes of the strings; no record structure.
    Bytes,
    /// [`FunctionRecord`]s.
    Functions,
    /// [`LockRecord`]s, a run for each function.
    Locks,
    /// [`ScalarRecord`]s.
    Scalars,
    /// [`MapRecord`]s.
    Maps,
    /// [`ProbeRecord`]s.
    Probes,
    /// [`FormatRecord`]s.
    Formats,
    /// [`PieceRecord`]s, a run for each format.
    Pieces,
    /// [`CatchRecord`]s, a run for each function.
    Catches,
    /// [`RegexRecord`]s.
    Regexes,
    /// 16-bit words of the regular expressions.
    RegexWords,
    /// [`RelocationRecord`]s.
    Relocations,
}

impl Section {
    /// How many sections there are.
    pub const COUNT: usize = 15;
}

/// Where a section lies.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SectionRange {
    /// Bytes from the start of the image, a multiple of 8.
    pub offset: u32,
    /// Number of records (of bytes in [`Section::Bytes`]).
    pub count: u32,
}

/// The first bytes of an image.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C, align(8))]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Bytes of the whole image, this header included; a multiple of 8.
    pub total_bytes: u32,
    /// `MAXSTRINGLEN`: bytes a string may have, one of them unused.
    pub string_length: u32,
    /// `MAXNESTING`: deepest nesting of calls.
    pub call_depth: u32,
    /// `MAXERRORS`: run-time errors that do not yet end the session.
    pub max_errors: u32,
    /// `MAXSKIPPED`: skipped hits that do not yet end the session.
    pub max_skipped: u32,
    /// One range per section, in the order of [`Section`].
    pub sections: [SectionRange; Section::COUNT],
}

/// Why a sequence of words is no image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageError {
    /// Fewer bytes than the header or than it says.
    Truncated {
        /// Bytes that should be there.
        needed: u64,
        /// Bytes that are.
        have: u64,
    },
    /// The first word is not [`MAGIC`].
    BadMagic(u64),
    /// A layout that this version does not read.
    BadVersion(u32),
    /// More than [`limits::MAX_IMAGE_BYTES`].
    TooLarge(u64),
    /// The section does not start at a multiple of 8.
    Misaligned(Section),
    /// The section lies (partly) outside the image.
    OutOfBounds(Section),
    /// A limit in the header is 0 or above what is allowed.
    BadLimit(u32),
}

impl core::fmt::Display for ImageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            ImageError::Truncated { needed, have } => {
                write!(f, "truncated image: {needed} bytes needed, {have} there")
            }
            ImageError::BadMagic(word) => write!(f, "not a program image (first word {word:#x})"),
            ImageError::BadVersion(v) => {
                write!(f, "image layout version {v}, this one reads {VERSION}")
            }
            ImageError::TooLarge(n) => write!(f, "image of {n} bytes is too large"),
            ImageError::Misaligned(s) => write!(f, "section {s:?} is not aligned"),
            ImageError::OutOfBounds(s) => write!(f, "section {s:?} leaves the image"),
            ImageError::BadLimit(n) => write!(f, "header limit {n} is out of range"),
        }
    }
}

impl core::error::Error for ImageError {}

/// Typed slices into an image whose sections lie in bounds. What the records say is
/// not checked yet: that is the verifier's work.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The header's limits.
    pub header: &'a Header,
    /// Instructions of all functions.
    pub code: &'a [Insn],
    /// 64-bit constants.
    pub longs: &'a [i64],
    /// String constants.
    pub strings: &'a [StringRecord],
    /// Bytes of the string constants.
    pub bytes: &'a [u8],
    /// Functions and handlers.
    pub functions: &'a [FunctionRecord],
    /// Lock sets.
    pub locks: &'a [LockRecord],
    /// Globals of type long.
    pub scalars: &'a [ScalarRecord],
    /// Maps.
    pub maps: &'a [MapRecord],
    /// Probes.
    pub probes: &'a [ProbeRecord],
    /// Formats.
    pub formats: &'a [FormatRecord],
    /// Pieces of formats.
    pub pieces: &'a [PieceRecord],
    /// Catch ranges.
    pub catches: &'a [CatchRecord],
    /// Regular expressions.
    pub regexes: &'a [RegexRecord],
    /// Their words.
    pub regex_words: &'a [u16],
    /// Relocations.
    pub relocations: &'a [RelocationRecord],
}

impl<'a> Image<'a> {
    /// Finds the sections of an image. Words after `total_bytes` are refused.
    ///
    /// # Errors
    /// [`ImageError`] with what is wrong where.
    pub fn parse(words: &'a [u64]) -> Result<Image<'a>, ImageError> {
        let bytes = words.as_bytes();
        let have = bytes.len() as u64;
        if have > u64::from(limits::MAX_IMAGE_BYTES) {
            return Err(ImageError::TooLarge(have));
        }
        let Ok((header, _)) = Header::ref_from_prefix(bytes) else {
            return Err(ImageError::Truncated { needed: size_of::<Header>() as u64, have });
        };
        if header.magic != MAGIC {
            return Err(ImageError::BadMagic(header.magic));
        }
        if header.version != VERSION {
            return Err(ImageError::BadVersion(header.version));
        }
        if u64::from(header.total_bytes) != have {
            return Err(ImageError::Truncated { needed: header.total_bytes.into(), have });
        }
        for (value, most) in [
            (header.string_length, limits::MAX_STRING_LENGTH),
            (header.call_depth, limits::MAX_CALL_DEPTH),
        ] {
            if value == 0 || value > most {
                return Err(ImageError::BadLimit(value));
            }
        }
        Ok(Image {
            header,
            code: section(header, bytes, Section::Code)?,
            longs: section(header, bytes, Section::Longs)?,
            strings: section(header, bytes, Section::Strings)?,
            bytes: section(header, bytes, Section::Bytes)?,
            functions: section(header, bytes, Section::Functions)?,
            locks: section(header, bytes, Section::Locks)?,
            scalars: section(header, bytes, Section::Scalars)?,
            maps: section(header, bytes, Section::Maps)?,
            probes: section(header, bytes, Section::Probes)?,
            formats: section(header, bytes, Section::Formats)?,
            pieces: section(header, bytes, Section::Pieces)?,
            catches: section(header, bytes, Section::Catches)?,
            regexes: section(header, bytes, Section::Regexes)?,
            regex_words: section(header, bytes, Section::RegexWords)?,
            relocations: section(header, bytes, Section::Relocations)?,
        })
    }

    /// The bytes of a string constant; empty if the program has no such constant
    /// (the verifier has proved that it does).
    #[inline]
    pub fn string(&self, id: StrId) -> &'a [u8] {
        self.try_string(id).unwrap_or_default()
    }

    /// The bytes of a string constant, if the program has it and it is in bounds.
    pub fn try_string(&self, id: StrId) -> Option<&'a [u8]> {
        let record = self.strings.get(id.index())?;
        let start = record.offset as usize;
        self.bytes.get(start..start.checked_add(record.length as usize)?)
    }

    /// The pieces of a format.
    pub fn pieces_of(&self, id: FormatId) -> &'a [PieceRecord] {
        let Some(format) = self.formats.get(id.index()) else { return &[] };
        run(self.pieces, format.first_piece, format.piece_count).unwrap_or_default()
    }

    /// The lock set of a function.
    pub fn locks_of(&self, function: &FunctionRecord) -> &'a [LockRecord] {
        run(self.locks, function.first_lock, function.lock_count.into()).unwrap_or_default()
    }

    /// The catch ranges of a function, inner ones first.
    pub fn catches_of(&self, function: &FunctionRecord) -> &'a [CatchRecord] {
        run(self.catches, function.first_catch, function.catch_count.into()).unwrap_or_default()
    }
}

/// `count` records from `first`, if they are all there.
pub(crate) fn run<T>(table: &[T], first: u32, count: u32) -> Option<&[T]> {
    let first = first as usize;
    table.get(first..first.checked_add(count as usize)?)
}

fn section<'a, T: FromBytes + Immutable + KnownLayout>(
    header: &Header,
    bytes: &'a [u8],
    which: Section,
) -> Result<&'a [T], ImageError> {
    let out_of_bounds = Err(ImageError::OutOfBounds(which));
    let Some(range) = header.sections.get(which as usize) else { return out_of_bounds };
    if range.offset % 8 != 0 {
        return Err(ImageError::Misaligned(which));
    }
    let Some(tail) = bytes.get(range.offset as usize..) else { return out_of_bounds };
    match <[T]>::ref_from_prefix_with_elems(tail, range.count as usize) {
        Ok((records, _)) => Ok(records),
        Err(_) => out_of_bounds,
    }
}

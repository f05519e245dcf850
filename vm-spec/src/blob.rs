// SPDX-License-Identifier: GPL-2.0-or-later
//! The .sbc file: a program to ship.
//!
//! ```text
//! 0   magic            8 bytes, STAPSBC\x1a
//! 8   format version   u32
//! 12  word size        u8 (8), byte order u8 (1: little), two zero bytes
//! 16  section count    u32
//! 20  zero             u32
//! 24  section table    kind u32, zero u32, offset u64, length u64, SHA-256 (32 bytes)
//!     sections         each at the next multiple of 8, zeros between them
//! ```
//! Sections: the image (the very words that the kernel gets), the probe points, the
//! source map, the description and the relocations; all but the first are bincode, read with a size limit.
//! Each occurs once; an unknown one is refused by its number. The kernel never sees
//! this file.

use crate::ids::ProbeId;
use crate::limits;
use crate::relocation::{ImagePlace, Relocation};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// First bytes of every blob.
pub const MAGIC: [u8; 8] = *b"STAPSBC\x1a";
/// Version of the file format.
pub const VERSION: u32 = 4;

const HEADER_BYTES: usize = 24;
const ENTRY_BYTES: usize = 56;
const WORD_SIZE: u8 = 8;
const LITTLE_ENDIAN: u8 = 1;
/// Most bytes that a bincode section may take in memory.
const DECODE_LIMIT: usize = 64 << 20;

/// Where a probe attaches, before this kernel's symbols are looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AttachSpec {
    /// At the start of the session; lower orders first.
    Begin {
        /// The N of `begin(N)`.
        order: i64,
    },
    /// At the end of the session.
    End {
        /// The N of `end(N)`.
        order: i64,
    },
    /// At the end of a session that failed.
    Error {
        /// The N of `error(N)`.
        order: i64,
    },
    /// Nowhere.
    Never,
    /// A timer.
    Timer {
        /// Period in nanoseconds.
        period_ns: u64,
        /// Each period is changed by a random number up to this, either way.
        random_ns: u64,
    },
    /// Functions of the kernel or of modules; entry or return is the probe kind's say.
    Function {
        /// Glob over function names.
        pattern: String,
        /// Glob over module names; `None` for the kernel itself.
        module: Option<String>,
        /// Most returns outstanding at a time; 0 for the kernel's default.
        maxactive: u32,
        /// Only functions that modules may call.
        exported: bool,
    },
    /// An address.
    Statement {
        /// Kernel address.
        address: u64,
    },
    /// Tracepoints.
    Tracepoint {
        /// Glob over subsystems; `None` for any.
        system: Option<String>,
        /// Glob over names.
        pattern: String,
    },
    /// A system call, or all.
    Syscall {
        /// Its number; `None` for every one.
        number: Option<u32>,
    },
    /// The profiling interrupt.
    Profile {
        /// Hits a second on each CPU; 0 for every tick.
        hz: u32,
    },
    /// A performance counter of each CPU, as perf_event_open(2) names them.
    Perf {
        /// `perf_event_attr.type`.
        kind: u32,
        /// `perf_event_attr.config`.
        config: u64,
        /// When it fires.
        every: Sampling,
    },
    /// Memory of the kernel that is watched.
    Watchpoint {
        /// Where.
        place: DataPlace,
        /// Bytes.
        length: u32,
        /// Reads count as well as writes.
        reads: bool,
    },
    /// A file below /proc/systemtap/NAME; reading or writing is the probe kind's say.
    Procfs {
        /// Its path there.
        path: String,
        /// Bits that its mode must not have.
        umask: u32,
        /// Most bytes that a read gives; 0 for the length of a string.
        max_size: u32,
    },
    /// A netfilter hook.
    Netfilter {
        /// Protocol family, `NFPROTO_*` of linux/netfilter.h.
        family: u8,
        /// The hook's number in that family.
        hook: u32,
        /// Its place among others' hooks.
        priority: i32,
    },
    /// An instruction that debug symbols have told of: of one build of a kernel or module.
    Code {
        /// Where.
        place: ImagePlace,
        /// One of several that a pattern or a function stands for: if the kernel does not
        /// let it be probed, the others still are.
        one_of_many: bool,
    },
}

/// When a performance counter fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Sampling {
    /// Once in so many events.
    Period(u64),
    /// So often a second.
    Frequency(u64),
}

/// Where data is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DataPlace {
    /// At an address.
    Address(u64),
    /// At a symbol.
    Symbol(String),
}

/// Limits that the image does not hold, since they bind the kernel's side of a hit and
/// not the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RuntimeLimits {
    /// `STP_OVERLOAD_INTERVAL`, in cycles; 0: no overload protection.
    pub overload_interval: u64,
    /// `STP_OVERLOAD_THRESHOLD`, in cycles.
    pub overload_threshold: u64,
    /// `MAXTRYLOCK`.
    pub lock_attempts: u32,
    /// `TRYLOCKDELAY`, in microseconds.
    pub lock_pause_us: u32,
}

impl Default for RuntimeLimits {
    fn default() -> Self {
        RuntimeLimits {
            overload_interval: 1_000_000_000,
            overload_threshold: 500_000_000,
            lock_attempts: 100,
            lock_pause_us: 10,
        }
    }
}

/// A probe and where it attaches.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProbePoint {
    /// The probe in the image.
    pub probe: ProbeId,
    /// Where.
    pub attach: AttachSpec,
    /// May it fail to attach (`?`)?
    pub optional: bool,
    /// The probe point as text, aliases resolved.
    pub text: String,
    /// Of a return probe: the probe in the image that runs at the function's entry and
    /// keeps values for it.
    pub entry: Option<ProbeId>,
    /// The relocations that its handlers use.
    pub relocations: Vec<u32>,
}

/// A line of the script.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceLine {
    /// Index into [`SourceMap::files`].
    pub file: u32,
    /// Line number from 1.
    pub line: u32,
    /// The line's text.
    pub text: String,
}

/// From this instruction on, code comes from this place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceEntry {
    /// Position in the code section.
    pub pc: u32,
    /// Index into [`SourceMap::files`].
    pub file: u32,
    /// Line number from 1.
    pub line: u32,
    /// Column from 1.
    pub column: u32,
    /// What run-time errors are near: `identifier 'x'`, `operator '/'`.
    pub token: String,
}

/// Which code comes from which line.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SourceMap {
    /// File names.
    pub files: Vec<String>,
    /// The lines that code comes from, sorted by file and line.
    pub lines: Vec<SourceLine>,
    /// Sorted by pc.
    pub entries: Vec<SourceEntry>,
}

impl SourceMap {
    /// The entry that covers an instruction.
    pub fn lookup(&self, pc: u32) -> Option<&SourceEntry> {
        let after = self.entries.partition_point(|entry| entry.pc <= pc);
        self.entries.get(after.checked_sub(1)?)
    }

    /// The text of a line.
    pub fn line(&self, file: u32, line: u32) -> Option<&str> {
        let at = self.lines.binary_search_by_key(&(file, line), |l| (l.file, l.line)).ok()?;
        self.lines.get(at).map(|l| l.text.as_str())
    }

    /// The name of a file.
    pub fn file(&self, file: u32) -> &str {
        self.files.get(file as usize).map_or("?", String::as_str)
    }
}

/// How histograms are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HistogramStyle {
    /// `HIST_WIDTH`: columns of the longest bar.
    pub width: u16,
    /// `HIST_ELISION`: empty rows shown on each side of one that is not; what lies between is
    /// left out. `None`: nothing is.
    pub kept: Option<u16>,
}

impl Default for HistogramStyle {
    fn default() -> Self {
        HistogramStyle { width: 50, kept: Some(2) }
    }
}

/// What else a reader of the blob may want to know.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Meta {
    /// Name of the program (`-m`).
    pub name: String,
    /// Name of the script's file.
    pub script: String,
    /// The tool that wrote it, with its version.
    pub producer: String,
    /// Limits of a hit.
    pub limits: RuntimeLimits,
    /// What its histograms look like.
    pub histograms: HistogramStyle,
    /// Output goes to a file for each CPU (`-b`).
    pub bulk: bool,
}

/// A blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blob {
    /// The program image.
    pub image: Vec<u64>,
    /// Its probe points; a probe may have several.
    pub points: Vec<ProbePoint>,
    /// Its source map.
    pub source: SourceMap,
    /// Its description.
    pub meta: Meta,
    /// What the image's relocation slots stand for.
    pub relocations: Vec<Relocation>,
}

/// Sections, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum BlobSection {
    /// The program image.
    Image = 1,
    /// The probe points.
    Points = 2,
    /// The source map.
    Source = 3,
    /// The description.
    Meta = 4,
    /// What the relocation slots stand for.
    Relocations = 5,
}

impl BlobSection {
    const ALL: [BlobSection; 5] = [
        BlobSection::Image,
        BlobSection::Points,
        BlobSection::Source,
        BlobSection::Meta,
        BlobSection::Relocations,
    ];
}

/// Why bytes are not a blob, or cannot be made one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlobError {
    /// The first bytes are not [`MAGIC`].
    #[error("not a stapvm program (bad magic)")]
    BadMagic,
    /// A newer format.
    #[error("blob format version {0} is not supported: this is version {VERSION}")]
    BadVersion(u32),
    /// For another kind of machine.
    #[error("blob is for another kind of machine (word size {word_size}, byte order {order})")]
    BadMachine {
        /// Bytes of a word.
        word_size: u8,
        /// 1 for little-endian.
        order: u8,
    },
    /// A reserved field is not zero.
    #[error("reserved field at offset {0} is not zero")]
    Reserved(usize),
    /// The file ends early.
    #[error("truncated blob: {needed} bytes needed, {have} there")]
    Truncated {
        /// Bytes that should be there.
        needed: u64,
        /// Bytes that are.
        have: u64,
    },
    /// A section that this version does not know.
    #[error("unknown section {0}")]
    UnknownSection(u32),
    /// A section is there twice.
    #[error("section {0:?} occurs twice")]
    Duplicate(BlobSection),
    /// A section is not there.
    #[error("section {0:?} is missing")]
    Missing(BlobSection),
    /// A section does not follow the one before it.
    #[error("section {0:?} is not where it should be")]
    Misplaced(BlobSection),
    /// Bytes after the last section.
    #[error("{0} bytes after the end of the program")]
    Trailing(u64),
    /// A section's bytes are not those that were written.
    #[error("section {0:?} is damaged (SHA-256 differs)")]
    Checksum(BlobSection),
    /// A section cannot be decoded.
    #[error("section {section:?} cannot be read: {reason}")]
    Malformed {
        /// Which.
        section: BlobSection,
        /// Why.
        reason: String,
    },
    /// A section cannot be encoded.
    #[error("section {section:?} cannot be written: {reason}")]
    Encode {
        /// Which.
        section: BlobSection,
        /// Why.
        reason: String,
    },
}

impl Blob {
    /// The file's bytes.
    ///
    /// # Errors
    /// [`BlobError::Encode`] if a section is too large.
    pub fn encode(&self) -> Result<Vec<u8>, BlobError> {
        let image = self.image.iter().flat_map(|word| word.to_le_bytes()).collect();
        let sections = [
            (BlobSection::Image, image),
            (BlobSection::Points, pack(BlobSection::Points, &self.points)?),
            (BlobSection::Source, pack(BlobSection::Source, &self.source)?),
            (BlobSection::Meta, pack(BlobSection::Meta, &self.meta)?),
            (BlobSection::Relocations, pack(BlobSection::Relocations, &self.relocations)?),
        ];
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([WORD_SIZE, LITTLE_ENDIAN, 0, 0]);
        out.extend((sections.len() as u32).to_le_bytes());
        out.extend([0; 4]);
        let mut offset = HEADER_BYTES + sections.len() * ENTRY_BYTES;
        for (kind, bytes) in &sections {
            out.extend((*kind as u32).to_le_bytes());
            out.extend([0; 4]);
            out.extend((offset as u64).to_le_bytes());
            out.extend((bytes.len() as u64).to_le_bytes());
            out.extend(Sha256::digest(bytes));
            offset = (offset + bytes.len()).next_multiple_of(8);
        }
        for (_, bytes) in &sections {
            out.extend(bytes);
            out.resize(out.len().next_multiple_of(8), 0);
        }
        Ok(out)
    }

    /// Reads a file. The image is not verified: that is [`crate::verify::verify`]'s work.
    ///
    /// # Errors
    /// [`BlobError`] with what is wrong.
    pub fn decode(file: &[u8]) -> Result<Blob, BlobError> {
        let found = Sections::find(file)?;
        let image_bytes = found.get(BlobSection::Image)?;
        let (words, rest) = image_bytes.as_chunks::<8>();
        if !rest.is_empty() || image_bytes.len() > limits::MAX_IMAGE_BYTES as usize {
            let reason = format!("{} bytes", image_bytes.len());
            return Err(BlobError::Malformed { section: BlobSection::Image, reason });
        }
        Ok(Blob {
            image: words.iter().map(|word| u64::from_le_bytes(*word)).collect(),
            points: unpack(BlobSection::Points, found.get(BlobSection::Points)?)?,
            source: unpack(BlobSection::Source, found.get(BlobSection::Source)?)?,
            meta: unpack(BlobSection::Meta, found.get(BlobSection::Meta)?)?,
            relocations: unpack(BlobSection::Relocations, found.get(BlobSection::Relocations)?)?,
        })
    }
}

fn configuration() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODE_LIMIT>()
}

fn pack<T: Serialize>(section: BlobSection, value: &T) -> Result<Vec<u8>, BlobError> {
    bincode::serde::encode_to_vec(value, configuration())
        .map_err(|error| BlobError::Encode { section, reason: error.to_string() })
}

fn unpack<T: DeserializeOwned>(section: BlobSection, bytes: &[u8]) -> Result<T, BlobError> {
    let malformed = |reason| BlobError::Malformed { section, reason };
    let (value, used) = bincode::serde::decode_from_slice(bytes, configuration())
        .map_err(|error| malformed(error.to_string()))?;
    if used != bytes.len() {
        return Err(malformed(format!("{} bytes too many", bytes.len().saturating_sub(used))));
    }
    Ok(value)
}

/// The sections of a file, checked against their sums.
struct Sections<'a>([Option<&'a [u8]>; BlobSection::ALL.len()]);

impl<'a> Sections<'a> {
    fn find(file: &'a [u8]) -> Result<Sections<'a>, BlobError> {
        if !file.starts_with(&MAGIC) {
            return Err(BlobError::BadMagic);
        }
        let version = number(file, 8, 4)? as u32;
        if version != VERSION {
            return Err(BlobError::BadVersion(version));
        }
        let (word_size, order) = (number(file, 12, 1)? as u8, number(file, 13, 1)? as u8);
        if word_size != WORD_SIZE || order != LITTLE_ENDIAN {
            return Err(BlobError::BadMachine { word_size, order });
        }
        for (at, length) in [(14, 2), (20, 4)] {
            if number(file, at, length)? != 0 {
                return Err(BlobError::Reserved(at));
            }
        }
        let count = number(file, 16, 4)? as usize;
        let entry = |n: usize| n.saturating_mul(ENTRY_BYTES).saturating_add(HEADER_BYTES);
        let mut sections = Sections([None; BlobSection::ALL.len()]);
        let mut end = entry(count) as u64;
        // Each entry is looked at before the next: a wrong count ends at `Truncated`.
        for n in 0..count {
            end = sections.entry(file, entry(n), padded(file, end)?)?;
        }
        match padded(file, end)? {
            end if end == file.len() as u64 => Ok(sections),
            end => Err(BlobError::Trailing(file.len() as u64 - end)),
        }
    }

    /// Reads the section of a table entry, which starts at `start`; where it ends.
    fn entry(&mut self, file: &'a [u8], at: usize, start: u64) -> Result<u64, BlobError> {
        let kind = number(file, at, 4)? as u32;
        let Some(section) = BlobSection::ALL.into_iter().find(|s| *s as u32 == kind) else {
            return Err(BlobError::UnknownSection(kind));
        };
        if number(file, at.saturating_add(4), 4)? != 0 {
            return Err(BlobError::Reserved(at.saturating_add(4)));
        }
        let offset = number(file, at.saturating_add(8), 8)?;
        let length = number(file, at.saturating_add(16), 8)?;
        let sum = part(file, at.saturating_add(24) as u64, 32)?;
        let bytes = part(file, offset, length)?;
        if Sha256::digest(bytes).as_slice() != sum {
            return Err(BlobError::Checksum(section));
        }
        let slot = self.0.get_mut(section as usize - 1).ok_or(BlobError::UnknownSection(kind))?;
        if slot.replace(bytes).is_some() {
            return Err(BlobError::Duplicate(section));
        }
        if offset != start {
            return Err(BlobError::Misplaced(section));
        }
        Ok(offset.saturating_add(length))
    }

    fn get(&self, section: BlobSection) -> Result<&'a [u8], BlobError> {
        self.0.get(section as usize - 1).copied().flatten().ok_or(BlobError::Missing(section))
    }
}

/// The next multiple of 8, up to which there must be zeros.
fn padded(file: &[u8], end: u64) -> Result<u64, BlobError> {
    let length = end.wrapping_neg() % 8;
    let zeros = part(file, end, length)?;
    if zeros.iter().any(|byte| *byte != 0) {
        return Err(BlobError::Reserved(end as usize));
    }
    Ok(end.saturating_add(length))
}

fn part(file: &[u8], offset: u64, length: u64) -> Result<&[u8], BlobError> {
    let have = file.len() as u64;
    let needed = offset.saturating_add(length);
    let range = offset as usize..needed as usize;
    if needed > have {
        return Err(BlobError::Truncated { needed, have });
    }
    file.get(range).ok_or(BlobError::Truncated { needed, have })
}

/// A little-endian number of up to 8 bytes.
fn number(file: &[u8], offset: usize, length: u64) -> Result<u64, BlobError> {
    let bytes = part(file, offset as u64, length)?;
    Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Blob {
        Blob {
            image: vec![1, 2, 3],
            points: vec![ProbePoint {
                probe: ProbeId(0),
                attach: AttachSpec::Function {
                    pattern: "vfs_*".into(),
                    module: None,
                    maxactive: 0,
                    exported: false,
                },
                optional: true,
                text: "kernel.function(\"vfs_*\")".into(),
                entry: None,
                relocations: Vec::new(),
            }],
            source: SourceMap {
                files: vec!["x.stp".into()],
                lines: vec![SourceLine { file: 0, line: 1, text: "probe".into() }],
                entries: vec![SourceEntry {
                    pc: 4,
                    file: 0,
                    line: 1,
                    column: 2,
                    token: "identifier 'x'".into(),
                }],
            },
            meta: Meta { name: "x".into(), ..Meta::default() },
            relocations: Vec::new(),
        }
    }

    #[test]
    fn round_trip() {
        let blob = sample();
        assert_eq!(Blob::decode(&blob.encode().unwrap()), Ok(blob));
    }

    #[test]
    fn lookup_finds_the_covering_entry() {
        let source = sample().source;
        assert_eq!(source.lookup(3), None);
        assert_eq!(source.lookup(9).map(|entry| entry.line), Some(1));
    }

    proptest! {
        #[test]
        fn every_truncation_is_refused(cut in 1..400usize) {
            let file = sample().encode().unwrap();
            // The last section may be followed by up to 7 bytes of padding.
            let keep = file.len().saturating_sub(cut.max(8));
            prop_assert!(Blob::decode(&file[..keep]).is_err());
        }

        #[test]
        fn every_flipped_bit_of_a_section_is_refused(at: usize, bit in 0..8u32) {
            let mut file = sample().encode().unwrap();
            let start = HEADER_BYTES + BlobSection::ALL.len() * ENTRY_BYTES;
            let (first, length) = (start, 24);
            let at = first + at % length;
            file[at] ^= 1 << bit;
            prop_assert_eq!(Blob::decode(&file), Err(BlobError::Checksum(BlobSection::Image)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>, with_magic: bool) {
            if with_magic {
                bytes.splice(0..0, MAGIC.iter().chain(&VERSION.to_le_bytes()).copied());
            }
            let _ = Blob::decode(&bytes);
        }
    }
}

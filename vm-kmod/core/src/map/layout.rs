// SPDX-License-Identifier: GPL-2.0-or-later
//! How a map's storage is divided.
//!
//! ```text
//! word 0  entries in use
//!      1  head:u32 tail:u32 of the list
//!      2  free:u32 (head of the free list) used:u32 (entries ever handed out)
//!      3  words of an entry:u32 capacity:u32
//!      4  bucket mask:u32 flags:u8, the record's variance:u8
//!      5  value offset:u32 words of a string:u32
//!      6  string keys:u16 key count:u16 buckets of the histogram:u16 value kind:u16
//!      7  lower bound, 8 step of a linear histogram (step 0: logarithmic)
//!      9  longest string
//!     10  start, 11 multiplier of the hashes
//! ```

use super::{Map, Secret, high, low, pair};
use crate::stat::{self, Buckets, Variance};
use crate::strings::Keys;
use vm_spec::image::{HistogramKind, Image, MapRecord, Overflow, ValueKind};

/// Words before the buckets.
pub(super) const HEADER: usize = 12;
/// Words of an entry before its keys.
pub(super) const ENTRY_HEADER: usize = 2;

/// What all entries of a map have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) entry_words: usize,
    pub(super) capacity: u32,
    pub(super) mask: u32,
    pub(super) drops_oldest: bool,
    /// The script has chosen the capacity.
    pub(super) has_size: bool,
    pub(super) value_offset: usize,
    pub(super) string_words: usize,
    pub(super) string_keys: u16,
    pub(super) key_count: u8,
    pub(super) bucket_count: usize,
    pub(super) value: u16,
}

/// Bits of [`Shape`] in the header.
const DROPS_OLDEST: u32 = 1;
const HAS_SIZE: u32 = 2;
/// Where the variance is: a number of 8 bits.
const VARIANCE: u32 = 8;

impl Shape {
    fn of(record: &MapRecord, string_length: u32) -> Shape {
        // The length, then bytes for one less than the limit.
        let string_words = (string_length.saturating_sub(1) as usize).div_ceil(8).saturating_add(1);
        let strings = usize::from(record.string_key_count()).saturating_mul(string_words);
        let value_offset =
            strings.saturating_add(record.long_key_count().into()).saturating_add(ENTRY_HEADER);
        let bucket_count = record.bucket_count() as usize;
        let value_words = match ValueKind::from_number(record.value) {
            Some(ValueKind::Str) => string_words,
            Some(ValueKind::Stat) => stat::WORDS.saturating_add(bucket_count),
            _ => 1,
        };
        Shape {
            entry_words: value_offset.saturating_add(value_words),
            capacity: record.capacity,
            mask: record.capacity.checked_next_power_of_two().unwrap_or(1).wrapping_sub(1),
            drops_oldest: record.overflow == Overflow::DropOldest as u8,
            has_size: record.overflow == Overflow::FailAtSize as u8,
            value_offset,
            string_words,
            string_keys: record.string_keys,
            key_count: record.key_count,
            bucket_count,
            value: record.value.into(),
        }
    }

    #[inline(always)]
    pub(super) fn from_header(header: &[u64; HEADER]) -> Shape {
        Shape {
            entry_words: low(header[3]) as usize,
            capacity: high(header[3]),
            mask: low(header[4]),
            drops_oldest: high(header[4]) & DROPS_OLDEST != 0,
            has_size: high(header[4]) & HAS_SIZE != 0,
            value_offset: low(header[5]) as usize,
            string_words: high(header[5]) as usize,
            string_keys: header[6] as u16,
            key_count: (header[6] >> 16) as u8,
            bucket_count: (header[6] >> 32) as u16 as usize,
            value: (header[6] >> 48) as u16,
        }
    }

    fn write(&self, header: &mut [u64; HEADER], record: &MapRecord) {
        let kinds = u32::from(self.string_keys) | u32::from(self.key_count) << 16;
        let value = self.bucket_count as u32 | u32::from(self.value) << 16;
        let step = match HistogramKind::from_number(record.histogram) {
            Some(HistogramKind::Linear) => record.histogram_step,
            _ => 0,
        };
        *header = [0; HEADER];
        header[3] = pair(self.entry_words as u32, self.capacity);
        let drops_oldest = if self.drops_oldest { DROPS_OLDEST } else { 0 };
        let has_size = if self.has_size { HAS_SIZE } else { 0 };
        let variance = u32::from(record.variance) << VARIANCE;
        header[4] = pair(self.mask, drops_oldest | has_size | variance);
        header[5] = pair(self.value_offset as u32, self.string_words as u32);
        header[6] = pair(kinds, value);
        header[7] = record.histogram_low as u64;
        header[8] = step as u64;
    }

    pub(super) fn buckets(&self) -> usize {
        (self.mask as usize).wrapping_add(1)
    }

    #[inline]
    pub(super) fn key_is_string(&self, n: u8) -> bool {
        self.string_keys.wrapping_shr(n.into()) & 1 != 0
    }

    /// Where in the entry key number `n` of the tuple lies.
    pub(super) fn key_offset(&self, n: u8) -> usize {
        let mut offset = ENTRY_HEADER;
        for key in 0..n {
            let words = if self.key_is_string(key) { self.string_words } else { 1 };
            offset = offset.wrapping_add(words);
        }
        offset
    }

    /// Words of a new value that must be 0.
    pub(super) fn value_words_to_clear(&self) -> usize {
        if self.value == ValueKind::Stat as u16 {
            stat::WORDS.wrapping_add(self.bucket_count)
        } else {
            1
        }
    }
}

/// What hashes depend on.
#[inline(always)]
pub(super) fn secret(header: &[u64; HEADER]) -> Secret {
    Secret { start: header[10], multiplier: header[11] }
}

/// The histogram of a map of aggregates.
#[inline(always)]
pub(super) fn buckets(header: &[u64; HEADER]) -> Buckets {
    let [low, step] = [header[7] as i64, header[8] as i64];
    match (Shape::from_header(header).bucket_count, step) {
        (0, _) => Buckets::None,
        (_, 0) => Buckets::Log,
        (count, _) => Buckets::Linear { low, step, count },
    }
}

/// The variance that a map of aggregates keeps.
#[inline(always)]
pub(super) fn variance(header: &[u64; HEADER]) -> Variance {
    Variance::from_record((high(header[4]) >> VARIANCE) as u8)
}

/// Words of storage that a map needs; `string_length` is the header's.
pub fn words_needed(record: &MapRecord, string_length: u32) -> u64 {
    let shape = Shape::of(record, string_length);
    (shape.entry_words as u64)
        .saturating_mul(record.capacity.into())
        .saturating_add(shape.buckets() as u64)
        .saturating_add(HEADER as u64)
}

/// Words of storage that all maps of a program need. Whoever allocates compares it
/// with [`vm_spec::limits::MAX_MAP_BYTES`].
pub fn storage_words_needed(image: &Image<'_>) -> u64 {
    image.maps.iter().fold(0, |sum: u64, record| {
        sum.saturating_add(words_needed(record, image.header.string_length))
    })
}

/// Lays an empty map out in its storage, which may hold anything. `initial` is the
/// value of a string global ("" if it has none) and is ignored by other maps. `seed` is a
/// random number that hashes depend on. A storage of fewer than [`words_needed`] words stays a map that takes nothing.
pub fn initialise(
    storage: &mut [u64],
    record: &MapRecord,
    string_length: u32,
    initial: &[u8],
    seed: u64,
) {
    let shape = Shape::of(record, string_length);
    let enough = storage.len() as u64 >= words_needed(record, string_length);
    let Some((header, rest)) = storage.split_first_chunk_mut::<HEADER>() else { return };
    shape.write(header, record);
    header[9] = string_length.saturating_sub(1).into();
    let secret = Secret::of(seed);
    header[10] = secret.start;
    header[11] = secret.multiplier;
    if !enough {
        header[3] = 0;
        header[4] = 0;
    }
    let buckets = Shape::from_header(header).buckets();
    if let Some(buckets) = rest.get_mut(..buckets) {
        buckets.fill(0);
    }
    if !initial.is_empty() {
        override_string(storage, initial);
    }
}

/// Gives a string global a value; other maps take no harm. Returns whether it was one.
pub fn override_string(storage: &mut [u64], text: &[u8]) -> bool {
    let Some(mut map) = Map::open(storage) else { return false };
    if map.shape().key_count != 0 || map.shape().value != ValueKind::Str as u16 {
        return false;
    }
    let Ok(entry) = map.find_or_insert(&Keys::NONE) else { return false };
    let limit = map.header[9] as usize;
    map.set_string(entry, text.get(..limit).unwrap_or(text));
    true
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The quick way to an entry of a map with a single key, which most maps have.
//!
//! [`Map`](super::Map) serves every shape of map, and pays for it with structures that
//! do not fit the registers of the machine. Here the shape is known, so the entry's
//! words are found with a dozen loads. Whatever is not so simple (another shape, no
//! such entry, a storage that makes no sense) is `None`, and the caller goes the
//! general way.

use super::layout::{self, ENTRY_HEADER, HEADER};
use super::{IN_USE, high, low, mix, mix_bytes};
use crate::stat::Buckets;
use zerocopy::IntoBytes;

/// Header word 6 without its upper half: kinds and number of keys.
const ONE_LONG: u32 = 1 << 16;
const ONE_STRING: u32 = 1 << 16 | 1;

/// What the keys of a map are.
pub(crate) enum Keys {
    /// There are none: the map is a scalar aggregate or a string.
    None,
    /// A long.
    Long,
    /// A string.
    String,
    /// More than one.
    Several,
}

/// What the keys of a map are, and the histogram of its aggregates, if it has some.
#[inline(always)]
pub(crate) fn shape(storage: &[u64]) -> Option<(Keys, Buckets)> {
    let header = storage.first_chunk::<HEADER>()?;
    let keys = match header[6] as u32 {
        0 => Keys::None,
        ONE_LONG => Keys::Long,
        ONE_STRING => Keys::String,
        _ => Keys::Several,
    };
    Some((keys, layout::buckets(header)))
}

/// An entry's number and its words from the value on.
pub(crate) type Found<'s> = (u32, &'s mut [u64]);

/// The entry of a long.
#[inline(always)]
pub(crate) fn of_long(storage: &mut [u64], key: i64) -> Option<Found<'_>> {
    let (header, rest) = storage.split_first_chunk_mut::<HEADER>()?;
    if header[6] as u32 != ONE_LONG {
        return None;
    }
    let hash = high(mix(0, key as u64)) | IN_USE;
    walk(header, rest, hash, ENTRY_HEADER + 1, |words| {
        words.first().is_some_and(|&word| word == key as u64)
    })
}

/// The entry of a string.
#[inline(always)]
pub(crate) fn of_string<'s>(storage: &'s mut [u64], key: &[u8]) -> Option<Found<'s>> {
    let (header, rest) = storage.split_first_chunk_mut::<HEADER>()?;
    if header[6] as u32 != ONE_STRING {
        return None;
    }
    let hash = high(mix_bytes(0, key)) | IN_USE;
    let value = low(header[5]) as usize;
    walk(header, rest, hash, value, |words| is(words, key))
}

/// The entry of a map without keys: a scalar aggregate.
#[inline(always)]
pub(crate) fn of_nothing(storage: &mut [u64]) -> Option<Found<'_>> {
    let (header, rest) = storage.split_first_chunk_mut::<HEADER>()?;
    if header[6] as u32 != 0 {
        return None;
    }
    // Buckets: one, since there is one entry.
    walk(header, rest, IN_USE, ENTRY_HEADER, |_| true)
}

/// Follows the chain of a hash.
#[inline(always)]
fn walk<'s>(
    header: &[u64; HEADER],
    rest: &'s mut [u64],
    hash: u32,
    value: usize,
    is_key: impl Fn(&[u64]) -> bool,
) -> Option<Found<'s>> {
    let mask = low(header[4]) as usize;
    let length = low(header[3]) as usize;
    let (buckets, entries) = rest.split_at_mut_checked(mask.wrapping_add(1))?;
    let mut at = low(*buckets.get(hash as usize & mask)?);
    while at != 0 {
        let start = (at.wrapping_sub(1) as usize).wrapping_mul(length);
        let (&[_, link], keys) = entries.get(start..)?.split_first_chunk::<ENTRY_HEADER>()?;
        if high(link) == hash && is_key(keys) {
            let words = start.wrapping_add(value)..start.wrapping_add(length);
            return Some((at, entries.get_mut(words)?));
        }
        at = low(link);
    }
    None
}

/// Do the words hold this string? Compares words where a call of memcmp would cost
/// more than the comparison.
#[inline(always)]
fn is(words: &[u64], key: &[u8]) -> bool {
    let Some((&length, words)) = words.split_first() else { return false };
    if length != key.len() as u64 {
        return false;
    }
    let (chunks, rest) = key.as_chunks::<8>();
    let Some((whole, last)) = words.split_at_checked(chunks.len()) else { return false };
    if !whole.iter().zip(chunks).all(|(&word, chunk)| word == u64::from_ne_bytes(*chunk)) {
        return false;
    }
    let last = last.first().map_or(&[][..], |word| word.as_bytes());
    rest.iter().zip(last).all(|(a, b)| a == b)
}

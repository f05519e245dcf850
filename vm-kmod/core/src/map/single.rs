// SPDX-License-Identifier: GPL-2.0-or-later
//! The quick way to an entry of a map with a single key, which most maps have.
//!
//! [`Map`](super::Map) serves every shape of map, and pays for it with structures that
//! do not fit the registers of the machine. Here the shape is known, so the entry's
//! words are found with a dozen loads. Whatever is not so simple (another shape, no
//! such entry, a storage that makes no sense) is `None`, and the caller goes the
//! general way.

use super::layout::{self, ENTRY_HEADER, HEADER, secret};
use super::{IN_USE, high, low, pair};
use crate::stat::{Buckets, Variance};
use vm_spec::image::ValueKind;
use zerocopy::IntoBytes;

/// Header word 6 without its upper half: kinds and number of keys.
const ONE_LONG: u32 = 1 << 16;
const ONE_STRING: u32 = 1 << 16 | 1;
/// Header word 6 of a map from one long to longs.
const LONG_TO_LONG: u64 = ONE_LONG as u64 | (ValueKind::Long as u64) << 48;

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
pub(crate) fn shape(storage: &[u64]) -> Option<(Keys, Buckets, Variance)> {
    let header = storage.first_chunk::<HEADER>()?;
    let keys = match header[6] as u32 {
        0 => Keys::None,
        ONE_LONG => Keys::Long,
        ONE_STRING => Keys::String,
        _ => Keys::Several,
    };
    Some((keys, layout::buckets(header), layout::variance(header)))
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
    let hash = secret(header).of_long(key);
    walk(header, rest, hash, ENTRY_HEADER + 1, |words| {
        words.first().is_some_and(|&word| word == key as u64)
    })
}

/// A new entry with value 0 for a long that has none; `None` if the map is full or not
/// one from a long to a long.
#[inline(always)]
pub(crate) fn insert_long(storage: &mut [u64], key: i64) -> Option<&mut u64> {
    let (header, rest) = storage.split_first_chunk_mut::<HEADER>()?;
    if header[6] != LONG_TO_LONG {
        return None;
    }
    let hash = secret(header).of_long(key);
    let length = low(header[3]) as usize;
    let mask = low(header[4]) as usize;
    let (buckets, entries) = rest.split_at_mut_checked(mask.wrapping_add(1))?;
    let (free, used) = (low(header[2]), high(header[2]));
    let n = match free {
        0 if used < high(header[3]) => used.wrapping_add(1),
        0 => return None,
        _ => free,
    };
    let (head, tail) = (low(header[1]), high(header[1]));
    let bucket = buckets.get_mut(hash as usize & mask)?;
    let words = entry_words::<4>(entries, length, n)?;
    header[2] = if free == 0 { pair(0, n) } else { pair(low(words[0]), used) };
    *words = [pair(0, tail), pair(low(*bucket), hash), key as u64, 0];
    *bucket = n.into();
    header[0] = header[0].wrapping_add(1);
    if tail == 0 {
        header[1] = pair(n, n);
    } else {
        header[1] = pair(head, n);
        let [links] = entry_words::<1>(entries, length, tail)?;
        *links = pair(n, high(*links));
    }
    entry_words::<4>(entries, length, n).map(|[.., value]| value)
}

/// Deletes the entry of a long, if there is one; `None` if the map has other keys.
#[inline(always)]
pub(crate) fn remove_long(storage: &mut [u64], key: i64) -> Option<()> {
    let (header, rest) = storage.split_first_chunk_mut::<HEADER>()?;
    if header[6] as u32 != ONE_LONG {
        return None;
    }
    let hash = secret(header).of_long(key);
    let length = low(header[3]) as usize;
    let mask = low(header[4]) as usize;
    let (buckets, entries) = rest.split_at_mut_checked(mask.wrapping_add(1))?;
    let bucket = buckets.get_mut(hash as usize & mask)?;
    let (mut before, mut n) = (0, low(*bucket));
    let [list, link] = loop {
        if n == 0 {
            return Some(());
        }
        let &mut [list, link, word] = entry_words::<3>(entries, length, n)?;
        if high(link) == hash && word == key as u64 {
            break [list, link];
        }
        (before, n) = (n, low(link));
    };
    if before == 0 {
        *bucket = low(link).into();
    } else {
        let [_, links] = entry_words::<2>(entries, length, before)?;
        *links = pair(low(link), high(*links));
    }
    let (next, previous) = (low(list), high(list));
    let (mut head, mut tail) = (low(header[1]), high(header[1]));
    if previous == 0 {
        head = next;
    } else {
        let [links] = entry_words::<1>(entries, length, previous)?;
        *links = pair(next, high(*links));
    }
    if next == 0 {
        tail = previous;
    } else {
        let [links] = entry_words::<1>(entries, length, next)?;
        *links = pair(low(*links), previous);
    }
    header[1] = pair(head, tail);
    *entry_words::<2>(entries, length, n)? = [pair(low(header[2]), 0), 0];
    header[2] = pair(n, high(header[2]));
    header[0] = header[0].saturating_sub(1);
    Some(())
}

/// The first words of an entry.
#[inline(always)]
fn entry_words<const N: usize>(
    entries: &mut [u64],
    length: usize,
    n: u32,
) -> Option<&mut [u64; N]> {
    let start = (n.wrapping_sub(1) as usize).wrapping_mul(length);
    entries.get_mut(start..)?.first_chunk_mut()
}

/// The entry of a string.
#[inline(always)]
pub(crate) fn of_string<'s>(storage: &'s mut [u64], key: &[u8]) -> Option<Found<'s>> {
    let (header, rest) = storage.split_first_chunk_mut::<HEADER>()?;
    if header[6] as u32 != ONE_STRING {
        return None;
    }
    let secret = secret(header);
    let hash = high(secret.mix_bytes(secret.start, key)) | IN_USE;
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
    walk(header, rest, high(secret(header).start) | IN_USE, ENTRY_HEADER, |_| true)
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

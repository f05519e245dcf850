// SPDX-License-Identifier: GPL-2.0-or-later
//! Maps: hash tables whose entries have an order, in a block of words that somebody
//! else owns.
//!
//! ```text
//! header   12 words, see `layout`
//! buckets  a word each, a power of two of them: first entry of the chain
//! entries  next:u32 prev:u32 | chain:u32 hash:u32 | keys | value
//! ```
//! Entries are named by their number from 1, which is also what a script's cursor
//! holds; 0 is "none". A long takes a word, a string its length and then its bytes.
//! The list of entries is in order of insertion until a sort changes it, and a sort
//! lasts. An entry in use has a hash that is not 0: so a cursor can be told from a
//! stale or forged one.
//!
//! Entries are handed out from the free list first, then from those never used, so
//! that memory of a large, sparse map stays untouched.

mod layout;
pub(crate) mod single;
mod sort;

pub use layout::{initialise, override_string, storage_words_needed, words_needed};

use crate::fault::Fault;
use crate::stat;
use crate::strings::Keys;
use layout::{ENTRY_HEADER, HEADER, Shape};
use vm_spec::image::StatOperation;
use zerocopy::IntoBytes;

/// Set in every hash of an entry in use.
const IN_USE: u32 = 1 << 31;

/// A map in its storage.
#[derive(Debug)]
pub struct Map<'s> {
    header: &'s mut [u64; HEADER],
    buckets: &'s mut [u64],
    entries: &'s mut [u64],
}

/// An entry's number, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(u32);

impl Entry {
    fn from_raw(raw: u32) -> Option<Entry> {
        (raw != 0).then_some(Entry(raw))
    }

    /// The cursor that names it.
    pub fn cursor(entry: Option<Entry>) -> i64 {
        raw(entry).into()
    }
}

fn raw(entry: Option<Entry>) -> u32 {
    entry.map_or(0, |entry| entry.0)
}

const fn low(word: u64) -> u32 {
    word as u32
}

const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

impl<'s> Map<'s> {
    /// The map in a storage that [`initialise`] laid out; `None` if it is too short.
    #[inline]
    pub fn open(storage: &'s mut [u64]) -> Option<Map<'s>> {
        let (header, rest) = storage.split_first_chunk_mut::<HEADER>()?;
        let buckets = Shape::from_header(header).buckets();
        let (buckets, entries) = rest.split_at_mut_checked(buckets)?;
        Some(Map { header, buckets, entries })
    }

    /// Looked up anew each time: a copy would be spilled to the stack, and most
    /// accesses need one or two members of it.
    #[inline(always)]
    fn shape(&self) -> Shape {
        Shape::from_header(self.header)
    }

    /// Number of entries.
    pub fn len(&self) -> u32 {
        low(self.header[0])
    }

    /// Are there no entries?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn head(&self) -> u32 {
        low(self.header[1])
    }

    fn tail(&self) -> u32 {
        high(self.header[1])
    }

    /// The words of entry number `n`.
    #[inline]
    fn words(&self, n: u32) -> &[u64] {
        let start = (n.wrapping_sub(1) as usize).wrapping_mul(self.shape().entry_words);
        self.entries.get(start..start.wrapping_add(self.shape().entry_words)).unwrap_or_default()
    }

    #[inline]
    fn words_mut(&mut self, n: u32) -> &mut [u64] {
        let start = (n.wrapping_sub(1) as usize).wrapping_mul(self.shape().entry_words);
        self.entries
            .get_mut(start..start.wrapping_add(self.shape().entry_words))
            .unwrap_or_default()
    }

    #[inline]
    fn links(&self, n: u32) -> [u64; ENTRY_HEADER] {
        self.words(n).first_chunk().copied().unwrap_or_default()
    }

    fn set_links(&mut self, n: u32, edit: impl FnOnce(&mut [u64; ENTRY_HEADER])) {
        if let Some(links) = self.words_mut(n).first_chunk_mut() {
            edit(links);
        }
    }

    fn next_of(&self, n: u32) -> u32 {
        low(self.links(n)[0])
    }

    fn bucket(&mut self, hash: u32) -> Option<&mut u64> {
        self.buckets.get_mut((hash & self.shape().mask) as usize)
    }

    /// The entry of a key tuple.
    #[inline]
    pub fn find(&self, keys: &Keys<'_>) -> Option<Entry> {
        self.find_hashed(keys, self.hash(keys))
    }

    #[inline(always)]
    fn find_hashed(&self, keys: &Keys<'_>, hash: u32) -> Option<Entry> {
        let mut at = low(*self.buckets.get((hash & self.shape().mask) as usize)?);
        while at != 0 {
            let words = self.words(at);
            let (&[_, link], rest) = words.split_first_chunk::<ENTRY_HEADER>()?;
            if high(link) == hash && self.matches(rest, keys) {
                return Some(Entry(at));
            }
            at = low(link);
        }
        None
    }

    #[inline(always)]
    fn matches(&self, words: &[u64], keys: &Keys<'_>) -> bool {
        if self.shape().string_keys != 0 {
            return self.matches_mixed(words, keys);
        }
        let longs = keys.longs(self.shape().key_count);
        words.iter().zip(longs).all(|(&word, &key)| word == key as u64)
    }

    #[inline(never)]
    fn matches_mixed(&self, mut words: &[u64], keys: &Keys<'_>) -> bool {
        let (mut longs, mut strings) = (0usize, 0usize);
        let mut kinds = self.shape().string_keys;
        for _ in 0..self.shape().key_count {
            if kinds & 1 == 0 {
                let Some((&word, rest)) = words.split_first() else { return false };
                if word != keys.long(longs) as u64 {
                    return false;
                }
                longs = longs.wrapping_add(1);
                words = rest;
            } else {
                if string_in(words) != keys.string(strings) {
                    return false;
                }
                strings = strings.wrapping_add(1);
                words = words.get(self.shape().string_words..).unwrap_or_default();
            }
            kinds >>= 1;
        }
        true
    }

    #[inline(always)]
    fn hash(&self, keys: &Keys<'_>) -> u32 {
        if self.shape().string_keys != 0 {
            return self.hash_mixed(keys);
        }
        let longs = keys.longs(self.shape().key_count);
        let secret = layout::secret(self.header);
        high(longs.iter().fold(secret.start, |hash, &key| secret.mix(hash, key as u64))) | IN_USE
    }

    #[inline(never)]
    fn hash_mixed(&self, keys: &Keys<'_>) -> u32 {
        let secret = layout::secret(self.header);
        let mut hash = secret.start;
        let (mut longs, mut strings) = (0usize, 0usize);
        let mut kinds = self.shape().string_keys;
        for _ in 0..self.shape().key_count {
            if kinds & 1 == 0 {
                hash = secret.mix(hash, keys.long(longs) as u64);
                longs = longs.wrapping_add(1);
            } else {
                hash = secret.mix_bytes(hash, keys.string(strings));
                strings = strings.wrapping_add(1);
            }
            kinds >>= 1;
        }
        high(hash) | IN_USE
    }

    /// The entry of a key tuple, made with value 0, "" or no values if there is none.
    ///
    /// # Errors
    /// [`Fault::MapFull`] or [`Fault::MapSize`].
    #[inline]
    pub fn find_or_insert(&mut self, keys: &Keys<'_>) -> Result<Entry, Fault> {
        let hash = self.hash(keys);
        match self.find_hashed(keys, hash) {
            Some(entry) => Ok(entry),
            None => self.insert(keys, hash),
        }
    }

    #[inline(never)]
    fn insert(&mut self, keys: &Keys<'_>, hash: u32) -> Result<Entry, Fault> {
        let n = match self.take_free() {
            Some(n) => n,
            None if self.shape().has_size => return Err(Fault::MapSize(self.shape().capacity)),
            None => return Err(Fault::MapFull),
        };
        let chain = match self.bucket(hash) {
            Some(bucket) => low(core::mem::replace(bucket, n.into())),
            None => 0,
        };
        let tail = self.tail();
        self.set_links(n, |links| *links = [pair(0, tail), pair(chain, hash)]);
        if tail == 0 {
            self.header[1] = pair(n, n);
        } else {
            self.header[1] = pair(self.head(), n);
            self.set_links(tail, |links| links[0] = pair(n, high(links[0])));
        }
        self.header[0] = self.header[0].wrapping_add(1);
        self.write_keys(n, keys);
        let value = self.shape().value_words_to_clear();
        if let Some(words) = self.value_mut(Entry(n)).get_mut(..value) {
            words.fill(0);
        }
        Ok(Entry(n))
    }

    fn take_free(&mut self) -> Option<u32> {
        let (free, used) = (low(self.header[2]), high(self.header[2]));
        if free != 0 {
            self.header[2] = pair(self.next_of(free), used);
            return Some(free);
        }
        if used < self.shape().capacity {
            let n = used.wrapping_add(1);
            self.header[2] = pair(0, n);
            return Some(n);
        }
        if !self.shape().drops_oldest {
            return None;
        }
        let oldest = Entry::from_raw(self.head())?;
        self.remove(oldest);
        self.take_free_once()
    }

    fn take_free_once(&mut self) -> Option<u32> {
        let (free, used) = (low(self.header[2]), high(self.header[2]));
        self.header[2] = pair(self.next_of(free), used);
        (free != 0).then_some(free)
    }

    fn write_keys(&mut self, n: u32, keys: &Keys<'_>) {
        let shape = self.shape();
        let mut words = self.words_mut(n).get_mut(ENTRY_HEADER..).unwrap_or_default();
        let (mut longs, mut strings) = (0usize, 0usize);
        let mut kinds = shape.string_keys;
        for _ in 0..shape.key_count {
            let taken = if kinds & 1 == 0 { 1 } else { shape.string_words };
            let Some((place, rest)) = words.split_at_mut_checked(taken) else { return };
            if kinds & 1 == 0 {
                place.fill(keys.long(longs) as u64);
                longs = longs.wrapping_add(1);
            } else {
                put_string(place, keys.string(strings));
                strings = strings.wrapping_add(1);
            }
            words = rest;
            kinds >>= 1;
        }
    }

    /// Deletes an entry.
    pub fn remove(&mut self, entry: Entry) {
        let n = entry.0;
        let [list, link] = self.links(n);
        self.unchain(n, high(link), low(link));
        let (next, prev) = (low(list), high(list));
        let (mut head, mut tail) = (self.head(), self.tail());
        if prev == 0 {
            head = next;
        } else {
            self.set_links(prev, |links| links[0] = pair(next, high(links[0])));
        }
        if next == 0 {
            tail = prev;
        } else {
            self.set_links(next, |links| links[0] = pair(low(links[0]), prev));
        }
        self.header[1] = pair(head, tail);
        let (free, used) = (low(self.header[2]), high(self.header[2]));
        self.set_links(n, |links| *links = [pair(free, 0), 0]);
        self.header[2] = pair(n, used);
        self.header[0] = self.header[0].saturating_sub(1);
    }

    fn unchain(&mut self, n: u32, hash: u32, after: u32) {
        let Some(bucket) = self.bucket(hash) else { return };
        if low(*bucket) == n {
            *bucket = after.into();
            return;
        }
        let mut at = low(*bucket);
        while at != 0 {
            let chain = low(self.links(at)[1]);
            if chain == n {
                self.set_links(at, |links| links[1] = pair(after, high(links[1])));
                return;
            }
            at = chain;
        }
    }

    /// Deletes all entries; touches their buckets, or all of those if there are few.
    pub fn clear(&mut self) {
        if (self.len() as usize) < self.buckets.len() / 8 {
            let mut at = self.head();
            while at != 0 {
                let [list, link] = self.links(at);
                if let Some(bucket) = self.bucket(high(link)) {
                    *bucket = 0;
                }
                at = low(list);
            }
        } else {
            self.buckets.fill(0);
        }
        self.header[0] = 0;
        self.header[1] = 0;
        // Stale entries lie beyond the mark, where no cursor is believed.
        self.header[2] = 0;
    }

    /// The entry that a script's cursor names, if it names one.
    #[inline]
    pub fn entry(&self, cursor: i64) -> Option<Entry> {
        let n = u32::try_from(cursor).ok()?;
        if n == 0 || n > high(self.header[2]) || high(self.links(n)[1]) == 0 {
            return None;
        }
        Some(Entry(n))
    }

    /// The first entry of the list.
    pub fn first(&self) -> Option<Entry> {
        Entry::from_raw(self.head())
    }

    /// The entry after this one in the list.
    #[inline]
    pub fn next(&self, entry: Entry) -> Option<Entry> {
        Entry::from_raw(self.next_of(entry.0))
    }

    /// Words of the key with this ordinal among those of its kind.
    fn key(&self, entry: Entry, ordinal: u8, string: bool) -> &[u64] {
        let mut left = ordinal;
        for n in 0..self.shape().key_count {
            if self.shape().key_is_string(n) != string {
                continue;
            }
            if left == 0 {
                return self.words(entry.0).get(self.shape().key_offset(n)..).unwrap_or_default();
            }
            left = left.wrapping_sub(1);
        }
        &[]
    }

    /// Long key number `ordinal` (among the long keys) of an entry.
    pub fn long_key(&self, entry: Entry, ordinal: u8) -> i64 {
        self.key(entry, ordinal, false).first().copied().unwrap_or(0) as i64
    }

    /// String key number `ordinal` (among the string keys) of an entry.
    pub fn string_key(&self, entry: Entry, ordinal: u8) -> &[u8] {
        string_in(self.key(entry, ordinal, true))
    }

    #[inline]
    fn value(&self, entry: Entry) -> &[u64] {
        self.words(entry.0).get(self.shape().value_offset..).unwrap_or_default()
    }

    #[inline]
    fn value_mut(&mut self, entry: Entry) -> &mut [u64] {
        let offset = self.shape().value_offset;
        self.words_mut(entry.0).get_mut(offset..).unwrap_or_default()
    }

    /// The value of an entry of a map of longs.
    #[inline]
    pub fn long(&self, entry: Entry) -> i64 {
        self.value(entry).first().copied().unwrap_or(0) as i64
    }

    /// Changes the value of an entry of a map of longs.
    #[inline]
    pub fn set_long(&mut self, entry: Entry, value: i64) {
        if let Some(word) = self.value_mut(entry).first_mut() {
            *word = value as u64;
        }
    }

    /// The value of an entry of a map of strings.
    pub fn string(&self, entry: Entry) -> &[u8] {
        string_in(self.value(entry))
    }

    /// Changes the value of an entry of a map of strings.
    pub fn set_string(&mut self, entry: Entry, value: &[u8]) {
        put_string(self.value_mut(entry), value);
    }

    /// The aggregate of an entry of a map of aggregates, with its buckets.
    pub fn stat(&self, entry: Entry) -> &[u64] {
        let words = stat::WORDS.wrapping_add(self.shape().bucket_count);
        self.value(entry).get(..words).unwrap_or_default()
    }

    /// A number of an aggregate of this map.
    pub fn stat_number(&self, words: &[u64], operation: StatOperation) -> Option<i64> {
        let mut variance = layout::variance(self.header);
        if self.shape().key_count > 0 {
            variance = variance.of_element();
        }
        stat::get(words, variance, operation)
    }

    /// Adds to the aggregate of an entry.
    #[inline]
    pub fn add_to_stat(&mut self, entry: Entry, value: i64) {
        let buckets = layout::buckets(self.header);
        let variance = layout::variance(self.header);
        stat::add(self.value_mut(entry), buckets, variance, value);
    }
}

fn string_in(words: &[u64]) -> &[u8] {
    let Some((&length, bytes)) = words.split_first() else { return &[] };
    bytes.as_bytes().get(..length as usize).unwrap_or_default()
}

fn put_string(words: &mut [u64], text: &[u8]) {
    let Some((length, room)) = words.split_first_mut() else { return };
    let room = room.as_mut_bytes();
    let taken = text.len().min(room.len());
    if let (Some(to), Some(from)) = (room.get_mut(..taken), text.get(..taken)) {
        to.copy_from_slice(from);
        *length = taken as u64;
    }
}

/// The secret of a map's hashes. Who chooses a script's keys does not know it, and so
/// cannot choose keys that all lie in one chain: the multiplier decides which keys meet.
#[derive(Clone, Copy)]
struct Secret {
    start: u64,
    multiplier: u64,
}

impl Secret {
    /// The secret made of a random number.
    const fn of(seed: u64) -> Secret {
        // splitmix64, so that the two halves have nothing in common.
        let mut word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Secret { start: seed, multiplier: word ^ word >> 31 | 1 }
    }

    #[inline(always)]
    fn mix(self, hash: u64, word: u64) -> u64 {
        // Both halves of the product count, so that neither low nor high bits of a key
        // are lost.
        let product = u128::from(hash.rotate_left(23) ^ word).wrapping_mul(self.multiplier.into());
        product as u64 ^ (product >> 64) as u64
    }

    #[inline(always)]
    fn of_long(self, key: i64) -> u32 {
        high(self.mix(self.start, key as u64)) | IN_USE
    }

    #[inline]
    fn mix_bytes(self, hash: u64, bytes: &[u8]) -> u64 {
        let (words, rest) = bytes.as_chunks::<8>();
        let hash = words.iter().fold(hash, |hash, word| self.mix(hash, u64::from_le_bytes(*word)));
        let last = rest.iter().fold(rest.len() as u64, |word, &byte| word << 8 | u64::from(byte));
        self.mix(hash, last)
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: GPL-2.0-or-later
//! The records of all rings, in the order of their numbers.

use crate::device::Ring;
use std::collections::BTreeMap;
use vm_spec::device::RecordHeader;

const HEADER_BYTES: u64 = size_of::<RecordHeader>() as u64;

/// Bytes that the kernel writes and others read.
pub trait Bytes {
    /// Bytes of data, a power of two.
    fn data_bytes(&self) -> u64;
    /// Where the kernel writes next.
    fn head(&self) -> u64;
    /// Tells the kernel how far has been read.
    fn advance(&self, tail: u64);
    /// The 32-bit word at a position.
    fn word(&self, position: u64) -> u32;
    /// Appends `length` bytes from a position to `to`.
    fn copy(&self, position: u64, length: usize, to: &mut Vec<u8>);
}

impl Bytes for Ring {
    fn data_bytes(&self) -> u64 {
        Ring::data_bytes(self)
    }
    fn head(&self) -> u64 {
        Ring::head(self)
    }
    fn advance(&self, tail: u64) {
        Ring::advance(self, tail);
    }
    fn word(&self, position: u64) -> u32 {
        Ring::word(self, position)
    }
    fn copy(&self, position: u64, length: usize, to: &mut Vec<u8>) {
        Ring::copy(self, position, length, to);
    }
}

/// Takes records out of the rings and puts them into order.
#[derive(Debug, Default)]
pub struct Merge {
    tails: Vec<u64>,
    /// Read, but a record before them has not been yet; with their rings.
    waiting: BTreeMap<u64, (usize, Vec<u8>)>,
    next: u64,
    /// The record at hand.
    record: Vec<u8>,
    /// A ring's contents made no sense; what was left in it was dropped.
    pub damaged: u64,
}

impl Merge {
    /// Hands over all records whose predecessors have all been seen, with the number of the
    /// ring that each was in; returns how many have been read.
    ///
    /// # Errors
    /// Those of `take`; the record it failed on is gone.
    pub fn ready<R: Bytes, E>(
        &mut self,
        rings: &[R],
        mut take: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        self.tails.resize(rings.len(), 0);
        let mut read = 0;
        for (n, ring) in rings.iter().enumerate() {
            read += self.drain(n, ring, &mut take)?;
        }
        while let Some((ring, record)) = self.waiting.remove(&self.next) {
            self.next += 1;
            take(ring, &record)?;
        }
        Ok(read)
    }

    /// What is left when nothing more will come: gaps are passed over.
    pub fn rest(&mut self) -> Vec<(usize, Vec<u8>)> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }

    fn drain<R: Bytes, E>(
        &mut self,
        n: usize,
        ring: &R,
        take: &mut impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let head = ring.head();
        let mut read = 0;
        while let Some(number) = self.next_record(n, ring, head) {
            read += 1;
            // Mostly one CPU prints, and its records come in order.
            if number == self.next {
                self.next += 1;
                take(n, &self.record)?;
            } else {
                self.waiting.insert(number, (n, self.record.clone()));
            }
        }
        Ok(read)
    }

    /// Takes the next record out of a ring into `self.record` and gives its number.
    fn next_record<R: Bytes>(&mut self, n: usize, ring: &R, head: u64) -> Option<u64> {
        let tail = self.tails.get_mut(n)?;
        if head.wrapping_sub(*tail) > ring.data_bytes() {
            self.damaged += 1;
            *tail = head;
        }
        let mut number = None;
        while number.is_none() && *tail != head {
            let left = head.wrapping_sub(*tail);
            let length = u64::from(ring.word(*tail));
            let state = ring.word(tail.wrapping_add(4));
            let whole = HEADER_BYTES + length.next_multiple_of(8);
            if state == RecordHeader::PADDING {
                // Up to the end of the data, however small that is.
                let to_end = ring.data_bytes() - (*tail & (ring.data_bytes() - 1));
                *tail = tail.wrapping_add(to_end.min(left));
            } else if state != RecordHeader::COMMITTED || whole > left {
                self.damaged += 1;
                *tail = head;
            } else {
                let low = u64::from(ring.word(tail.wrapping_add(8)));
                let high = u64::from(ring.word(tail.wrapping_add(12)));
                number = Some(high << 32 | low);
                self.record.clear();
                let payload = tail.wrapping_add(HEADER_BYTES);
                ring.copy(payload, length as usize, &mut self.record);
                *tail = tail.wrapping_add(whole);
            }
        }
        // Record by record: a ring without room loses what comes.
        ring.advance(*tail);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    struct Fake {
        data: Vec<u8>,
        head: u64,
        tail: Cell<u64>,
    }

    impl Fake {
        fn new(bytes: usize) -> Fake {
            Fake { data: vec![0; bytes], head: 0, tail: Cell::new(0) }
        }

        fn put(&mut self, at: u64, bytes: &[u8]) {
            let size = self.data.len() as u64;
            for (n, byte) in bytes.iter().enumerate() {
                self.data[((at + n as u64) % size) as usize] = *byte;
            }
        }

        /// As the kernel does it; false if there is no room.
        fn append(&mut self, sequence: u64, payload: &[u8]) -> bool {
            let size = self.data.len() as u64;
            let whole = HEADER_BYTES + (payload.len() as u64).next_multiple_of(8);
            let to_end = size - self.head % size;
            let padding = if whole > to_end { to_end } else { 0 };
            if self.head - self.tail.get() + padding + whole > size {
                return false;
            }
            if padding > 0 {
                self.put(self.head + 4, &RecordHeader::PADDING.to_le_bytes());
                self.head += padding;
            }
            let at = self.head;
            self.put(at, &(payload.len() as u32).to_le_bytes());
            self.put(at + 4, &RecordHeader::COMMITTED.to_le_bytes());
            self.put(at + 8, &sequence.to_le_bytes());
            self.put(at + 16, payload);
            self.head += whole;
            true
        }
    }

    impl Bytes for Fake {
        fn data_bytes(&self) -> u64 {
            self.data.len() as u64
        }
        fn head(&self) -> u64 {
            self.head
        }
        fn advance(&self, tail: u64) {
            self.tail.set(tail);
        }
        fn word(&self, position: u64) -> u32 {
            let mut bytes = Vec::new();
            self.copy(position, 4, &mut bytes);
            u32::from_le_bytes(bytes.try_into().unwrap())
        }
        fn copy(&self, position: u64, length: usize, to: &mut Vec<u8>) {
            let size = self.data.len() as u64;
            to.extend((0..length as u64).map(|n| self.data[((position + n) % size) as usize]));
        }
    }

    fn all(merge: &mut Merge, rings: &[Fake]) -> Vec<Vec<u8>> {
        let mut read = Vec::new();
        let take = |_, record: &[u8]| {
            read.push(record.to_vec());
            Ok::<(), ()>(())
        };
        merge.ready(rings, take).unwrap();
        read
    }

    #[test]
    fn room_is_given_back_record_by_record() {
        let mut ring = [Fake::new(256)];
        assert!(ring[0].append(0, &[1; 40]) && ring[0].append(1, &[2; 40]));
        let mut merge = Merge::default();
        let mut seen = 0;
        let stopped = merge.ready(&ring, |_, _| {
            seen += 1;
            if seen == 2 { Err("full") } else { Ok(()) }
        });
        assert_eq!(stopped, Err("full"));
        assert_eq!(ring[0].tail.get(), ring[0].head);
        assert!(ring[0].append(2, &[3; 100]));
        assert_eq!(all(&mut merge, &ring), [vec![3; 100]]);
    }

    proptest! {
        #[test]
        fn records_come_out_in_order(
            writes in prop::collection::vec((0..3usize, 0..60usize, any::<bool>()), 0..200)
        ) {
            let mut rings = [Fake::new(256), Fake::new(256), Fake::new(512)];
            let mut merge = Merge::default();
            let (mut sequence, mut written, mut read) = (0u64, Vec::new(), Vec::new());
            for (ring, length, look) in writes {
                let payload = vec![sequence as u8; length];
                if rings[ring].append(sequence, &payload) {
                    sequence += 1;
                    written.push(payload);
                }
                if look {
                    read.extend(all(&mut merge, &rings));
                }
            }
            read.extend(all(&mut merge, &rings));
            prop_assert_eq!(read, written);
            prop_assert_eq!(merge.damaged, 0);
        }

        #[test]
        fn damage_is_survived(data: [u8; 128], head in 0..1024u64) {
            let rings = [Fake { data: data.to_vec(), head, tail: Cell::new(0) }];
            let mut merge = Merge::default();
            all(&mut merge, &rings);
            merge.rest();
        }
    }
}

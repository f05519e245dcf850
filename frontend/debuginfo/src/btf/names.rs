// SPDX-License-Identifier: GPL-2.0-or-later
//! Types by name: a hash table with chains, made in one pass when the first name is
//! asked for. It keeps no names, so a candidate's own is compared by the caller.

/// For each bucket the first type and for each type the next one of its bucket, counted
/// from 1; 0 ends a chain.
#[derive(Debug)]
pub(super) struct NameIndex {
    buckets: Vec<u32>,
    next: Vec<u32>,
}

impl NameIndex {
    /// An index of the names, each at the place of its type; empty ones are left out.
    pub(super) fn new<'a>(
        names: impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator,
    ) -> Self {
        let count = names.len();
        let mut index =
            NameIndex { buckets: vec![0; count.next_power_of_two()], next: vec![0; count] };
        // From the last to the first, so that chains ascend.
        for (place, name) in names.enumerate().rev().filter(|(_, name)| !name.is_empty()) {
            let bucket = index.bucket(name);
            let first = index.buckets.get_mut(bucket);
            if let (Some(first), Some(next)) = (first, index.next.get_mut(place)) {
                *next = *first;
                *first = place as u32 + 1;
            }
        }
        index
    }

    /// The places that may have the name, ascending.
    pub(super) fn candidates(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let first = self.buckets.get(self.bucket(name)).copied().unwrap_or(0);
        let place = |link: u32| link.checked_sub(1);
        std::iter::successors(place(first), move |at| place(*self.next.get(*at as usize)?))
    }

    fn bucket(&self, name: &[u8]) -> usize {
        hash(name) as usize & (self.buckets.len().wrapping_sub(1))
    }
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): names are short.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::NameIndex;

    #[test]
    fn names_are_found_in_their_order() {
        let names: [&[u8]; 5] = [b"file", b"", b"inode", b"file", b"sock"];
        let index = NameIndex::new(names.into_iter());
        let found = |name: &[u8]| -> Vec<u32> {
            index.candidates(name).filter(|&at| names[at as usize] == name).collect()
        };
        assert_eq!(found(b"file"), [0, 3]);
        assert_eq!(found(b"sock"), [4]);
        assert!(found(b"task_struct").is_empty());
        assert!(NameIndex::new(std::iter::empty()).candidates(b"file").next().is_none());
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Random damage to images, the same for the same seed on every machine.

/// A small generator of random numbers (xorshift64*), so that a seed means the same
/// everywhere and for ever.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Random {
        // The state must not be 0.
        Random(seed ^ 0x9e37_79b9_7f4a_7c15 | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }
}

/// Numbers at the edges of what fields can hold.
const EDGES: [u64; 8] = [0, 1, 0x7f, 0xff, 0xffff, u32::MAX as u64, i64::MIN as u64, u64::MAX];

/// Damages an image in one to four places.
pub fn mutate(words: &mut Vec<u64>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        damage(words, random);
    }
}

fn damage(words: &mut Vec<u64>, random: &mut Random) {
    if words.is_empty() {
        return;
    }
    let at = random.below(words.len());
    let byte = 8 * random.below(8);
    match random.below(16) {
        // A bit.
        0..=3 => words[at] ^= 1 << random.below(64),
        // A byte.
        4..=7 => words[at] = words[at] & !(0xff << byte) | (random.number() & 0xff) << byte,
        // A small change of a byte: the neighbour of what was right is often right too.
        8..=10 => words[at] = words[at].wrapping_add((1 + random.number() % 3) << byte),
        // A word from the edges.
        11 => words[at] = EDGES[random.below(EDGES.len())],
        // One half of a word, which is a field of many records.
        12 => {
            let shift = 32 * random.below(2);
            words[at] = words[at] & !(0xffff_ffff << shift) | (random.number() >> 32) << shift;
        }
        // Another word of the image, often a whole instruction.
        13 => words[at] = words[random.below(words.len())],
        // Two words change places.
        14 => {
            let other = random.below(words.len());
            words.swap(at, other);
        }
        // The end is lost.
        _ => words.truncate(at),
    }
}

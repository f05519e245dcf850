// SPDX-License-Identifier: GPL-2.0-or-later
//! Every fuzz target with its seeds and some mutations of them, the same in each run.

use fuzz::{Property, TARGETS, seeds};

/// Mutations of all seeds of a target together.
const MUTATIONS: usize = 3000;

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        number as usize % bound.max(1)
    }
}

/// One to three changes: a byte, a piece of another seed, a piece left out or doubled.
fn mutated(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(24)).min(bytes.len());
        match random.below(5) {
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.below(256) as u8;
                }
            }
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let from = random.below(other.len() + 1);
                let to = (from + random.below(48)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
        }
    }
    bytes
}

fn holds(target: &str) {
    let (_, property): (_, Property) =
        *TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let seeds = seeds::seeds(target);
    assert!(!seeds.is_empty(), "no seeds for {target}");
    for seed in &seeds {
        property(seed);
    }
    let mut random = Random(0x1234_5678_9abc_def1);
    for _ in 0..MUTATIONS {
        let seed = &seeds[random.below(seeds.len())];
        let other = &seeds[random.below(seeds.len())];
        let bytes = mutated(seed, other, &mut random);
        let result = std::panic::catch_unwind(|| property(&bytes));
        assert!(result.is_ok(), "{target}: {:?}", String::from_utf8_lossy(&bytes));
    }
}

/// What `make fuzz` has found so far: `TARGET-NAME`, each small.
#[test]
fn findings_stay_mended() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let target = name.split('-').next().unwrap_or_default();
        let (_, property) = TARGETS.iter().find(|(known, _)| *known == target).expect("a target");
        let started = std::time::Instant::now();
        property(&std::fs::read(&path).unwrap());
        // They took minutes, or had no end; a tenth of this is enough on a busy machine.
        assert!(started.elapsed().as_secs() < 60, "{name}");
        count += 1;
    }
    assert!(count >= 5);
}

#[test]
fn scripts_are_parsed() {
    holds("syntax");
}

#[test]
fn scripts_are_compiled() {
    holds("script");
}

#[test]
fn expressions_are_compiled() {
    holds("regex");
}

#[test]
fn images_are_verified() {
    holds("image");
}

#[test]
fn blobs_are_read() {
    holds("blob");
}

#[test]
fn records_are_read() {
    holds("record");
}

#[test]
fn types_are_read() {
    holds("btf");
}

#[test]
fn debug_symbols_are_read() {
    holds("dwarf");
}

// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;
use vm_spec::image::{MapRecord, Overflow, SortOrder, SortSubject};

const LENGTH: u32 = 8;

fn storage(record: &MapRecord, seed: u64) -> Vec<u64> {
    let mut words = vec![u64::MAX; words_needed(record, LENGTH) as usize];
    initialise(&mut words, record, LENGTH, b"", seed);
    words
}

fn long_map(capacity: u32, overflow: Overflow) -> MapRecord {
    MapRecord { capacity, key_count: 1, overflow: overflow as u8, ..MapRecord::default() }
}

#[derive(Clone, Debug)]
enum Step {
    Add(i64, i64),
    Delete(i64),
    /// As `mset` and `mdel` do it in the usual case.
    QuickAdd(i64, i64),
    QuickDelete(i64),
    DeleteAtCursor(i64),
    Clear,
    SortKey(bool),
    SortValue(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..40i64, -5..5i64).prop_map(|(k, v)| Step::Add(k, v)),
        3 => (0..40i64).prop_map(Step::Delete),
        8 => (0..40i64, -5..5i64).prop_map(|(k, v)| Step::QuickAdd(k, v)),
        4 => (0..40i64).prop_map(Step::QuickDelete),
        2 => (-2..40i64).prop_map(Step::DeleteAtCursor),
        1 => Just(Step::Clear),
        1 => any::<bool>().prop_map(Step::SortKey),
        1 => any::<bool>().prop_map(Step::SortValue),
    ];
    prop::collection::vec(step, 0..300)
}

fn contents(map: &Map<'_>) -> Vec<(i64, i64)> {
    let mut out = vec![];
    let mut at = map.first();
    while let Some(entry) = at {
        out.push((map.long_key(entry, 0), map.long(entry)));
        assert!(out.len() <= map.len() as usize, "the list is longer than the map");
        assert_eq!(map.entry(Entry::cursor(Some(entry))), Some(entry));
        at = map.next(entry);
    }
    out
}

/// The quick way either does the whole of it or nothing.
fn apply_quickly(words: &mut [u64], model: &mut Vec<(i64, i64)>, step: &Step, capacity: usize) {
    match *step {
        Step::QuickAdd(key, value) if single::of_long(words, key).is_none() => {
            let added = single::insert_long(words, key);
            assert_eq!(added.is_some(), model.len() < capacity);
            if let Some(word) = added {
                assert_eq!(*word, 0);
                *word = value as u64;
                model.push((key, value));
            }
        }
        Step::QuickDelete(key) => {
            single::remove_long(words, key).unwrap();
            model.retain(|pair| pair.0 != key);
        }
        _ => {}
    }
}

/// A list of pairs does all that a map does.
fn apply(map: &mut Map<'_>, model: &mut Vec<(i64, i64)>, step: Step, capacity: usize, wrap: bool) {
    let order = |subject, descending| SortOrder { subject, descending };
    match step {
        Step::QuickAdd(..) | Step::QuickDelete(_) => {}
        Step::Add(key, value) => {
            let longs = [key];
            let keys = Keys::of_longs(&longs);
            let entry = map.find_or_insert(&keys);
            if let Some(pair) = model.iter_mut().find(|pair| pair.0 == key) {
                pair.1 += value;
            } else if model.len() < capacity || wrap {
                if model.len() == capacity {
                    model.remove(0);
                }
                model.push((key, value));
            } else {
                assert_eq!(entry, Err(Fault::MapFull));
                return;
            }
            let entry = entry.unwrap();
            map.set_long(entry, map.long(entry) + value);
        }
        Step::Delete(key) => {
            let longs = [key];
            if let Some(entry) = map.find(&Keys::of_longs(&longs)) {
                map.remove(entry);
            }
            model.retain(|pair| pair.0 != key);
        }
        Step::DeleteAtCursor(cursor) => {
            if let Some(entry) = map.entry(cursor) {
                let key = map.long_key(entry, 0);
                assert!(model.iter().any(|pair| pair.0 == key));
                map.remove(entry);
                model.retain(|pair| pair.0 != key);
            }
        }
        Step::Clear => {
            map.clear();
            model.clear();
        }
        Step::SortKey(down) => {
            map.sort(order(SortSubject::Key(0), down));
            model.sort_by(|a, b| if down { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) });
        }
        Step::SortValue(down) => {
            map.sort(order(SortSubject::Value, down));
            model.sort_by(|a, b| if down { b.1.cmp(&a.1) } else { a.1.cmp(&b.1) });
        }
    }
}

proptest! {
    #[test]
    fn does_what_a_list_of_pairs_does(steps in steps(), capacity in 1..30u32, wrap: bool, seed: u64) {
        let overflow = if wrap { Overflow::DropOldest } else { Overflow::Fail };
        let mut words = storage(&long_map(capacity, overflow), seed);
        let mut model = vec![];
        for step in steps {
            apply_quickly(&mut words, &mut model, &step, capacity as usize);
            let mut map = Map::open(&mut words).unwrap();
            apply(&mut map, &mut model, step, capacity as usize, wrap);
            prop_assert_eq!(contents(&map), model.clone());
            prop_assert_eq!(map.len() as usize, model.len());
            for key in 0..40 {
                let found = single::of_long(&mut words, key).map(|(_, value)| value[0] as i64);
                let pair = model.iter().find(|pair| pair.0 == key);
                prop_assert_eq!(found, pair.map(|pair| pair.1));
            }
        }
    }

    #[test]
    fn a_single_string_is_found_quickly(texts in prop::collection::vec("[ab]{0,7}", 0..40), other in "[abc]{0,9}", seed: u64) {
        let record = MapRecord { string_keys: 1, ..long_map(64, Overflow::Fail) };
        let mut words = storage(&record, seed);
        for text in &texts {
            let mut map = Map::open(&mut words).unwrap();
            let mut register = [0];
            let keys = Keys::of_string(&mut register, text.as_bytes());
            let entry = map.find_or_insert(&keys).unwrap();
            map.set_long(entry, text.len() as i64 + 1);
        }
        for text in texts.iter().chain([&other]) {
            let known = texts.contains(text);
            let found = single::of_string(&mut words, text.as_bytes());
            prop_assert_eq!(found.map(|(_, value)| value[0]), known.then_some(text.len() as u64 + 1));
        }
    }

    /// Storage that somebody overwrote gives wrong answers, not a panic.
    #[test]
    fn any_storage_can_be_asked(words in prop::collection::vec(0..40u64, 0..80), key: i64, cursor: i64) {
        let mut words = words;
        let _ = single::insert_long(&mut words, key);
        if let Some(map) = Map::open(&mut words) {
            let _ = map.entry(cursor).map(|entry| (map.long(entry), map.string(entry).len()));
            let longs = [key];
            let _ = map.hash(&Keys::of_longs(&longs));
        }
    }
}

#[test]
fn a_string_global_has_its_initial_value() {
    let record = MapRecord { capacity: 1, value: 1, ..MapRecord::default() };
    let mut words = vec![7; words_needed(&record, LENGTH) as usize];
    initialise(&mut words, &record, LENGTH, b"too long a text", 5);
    let map = Map::open(&mut words).unwrap();
    let entry = map.find(&Keys::NONE).unwrap();
    assert_eq!(map.string(entry), b"too lon");
    assert!(override_string(&mut words, b"x"));
    let map = Map::open(&mut words).unwrap();
    assert_eq!(map.string(map.first().unwrap()), b"x");
}

/// Longs that share a bucket, whoever chose them, do so for one seed only.
#[test]
fn a_seed_spreads_what_another_gathers() {
    const BUCKETS: u32 = 64;
    let bucket = |seed, key| Secret::of(seed).of_long(key) % BUCKETS;
    let gathered: Vec<i64> = (0..).filter(|&key| bucket(0, key) == 0).take(256).collect();
    for seed in [1, 1 << 40, 0x5bd1_e995_9d1c_0c2f, u64::MAX] {
        let mut chains = [0; BUCKETS as usize];
        gathered.iter().for_each(|&key| chains[bucket(seed, key) as usize] += 1);
        let longest = chains.iter().max().copied();
        assert!(longest < Some(16), "{seed:#x}: {chains:?}");
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use proptest::prelude::*;
use std::string::String;
use std::vec;
use std::vec::Vec;
use vm_spec::build::{Builder, Limits};

const REGISTERS: usize = 6;
const LENGTH: u32 = 16;

#[derive(Clone, Debug)]
enum Step {
    Store(u8, Vec<u8>),
    Move(u8, u8),
    Concat(u8, u8, u8),
    /// What is stored is joined to what was made last.
    Append(u8, u8, Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let r = || 0..REGISTERS as u8;
    let step = prop_oneof![
        (r(), prop::collection::vec(any::<u8>(), 0..24)).prop_map(|(a, b)| Step::Store(a, b)),
        (r(), r()).prop_map(|(a, b)| Step::Move(a, b)),
        (r(), r(), r()).prop_map(|(a, b, c)| Step::Concat(a, b, c)),
        (r(), r(), prop::collection::vec(any::<u8>(), 0..5))
            .prop_map(|(a, b, c)| Step::Append(a, b, c)),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// However often the arena is compacted, registers hold what they should.
    #[test]
    fn registers_hold_their_strings(steps in steps()) {
        let built = Builder::new(Limits { string_length: LENGTH, ..Limits::default() }).finish().unwrap();
        let image = Image::parse(&built.image).unwrap();
        let (mut registers, mut order) = ([0; REGISTERS], [0; REGISTERS]);
        // As tight as the sizes allow: all registers full and one string more.
        let mut arena = vec![0; (REGISTERS + 1) * LENGTH as usize];
        let mut strings = Strings::new(&image, &mut registers, &mut order, &mut arena);
        strings.enter(0, REGISTERS);
        strings.begin(0, 0);
        let limit = LENGTH as usize - 1;
        let mut model = vec![Vec::new(); REGISTERS];
        for step in steps {
            match step {
                Step::Store(a, mut bytes) => {
                    let string = strings.store(&bytes);
                    strings.set(a, string);
                    bytes.truncate(limit);
                    model[usize::from(a)] = bytes;
                }
                Step::Move(a, b) => {
                    strings.set(a, strings.get(b));
                    model[usize::from(a)] = model[usize::from(b)].clone();
                }
                Step::Append(a, b, bytes) => {
                    let string = strings.store(&bytes);
                    strings.set(b, string);
                    model[usize::from(b)] = bytes.clone();
                    let joined = strings.joined(a, b);
                    let string = joined.unwrap_or_else(|| strings.concatenate(a, b));
                    strings.set(a, string);
                    let whole = &mut model[usize::from(a)];
                    whole.extend(bytes);
                    whole.truncate(limit);
                }
                Step::Concat(a, b, c) => {
                    let joined = strings.joined(b, c);
                    let string = joined.unwrap_or_else(|| strings.concatenate(b, c));
                    strings.set(a, string);
                    let mut both = [model[usize::from(b)].clone(), model[usize::from(c)].clone()].concat();
                    both.truncate(limit);
                    model[usize::from(a)] = both;
                }
            }
            for (n, wanted) in model.iter().enumerate() {
                prop_assert_eq!(strings.bytes(strings.get(n as u8)), &wanted[..]);
            }
        }
    }

    #[test]
    fn sorts(mut words: Vec<u64>) {
        let mut wanted = words.clone();
        wanted.sort_unstable();
        heap_sort(&mut words);
        prop_assert_eq!(words, wanted);
    }
}

#[test]
fn constants_are_cut_off() {
    let mut builder = Builder::new(Limits { string_length: 4, ..Limits::default() });
    let id = builder.string(b"abcdef");
    let built = builder.finish().unwrap();
    let image = Image::parse(&built.image).unwrap();
    let strings = Strings::new(&image, &mut [], &mut [], &mut []);
    let text = String::from_utf8(strings.bytes(strings.constant(id)).to_vec()).unwrap();
    assert_eq!(text, "abc");
}

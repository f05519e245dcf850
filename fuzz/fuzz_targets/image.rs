// SPDX-License-Identifier: GPL-2.0-or-later
//! Any words: the verifier answers, and what it accepts can be listed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vm_spec::{disasm, verify::verify};

fuzz_target!(|data: &[u8]| {
    let words: Vec<u64> = data.as_chunks().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
    if let Ok(verified) = verify(&words) {
        let mut text = String::new();
        disasm::listing(verified.image(), &disasm::NoNotes, &mut text).expect("a String takes all");
    }
});

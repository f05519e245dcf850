// SPDX-License-Identifier: GPL-2.0-or-later
//! Properties of what programs consist of.

use debuginfo::elf::btf_of;
use debuginfo::oracle::{ask_everything, ask_symbols, sample};
use vm_core::map;
use vm_host::{Session, World};
use vm_spec::blob::Blob;
use vm_spec::disasm;
use vm_spec::ids::ProbeId;
use vm_spec::record::Reader;
use vm_spec::verify::verify;

/// Programs with larger maps are verified only: to clear them takes all the time.
const MAX_MAP_WORDS: u64 = 1 << 18;
/// The same of programs that may run for long.
const MAX_STEPS: u32 = 20_000;

/// Any words: the verifier answers; what it accepts can be listed and runs to an end.
///
/// # Panics
/// If that does not hold.
pub fn image(data: &[u8]) {
    let words: Vec<u64> = data.as_chunks().0.iter().map(|w| u64::from_le_bytes(*w)).collect();
    let Ok(verified) = verify(&words) else { return };
    let image = *verified.image();
    let mut text = String::new();
    disasm::listing(&image, &disasm::NoNotes, &mut text).expect("a String takes all");
    let small = map::storage_words_needed(&image) <= MAX_MAP_WORDS;
    if !small || image.probes.iter().any(|probe| probe.steps > MAX_STEPS) {
        return;
    }
    let Ok(mut session) = Session::new(verified, World::fixed()) else { return };
    for probe in 0..image.probes.len().min(16) as u32 {
        let run = session.run(ProbeId(probe));
        assert_eq!(run.violations, Vec::<String>::new());
    }
}

/// Any bytes: a blob or an error; what is read can be written.
///
/// # Panics
/// If that does not hold.
pub fn blob(data: &[u8]) {
    if let Ok(blob) = Blob::decode(data) {
        let written = blob.encode().expect("what was read can be written");
        assert_eq!(Blob::decode(&written).as_ref(), Ok(&blob));
    }
}

/// Any payload: the reader of output items never reads outside it.
pub fn record(data: &[u8]) {
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        if reader.tag().is_err() || reader.string().is_err() {
            break;
        }
    }
}

/// Damage done to good types, or any bytes: every question is answered or refused.
pub fn btf(data: &[u8]) {
    let Some((&way, rest)) = data.split_first() else { return };
    if way & 1 == 0 {
        return ask_everything(rest.to_vec());
    }
    let mut bytes = sample().finish();
    for change in rest.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] ^= change[2];
    }
    ask_everything(bytes);
}

/// Any bytes: an ELF file with types in it, or an error.
pub fn elf(data: &[u8]) {
    let mut file = b"\x7fELF".to_vec();
    file.extend(data);
    if let Ok(bytes) = btf_of(&file) {
        ask_everything(bytes.to_vec());
    }
}

/// Any bytes: an object file with debug symbols, or an error.
pub fn dwarf(data: &[u8]) {
    ask_symbols(data.to_vec());
}

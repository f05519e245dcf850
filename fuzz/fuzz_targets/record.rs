// SPDX-License-Identifier: GPL-2.0-or-later
//! Any payload: the reader of output items never reads outside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vm_spec::record::Reader;

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data);
    while !reader.is_empty() {
        if reader.tag().is_err() || reader.string().is_err() {
            break;
        }
    }
});

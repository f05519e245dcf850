// SPDX-License-Identifier: GPL-2.0-or-later
//! Any bytes: a blob or an error; what is read can be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vm_spec::blob::Blob;

fuzz_target!(|data: &[u8]| {
    if let Ok(blob) = Blob::decode(data) {
        let written = blob.encode().expect("what was read can be written");
        assert_eq!(Blob::decode(&written).as_ref(), Ok(&blob));
    }
});

// SPDX-License-Identifier: GPL-2.0-or-later
//! [`fuzz::dwarf`] under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::dwarf(data));

// SPDX-License-Identifier: GPL-2.0-or-later
//! What must hold for any bytes.
//!
//! ```text
//! syntax   a script: lexer, preprocessor, parser; what is printed is read again
//! script   a script: the whole compiler; what it makes is verified and runs
//! regex    an expression and a text: tables, groups, and the answer of another engine
//! image    a program: the verifier; what it accepts can be listed, and runs to an end
//! blob     a file: the reader of blobs
//! record   output of a handler: its reader
//! btf      types of a kernel: their reader, and walks through them
//! elf      an object file: what finds the types in it
//! dwarf    an object file: what reads the debug symbols in it
//! ```
//! Each is a plain function that panics if something is wrong. The binaries of this
//! package give them to libFuzzer (`make fuzz`); `tests/short.rs` calls them with
//! mutations of the seeds in every test run.
#![forbid(unsafe_code)]

mod program;
mod scripts;
pub mod seeds;

use frontend_syntax::Release;

pub use program::{blob, btf, dwarf, elf, image, record};
pub use scripts::{regex, script, syntax};

/// The kernel that scripts are compiled for.
const KERNEL: Release<'static> = Release("6.12.0");

/// A property of any bytes: it panics where it does not hold.
pub type Property = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Property); 9] = [
    ("syntax", syntax),
    ("script", script),
    ("regex", regex),
    ("image", image),
    ("blob", blob),
    ("record", record),
    ("btf", btf),
    ("elf", elf),
    ("dwarf", dwarf),
];

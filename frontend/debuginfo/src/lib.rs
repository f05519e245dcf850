// SPDX-License-Identifier: GPL-2.0-or-later
//! Types of the kernel, from what the kernel says of itself.
//!
//! ```text
//! btf        the format: bytes -> types, decoded when they are looked at
//! elf        BTF in files that are kernels or modules
//! types      the kernel and its modules as one source of types, read when first asked
//! ty         one type: what it is, its members, its name in C
//! function   prototypes, and where the calling convention puts arguments
//! dwarf      debug symbols, where they are installed: inlined functions, lines, locals
//! path       a way through types, walked: the answers to relocations
//! oracle     what must hold of any bytes, for tests and fuzzers
//! near       advice for names that do not exist
//! ```
//! The compiler asks here for names and types, and the loader asks the same questions
//! again on the kernel that a program runs on ([`vm_spec::relocation`]).
//!
//! # What this crate must not know
//! Scripts, processes, where files are: bytes come from a [`Source`].
#![forbid(unsafe_code)]

pub mod btf;
pub mod dwarf;
pub mod elf;
mod function;
mod near;
pub mod oracle;
mod path;
mod ty;
mod types;

pub use function::{Argument, Function, Place};
pub use path::{Base, PathError, Walk, answer, walk};
pub use ty::{Field, Found, Shape, Type};
pub use types::{Source, Types, TypesError};

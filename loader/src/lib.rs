// SPDX-License-Identifier: GPL-2.0-or-later
//! What `stap` and `staprun` do around a program: attach it, read what it writes,
//! print that, and end.
//!
//! ```text
//! options    the command lines, as typed and as meant
//! program    programs in files
//! compile    (stap only) the frontend's passes with their pass lines
//! attach     probe points -> attach records of this kernel
//! listing    (stap only) -l and -L
//! types      where the types of a kernel are
//! relocate   relocations -> numbers of this kernel
//! device     /dev/stapvm: ioctls and mapped rings; all `unsafe` of this crate
//! ring       records of all rings in their order
//! output     items of a record -> text
//! histogram  histograms as text
//! session    one run from LOAD to the last record
//! background sessions that outlive whoever started them
//! resident   sessions that are left and attached to again
//! user       one run inside this process, without the device
//! disasm     blobs as text
//! ```
//! Only `compile` knows the frontend; `staprun` does not call it.

pub mod accounting;
pub mod attach;
pub mod background;
pub mod compile;
pub mod device;
pub mod disasm;
pub mod histogram;
pub mod kallsyms;
pub mod library;
pub mod listing;
pub mod options;
pub mod output;
pub mod program;
pub mod relocate;
pub mod resident;
pub mod ring;
pub mod session;
pub mod sink;
pub mod types;
pub mod user;

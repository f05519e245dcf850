// SPDX-License-Identifier: GPL-2.0-or-later
//! A machine in user space that handlers can run on.
//!
//! ```text
//! world      time, task, memory and context as a handler sees them
//! session    a program's globals and memory; runs its probes
//! ```
//! It serves tests, fuzzing and the loader's `--runtime=user`. The interpreter and
//! the verifier are the kernel's own.
//!
//! # What this crate must not know
//! Scripts, blobs, devices, how output looks.
#![forbid(unsafe_code)]

mod session;
mod world;

pub use session::{LoadError, Run, Session};
pub use world::{Clock, Task, World};

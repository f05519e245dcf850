// SPDX-License-Identifier: GPL-2.0-or-later
//! The interpreter: runs the handlers of a verified program.
//!
//! ```text
//! host       what a run asks of the world
//! memory     what a run works in: register stacks, string arena, output buffer
//! machine    the running handler: dispatch, calls, faults
//! ops        one function for each opcode
//! helpers    the pure helpers; the others go to the host
//! strings    string references, the arena and its compaction
//! map        hash tables with an order, in storage given by the caller
//! regex      runs the tables of regular expressions
//! stat       aggregates and histograms
//! format     the engine of printf and sprintf, used by the loader, too
//! fault      run-time errors and their words
//! ```
//!
//! It takes nothing but a [`Verified`] program, yet trusts the verifier only for
//! meaning, never for memory safety: there is no unsafe code here, and what the
//! verifier has proved is still looked up with checks, which end the run when they
//! fail. No path panics: the kernel's build proves it on the linked object.
//!
//! # What this crate must not know
//! Where it runs, how probes are attached, how locks are taken, who reads the output.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

#[cfg(test)]
extern crate std;

pub mod fault;
pub mod format;
mod helpers;
pub mod host;
mod machine;
pub mod map;
pub mod memory;
mod ops;
pub mod regex;
pub mod stat;
pub mod strings;

pub use fault::Fault;
pub use host::Host;
pub use memory::{RunMemory, RunSizes};

use core::sync::atomic::AtomicI64;
use vm_spec::ids::ProbeId;
use vm_spec::verify::Verified;

/// How a handler run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The handler came to its end.
    Finished,
    /// An uncaught fault ended it; its Fault item has been emitted.
    Fault,
}

/// Runs a probe's handler.
///
/// The caller holds the locks of the handler's lock set. `scalars` are the globals of
/// type long, in their order; fewer than the program has read as 0 and take nothing.
/// `relocations` are what the program's slots hold; one that is missing ends the run.
/// `memory` is of this program ([`RunSizes::of`]) and nobody else's meanwhile. A
/// probe that the program does not have finishes at once.
pub fn run(
    verified: &Verified<'_>,
    probe: ProbeId,
    scalars: &[AtomicI64],
    relocations: &[i64],
    memory: &mut RunMemory<'_>,
    host: &mut dyn Host,
) -> Outcome {
    machine::run(verified, probe, scalars, relocations, memory, host)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The interpreter: runs the handlers of a verified program.
//!
//! ```text
//! host       what a run asks of the world
//! memory     what a run works in: register stacks, string arena, output buffer
//! machine    the running handler: dispatch, calls, faults
//! step       code as the machine runs it: linked, with fused instructions
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
pub mod step;
pub mod strings;

pub use fault::Fault;
pub use host::{Host, Task};
pub use machine::Runner;
pub use memory::{RunMemory, RunSizes};
pub use step::{Code, Step};

use core::sync::atomic::AtomicI64;
use vm_spec::helper::HelperId;
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

/// Runs a probe's handler once; see [`Runner`].
///
/// The caller holds the locks of the handler's lock set, and `memory` is nobody else's
/// meanwhile.
pub fn run<'a>(
    verified: &'a Verified<'a>,
    code: Code<'a>,
    probe: ProbeId,
    scalars: &'a [AtomicI64],
    relocations: &'a [i64],
    memory: RunMemory<'a>,
    host: &'a mut dyn Host,
) -> Outcome {
    let mut ask = |id| host.helper_long(id, [0; 2]) as i32;
    let task = Task { pid: ask(HelperId::Pid), tid: ask(HelperId::Tid) };
    Runner::new(verified, code, scalars, relocations, memory, host).run(probe, task)
}

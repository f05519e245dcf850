// SPDX-License-Identifier: GPL-2.0-or-later
//! The command lines of `stap` and `staprun`, twice: as typed and as meant.
//!
//! ```text
//! flag       what an option is, and how a table of them reads a command line
//! stap       the table of stap's options      -> Stap, as typed
//! staprun    the table of staprun's options   -> Staprun, as typed
//! plan       what the typed options come to together -> Plan
//! names      module names, `name=value`, sizes: the values that have a form
//! ```
//! Every option of SystemTap 4.8 is in the tables. One that means nothing here (there is
//! no C, no temporary directory and no cache) is taken and does nothing; one whose
//! absence would make a difference is refused with the reason.

pub mod flag;
pub mod names;
pub mod plan;
pub mod stap;
pub mod staprun;

pub use flag::OptionError;
pub use plan::{Mode, Plan};
pub use stap::Stap;
pub use staprun::Staprun;

#[cfg(test)]
mod tests;

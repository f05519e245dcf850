// SPDX-License-Identifier: GPL-2.0-or-later
//! `make bench`: what a hit costs in instructions, and how long start-up, arming and
//! disarming take.
//!
//! A guest booted with `-icount shift=0` has a clock that counts its instructions, one
//! a nanosecond, so what a hit costs is a number that two runs agree on to a
//! few tenths, however busy the host is. Start-up is wall time in an ordinary guest, the least of
//! several runs; the same in instructions stands beside it.
//!
//! ```text
//! hits       the works of tests/bench, counted
//! startup    from exec to armed; arming and disarming many probes
//! compiler   the frontend alone, on the host
//! types      kernel types and lists of probe points, on the host
//! ```

pub mod compiler;
pub mod hits;
pub mod startup;
pub mod types;

use crate::guest::{Guest, GuestError, Outcome};
use std::fmt::Write as _;
use std::time::Duration;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The guest.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// A file of ours.
    #[error("{path}: {error} (run `make build module`)")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A command in the guest did something else than it should.
    #[error("{what}: {outcome:?}")]
    Command {
        /// What was run.
        what: String,
        /// What it did.
        outcome: Outcome,
    },
    /// What a program printed is not what was to be read there.
    #[error("{what} printed {text:?}")]
    Unreadable {
        /// The program.
        what: String,
        /// Its output.
        text: String,
    },
    /// A program on the host.
    #[error("{program}: {error}")]
    Host {
        /// Its name.
        program: String,
        /// What happened.
        error: String,
    },
    /// A goal is missed.
    #[error("{what} took {took:.1?}: the goal is {goal:.0?}")]
    Slow {
        /// What.
        what: String,
        /// The least that it took.
        took: Duration,
        /// The goal.
        goal: Duration,
    },
    /// Hits are missing: the figures would mean nothing.
    #[error("{work} on {series}: {seen} of {wanted} hits; {warnings}")]
    Lost {
        /// The work.
        work: String,
        /// The kernel.
        series: String,
        /// Hits that the script counted.
        seen: u64,
        /// Hits that there were.
        wanted: u64,
        /// What the loader said.
        warnings: String,
    },
}

/// The load, in the guest: `bin/bench-load.rs`.
const LOAD: &str = "bench-load";

/// Puts the module into the guest's kernel.
pub(crate) fn prepare(guest: &mut Guest) -> Result<(), BenchError> {
    run(guest, "insmod /stapvm.ko").map(drop)
}

/// Runs a command that must succeed.
pub(crate) fn run(guest: &mut Guest, command: &str) -> Result<Outcome, BenchError> {
    let outcome = guest.run(command, Duration::from_secs(300))?;
    if outcome.status != 0 {
        return Err(BenchError::Command { what: command.to_owned(), outcome });
    }
    Ok(outcome)
}

/// The number that a text consists of.
pub(crate) fn number(what: &str, text: &str) -> Result<f64, BenchError> {
    text.trim()
        .parse()
        .map_err(|_| BenchError::Unreadable { what: what.to_owned(), text: text.to_owned() })
}

/// A table in Markdown, which can be read as it is.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::len);
        cells.chain(head.get(column).map(|text| text.len())).max().unwrap_or(0)
    };
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut out = String::from("|");
        for (column, cell) in cells.enumerate() {
            let width = width(column);
            // The first column names things, the others hold numbers.
            let _ = if column == 0 {
                write!(out, " {cell:<width$} |")
            } else {
                write!(out, " {cell:>width$} |")
            };
        }
        out.push('\n');
        out
    };
    let mut out = line(&mut head.iter().copied());
    let rule: Vec<String> = (0..head.len())
        .map(|column| {
            let dashes = "-".repeat(width(column) - usize::from(column > 0));
            if column == 0 { dashes } else { format!("{dashes}:") }
        })
        .collect();
    out.push_str(&line(&mut rule.iter().map(String::as_str)));
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn tables_are_aligned() {
        let rows =
            [vec!["w1".to_owned(), "604".to_owned()], vec!["longer".to_owned(), "7".to_owned()]];
        let want = "| work   | n   |\n";
        let got = table(&["work", "n"], &rows);
        assert!(got.lines().all(|line| line.len() == got.lines().next().unwrap().len()), "{got}");
        assert!(got.starts_with(&want.replace("n   |", "  n |")), "{got}");
    }
}

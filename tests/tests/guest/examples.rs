// SPDX-License-Identifier: GPL-2.0-or-later
//! The short form of `make examples-run`: some of SystemTap's examples under a load.

use crate::Check;
use tests::example_runs::all;
use tests::guest::Guest;

/// Checks and their names.
pub(crate) const CHECKS: &[(&str, Check)] = &[("examples::some_print_what_makes_sense", some)];

fn some(guest: &mut Guest) -> Result<(), String> {
    let mut wrong = String::new();
    for run in all()?.iter().filter(|run| run.short) {
        if let Err(error) = run.check(guest) {
            wrong.push_str(&format!("{}: {error}\n", run.name));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Steps that guest tests are made of.

use std::time::Duration;
use tests::guest::{Guest, Outcome};

/// Runs a shell command; a complaint of the kernel is an error, a failing command is not.
pub(crate) fn sh(guest: &mut Guest, command: &str) -> Result<Outcome, String> {
    let outcome = guest.run(command, Duration::from_secs(120)).map_err(|e| e.to_string())?;
    let complaints = guest.complaints();
    if !complaints.is_empty() {
        return Err(format!("{command}: the kernel complains: {complaints:?}"));
    }
    Ok(outcome)
}

/// Runs a shell command that must succeed and print just this.
pub(crate) fn expect(guest: &mut Guest, command: &str, want: &str) -> Result<(), String> {
    let outcome = sh(guest, command)?;
    if outcome.status != 0 || outcome.stdout != want {
        return Err(format!("{command}\nshould print {want:?} and succeed, but: {outcome:?}"));
    }
    Ok(())
}

/// Writes a file in the guest.
pub(crate) fn write(guest: &mut Guest, path: &str, text: &str) -> Result<(), String> {
    guest.write_file(path, text.as_bytes()).map_err(|error| error.to_string())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Guest tests of sessions as a whole: what is left behind when they end badly.

use crate::Check;
use std::time::Duration;
use tests::guest::{Guest, Outcome};

/// The tests by name.
pub(crate) const CHECKS: &[(&str, Check)] =
    &[("module_unloads_and_loads", module_unloads_and_loads)];

fn sh(guest: &mut Guest, command: &str) -> Result<Outcome, String> {
    let outcome = guest.run(command, Duration::from_secs(120)).map_err(|e| e.to_string())?;
    let complaints = guest.complaints();
    if !complaints.is_empty() {
        return Err(format!("{command}: the kernel complains: {complaints:?}"));
    }
    Ok(outcome)
}

fn expect(guest: &mut Guest, command: &str, want: &str) -> Result<(), String> {
    let outcome = sh(guest, command)?;
    if outcome.status != 0 || outcome.stdout != want {
        return Err(format!("{command}\nshould print {want:?} and succeed, but: {outcome:?}"));
    }
    Ok(())
}

fn module_unloads_and_loads(guest: &mut Guest) -> Result<(), String> {
    expect(
        guest,
        "for n in 1 2 3 4 5; do rmmod stapvm && insmod /stapvm.ko || exit 1; done; ls /dev/stapvm",
        "/dev/stapvm\n",
    )
}

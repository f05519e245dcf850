// SPDX-License-Identifier: GPL-2.0-or-later
//! Running scripts in a guest from tests written in Rust.

use std::time::Duration;
use tests::guest::{Guest, Outcome};

/// How long a command may take, on a machine that does other things meanwhile.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The same for the whole form of the chaos suite.
const TIMEOUT_OF_CHAOS: Duration = Duration::from_secs(3000);

/// Is it the whole form of the chaos suite that is run, and not the short one?
pub(crate) fn is_whole() -> bool {
    std::env::var_os("CHAOS").is_some_and(|form| form == "full")
}

/// Runs a shell command; a complaint of the kernel is an error.
pub(crate) fn sh(guest: &mut Guest, command: &str) -> Result<Outcome, String> {
    let timeout = if is_whole() { TIMEOUT_OF_CHAOS } else { TIMEOUT };
    let outcome = guest.run(command, timeout).map_err(|error| error.to_string())?;
    let complaints = guest.complaints();
    if !complaints.is_empty() {
        return Err(format!("{command}: the kernel complains: {complaints:?}\n{outcome:?}"));
    }
    if outcome.timed_out {
        return Err(format!("{command}: not done in {timeout:?}: {outcome:?}"));
    }
    Ok(outcome)
}

/// Loads the module of tests/module, unless it is there.
pub(crate) fn load_test_module(guest: &mut Guest) -> Result<(), String> {
    let outcome = sh(guest, "[ -e /proc/stapvm_test ] || insmod /stapvm_test.ko")?;
    if outcome.status == 0 { Ok(()) } else { Err(format!("insmod stapvm_test: {outcome:?}")) }
}

/// Allocations that sessions hold, as the module counts them.
pub(crate) fn allocations(guest: &mut Guest) -> Result<i64, String> {
    let outcome = sh(guest, "cat /sys/module/stapvm/parameters/allocations")?;
    outcome.stdout.trim().parse().map_err(|error| format!("{outcome:?}: {error}"))
}

/// A script with what is to be done while it runs.
pub(crate) struct Run<'a> {
    script: &'a str,
    options: &'a str,
    command: Option<&'a str>,
}

impl<'a> Run<'a> {
    /// A script.
    pub(crate) fn script(script: &'a str) -> Run<'a> {
        Run { script, options: "", command: None }
    }

    /// Options of stap.
    pub(crate) fn options(self, options: &'a str) -> Run<'a> {
        Run { options, ..self }
    }

    /// A shell command that begins when the probes are armed; the session ends with it.
    pub(crate) fn command(self, command: &'a str) -> Run<'a> {
        Run { command: Some(command), ..self }
    }

    /// Runs it.
    pub(crate) fn run(&self, guest: &mut Guest) -> Result<Outcome, String> {
        let write = |guest: &mut Guest, path: &str, text: &str| {
            guest.write_file(path, text.as_bytes()).map_err(|error| error.to_string())
        };
        write(guest, "/tmp/run.stp", self.script)?;
        let command = match self.command {
            Some(command) => {
                write(guest, "/tmp/run.sh", command)?;
                "-c 'sh /tmp/run.sh'"
            }
            None => "",
        };
        sh(guest, &format!("stap {} {command} run.stp", self.options))
    }

    /// Runs it; it must succeed, print this and have nothing to complain of.
    pub(crate) fn prints(&self, guest: &mut Guest, wanted: &str) -> Result<(), String> {
        let outcome = self.run(guest)?;
        if outcome.status != 0 || outcome.stdout != wanted || !outcome.stderr.is_empty() {
            return Err(format!("{}\nshould print {wanted:?}: {outcome:?}", self.script));
        }
        Ok(())
    }
}

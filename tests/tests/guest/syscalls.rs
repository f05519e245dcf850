// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of system calls against the kernel's own description of them.

use crate::Check;
use frontend::syscalls::{Syscall, all};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use tests::guest::Guest;

/// Checks and their names.
pub(crate) const CHECKS: &[(&str, Check)] = &[("syscalls::the_table_is_the_kernel's", table)];

/// Prints `= NAME`, then the name of each argument, for each call.
const LIST: &str = "cd /sys/kernel/tracing/events/syscalls; for call in sys_enter_*; do \
    echo \"= ${call#sys_enter_}\"; \
    sed -n -e '1,/__syscall_nr/d' -e 's/^.*field:\\([^;]*\\);.*$/\\1/p' $call/format | sed 's/.*[ *]//'; done";

/// Names that our table has on purpose otherwise: 6.1 and 6.12 agree on all others.
const KNOWN: &[&str] = &[];

fn table(guest: &mut Guest) -> Result<(), String> {
    let outcome = guest.run(LIST, Duration::from_secs(60)).map_err(|error| error.to_string())?;
    let mut kernel: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut last = "";
    for line in outcome.stdout.lines() {
        match line.strip_prefix("= ") {
            Some(name) => {
                last = name;
                kernel.insert(name, Vec::new());
            }
            None => kernel.entry(last).or_default().push(line),
        }
    }
    if kernel.len() < 300 {
        return Err(format!("only {} calls described:\n{}", kernel.len(), outcome.stdout));
    }
    let ours: BTreeMap<&str, &Syscall> =
        all().iter().filter(|call| call.number.is_some()).map(|call| (call.event, call)).collect();
    let mut wrong = String::new();
    for (name, arguments) in &kernel {
        let Some(call) = ours.get(name) else {
            let _ = writeln!(wrong, "{name} is not in the table");
            continue;
        };
        let own: Vec<&str> = call.arguments.iter().map(|argument| argument.kernel).collect();
        if own != *arguments && !KNOWN.contains(name) {
            let _ = writeln!(wrong, "{name}: the table has {own:?}, the kernel {arguments:?}");
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

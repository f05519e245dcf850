// SPDX-License-Identifier: GPL-2.0-or-later
//! The aliases of system calls against strace, and a script that does strace's work.

use crate::Check;
use crate::script::sh;
use tests::guest::Guest;
use tests::kernel::root;
use tests::strace::{compare, reasons};

/// Checks and their names.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("strace::calls_are_shown_as_strace_shows_them", calls),
    ("strace::a_shell_with_a_thousand_commands_loses_none", thousand),
];

fn write(guest: &mut Guest, name: &str) -> Result<(), String> {
    let path = root().join("tests/strace").join(name);
    let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    guest.write_file(&format!("/tmp/{name}"), &text).map_err(|error| error.to_string())
}

/// One run of a program, seen by both at once.
fn calls(guest: &mut Guest) -> Result<(), String> {
    write(guest, "calls.stp")?;
    let command = "mkdir -p /tmp/calls && cd /tmp/calls && \
                   stap -o /tmp/ours -c 'strace -s 64 -o /tmp/theirs /bin/strace-calls' ../calls.stp";
    let outcome = sh(guest, command)?;
    if outcome.status != 0 || !outcome.stderr.is_empty() {
        return Err(format!("{outcome:?}"));
    }
    // The program begins with the return of its execve(), whose entry was strace's.
    let theirs = sh(guest, "grep -v '^execve(\"/bin/strace-calls' /tmp/theirs")?.stdout;
    let ours = sh(guest, "cat /tmp/ours")?.stdout;
    let result = compare(&theirs, &ours, &reasons()?)?;
    println!(
        "strace: {} calls of {} system calls: {} the same, {} with a difference that is listed",
        result.calls, result.names, result.same, result.listed
    );
    if std::env::var_os("SHOW").is_some() {
        println!("{}", result.differences);
    }
    if result.calls < 300 || result.names < 120 {
        return Err(format!("only {} calls of {} system calls", result.calls, result.names));
    }
    if result.wrong.is_empty() { Ok(()) } else { Err(result.wrong) }
}

fn thousand(guest: &mut Guest) -> Result<(), String> {
    write(guest, "shell.stp")?;
    let commands = "n=0; while [ $n -lt 1000 ]; do /bin/busybox echo number $n >/dev/null; \
                    n=$((n + 1)); done";
    guest.write_file("/tmp/thousand.sh", commands.as_bytes()).map_err(|error| error.to_string())?;
    let outcome = sh(guest, "stap -o /tmp/out -c 'sh /tmp/thousand.sh' shell.stp")?;
    if outcome.status != 0 || !outcome.stderr.is_empty() {
        return Err(format!("{outcome:?}"));
    }
    // Each command's execve() once, with its own number, and none but it.
    let count = "sed -n \"s/.* execve('\\/bin\\/busybox', \\['\\/bin\\/busybox', 'echo', 'number', \
                 '\\([0-9]*\\)'\\].* = 0 .*/\\1/p\" /tmp/out | sort -n | uniq | wc -l; \
                 grep -c ' write(1, ' /tmp/out; sed -n 's/ never returned$//p' /tmp/out; \
                 tail -n 1 /tmp/out";
    let outcome = sh(guest, count)?;
    // What ends a process never returns, nor does what ends a signal's handler, to the kernel's
    // mind.
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let ["1000", "1000", "1001 exit_group", "1000 rt_sigreturn", account] = lines.as_slice() else {
        return Err(format!("not a thousand of each: {outcome:?}"));
    };
    let numbers: Vec<u64> =
        account.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [total, returned] if *total >= 10_000 && total - returned == 2001 => Ok(()),
        _ => Err(format!("the account is wrong: {account:?}")),
    }
}

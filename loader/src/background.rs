// SPDX-License-Identifier: GPL-2.0-or-later
//! Sessions that go on when whoever started them has left: `stap -F`, `staprun -D`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

/// Goes on in a process of its own, whose number is said on standard output.
///
/// # Errors
/// Those of fork(2) and of the descriptors.
pub fn enter() -> io::Result<()> {
    // The folder stays, since -o may name a file in it; the descriptors stay until the
    // number has been said.
    nix::unistd::daemon(true, true)?;
    writeln!(io::stdout(), "{}", std::process::id())?;
    forget_terminal()
}

/// Puts /dev/null in the place of standard input, output and error.
pub(crate) fn forget_terminal() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Sessions that are left: `staprun -L` and `stap -F` start one and go, SIGQUIT leaves one
//! that runs, `staprun -A` reads what it has to say, `staprun -d` ends it.
//!
//! ```text
//! session -> its standard output and error, which are pipes -> Keeper -> socket -> staprun -A
//!                                                               (keeps the latest output)
//! ```
//! A left session is an ordinary one in a process of its own, which began as a copy of the
//! program that was to be left, or forked off when it was left. Threads of that process keep its latest output, and give it
//! to whoever attaches, over a socket in [`FOLDER`] that has the session's name. When the
//! session is over, the process stays until its output has been fetched or it is deleted.

mod client;
mod frame;
mod keeper;

pub use client::{attach, delete};
pub use keeper::{Place, Resident};

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Where the sockets are; only root can look into it.
pub const FOLDER: &str = "/run/stapvm";

/// Megabytes of output that are kept unless `-s` says otherwise.
pub const MEGABYTES: u32 = 1;

/// The first word of a program's copy that is to be left. Not for users.
pub const RESIDENT_WORD: &str = "--resident";

/// Why there is nothing to attach to.
#[derive(Debug, thiserror::Error)]
pub enum ResidentError {
    /// No left session has the name.
    #[error("no session named '{name}' was left here{others}")]
    Unknown {
        /// The name.
        name: String,
        /// ` (there are: a, b)`, or nothing.
        others: String,
    },
    /// A left session has the name already.
    #[error("a session named '{0}' was left already; -m gives this one another name")]
    Taken(String),
    /// It ended without a last word.
    #[error("the session has been killed")]
    Killed,
    /// What came over the socket is not what a session says.
    #[error("the session said something that makes no sense")]
    Garbled,
    /// Sockets and files.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The socket of a session. What ends in `.sbc` or `.ko` is named as its file.
fn socket(name: &str) -> PathBuf {
    let stem = Path::new(name).file_stem().unwrap_or_default();
    let name = if name.ends_with(".sbc") || name.ends_with(".ko") { stem } else { name.as_ref() };
    Path::new(FOLDER).join(Path::new(name).file_name().unwrap_or_default())
}

/// Starts a copy of this program that stays, and waits until its probes are armed. What it
/// complains of until then goes to this program's standard error.
///
/// # Errors
/// The copy cannot be started.
pub fn start() -> io::Result<ExitCode> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut child = Command::new("/proc/self/exe")
        .arg(RESIDENT_WORD)
        .args(words)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut name = String::new();
    if let Some(ready) = child.stdout.take() {
        BufReader::new(ready).read_line(&mut name)?;
    }
    if name.is_empty() {
        let status = child.wait()?;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        return Ok(ExitCode::from(code.clamp(0, 255) as u8));
    }
    say_goodbye(name.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn say_goodbye(name: &str) {
    eprintln!("Disconnecting from systemtap module.\nTo reconnect, type \"staprun -A {name}\"");
}

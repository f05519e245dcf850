// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs `stap --runtime=user` on this machine, with no guest.

use crate::guest::{Interruption, Outcome};
use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How often a running command is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Builds `stap` as the tests are built, and says where it is.
///
/// # Errors
/// Text, when cargo fails; its own words have gone to standard error.
pub fn build_stap() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "-p", "loader", "--bin", "stap"])
        .current_dir(crate::kernel::root())
        .status()
        .map_err(|error| format!("cargo: {error}"))?;
    if !status.success() {
        return Err(format!("cargo build -p loader: {status}"));
    }
    // target/debug/deps/TEST-HASH -> target/debug/stap
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = here.parent().and_then(Path::parent).ok_or("no target folder")?;
    Ok(folder.join("stap"))
}

/// Runs a shell command in a folder; `$STAP` is `stap`.
///
/// # Errors
/// Those of starting and reading it.
pub fn run(
    stap: &Path,
    command: &str,
    folder: &Path,
    timeout: Duration,
    interruption: Option<&Interruption>,
) -> io::Result<Outcome> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("STAP", stap)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let group = nix::unistd::Pid::from_raw(child.id().cast_signed());
    let stdout = gather(child.stdout.take());
    let stderr = gather(child.stderr.take());
    let started = Instant::now();
    let mut interruption = interruption;
    let mut timed_out = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if let Some(wanted) = interruption
            && text(&stdout).contains(&wanted.after)
        {
            signal(group, wanted.signal);
            interruption = None;
        }
        if !timed_out && started.elapsed() > timeout {
            timed_out = true;
            signal(group, nix::sys::signal::Signal::SIGKILL as i32);
        }
        thread::sleep(INTERVAL);
    };
    Ok(Outcome {
        status: code(status),
        timed_out,
        stdout: stdout.finish(),
        stderr: stderr.finish(),
    })
}

fn signal(group: nix::unistd::Pid, number: i32) {
    // It may have ended meanwhile.
    if let Ok(signal) = nix::sys::signal::Signal::try_from(number) {
        let _ = nix::sys::signal::killpg(group, signal);
    }
}

/// As a shell gives it.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// What a stream has said so far.
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: thread::JoinHandle<()>,
}

fn gather(pipe: Option<impl Read + Send + 'static>) -> Stream {
    let bytes: Arc<Mutex<Vec<u8>>> = Arc::default();
    let into = Arc::clone(&bytes);
    let reader = thread::spawn(move || {
        let mut buffer = [0; 4096];
        let Some(mut pipe) = pipe else { return };
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if let Ok(mut bytes) = into.lock() {
                bytes.extend_from_slice(&buffer[..count]);
            }
        }
    });
    Stream { bytes, reader }
}

fn text(stream: &Stream) -> String {
    let bytes = stream.bytes.lock().map(|bytes| bytes.clone()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Stream {
    fn finish(self) -> String {
        let Stream { bytes, reader } = self;
        // It ends with the pipe; a panic in it loses nothing that was read.
        let _ = reader.join();
        let bytes = bytes.lock().map(|bytes| bytes.clone()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

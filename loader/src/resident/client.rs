// SPDX-License-Identifier: GPL-2.0-or-later
//! `staprun -A` and `staprun -d`.

use super::frame::{Frame, Request};
use super::{FOLDER, ResidentError, socket};
use nix::sys::signal::{SigSet, Signal};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::thread;

/// Interruptions after which the session's end is not waited for any more.
const IMPATIENT: u32 = 3;

/// Prints what a left session has said and says, until it ends; its exit status. SIGINT
/// ends the session, SIGQUIT only leaves it again.
///
/// # Errors
/// [`ResidentError`].
pub fn attach(name: &str, out: &mut dyn Write) -> Result<u8, ResidentError> {
    // Blocked before there are other threads: the one below takes them.
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        signals.add(signal);
    }
    signals.thread_block().map_err(io::Error::from)?;
    let mut session = connect(name)?;
    session.write_all(&[Request::Attach.byte()])?;
    let to_session = session.try_clone()?;
    let named = name.to_owned();
    thread::spawn(move || follow_signals(&signals, to_session, &named));
    loop {
        match Frame::read(&mut session)? {
            Some(Frame::Out(bytes)) => {
                out.write_all(&bytes)?;
                out.flush()?;
            }
            Some(Frame::Err(bytes)) => io::stderr().write_all(&bytes)?,
            Some(Frame::End(status)) => return Ok(status),
            None => return Err(ResidentError::Killed),
        }
    }
}

fn follow_signals(signals: &SigSet, mut session: UnixStream, name: &str) {
    let mut asked = 0;
    while let Ok(signal) = signals.wait() {
        if signal == Signal::SIGQUIT {
            eprintln!();
            super::say_goodbye(name);
            exit(0);
        }
        asked += 1;
        if asked >= IMPATIENT || session.write_all(&[Request::Stop.byte()]).is_err() {
            exit(1);
        }
    }
}

/// Ends a left session, or with `*` all of them.
///
/// # Errors
/// [`ResidentError`].
pub fn delete(name: &str) -> Result<(), ResidentError> {
    let names = if name == "*" { names() } else { vec![name.to_owned()] };
    for name in names {
        let mut session = connect(&name)?;
        session.write_all(&[Request::Delete.byte()])?;
        // It has ended when it says so, or nothing any more.
        while let Ok(Some(frame)) = Frame::read(&mut session) {
            if matches!(frame, Frame::End(_)) {
                break;
            }
        }
    }
    Ok(())
}

fn connect(name: &str) -> Result<UnixStream, ResidentError> {
    match UnixStream::connect(socket(name)) {
        Ok(session) => Ok(session),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            let names = names().join(", ");
            let others =
                if names.is_empty() { String::new() } else { format!(" (there are: {names})") };
            Err(ResidentError::Unknown { name: name.to_owned(), others })
        }
        Err(error) => Err(error.into()),
    }
}

/// The names of all left sessions.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let is_alive = |name: &String| UnixStream::connect(socket(name)).is_ok();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(is_alive);
    names.sort();
    names
}

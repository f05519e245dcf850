// SPDX-License-Identifier: GPL-2.0-or-later
//! What `make bench` runs in the guest.
//!
//!     bench-load lseek CALLS ROUNDS     prints the fewest nanoseconds that a call took
//!     bench-load exec PROGRAM ...       becomes the program, with the time of its start
//!                                       in STAP_EXEC_NS (see loader/src/session.rs)

use nix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["lseek", calls, rounds] => lseek(calls, rounds),
        ["exec", program, ref rest @ ..] => exec(program, rest),
        _ => Err("usage: bench-load lseek CALLS ROUNDS | exec PROGRAM ...".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn lseek(calls: &str, rounds: &str) -> Result<(), Box<dyn std::error::Error>> {
    let (calls, rounds): (u32, u32) = (calls.parse()?, rounds.parse()?);
    let mut file = File::open("/bin/busybox")?;
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        best = best.min(round(&mut file, calls)?);
    }
    println!("{:.1}", best.as_nanos() as f64 / f64::from(calls));
    Ok(())
}

fn round(file: &mut File, calls: u32) -> io::Result<Duration> {
    let started = Instant::now();
    for _ in 0..calls {
        file.seek(SeekFrom::Start(0))?;
    }
    Ok(started.elapsed())
}

fn exec(program: &str, arguments: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    let now = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME)?).as_nanos();
    let mut command = Command::new(program);
    Err(command.args(arguments).env("STAP_EXEC_NS", now.to_string()).exec().into())
}

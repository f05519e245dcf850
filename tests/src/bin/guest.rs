// SPDX-License-Identifier: GPL-2.0-or-later
//! `make guest` and `make demo`: boots a kernel and runs one script there, its output
//! streaming.
//!
//!     guest SERIES SCRIPT [--load COMMAND] [STAP ARGUMENTS...]

use nix::sys::signal::{SigSet, Signal};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use tests::guest::{Guest, GuestError, Machine, quote};
use tests::kernel::Series;

const USAGE: &str = "usage: guest SERIES SCRIPT [--load COMMAND] [STAP ARGUMENTS...]";

fn main() -> ExitCode {
    match run() {
        Ok(status) => ExitCode::from(status.clamp(0, 255) as u8),
        Err(error) => {
            eprintln!("guest: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<i32, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let series: Series = arguments.next().ok_or(USAGE)?.parse()?;
    let script = arguments.next().ok_or(USAGE)?;
    let mut rest: Vec<String> = arguments.collect();
    let load = if rest.first().is_some_and(|first| first == "--load") {
        let load = rest.get(1).cloned().ok_or(USAGE)?;
        rest.drain(..2);
        format!("({load}) >/dev/null 2>&1 & ")
    } else {
        String::new()
    };
    let source = std::fs::read(&script).map_err(|error| format!("{script}: {error}"))?;

    // Blocked here and in the threads to come: the waiter below takes it.
    let mut interrupts = SigSet::empty();
    interrupts.add(Signal::SIGINT);
    interrupts.thread_block()?;
    let started = Instant::now();
    eprintln!("booting Linux {series} in QEMU (software emulation) ...");
    let mut guest = Guest::boot(Machine::new(series))?;
    eprintln!("booted in {:.1} s", started.elapsed().as_secs_f64());
    let mut signaller = guest.signaller()?;
    thread::spawn(move || {
        while interrupts.wait().is_ok() && signaller.send(Signal::SIGINT as i32).is_ok() {}
    });

    load_module(&mut guest)?;
    let name = Path::new(&script).file_name().unwrap_or_default().to_string_lossy().into_owned();
    guest.write_file(&format!("/tmp/{name}"), &source)?;
    let quoted: Vec<String> = rest.iter().map(|word| quote(word)).collect();
    let command = format!(
        "{load}export STAP_TIMING=1; exec stap --bytecode {} {}",
        quote(&name),
        quoted.join(" ")
    );
    let outcome = guest.run_watched(&command, Duration::from_secs(3600), None, &mut echo)?;
    for line in guest.complaints() {
        eprintln!("guest kernel: {line}");
    }
    Ok(outcome.status)
}

fn load_module(guest: &mut Guest) -> Result<(), GuestError> {
    let outcome = guest.run("insmod /stapvm.ko", Duration::from_secs(30))?;
    if outcome.status != 0 {
        return Err(GuestError::Died(format!("insmod failed: {}", outcome.stderr)));
    }
    Ok(())
}

fn echo(stream: u8, bytes: &[u8]) {
    // A closed terminal is no reason to stop the guest half-way.
    let _ = match stream {
        1 => std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()),
        _ => std::io::stderr().write_all(bytes),
    };
}

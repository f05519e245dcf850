// SPDX-License-Identifier: GPL-2.0-or-later
//! `staprun`: runs a compiled program. No compiler is in it.

use loader::options::stap::Instead;
use loader::options::staprun::{Staprun, TABLE};
use loader::program::read_program;
use loader::resident::{self, RESIDENT_WORD, Resident};
use loader::session::{Ended, RunOptions, run};
use loader::{background, sink};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;
use vm_spec::blob::Blob;

type Done = Result<ExitCode, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    let is_resident = words.next_if(|word| word == RESIDENT_WORD).is_some();
    let options = match Staprun::read(words) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            if error.hints_at_help() {
                eprintln!("Try '-h' for more information.");
            }
            return ExitCode::FAILURE;
        }
    };
    if let Some(instead) = options.instead {
        say(instead);
        return ExitCode::SUCCESS;
    }
    done(&options, is_resident).unwrap_or_else(|error| {
        eprintln!("ERROR: {error}");
        ExitCode::FAILURE
    })
}

fn done(options: &Staprun, is_resident: bool) -> Done {
    if options.delete {
        resident::delete(options.program())?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.attach {
        let mut out = sink::open(options.output.as_deref(), options.rotation)?;
        return Ok(ExitCode::from(resident::attach(options.program(), &mut out)?));
    }
    let blob = read_program(options.program())?;
    if is_resident {
        return stay(&blob, options);
    }
    if options.leave {
        return Ok(resident::start()?);
    }
    if options.daemon {
        background::enter()?;
    }
    looked_after(&blob, run_options(options), None)
}

/// Runs as the process that stays.
fn stay(blob: &Blob, options: &Staprun) -> Done {
    let name = &blob.meta.name;
    let resident = Resident::enter(name, options.buffer.unwrap_or(resident::MEGABYTES))?;
    let run_options = RunOptions { armed: Some(resident.armed()), ..run_options(options) };
    looked_after(blob, run_options, Some(resident))
}

/// Runs; what has been left by the end stays until its output has been fetched.
fn looked_after(blob: &Blob, options: RunOptions, mut resident: Option<Resident>) -> Done {
    let ended = run(blob, &options, &mut resident);
    // Nobody else may wait for the probes to be armed.
    drop(options);
    let failed = !matches!(ended, Ok(Ended::Well));
    match (ended, resident) {
        (Err(error), None) => return Err(error.into()),
        (Ok(_), None) => {}
        (ended, Some(resident)) => {
            if let Err(error) = ended {
                eprintln!("ERROR: {error}");
            }
            resident.finish(failed.into());
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn say(instead: Instead) {
    let version = concat!("stapvm ", env!("CARGO_PKG_VERSION"));
    let text = match instead {
        Instead::Nothing | Instead::Functions | Instead::Aliases | Instead::Types => String::new(),
        Instead::Version => format!("Systemtap module loader/runner (bytecode, {version})\n"),
        Instead::Help => format!(
            "{version}: runs a program that stap -p4 has written\n\n\
             Usage: staprun [options] PROGRAM [VAR=VALUE]...\n   \
             or: staprun -A NAME    attach to a session that was left\n   \
             or: staprun -d NAME    end it\n\n{}",
            TABLE.help()
        ),
    };
    // A reader that has gone away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn run_options(options: &Staprun) -> RunOptions {
    RunOptions {
        command: options.command.clone(),
        target: options.target,
        output: options.output.clone(),
        rotation: options.rotation,
        background: options.daemon,
        buffer_megabytes: options.buffer,
        overrides: options.globals(),
        interval: options.reader_timeout.map(|ms| Duration::from_millis(ms.into())),
        ..RunOptions::default()
    }
}

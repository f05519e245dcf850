// SPDX-License-Identifier: GPL-2.0-or-later
//! `staprun`: runs a compiled program. No compiler is in it.

use loader::background;
use loader::options::stap::Instead;
use loader::options::staprun::{Staprun, TABLE};
use loader::program::read_program;
use loader::session::{Ended, RunOptions, run};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let options = match Staprun::read(std::env::args_os().skip(1)) {
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
    match go(&options) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Failed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

fn say(instead: Instead) {
    let version = concat!("stapvm ", env!("CARGO_PKG_VERSION"));
    let text = match instead {
        Instead::Nothing | Instead::Functions | Instead::Aliases => String::new(),
        Instead::Version => format!("Systemtap module loader/runner (bytecode, {version})\n"),
        Instead::Help => format!(
            "{version}: runs a program that stap -p4 has written\n\n\
             Usage: staprun [options] PROGRAM [VAR=VALUE]...\n\n{}",
            TABLE.help()
        ),
    };
    // A reader that has gone away has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn go(options: &Staprun) -> Result<Ended, Box<dyn std::error::Error>> {
    let blob = read_program(options.program())?;
    if options.daemon {
        background::enter()?;
    }
    let run_options = RunOptions {
        command: options.command.clone(),
        target: options.target,
        output: options.output.clone(),
        rotation: options.rotation,
        buffer_megabytes: options.buffer,
        overrides: options.globals(),
        interval: options.reader_timeout.map(|ms| Duration::from_millis(ms.into())),
        ..RunOptions::default()
    };
    Ok(run(&blob, &run_options)?)
}

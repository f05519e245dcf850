// SPDX-License-Identifier: GPL-2.0-or-later
//! `staprun`: runs a compiled program. No compiler is in it.

use clap::Parser;
use loader::options::{Staprun, pair};
use loader::session::{Ended, RunOptions, run};
use std::process::ExitCode;
use vm_spec::blob::Blob;

fn main() -> ExitCode {
    let options = Staprun::parse();
    match go(options) {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Failed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

fn go(options: Staprun) -> Result<Ended, Box<dyn std::error::Error>> {
    let path = &options.program;
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let blob = Blob::decode(&bytes).map_err(|error| format!("{path}: {error}"))?;
    let run_options = RunOptions {
        command: options.command,
        target: options.target,
        output: options.output,
        buffer_megabytes: options.buffer,
        overrides: options.globals.iter().map(|text| pair(text)).collect(),
    };
    Ok(run(&blob, &run_options)?)
}

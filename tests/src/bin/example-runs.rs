// SPDX-License-Identifier: GPL-2.0-or-later
//! The second half of `make examples`: runs SystemTap's examples in guests under a load and
//! checks what they print (`tests/examples/runs.txt`).
//!
//!     example-runs [FILTER] [--series SERIES] [--show] [NAME...]
//!
//! With `--show`, prints all output. Names behind it are examples that are not in the table.

use std::process::ExitCode;
use std::time::Duration;
use tests::example_runs::{Run, all};
use tests::guest::{Guest, Machine};
use tests::kernel::Series;

/// So many must run.
const GOAL: usize = 60;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("example-runs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let mut arguments = std::env::args().skip(1);
    let (mut filter, mut series, mut show, mut others) = (None, None, false, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--show" => show = true,
            "--series" => {
                let name = arguments.next().ok_or("--series wants a name")?;
                series = Some(name.parse::<Series>().map_err(|error| error.to_string())?);
            }
            _ if show => others.push(Run::of(&argument)),
            _ => filter = Some(argument),
        }
    }
    let mut runs = all()?;
    let filter = filter.unwrap_or_default();
    runs.retain(|run| run.name.contains(&filter));
    if !others.is_empty() {
        runs = others;
    }
    let mut good = true;
    for kernel in Series::ALL.into_iter().filter(|kernel| series.is_none_or(|s| s == *kernel)) {
        let mut guest = boot(kernel)?;
        let (mut passed, mut failed) = (0, 0);
        for run in runs.iter().filter(|run| run.is_for(kernel)) {
            if show {
                let outcome = run.run(&mut guest)?;
                println!("==== {} {kernel}: {}", run.name, outcome.status);
                println!("{}\n---- stderr\n{}", outcome.stdout, outcome.stderr);
                continue;
            }
            match run.check(&mut guest) {
                Ok(()) => {
                    passed += 1;
                    println!("Linux {kernel}: {}: good", run.name);
                }
                Err(error) => {
                    failed += 1;
                    println!("Linux {kernel}: {}: {error}", run.name);
                }
            }
        }
        if !show {
            println!(
                "Linux {kernel}: {passed} examples ran and printed what makes sense, {failed} did not"
            );
            good &= failed == 0 && (passed >= GOAL || !filter.is_empty());
        }
    }
    Ok(good)
}

fn boot(series: Series) -> Result<Guest, String> {
    let mut guest = Guest::boot(Machine::new(series)).map_err(|error| error.to_string())?;
    let loaded = guest.run("insmod /stapvm.ko", Duration::from_secs(60));
    let loaded = loaded.map_err(|error| error.to_string())?;
    if loaded.status == 0 { Ok(guest) } else { Err(format!("insmod: {}", loaded.stderr)) }
}

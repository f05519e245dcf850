// SPDX-License-Identifier: GPL-2.0-or-later
//! `fuzz-seeds TARGET FOLDER`: writes the seeds of a target.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, folder] = arguments.as_slice() else {
        eprintln!("usage: fuzz-seeds TARGET FOLDER");
        return ExitCode::FAILURE;
    };
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        for (n, seed) in fuzz::seeds::seeds(target).iter().enumerate() {
            std::fs::write(Path::new(folder).join(format!("seed-{n}")), seed)?;
        }
        Ok(())
    };
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz-seeds: {folder}: {error}");
            ExitCode::FAILURE
        }
    }
}

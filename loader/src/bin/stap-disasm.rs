// SPDX-License-Identifier: GPL-2.0-or-later
//! `stap-disasm`: shows what a program would do.

use std::io::Write;
use std::process::ExitCode;
use vm_spec::blob::Blob;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() || files.iter().any(|file| file.starts_with('-')) {
        eprintln!("usage: stap-disasm FILE.sbc...");
        return ExitCode::FAILURE;
    }
    for file in files {
        match text(&file) {
            // A reader that has gone away has seen enough.
            Ok(text) => drop(std::io::stdout().write_all(text.as_bytes())),
            Err(error) => {
                eprintln!("stap-disasm: {file}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn text(file: &str) -> Result<String, Box<dyn std::error::Error>> {
    let blob = Blob::decode(&std::fs::read(file)?)?;
    Ok(loader::disasm::text(&blob)?)
}

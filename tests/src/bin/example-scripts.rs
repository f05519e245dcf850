// SPDX-License-Identifier: GPL-2.0-or-later
//! `make examples`: compiles the example scripts of Debian's systemtap-doc for each kernel
//! and says how many become a verified blob, and why the others do not.
//!
//!     example-scripts [FILTER]
//!
//! Scripts that want guru mode or embedded C are left out. Arguments come from the line
//! `test_check` of the `.meta` file beside a script. The types are those of the guests'
//! kernels, so neither has to run here.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tests::examples::{Example, all};
use tests::kernel::{Series, binaries, root};

/// What a script must reach of a hundred.
const GOAL: usize = 85;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("examples: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let (mut examples, left_out) = all()?;
    examples.retain(|example| example.name.contains(&filter));
    println!("{} scripts; {left_out} more want guru mode or embedded C", examples.len());
    let stap = stap()?;
    let mut good = true;
    for series in Series::ALL {
        let types = series.folder(root()).join("vmlinux.btf");
        if !types.exists() {
            return Err(format!("{}: not there; make setup", types.display()));
        }
        let symbols = debug_symbols(series);
        let mut by_symbols = 0;
        let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for example in &examples {
            let Err(mut reason) = compile(&stap, example, types.as_os_str())? else { continue };
            if let Some(symbols) = &symbols {
                match compile(&stap, example, symbols.as_os_str())? {
                    Ok(()) => {
                        by_symbols += 1;
                        continue;
                    }
                    Err(remaining) => reason = remaining,
                }
            }
            reasons.entry(reason).or_default().push(&example.name);
        }
        let failed: usize = reasons.values().map(Vec::len).sum();
        let made = examples.len() - failed;
        println!("\nLinux {series}: {made} of {} compile to a verified blob", examples.len());
        match symbols {
            Some(_) => println!("  {by_symbols} of them only with the kernel's debug symbols"),
            None => println!("  (the kernel's debug symbols have not been fetched)"),
        }
        for (reason, names) in &reasons {
            println!("  {reason}");
            for name in names {
                println!("      {name}");
            }
        }
        good &= made * 100 >= examples.len() * GOAL;
    }
    println!("\nwanted: {GOAL} of 100");
    Ok(good)
}

/// The release build if there is one, otherwise the one beside this program.
fn stap() -> Result<PathBuf, String> {
    let release = binaries().join("stap");
    let beside = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = beside.with_file_name("stap");
    let newest = [beside, release].into_iter().filter_map(|path| {
        let changed = path.metadata().and_then(|m| m.modified()).ok()?;
        Some((changed, path))
    });
    let (_, path) = newest.max().ok_or("stap has not been built")?;
    Ok(path)
}

/// The kernel's debug symbols, if they have been fetched: files and lines, which some
/// examples ask for, only they tell.
fn debug_symbols(series: Series) -> Option<PathBuf> {
    let file = root().join(format!("target/debug-symbols/{series}/vmlinux"));
    file.exists().then_some(file)
}

/// Compiles one; the reason if it does not become a blob.
fn compile(stap: &Path, example: &Example, types: &OsStr) -> Result<Result<(), String>, String> {
    let output = Command::new(stap)
        .args(["-p4", "-m", "example", "-w", "-r"])
        .arg(types)
        .args(example.arguments())
        .current_dir(&example.folder)
        .output()
        .map_err(|error| format!("{}: {error}", stap.display()))?;
    let _ = std::fs::remove_file(example.folder.join("example.sbc"));
    if output.status.success() {
        return Ok(Ok(()));
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let is_reason = |line: &&str| {
        ["semantic error", "parse error", "error:", "ERROR", "stap:"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let first = text.lines().find(is_reason).or(text.lines().next()).unwrap_or("no reason given");
    // Where it is differs from script to script; the reason should not.
    let reason = first.split(" at ").next().unwrap_or(first).to_owned();
    Ok(Err(reason))
}

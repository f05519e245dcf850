// SPDX-License-Identifier: GPL-2.0-or-later
//! `make real SCRIPT=x.stp`: scripts by Debian's SystemTap and by ours, in one guest with 6.1.
//!
//!     real-stap SCRIPT... [-c COMMAND] [STAP OPTIONS...]
//!
//! Debian's stap compiles a module of each here; its staprun and our stap run each in the
//! guest, one after the other. Both outputs are printed; the exit status says whether they are
//! the same for all.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use tests::guest::{Guest, Machine, Outcome, quote};
use tests::initramfs::libraries;
use tests::kernel::{Series, root};

const USAGE: &str = "usage: real-stap SCRIPT... [-c COMMAND] [STAP OPTIONS...]";
/// Debian's stap 4.8 supports no kernel newer than this.
const SERIES: Series = Series::V6_1;
const STAPRUN: &str = "/usr/bin/staprun";
const STAPIO: &str = "/usr/lib/systemtap/stapio";
const RUN: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    match compare() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("real-stap: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare() -> Result<bool, Box<dyn Error>> {
    let mut options: Vec<String> = std::env::args().skip(1).collect();
    let end = options.iter().position(|word| word.starts_with('-')).unwrap_or(options.len());
    let scripts: Vec<PathBuf> = options.drain(..end).map(PathBuf::from).collect();
    if scripts.is_empty() {
        return Err(USAGE.into());
    }
    let mut command = String::new();
    if options.first().is_some_and(|first| first == "-c") {
        let value = options.get(1).cloned().ok_or(USAGE)?;
        options.drain(..2);
        command = format!("-c {}", quote(&value));
    }

    let mut modules = Vec::new();
    for script in &scripts {
        modules.push(compile(script, &options)?);
    }
    let mut guest = Guest::boot(Machine::new(SERIES))?;
    install(&mut guest)?;
    let options: Vec<String> = options.iter().map(|word| quote(word)).collect();
    let options = options.join(" ");
    let mut same = true;
    for (script, module) in scripts.iter().zip(&modules) {
        println!("== {}", script.display());
        guest.write_file("/tmp/script.stp", &std::fs::read(script)?)?;
        let ours = format!("stap {command} script.stp {options}");
        let ours = guest.run(&format!("cd /tmp && {ours}"), RUN)?;
        let theirs = match module {
            Some(module) => {
                guest.write_file("/tmp/real.ko", &std::fs::read(module)?)?;
                guest.run(&format!("cd /tmp && staprun {command} real.ko"), RUN)?
            }
            None => Outcome { status: 1, ..Outcome::default() },
        };
        show("Debian's stap", &theirs);
        show("ours", &ours);
        let equal = theirs.stdout == ours.stdout && theirs.status == ours.status;
        println!("== {}: {}", script.display(), if equal { "the same" } else { "different" });
        same &= equal;
    }
    for line in guest.complaints() {
        println!("guest kernel: {line}");
    }
    Ok(same)
}

/// The script's module, made by Debian's stap, if that takes the script.
fn compile(script: &Path, options: &[String]) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let folder = root().join("target/real-stap");
    let release = std::fs::read_to_string(SERIES.folder(root()).join("release"))?;
    let status = Command::new("stap")
        .args(["-p4", "-m", "real", "-r", release.trim(), "-R"])
        .arg(folder.join("runtime"))
        .arg(std::path::absolute(script)?)
        .args(options)
        .current_dir(&folder)
        .status()?;
    if !status.success() {
        return Ok(None);
    }
    let module = folder.join("real.ko");
    let kept =
        module.with_file_name(format!("{}.ko", script.file_stem().unwrap_or_default().display()));
    std::fs::rename(module, &kept)?;
    Ok(Some(kept))
}

/// The module of ours; Debian's staprun, in the place of ours, which our stap does without, and what it needs.
fn install(guest: &mut Guest) -> Result<(), Box<dyn Error>> {
    guest.run("mkdir -p /usr/lib/systemtap /lib/x86_64-linux-gnu", RUN)?;
    // Addresses of the same program are to be the same in both runs.
    guest.run("insmod /stapvm.ko; echo 0 >/proc/sys/kernel/randomize_va_space", RUN)?;
    let mut files = vec![STAPRUN.to_owned(), STAPIO.to_owned()];
    files.extend(libraries(STAPRUN));
    files.extend(libraries(STAPIO));
    for file in files {
        guest.write_file(&file, &std::fs::read(&file)?)?;
        guest.run(&format!("chmod 755 {file}"), RUN)?;
    }
    Ok(())
}

fn show(who: &str, outcome: &Outcome) {
    println!("== {who}: status {}\n{}{}", outcome.status, outcome.stdout, outcome.stderr);
}

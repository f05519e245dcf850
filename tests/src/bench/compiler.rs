// SPDX-License-Identifier: GPL-2.0-or-later
//! The compiler alone, on the host, up to pass 4: hello world and 2000 lines.

use super::{BenchError, table};
use crate::kernel::binaries;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 30;
const HELLO: &str = "probe begin { printf(\"hello world\\n\") exit() }";
/// Lines of the long script, as the goal has it.
const LINES: usize = 2000;

/// What is compiled, and the goals.
struct Subject {
    name: &'static str,
    script: String,
    milliseconds: &'static str,
    megabytes: &'static str,
    rival: [&'static str; 2],
}

fn subjects() -> [Subject; 2] {
    [
        Subject {
            name: "hello world, host",
            script: HELLO.to_owned(),
            milliseconds: "10",
            megabytes: "30",
            rival: ["4000", "96"],
        },
        Subject {
            name: "2000 lines, host",
            script: long_script(),
            milliseconds: "100",
            megabytes: "-",
            rival: ["-", "-"],
        },
    ]
}

/// Parts of 20 lines each, with what scripts consist of.
fn long_script() -> String {
    let part = include_str!("long-part.stp");
    let lines = part.lines().count();
    let parts = (0..LINES / lines).map(|n| part.replace("_N", &format!("_{n}")));
    parts.collect()
}

/// Measures and returns the table. The count of instructions needs valgrind.
///
/// # Errors
/// [`BenchError`].
pub fn report() -> Result<String, BenchError> {
    let folder = std::env::temp_dir().join(format!("stapvm-bench-{}", std::process::id()));
    let failed = |error: std::io::Error| host("stap", &error.to_string());
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let result = measure(&folder);
    std::fs::remove_dir_all(&folder).map_err(failed)?;
    result
}

fn host(program: &str, error: &str) -> BenchError {
    BenchError::Host { program: program.to_owned(), error: error.to_owned() }
}

fn measure(folder: &Path) -> Result<String, BenchError> {
    let tables: Result<Vec<String>, BenchError> =
        subjects().iter().map(|subject| measure_one(folder, subject)).collect();
    Ok(tables?.join("\n"))
}

fn measure_one(folder: &Path, subject: &Subject) -> Result<String, BenchError> {
    let script = subject.script.as_str();
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        best = best.min(compile(folder, script)?);
    }
    let rows = [
        vec![
            "wall time, ms".to_owned(),
            format!("{:.1}", best.as_secs_f64() * 1e3),
            subject.milliseconds.to_owned(),
            subject.rival[0].to_owned(),
        ],
        vec![
            "peak memory, MB".to_owned(),
            format!("{:.1}", peak_kilobytes(folder, script)? as f64 / 1024.0),
            subject.megabytes.to_owned(),
            subject.rival[1].to_owned(),
        ],
        vec![
            "Minsn in user mode".to_owned(),
            instructions(folder, script)?
                .map_or("(no valgrind)".to_owned(), |n| format!("{:.2}", n as f64 / 1e6)),
            "-".to_owned(),
            "-".to_owned(),
        ],
    ];
    Ok(table(&[subject.name, "stap -p4", "goal", "stap 4.8, warm"], &rows))
}

fn stap(folder: &Path, script: &str, wrapper: &[&str]) -> Command {
    let stap = binaries().join("stap");
    let mut command = match wrapper.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(stap);
            command
        }
        None => Command::new(stap),
    };
    command.args(["-p4", "-m", "hello", "-e", script]).current_dir(folder).stdout(Stdio::null());
    command
}

fn compile(folder: &Path, script: &str) -> Result<Duration, BenchError> {
    let started = Instant::now();
    let status =
        stap(folder, script, &[]).status().map_err(|error| host("stap", &error.to_string()))?;
    let took = started.elapsed();
    if status.success() { Ok(took) } else { Err(host("stap", &status.to_string())) }
}

/// The most memory that was resident: of a child that has ended, the kernel tells it
/// to the parent.
fn peak_kilobytes(folder: &Path, script: &str) -> Result<i64, BenchError> {
    let mut shell = Command::new("/proc/self/exe");
    shell.arg("--peak-of").arg(binaries().join("stap"));
    shell.args(["-p4", "-m", "hello", "-e", script]).current_dir(folder);
    let output = shell.output().map_err(|error| host("stap", &error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let peak = text.lines().find_map(|line| line.strip_prefix("peak "));
    peak.and_then(|text| text.parse().ok()).ok_or_else(|| host("stap", &text))
}

/// Runs a program and tells its peak of resident memory in kilobytes on stderr.
///
/// # Errors
/// [`BenchError`].
pub fn tell_peak(program: &str, arguments: &[String]) -> Result<(), BenchError> {
    let failed = |error: &dyn std::fmt::Display| host(program, &error.to_string());
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status();
    let status = status.map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(failed(&status));
    }
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
    eprintln!("peak {}", usage.map_err(|error| failed(&error))?.max_rss());
    Ok(())
}

fn instructions(folder: &Path, script: &str) -> Result<Option<u64>, BenchError> {
    let wrapper = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let output = match stap(folder, script, &wrapper).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(host("valgrind", &error.to_string())),
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let count =
        text.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    count.map(Some).ok_or_else(|| host("valgrind", &text))
}

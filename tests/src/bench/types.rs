// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel types on the host: how long a first type takes with nothing cached, and how long
//! lists of probe points take. Too long is a failure.

use super::{BenchError, table};
use crate::kernel::{Series, binaries, root};
use debuginfo::{Source as _, Types};
use loader::types::Kernel;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const RUNS: usize = 20;
const HELLO: &str = "probe begin { println(1) exit() }";
const CAST: &str = "probe begin { println(@cast(1, \"task_struct\")->pid) exit() }";
/// Of a first type, in the compiler and as a whole run of `stap -p2`.
const FIRST_TYPE: Duration = Duration::from_millis(15);
const LIST: Duration = Duration::from_millis(200);

/// Measures and returns the table.
///
/// # Errors
/// [`BenchError`]; [`BenchError::Slow`] if a goal is missed.
pub fn report(kernels: &[Series]) -> Result<String, BenchError> {
    let mut rows = Vec::new();
    for &series in kernels {
        let btf = series.folder(root()).join("vmlinux.btf");
        let first = least(|| first_type(&btf))?;
        let hello = least(|| stap(&btf, &["-p2", "-e", HELLO], ""))?;
        let cast = least(|| stap(&btf, &["-p2", "-e", CAST], ""))?;
        let list = |pattern: &str, wanted: &str| least(|| stap(&btf, &["-L", pattern], wanted));
        let functions = list("kernel.function(\"vfs_*\")", "vfs_read\") $file:struct file* ")?;
        let events = list("kernel.trace(\"sched:*\")", "sched_switch\") $preempt:bool ")?;
        for (what, took, goal) in [
            ("a first type, in the compiler", first, Some(FIRST_TYPE)),
            ("stap -p2, no type", hello, None),
            ("stap -p2, a first type", cast, Some(FIRST_TYPE)),
            ("stap -L 'kernel.function(\"vfs_*\")'", functions, Some(LIST)),
            ("stap -L 'kernel.trace(\"sched:*\")'", events, Some(LIST)),
        ] {
            let what = format!("{series} {what}");
            let milliseconds = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1e3);
            if let Some(goal) = goal.filter(|goal| took > *goal) {
                return Err(BenchError::Slow { what, took, goal });
            }
            let goal = goal.map_or("-".to_owned(), |goal| goal.as_millis().to_string());
            rows.push(vec![what, milliseconds(took), goal]);
        }
    }
    Ok(table(&["nothing cached, ms", "least", "goal"], &rows))
}

fn least(run: impl Fn() -> Result<Duration, BenchError>) -> Result<Duration, BenchError> {
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        least = least.min(run()?);
    }
    Ok(least)
}

/// From nothing to where a member is: the file is mapped, copied, checked and indexed.
fn first_type(btf: &Path) -> Result<Duration, BenchError> {
    let kernel = Kernel::File(btf.to_owned());
    let name = kernel.name();
    let start = Instant::now();
    let types = Types::new(Box::new(kernel));
    let found = types.named(None, "task_struct");
    let member = found.ok().flatten().and_then(|(ty, _)| ty.member("pid"));
    let took = start.elapsed();
    let missing = || BenchError::Host { program: name, error: "no task_struct.pid".to_owned() };
    member.map(|_| took).ok_or_else(missing)
}

fn stap(btf: &Path, arguments: &[&str], wanted: &str) -> Result<Duration, BenchError> {
    let failed = |error: String| BenchError::Host { program: "stap".to_owned(), error };
    let mut command = Command::new(binaries().join("stap"));
    command.arg("-r").arg(btf).args(arguments);
    let start = Instant::now();
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    let took = start.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !text.contains(wanted) {
        return Err(failed(format!("{arguments:?} gave {output:?}")));
    }
    Ok(took)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Output that comes faster than it is read: every line is printed or counted as lost.

use crate::Check;
use crate::steps::{sh, write};
use tests::guest::Guest;

/// Checks and their names.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("output::every_line_comes_or_is_counted", a_busy_reader),
    ("output::what_overflows_is_counted", a_stopped_reader),
];

const SCRIPT: &str = r#"
global hits
probe begin { println("armed") }
probe kernel.function("ksys_lseek") { hits++ printf("line %s %d %d\n", execname(), tid(), hits) }
probe end { printf("hits %d\n", hits) }
"#;

/// What became of the hits of a run.
struct Fate {
    hits: u64,
    lines: u64,
    lost: u64,
}

/// Makes many hits, with two shell commands for the loader's sake around them.
fn run(guest: &mut Guest, before: &str, after: &str) -> Result<Fate, String> {
    write(guest, "/tmp/output.stp", SCRIPT)?;
    let outcome = sh(
        guest,
        &format!(
            "cd /tmp; rm -f out err
             stap output.stp >out 2>err & tracer=$!
             until grep -qs armed out; do kill -0 $tracer || {{ cat err >&2; exit 1; }}; sleep 0.05; done
             {before}
             bench-load lseek 20000 2 >/dev/null
             {after}
             kill -INT $tracer
             wait $tracer
             sed -n 's/^hits //p' out
             grep -c '^line ' out
             sed -n 's/^WARNING: There were \\([0-9]*\\) transport failures.$/\\1/p' err
             grep -v 'transport failures' err >&2"
        ),
    )?;
    let mut numbers = outcome.stdout.lines().map(|line| line.parse::<u64>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(hits), Some(lines)) if hits >= 40_000 && outcome.stderr.is_empty() => {
            Ok(Fate { hits, lines, lost: numbers.next().flatten().unwrap_or(0) })
        }
        _ => Err(format!("not what it should print: {outcome:?}")),
    }
}

fn a_busy_reader(guest: &mut Guest) -> Result<(), String> {
    let Fate { hits, lines, lost } = run(guest, "", "")?;
    if lines + lost != hits {
        return Err(format!("{hits} hits, but {lines} lines and {lost} lost"));
    }
    Ok(())
}

fn a_stopped_reader(guest: &mut Guest) -> Result<(), String> {
    let Fate { hits, lines, lost } = run(guest, "kill -STOP $tracer", "kill -CONT $tracer")?;
    if lines + lost != hits || lost == 0 {
        return Err(format!("{hits} hits, but {lines} lines and {lost} lost"));
    }
    Ok(())
}

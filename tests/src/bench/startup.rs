// SPDX-License-Identifier: GPL-2.0-or-later
//! From exec of `stap` to armed probes, and what arming and disarming many takes.

use super::{BenchError, LOAD, number, prepare, run, table};
use crate::guest::{Guest, Machine};
use crate::kernel::Series;

/// Runs of which the fastest counts.
const RUNS: usize = 12;

/// A script whose session ends by itself, and the goals in milliseconds.
struct Session {
    what: &'static str,
    script: String,
    /// From exec to armed.
    start: Option<u32>,
    /// Arming, and disarming.
    arming: Option<u32>,
}

/// What one run took, in milliseconds.
#[derive(Clone, Copy)]
struct Took {
    start: f64,
    arming: f64,
    disarming: f64,
    probes: f64,
}

impl Took {
    fn least(self, other: Took) -> Took {
        Took {
            start: self.start.min(other.start),
            arming: self.arming.min(other.arming),
            disarming: self.disarming.min(other.disarming),
            probes: self.probes,
        }
    }
}

/// Measures and returns the table.
///
/// # Errors
/// [`BenchError`].
pub fn report(kernels: &[Series]) -> Result<String, BenchError> {
    let mut rows = Vec::new();
    for &series in kernels {
        let mut timed = Guest::boot(Machine::new(series))?;
        prepare(&mut timed)?;
        let machine = Machine { count_instructions: true, ..Machine::new(series) };
        let mut counted = Guest::boot(machine)?;
        prepare(&mut counted)?;
        for session in sessions(&mut timed)? {
            let wall = measure(&mut timed, &session, RUNS)?;
            // A millisecond of this guest's clock is a million instructions.
            let count = measure(&mut counted, &session, 3)?;
            let goal = |goal: Option<u32>| goal.map_or("-".to_owned(), |ms| ms.to_string());
            eprintln!("{series} {}: {:.1} ms", session.what, wall.start);
            rows.push(vec![
                format!("{series} {}", session.what),
                format!("{:.0}", wall.probes),
                format!("{:.1}", wall.start),
                goal(session.start),
                format!("{:.1}", count.start),
                format!("{:.1}", wall.arming),
                format!("{:.1}", wall.disarming),
                goal(session.arming),
                format!("{:.1}", count.arming),
                format!("{:.1}", count.disarming),
            ]);
        }
    }
    let head = [
        "session",
        "probes",
        "exec to armed, ms",
        "goal",
        "Minsn",
        "arming, ms",
        "disarming, ms",
        "goal",
        "arming, Minsn",
        "disarming, Minsn",
    ];
    Ok(table(&head, &rows))
}

fn sessions(guest: &mut Guest) -> Result<Vec<Session>, BenchError> {
    let thousand = functions(guest, 1000)?;
    let each = |suffix: &str, body: &str| {
        let points: Vec<String> =
            thousand.iter().map(|name| format!("kernel.function(\"{name}\"){suffix}")).collect();
        format!("probe {} {{ {body} }}\nprobe timer.ms(10) {{ exit() }}", points.join(",\n"))
    };
    let arming = Some(300);
    Ok(vec![
        Session {
            what: "hello world",
            script: "probe begin { printf(\"hello world\\n\") exit() }".into(),
            start: Some(20),
            arming: None,
        },
        Session {
            what: "one function",
            script: "global n probe kernel.function(\"vfs_read\") { n++ }
                     probe timer.ms(10) { exit() }"
                .into(),
            start: None,
            arming: None,
        },
        Session {
            what: "vfs_*, entry",
            script: "global n probe kernel.function(\"vfs_*\") { n++ }
                     probe timer.ms(10) { exit() }"
                .into(),
            start: None,
            arming,
        },
        Session {
            what: "vfs_*, return",
            script: "global n probe kernel.function(\"vfs_*\").return { n++ }
                     probe timer.ms(10) { exit() }"
                .into(),
            start: None,
            arming,
        },
        Session {
            what: "vfs_*, registers",
            script: "global n probe kernel.function(\"vfs_*\") { n += register(\"flags\") }
                     probe timer.ms(10) { exit() }"
                .into(),
            start: None,
            arming,
        },
        Session { what: "1000 entries", script: each("", "next"), start: None, arming },
        Session { what: "1000 returns", script: each(".return", "next"), start: None, arming },
    ])
}

/// Names of functions that are seldom called, so that the guest stays itself.
fn functions(guest: &mut Guest, count: usize) -> Result<Vec<String>, BenchError> {
    let command = format!(
        "grep -E '^(acpi|pci|blk|tcp|udp|inet|nfs|crypto|cpufreq|pm|rtc)_[a-z0-9_]*$' \
         /sys/kernel/tracing/available_filter_functions | sort -u >a
         cut -f2 /sys/kernel/debug/kprobes/blacklist | sort -u >b
         grep -vxFf b a | head -n {count}"
    );
    Ok(run(guest, &command)?.stdout.lines().map(str::to_owned).collect())
}

fn measure(guest: &mut Guest, session: &Session, runs: usize) -> Result<Took, BenchError> {
    guest.write_file("/tmp/session.stp", session.script.as_bytes())?;
    let mut best = once(guest)?;
    for _ in 1..runs {
        best = best.least(once(guest)?);
    }
    Ok(best)
}

fn once(guest: &mut Guest) -> Result<Took, BenchError> {
    let command = format!("STAP_TIMING=1 {LOAD} exec stap session.stp");
    let outcome = run(guest, &command)?;
    // `stap: armed after N ms`, and so on.
    let figure = |what: &str| {
        let line =
            outcome.stderr.lines().find_map(|line| line.strip_prefix("stap: ")?.strip_prefix(what));
        let text = line.and_then(|rest| rest.split_whitespace().next());
        number(what, text.unwrap_or(&outcome.stderr))
    };
    Ok(Took {
        start: figure("armed after ")?,
        arming: figure("arming took ")?,
        disarming: figure("disarming took ")?,
        probes: figure("probes armed: ")?,
    })
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Instructions that a hit adds to a system call: the works of `tests/bench`.

use super::{BenchError, LOAD, number, prepare, run, table};
use crate::guest::{Guest, Machine};
use crate::kernel::{Series, root};

/// Calls in a round.
const CALLS: u64 = 20_000;
/// Rounds, of which the best one counts.
const ROUNDS: u64 = 5;

/// A script, and what others need for the same, as recorded once with this very method.
#[derive(Clone, Copy, Debug)]
struct Work {
    name: &'static str,
    what: &'static str,
    /// SystemTap 4.8 and 5.6pre, bpftrace 0.17, on 6.1.
    recorded: [Option<u32>; 3],
    proof: Proof,
}

/// How the script's output proves that no hit was lost.
#[derive(Clone, Copy, Debug)]
enum Proof {
    /// `hits N` at its end.
    Counts,
    /// A line for each hit.
    Prints,
    /// Nothing but the loader's silence.
    None,
}

const WORKS: [Work; 7] = [
    work("empty", "nothing", [None; 3], Proof::None),
    work("w1", "n[pid()]++", [Some(604), Some(608), Some(790)], Proof::Counts),
    work("w2", "latency histogram", [Some(1757), Some(1841), Some(2534)], Proof::Counts),
    work("w3", "printf of 4 fields", [Some(3622), Some(5375), Some(2200)], Proof::Prints),
    work("w4", "c[execname()] <<< 1", [Some(897), Some(909), Some(1508)], Proof::Counts),
    work("w5", "strings and a regex", [Some(5131), Some(5139), None], Proof::Counts),
    work("w6", "100 rounds of integers", [Some(2252), Some(2249), None], Proof::Counts),
];

const fn work(
    name: &'static str,
    what: &'static str,
    recorded: [Option<u32>; 3],
    proof: Proof,
) -> Work {
    Work { name, what, recorded, proof }
}

/// Counts the works whose names `wanted` accepts and returns the table.
///
/// # Errors
/// [`BenchError`].
pub fn report(kernels: &[Series], wanted: &dyn Fn(&str) -> bool) -> Result<String, BenchError> {
    let works: Vec<Work> = WORKS.into_iter().filter(|work| wanted(work.name)).collect();
    let mut rows: Vec<Vec<String>> = works
        .iter()
        .map(|work| {
            let recorded =
                work.recorded.iter().map(|n| n.map_or("-".to_owned(), |n| n.to_string()));
            std::iter::once(format!("{} {}", work.name, work.what)).chain(recorded).collect()
        })
        .collect();
    for &series in kernels {
        let machine = Machine { count_instructions: true, ..Machine::new(series) };
        let mut guest = Guest::boot(machine)?;
        prepare(&mut guest)?;
        let untraced = load(&mut guest)?;
        for (work, row) in works.iter().zip(&mut rows) {
            let traced = traced(&mut guest, work, series)?;
            eprintln!("{series} {}: {:.1}", work.name, traced - untraced);
            row.push(format!("{:.0}", traced - untraced));
        }
    }
    let names: Vec<String> = kernels.iter().map(Series::to_string).collect();
    let mut head = vec!["work", "stap 4.8", "stap 5.6pre", "bpftrace 0.17"];
    head.extend(names.iter().map(String::as_str));
    Ok(table(&head, &rows))
}

fn load(guest: &mut Guest) -> Result<f64, BenchError> {
    let command = format!("{LOAD} lseek {CALLS} {ROUNDS}");
    number(&command, &run(guest, &command)?.stdout)
}

fn traced(guest: &mut Guest, work: &Work, series: Series) -> Result<f64, BenchError> {
    let path = root().join(format!("tests/bench/{}.stp", work.name));
    let script = std::fs::read(&path)
        .map_err(|error| BenchError::File { path: path.display().to_string(), error })?;
    guest.write_file("/tmp/work.stp", &script)?;
    // A load that does nothing else is an overload, which is not what is measured here.
    // Output goes to a file: the link to the host would cost the guest instructions.
    let counted = match work.proof {
        Proof::Counts => "sed -n 's/^hits //p' out | sort -n | tail -n 1",
        Proof::Prints => "grep -c '^bench-load ' out",
        Proof::None => "echo all",
    };
    let outcome = run(
        guest,
        &format!(
            "rm -f out err
             stap -D STP_NO_OVERLOAD work.stp >out 2>err & tracer=$!
             until grep -qs armed out; do kill -0 $tracer || {{ cat err >&2; exit 1; }}; sleep 0.05; done
             sleep 0.2
             {LOAD} lseek {CALLS} {ROUNDS}
             kill -INT $tracer
             wait $tracer
             cat err >&2
             {counted}"
        ),
    )?;
    let Some((figure, seen)) = outcome.stdout.trim().split_once('\n') else {
        return Err(BenchError::Command { what: work.name.to_owned(), outcome });
    };
    let wanted = CALLS * ROUNDS;
    let hits = if seen == "all" { wanted as f64 } else { number(work.name, seen)? };
    // The load makes a few calls of its own beside those that it counts.
    if (hits as u64) < wanted || !outcome.stderr.is_empty() {
        return Err(BenchError::Lost {
            work: work.name.to_owned(),
            series: series.to_string(),
            seen: hits as u64,
            wanted,
            warnings: outcome.stderr,
        });
    }
    number("bench-load", figure)
}

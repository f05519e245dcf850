// SPDX-License-Identifier: GPL-2.0-or-later
//! `make bench`: prints what hits, start-up and arming cost.
//!
//!     bench [--record] [PART ...]
//!
//! Parts are `hits`, or one of its works such as `w3`; `startup`; `compiler`; `types`. All, if
//! none is named. `6.1` or `6.12` is that kernel only. `--record` rewrites tests/bench/RESULTS.md.

use std::process::ExitCode;
use tests::bench::{BenchError, compiler, hits, startup, types};
use tests::kernel::{Series, root};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = if arguments.first().is_some_and(|first| first == "--peak-of") {
        arguments.remove(0);
        let program = if arguments.is_empty() { String::new() } else { arguments.remove(0) };
        compiler::tell_peak(&program, &arguments)
    } else {
        let record = arguments.iter().any(|argument| argument == "--record");
        arguments.retain(|argument| argument != "--record");
        bench(&arguments, record)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(parts: &[String], record: bool) -> Result<(), BenchError> {
    let kernels: Vec<Series> = parts.iter().filter_map(|part| part.parse().ok()).collect();
    let kernels = if kernels.is_empty() { Series::ALL.to_vec() } else { kernels };
    let mut parts = parts.to_vec();
    parts.retain(|part| part.parse::<Series>().is_err());
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    let is_part = |part: &String| matches!(part.as_str(), "startup" | "compiler" | "types");
    let mut sections = Vec::new();
    if parts.is_empty() || !parts.iter().all(is_part) {
        let text = hits::report(&kernels, &|work| wanted(work) || wanted("hits"))?;
        sections.push(section("Instructions that a hit adds", &text));
    }
    if wanted("startup") {
        sections
            .push(section("Start-up, arming, disarming in the guest", &startup::report(&kernels)?));
    }
    if wanted("compiler") {
        sections.push(section("The compiler alone", &compiler::report()?));
    }
    if wanted("types") {
        sections.push(section("Kernel types, on the host", &types::report(&kernels)?));
    }
    let text = sections.join("\n");
    print!("{text}");
    if record {
        let path = root().join("tests/bench/RESULTS.md");
        std::fs::write(&path, format!("{HEAD}\n{text}"))
            .map_err(|error| BenchError::File { path: path.display().to_string(), error })?;
    }
    Ok(())
}

fn section(title: &str, table: &str) -> String {
    format!("## {title}\n\n{table}")
}

const HEAD: &str = "\
<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
# Results

Written by `make bench RECORD=1`. Hits are counted in guest instructions (QEMU with
`-icount`, one CPU): what a hit adds to an lseek call, the best of 5 rounds of 20000, of
which none was lost or skipped (a run that loses one fails). The figures of others were
recorded with the same method on Linux 6.1: SystemTap's are those of its compiled C
modules, bpftrace's of its JIT, which lost 90% of the output of w3 (SystemTap 5.6pre: 26%).
Milliseconds are wall time in a guest under software emulation, the least of 12 runs.
Minsn are millions of guest instructions.
";

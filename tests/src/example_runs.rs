// SPDX-License-Identifier: GPL-2.0-or-later
//! SystemTap's examples, run in a guest under a load, with what their output must look like:
//! `tests/examples/runs.txt`.
//!
//! ```text
//! == NAME                     path of the script in SystemTap's folder of examples
//! short                       it belongs to the short form, which `make test` runs
//! options: -G n=5             options of stap, before the script's name
//! with: one two               arguments of the script, after its name
//! seconds: 4                  how long it runs; 3 if not given
//! load: COMMAND               a further load for it
//! kernels: 6.1                only there; all if not given
//! wants: PATTERN              a regular expression that must match some of the output
//! never: PATTERN              one that must not
//! ```
//! The load that all have is `tests/examples/load.sh`. In patterns `^` and `$` mean lines.

use crate::examples::FOLDER;
use crate::guest::{Guest, Outcome};
use crate::kernel::{Series, root};
use regex::RegexBuilder;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How long a run may take on a machine that does other things meanwhile.
const TIMEOUT: Duration = Duration::from_secs(240);
const SECONDS: u32 = 3;

/// One example with what its output must look like.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Path of the script.
    pub name: String,
    /// Whether it belongs to the short form.
    pub short: bool,
    options: String,
    with: String,
    seconds: u32,
    load: String,
    kernels: Vec<Series>,
    wants: Vec<String>,
    never: Vec<String>,
}

/// All of the table.
///
/// # Errors
/// The line that is not understood.
pub fn all() -> Result<Vec<Run>, String> {
    let path = root().join("tests/examples/runs.txt");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    read(&text)
}

fn read(text: &str) -> Result<Vec<Run>, String> {
    let mut runs: Vec<Run> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("== ") {
            let kernels = Series::ALL.to_vec();
            let name = name.to_owned();
            runs.push(Run { name, seconds: SECONDS, kernels, ..Run::default() });
            continue;
        }
        let wrong = || format!("runs.txt: {line}");
        let run = runs.last_mut().ok_or_else(wrong)?;
        let (key, value) = line.split_once(": ").unwrap_or((line, ""));
        match key {
            "short" => run.short = true,
            "options" => run.options = value.to_owned(),
            "with" => run.with = value.to_owned(),
            "seconds" => run.seconds = value.parse().map_err(|_| wrong())?,
            "load" => run.load = value.to_owned(),
            "kernels" => {
                let kernels = value.split_whitespace().map(str::parse).collect::<Result<_, _>>();
                run.kernels = kernels.map_err(|_| wrong())?;
            }
            "wants" => run.wants.push(value.to_owned()),
            "never" => run.never.push(value.to_owned()),
            _ => return Err(wrong()),
        }
    }
    Ok(runs)
}

impl Run {
    /// One that is not in the table, to see what it prints.
    pub fn of(name: &str) -> Run {
        let kernels = Series::ALL.to_vec();
        Run { name: name.to_owned(), seconds: SECONDS, kernels, ..Run::default() }
    }

    /// Is it for this kernel?
    pub fn is_for(&self, series: Series) -> bool {
        self.kernels.contains(&series)
    }

    /// Runs it in a guest whose module is loaded.
    ///
    /// # Errors
    /// What went wrong in the guest.
    pub fn run(&self, guest: &mut Guest) -> Result<Outcome, String> {
        let on_guest = |error: crate::guest::GuestError| error.to_string();
        let load = fs::read(root().join("tests/examples/load.sh"));
        let load = load.map_err(|error| format!("load.sh: {error}"))?;
        guest.write_file("/tmp/load.sh", &load).map_err(on_guest)?;
        let script = Path::new(FOLDER).join(&self.name);
        let script = fs::read(&script).map_err(|error| format!("{}: {error}", script.display()))?;
        guest.write_file("/tmp/example.stp", &script).map_err(on_guest)?;
        let more = if self.load.is_empty() { ":" } else { &self.load };
        // Time is no measure of the overhead where a guest shares its CPU with others.
        // Signals end what does not end by itself; the load ends with the command. The shell
        // stays, so that the load's processes are no children of stap.
        let command = format!(
            "mkdir -p /tmp/work; (cd /tmp/work; exec sh /tmp/load.sh) >/dev/null 2>&1 & \
             (cd /tmp/work; while :; do {more}; sleep 1; done) >/dev/null 2>&1 & \
             timeout -s INT {} stap -w -D STP_NO_OVERLOAD -T {} {} example.stp {}; exit $?",
            self.seconds + 60,
            self.seconds,
            self.options,
            self.with,
        );
        guest.run(&command, TIMEOUT).map_err(on_guest)
    }

    /// Runs it; its output must be as the table says.
    ///
    /// # Errors
    /// Text with the difference.
    pub fn check(&self, guest: &mut Guest) -> Result<(), String> {
        let outcome = self.run(guest)?;
        let complaints = guest.complaints();
        let mut wrong = Vec::new();
        if !complaints.is_empty() {
            wrong.push(format!("the kernel complains: {complaints:?}"));
        }
        if outcome.timed_out || outcome.status != 0 {
            wrong.push(format!("exit status {}", outcome.status));
        }
        if outcome.stderr.contains("ERROR") {
            wrong.push("an error was reported".to_owned());
        }
        if self.wants.is_empty() {
            wrong.push("nothing is wanted of its output".to_owned());
        }
        let matches = |pattern: &String| -> Result<bool, String> {
            let pattern = RegexBuilder::new(pattern).multi_line(true).build();
            Ok(pattern.map_err(|error| error.to_string())?.is_match(&outcome.stdout))
        };
        for pattern in &self.wants {
            if !matches(pattern)? {
                wrong.push(format!("nothing like {pattern}"));
            }
        }
        for pattern in &self.never {
            if matches(pattern)? {
                wrong.push(format!("something like {pattern}"));
            }
        }
        outcome.judged(&wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_wants_something_of_an_example() {
        let runs = all().expect("the table is right");
        assert!(runs.len() >= 60, "{} runs", runs.len());
        assert!(runs.iter().filter(|run| run.short).count() >= 10);
        for run in &runs {
            assert!(!run.wants.is_empty(), "{}", run.name);
            for pattern in run.wants.iter().chain(&run.never) {
                assert!(RegexBuilder::new(pattern).multi_line(true).build().is_ok(), "{pattern}");
            }
        }
        assert!(read("wants: x").is_err() && read("== a\nnonsense").is_err());
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Golden scripts: `tests/golden/NAME.stp` with the output it must give, and those of
//! `tests/language`, which run in the guest and under `stap --runtime=user`.
//!
//! Directives are comments of the script:
//! ```text
//! // args: -G n=5 -c 'ls /'      options of stap, before the script's name
//! // with: one two               arguments of the script, after its name
//! // load: while :; do :; done   a shell command that runs in the background
//! // interrupt after: TEXT       SIGINT once the output contains TEXT
//! // exit: 1                     exit status, 0 if not given
//! // kernels: 6.1                only there; all if not given
//! ```
//! `NAME.stdout` and `NAME.stderr` hold what must be printed (nothing, if the file is
//! not there). `{{...}}` in them is a regular expression within its line. With
//! `BLESS=1` files without patterns are rewritten.

use crate::guest::{Guest, Interruption, Outcome};
use crate::host;
use crate::kernel::{Series, root};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One script with what it must do.
#[derive(Clone, Debug)]
pub struct Case {
    /// File name without its ending.
    pub name: String,
    path: PathBuf,
    script: String,
    args: String,
    with: String,
    load: Option<String>,
    interrupt_after: Option<String>,
    exit: i32,
    kernels: Vec<Series>,
}

const TIMEOUT: Duration = Duration::from_secs(90);
/// The same on this machine, which is faster.
const TIMEOUT_HERE: Duration = Duration::from_secs(30);
const SIGINT: i32 = 2;

impl Case {
    /// Reads a script and its directives.
    ///
    /// # Errors
    /// Text that says what cannot be read.
    pub fn read(path: PathBuf) -> Result<Case, String> {
        let script = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let directive = |name: &str| {
            let prefix = format!("// {name}: ");
            script.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
        };
        let exit = directive("exit").map_or(Ok(0), |text| text.parse());
        let kernels = directive("kernels").map_or(Ok(Series::ALL.to_vec()), |text| {
            text.split_whitespace().map(str::parse).collect()
        });
        Ok(Case {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            args: directive("args").unwrap_or_default(),
            with: directive("with").unwrap_or_default(),
            load: directive("load"),
            interrupt_after: directive("interrupt after"),
            exit: exit.map_err(|e| format!("{}: exit: {e}", path.display()))?,
            kernels: kernels.map_err(|e| format!("{}: kernels: {e}", path.display()))?,
            script,
            path,
        })
    }

    /// All of `tests/golden`, by name.
    ///
    /// # Errors
    /// Text that says what cannot be read.
    pub fn all() -> Result<Vec<Case>, String> {
        Case::folder("tests/golden")
    }

    /// All of `tests/language`, by name.
    ///
    /// # Errors
    /// Text that says what cannot be read.
    pub fn language() -> Result<Vec<Case>, String> {
        Case::folder("tests/language")
    }

    fn folder(name: &str) -> Result<Vec<Case>, String> {
        let folder = root().join(name);
        let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "stp"));
        paths.sort();
        paths.into_iter().map(Case::read).collect()
    }

    /// Is it for this kernel?
    pub fn is_for(&self, series: Series) -> bool {
        self.kernels.contains(&series)
    }

    /// Runs it in a guest whose module is loaded.
    ///
    /// # Errors
    /// Text with the difference.
    pub fn check(&self, guest: &mut Guest) -> Result<(), String> {
        let file = format!("{}.stp", self.name);
        let on_guest = |error: crate::guest::GuestError| error.to_string();
        guest.write_file(&format!("/tmp/{file}"), self.script.as_bytes()).map_err(on_guest)?;
        let load = self.load.as_ref().map_or(String::new(), |load| format!("({load}) & "));
        let command = format!("{load}exec stap --bytecode {} {file} {}", self.args, self.with);
        let interruption = self.interruption();
        let outcome = guest
            .run_watched(&command, TIMEOUT, interruption.as_ref(), &mut |_, _| {})
            .map_err(on_guest)?;
        let complaints = guest.complaints();
        if !complaints.is_empty() {
            return Err(format!("the kernel complains:\n{}", complaints.join("\n")));
        }
        self.judge(&outcome)
    }

    /// Runs it on this machine under `stap --runtime=user`.
    ///
    /// # Errors
    /// Text with the difference.
    pub fn check_here(&self, stap: &Path) -> Result<(), String> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let command =
            format!("exec \"$STAP\" --runtime=user {} {}.stp {}", self.args, self.name, self.with);
        let interruption = self.interruption();
        let outcome = host::run(stap, &command, folder, TIMEOUT_HERE, interruption.as_ref());
        self.judge(&outcome.map_err(|error| format!("{command}: {error}"))?)
    }

    fn interruption(&self) -> Option<Interruption> {
        let after = self.interrupt_after.clone()?;
        Some(Interruption { signal: SIGINT, after })
    }

    fn judge(&self, outcome: &Outcome) -> Result<(), String> {
        let mut wrong = Vec::new();
        if outcome.timed_out {
            wrong.push(format!("killed after {TIMEOUT:?}"));
        }
        if outcome.status != self.exit {
            wrong.push(format!("exit status {}, not {}", outcome.status, self.exit));
        }
        for (stream, have) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
            let path = self.path.with_extension(stream);
            let want = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                Err(error) => return Err(format!("{}: {error}", path.display())),
            };
            if matches(&want, have)? {
                continue;
            }
            if std::env::var_os("BLESS").is_some() && !want.contains("{{") {
                fs::write(&path, have).map_err(|e| e.to_string())?;
                continue;
            }
            wrong.push(format!("{stream} should be:\n{want}---- but is:\n{have}----"));
        }
        outcome.judged(&wrong)
    }
}

/// Does the text match, with `{{...}}` as regular expressions?
fn matches(want: &str, have: &str) -> Result<bool, String> {
    if !want.contains("{{") {
        return Ok(want == have);
    }
    let mut pattern = String::from("(?-u)\\A");
    let mut rest = want;
    while let Some((literal, after)) = rest.split_once("{{") {
        let (expression, after) = after.split_once("}}").ok_or("{{ without }}")?;
        pattern.push_str(&regex::escape(literal));
        pattern.push_str("(?:");
        pattern.push_str(expression);
        pattern.push(')');
        rest = after;
    }
    pattern.push_str(&regex::escape(rest));
    pattern.push_str("\\z");
    let pattern = regex::bytes::Regex::new(&pattern).map_err(|error| error.to_string())?;
    Ok(pattern.is_match(have.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_stand_within_literal_text() {
        assert_eq!(matches("n = {{[0-9]+}}.\n", "n = 42.\n"), Ok(true));
        assert_eq!(matches("n = {{[0-9]+}}.\n", "n = x.\n"), Ok(false));
        assert_eq!(matches("a.c\n", "abc\n"), Ok(false));
        assert!(matches("{{x", "x").is_err());
    }
}

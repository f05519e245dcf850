// SPDX-License-Identifier: GPL-2.0-or-later
//! Lines of strace and lines of the tapset about the same calls, side by side.
//!
//! `tests/strace/differences.txt` lists the calls that SystemTap shows in a form of its own:
//! ```text
//! NAME: what is different, and why
//! ```

use crate::kernel::root;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What came of a comparison.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Calls that were compared.
    pub calls: usize,
    /// Different system calls among them.
    pub names: usize,
    /// Calls that both show in the same way.
    pub same: usize,
    /// Calls with a difference that is listed.
    pub listed: usize,
    /// The others, and names that are listed for nothing.
    pub wrong: String,
    /// All differences, as they are.
    pub differences: String,
}

/// A call as a line shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Call {
    name: String,
    arguments: String,
    result: String,
}

/// The list of differences that have a reason.
///
/// # Errors
/// The line that is not understood.
pub fn reasons() -> Result<BTreeMap<String, String>, String> {
    let path = root().join("tests/strace/differences.txt");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, reason) =
                line.split_once(": ").ok_or_else(|| format!("differences.txt: {line}"))?;
            Ok((name.to_owned(), reason.to_owned()))
        })
        .collect()
}

/// Compares both.
///
/// # Errors
/// A line that is none of a call, or calls that do not belong together.
pub fn compare(
    strace: &str,
    ours: &str,
    reasons: &BTreeMap<String, String>,
) -> Result<Comparison, String> {
    let theirs = calls(strace)?;
    let ours = calls(ours)?;
    let mut result = Comparison::default();
    let mut names = BTreeSet::new();
    let mut differing = BTreeSet::new();
    if theirs.len() != ours.len() {
        let _ = writeln!(result.wrong, "strace has {} calls, ours {}", theirs.len(), ours.len());
    }
    for (theirs, ours) in theirs.iter().zip(&ours) {
        result.calls += 1;
        names.insert(theirs.name.clone());
        if theirs == ours {
            result.same += 1;
            continue;
        }
        let line = format!("{}\n    {}\n", theirs.text(), ours.text());
        result.differences.push_str(&line);
        differing.insert(theirs.name.clone());
        // A result has one form only, whatever the arguments look like.
        if reasons.contains_key(&theirs.name) && theirs.result == ours.result {
            result.listed += 1;
        } else {
            result.wrong.push_str(&line);
        }
    }
    for name in reasons.keys().filter(|name| !differing.contains(*name)) {
        let _ = writeln!(result.wrong, "{name} is listed, but there is no difference");
    }
    result.names = names.len();
    Ok(result)
}

impl Call {
    fn text(&self) -> String {
        format!("{}({}) = {}", self.name, self.arguments, self.result)
    }
}

fn calls(text: &str) -> Result<Vec<Call>, String> {
    let form = Regex::new(r"^(\w+)\((.*)\)\s+= (.*)$").map_err(|error| error.to_string())?;
    let error = Regex::new(r"^-\d+ \(?(E\w+)\)?").map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    // Lines of strace about signals and about the end are of no call.
    let about = |line: &&str| line.starts_with("+++") || line.starts_with("---");
    for line in text.lines().filter(|line| !about(line)) {
        let parts = form.captures(line).ok_or_else(|| format!("no call: {line}"))?;
        // -1 ENOENT (No such file or directory) here, -2 (ENOENT) there; numbers in any base.
        let result = &parts[3];
        let result = match error.captures(result) {
            Some(error) => format!("-{}", &error[1]),
            None => number(result.split_whitespace().next().unwrap_or_default()),
        };
        // What never returns has no line of ours.
        if result == "?" {
            continue;
        }
        found.push(Call { name: parts[1].to_owned(), arguments: parts[2].to_owned(), result });
    }
    Ok(found)
}

/// A number in decimal.
fn number(text: &str) -> String {
    let parsed = match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(digits), _) => u64::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
        _ => None,
    };
    parsed.map_or_else(|| text.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_paired_and_differences_need_a_reason() {
        let theirs = "open(\"f\", O_RDONLY)    = -1 ENOENT (No such file or directory)\n\
                      read(3, \"ab\", 2) = 2\nmmap(NULL, 1) = 0x7f00\nexit_group(0) = ?\n+++ exited";
        let ours =
            "open(\"f\", O_RDONLY) = -2 (ENOENT)\nread(3, 0x1, 2) = 2\nmmap(NULL, 1) = 0x7f00\n";
        let reasons = BTreeMap::from([("read".to_owned(), "an address".to_owned())]);
        let result = compare(theirs, ours, &reasons).expect("lines of calls");
        assert_eq!((result.calls, result.names, result.same, result.listed), (3, 3, 2, 1));
        assert!(result.wrong.is_empty(), "{}", result.wrong);
        let result = compare(theirs, ours, &BTreeMap::new()).expect("lines of calls");
        assert!(result.wrong.contains("read(3, \"ab\", 2)"), "{}", result.wrong);
        let result = compare(theirs, &ours.replace("= 2\n", "= 1\n"), &reasons).expect("lines");
        assert!(!result.wrong.is_empty());
        let result = compare(theirs, &ours.replace("0x1,", "\"ab\","), &reasons).expect("lines");
        assert!(result.wrong.contains("no difference"));
    }
}

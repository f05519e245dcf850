// SPDX-License-Identifier: GPL-2.0-or-later
//! `tests/language/constructs.txt`: which case shows which construct of the language. What only a
//! kernel can show has a guest test, by its name with `::`.

use std::collections::BTreeSet;
use std::fs;
use tests::kernel::root;

/// Every construct must have a case that is there, every case a construct it shows.
pub(crate) fn check(cases: &[String]) -> Result<(), String> {
    let path = root().join("tests/language/constructs.txt");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let known: BTreeSet<&str> = cases.iter().map(String::as_str).collect();
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut constructs = 0;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((construct, names)) = line.rsplit_once(" | ") else {
            wrong.push(format!("no case column: {line}"));
            continue;
        };
        constructs += 1;
        let mut names = names.split_whitespace().peekable();
        if names.peek().is_none() {
            wrong.push(format!("no case for: {construct}"));
        }
        for name in names {
            if name.contains("::") {
                if !is_guest_test(name)? {
                    wrong.push(format!("no such guest test: {name} ({construct})"));
                }
                continue;
            }
            used.insert(name);
            if !known.contains(name) {
                wrong.push(format!("no such case: {name} ({construct})"));
            }
        }
    }
    wrong.extend(known.difference(&used).map(|name| format!("not in the table: {name}")));
    if constructs == 0 {
        wrong.push("the table is empty".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Is there such a golden script, or such a row of the guest tests?
fn is_guest_test(name: &str) -> Result<bool, String> {
    let failed = |error: std::io::Error| error.to_string();
    if let Some(script) = name.strip_prefix("golden::") {
        return Ok(root().join(format!("tests/golden/{script}.stp")).is_file());
    }
    let row = format!("(\"{name}\", ");
    for entry in fs::read_dir(root().join("tests/tests/guest")).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() && fs::read_to_string(&path).map_err(failed)?.contains(&row) {
            return Ok(true);
        }
    }
    Ok(false)
}

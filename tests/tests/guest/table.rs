// SPDX-License-Identifier: GPL-2.0-or-later
//! tests/probes/TABLE.md: every kind of probe has a row, and every test that a row names
//! is run on the kernel of its column.

use tests::kernel::{Series, root};
use vm_spec::probe::ProbeKind;

/// Compares the table with the tests there are.
pub(crate) fn check(tests: &[String]) -> Result<(), String> {
    let path = root().join("tests/probes/TABLE.md");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix('|'))
        .skip(2)
        .map(|row| row.trim_end_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut wrong = Vec::new();
    for row in &rows {
        let [point, kind, on_6_1, on_6_12] = row[..] else {
            wrong.push(format!("not four columns: {row:?}"));
            continue;
        };
        if !ProbeKind::ALL.iter().any(|known| known.text() == kind) {
            wrong.push(format!("{point}: there is no kind {kind}"));
        }
        for (series, test) in Series::ALL.into_iter().zip([on_6_1, on_6_12]) {
            let name = format!("{series}::{test}");
            if !tests.contains(&name) {
                wrong.push(format!("{point}: there is no test {name}"));
            }
        }
    }
    for kind in ProbeKind::ALL {
        if !rows.iter().any(|row| row.get(1) == Some(&kind.text())) {
            wrong.push(format!("no row for {}", kind.text()));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

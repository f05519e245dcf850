// SPDX-License-Identifier: GPL-2.0-or-later
//! Advice for names that nobody knows.

/// `similar: a, b` for the known names nearest to an unknown one.
pub(crate) fn similar<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut near: Vec<(usize, &str)> = known
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .filter(|(distance, _)| *distance <= unknown.len() / 3 + 1)
        .collect();
    near.sort();
    near.dedup();
    let names: Vec<&str> = near.iter().take(3).map(|(_, name)| *name).collect();
    (!names.is_empty()).then(|| format!("similar names: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn near_names_are_offered() {
        let known = ["execname", "pexecname", "exit", "pid"];
        let offered = super::similar("execnam", known.into_iter());
        assert_eq!(offered.as_deref(), Some("similar names: execname, pexecname"));
        assert_eq!(super::similar("zzzzzz", known.into_iter()), None);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Advice for names that nobody knows.

/// Most names that are offered.
const MOST: usize = 5;

/// `a, b`: the known names nearest to an unknown one, nearest first.
pub(crate) fn similar<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut near: Vec<(usize, &str)> = known
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .filter(|(distance, _)| *distance <= unknown.len() / 3 + 1)
        .collect();
    near.sort();
    near.dedup();
    let names: Vec<&str> = near.iter().take(MOST).map(|(_, name)| *name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn near_names_are_offered() {
        let known = ["execname", "pexecname", "exit", "pid"];
        let offered = super::similar("execnam", known.into_iter());
        assert_eq!(offered.as_deref(), Some("execname, pexecname"));
        assert_eq!(super::similar("zzzzzz", known.into_iter()), None);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Advice for names that do not exist.

/// The known names nearest to one that is not there, as the end of a message: empty, or
/// ` (alternatives: a, b)`. Unlike a compiler's "did you mean", all members of a small
/// struct are worth telling.
pub(crate) fn alternatives<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 8;
    // Comparing takes the product of two lengths, and damaged files have long names.
    const LONGEST: usize = 64;
    const MOST_COMPARED: usize = 1000;
    if unknown.len() > LONGEST {
        return String::new();
    }
    let mut near: Vec<(usize, &str)> = known
        .filter(|name| (1..=LONGEST).contains(&name.len()))
        .take(MOST_COMPARED)
        .map(|name| {
            // A longer name with the same words is nearer than its length says.
            let contained = name.contains(unknown) || unknown.contains(name);
            let distance = strsim::damerau_levenshtein(unknown, name);
            (if contained { distance / 3 } else { distance }, name)
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    let names: Vec<&str> = near.iter().take(MOST).map(|(_, name)| *name).collect();
    if names.is_empty() { String::new() } else { format!(" (alternatives: {})", names.join(", ")) }
}

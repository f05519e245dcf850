// SPDX-License-Identifier: GPL-2.0-or-later
//! System calls of x86-64 by name, from `syscalls.table`.

use frontend_syntax::preprocess::glob;

const TABLE: &str = include_str!("syscalls.table");

/// Number and name of every call.
pub(crate) fn all() -> impl Iterator<Item = (u32, &'static str)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (number, name) = line.split_once(' ')?;
        Some((number.parse().ok()?, name))
    })
}

/// Those whose name a pattern matches.
pub(crate) fn matching(pattern: &str) -> impl Iterator<Item = (u32, &'static str)> {
    all().filter(move |(_, name)| glob(pattern.as_bytes(), name.as_bytes()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_read() {
        assert_eq!(super::matching("openat").next(), Some((257, "openat")));
        assert!(super::all().count() > 350);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Equal states of a matcher become one (Moore's algorithm).

use super::matcher::{BYTES, Matcher};
use std::collections::HashMap;
use vm_spec::regex::{ACCEPT, DEAD};

/// Joins states that no text tells apart. If more than so many words would be compared,
/// the matcher stays as it is.
pub(super) fn minimize(matcher: &mut Matcher, limit: usize) {
    let row_words = usize::from(matcher.class_count) + 1;
    let rows: Vec<&[u16]> = matcher.words[BYTES..].chunks_exact(row_words).collect();
    // Which states are taken for equal: at first all, then those whose rows are.
    let mut block_of = vec![0u16; rows.len()];
    let mut count = 1;
    let mut work = 0;
    let blocks = loop {
        work += rows.len() * row_words;
        if work > limit {
            return;
        }
        // In the order of their first states, so that the start stays the first.
        let mut blocks: HashMap<(u16, Vec<u16>), u16> = HashMap::new();
        let mut next_of = Vec::with_capacity(rows.len());
        for (row, &block) in rows.iter().zip(&block_of) {
            let fresh = blocks.len() as u16;
            next_of.push(*blocks.entry((block, moved(row, &block_of))).or_insert(fresh));
        }
        block_of = next_of;
        if blocks.len() == count {
            break blocks;
        }
        count = blocks.len();
    };
    // Nothing was told apart in the last round: the rows were in terms of these blocks.
    let mut ordered: Vec<(u16, Vec<u16>)> =
        blocks.into_iter().map(|((_, row), number)| (number, row)).collect();
    ordered.sort_unstable();
    matcher.words.truncate(BYTES);
    matcher.words.extend(ordered.into_iter().flat_map(|(_, row)| row));
    matcher.state_count = count as u16;
}

/// A row that leads to blocks instead of states.
fn moved(row: &[u16], block_of: &[u16]) -> Vec<u16> {
    let Some((at_end, nexts)) = row.split_last() else { return Vec::new() };
    let block = |&next: &u16| match next {
        ACCEPT | DEAD => next,
        state => block_of[usize::from(state)],
    };
    nexts.iter().map(block).chain([*at_end]).collect()
}

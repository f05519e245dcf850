// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs the tables of regular expressions, see [`vm_spec::regex`].

use vm_spec::regex::{ACCEPT, DEAD, FRESH, Step, Tables, UNSET};

/// Does the expression match anywhere in the text?
pub fn matches(tables: &Tables<'_>, text: &[u8]) -> bool {
    let mut state = 0;
    for &byte in text {
        state = tables.next(state, byte);
        if state == ACCEPT {
            return true;
        }
        if state == DEAD {
            return false;
        }
    }
    tables.matches_at_end(state)
}

/// Words (of 16 bits) that [`groups`] works in.
pub fn scratch_words(tables: &Tables<'_>) -> usize {
    let slots = slots(tables);
    tables.width().saturating_mul(slots).saturating_mul(2).saturating_add(slots)
}

fn slots(tables: &Tables<'_>) -> usize {
    usize::from(tables.groups()).saturating_mul(2)
}

/// Where the match and its groups lie.
#[derive(Debug)]
pub struct Groups<'s> {
    slots: &'s [u16],
    /// How many threads were moved.
    pub work: u32,
}

impl Groups<'_> {
    /// The part of the text that group n matched; nothing if it took no part.
    pub fn part<'t>(&self, n: usize, text: &'t [u8]) -> &'t [u8] {
        let position = |slot: usize| self.slots.get(slot).copied().filter(|&at| at != UNSET);
        let first = n.saturating_mul(2);
        match (position(first), position(first.saturating_add(1))) {
            (Some(start), Some(end)) => text.get(start.into()..end.into()).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// Finds the groups of the first and longest match. `scratch` has
/// [`scratch_words`]; if it has fewer, nothing is found.
pub fn groups<'s>(tables: &Tables<'_>, text: &[u8], scratch: &'s mut [u16]) -> Groups<'s> {
    let size = tables.width().saturating_mul(slots(tables));
    let Some((threads, result)) = scratch.split_at_mut_checked(size.saturating_mul(2)) else {
        return Groups { slots: &[], work: 0 };
    };
    let result = result.get_mut(..slots(tables)).unwrap_or_default();
    result.fill(UNSET);
    let (mut now, mut next) = threads.split_at_mut(size);
    let mut work = 0u32;
    let mut step = tables.step(0);
    let mut rest = text.iter();
    let mut position = 0u16;
    while let Some(taken) = step {
        take(taken, position, now, next, result);
        work = work.saturating_add(taken.threads().len() as u32).saturating_add(1);
        core::mem::swap(&mut now, &mut next);
        let Some(&byte) = rest.next() else {
            if let Some(last) = tables.track(taken.next, None) {
                take(last, position, now, next, result);
            }
            break;
        };
        position = position.wrapping_add(1);
        step = tables.track(taken.next, Some(byte));
    }
    Groups { slots: result, work }
}

fn take(step: Step<'_>, position: u16, now: &[u16], next: &mut [u16], result: &mut [u16]) {
    let slots = result.len();
    if let Some((source, tags)) = step.accept {
        inherit(now, source, tags, position, result);
    }
    for ((source, tags), into) in step.threads().zip(next.chunks_exact_mut(slots.max(1))) {
        inherit(now, source, tags, position, into);
    }
}

/// A thread takes over the slots of its source, then sets those that its tags name.
fn inherit(now: &[u16], source: u16, tags: u32, position: u16, into: &mut [u16]) {
    let first = usize::from(source).wrapping_mul(into.len());
    let old = now.get(first..first.wrapping_add(into.len()));
    match old.filter(|_| source != FRESH) {
        Some(old) => into.copy_from_slice(old),
        None => into.fill(UNSET),
    }
    for (slot, value) in (0u32..).zip(into) {
        if tags.wrapping_shr(slot) & 1 != 0 {
            *value = position;
        }
    }
}

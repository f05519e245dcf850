// SPDX-License-Identifier: GPL-2.0-or-later
//! Regular expressions as tables: what `=~` runs.
//!
//! The compiler turns each expression into a deterministic automaton, so that a match
//! is one look-up a byte and nothing backtracks. A [`RegexRecord`] names a run of
//! 16-bit words:
//!
//! ```text
//! class of each byte            256 words, each below class_count
//! matcher                       state_count rows of class_count + 1 words: the next
//!                               state, DEAD or ACCEPT; the last column is for the end of
//!                               the text: 1 if the text matches, else 0
//! tracker (if groups > 0)       track_states rows of class_count + 1 words: the step to
//!                               take, or NO_STEP
//!                               step_count words: where in the steps each one begins
//!                               the steps
//! ```
//! The matcher only says whether there is a match anywhere. The tracker finds where the
//! match and its groups lie: it carries up to `width` threads in order of preference, each
//! with two positions (slots) for each group. A step is
//!
//! ```text
//! next state, thread count, accepting thread or NO_THREAD, its tags (low, high),
//! then for each thread of the next state: the thread it comes from or FRESH, tags (2)
//! ```
//! A thread takes over the slots of the one it comes from (a fresh one has none), and
//! its tags say which of them become the current position. An accepting thread's slots
//! are the result so far; a later one replaces them. Step 0 begins at position 0, before
//! the first byte. Work and memory are bounded by the table alone, times the text's
//! length.

use crate::ids::RegexId;
use crate::image::{Image, RegexRecord};

/// Byte classes: one word for each byte.
const CLASS_WORDS: usize = 256;
/// Words of a step before its threads.
pub const STEP_WORDS: usize = 5;
/// Words of a thread in a step.
pub const THREAD_WORDS: usize = 3;

/// In the matcher: no match can come any more.
pub const DEAD: u16 = 0xffff;
/// In the matcher: there is a match.
pub const ACCEPT: u16 = 0xfffe;
/// In the tracker: all threads are gone.
pub const NO_STEP: u16 = 0xffff;
/// In a step: nothing is accepted.
pub const NO_THREAD: u16 = 0xfffe;
/// In a step: a thread that begins here.
pub const FRESH: u16 = 0xffff;
/// A slot that has no position.
pub const UNSET: u16 = 0xffff;

/// Most groups of one expression that can be tracked, the whole match among them.
pub const MAX_GROUPS: u16 = 16;
/// Most slots of all threads together.
pub const MAX_THREAD_SLOTS: usize = 4096;

/// The words of one expression, by part.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    record: &'a RegexRecord,
    classes: &'a [u16; CLASS_WORDS],
    matcher: &'a [u16],
    tracker: &'a [u16],
    offsets: &'a [u16],
    steps: &'a [u16],
}

/// A step of the tracker.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The state that follows.
    pub next: u16,
    /// The thread that accepts, with its tags.
    pub accept: Option<(u16, u32)>,
    threads: &'a [u16],
}

impl<'a> Step<'a> {
    /// For each thread of the next state: where it comes from, and its tags.
    pub fn threads(&self) -> impl ExactSizeIterator<Item = (u16, u32)> + 'a {
        self.threads.chunks_exact(THREAD_WORDS).map(|words| match words {
            &[source, low, high] => (source, tags(low, high)),
            _ => (FRESH, 0),
        })
    }
}

fn tags(low: u16, high: u16) -> u32 {
    u32::from(high) << 16 | u32::from(low)
}

impl<'a> Tables<'a> {
    /// The tables of an expression, if its record's counts fit its words.
    pub fn of(image: &Image<'a>, id: RegexId) -> Option<Tables<'a>> {
        let record = image.regexes.get(id.index())?;
        let words = crate::image::run(image.regex_words, record.first_word, record.word_count)?;
        let columns = usize::from(record.class_count).checked_add(1)?;
        let (classes, rest) = words.split_first_chunk()?;
        let rows = usize::from(record.state_count).checked_mul(columns)?;
        let (matcher, rest) = rest.split_at_checked(rows)?;
        let rows = usize::from(record.track_states).checked_mul(columns)?;
        let (tracker, rest) = rest.split_at_checked(rows)?;
        let (offsets, steps) = rest.split_at_checked(record.step_count.into())?;
        Some(Tables { record, classes, matcher, tracker, offsets, steps })
    }

    /// Its groups, the whole match among them; 0 if they are not tracked.
    pub fn groups(&self) -> u16 {
        self.record.groups
    }

    /// Most threads at a time.
    pub fn width(&self) -> usize {
        self.record.width.into()
    }

    #[inline]
    fn cell(&self, table: &[u16], state: u16, column: u16) -> Option<u16> {
        let columns = usize::from(self.record.class_count).wrapping_add(1);
        let row = usize::from(state).wrapping_mul(columns);
        table.get(row.wrapping_add(column.into())).copied()
    }

    #[inline]
    fn class(&self, byte: u8) -> u16 {
        self.classes.get(usize::from(byte)).copied().unwrap_or(0)
    }

    /// The matcher's next state.
    #[inline]
    pub fn next(&self, state: u16, byte: u8) -> u16 {
        self.cell(self.matcher, state, self.class(byte)).unwrap_or(DEAD)
    }

    /// Does the matcher match if the text ends here?
    pub fn matches_at_end(&self, state: u16) -> bool {
        self.cell(self.matcher, state, self.record.class_count) == Some(1)
    }

    /// The tracker's step; `None` for the byte is the end of the text.
    pub fn track(&self, state: u16, byte: Option<u8>) -> Option<Step<'a>> {
        let column = byte.map_or(self.record.class_count, |byte| self.class(byte));
        self.step(self.cell(self.tracker, state, column)?)
    }

    /// Step n.
    pub fn step(&self, n: u16) -> Option<Step<'a>> {
        let start = usize::from(*self.offsets.get(usize::from(n))?);
        let (head, rest) = self.steps.get(start..)?.split_at_checked(STEP_WORDS)?;
        let &[next, count, source, low, high] = head else { return None };
        let threads = rest.get(..usize::from(count).checked_mul(THREAD_WORDS)?)?;
        let accept = (source != NO_THREAD).then(|| (source, tags(low, high)));
        Some(Step { next, accept, threads })
    }

    /// Do all words make sense together? Linear in their number.
    pub(crate) fn are_sound(&self) -> bool {
        let record = self.record;
        let columns = usize::from(record.class_count).saturating_add(1);
        let classes = (1..=256).contains(&record.class_count)
            && self.classes.iter().all(|&class| class < record.class_count);
        let matcher = (1..ACCEPT).contains(&record.state_count)
            && self.matcher.chunks_exact(columns).all(|row| {
                row.split_last().is_some_and(|(end, next)| {
                    *end <= 1
                        && next.iter().all(|&n| n < record.state_count || n == DEAD || n == ACCEPT)
                })
            });
        classes && matcher && self.tracker_is_sound()
    }

    fn tracker_is_sound(&self) -> bool {
        let record = self.record;
        if record.groups == 0 {
            let counts = [record.track_states, record.width, record.step_count];
            return counts == [0; 3] && self.steps.is_empty();
        }
        let slots = usize::from(record.groups).saturating_mul(2);
        let fits = record.groups <= MAX_GROUPS
            && (1..NO_STEP).contains(&record.step_count)
            && record.width > 0
            && usize::from(record.width).saturating_mul(slots) <= MAX_THREAD_SLOTS;
        // A thread count of the text's whole length squared is ruled out by the width.
        let cells = self.tracker.iter().all(|&step| step < record.step_count || step == NO_STEP);
        fits && cells && self.steps_follow_each_other(slots)
    }

    /// The steps lie one behind the other, so that each word is looked at once.
    fn steps_follow_each_other(&self, slots: usize) -> bool {
        let record = self.record;
        let known = |source: u16| source < record.width || source == FRESH;
        let tags_fit = |tags: u32| u64::from(tags) < 1u64.wrapping_shl(slots as u32);
        let mut end = 0usize;
        for n in 0..record.step_count {
            let begins = self.offsets.get(usize::from(n)).copied().map(usize::from);
            let Some(step) = self.step(n).filter(|_| begins == Some(end)) else { return false };
            let threads = step.threads();
            let accepts = step.accept.is_none_or(|(source, tags)| known(source) && tags_fit(tags));
            let holds = step.next < record.track_states
                && threads.len() <= usize::from(record.width)
                && accepts
                && step.threads().all(|(source, tags)| known(source) && tags_fit(tags));
            if !holds {
                return false;
            }
            end = end.saturating_add(STEP_WORDS).saturating_add(step.threads.len());
        }
        end == self.steps.len()
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The automaton that finds where a match and its groups lie.
//!
//! It is a simulation of the expression's automaton with threads in order of preference,
//! worked out beforehand: a state is the list of the threads' places, and what happens to
//! their slots on a byte is a step. The match that ends first fixes where it begins, as in
//! SystemTap: of those that end there the one that begins earliest. From there a longer
//! match is preferred to a shorter, and between two ways to the same match the one whose
//! earlier parts are the longer.

use super::matcher::{BYTES, after, nfa};
use super::{RegexError, too_large};
use regex_automata::nfa::thompson::{NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::Hir;
use std::collections::HashMap;
use vm_spec::build::RegexSpec;
use vm_spec::regex::{FRESH, MAX_GROUPS, MAX_THREAD_SLOTS, NO_STEP, NO_THREAD};

/// Most words of the steps; they are named by 16 bits.
const MAX_STEP_WORDS: usize = u16::MAX as usize;

/// Where a thread is: its place, and which start it has. Starts are counted from the
/// earliest that is left.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Thread {
    place: StateID,
    start: u16,
}

/// A state of the tracker.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Threads {
    list: Vec<Thread>,
    /// A match has been found: no new thread begins.
    matched: bool,
}

/// A thread on its way through a step.
#[derive(Clone, Copy)]
struct Moving {
    place: StateID,
    start: u16,
    source: u16,
    tags: u32,
}

/// Adds the tracker's words to the matcher's.
pub(super) fn build(tree: &Hir, groups: u32, spec: &mut RegexSpec) -> Result<(), RegexError> {
    let groups = u16::try_from(groups).ok().filter(|groups| *groups <= MAX_GROUPS);
    let groups = groups.ok_or_else(|| too_large("matched() can tell of 15 groups at most"))?;
    let nfa = nfa(tree, WhichCaptures::All)?;
    let mut tracker = Tracker {
        nfa: &nfa,
        slots: usize::from(groups) * 2,
        states: HashMap::new(),
        order: Vec::new(),
        steps: HashMap::new(),
        offsets: Vec::new(),
        step_words: Vec::new(),
        width: 1,
        work: 0,
    };
    let rows = tracker.run(&representatives(spec))?;
    spec.groups = groups;
    spec.track_states = tracker.order.len() as u16;
    spec.step_count = tracker.offsets.len() as u16;
    spec.width = tracker.width as u16;
    spec.words.extend(rows);
    spec.words.extend(&tracker.offsets);
    spec.words.extend(&tracker.step_words);
    Ok(())
}

/// A byte of each class.
fn representatives(spec: &RegexSpec) -> Vec<u8> {
    let classes = spec.words.get(..BYTES).unwrap_or_default();
    let of_class = |class| classes.iter().position(|&c| c == class).unwrap_or(0) as u8;
    (0..spec.class_count).map(of_class).collect()
}

struct Tracker<'n> {
    nfa: &'n NFA,
    slots: usize,
    states: HashMap<Threads, u16>,
    order: Vec<Threads>,
    steps: HashMap<Vec<u16>, u16>,
    offsets: Vec<u16>,
    step_words: Vec<u16>,
    width: usize,
    /// Places that threads went to and were looked up in so far.
    work: usize,
}

/// What a tracker may cost to make; expressions that people write take a thirtieth.
const MAX_WORK: usize = 1 << 18;

impl Tracker<'_> {
    fn run(&mut self, bytes: &[u8]) -> Result<Vec<u16>, RegexError> {
        let mut begin = Step::new(Edge::Start, self.nfa);
        begin.begin(self.nfa, 0);
        self.finish(begin, false)?;
        let mut rows = Vec::new();
        let mut done = 0;
        while let Some(state) = self.order.get(done).cloned() {
            done += 1;
            for &byte in bytes {
                rows.push(self.on_byte(&state, byte)?);
            }
            rows.push(self.at_end(&state)?);
        }
        Ok(rows)
    }

    fn on_byte(&mut self, state: &Threads, byte: u8) -> Result<u16, RegexError> {
        self.work += state.list.len() + self.nfa.states().len() / 16 + 1;
        if self.work > MAX_WORK {
            return Err(too_large("its tracker has many states"));
        }
        let mut step = Step::new(Edge::Inside, self.nfa);
        let mut starts = 0;
        for (source, thread) in (0u16..).zip(&state.list) {
            starts = starts.max(thread.start + 1);
            if let Some(place) = after(self.nfa, thread.place, byte) {
                let tags = 0;
                step.follow(self.nfa, Moving { place, start: thread.start, source, tags });
            }
        }
        if !state.matched {
            step.begin(self.nfa, starts);
        }
        if step.threads.is_empty() && step.accept.is_none() && state.matched {
            return Ok(NO_STEP);
        }
        self.finish(step, state.matched)
    }

    fn at_end(&mut self, state: &Threads) -> Result<u16, RegexError> {
        let mut step = Step::new(Edge::End, self.nfa);
        for (source, thread) in (0u16..).zip(&state.list) {
            let tags = 0;
            let moving = Moving { place: thread.place, start: thread.start, source, tags };
            step.follow(self.nfa, moving);
        }
        step.threads.clear();
        if step.accept.is_none() {
            return Ok(NO_STEP);
        }
        self.finish(step, true)
    }

    /// The number of a step, which is new or has been seen.
    fn finish(&mut self, mut step: Step, matched: bool) -> Result<u16, RegexError> {
        let accept = step.accept;
        if let Some(accept) = accept {
            // The match that is found first fixes where it begins; a longer one may follow.
            step.threads.retain(|thread| thread.start == accept.start);
        }
        let threads = step.threads;
        self.width = self.width.max(threads.len());
        if self.width * self.slots > MAX_THREAD_SLOTS {
            return Err(too_large("too many ways to match at a time"));
        }
        let mut starts: Vec<u16> = threads.iter().map(|thread| thread.start).collect();
        starts.dedup();
        let rank = |start: u16| starts.iter().position(|s| *s == start).unwrap_or(0) as u16;
        let list = threads.iter().map(|t| Thread { place: t.place, start: rank(t.start) });
        let state = Threads { list: list.collect(), matched: matched || accept.is_some() };
        let next = self.state(state)?;

        let tags = |tags: u32| [tags as u16, (tags >> 16) as u16];
        let mut words = vec![next, threads.len() as u16];
        words.push(accept.map_or(NO_THREAD, |accept| accept.source));
        words.extend(tags(accept.map_or(0, |accept| accept.tags)));
        for thread in &threads {
            words.push(thread.source);
            words.extend(tags(thread.tags));
        }
        self.step(words)
    }

    fn state(&mut self, state: Threads) -> Result<u16, RegexError> {
        if let Some(&number) = self.states.get(&state) {
            return Ok(number);
        }
        let number = u16::try_from(self.order.len()).ok().filter(|n| *n < NO_STEP);
        let number = number.ok_or_else(|| too_large("its tracker has many states"))?;
        self.states.insert(state.clone(), number);
        self.order.push(state);
        Ok(number)
    }

    fn step(&mut self, words: Vec<u16>) -> Result<u16, RegexError> {
        if let Some(&number) = self.steps.get(&words) {
            return Ok(number);
        }
        let number = u16::try_from(self.offsets.len()).ok().filter(|n| *n < NO_STEP);
        let offset = u16::try_from(self.step_words.len()).ok();
        let (Some(number), Some(offset)) = (number, offset) else {
            return Err(too_large("its tracker has many steps"));
        };
        if self.step_words.len() + words.len() > MAX_STEP_WORDS {
            return Err(too_large("its tracker has many steps"));
        }
        self.offsets.push(offset);
        self.step_words.extend(&words);
        self.steps.insert(words, number);
        Ok(number)
    }
}

/// Where in the text a step is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Start,
    Inside,
    End,
}

/// A step in the making.
struct Step {
    edge: Edge,
    threads: Vec<Moving>,
    accept: Option<Moving>,
    seen: Vec<bool>,
}

impl Step {
    fn new(edge: Edge, nfa: &NFA) -> Step {
        let seen = vec![false; nfa.states().len()];
        Step { edge, threads: Vec::new(), accept: None, seen }
    }

    /// A new thread begins here, unless an earlier one has matched.
    fn begin(&mut self, nfa: &NFA, start: u16) {
        if self.accept.is_none() {
            let place = nfa.start_anchored();
            self.follow(nfa, Moving { place, start, source: FRESH, tags: 0 });
        }
    }

    /// Goes from a place to all that can be reached without a byte, the preferred
    /// first.
    fn follow(&mut self, nfa: &NFA, from: Moving) {
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut self.seen[at.place], true) {
                continue;
            }
            let to = |place| Moving { place, ..at };
            match nfa.state(at.place) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => {
                    self.threads.push(at);
                }
                State::Look { look: Look::Start, next } => {
                    if self.edge == Edge::Start {
                        open.push(to(*next));
                    }
                }
                State::Look { next, .. } => {
                    // The end of the text is known only when it is there.
                    if self.edge == Edge::End {
                        open.push(to(*next));
                    } else {
                        self.threads.push(at);
                    }
                }
                State::Union { alternates } => {
                    open.extend(alternates.iter().rev().map(|&place| to(place)));
                }
                State::BinaryUnion { alt1, alt2 } => open.extend([to(*alt2), to(*alt1)]),
                State::Capture { next, slot, .. } => {
                    let tags = at.tags | 1 << slot.as_u32();
                    open.push(Moving { tags, ..to(*next) });
                }
                State::Match { .. } => {
                    let better = self.accept.is_none_or(|accept| at.start < accept.start);
                    if better {
                        self.accept = Some(at);
                    }
                }
                State::Fail => {}
            }
        }
    }
}

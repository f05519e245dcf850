// SPDX-License-Identifier: GPL-2.0-or-later
//! The automaton that says whether an expression matches anywhere in a text.
//!
//! A state is the set of places where the expression's automaton may be (the subset
//! construction). It is made here and not by regex-automata, because no text is read beyond
//! the first match, which saves most states, and because what it costs has to be bounded.

use super::{RegexError, minimize, too_large};
use regex_automata::nfa::thompson::{Compiler, Config, NFA, State, WhichCaptures};
use regex_automata::util::look::Look;
use regex_automata::util::primitives::StateID;
use regex_syntax::hir::Hir;
use std::collections::HashMap;
use vm_spec::regex::{ACCEPT, DEAD};

/// Bytes whose classes the words begin with.
pub(super) const BYTES: usize = 256;

/// Bytes that an expression's own automaton may take.
const SIZE_LIMIT: usize = 4 << 20;

/// Places that may be visited while states are made: about 0.2 s.
const WORK_LIMIT: usize = 32 << 20;

/// Places that all states together may hold.
const PLACES_LIMIT: usize = 4 << 20;

/// Words of rows that may be compared while equal states are looked for; an automaton that
/// would take more is kept as it is.
const MINIMIZE_LIMIT: usize = 8 << 20;

/// Byte classes and the matcher's rows, as words.
pub(super) struct Matcher {
    pub(super) words: Vec<u16>,
    pub(super) class_count: u16,
    pub(super) state_count: u16,
}

/// The automaton without order of preference, with a capture's places if wanted.
pub(super) fn nfa(tree: &Hir, captures: WhichCaptures) -> Result<NFA, RegexError> {
    let config =
        Config::new().utf8(false).which_captures(captures).nfa_size_limit(Some(SIZE_LIMIT));
    let built = Compiler::new().configure(config).build_from_hir(tree);
    built.map_err(|error| too_large(&error.to_string()))
}

impl Matcher {
    pub(super) fn build(tree: &Hir) -> Result<Matcher, RegexError> {
        let nfa = nfa(tree, WhichCaptures::None)?;
        let classes = nfa.byte_classes();
        let representatives: Vec<u8> =
            classes.representatives(..).filter_map(|unit| unit.as_u8()).collect();
        let mut subsets = Subsets::new(&nfa);
        let mut words: Vec<u16> = (0..=255).map(|byte| u16::from(classes.get(byte))).collect();
        let mut matched = subsets.begin(true);
        subsets.finish(true)?;
        let mut done = 0;
        while let Some(state) = subsets.order.get(done).cloned() {
            done += 1;
            if std::mem::take(&mut matched) {
                words.extend(representatives.iter().map(|_| ACCEPT));
                words.push(1);
                continue;
            }
            for &byte in &representatives {
                words.push(subsets.on_byte(&state, byte)?);
            }
            words.push(u16::from(subsets.at_end(&state)));
        }
        let mut matcher = Matcher {
            words,
            class_count: representatives.len() as u16,
            state_count: subsets.order.len() as u16,
        };
        minimize::minimize(&mut matcher, MINIMIZE_LIMIT);
        Ok(matcher)
    }
}

/// A state: the places that wait for a byte or for the text's end.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Subset {
    places: Vec<StateID>,
    /// Nothing of the text has been read.
    at_start: bool,
}

struct Subsets<'n> {
    nfa: &'n NFA,
    numbers: HashMap<Subset, u16>,
    order: Vec<Subset>,
    /// The places of the state in the making.
    places: Vec<StateID>,
    /// In which round a place was seen last.
    seen: Vec<u32>,
    round: u32,
    open: Vec<StateID>,
    work: usize,
    held: usize,
}

impl<'n> Subsets<'n> {
    fn new(nfa: &'n NFA) -> Subsets<'n> {
        Subsets {
            nfa,
            numbers: HashMap::new(),
            order: Vec::new(),
            places: Vec::new(),
            seen: vec![0; nfa.states().len()],
            round: 0,
            open: Vec::new(),
            work: 0,
            held: 0,
        }
    }

    /// A match may begin anywhere. Is there one at once?
    fn begin(&mut self, at_start: bool) -> bool {
        self.places.clear();
        self.round += 1;
        self.follow(self.nfa.start_anchored(), at_start, false)
    }

    fn on_byte(&mut self, state: &Subset, byte: u8) -> Result<u16, RegexError> {
        let mut matched = self.begin(false);
        for &place in &state.places {
            if let Some(next) = after(self.nfa, place, byte) {
                matched |= self.follow(next, false, false);
            }
        }
        self.work += state.places.len() + 1;
        if self.work > WORK_LIMIT {
            return Err(too_large("its automaton has many states"));
        }
        if matched {
            return Ok(ACCEPT);
        }
        if self.places.is_empty() {
            return Ok(DEAD);
        }
        self.finish(false)
    }

    fn at_end(&mut self, state: &Subset) -> bool {
        self.round += 1;
        let ends = |place: &&StateID| matches!(self.nfa.state(**place), State::Look { .. });
        let ends: Vec<StateID> = state.places.iter().filter(ends).copied().collect();
        ends.into_iter().any(|place| self.follow(place, state.at_start, true))
    }

    /// The number of the state that was made, which is new or has been seen.
    fn finish(&mut self, at_start: bool) -> Result<u16, RegexError> {
        self.places.sort_unstable();
        let subset = Subset { places: self.places.clone(), at_start };
        if let Some(&number) = self.numbers.get(&subset) {
            return Ok(number);
        }
        let number = u16::try_from(self.order.len()).ok().filter(|n| *n < ACCEPT);
        self.held += subset.places.len();
        let number = number.filter(|_| self.held <= PLACES_LIMIT);
        let number = number.ok_or_else(|| too_large("its automaton has many states"))?;
        self.numbers.insert(subset.clone(), number);
        self.order.push(subset);
        Ok(number)
    }

    /// Goes from a place to all that can be reached without a byte. Is the match among them?
    fn follow(&mut self, from: StateID, at_start: bool, at_end: bool) -> bool {
        let mut matched = false;
        self.open.push(from);
        while let Some(place) = self.open.pop() {
            if std::mem::replace(&mut self.seen[place], self.round) == self.round {
                continue;
            }
            self.work += 1;
            match self.nfa.state(place) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => {
                    self.places.push(place);
                }
                State::Look { look: Look::Start, next } => {
                    if at_start {
                        self.open.push(*next);
                    }
                }
                State::Look { next, .. } if at_end => self.open.push(*next),
                // The end of the text is known only when it is there.
                State::Look { .. } => self.places.push(place),
                State::Union { alternates } => self.open.extend(alternates.iter().copied()),
                State::BinaryUnion { alt1, alt2 } => self.open.extend([*alt1, *alt2]),
                State::Capture { next, .. } => self.open.push(*next),
                State::Match { .. } => matched = true,
                State::Fail => {}
            }
        }
        matched
    }
}

/// Where a byte leads from a place.
pub(super) fn after(nfa: &NFA, place: StateID, byte: u8) -> Option<StateID> {
    match nfa.state(place) {
        State::ByteRange { trans } => trans.matches_byte(byte).then_some(trans.next),
        State::Sparse(transitions) => transitions.matches_byte(byte),
        State::Dense(transitions) => transitions.matches_byte(byte),
        _ => None,
    }
}

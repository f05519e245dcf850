// SPDX-License-Identifier: GPL-2.0-or-later
//! The automaton that says whether an expression matches anywhere in a text.

use super::{RegexError, too_large};
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start::Config;
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::Hir;
use std::collections::HashMap;
use vm_spec::regex::{ACCEPT, DEAD};

/// Bytes that automata may take while they are made.
const SIZE_LIMIT: usize = 4 << 20;

/// Larger automata are not made minimal: that takes time with the square of their size.
const MINIMIZE_LIMIT: usize = 16 << 10;

/// Byte classes and the matcher's rows, as words.
pub(super) struct Matcher {
    pub(super) words: Vec<u16>,
    pub(super) class_count: u16,
    pub(super) state_count: u16,
}

/// The automaton without order of preference, with a capture's places if wanted.
pub(super) fn nfa(
    tree: &Hir,
    captures: thompson::WhichCaptures,
) -> Result<thompson::NFA, RegexError> {
    let config = thompson::Config::new()
        .utf8(false)
        .which_captures(captures)
        .nfa_size_limit(Some(SIZE_LIMIT));
    let built = thompson::Compiler::new().configure(config).build_from_hir(tree);
    built.map_err(|error| too_large(&error.to_string()))
}

impl Matcher {
    pub(super) fn build(tree: &Hir) -> Result<Matcher, RegexError> {
        let nfa = nfa(tree, thompson::WhichCaptures::None)?;
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Unanchored)
            .accelerate(false)
            .dfa_size_limit(Some(SIZE_LIMIT))
            .determinize_size_limit(Some(SIZE_LIMIT));
        let build = |config| {
            let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa);
            dfa.map_err(|error| too_large(&error.to_string()))
        };
        let dfa = build(config.clone())?;
        if dfa.memory_usage() > MINIMIZE_LIMIT {
            return Matcher::of(&dfa);
        }
        Matcher::of(&build(config.minimize(true))?)
    }

    fn of(dfa: &dense::DFA<Vec<u32>>) -> Result<Matcher, RegexError> {
        let classes = dfa.byte_classes();
        let representatives: Vec<u8> =
            classes.representatives(..).filter_map(|unit| unit.as_u8()).collect();
        let start = dfa.start_state(&Config::new().anchored(Anchored::No));
        let start = start.map_err(|error| too_large(&error.to_string()))?;

        let mut words: Vec<u16> = (0..=255).map(|byte| u16::from(classes.get(byte))).collect();
        let mut numbers = HashMap::from([(start, 0u16)]);
        let mut order = vec![start];
        let mut done = 0;
        while let Some(&state) = order.get(done) {
            done += 1;
            // A match is seen one byte late.
            let matches =
                |state: StateID| dfa.is_match_state(dfa.next_state(state, representatives[0]));
            let accepted = matches(state);
            for &byte in &representatives {
                let next = dfa.next_state(state, byte);
                words.push(if accepted || matches(next) {
                    ACCEPT
                } else if dfa.is_dead_state(next) {
                    DEAD
                } else {
                    let number = numbers.len();
                    let fresh = u16::try_from(number).ok().filter(|n| *n < ACCEPT);
                    let fresh = fresh.ok_or_else(|| too_large("its automaton has many states"))?;
                    *numbers.entry(next).or_insert_with(|| {
                        order.push(next);
                        fresh
                    })
                });
            }
            let at_end = dfa.is_match_state(dfa.next_eoi_state(state));
            words.push(u16::from(accepted || at_end));
        }
        Ok(Matcher {
            words,
            class_count: representatives.len() as u16,
            state_count: order.len() as u16,
        })
    }
}

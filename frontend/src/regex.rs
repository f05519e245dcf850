// SPDX-License-Identifier: GPL-2.0-or-later
//! Regular expressions of `=~` and `!~`: POSIX extended ones, as SystemTap takes them.
//!
//! ```text
//! ere       text                 -> syntax tree of regex-syntax, or what is wrong where
//! matcher   tree                 -> an automaton: is there a match?
//! minimize  its rows             -> the same with fewer states
//! tracker   tree                 -> an automaton with threads: where are its groups?
//! ```
//! Both automata become the tables of [`vm_spec::regex`].

mod ere;
mod matcher;
mod minimize;
mod tracker;

#[cfg(test)]
mod tests;

use regex_syntax::hir::Hir;
use vm_spec::build::RegexSpec;

/// What is wrong with an expression.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum RegexError {
    /// It is no expression.
    #[error("regex compilation error (at position {position}): {message}")]
    Syntax {
        /// Bytes before the mistake.
        position: usize,
        /// What is wrong there.
        message: String,
    },
    /// Its automaton would be too large.
    #[error("regex compilation error: {0}")]
    TooLarge(String),
}

/// An expression that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Regex {
    tree: Hir,
    groups: u32,
}

/// Are the groups of matches wanted?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Groups {
    Wanted,
    Unwanted,
}

impl Regex {
    /// Reads an expression.
    pub(crate) fn parse(pattern: &[u8]) -> Result<Regex, RegexError> {
        ere::parse(pattern)
    }

    /// Makes its tables.
    pub(crate) fn compile(&self, groups: Groups) -> Result<RegexSpec, RegexError> {
        let classes = matcher::Matcher::build(&self.tree)?;
        let mut spec = RegexSpec {
            class_count: classes.class_count,
            state_count: classes.state_count,
            words: classes.words,
            ..RegexSpec::default()
        };
        if groups == Groups::Wanted {
            tracker::build(&self.tree, self.groups, &mut spec)?;
        }
        Ok(spec)
    }
}

fn too_large(what: &str) -> RegexError {
    RegexError::TooLarge(format!("the regular expression is too large: {what}"))
}

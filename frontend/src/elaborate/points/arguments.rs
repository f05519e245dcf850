// SPDX-License-Identifier: GPL-2.0-or-later
//! A probe point's components, as the families ask for them.

use super::{Unresolved, unknown};
use debuginfo::Types;
use frontend_syntax::ast::{Component, Literal, ProbePoint};

/// A probe point under study, with the types of the kernel at hand.
pub(super) struct Arguments<'a>(pub(super) &'a ProbePoint, pub(super) Option<&'a Types>);

impl<'a> Arguments<'a> {
    /// The components.
    pub(super) fn components(&self) -> &'a [Component] {
        &self.0.components
    }

    /// The name of a component, "" behind the last.
    pub(super) fn name(&self, n: usize) -> &'a str {
        self.components().get(n).map_or("", |c| c.name.text.as_str())
    }

    /// Has a component anything in parentheses?
    pub(super) fn has_argument(&self, n: usize) -> bool {
        self.components().get(n).is_some_and(|c| c.argument.is_some())
    }

    /// The refusal of a component.
    pub(super) fn unknown(&self, n: usize) -> Unresolved {
        unknown(self.0, n)
    }

    /// Refuses components from `from` on.
    pub(super) fn end(&self, from: usize) -> Result<(), Unresolved> {
        if self.components().len() > from { Err(self.unknown(from)) } else { Ok(()) }
    }

    /// Refuses parentheses behind a component.
    pub(super) fn plain(&self, n: usize) -> Result<(), Unresolved> {
        if self.has_argument(n) { Err(self.unknown(n)) } else { Ok(()) }
    }

    /// The number in a component's parentheses.
    pub(super) fn number(&self, n: usize) -> Result<i64, Unresolved> {
        match self.components().get(n).and_then(|c| c.argument.as_ref()) {
            Some(Literal::Number(number)) => Ok(*number),
            _ => Err(Unresolved::new(n, "a number is wanted in the parentheses")),
        }
    }

    /// The number in a component's parentheses, if it is within a range.
    pub(super) fn number_within(
        &self,
        n: usize,
        range: std::ops::RangeInclusive<i64>,
        what: &str,
    ) -> Result<i64, Unresolved> {
        let number = self.number(n)?;
        if range.contains(&number) {
            return Ok(number);
        }
        Err(Unresolved::new(n, format!("{what} out of range")))
    }

    /// The text in a component's parentheses.
    pub(super) fn text(&self, n: usize) -> Result<String, Unresolved> {
        match self.components().get(n).and_then(|c| c.argument.as_ref()) {
            Some(Literal::Text(text)) => Ok(String::from_utf8_lossy(text).into_owned()),
            _ => Err(Unresolved::new(n, "a string is wanted in the parentheses")),
        }
    }
}

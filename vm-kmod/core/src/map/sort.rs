// SPDX-License-Identifier: GPL-2.0-or-later
//! Sorting a map's list: a merge sort from the bottom up, stable, in place, without
//! recursion. Only the links change.

use super::{ENTRY_HEADER, Map, high, low, pair, string_in};
use crate::stat::{self, Variance};
use core::cmp::Ordering;
use vm_spec::image::{SortOrder, SortSubject, StatOperation, ValueKind};

/// What two entries are compared by, looked up once.
#[derive(Clone, Copy)]
enum Subject {
    Long(usize),
    Str(usize),
    Stat(usize, StatOperation),
}

/// A list in the making.
#[derive(Default)]
struct Chain {
    head: u32,
    tail: u32,
}

impl Map<'_> {
    /// Puts the list in order. An order that the map has no key or value for, and no
    /// order at all, change nothing.
    pub fn sort(&mut self, order: SortOrder) {
        let Some(subject) = self.subject(order.subject) else { return };
        if !self.is_sorted(subject, order.descending) {
            self.merge_all(subject, order.descending);
        }
    }

    fn subject(&self, subject: SortSubject) -> Option<Subject> {
        let value = self.shape().value_offset;
        match subject {
            SortSubject::Unsorted => None,
            SortSubject::Key(n) if n >= self.shape().key_count => None,
            SortSubject::Key(n) if self.shape().key_is_string(n) => {
                Some(Subject::Str(self.shape().key_offset(n)))
            }
            SortSubject::Key(n) => Some(Subject::Long(self.shape().key_offset(n))),
            SortSubject::Value if self.shape().value == ValueKind::Str as u16 => {
                Some(Subject::Str(value))
            }
            SortSubject::Value => Some(Subject::Long(value)),
            SortSubject::Stat(operation) => Some(Subject::Stat(value, operation)),
        }
    }

    fn compare(&self, subject: Subject, descending: bool, a: u32, b: u32) -> Ordering {
        let part = |n: u32, offset: usize| self.words(n).get(offset..).unwrap_or_default();
        let first = |n, offset| part(n, offset).first().map(|&word| word as i64);
        let order = match subject {
            Subject::Long(at) => first(a, at).cmp(&first(b, at)),
            Subject::Str(at) => string_in(part(a, at)).cmp(string_in(part(b, at))),
            Subject::Stat(at, operation) => {
                let number = |words| stat::get(words, Variance::Unwanted, operation);
                number(part(a, at)).cmp(&number(part(b, at)))
            }
        };
        if descending { order.reverse() } else { order }
    }

    fn is_sorted(&self, subject: Subject, descending: bool) -> bool {
        let mut at = self.head();
        while at != 0 {
            let next = self.next_of(at);
            if next != 0 && self.compare(subject, descending, at, next) == Ordering::Greater {
                return false;
            }
            at = next;
        }
        true
    }

    fn merge_all(&mut self, subject: Subject, descending: bool) {
        let mut head = self.head();
        let mut width = 1u32;
        while width <= self.len() {
            let mut out = Chain::default();
            let mut rest = head;
            while rest != 0 {
                let second = self.skip(rest, width);
                rest = self.merge(subject, descending, [rest, second], width, &mut out);
            }
            self.set_next(out.tail, 0);
            head = out.head;
            width = width.saturating_mul(2);
        }
        self.relink(head);
    }

    fn skip(&self, mut at: u32, count: u32) -> u32 {
        for _ in 0..count {
            if at == 0 {
                break;
            }
            at = self.next_of(at);
        }
        at
    }

    /// Merges two runs of up to `width` entries onto `out`; gives what follows them.
    fn merge(
        &mut self,
        subject: Subject,
        descending: bool,
        [mut a, mut b]: [u32; 2],
        width: u32,
        out: &mut Chain,
    ) -> u32 {
        let (mut from_a, mut from_b) = (width, width);
        let end_of_a = b;
        loop {
            let a_left = from_a > 0 && a != 0 && a != end_of_a;
            let b_left = from_b > 0 && b != 0;
            let take_a = match (a_left, b_left) {
                (false, false) => return b,
                (true, false) => true,
                (false, true) => false,
                (true, true) => self.compare(subject, descending, a, b) != Ordering::Greater,
            };
            let taken = if take_a { a } else { b };
            let next = self.next_of(taken);
            if take_a {
                (a, from_a) = (next, from_a.wrapping_sub(1));
            } else {
                (b, from_b) = (next, from_b.wrapping_sub(1));
            }
            if out.tail == 0 {
                out.head = taken;
            } else {
                self.set_next(out.tail, taken);
            }
            out.tail = taken;
        }
    }

    fn set_next(&mut self, n: u32, next: u32) {
        if n != 0 {
            self.set_links(n, |links: &mut [u64; ENTRY_HEADER]| {
                links[0] = pair(next, high(links[0]));
            });
        }
    }

    /// Makes the backward links and the ends fit the forward links.
    fn relink(&mut self, head: u32) {
        let (mut at, mut prev) = (head, 0);
        while at != 0 {
            self.set_links(at, |links| links[0] = pair(low(links[0]), prev));
            (prev, at) = (at, self.next_of(at));
        }
        self.header[1] = pair(head, prev);
    }
}

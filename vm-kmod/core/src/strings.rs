// SPDX-License-Identifier: GPL-2.0-or-later
//! Strings of a run: references into the program's constants or the run's arena.
//!
//! A string register holds a [`StrRef`], so a move copies eight bytes. New strings
//! are put at the arena's top. When it is full, the strings that some register still
//! names slide to its start; [`crate::RunSizes`] makes the arena large enough that
//! every register may hold a string of full length at once with room for more, so
//! a compaction always finds room. Strings never change, so two may share bytes: one
//! that was made by appending to another does.

use vm_spec::ids::StrId;
use vm_spec::image::Image;

/// Registers that are cleared without counting: most handlers have fewer.
pub(crate) const FEW: usize = 4;

/// Where a string lies and how long it is. The zero word is "".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StrRef(u64);

impl StrRef {
    /// Set in the offset of a string among the constants.
    const CONSTANT: u32 = 1 << 31;
    /// The empty string.
    pub const EMPTY: StrRef = StrRef(0);

    const fn new(offset: u32, length: u32) -> StrRef {
        // One encoding of "", so that no empty string keeps a place in the arena.
        if length == 0 { StrRef(0) } else { StrRef((length as u64) << 32 | offset as u64) }
    }

    const fn offset(self) -> u32 {
        self.0 as u32
    }

    /// Its length in bytes.
    pub const fn length(self) -> usize {
        (self.0 >> 32) as usize
    }

    const fn is_in_arena(self) -> bool {
        self.0 != 0 && self.offset() & Self::CONSTANT == 0
    }
}

/// What references refer to.
#[derive(Clone, Copy, Debug)]
pub struct View<'v> {
    constants: &'v [u8],
    arena: &'v [u8],
}

impl<'v> View<'v> {
    /// The bytes of a string.
    #[inline]
    pub fn bytes(&self, string: StrRef) -> &'v [u8] {
        let offset = string.offset();
        let start = (offset & !StrRef::CONSTANT) as usize;
        let from = if offset & StrRef::CONSTANT != 0 { self.constants } else { self.arena };
        from.get(start..start.wrapping_add(string.length())).unwrap_or_default()
    }
}

/// The register that holds the text of the last regular expression's match.
const KEPT: usize = 0;
/// First register of the handler's frame.
pub(crate) const FIRST_FRAME: usize = KEPT + 1;

/// The string registers of all frames and the arena.
#[derive(Debug)]
pub(crate) struct Strings<'a> {
    image: &'a Image<'a>,
    registers: &'a mut [u64],
    order: &'a mut [u64],
    arena: &'a mut [u8],
    /// First register of the running frame.
    base: usize,
    /// The register after the running frame's last.
    end: usize,
    /// First free byte of the arena.
    top: usize,
    /// Longest string, in bytes.
    limit: usize,
    /// Work of compactions that nobody has paid for yet.
    debt: u32,
}

impl<'a> Strings<'a> {
    pub(crate) fn new(
        image: &'a Image<'a>,
        registers: &'a mut [u64],
        order: &'a mut [u64],
        arena: &'a mut [u8],
    ) -> Strings<'a> {
        let limit = (image.header.string_length as usize).saturating_sub(1);
        if let Some(kept) = registers.get_mut(KEPT) {
            *kept = 0;
        }
        Strings { image, registers, order, arena, base: 0, end: 0, top: 0, limit, debt: 0 }
    }

    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// Makes `count` registers from `base` the running frame.
    pub(crate) fn enter(&mut self, base: usize, count: usize) {
        self.base = base;
        self.end = base.wrapping_add(count).min(self.registers.len());
    }

    /// Forgets all strings and makes the first `count` registers the running frame.
    #[inline(always)]
    pub(crate) fn reset(&mut self, count: usize) {
        self.top = 0;
        self.debt = 0;
        self.enter(FIRST_FRAME, count);
        // A few stores are cheaper than a call of memset.
        match self.registers.first_chunk_mut() {
            Some(few) if count <= FEW => *few = [0; FIRST_FRAME + FEW],
            _ => {
                self.put(KEPT, 0);
                self.begin(0, 0);
            }
        }
    }

    /// Clears the running frame, with `arguments` registers from `from` as its first.
    pub(crate) fn begin(&mut self, from: usize, arguments: usize) {
        let base = self.base;
        for n in 0..arguments {
            let value = self.registers.get(from.wrapping_add(n)).copied().unwrap_or(0);
            self.put(base.wrapping_add(n), value);
        }
        if let Some(rest) = self.registers.get_mut(base.wrapping_add(arguments)..self.end) {
            rest.fill(0);
        }
    }

    fn put(&mut self, at: usize, value: u64) {
        if let Some(slot) = self.registers.get_mut(at) {
            *slot = value;
        }
    }

    /// The string in a register.
    #[inline]
    pub(crate) fn get(&self, register: u8) -> StrRef {
        let at = self.base.wrapping_add(usize::from(register));
        StrRef(self.registers.get(at).copied().unwrap_or(0))
    }

    /// The registers of a tuple, as words.
    #[inline]
    pub(crate) fn tuple(&self, first: u8) -> &[u64] {
        self.registers.get(self.base.wrapping_add(usize::from(first))..).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn set(&mut self, register: u8, value: StrRef) {
        self.put(self.base.wrapping_add(usize::from(register)), value.0);
    }

    /// Keeps a string until another is kept, whatever happens to the registers.
    pub(crate) fn keep(&mut self, string: StrRef) {
        self.put(KEPT, string.0);
    }

    /// A constant, cut off at the longest length.
    #[inline]
    pub(crate) fn constant(&self, id: StrId) -> StrRef {
        let Some(record) = self.image.strings.get(id.index()) else { return StrRef::EMPTY };
        StrRef::new(record.offset | StrRef::CONSTANT, record.length.min(self.limit as u32))
    }

    #[inline]
    pub(crate) fn view(&self) -> View<'_> {
        View { constants: self.image.bytes, arena: self.arena }
    }

    #[inline]
    pub(crate) fn bytes(&self, string: StrRef) -> &[u8] {
        self.view().bytes(string)
    }

    /// The running frame's registers as a map sees them, with what they refer to.
    #[inline]
    pub(crate) fn keys<'k>(&'k self, longs: &'k [i64], first: u8) -> Keys<'k> {
        Keys { longs, strings: self.tuple(first), view: self.view() }
    }

    /// Room for a string of full length, beside the strings there are. Looks up
    /// registers before it returns: references taken before are void.
    pub(crate) fn room(&mut self) -> Room<'_> {
        if self.arena.len().saturating_sub(self.top) < self.limit {
            self.compact();
        }
        let top = self.top.min(self.arena.len());
        let kept = StrRef(self.registers.get(KEPT).copied().unwrap_or(0));
        let registers = self.registers.get(self.base..).unwrap_or_default();
        let (arena, free) = match self.arena.split_at_mut_checked(top) {
            Some(halves) => halves,
            None => (&mut [][..], &mut [][..]),
        };
        let length = self.limit.min(free.len());
        let bytes = free.get_mut(..length).unwrap_or_default();
        Room { kept, registers, view: View { constants: self.image.bytes, arena }, bytes }
    }

    /// Makes the first bytes of the room a string.
    pub(crate) fn commit(&mut self, length: usize) -> StrRef {
        let length = length.min(self.limit).min(self.arena.len().saturating_sub(self.top));
        let string = StrRef::new(self.top as u32, length as u32);
        self.top = self.top.wrapping_add(length);
        string
    }

    /// A new string with these bytes, cut off at the longest length.
    pub(crate) fn store(&mut self, bytes: &[u8]) -> StrRef {
        let room = self.room().bytes;
        let length = bytes.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..length), bytes.get(..length)) {
            to.copy_from_slice(from);
        }
        self.commit(length)
    }

    /// The strings of two registers as one, if that takes no copy: one is empty, or the
    /// second lies behind the first, as what `sprintf` has just made does in
    /// `s = s . sprintf(...)`.
    #[inline(always)]
    pub(crate) fn joined(&self, first: u8, second: u8) -> Option<StrRef> {
        let (first, second) = (self.get(first), self.get(second));
        if first == StrRef::EMPTY {
            return Some(second);
        }
        // Constants and the arena are apart by a bit, which no length reaches.
        let behind = u64::from(first.offset()).wrapping_add(first.length() as u64);
        let length = first.length().wrapping_add(second.length());
        let lies_behind = behind == u64::from(second.offset()) && length <= self.limit;
        lies_behind.then(|| StrRef::new(first.offset(), length as u32))
    }

    /// The strings of two registers as one, cut off at the longest length.
    pub(crate) fn concatenate(&mut self, first: u8, second: u8) -> StrRef {
        if self.arena.len().saturating_sub(self.top) < self.limit {
            self.compact();
        }
        let (first, second) = (self.get(first), self.get(second));
        let kept = first.length().min(self.limit);
        let added = second.length().min(self.limit.saturating_sub(kept));
        // A string at the arena's top grows where it is.
        let end = (first.offset() as usize).wrapping_add(first.length());
        let start = if first.is_in_arena() && end == self.top {
            first.offset()
        } else {
            let top = self.top;
            self.append(first, kept);
            top as u32
        };
        self.append(second, added);
        StrRef::new(start, kept.wrapping_add(added) as u32)
    }

    /// Copies the first bytes of a string to the arena's top.
    #[inline(always)]
    fn append(&mut self, string: StrRef, length: usize) {
        let Some((arena, free)) = self.arena.split_at_mut_checked(self.top) else { return };
        let view = View { constants: self.image.bytes, arena };
        let (from, to) = (view.bytes(string).get(..length), free.get_mut(..length));
        if let (Some(from), Some(to)) = (from, to) {
            to.copy_from_slice(from);
            self.top = self.top.wrapping_add(length);
        }
    }

    /// What compactions since the last call cost, in steps.
    pub(crate) fn take_debt(&mut self) -> u32 {
        core::mem::take(&mut self.debt)
    }

    /// Slides the strings that registers name to the arena's start.
    #[inline(never)]
    fn compact(&mut self) {
        let live = self.gather();
        let order = self.order.get_mut(..live).unwrap_or_default();
        heap_sort(order);
        let held = |registers: &[u64], word: u64| {
            StrRef(registers.get(word as u32 as usize).copied().unwrap_or(0))
        };
        let (mut top, mut done) = (0usize, 0usize);
        while let Some(&first) = order.get(done) {
            // Strings may share bytes: those that do move together.
            let start = (first >> 32) as usize;
            let (mut end, mut count) = (start, 0usize);
            for &word in order.get(done..).unwrap_or_default() {
                let offset = (word >> 32) as usize;
                if count > 0 && offset >= end {
                    break;
                }
                end = end.max(offset.wrapping_add(held(self.registers, word).length()));
                count = count.wrapping_add(1);
            }
            let sharing = done..done.wrapping_add(count);
            done = sharing.end;
            // From the new place to the end of the old one; so put, nothing can panic.
            let length = end.wrapping_sub(start);
            let Some(room) = self.arena.get_mut(top..end) else { continue };
            let Some(gap) = room.len().checked_sub(length) else { continue };
            room.copy_within(gap.., 0);
            for &word in order.get(sharing).unwrap_or_default() {
                let offset = ((word >> 32) as usize).wrapping_sub(start).wrapping_add(top);
                let length = held(self.registers, word).length();
                if let Some(slot) = self.registers.get_mut(word as u32 as usize) {
                    *slot = StrRef::new(offset as u32, length as u32).0;
                }
            }
            top = top.wrapping_add(length);
        }
        self.top = top;
        self.debt = self.debt.saturating_add((live >> 5) as u32).saturating_add(1);
    }

    /// Lists the registers that hold strings of the arena, as offset and register.
    fn gather(&mut self) -> usize {
        let mut live = 0usize;
        let registers = self.registers.get(..self.end).unwrap_or_default();
        for (n, &word) in registers.iter().enumerate() {
            let string = StrRef(word);
            if !string.is_in_arena() {
                continue;
            }
            if let Some(slot) = self.order.get_mut(live) {
                *slot = u64::from(string.offset()) << 32 | n as u64;
                live = live.wrapping_add(1);
            }
        }
        live
    }
}

/// Room for a new string while the old ones can be read.
pub(crate) struct Room<'r> {
    kept: StrRef,
    registers: &'r [u64],
    view: View<'r>,
    /// Where the new string goes.
    pub(crate) bytes: &'r mut [u8],
}

impl<'r> Room<'r> {
    /// The bytes of the string in a register.
    pub(crate) fn string(&self, register: u8) -> &'r [u8] {
        self.view.bytes(StrRef(self.registers.get(usize::from(register)).copied().unwrap_or(0)))
    }
}

impl<'r> Room<'r> {
    /// The string that [`Strings::keep`] has kept.
    pub(crate) fn kept(&self) -> &'r [u8] {
        self.view.bytes(self.kept)
    }

    /// The tuple in the frame's registers, and the room.
    pub(crate) fn into_tuple(self, longs: &'r [i64], first: u8) -> (Keys<'r>, &'r mut [u8]) {
        let strings = self.registers.get(usize::from(first)..).unwrap_or_default();
        (Keys { longs, strings, view: self.view }, self.bytes)
    }
}

/// A key tuple: longs, and strings with what they refer to.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'k> {
    longs: &'k [i64],
    strings: &'k [u64],
    view: View<'k>,
}

impl<'k> Keys<'k> {
    /// The tuple of no key.
    pub const NONE: Keys<'static> =
        Keys { longs: &[], strings: &[], view: View { constants: &[], arena: &[] } };

    /// A tuple of longs only.
    pub const fn of_longs(longs: &'k [i64]) -> Keys<'k> {
        Keys { longs, ..Keys::NONE }
    }

    /// The first `count` longs, or none if there are fewer.
    #[inline]
    pub fn longs(&self, count: u8) -> &'k [i64] {
        self.longs.get(..usize::from(count)).unwrap_or_default()
    }

    /// Long key number n, 0 if there is none.
    #[inline]
    pub fn long(&self, n: usize) -> i64 {
        self.longs.get(n).copied().unwrap_or(0)
    }

    /// String key number n, "" if there is none.
    #[inline]
    pub fn string(&self, n: usize) -> &'k [u8] {
        self.view.bytes(StrRef(self.strings.get(n).copied().unwrap_or(0)))
    }
}

#[cfg(test)]
impl<'k> Keys<'k> {
    /// A tuple of one string, whose register the caller keeps.
    pub(crate) fn of_string(register: &'k mut [u64; 1], text: &'k [u8]) -> Keys<'k> {
        register[0] = StrRef::new(0, text.len() as u32).0;
        Keys { strings: register, view: View { constants: &[], arena: text }, ..Keys::NONE }
    }
}

/// Sorts in place, in time n log n whatever the order.
fn heap_sort(words: &mut [u64]) {
    let n = words.len();
    let mut start = n / 2;
    while start > 0 {
        start = start.wrapping_sub(1);
        sift(words, start, n);
    }
    let mut end = n;
    while end > 1 {
        end = end.wrapping_sub(1);
        exchange(words, 0, end);
        sift(words, 0, end);
    }
}

fn sift(words: &mut [u64], mut root: usize, end: usize) {
    loop {
        let left = root.wrapping_mul(2).wrapping_add(1);
        if left >= end {
            return;
        }
        let right = left.wrapping_add(1);
        let at = |n: usize| words.get(n).copied().unwrap_or(0);
        let child = if right < end && at(right) > at(left) { right } else { left };
        if at(root) >= at(child) {
            return;
        }
        exchange(words, root, child);
        root = child;
    }
}

fn exchange(words: &mut [u64], a: usize, b: usize) {
    if let (Some(&x), Some(&y)) = (words.get(a), words.get(b)) {
        if let Some(slot) = words.get_mut(a) {
            *slot = y;
        }
        if let Some(slot) = words.get_mut(b) {
            *slot = x;
        }
    }
}

#[cfg(test)]
mod tests;

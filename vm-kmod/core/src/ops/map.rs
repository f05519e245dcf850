// SPDX-License-Identifier: GPL-2.0-or-later
//! Maps, aggregates and iteration. Those named `_general` are what the quick ops of
//! [`super::quick_map`] leave over.

use super::{failed, long, longs, outlined_ops, set_long};
use crate::fault::Fault;
use crate::machine::{Machine, Stop, Window, jump, next};
use crate::map::{Entry, Map};
use crate::stat;
use crate::step::{Step, Word};
use vm_spec::ids::MapId;
use vm_spec::image::{SortOrder, StatField, StatOperation};

macro_rules! open {
    ($m:ident, $insn:ident) => {
        Map::open($m.host.map(MapId($insn.lo()))).ok_or(Fault::Impossible)?
    };
}

macro_rules! keys {
    ($m:ident, $window:ident, $insn:ident) => {
        $m.strings.keys(longs($window, $insn.b()), $insn.c())
    };
}

/// The number of an aggregate that an operand asks for.
fn stat_number(map: &Map<'_>, words: Option<&[u64]>, field: u16) -> Result<i64, Fault> {
    let field = StatField::from_raw(field).ok_or(Fault::Impossible)?;
    let number = match (words, field.operation) {
        (None, StatOperation::Count | StatOperation::Sum) => Some(0),
        (None, _) => None,
        (Some(words), operation) => map.stat_number(words, operation),
    };
    number.ok_or(Fault::EmptyAggregate)
}

outlined_ops! {
    mget_general(m, window, insn) {
        let map = open!(m, insn);
        let value = map.find(&keys!(m, window, insn)).map_or(0, |entry| map.long(entry));
        set_long(window, insn.a(), value);
        Ok(())
    }
    mgets(m, window, insn) {
        let map = open!(m, insn);
        let entry = map.find(&keys!(m, window, insn));
        let text = entry.map_or(&[][..], |entry| map.string(entry));
        let string = m.strings.store(text);
        m.strings.set(insn.a(), string);
        m.pay_for_bytes(string.length())
    }
    mset_general(m, window, insn) {
        let mut map = open!(m, insn);
        let entry = map.find_or_insert(&keys!(m, window, insn))?;
        map.set_long(entry, long(window, insn.a()));
        Ok(())
    }
    msets(m, window, insn) {
        let mut map = open!(m, insn);
        let entry = map.find_or_insert(&keys!(m, window, insn))?;
        let value = m.strings.get(insn.a());
        map.set_string(entry, m.strings.bytes(value));
        m.pay_for_bytes(value.length())
    }
    madd_general(m, window, insn) {
        let mut map = open!(m, insn);
        let entry = map.find_or_insert(&keys!(m, window, insn))?;
        map.set_long(entry, map.long(entry).wrapping_add(long(window, insn.a())));
        Ok(())
    }
    maddi_general(m, window, insn) {
        let mut map = open!(m, insn);
        let entry = map.find_or_insert(&keys!(m, window, insn))?;
        map.set_long(entry, map.long(entry).wrapping_add((insn.hi() as i16).into()));
        Ok(())
    }
    mhas_general(m, window, insn) {
        let map = open!(m, insn);
        let found = map.find(&keys!(m, window, insn)).is_some();
        set_long(window, insn.a(), found.into());
        Ok(())
    }
    mdel_general(m, window, insn) {
        let mut map = open!(m, insn);
        if let Some(entry) = map.find(&keys!(m, window, insn)) {
            map.remove(entry);
        }
        Ok(())
    }
    mclr(m, _window, insn) {
        let mut map = open!(m, insn);
        let entries = map.len();
        map.clear();
        m.pay(entries >> 8)
    }
    sadd_general(m, window, insn) {
        let mut map = open!(m, insn);
        let entry = map.find_or_insert(&keys!(m, window, insn))?;
        map.add_to_stat(entry, long(window, insn.a()));
        Ok(())
    }
    sget(m, window, insn) {
        let map = open!(m, insn);
        let entry = map.find(&keys!(m, window, insn));
        let number = stat_number(&map, entry.map(|entry| map.stat(entry)), insn.hi())?;
        set_long(window, insn.a(), number);
        Ok(())
    }
    bget(m, window, insn) {
        let map = open!(m, insn);
        let entry = map.find(&keys!(m, window, insn)).ok_or(Fault::EmptyAggregate)?;
        let buckets = map.stat(entry).get(stat::WORDS..).unwrap_or_default();
        let index = usize::try_from(long(window, insn.hi() as u8)).ok();
        let bucket = index.and_then(|n| buckets.get(n)).ok_or(Fault::HistogramIndex)?;
        set_long(window, insn.a(), *bucket as i64);
        Ok(())
    }
    ifirst(m, window, insn) {
        let order = SortOrder::from_raw(insn.hi()).ok_or(Fault::Impossible)?;
        let mut map = open!(m, insn);
        let work = if order == SortOrder::UNSORTED { 0 } else { map.len() >> 8 };
        map.sort(order);
        set_long(window, insn.a(), Entry::cursor(map.first()));
        m.pay(work)
    }
    ikey(m, window, insn) {
        let map = open!(m, insn);
        let entry = map.entry(long(window, insn.b())).ok_or(Fault::StaleCursor)?;
        set_long(window, insn.a(), map.long_key(entry, insn.hi() as u8));
        Ok(())
    }
    ikeys(m, window, insn) {
        let map = open!(m, insn);
        let entry = map.entry(long(window, insn.b())).ok_or(Fault::StaleCursor)?;
        let string = m.strings.store(map.string_key(entry, insn.hi() as u8));
        m.strings.set(insn.a(), string);
        m.pay_for_bytes(string.length())
    }
    ival(m, window, insn) {
        let map = open!(m, insn);
        let entry = map.entry(long(window, insn.b())).ok_or(Fault::StaleCursor)?;
        set_long(window, insn.a(), map.long(entry));
        Ok(())
    }
    ivals(m, window, insn) {
        let map = open!(m, insn);
        let entry = map.entry(long(window, insn.b())).ok_or(Fault::StaleCursor)?;
        let string = m.strings.store(map.string(entry));
        m.strings.set(insn.a(), string);
        m.pay_for_bytes(string.length())
    }
    istat(m, window, insn) {
        let map = open!(m, insn);
        let entry = map.entry(long(window, insn.b())).ok_or(Fault::StaleCursor)?;
        let number = stat_number(&map, Some(map.stat(entry)), insn.hi())?;
        set_long(window, insn.a(), number);
        Ok(())
    }
    idel(m, window, insn) {
        let mut map = open!(m, insn);
        let entry = map.entry(long(window, insn.b())).ok_or(Fault::StaleCursor)?;
        let next = map.next(entry);
        map.remove(entry);
        set_long(window, insn.a(), Entry::cursor(next));
        Ok(())
    }
}

/// The cursor after the one in `R[a]`; a stale one is at the end.
#[inline(never)]
fn advance(m: &mut Machine<'_>, window: &mut Window, insn: &Word) -> i64 {
    let map = Map::open(m.host.map(MapId(insn.bc() as u16)));
    let next = map.and_then(|map| map.next(map.entry(long(window, insn.a()))?));
    let cursor = Entry::cursor(next);
    set_long(window, insn.a(), cursor);
    cursor
}

pub(super) fn inext<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    let Some(left) = m.steps.checked_sub(1) else {
        return failed(m, step, Fault::StepsExceeded);
    };
    m.steps = left;
    if advance(m, window, step.word()) != 0 {
        return jump(m, window, step);
    }
    next(m, window, step)
}

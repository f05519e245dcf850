// SPDX-License-Identifier: GPL-2.0-or-later
//! Accesses to maps that handlers make at every hit, in their usual case: one key (or
//! none, for a scalar aggregate), and an entry that is there. The rest is left to the
//! general ops.

use super::map::*;
use super::{long, set_long};
use crate::machine::{Machine, Stop, Window, next};
use crate::map::single::{self, Found, Keys};
use crate::stat;
use crate::step::{Step, Word};
use vm_spec::ids::MapId;

/// The entry that an access with a single long names.
#[inline(always)]
fn entry<'m>(m: &'m mut Machine<'_>, window: &Window, insn: &Word) -> Option<Found<'m>> {
    single::of_long(m.host.map(MapId(insn.lo())), long(window, insn.b()))
}

/// A new entry with value 0 for an access with a single long.
#[inline(never)]
fn insert<'m>(m: &'m mut Machine<'_>, window: &Window, insn: &Word) -> Option<&'m mut u64> {
    single::insert_long(m.host.map(MapId(insn.lo())), long(window, insn.b()))
}

/// Ops that are done if the entry is there, or may be made, and else left to the general
/// op.
macro_rules! quick_ops {
    ($($name:ident or $general:ident
        |$window:ident, $insn:ident, $value:ident $(= $insert:ident)?| $effect:block)*) => {$(
        pub(super) fn $name<'a>(
            m: &mut Machine<'a>,
            $window: &mut Window,
            step: &'a Step<'a>,
        ) -> Stop {
            let $insn = step.word();
            if let Some((_, [$value, ..])) = entry(m, $window, $insn) {
                $effect
                return next(m, $window, step);
            }
            $(if let Some($value) = $insert(m, $window, $insn) {
                $effect
                return next(m, $window, step);
            })?
            $general(m, $window, step)
        }
    )*};
}

quick_ops! {
    mget or mget_general |window, insn, value| {
        set_long(window, insn.a(), *value as i64);
    }
    mset or mset_general |window, insn, value = insert| {
        *value = long(window, insn.a()) as u64;
    }
    madd or madd_general |window, insn, value = insert| {
        *value = value.wrapping_add(long(window, insn.a()) as u64);
    }
    maddi or maddi_general |window, insn, value = insert| {
        *value = value.wrapping_add(i64::from(insn.hi() as i16) as u64);
    }
    mhas or mhas_general |window, insn, _value| {
        set_long(window, insn.a(), 1);
    }
}

pub(super) fn mdel<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    if remove(m, window, step.word()) {
        return next(m, window, step);
    }
    mdel_general(m, window, step)
}

#[inline(never)]
fn remove(m: &mut Machine<'_>, window: &Window, insn: &Word) -> bool {
    single::remove_long(m.host.map(MapId(insn.lo())), long(window, insn.b())).is_some()
}

/// `<<<`.
pub(super) fn sadd<'a>(m: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    if add_to_stat(m, window, step.word()) {
        return next(m, window, step);
    }
    sadd_general(m, window, step)
}

#[inline(never)]
fn add_to_stat(m: &mut Machine<'_>, window: &Window, insn: &Word) -> bool {
    let strings = &m.strings;
    let storage = m.host.map(MapId(insn.lo()));
    let Some((keys, buckets, variance)) = single::shape(storage) else { return false };
    let found = match keys {
        Keys::None => single::of_nothing(storage),
        Keys::Long => single::of_long(storage, long(window, insn.b())),
        Keys::String => single::of_string(storage, strings.bytes(strings.get(insn.c()))),
        Keys::Several => None,
    };
    match found {
        Some((_, words)) => {
            stat::add(words, buckets, variance, long(window, insn.a()));
            true
        }
        None => false,
    }
}

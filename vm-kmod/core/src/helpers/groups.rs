// SPDX-License-Identifier: GPL-2.0-or-later
//! What the last regular expression matched.

use super::give;
use crate::fault::Fault;
use crate::machine::Machine;
use crate::regex;
use crate::step::Word;
use vm_spec::regex::Tables;

/// Threads moved for one step of the budget.
const THREADS_PER_STEP: u32 = 16;

/// The text of group n.
pub(super) fn group(m: &mut Machine<'_>, insn: &Word, n: i64) -> Result<(), Fault> {
    let id = m.last_match.ok_or(Fault::NoMatch(n))?;
    let tables = Tables::of(m.image, id).ok_or(Fault::Impossible)?;
    let group = usize::try_from(n).ok().filter(|&n| n < tables.groups().into());
    let group = group.ok_or(Fault::NoGroup(n))?;
    let room = m.strings.room();
    let text = room.kept();
    let groups = regex::groups(&tables, text, m.tracker);
    let part = groups.part(group, text);
    let length = part.len().min(room.bytes.len());
    if let (Some(to), Some(from)) = (room.bytes.get_mut(..length), part.get(..length)) {
        to.copy_from_slice(from);
    }
    let work = groups.work / THREADS_PER_STEP;
    give(m, insn, length)?;
    m.pay(work)
}

/// How many there are.
pub(super) fn count(m: &Machine<'_>) -> Result<i64, Fault> {
    let id = m.last_match.ok_or(Fault::NoMatchToCount)?;
    let tables = Tables::of(m.image, id).ok_or(Fault::Impossible)?;
    Ok(tables.groups().into())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Matches of regular expressions.

use super::{outlined_ops, set_long};
use crate::fault::Fault;
use crate::machine::{Machine, Stop, Window, next};
use crate::regex;
use crate::step::{Step, Word};
use vm_spec::ids::RegexId;
use vm_spec::regex::Tables;

outlined_ops! {
    rmatch(m, window, insn) {
        let id = RegexId(insn.imm() as u32);
        let tables = Tables::of(m.image, id).ok_or(Fault::Impossible)?;
        let text = m.strings.get(insn.b());
        let matches = regex::matches(&tables, m.strings.bytes(text));
        set_long(window, insn.a(), matches.into());
        m.last_match = matches.then_some(id);
        m.strings.keep(text);
        m.pay_for_bytes(text.length())
    }
}

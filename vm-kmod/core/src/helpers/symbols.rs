// SPDX-License-Identifier: GPL-2.0-or-later
//! Addresses to lines with symbols, for scripts that want the text of a stack.

use super::text;
use crate::format::{Sink, SliceSink};
use crate::machine::Machine;
use vm_spec::helper::HelperId;

/// Room for one symbol with its offset and module: the kernel's KSYM_SYMBOL_LEN is larger,
/// but no name in use comes near this.
const SYMBOL_BYTES: usize = 160;

/// Writes a line for each address in string register `register` into the room; returns
/// how many bytes. ` 0xffffffff81000000 : name+0x0/0x10 [kernel]`
pub(super) fn sprint(m: &mut Machine<'_>, register: u8) -> usize {
    let room = m.strings.room();
    let stack = room.string(register);
    let mut sink = SliceSink::new(room.bytes);
    for address in stack.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
        let number = text::to_long(address, 0);
        let mut symbol = [0; SYMBOL_BYTES];
        let length = m.host.helper_string(HelperId::SymbolData, [number, 0], &mut symbol);
        for part in [&b" "[..], address, b" : ", symbol.get(..length).unwrap_or_default(), b"\n"] {
            sink.put(part);
        }
    }
    sink.written()
}

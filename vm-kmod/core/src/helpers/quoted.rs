// SPDX-License-Identifier: GPL-2.0-or-later
//! Memory as text in quotes, and as numbers. Text never fails: what cannot be read is
//! shown as the address that it should have been at.

use super::{CHUNK, Space, give};
use crate::fault::Fault;
use crate::format::{Escape, Sink, SliceSink};
use crate::host::Host;
use crate::machine::Machine;
use crate::step::Word;

/// Room for a last escape, the closing quote and the dots.
const TAIL: usize = 8;

/// What ends a piece of memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A NUL, or the given number of bytes.
    Nul,
    /// The number of bytes alone.
    Length,
}

/// Which memory is to be quoted.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) space: Space,
    pub(super) address: u64,
    /// How much there is.
    pub(super) length: i64,
    /// How much is wanted.
    pub(super) most: i64,
    pub(super) end: End,
}

/// Memory in quotes; dots behind them if there is more than fits or is wanted.
pub(super) fn memory(m: &mut Machine<'_>, insn: &Word, extent: Extent) -> Result<(), Fault> {
    let room = m.strings.room().bytes;
    let limit = room.len().saturating_sub(TAIL);
    let mut sink = SliceSink::new(room);
    if extent.address == 0 {
        sink.put(b"NULL");
    } else if !copy(m.host, extent, limit, &mut sink) {
        hexadecimal(extent.address, &mut sink);
    }
    let length = sink.written();
    give(m, insn, length)
}

/// Says whether the first bytes could be read.
fn copy(host: &mut dyn Host, extent: Extent, limit: usize, sink: &mut SliceSink<'_>) -> bool {
    let length = usize::try_from(extent.length).unwrap_or(0);
    let most = usize::try_from(extent.most).unwrap_or(0).min(length);
    let mut done = 0usize;
    let mut ended = false;
    let mut chunk = [0u8; CHUNK as usize];
    // Nothing to read is no fault.
    let mut opened = false;
    while done < most && !ended {
        let at = extent.address.wrapping_add(done as u64);
        let size = (CHUNK.wrapping_sub(at & (CHUNK - 1)) as usize).min(most.wrapping_sub(done));
        let Some(bytes) = chunk.get_mut(..size) else { break };
        let read = match extent.space {
            Space::Kernel => host.read_kernel(at, bytes),
            Space::User => host.read_user(at, bytes),
        };
        if !read {
            if !opened {
                return false;
            }
            break;
        }
        if !opened {
            sink.put(b"\"");
            opened = true;
        }
        for &byte in bytes.iter() {
            if byte == 0 && extent.end == End::Nul {
                ended = true;
                break;
            }
            if sink.written() > limit {
                sink.put(b"\"...");
                return true;
            }
            sink.put(Escape::of(byte, b'"').bytes());
            done = done.wrapping_add(1);
        }
    }
    if !opened {
        sink.put(b"\"");
    }
    let whole = match extent.end {
        // Whether a string ends right where one stopped to look is worth a byte's read.
        End::Nul => ended || (done == most && is_nul(host, extent, done)),
        End::Length => done == length,
    };
    sink.put(if whole { b"\"" } else { b"\"..." });
    true
}

fn is_nul(host: &mut dyn Host, extent: Extent, done: usize) -> bool {
    let mut byte = [1u8];
    let at = extent.address.wrapping_add(done as u64);
    let read = match extent.space {
        Space::Kernel => host.read_kernel(at, &mut byte),
        Space::User => host.read_user(at, &mut byte),
    };
    read && byte == [0]
}

fn hexadecimal(address: u64, sink: &mut SliceSink<'_>) {
    sink.put(b"0x");
    let digits = 16u32.saturating_sub(address.leading_zeros().wrapping_shr(2)).max(1);
    let mut n = digits;
    while n > 0 {
        n = n.wrapping_sub(1);
        let nibble = address.wrapping_shr(n.wrapping_mul(4)) as u8 & 15;
        sink.put(&[crate::format::hex_digit(nibble)]);
    }
}

/// A string in quotes.
pub(super) fn text(text: &[u8], sink: &mut SliceSink<'_>, room: usize) {
    let limit = room.saturating_sub(TAIL);
    sink.put(b"\"");
    for &byte in text {
        if sink.written() > limit {
            return sink.put(b"\"...");
        }
        sink.put(Escape::of(byte, b'"').bytes());
    }
    sink.put(b"\"");
}

/// The number of `width` bytes (1, 2, 4 or 8) at an address; a negative width extends its
/// sign.
pub(super) fn number(
    host: &mut dyn Host,
    space: Space,
    address: u64,
    width: i64,
) -> Result<i64, Fault> {
    let mut bytes = [0u8; 8];
    let size = width.unsigned_abs().clamp(1, 8) as usize;
    let (read, fault) = match (space, bytes.get_mut(..size)) {
        (Space::Kernel, Some(out)) => (host.read_kernel(address, out), Fault::KernelRead(address)),
        (Space::User, Some(out)) => (host.read_user(address, out), Fault::UserRead(address)),
        (_, None) => return Err(Fault::Impossible),
    };
    if !read {
        return Err(fault);
    }
    let value = i64::from_le_bytes(bytes);
    let unused = 64u32.saturating_sub((size as u32).wrapping_mul(8));
    Ok(if width < 0 { value.wrapping_shl(unused).wrapping_shr(unused) } else { value })
}

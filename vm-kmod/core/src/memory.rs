// SPDX-License-Identifier: GPL-2.0-or-later
//! What one handler run works in.
//!
//! A context (one per CPU and interrupt level in the kernel) owns one block of
//! words, whose size depends on the program alone: [`RunSizes::of`]. A run takes a
//! [`RunMemory`] of it. Nothing has to be cleared between runs.

use crate::regex;
use crate::strings::{FEW, FIRST_FRAME};
use vm_spec::ids::RegexId;
use vm_spec::image::{FunctionRecord, Image};
use vm_spec::limits::{FRAME_REGISTERS, RUN_OUTPUT_BYTES};
use vm_spec::regex::Tables;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Strings that can be made between two compactions of the arena, at least.
const SPARE_STRINGS: usize = 16;

/// A caller waiting for its callee.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Frame {
    /// Its function.
    pub(crate) function: u32,
    /// Its call instruction.
    pub(crate) pc: u32,
    /// First long register of its window.
    pub(crate) longs: u32,
    /// First string register of its window.
    pub(crate) strings: u32,
}

/// Words and bytes of each part of a context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RunSizes {
    /// Long registers of all frames.
    longs: usize,
    /// String registers of all frames.
    strings: usize,
    /// Suspended frames, in words.
    frames: usize,
    /// Bytes of strings, in words.
    arena: usize,
    /// Bytes of output, in words.
    output: usize,
    /// What regular expressions track their groups in, in words.
    tracker: usize,
}

impl RunSizes {
    /// What runs of this program need.
    pub fn of(image: &Image<'_>) -> RunSizes {
        let depth = image.header.call_depth as usize;
        let nesting = if calls_are_possible(image) { depth.saturating_add(1) } else { 1 };
        let stack = |registers: fn(&FunctionRecord) -> u16| {
            let most = image.functions.iter().map(registers).max().unwrap_or(0);
            usize::from(most).saturating_mul(nesting)
        };
        let longs = stack(|f| f.long_registers);
        // At least as many as are cleared without counting.
        let strings = stack(|f| f.string_registers).max(FEW).saturating_add(FIRST_FRAME);
        let length = image.header.string_length as usize;
        let arena = strings.saturating_add(SPARE_STRINGS).saturating_mul(length);
        RunSizes {
            // The last frame's window is 256 registers long whatever it declares.
            longs: longs.saturating_add(FRAME_REGISTERS),
            strings,
            frames: depth.saturating_mul(size_of::<Frame>().div_ceil(8)),
            arena: arena.div_ceil(8),
            output: RUN_OUTPUT_BYTES.div_ceil(8),
            tracker: tracker_words(image).div_ceil(4),
        }
    }

    /// Words of one context.
    pub fn words(&self) -> usize {
        // String registers are counted twice: compaction sorts them.
        let strings = self.strings.saturating_mul(2);
        [self.longs, strings, self.frames, self.arena, self.output, self.tracker]
            .iter()
            .fold(0, |sum: usize, &n| sum.saturating_add(n))
    }
}

/// Words of 16 bits that the widest regular expression needs.
fn tracker_words(image: &Image<'_>) -> usize {
    let tables = (0u32..).zip(image.regexes).filter_map(|(n, _)| Tables::of(image, RegexId(n)));
    tables.map(|tables| regex::scratch_words(&tables)).max().unwrap_or(0)
}

fn calls_are_possible(image: &Image<'_>) -> bool {
    use vm_spec::isa::Opcode;
    image.code.iter().any(|insn| insn.op == Opcode::Call as u8)
}

/// The memory of one run.
#[derive(Debug)]
pub struct RunMemory<'m> {
    pub(crate) longs: &'m mut [i64],
    pub(crate) strings: &'m mut [u64],
    pub(crate) order: &'m mut [u64],
    pub(crate) frames: &'m mut [Frame],
    pub(crate) arena: &'m mut [u8],
    pub(crate) output: &'m mut [u8],
    pub(crate) tracker: &'m mut [u16],
}

impl<'m> RunMemory<'m> {
    /// Divides a context's words; `None` if there are fewer than
    /// [`RunSizes::words`]. The words may hold anything.
    pub fn carve(words: &'m mut [u64], sizes: &RunSizes) -> Option<RunMemory<'m>> {
        let (longs, words) = words.split_at_mut_checked(sizes.longs)?;
        let (strings, words) = words.split_at_mut_checked(sizes.strings)?;
        let (order, words) = words.split_at_mut_checked(sizes.strings)?;
        let (frames, words) = words.split_at_mut_checked(sizes.frames)?;
        let (arena, words) = words.split_at_mut_checked(sizes.arena)?;
        let (output, words) = words.split_at_mut_checked(sizes.output)?;
        let (tracker, _) = words.split_at_mut_checked(sizes.tracker)?;
        Some(RunMemory {
            longs: <[i64]>::mut_from_bytes(longs.as_mut_bytes()).ok()?,
            strings,
            order,
            frames: <[Frame]>::mut_from_bytes(frames.as_mut_bytes()).ok()?,
            arena: arena.as_mut_bytes(),
            output: output.as_mut_bytes(),
            tracker: <[u16]>::mut_from_bytes(tracker.as_mut_bytes()).ok()?,
        })
    }
}

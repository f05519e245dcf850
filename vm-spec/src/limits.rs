// SPDX-License-Identifier: GPL-2.0-or-later
//! Every constant bound of a program, with its reason.

/// Largest image the kernel takes, in bytes: 700 probes of a full strace-like
/// script need about 1 MiB.
pub const MAX_IMAGE_BYTES: u32 = 16 << 20;
/// Slots of one register file: registers are named by a `u8`.
pub const FRAME_REGISTERS: usize = 256;
/// Longest key tuple of a map; the kinds of its members are a 16-bit mask.
pub const MAX_KEYS: u8 = 16;
/// Most entries of one map, whatever `-D MAXMAPENTRIES` says.
pub const MAX_MAP_ENTRIES: u32 = 1 << 20;
/// Largest memory of all maps of one session, in bytes.
pub const MAX_MAP_BYTES: u64 = 1 << 30;
/// Longest string a script can see (`-D MAXSTRINGLEN`), in bytes.
pub const MAX_STRING_LENGTH: u32 = 16 << 10;
/// `MAXSTRINGLEN` as SystemTap sets it when nobody says otherwise. One byte of it
/// is the terminator of C strings, which scripts never see: 511 characters fit.
pub const DEFAULT_STRING_LENGTH: u32 = 512;
/// Deepest nesting of function calls (`-D MAXNESTING`); each costs kernel stack.
pub const MAX_CALL_DEPTH: u32 = 32;
/// `MAXNESTING` by default.
pub const DEFAULT_CALL_DEPTH: u32 = 10;
/// Steps that one handler run may take (`-D MAXACTION`) by default.
pub const DEFAULT_STEPS: u32 = 10_000;
/// Most steps a run may be given: with interrupts off, this many take about a
/// tenth of a second.
pub const MAX_STEPS: u32 = 10_000_000;
/// Bytes of output one run gathers before it must flush.
pub const RUN_OUTPUT_BYTES: usize = 8192;
/// Largest bit shift of `@variance`, as in SystemTap.
pub const MAX_VARIANCE_SHIFT: u8 = 62;
/// Most buckets of a histogram (both kinds), as in SystemTap.
pub const MAX_BUCKETS: u32 = 128;
/// Most arguments of one format.
pub const MAX_FORMAT_ARGUMENTS: usize = 64;
/// Attachments of one session.
pub const MAX_ATTACHMENTS: u32 = 1 << 17;
/// Relocations of one program.
pub const MAX_RELOCATIONS: usize = 1 << 16;
/// Longs that a return probe keeps from the function's entry. They and the strings lie
/// in the kernel's kretprobe data, which may have 4096 bytes.
pub const MAX_SAVED_LONGS: u8 = 64;
/// Strings that a return probe keeps from the function's entry.
pub const MAX_SAVED_STRINGS: u8 = 6;
/// Bytes of a kept string; the rest is cut off.
pub const SAVED_STRING_BYTES: usize = 512;
/// Most pieces of one format.
pub const MAX_FORMAT_PIECES: usize = 512;

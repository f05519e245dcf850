// SPDX-License-Identifier: GPL-2.0-or-later
//! The interface of `/dev/stapvm`: one open file descriptor is one session.
//!
//! ```text
//! open                          a session with nothing in it
//! ioctl LOAD(Load)              copy image and attach list, verify, allocate maps and rings
//! mmap(cpu * ring_stride)       one ring for each possible CPU
//! ioctl START                   arm every attachment, run the begin probes, let handlers run
//! poll                          readable when a ring has records or the session wants to end
//! ioctl STATUS(Status)          counters; never fails
//! ioctl TABLE(Table)            a number for each global or attachment
//! ioctl INPUT(Input)            text for the probes that wait for input
//! ioctl STOP                    disarm everything, run the end (or error) probes; EINTR: not yet
//!                               all of them, call again
//! close                         the same without the end probes; frees all
//! ```
//!
//! # A ring
//! One page of control ([`RingControl`]), then `ring_bytes` of data, a power of two.
//! The kernel appends [`RecordHeader`]s with their payload, 8-byte aligned; a record
//! never wraps: one that would not fit before the end of the data is preceded by a
//! header with [`RecordHeader::PADDING`] that fills the rest. Positions count bytes
//! since the session began and only grow. The loader advances `tail`; the kernel
//! believes nothing it finds there beyond using it to see how much room there is.
//!
//! # Order
//! `sequence` counts the records of the whole session from 0, so the loader merges
//! the rings by it, and a number that never comes is a lost record.
//!
//! The C side of these structures is `vm-kmod/glue/abi.h`, written from this file by
//! [`c_header`]; a test fails when it is stale.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Name of the device below /dev.
pub const DEVICE_NAME: &str = "stapvm";
/// Version of this interface; LOAD refuses any other.
pub const ABI_VERSION: u32 = 2;
/// The ioctl "magic" letter.
pub const IOCTL_TYPE: u8 = 0xb7;
/// Ioctl number of LOAD, `_IOWR(IOCTL_TYPE, 1, Load)`.
pub const IOCTL_LOAD: u8 = 1;
/// Ioctl number of START, `_IOWR(IOCTL_TYPE, 2, Start)`.
pub const IOCTL_START: u8 = 2;
/// Ioctl number of STOP, `_IO(IOCTL_TYPE, 3)`.
pub const IOCTL_STOP: u8 = 3;
/// Ioctl number of STATUS, `_IOR(IOCTL_TYPE, 4, Status)`.
pub const IOCTL_STATUS: u8 = 4;

/// Ioctl number of TABLE, `_IOW(IOCTL_TYPE, 5, Table)`.
pub const IOCTL_TABLE: u8 = 5;
/// Ioctl number of INPUT, `_IOW(IOCTL_TYPE, 6, Input)`.
pub const IOCTL_INPUT: u8 = 6;

/// The session goes on if this attachment fails.
pub const ATTACH_OPTIONAL: u32 = 1;
/// [`AttachRecord::extra`] of a performance counter is hits a second, not a period.
pub const ATTACH_FREQUENCY: u32 = 2;
/// In [`Load::flags`]: measure each attachment's handler runs (`-t`).
pub const LOAD_TIMING: u32 = 1;
/// In [`AttachRecord::value`] of a system call probe: every system call.
pub const ANY_SYSCALL: u64 = u64::MAX;

/// Smallest ring, in bytes of data.
pub const MIN_RING_BYTES: u32 = 4096;
/// Largest ring of one CPU, in bytes of data.
pub const MAX_RING_BYTES: u32 = 64 << 20;

#[cfg(feature = "std")]
macro_rules! c_type {
    (u64) => {
        "__u64"
    };
    (i64) => {
        "__s64"
    };
    (u32) => {
        "__u32"
    };
    (i32) => {
        "__s32"
    };
}

macro_rules! abi {
    ($($(#[doc = $doc:literal])* $name:ident = $c_name:literal {
        $($(#[doc = $field_doc:literal])* $field:ident: $ty:ident,)*
    })*) => {
        $(
            $(#[doc = $doc])*
            #[derive(
                Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable,
                KnownLayout,
            )]
            #[repr(C)]
            pub struct $name {
                $($(#[doc = $field_doc])* pub $field: $ty,)*
            }
        )*

        #[cfg(feature = "std")]
        const C_STRUCTS: &[(&str, usize, &[&str], &[(&str, &str, &[&str])])] = &[
            $(($c_name, size_of::<$name>(), &[$($doc),*], &[
                $((stringify!($field), c_type!($ty), &[$($field_doc),*]),)*
            ]),)*
        ];
    };
}

abi! {
    /// Argument of LOAD. Pointers are user addresses.
    Load = "stapvm_load" {
        /// ABI_VERSION.
        abi_version: u32,
        /// Bytes of data in each CPU's ring, a power of two.
        ring_bytes: u32,
        /// The image.
        image: u64,
        /// Its length in bytes, a multiple of 8.
        image_bytes: u32,
        /// Length of the attach list.
        attachment_count: u32,
        /// The attach list, an array of AttachRecord.
        attachments: u64,
        /// Bytes that names and texts in the attach list and the overrides point into.
        names: u64,
        /// Their number.
        names_bytes: u32,
        /// Number of overrides.
        override_count: u32,
        /// Values that globals start with instead of the image's, an array of OverrideRecord.
        overrides: u64,
        /// What the image's relocation slots hold on this kernel, an array of 64-bit numbers.
        relocations: u64,
        /// Their number, that of the image.
        relocation_count: u32,
        /// Zero.
        reserved: u32,
        /// What target() answers.
        target: i32,
        /// LOAD_*.
        flags: u32,
        /// Out: from one ring's mmap offset to the next, in bytes.
        ring_stride: u32,
        /// Out: number of rings, one for each possible CPU.
        ring_count: u32,
        /// Out: 0, or which stage refused the program: STAGE_*.
        stage: u32,
        /// Out: the rule that was broken (STAGE_VERIFY), or the error (STAGE_IMAGE).
        rule: u32,
        /// Out: kind of the place that broke it: SITE_*.
        site: u32,
        /// Out: the place's index.
        index: u32,
        /// Out: the value that broke it.
        value: u64,
        /// CPU cycles over which handlers' time is added up; 0: no overload protection.
        overload_interval: u64,
        /// Cycles that handlers may take of each interval on a CPU.
        overload_threshold: u64,
        /// How often a handler tries to take a lock.
        lock_attempts: u32,
        /// Microseconds between two attempts.
        lock_pause_us: u32,
        /// Offset of the session's name in the names.
        session_offset: u32,
        /// Length of it.
        session_length: u32,
    }

    /// One attachment: a probe and one place in the kernel that makes it run.
    AttachRecord = "stapvm_attach" {
        /// The probe's index in the image.
        probe: u32,
        /// ATTACH_*.
        flags: u32,
        /// Kernel address of the function, instruction or data; 0: the kernel looks `name` up.
        /// Performance counter: its type.
        address: u64,
        /// Timer: period in ns. System call: its number. Profile: hits a second for each CPU.
        /// Performance counter: its configuration. Data: bytes to watch. File of /proc: its
        /// mode. Netfilter: protocol family in the high half, hook in the low.
        /// Function return: 1 + the probe that runs at the function's entry and keeps values,
        /// or 0.
        value: u64,
        /// Timer: random part of the period in ns. Function return: maxactive, or 0.
        /// Performance counter: period, or ATTACH_FREQUENCY. Data: 1 for writes, 3 for reads
        /// too. File of /proc: most bytes that a read gives. Netfilter: priority.
        extra: u64,
        /// Function, tracepoint or file of /proc: offset of its name in the names.
        name_offset: u32,
        /// Length of the name.
        name_length: u32,
        /// Offset of what pp() answers; length 0 means the probe's own name.
        point_offset: u32,
        /// Length of it.
        point_length: u32,
        /// Function: offset of its module's name in the names.
        module_offset: u32,
        /// Length of it; 0: of the kernel itself. A probe of a module comes and goes with it.
        module_length: u32,
    }

    /// A start value for a global.
    OverrideRecord = "stapvm_override" {
        /// As in a lock record: the scalar's index, or the map's with the top bit set.
        global: u32,
        /// Offset of a string global's value in the names.
        text_offset: u32,
        /// Length of it.
        text_length: u32,
        /// Zero.
        reserved: u32,
        /// A scalar's value.
        value: i64,
    }

    /// Argument of START.
    Start = "stapvm_start" {
        /// Out: attachments that are armed.
        attached: u32,
        /// Out: on failure, the attachment that failed.
        failed_attachment: u32,
        /// Out: on failure, its negative errno.
        error: i32,
        /// Out: optional attachments that failed.
        optional_failed: u32,
    }

    /// Answer of STATUS: every hit and every record is in exactly one of the counts.
    Status = "stapvm_status" {
        /// SESSION_*.
        state: u32,
        /// Handler runs that ended in a fault nobody caught.
        errors: u32,
        /// Handler runs that went to their end (faults included).
        handled: u64,
        /// Hits skipped because a lock was not to be had in time.
        skipped_lock: u64,
        /// Hits skipped because a handler of the same level was running on the CPU.
        skipped_reentrant: u64,
        /// Hits that the kernel missed (kprobe nesting, kretprobe maxactive).
        skipped_missed: u64,
        /// Hits skipped by overload protection.
        skipped_overload: u64,
        /// Records that were put into the rings.
        produced: u64,
        /// Records that found no room.
        lost: u64,
        /// Hits that reached us: handled and all skipped but those that the kernel missed.
        fired: u64,
        /// Hits skipped because the stack was nearly used up.
        skipped_low_stack: u64,
        /// FAILURE_*: why the session failed.
        failure: u32,
        /// Probes of modules that could not be armed when their module came.
        late_failed: u32,
        /// FAILURE_OVERLOAD: cycles that handlers took.
        overload_cycles: u64,
        /// FAILURE_OVERLOAD: cycles in which they took them.
        overload_span: u64,
    }

    /// Argument of TABLE.
    Table = "stapvm_table" {
        /// Address of the array to fill.
        address: u64,
        /// Its length.
        count: u32,
        /// TABLE_*.
        kind: u32,
    }

    /// One element of TABLE_TIMES: an attachment's handler runs, in cycles.
    Times = "stapvm_times" {
        /// Runs.
        hits: u64,
        /// Of all runs.
        total: u64,
        /// Of the shortest.
        least: u64,
        /// Of the longest.
        most: u64,
    }

    /// Argument of INPUT.
    Input = "stapvm_input" {
        /// Address of the text.
        address: u64,
        /// Its length.
        length: u32,
        /// Zero.
        reserved: u32,
    }

    /// First page of a ring.
    RingControl = "stapvm_ring_control" {
        /// Where the kernel writes next: all before it is reserved. Written by the kernel.
        head: u64,
        /// Where the loader reads next. Written by the loader.
        tail: u64,
    }

    /// Before every record in a ring.
    RecordHeader = "stapvm_record" {
        /// Bytes of the payload; the record takes these, rounded up to 8, and the header.
        length: u32,
        /// RECORD_*: written last, so a reader stops at RECORD_RESERVED.
        state: u32,
        /// The record's number in the session.
        sequence: u64,
    }
}

impl RecordHeader {
    /// Not written yet.
    pub const RESERVED: u32 = 0;
    /// Complete.
    pub const COMMITTED: u32 = 1;
    /// Fills the end of the ring; has no sequence number.
    pub const PADDING: u32 = 2;
}

macro_rules! constants {
    ($($(#[doc = $doc:literal])* $name:ident: $ty:ty = $value:literal;)*) => {
        $($(#[doc = $doc])* pub const $name: $ty = $value;)*

        #[cfg(feature = "std")]
        const C_CONSTANTS: &[(&str, u64)] = &[$((stringify!($name), $value as u64),)*];
    };
}

constants! {
    /// Nothing was refused.
    STAGE_NONE: u32 = 0;
    /// The words are no image.
    STAGE_IMAGE: u32 = 1;
    /// The verifier refused the program.
    STAGE_VERIFY: u32 = 2;
    /// The maps need more memory than a session may have.
    STAGE_MEMORY: u32 = 3;
    /// An attach record is wrong; `index` is its position.
    STAGE_ATTACH: u32 = 4;
    /// An override is wrong; `index` is its position.
    STAGE_OVERRIDE: u32 = 5;
    /// A relocation slot's number makes no sense; `index` is its position.
    STAGE_RELOCATION: u32 = 6;
    /// The session has not failed.
    FAILURE_NONE: u32 = 0;
    /// More than MAXERRORS handlers failed.
    FAILURE_ERRORS: u32 = 1;
    /// More than MAXSKIPPED hits were skipped.
    FAILURE_SKIPPED: u32 = 2;
    /// Handlers took too much of a CPU's time.
    FAILURE_OVERLOAD: u32 = 3;
    /// For each global, scalars first: hits skipped for its lock, as u64.
    TABLE_LOCKS: u32 = 0;
    /// For each attachment: Times.
    TABLE_TIMES: u32 = 1;
    /// For each attachment: hits that the kernel missed, as u64.
    TABLE_MISSED: u32 = 2;
    /// Opened, nothing loaded.
    SESSION_EMPTY: u32 = 0;
    /// Loaded, nothing attached.
    SESSION_LOADED: u32 = 1;
    /// Begin probes are running.
    SESSION_STARTING: u32 = 2;
    /// Handlers run.
    SESSION_RUNNING: u32 = 3;
    /// exit() was called: handlers no longer run, STOP is awaited.
    SESSION_EXITING: u32 = 4;
    /// Too many errors or skipped hits: as EXITING, and STOP runs error probes.
    SESSION_FAILED: u32 = 5;
    /// End probes have run; the rings can still be read.
    SESSION_STOPPED: u32 = 6;
}

/// The text of `vm-kmod/glue/abi.h`.
#[cfg(feature = "std")]
pub fn c_header() -> String {
    use std::fmt::Write;
    let mut out = String::from(
        "/* SPDX-License-Identifier: GPL-2.0-or-later */\n\
         /* Written from vm-spec/src/device.rs by `BLESS=1 cargo test -p vm-spec abi`. */\n\
         #ifndef STAPVM_ABI_H\n#define STAPVM_ABI_H\n\n\
         #include <linux/build_bug.h>\n#include <linux/ioctl.h>\n#include <linux/types.h>\n\n",
    );
    let own = [
        ("ABI_VERSION", ABI_VERSION.into()),
        ("ATTACH_OPTIONAL", ATTACH_OPTIONAL.into()),
        ("ATTACH_FREQUENCY", ATTACH_FREQUENCY.into()),
        ("LOAD_TIMING", LOAD_TIMING.into()),
        ("ANY_SYSCALL", ANY_SYSCALL),
        ("MIN_RING_BYTES", MIN_RING_BYTES.into()),
        ("MAX_RING_BYTES", MAX_RING_BYTES.into()),
        ("RECORD_RESERVED", RecordHeader::RESERVED.into()),
        ("RECORD_COMMITTED", RecordHeader::COMMITTED.into()),
        ("RECORD_PADDING", RecordHeader::PADDING.into()),
        ("RUN_OUTPUT_BYTES", crate::limits::RUN_OUTPUT_BYTES as u64),
        ("MAX_IMAGE_BYTES", crate::limits::MAX_IMAGE_BYTES.into()),
        ("MAX_ATTACHMENTS", crate::limits::MAX_ATTACHMENTS.into()),
        ("MAX_MAP_BYTES", crate::limits::MAX_MAP_BYTES),
        ("MAX_RELOCATIONS", crate::limits::MAX_RELOCATIONS as u64),
        ("SAVED_STRING_BYTES", crate::limits::SAVED_STRING_BYTES as u64),
    ];
    let kinds = crate::probe::ProbeKind::ALL
        .iter()
        .map(|kind| (format!("PROBE_{}", upper_snake(&format!("{kind:?}"))), *kind as u64));
    let all = own.iter().map(|&(name, value)| (name.to_owned(), value));
    let constants = C_CONSTANTS.iter().map(|&(name, value)| (name.to_owned(), value));
    for (name, value) in all.chain(constants).chain(kinds) {
        let suffix = if value > u64::from(u32::MAX) { "ULL" } else { "U" };
        let _ = writeln!(out, "#define STAPVM_{name} {value:#x}{suffix}");
    }
    let _ = writeln!(out, "#define STAPVM_DEVICE_NAME \"{DEVICE_NAME}\"");
    for (name, size, docs, fields) in C_STRUCTS {
        let _ = write!(out, "\n/*{} */\nstruct {name} {{\n", docs.join(""));
        for (field, ty, docs) in *fields {
            let _ = writeln!(out, "\t{ty} {field}; /*{} */", docs.join(""));
        }
        let _ = writeln!(out, "}};\nstatic_assert(sizeof(struct {name}) == {size});");
    }
    let _ = write!(
        out,
        "\n#define STAPVM_IOCTL_LOAD _IOWR({IOCTL_TYPE:#x}, {IOCTL_LOAD}, struct stapvm_load)\n\
         #define STAPVM_IOCTL_START _IOWR({IOCTL_TYPE:#x}, {IOCTL_START}, struct stapvm_start)\n\
         #define STAPVM_IOCTL_STOP _IO({IOCTL_TYPE:#x}, {IOCTL_STOP})\n\
         #define STAPVM_IOCTL_STATUS _IOR({IOCTL_TYPE:#x}, {IOCTL_STATUS}, struct stapvm_status)\n\
         #define STAPVM_IOCTL_TABLE _IOW({IOCTL_TYPE:#x}, {IOCTL_TABLE}, struct stapvm_table)\n\
         #define STAPVM_IOCTL_INPUT _IOW({IOCTL_TYPE:#x}, {IOCTL_INPUT}, struct stapvm_input)\n\
         \n#endif\n"
    );
    out
}

#[cfg(feature = "std")]
fn upper_snake(camel: &str) -> String {
    let mut out = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    out
}

#[cfg(all(test, feature = "std"))]
mod tests {
    #[test]
    fn abi_header_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../vm-kmod/glue/abi.h");
        let wanted = super::c_header();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &wanted).expect("abi.h can be written");
        }
        let have = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(have, wanted, "stale: run BLESS=1 cargo test -p vm-spec abi");
    }
}

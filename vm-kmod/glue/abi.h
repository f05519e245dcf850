/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Written from vm-spec/src/device.rs by `BLESS=1 cargo test -p vm-spec abi`. */
#ifndef STAPVM_ABI_H
#define STAPVM_ABI_H

#include <linux/build_bug.h>
#include <linux/ioctl.h>
#include <linux/types.h>

#define STAPVM_ABI_VERSION 0x2U
#define STAPVM_ATTACH_OPTIONAL 0x1U
#define STAPVM_ATTACH_FREQUENCY 0x2U
#define STAPVM_LOAD_TIMING 0x1U
#define STAPVM_ANY_SYSCALL 0xffffffffffffffffULL
#define STAPVM_MIN_RING_BYTES 0x1000U
#define STAPVM_MAX_RING_BYTES 0x4000000U
#define STAPVM_RECORD_RESERVED 0x0U
#define STAPVM_RECORD_COMMITTED 0x1U
#define STAPVM_RECORD_PADDING 0x2U
#define STAPVM_RUN_OUTPUT_BYTES 0x2000U
#define STAPVM_MAX_IMAGE_BYTES 0x1000000U
#define STAPVM_MAX_ATTACHMENTS 0x20000U
#define STAPVM_MAX_MAP_BYTES 0x40000000U
#define STAPVM_MAX_RELOCATIONS 0x10000U
#define STAPVM_SAVED_STRING_BYTES 0x200U
#define STAPVM_STAGE_NONE 0x0U
#define STAPVM_STAGE_IMAGE 0x1U
#define STAPVM_STAGE_VERIFY 0x2U
#define STAPVM_STAGE_MEMORY 0x3U
#define STAPVM_STAGE_ATTACH 0x4U
#define STAPVM_STAGE_OVERRIDE 0x5U
#define STAPVM_STAGE_RELOCATION 0x6U
#define STAPVM_FAILURE_NONE 0x0U
#define STAPVM_FAILURE_ERRORS 0x1U
#define STAPVM_FAILURE_SKIPPED 0x2U
#define STAPVM_FAILURE_OVERLOAD 0x3U
#define STAPVM_TABLE_LOCKS 0x0U
#define STAPVM_TABLE_TIMES 0x1U
#define STAPVM_TABLE_MISSED 0x2U
#define STAPVM_SESSION_EMPTY 0x0U
#define STAPVM_SESSION_LOADED 0x1U
#define STAPVM_SESSION_STARTING 0x2U
#define STAPVM_SESSION_RUNNING 0x3U
#define STAPVM_SESSION_EXITING 0x4U
#define STAPVM_SESSION_FAILED 0x5U
#define STAPVM_SESSION_STOPPED 0x6U
#define STAPVM_PROBE_BEGIN 0x1U
#define STAPVM_PROBE_END 0x2U
#define STAPVM_PROBE_ERROR 0x3U
#define STAPVM_PROBE_NEVER 0x4U
#define STAPVM_PROBE_TIMER 0x5U
#define STAPVM_PROBE_FUNCTION_ENTRY 0x6U
#define STAPVM_PROBE_FUNCTION_RETURN 0x7U
#define STAPVM_PROBE_STATEMENT 0x8U
#define STAPVM_PROBE_TRACEPOINT 0x9U
#define STAPVM_PROBE_SYSCALL_ENTRY 0xaU
#define STAPVM_PROBE_SYSCALL_EXIT 0xbU
#define STAPVM_PROBE_PROFILE 0xcU
#define STAPVM_PROBE_PERF 0xdU
#define STAPVM_PROBE_WATCHPOINT 0xeU
#define STAPVM_PROBE_PROCFS_READ 0xfU
#define STAPVM_PROBE_PROCFS_WRITE 0x10U
#define STAPVM_PROBE_NETFILTER 0x11U
#define STAPVM_DEVICE_NAME "stapvm"

/* Argument of LOAD. Pointers are user addresses. */
struct stapvm_load {
	__u32 abi_version; /* ABI_VERSION. */
	__u32 ring_bytes; /* Bytes of data in each CPU's ring, a power of two. */
	__u64 image; /* The image. */
	__u32 image_bytes; /* Its length in bytes, a multiple of 8. */
	__u32 attachment_count; /* Length of the attach list. */
	__u64 attachments; /* The attach list, an array of AttachRecord. */
	__u64 names; /* Bytes that names and texts in the attach list and the overrides point into. */
	__u32 names_bytes; /* Their number. */
	__u32 override_count; /* Number of overrides. */
	__u64 overrides; /* Values that globals start with instead of the image's, an array of OverrideRecord. */
	__u64 relocations; /* What the image's relocation slots hold on this kernel, an array of 64-bit numbers. */
	__u32 relocation_count; /* Their number, that of the image. */
	__u32 reserved; /* Zero. */
	__s32 target; /* What target() answers. */
	__u32 flags; /* LOAD_*. */
	__u32 ring_stride; /* Out: from one ring's mmap offset to the next, in bytes. */
	__u32 ring_count; /* Out: number of rings, one for each possible CPU. */
	__u32 stage; /* Out: 0, or which stage refused the program: STAGE_*. */
	__u32 rule; /* Out: the rule that was broken (STAGE_VERIFY), or the error (STAGE_IMAGE). */
	__u32 site; /* Out: kind of the place that broke it: SITE_*. */
	__u32 index; /* Out: the place's index. */
	__u64 value; /* Out: the value that broke it. */
	__u64 overload_interval; /* CPU cycles over which handlers' time is added up; 0: no overload protection. */
	__u64 overload_threshold; /* Cycles that handlers may take of each interval on a CPU. */
	__u32 lock_attempts; /* How often a handler tries to take a lock. */
	__u32 lock_pause_us; /* Microseconds between two attempts. */
	__u32 session_offset; /* Offset of the session's name in the names. */
	__u32 session_length; /* Length of it. */
};
static_assert(sizeof(struct stapvm_load) == 144);

/* One attachment: a probe and one place in the kernel that makes it run. */
struct stapvm_attach {
	__u32 probe; /* The probe's index in the image. */
	__u32 flags; /* ATTACH_*. */
	__u64 address; /* Kernel address of the function, instruction or data; 0: the kernel looks `name` up. Performance counter: its type. */
	__u64 value; /* Timer: period in ns. System call: its number. Profile: hits a second for each CPU. Performance counter: its configuration. Data: bytes to watch. File of /proc: its mode. Netfilter: protocol family in the high half, hook in the low. Function return: 1 + the probe that runs at the function's entry and keeps values, or 0. */
	__u64 extra; /* Timer: random part of the period in ns. Function return: maxactive, or 0. Performance counter: period, or ATTACH_FREQUENCY. Data: 1 for writes, 3 for reads too. File of /proc: most bytes that a read gives. Netfilter: priority. */
	__u32 name_offset; /* Function, tracepoint or file of /proc: offset of its name in the names. */
	__u32 name_length; /* Length of the name. */
	__u32 point_offset; /* Offset of what pp() answers; length 0 means the probe's own name. */
	__u32 point_length; /* Length of it. */
	__u32 module_offset; /* Function: offset of its module's name in the names. */
	__u32 module_length; /* Length of it; 0: of the kernel itself. A probe of a module comes and goes with it. */
};
static_assert(sizeof(struct stapvm_attach) == 56);

/* A start value for a global. */
struct stapvm_override {
	__u32 global; /* As in a lock record: the scalar's index, or the map's with the top bit set. */
	__u32 text_offset; /* Offset of a string global's value in the names. */
	__u32 text_length; /* Length of it. */
	__u32 reserved; /* Zero. */
	__s64 value; /* A scalar's value. */
};
static_assert(sizeof(struct stapvm_override) == 24);

/* Argument of START. */
struct stapvm_start {
	__u32 attached; /* Out: attachments that are armed. */
	__u32 failed_attachment; /* Out: on failure, the attachment that failed. */
	__s32 error; /* Out: on failure, its negative errno. */
	__u32 optional_failed; /* Out: optional attachments that failed. */
};
static_assert(sizeof(struct stapvm_start) == 16);

/* Answer of STATUS: every hit and every record is in exactly one of the counts. */
struct stapvm_status {
	__u32 state; /* SESSION_*. */
	__u32 errors; /* Handler runs that ended in a fault nobody caught. */
	__u64 handled; /* Handler runs that went to their end (faults included). */
	__u64 skipped_lock; /* Hits skipped because a lock was not to be had in time. */
	__u64 skipped_reentrant; /* Hits skipped because a handler of the same level was running on the CPU. */
	__u64 skipped_missed; /* Hits that the kernel missed (kprobe nesting, kretprobe maxactive). */
	__u64 skipped_overload; /* Hits skipped by overload protection. */
	__u64 produced; /* Records that were put into the rings. */
	__u64 lost; /* Records that found no room. */
	__u64 fired; /* Hits that reached us: handled and all skipped but those that the kernel missed. */
	__u64 skipped_low_stack; /* Hits skipped because the stack was nearly used up. */
	__u32 failure; /* FAILURE_*: why the session failed. */
	__u32 late_failed; /* Probes of modules that could not be armed when their module came. */
	__u64 overload_cycles; /* FAILURE_OVERLOAD: cycles that handlers took. */
	__u64 overload_span; /* FAILURE_OVERLOAD: cycles in which they took them. */
};
static_assert(sizeof(struct stapvm_status) == 104);

/* Argument of TABLE. */
struct stapvm_table {
	__u64 address; /* Address of the array to fill. */
	__u32 count; /* Its length. */
	__u32 kind; /* TABLE_*. */
};
static_assert(sizeof(struct stapvm_table) == 16);

/* One element of TABLE_TIMES: an attachment's handler runs, in cycles. */
struct stapvm_times {
	__u64 hits; /* Runs. */
	__u64 total; /* Of all runs. */
	__u64 least; /* Of the shortest. */
	__u64 most; /* Of the longest. */
};
static_assert(sizeof(struct stapvm_times) == 32);

/* Argument of INPUT. */
struct stapvm_input {
	__u64 address; /* Address of the text. */
	__u32 length; /* Its length. */
	__u32 reserved; /* Zero. */
};
static_assert(sizeof(struct stapvm_input) == 16);

/* First page of a ring. */
struct stapvm_ring_control {
	__u64 head; /* Where the kernel writes next: all before it is reserved. Written by the kernel. */
	__u64 tail; /* Where the loader reads next. Written by the loader. */
};
static_assert(sizeof(struct stapvm_ring_control) == 16);

/* Before every record in a ring. */
struct stapvm_record {
	__u32 length; /* Bytes of the payload; the record takes these, rounded up to 8, and the header. */
	__u32 state; /* RECORD_*: written last, so a reader stops at RECORD_RESERVED. */
	__u64 sequence; /* The record's number in the session. */
};
static_assert(sizeof(struct stapvm_record) == 16);

#define STAPVM_IOCTL_LOAD _IOWR(0xb7, 1, struct stapvm_load)
#define STAPVM_IOCTL_START _IOWR(0xb7, 2, struct stapvm_start)
#define STAPVM_IOCTL_STOP _IO(0xb7, 3)
#define STAPVM_IOCTL_STATUS _IOR(0xb7, 4, struct stapvm_status)
#define STAPVM_IOCTL_TABLE _IOW(0xb7, 5, struct stapvm_table)
#define STAPVM_IOCTL_INPUT _IOW(0xb7, 6, struct stapvm_input)

#endif

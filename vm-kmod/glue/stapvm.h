/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The module's own structures. One open file is one session; a session has one
 * program, a list of attachments, and for each CPU contexts, counters and a ring.
 *
 *	device.c	the file operations
 *	load.c		LOAD: everything that comes from user space is checked here
 *	session.c	the states of a session
 *	attach.c	arming and disarming, by kind of probe:
 *			ftrace.c kprobe.c tracepoint.c syscall.c timer.c perf.c
 *			procfs.c netfilter.c
 *	memory.c	allocations
 *	module.c	probes that come and go with a module
 *	run.c		a hit: context, locks, handler, counters
 *	meter.c		what handlers cost, and what to do when that is too much
 *	context.c locks.c ring.c helpers.c where.c	what a hit needs
 */
#ifndef STAPVM_H
#define STAPVM_H

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "abi.h"
#include "vmcore.h"

struct perf_event;
struct tracepoint;
struct stapvm_session;

/*
 * For memory whose size a program chooses: if there is not enough, LOAD fails. It is
 * no reason to kill somebody else's process, or to complain in the kernel's log.
 */
#define STAPVM_GFP_SIZED	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * A handler may be interrupted by one of a higher level, which then has a context
 * of its own.
 */
enum stapvm_level {
	STAPVM_LEVEL_TASK,
	STAPVM_LEVEL_SOFTIRQ,
	STAPVM_LEVEL_IRQ,
	STAPVM_LEVEL_NMI,
	STAPVM_LEVELS,
};

/* What one handler run works in. */
struct stapvm_context {
	bool busy;
	u64 random;	/* state of randint() */
	void *memory;
};

struct stapvm_cpu_contexts {
	struct stapvm_context level[STAPVM_LEVELS];
};

struct stapvm_counters {
	u64 fired;		/* the sum of handled and all that are skipped */
	u64 handled;
	u64 skipped_lock;
	u64 skipped_reentrant;
	u64 skipped_overload;
	u64 skipped_low_stack;
	u64 produced;
	u64 lost;
	/* Overload protection: cycles in handlers since the interval began, and when that was. */
	u64 busy_cycles;
	u64 interval_begun;
};

/* Lock of a global: the number of its readers, or -1 for a writer. */
struct stapvm_lock {
	atomic_t holders;
	atomic_t skipped;	/* hits that did not get it */
} ____cacheline_aligned_in_smp;

struct stapvm_probe {
	const struct stapvm_vm_lock *locks;
	u32 lock_count;
	u32 kind;
	bool needs_registers;	/* others than those of arguments */
	u8 saved_longs;		/* kept for it from the function's entry */
	u8 saved_strings;
};

/* A probe and one place that makes it run. */
struct stapvm_attachment {
	struct stapvm_session *session;
	u32 probe;
	u32 kind;
	u32 flags;
	bool armed;
	bool has_entry;		/* entry_probe runs at the function's entry */
	u32 entry_probe;
	bool via_ftrace;	/* ftrace.c has the function's entry, not kprobe.c */
	struct stapvm_attachment *ftrace_next;	/* of those in its bucket */
	u64 missed;		/* by the kprobes that were here before a module came again */
	u64 address;
	u64 value;
	u64 extra;
	const u8 *name;
	size_t name_length;
	const u8 *point;
	size_t point_length;
	const u8 *module;	/* that the function is in; NULL: the kernel's own */
	size_t module_length;
	union {
		struct {
			struct kprobe probe;
			char *symbol;
		} kprobe;
		struct {
			struct kretprobe probe;
			char *symbol;
		} kretprobe;
		struct tracepoint *tracepoint;
		struct stapvm_attachment *next_syscall;
		struct hrtimer timer;
		struct perf_event **cpu_events;
		struct nf_hook_ops hook;
	};
};

/* One CPU's ring. Everything that the kernel relies on is here, out of reach. */
struct stapvm_ring {
	u64 head;			/* bytes reserved since the session began */
	u32 nesting;			/* writers at work, each interrupting the one before */
	struct stapvm_ring_control *control;	/* mapped by user space, not to be believed */
	u8 *data;
};

/* Attachments by system call number; those of any call are in the last list. */
struct stapvm_syscalls;

/* What a handler at a function's entry sees of the registers. */
enum stapvm_registers {
	STAPVM_REGISTERS_ARGUMENTS,
	STAPVM_REGISTERS_ALL,
	STAPVM_REGISTERS_COUNT,
};

/* A callback of the session for functions' entries. */
struct stapvm_ftrace;

/* The session's files below /proc/systemtap. */
struct stapvm_procfs;

/* How long a handler waits for a lock, and how much of a CPU handlers may take. */
struct stapvm_limits {
	u64 overload_interval;
	u64 overload_threshold;
	u32 lock_attempts;
	u32 lock_pause_us;
};

struct stapvm_session {
	struct mutex mutex;		/* one ioctl at a time */
	atomic_t state;			/* STAPVM_SESSION_* */
	atomic_t errors;
	atomic_t skipped;
	atomic_t failure;		/* STAPVM_FAILURE_*: the first one */
	u64 overload_cycles;		/* what whoever set it to OVERLOAD found */
	u64 overload_span;
	struct stapvm_limits limits;
	atomic64_t sequence;
	struct stapvm_counters __percpu *counters;
	struct stapvm_cpu_contexts __percpu *contexts;

	u64 *image;
	struct stapvm_vm_program *program;
	struct stapvm_vm_layout layout;
	u64 *storage;
	s64 *relocations;
	struct stapvm_lock *locks;
	struct stapvm_probe *probes;
	u8 *names;
	const u8 *name;
	size_t name_length;
	s32 target;
	s32 loader;			/* its process id */

	struct stapvm_attachment *attachments;
	u32 attachment_count;
	bool hooked;			/* something is armed in the kernel, or may be */
	bool stopping;			/* STOP has disarmed everything */
	int stop_state;			/* the state then */
	u32 stop_next;			/* attachment whose end or error probe is next */
	u64 missed_before;		/* misses of armed probes before handlers ran */
	struct stapvm_syscalls *syscalls;
	struct stapvm_ftrace *ftrace[STAPVM_REGISTERS_COUNT];
	struct stapvm_procfs *procfs;
	bool metered;			/* somebody wants to know how long handlers take */
	struct stapvm_times **times;	/* by CPU and attachment; NULL: nobody wants them */

	/* Arming by START and by what is told of modules; never held with a CPU coming up. */
	struct mutex attach_mutex;
	struct notifier_block modules;
	struct notifier_block tracepoints;
	bool modules_watched;
	bool tracepoints_watched;
	u32 late_failed;
	/* Arming of counters, by START and for CPUs that are back. */
	struct mutex cpu_mutex;
	struct work_struct cpu_work;
	struct cpumask cpus_back;
	struct hlist_node cpu_node;
	bool cpus_watched;

	struct stapvm_ring *rings;	/* published with release: mmap and poll take no mutex */
	u32 ring_bytes;
	wait_queue_head_t readers;
	u32 wake_above;			/* bytes in a ring that its readers do not care for */
	struct irq_work wake;
};

/* The text that goes through a file of /proc. */
struct stapvm_value {
	u8 *data;
	size_t length;
	size_t room;
};

/* A hit while its handler runs. */
struct stapvm_hit {
	struct stapvm_session *session;
	const struct stapvm_attachment *attachment;
	struct stapvm_context *context;
	/* Registers of what was hit; of user space for system calls; or NULL. */
	struct pt_regs *regs;
	const u64 *trace_arguments;
	s64 syscall_number;
	s64 result;
	/* Where a function that returns goes; its own entry on the stack is the probe's. */
	unsigned long return_address;
	/* What a return probe keeps from the function's entry, or NULL. */
	struct stapvm_saved *saved;
	bool at_entry;		/* it is the attachment's entry probe that runs */
	bool finished;		/* out: the handler went to its end without a fault */
	struct stapvm_value *value;
	u32 verdict;		/* of a netfilter hook: NF_ACCEPT or NF_DROP */
	/* The way here went through a trap that counts as an NMI but is none. */
	bool through_trap;
};

#define STAPVM_TRACE_ARGUMENTS	12

struct stapvm_saved_string {
	u64 length;
	u8 text[STAPVM_SAVED_STRING_BYTES];
};

/* Longs of the probe, then its strings. */
struct stapvm_saved {
	s64 longs[0];
};

/* session.c */
struct stapvm_session *stapvm_session_create(void);
void stapvm_session_destroy(struct stapvm_session *session);
int stapvm_session_start(struct stapvm_session *session, struct stapvm_start *start);
int stapvm_session_stop(struct stapvm_session *session);
void stapvm_session_status(struct stapvm_session *session, struct stapvm_status *status);
/* Ends the session if it runs; from any context. */
void stapvm_session_finish(struct stapvm_session *session, int state);
/* The same, as failed; the first failure of several is told. True if this is it. */
bool stapvm_session_fail(struct stapvm_session *session, u32 failure);
int stapvm_session_table(struct stapvm_session *session, const struct stapvm_table *table);

/* load.c */
int stapvm_load(struct stapvm_session *session, struct stapvm_load *load);
void stapvm_unload(struct stapvm_session *session);

/* attach.c */
int stapvm_attach_check(const struct stapvm_attachment *attachment);
int stapvm_attach_all(struct stapvm_session *session, struct stapvm_start *start);
void stapvm_attach_timers(struct stapvm_session *session);
void stapvm_detach_all(struct stapvm_session *session);
u64 stapvm_attach_missed(struct stapvm_session *session);

/* Attachments by kind of probe. Attach returns 0 or an errno. */
void stapvm_ftrace_attach_all(struct stapvm_session *session);
void stapvm_ftrace_detach_all(struct stapvm_session *session);
int stapvm_kprobe_attach(struct stapvm_attachment *attachment);
int stapvm_kretprobe_attach(struct stapvm_attachment *attachment);
int stapvm_kretprobe_prepare(struct stapvm_attachment *attachment);
void stapvm_kretprobe_enter(struct stapvm_attachment *attachment, struct pt_regs *regs);
void stapvm_kprobe_detach_all(struct stapvm_session *session);
u64 stapvm_kprobe_missed(const struct stapvm_attachment *attachment);
/* Of a kretprobe or kprobe whose module has gone: it can be attached again afterwards. */
void stapvm_kprobe_detach_one(struct stapvm_attachment *attachment);
int stapvm_module_watch(struct stapvm_session *session);
void stapvm_module_unwatch(struct stapvm_session *session);
bool stapvm_in_module(const struct stapvm_attachment *attachment, const char *module);
void stapvm_tracepoint_find(struct stapvm_session *session);
struct tracepoint *stapvm_tracepoint_by_name(const char *name);
int stapvm_tracepoint_attach(struct stapvm_attachment *attachment);
int stapvm_tracepoint_watch(struct stapvm_session *session);
void stapvm_tracepoint_unwatch(struct stapvm_session *session);
void stapvm_tracepoint_detach(struct stapvm_attachment *attachment);
int stapvm_syscall_prepare(struct stapvm_session *session);
int stapvm_syscall_attach(struct stapvm_attachment *attachment);
void stapvm_syscall_detach_all(struct stapvm_session *session);
void stapvm_timer_start(struct stapvm_attachment *attachment);
void stapvm_timer_detach(struct stapvm_attachment *attachment);
int stapvm_perf_setup(void);
void stapvm_perf_teardown(void);
int stapvm_perf_watch(struct stapvm_session *session);
void stapvm_perf_unwatch(struct stapvm_session *session);
int stapvm_perf_attach(struct stapvm_attachment *attachment);
void stapvm_perf_detach(struct stapvm_attachment *attachment);
bool stapvm_procfs_good(const struct stapvm_attachment *attachment);
int stapvm_procfs_attach_all(struct stapvm_session *session, u32 *failed);
void stapvm_procfs_detach_all(struct stapvm_session *session);
int stapvm_procfs_input(struct stapvm_session *session, const struct stapvm_input *input);
bool stapvm_netfilter_good(const struct stapvm_attachment *attachment);
int stapvm_netfilter_attach(struct stapvm_attachment *attachment);
void stapvm_netfilter_detach(struct stapvm_attachment *attachment);

/* memory.c */
void *stapvm_alloc(size_t bytes);
void *stapvm_alloc_array(size_t count, size_t size);
void *stapvm_alloc_near(size_t bytes, int cpu);
void *stapvm_alloc_pages(size_t bytes);
void stapvm_free(const void *memory);
void __percpu *stapvm_alloc_percpu(size_t bytes, size_t align);
void stapvm_free_percpu(void __percpu *memory);

/* run.c */
void stapvm_hit(struct stapvm_hit *hit);
void stapvm_run_synchronous(struct stapvm_attachment *attachment);

/* meter.c */
int stapvm_times_create(struct stapvm_session *session);
void stapvm_times_destroy(struct stapvm_session *session);
void stapvm_times_add(const struct stapvm_attachment *attachment, u64 cycles);
int stapvm_times_table(struct stapvm_session *session, const struct stapvm_table *table);
void stapvm_interval_ended(struct stapvm_session *session, u64 now);

/* where.c */
s64 stapvm_where_long(struct stapvm_hit *hit, u32 helper, s64 a);
size_t stapvm_where_string(struct stapvm_hit *hit, u32 helper, s64 a, u8 *out, size_t room);
s64 stapvm_probe_address(const struct stapvm_hit *hit);
size_t stapvm_put(u8 *out, size_t room, const void *text, size_t length);

/* context.c */
int stapvm_contexts_create(struct stapvm_session *session);
void stapvm_contexts_destroy(struct stapvm_session *session);

/* locks.c, and locks.h for what is in line */
bool stapvm_locks_take_rest(struct stapvm_session *session, const struct stapvm_probe *probe,
			    u32 first, bool patient);

/* ring.c */
struct vm_area_struct;
int stapvm_rings_create(struct stapvm_session *session, u32 ring_bytes);
void stapvm_rings_destroy(struct stapvm_session *session);
u32 stapvm_ring_stride(u32 ring_bytes);
int stapvm_rings_map(struct stapvm_session *session, struct vm_area_struct *vma);
u64 stapvm_rings_fill(struct stapvm_session *session);
void stapvm_ring_write(struct stapvm_session *session, const u8 *record, size_t length);

#endif

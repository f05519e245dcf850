// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hit: find a context, take the locks, run the handler, count.
 *
 * Interrupts are off meanwhile, so on this CPU only an NMI can come between; it
 * finds the context of its own level. Every hit ends up in exactly one counter.
 * Nothing here may be probed: a kprobe on this path would come back to it.
 */
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/timex.h>

#include "locks.h"

/* Of a task's stack: what a handler and all that it calls may need. */
#define MIN_STACK_BYTES	3072
/* Handlers of several sessions that each probe what the others call: enough of it. */
#define MAX_NESTING	6

/* Handlers on this CPU, of all sessions, each interrupting the one before. */
static DEFINE_PER_CPU(int, nesting);

static __always_inline enum stapvm_level current_level(bool through_trap)
{
	unsigned long nmi = preempt_count() & NMI_MASK;

	if (through_trap && nmi)
		nmi -= NMI_OFFSET;
	if (nmi)
		return STAPVM_LEVEL_NMI;
	if (in_hardirq())
		return STAPVM_LEVEL_IRQ;
	if (in_serving_softirq())
		return STAPVM_LEVEL_SOFTIRQ;
	return STAPVM_LEVEL_TASK;
}

static noinline __kprobes void count_skipped(struct stapvm_session *session)
{
	u32 skipped = atomic_inc_return(&session->skipped);

	if (skipped > session->layout.max_skipped)
		stapvm_session_fail(session, STAPVM_FAILURE_SKIPPED);
}

static noinline __kprobes void count_error(struct stapvm_session *session)
{
	u32 errors = atomic_inc_return(&session->errors);

	if (errors > session->layout.max_errors)
		stapvm_session_fail(session, STAPVM_FAILURE_ERRORS);
}

static noinline __kprobes void count_low_stack(struct stapvm_session *session)
{
	this_cpu_inc(session->counters->skipped_low_stack);
	count_skipped(session);
}

/* Interrupts have stacks of their own, of which the nesting takes care. */
static __always_inline bool is_stack_low(void)
{
	unsigned long used = (unsigned long)__builtin_frame_address(0) -
			     (unsigned long)task_stack_page(current);

	return used < MIN_STACK_BYTES;
}

static __always_inline void meter(const struct stapvm_hit *hit, u64 begun)
{
	struct stapvm_session *session = hit->session;
	u64 now = get_cycles();

	this_cpu_add(session->counters->busy_cycles, now - begun);
	if (unlikely(session->times) && !hit->at_entry)
		stapvm_times_add(hit->attachment, now - begun);
	if (unlikely(now - this_cpu_read(session->counters->interval_begun) >
		     session->limits.overload_interval))
		stapvm_interval_ended(session, now);
}

static __always_inline void run_in_context(struct stapvm_hit *hit, bool patient)
{
	struct stapvm_session *session = hit->session;
	const struct stapvm_attachment *attachment = hit->attachment;
	u32 index = hit->at_entry ? attachment->entry_probe : attachment->probe;
	const struct stapvm_probe *probe = &session->probes[index];
	bool metered = session->metered;
	u64 begun = metered ? get_cycles() : 0;
	int fault;

	if (!stapvm_locks_take(session, probe, patient)) {
		this_cpu_inc(session->counters->skipped_lock);
		count_skipped(session);
		return;
	}
	fault = stapvm_vm_run(hit->context->memory, index, hit, current->tgid, current->pid);
	stapvm_locks_release(session, probe->locks, probe->lock_count);
	hit->finished = !fault;
	if (!hit->at_entry || fault)
		this_cpu_inc(session->counters->handled);
	if (unlikely(fault))
		count_error(session);
	if (metered)
		meter(hit, begun);
}

static __always_inline void run(struct stapvm_hit *hit)
{
	struct stapvm_session *session = hit->session;
	enum stapvm_level level = current_level(hit->through_trap);
	struct stapvm_context *context = &this_cpu_ptr(session->contexts)->level[level];

	/* What runs at the entry belongs to the hit that the return will be, if that comes. */
	if (!hit->at_entry)
		this_cpu_inc(session->counters->fired);
	if (unlikely(context->busy)) {
		this_cpu_inc(session->counters->skipped_reentrant);
		count_skipped(session);
		return;
	}
	if (unlikely(is_stack_low() || this_cpu_read(nesting) >= MAX_NESTING)) {
		count_low_stack(session);
		return;
	}
	this_cpu_inc(nesting);
	context->busy = true;
	barrier();
	hit->context = context;
	run_in_context(hit, level != STAPVM_LEVEL_NMI);
	barrier();
	context->busy = false;
	this_cpu_dec(nesting);
}

/* A hit of an armed attachment; it does not count unless the session runs. */
__kprobes void stapvm_hit(struct stapvm_hit *hit)
{
	unsigned long flags;

	raw_local_irq_save(flags);
	if (likely(atomic_read(&hit->session->state) == STAPVM_SESSION_RUNNING)) {
		run(hit);
		/* The return will be no hit. */
		if (unlikely(hit->at_entry && !hit->finished))
			this_cpu_inc(hit->session->counters->fired);
	}
	raw_local_irq_restore(flags);
}

/* Runs a begin, end or error probe. */
void stapvm_run_synchronous(struct stapvm_attachment *attachment)
{
	struct stapvm_hit hit = {
		.session = attachment->session,
		.attachment = attachment,
	};
	unsigned long flags;

	raw_local_irq_save(flags);
	run(&hit);
	raw_local_irq_restore(flags);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What handlers cost: for each attachment if somebody wants to know, and on each CPU so
 * that a session which takes too much of it is ended.
 */
#include <linux/overflow.h>
#include <linux/uaccess.h>

#include "stapvm.h"

/* Also undone by stapvm_times_destroy if it fails half-way. */
int stapvm_times_create(struct stapvm_session *session)
{
	int cpu;

	session->times = stapvm_alloc_array(nr_cpu_ids, sizeof(*session->times));
	if (!session->times)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		size_t bytes = array_size(session->attachment_count + 1, sizeof(**session->times));

		session->times[cpu] = stapvm_alloc_near(bytes, cpu);
		if (!session->times[cpu])
			return -ENOMEM;
	}
	return 0;
}

void stapvm_times_destroy(struct stapvm_session *session)
{
	int cpu;

	if (!session->times)
		return;
	for_each_possible_cpu(cpu)
		stapvm_free(session->times[cpu]);
	stapvm_free(session->times);
	session->times = NULL;
}

/* Interrupts are off; an NMI in the middle may make a minimum or maximum miss a run. */
__kprobes void stapvm_times_add(const struct stapvm_attachment *attachment, u64 cycles)
{
	struct stapvm_session *session = attachment->session;
	struct stapvm_times *times =
		&session->times[smp_processor_id()][attachment - session->attachments];

	if (!times->hits || cycles < times->least)
		times->least = cycles;
	if (cycles > times->most)
		times->most = cycles;
	times->total += cycles;
	times->hits++;
}

static struct stapvm_times sum_of(const struct stapvm_session *session, u32 attachment)
{
	struct stapvm_times sum = {};
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct stapvm_times *times = &session->times[cpu][attachment];
		u64 hits = READ_ONCE(times->hits);

		if (!hits)
			continue;
		sum.least = sum.hits ? min(sum.least, times->least) : times->least;
		sum.most = max(sum.most, times->most);
		sum.total += times->total;
		sum.hits += hits;
	}
	return sum;
}

int stapvm_times_table(struct stapvm_session *session, const struct stapvm_table *table)
{
	struct stapvm_times __user *user = u64_to_user_ptr(table->address);
	u32 i;

	if (!session->times)
		return -EINVAL;
	for (i = 0; i < min(session->attachment_count, table->count); i++) {
		struct stapvm_times sum = sum_of(session, i);

		if (copy_to_user(&user[i], &sum, sizeof(sum)))
			return -EFAULT;
	}
	return 0;
}

/*
 * An interval is over on this CPU. The first one began when the machine did, so it is
 * over at the first hit. One that is longer than it should be, for want of hits, counts
 * as one.
 */
__kprobes void stapvm_interval_ended(struct stapvm_session *session, u64 now)
{
	struct stapvm_counters *counters = this_cpu_ptr(session->counters);
	u64 busy = READ_ONCE(counters->busy_cycles);
	u64 span = now - READ_ONCE(counters->interval_begun);

	WRITE_ONCE(counters->busy_cycles, 0);
	WRITE_ONCE(counters->interval_begun, now);
	if (busy <= session->limits.overload_threshold)
		return;
	if (stapvm_session_fail(session, STAPVM_FAILURE_OVERLOAD)) {
		WRITE_ONCE(session->overload_cycles, busy);
		WRITE_ONCE(session->overload_span, span);
		atomic_inc(&session->errors);
	}
}

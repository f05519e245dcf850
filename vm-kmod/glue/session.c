// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The states of a session.
 *
 *	EMPTY -LOAD-> LOADED -START-> STARTING -> RUNNING -STOP-> STOPPED
 *
 * exit() makes EXITING of STARTING and RUNNING, and too many errors make FAILED of
 * them; handlers run in RUNNING only. Callers hold the session's mutex, but for
 * stapvm_session_finish.
 */
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "stapvm.h"

static void wake_readers(struct irq_work *work)
{
	struct stapvm_session *session = container_of(work, struct stapvm_session, wake);

	wake_up_interruptible(&session->readers);
}

struct stapvm_session *stapvm_session_create(void)
{
	struct stapvm_session *session = stapvm_alloc(sizeof(*session));

	if (!session)
		return ERR_PTR(-ENOMEM);
	session->counters = stapvm_alloc_percpu(sizeof(struct stapvm_counters),
						__alignof__(struct stapvm_counters));
	if (!session->counters) {
		stapvm_free(session);
		return ERR_PTR(-ENOMEM);
	}
	mutex_init(&session->mutex);
	mutex_init(&session->attach_mutex);
	mutex_init(&session->cpu_mutex);
	atomic_set(&session->state, STAPVM_SESSION_EMPTY);
	init_waitqueue_head(&session->readers);
	init_irq_work(&session->wake, wake_readers);
	return session;
}

/* The file is gone: no ioctl, mapping or poll is left, only handlers. */
void stapvm_session_destroy(struct stapvm_session *session)
{
	atomic_set(&session->state, STAPVM_SESSION_STOPPED);
	stapvm_detach_all(session);
	irq_work_sync(&session->wake);
	stapvm_unload(session);
	stapvm_free_percpu(session->counters);
	mutex_destroy(&session->cpu_mutex);
	mutex_destroy(&session->attach_mutex);
	mutex_destroy(&session->mutex);
	stapvm_free(session);
}

__kprobes void stapvm_session_finish(struct stapvm_session *session, int state)
{
	int before = atomic_read(&session->state);

	do {
		bool live = before == STAPVM_SESSION_STARTING || before == STAPVM_SESSION_RUNNING;
		/* A failure after exit() still is one: error probes run. */
		bool fails = before == STAPVM_SESSION_EXITING && state == STAPVM_SESSION_FAILED;

		if (!live && !fails)
			return;
	} while (!atomic_try_cmpxchg(&session->state, &before, state));
	irq_work_queue(&session->wake);
}

__kprobes bool stapvm_session_fail(struct stapvm_session *session, u32 failure)
{
	bool first = atomic_cmpxchg(&session->failure, STAPVM_FAILURE_NONE, failure) ==
		     STAPVM_FAILURE_NONE;

	stapvm_session_finish(session, STAPVM_SESSION_FAILED);
	return first;
}

/* Runs probes from *next on, which is left behind the last one that ran. */
static int run_probes(struct stapvm_session *session, u32 kind, int while_state, u32 *next)
{
	while (*next < session->attachment_count) {
		struct stapvm_attachment *attachment = &session->attachments[(*next)++];

		if (attachment->kind != kind)
			continue;
		if (atomic_read(&session->state) != while_state)
			return 0;
		stapvm_run_synchronous(attachment);
		cond_resched();
		/* Its owner may have enough of it. */
		if (signal_pending(current))
			return -EINTR;
	}
	return 0;
}

/*
 * Everything is armed before the first begin probe runs, so that a session that
 * cannot be armed has no output; handlers wait for the end of the begin probes.
 */
int stapvm_session_start(struct stapvm_session *session, struct stapvm_start *start)
{
	u32 next = 0;
	int error;

	if (atomic_read(&session->state) != STAPVM_SESSION_LOADED)
		return -EINVAL;
	atomic_set(&session->state, STAPVM_SESSION_STARTING);
	error = stapvm_attach_all(session, start);
	if (error) {
		atomic_set(&session->state, STAPVM_SESSION_STOPPED);
		stapvm_detach_all(session);
		return error;
	}
	/* Signals are for afterwards, when all begin probes have run; but death is not. */
	while (run_probes(session, STAPVM_PROBE_BEGIN, STAPVM_SESSION_STARTING, &next) &&
	       !fatal_signal_pending(current))
		;
	session->missed_before = stapvm_attach_missed(session);
	/* Fails if a begin probe has called exit() or failed; then no handler runs. */
	if (atomic_cmpxchg(&session->state, STAPVM_SESSION_STARTING, STAPVM_SESSION_RUNNING) ==
	    STAPVM_SESSION_STARTING)
		stapvm_attach_timers(session);
	return 0;
}

/*
 * -EINTR means that a signal is for the caller, who may call again for the rest of the
 * probes.
 */
int stapvm_session_stop(struct stapvm_session *session)
{
	int state = atomic_read(&session->state);
	int error;

	if (state != STAPVM_SESSION_RUNNING && state != STAPVM_SESSION_EXITING &&
	    state != STAPVM_SESSION_FAILED)
		return -EINVAL;
	if (!session->stopping) {
		session->stopping = true;
		stapvm_session_finish(session, STAPVM_SESSION_EXITING);
		/* No handler runs any more when this returns, and so none changes the state. */
		stapvm_detach_all(session);
		session->stop_state = atomic_read(&session->state);
	}
	if (session->stop_state == STAPVM_SESSION_FAILED)
		error = run_probes(session, STAPVM_PROBE_ERROR, STAPVM_SESSION_FAILED,
				   &session->stop_next);
	else
		error = run_probes(session, STAPVM_PROBE_END, STAPVM_SESSION_EXITING,
				   &session->stop_next);
	if (error)
		return error;
	atomic_set(&session->state, STAPVM_SESSION_STOPPED);
	irq_work_queue(&session->wake);
	return 0;
}

static int lock_table(struct stapvm_session *session, const struct stapvm_table *table)
{
	u64 __user *user = u64_to_user_ptr(table->address);
	u32 i, count = session->layout.scalar_count + session->layout.map_count;

	if (!session->locks)
		return -EINVAL;
	for (i = 0; i < min(count, table->count); i++) {
		u64 skipped = (u32)atomic_read(&session->locks[i].skipped);

		if (put_user(skipped, &user[i]))
			return -EFAULT;
	}
	return 0;
}

static int missed_table(struct stapvm_session *session, const struct stapvm_table *table)
{
	u64 __user *user = u64_to_user_ptr(table->address);
	u32 i;

	for (i = 0; i < min(session->attachment_count, table->count); i++) {
		if (put_user(stapvm_kprobe_missed(&session->attachments[i]), &user[i]))
			return -EFAULT;
	}
	return 0;
}

int stapvm_session_table(struct stapvm_session *session, const struct stapvm_table *table)
{
	switch (table->kind) {
	case STAPVM_TABLE_LOCKS:
		return lock_table(session, table);
	case STAPVM_TABLE_MISSED:
		return missed_table(session, table);
	case STAPVM_TABLE_TIMES:
		return stapvm_times_table(session, table);
	default:
		return -EINVAL;
	}
}

void stapvm_session_status(struct stapvm_session *session, struct stapvm_status *status)
{
	int cpu;

	status->state = atomic_read(&session->state);
	status->errors = atomic_read(&session->errors);
	status->failure = atomic_read(&session->failure);
	status->late_failed = READ_ONCE(session->late_failed);
	status->overload_cycles = READ_ONCE(session->overload_cycles);
	status->overload_span = READ_ONCE(session->overload_span);
	for_each_possible_cpu(cpu) {
		const struct stapvm_counters *counters = per_cpu_ptr(session->counters, cpu);

		status->fired += READ_ONCE(counters->fired);
		status->handled += READ_ONCE(counters->handled);
		status->skipped_lock += READ_ONCE(counters->skipped_lock);
		status->skipped_reentrant += READ_ONCE(counters->skipped_reentrant);
		status->skipped_overload += READ_ONCE(counters->skipped_overload);
		status->skipped_low_stack += READ_ONCE(counters->skipped_low_stack);
		status->produced += READ_ONCE(counters->produced);
		status->lost += READ_ONCE(counters->lost);
	}
	status->skipped_missed = stapvm_attach_missed(session) - session->missed_before;
}

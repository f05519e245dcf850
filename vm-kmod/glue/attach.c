// SPDX-License-Identifier: GPL-2.0-or-later
/* Attachments: which file of this folder arms which kind of probe. */
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/tracepoint.h>

#include "stapvm.h"

#define MIN_TIMER_NS		1000ULL
#define MAX_TIMER_NS		(1ULL << 61)
#define MAX_PROFILE_HZ		10000ULL
#define MAX_MAXACTIVE		65536ULL
#define MAX_NAME_LENGTH		511
#define MAX_WATCHED_BYTES	8ULL

static bool is_name(const struct stapvm_attachment *attachment)
{
	return attachment->name_length && attachment->name_length <= MAX_NAME_LENGTH;
}

/* Does the record have what its kind of probe needs? */
int stapvm_attach_check(const struct stapvm_attachment *attachment)
{
	bool good = false;

	switch (attachment->kind) {
	case STAPVM_PROBE_BEGIN:
	case STAPVM_PROBE_END:
	case STAPVM_PROBE_ERROR:
	case STAPVM_PROBE_NEVER:
		good = true;
		break;
	case STAPVM_PROBE_TIMER:
		good = attachment->value >= MIN_TIMER_NS && attachment->value <= MAX_TIMER_NS &&
		       attachment->extra <= MAX_TIMER_NS;
		break;
	case STAPVM_PROBE_FUNCTION_ENTRY:
		good = attachment->address || is_name(attachment);
		break;
	case STAPVM_PROBE_FUNCTION_RETURN:
		good = (attachment->address || is_name(attachment)) &&
		       attachment->extra <= MAX_MAXACTIVE;
		break;
	case STAPVM_PROBE_STATEMENT:
		good = attachment->address != 0;
		break;
	case STAPVM_PROBE_TRACEPOINT:
		good = is_name(attachment);
		break;
	case STAPVM_PROBE_SYSCALL_ENTRY:
	case STAPVM_PROBE_SYSCALL_EXIT:
		/* A number that this kernel lacks fails when it is attached: it may be optional. */
		good = true;
		break;
	case STAPVM_PROBE_PROFILE:
		good = attachment->value <= MAX_PROFILE_HZ;
		break;
	case STAPVM_PROBE_PERF:
		good = attachment->address <= U32_MAX && attachment->extra;
		break;
	case STAPVM_PROBE_WATCHPOINT:
		good = attachment->address && attachment->value &&
		       attachment->value <= MAX_WATCHED_BYTES;
		break;
	case STAPVM_PROBE_PROCFS_READ:
	case STAPVM_PROBE_PROCFS_WRITE:
		good = is_name(attachment) && stapvm_procfs_good(attachment);
		break;
	case STAPVM_PROBE_NETFILTER:
		good = stapvm_netfilter_good(attachment);
		break;
	}
	return good ? 0 : -EINVAL;
}

static int attach(struct stapvm_attachment *attachment)
{
	switch (attachment->kind) {
	case STAPVM_PROBE_FUNCTION_ENTRY:
	case STAPVM_PROBE_STATEMENT:
		return attachment->via_ftrace ? 0 : stapvm_kprobe_attach(attachment);
	case STAPVM_PROBE_FUNCTION_RETURN:
		return attachment->via_ftrace ? 0 : stapvm_kretprobe_attach(attachment);
	case STAPVM_PROBE_TRACEPOINT:
		return stapvm_tracepoint_attach(attachment);
	case STAPVM_PROBE_SYSCALL_ENTRY:
	case STAPVM_PROBE_SYSCALL_EXIT:
		return stapvm_syscall_attach(attachment);
	case STAPVM_PROBE_PROFILE:
	case STAPVM_PROBE_PERF:
	case STAPVM_PROBE_WATCHPOINT:
		return stapvm_perf_attach(attachment);
	case STAPVM_PROBE_NETFILTER:
		return stapvm_netfilter_attach(attachment);
	default:
		/* Begin, end and error probes are always ready; timers start last. */
		return 0;
	}
}

/* Does the kernel have to be changed for it, and be left alone again afterwards? */
static bool hooks_into_kernel(const struct stapvm_attachment *attachment)
{
	switch (attachment->kind) {
	case STAPVM_PROBE_BEGIN:
	case STAPVM_PROBE_END:
	case STAPVM_PROBE_ERROR:
	case STAPVM_PROBE_NEVER:
		return false;
	default:
		return true;
	}
}

/*
 * Not here now, but its module may still come: so it is with functions of modules at
 * any time, and with tracepoints until the modules have been looked through.
 */
static bool may_come(const struct stapvm_attachment *attachment, int error)
{
	return error == -ENOENT &&
	       (attachment->module || attachment->kind == STAPVM_PROBE_TRACEPOINT);
}

static int failed(struct stapvm_start *start, u32 index, int error)
{
	start->failed_attachment = index;
	start->error = error;
	return error;
}

static int arm_all(struct stapvm_session *session, struct stapvm_start *start)
{
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];
		int error = signal_pending(current) ? -EINTR : attach(attachment);

		if (!error) {
			attachment->armed = true;
			start->attached++;
		} else if (may_come(attachment, error)) {
			continue;
		} else if (error != -EINTR && attachment->flags & STAPVM_ATTACH_OPTIONAL) {
			start->optional_failed++;
		} else {
			return failed(start, i, error);
		}
		cond_resched();
	}
	return 0;
}

/* Tracepoints that are not in any module either. */
static int check_tracepoints(struct stapvm_session *session, struct stapvm_start *start)
{
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (attachment->kind != STAPVM_PROBE_TRACEPOINT || READ_ONCE(attachment->armed))
			continue;
		if (!(attachment->flags & STAPVM_ATTACH_OPTIONAL))
			return failed(start, i, -ENOENT);
		start->optional_failed++;
	}
	return 0;
}

/*
 * Arms everything but timers. On failure `start` says which attachment failed; what
 * is armed then stays so until stapvm_detach_all.
 */
int stapvm_attach_all(struct stapvm_session *session, struct stapvm_start *start)
{
	u32 i;
	int error;

	for (i = 0; i < session->attachment_count; i++)
		session->hooked |= hooks_into_kernel(&session->attachments[i]);
	/* First, so that no module slips in between a look and the watch. */
	error = stapvm_module_watch(session);
	if (!error)
		error = stapvm_perf_watch(session);
	if (error)
		return error;
	stapvm_tracepoint_find(session);
	mutex_lock(&session->attach_mutex);
	stapvm_ftrace_attach_all(session);
	error = arm_all(session, start);
	mutex_unlock(&session->attach_mutex);
	if (error)
		return error;
	error = stapvm_tracepoint_watch(session);
	if (!error)
		error = check_tracepoints(session, start);
	if (error)
		return error;
	error = stapvm_procfs_attach_all(session, &i);
	return error ? failed(start, i, error) : 0;
}

/* Begin probes may take long, and the first period begins after them. */
void stapvm_attach_timers(struct stapvm_session *session)
{
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		if (session->attachments[i].kind == STAPVM_PROBE_TIMER)
			stapvm_timer_start(&session->attachments[i]);
	}
}

static void detach_one(struct stapvm_attachment *attachment)
{
	switch (attachment->kind) {
	case STAPVM_PROBE_TIMER:
		stapvm_timer_detach(attachment);
		break;
	case STAPVM_PROBE_TRACEPOINT:
		stapvm_tracepoint_detach(attachment);
		break;
	case STAPVM_PROBE_PROFILE:
	case STAPVM_PROBE_PERF:
	case STAPVM_PROBE_WATCHPOINT:
		stapvm_perf_detach(attachment);
		break;
	case STAPVM_PROBE_NETFILTER:
		stapvm_netfilter_detach(attachment);
		break;
	}
}

/*
 * Disarms everything. When it returns, no handler runs and none will. Waiting for that
 * takes grace periods, tens of milliseconds, so it is done once and only if need be.
 */
void stapvm_detach_all(struct stapvm_session *session)
{
	u32 i;

	/* From here on nobody but us arms or disarms. */
	stapvm_module_unwatch(session);
	stapvm_tracepoint_unwatch(session);
	stapvm_perf_unwatch(session);
	stapvm_procfs_detach_all(session);
	if (!session->hooked)
		return;
	session->hooked = false;
	for (i = 0; i < session->attachment_count; i++) {
		if (session->attachments[i].armed)
			detach_one(&session->attachments[i]);
	}
	stapvm_syscall_detach_all(session);
	stapvm_ftrace_detach_all(session);
	stapvm_kprobe_detach_all(session);
	for (i = 0; i < session->attachment_count; i++)
		session->attachments[i].armed = false;
	/* Of tracepoints and, since handlers run with preemption off, of all else. */
	tracepoint_synchronize_unregister();
}

/* Hits that the kernel did not hand to us. */
u64 stapvm_attach_missed(struct stapvm_session *session)
{
	u64 missed = 0;
	u32 i;

	for (i = 0; i < session->attachment_count; i++)
		missed += stapvm_kprobe_missed(&session->attachments[i]);
	return missed;
}

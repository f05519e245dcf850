// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * System calls, by number: one registration on each of sys_enter and sys_exit for
 * the whole session, and a table from numbers to attachments. Calls of 32-bit
 * programs have other numbers and are not seen.
 */
#include <asm/syscall.h>
#include <linux/tracepoint.h>

#include "stapvm.h"

/* Attachments in a chain, each called for its number. */
struct chain {
	struct stapvm_attachment *first;
	struct stapvm_attachment *last;
};

struct side {
	struct chain by_number[NR_syscalls];
	struct chain any;
	struct tracepoint *tracepoint;
	bool registered;
};

struct stapvm_syscalls {
	struct side entry;
	struct side exit;
};

static bool exists_here(u64 number)
{
	return number < NR_syscalls || number == STAPVM_ANY_SYSCALL;
}

static bool is_syscall(const struct stapvm_attachment *attachment)
{
	return attachment->kind == STAPVM_PROBE_SYSCALL_ENTRY ||
	       attachment->kind == STAPVM_PROBE_SYSCALL_EXIT;
}

/* Makes the (empty) tables if the session has use for them. */
int stapvm_syscall_prepare(struct stapvm_session *session)
{
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		if (is_syscall(&session->attachments[i]))
			break;
	}
	if (i == session->attachment_count)
		return 0;
	session->syscalls = stapvm_alloc(sizeof(*session->syscalls));
	return session->syscalls ? 0 : -ENOMEM;
}

static __always_inline void run_chain(const struct chain *chain, struct stapvm_hit *hit)
{
	struct stapvm_attachment *attachment = smp_load_acquire(&chain->first);

	for (; attachment; attachment = READ_ONCE(attachment->next_syscall)) {
		hit->attachment = attachment;
		stapvm_hit(hit);
	}
}

static __always_inline void dispatch(const struct side *side, struct stapvm_hit *hit)
{
	if (in_ia32_syscall())
		return;
	if (hit->syscall_number >= 0 && hit->syscall_number < NR_syscalls)
		run_chain(&side->by_number[hit->syscall_number], hit);
	run_chain(&side->any, hit);
}

static __kprobes void on_enter(void *data, struct pt_regs *regs, long number)
{
	struct stapvm_session *session = data;
	struct stapvm_hit hit = {
		.session = session,
		.regs = regs,
		.syscall_number = number,
	};

	dispatch(&session->syscalls->entry, &hit);
}

static __kprobes void on_exit(void *data, struct pt_regs *regs, long result)
{
	struct stapvm_session *session = data;
	struct stapvm_hit hit = {
		.session = session,
		.regs = regs,
		.syscall_number = syscall_get_nr(current, regs),
		.result = result,
	};

	dispatch(&session->syscalls->exit, &hit);
}

static int register_side(struct stapvm_session *session, struct side *side, const char *name,
			 void *function)
{
	int error;

	if (side->registered)
		return 0;
	side->tracepoint = stapvm_tracepoint_by_name(name);
	if (!side->tracepoint)
		return -ENOENT;
	error = tracepoint_probe_register(side->tracepoint, function, session);
	side->registered = !error;
	return error;
}

/* Handlers may walk the chain meanwhile. */
static void append(struct chain *chain, struct stapvm_attachment *attachment)
{
	if (chain->last)
		smp_store_release(&chain->last->next_syscall, attachment);
	else
		smp_store_release(&chain->first, attachment);
	chain->last = attachment;
}

int stapvm_syscall_attach(struct stapvm_attachment *attachment)
{
	struct stapvm_session *session = attachment->session;
	struct side *side;
	int error;

	if (!exists_here(attachment->value))
		return -ENOENT;

	if (attachment->kind == STAPVM_PROBE_SYSCALL_ENTRY) {
		side = &session->syscalls->entry;
		error = register_side(session, side, "sys_enter", on_enter);
	} else {
		side = &session->syscalls->exit;
		error = register_side(session, side, "sys_exit", on_exit);
	}
	if (error)
		return error;
	if (attachment->value == STAPVM_ANY_SYSCALL)
		append(&side->any, attachment);
	else
		append(&side->by_number[attachment->value], attachment);
	return 0;
}

static void unregister_side(struct stapvm_session *session, struct side *side, void *function)
{
	if (side->registered)
		tracepoint_probe_unregister(side->tracepoint, function, session);
	side->registered = false;
}

/* Chains stay as they are: a handler may be walking one. */
void stapvm_syscall_detach_all(struct stapvm_session *session)
{
	if (!session->syscalls)
		return;
	unregister_side(session, &session->syscalls->entry, on_enter);
	unregister_side(session, &session->syscalls->exit, on_exit);
}

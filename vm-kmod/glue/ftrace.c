// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Functions' entries and returns the cheap way: a callback of ftrace's for the whole
 * session, and another one, which costs more, for handlers that look at registers
 * other than the arguments'.
 *
 * A hit costs a quarter of a kprobe's, and any number of functions is armed by one
 * pass over the kernel's text instead of one each. What ftrace cannot take (a
 * function without a call to it, or a kernel that refuses) is left to kprobe.c, and
 * so is the way from a function's entry to its return.
 */
#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/overflow.h>

#include "compat.h"
#include "stapvm.h"

/* From the function's address to the place that ftrace patches. */
#ifdef CONFIG_X86_KERNEL_IBT
#define ENDBR_BYTES	4
#else
#define ENDBR_BYTES	0
#endif

struct stapvm_ftrace {
	struct ftrace_ops ops;
	struct stapvm_session *session;
	enum stapvm_registers registers;
	u32 bits;
	struct stapvm_attachment *buckets[];
};

static __always_inline struct stapvm_attachment **bucket(struct stapvm_ftrace *ftrace, u64 address)
{
	return &ftrace->buckets[hash_64(address, ftrace->bits)];
}

static __always_inline void run_at(struct stapvm_ftrace *ftrace, u64 address,
				   struct stapvm_hit *hit)
{
	struct stapvm_attachment *attachment = *bucket(ftrace, address);

	for (; attachment; attachment = attachment->ftrace_next) {
		if (attachment->address != address)
			continue;
		if (attachment->kind == STAPVM_PROBE_FUNCTION_RETURN) {
			stapvm_kretprobe_enter(attachment, hit->regs);
			continue;
		}
		hit->attachment = attachment;
		stapvm_hit(hit);
	}
}

/*
 * ftrace turns preemption off and guards against recursion, as it does for kprobes.
 * Without FTRACE_OPS_FL_SAVE_REGS only the arguments and the stack pointer are valid,
 * and cs is 0, which reads as kernel mode.
 */
static __kprobes void on_function(unsigned long ip, unsigned long parent_ip,
				  struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct stapvm_ftrace *ftrace = container_of(ops, struct stapvm_ftrace, ops);
	struct stapvm_hit hit = {
		.session = ftrace->session,
		.regs = stapvm_ftrace_registers(fregs),
	};

	run_at(ftrace, ip, &hit);
	if (ENDBR_BYTES)
		run_at(ftrace, ip - ENDBR_BYTES, &hit);
}

/* What the handler that runs at the function's entry, if any, wants to see. */
static enum stapvm_registers wanted(const struct stapvm_attachment *attachment)
{
	const struct stapvm_probe *probes = attachment->session->probes;
	bool all = false;

	if (attachment->kind == STAPVM_PROBE_FUNCTION_ENTRY)
		all = probes[attachment->probe].needs_registers;
	else if (attachment->has_entry)
		all = probes[attachment->entry_probe].needs_registers;
	return all ? STAPVM_REGISTERS_ALL : STAPVM_REGISTERS_ARGUMENTS;
}

static bool is_eligible(const struct stapvm_attachment *attachment,
			enum stapvm_registers registers)
{
	if (attachment->kind != STAPVM_PROBE_FUNCTION_ENTRY &&
	    attachment->kind != STAPVM_PROBE_FUNCTION_RETURN)
		return false;
	/* What is armed for a module's address could fire in the next module there. */
	return attachment->address && !attachment->module && wanted(attachment) == registers;
}

/* Adds addresses to the filter; those in a part that cannot be split are left out. */
static void filter(struct ftrace_ops *ops, unsigned long *addresses, u32 count)
{
	/* A stack of parts to do, each at most half of the one before it. */
	struct { u32 first, count; } parts[33];
	u32 depth = 0;

	if (count)
		parts[depth++] = (typeof(parts[0])){ 0, count };
	while (depth) {
		typeof(parts[0]) part = parts[--depth];
		u32 half = part.count / 2;

		if (!ftrace_set_filter_ips(ops, &addresses[part.first], part.count, 0, 0))
			continue;
		if (part.count == 1) {
			addresses[part.first] = 0;
			continue;
		}
		parts[depth++] = (typeof(parts[0])){ part.first, half };
		parts[depth++] = (typeof(parts[0])){ part.first + half, part.count - half };
		cond_resched();
	}
}

static void insert(struct stapvm_ftrace *ftrace, struct stapvm_attachment *attachment)
{
	struct stapvm_attachment **end = bucket(ftrace, attachment->address);

	while (*end)
		end = &(*end)->ftrace_next;
	*end = attachment;
	attachment->via_ftrace = true;
}

static u32 gather(struct stapvm_session *session, enum stapvm_registers registers,
		  unsigned long *addresses)
{
	u32 i, count = 0;

	for (i = 0; i < session->attachment_count; i++) {
		if (!is_eligible(&session->attachments[i], registers))
			continue;
		if (addresses)
			addresses[count] = session->attachments[i].address;
		count++;
	}
	return count;
}

/* Takes what the filter took; returns how many. */
static u32 take(struct stapvm_session *session, struct stapvm_ftrace *ftrace,
		const unsigned long *addresses)
{
	u32 i, at = 0, taken = 0;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (!is_eligible(attachment, ftrace->registers))
			continue;
		if (!addresses[at++])
			continue;
		/* Whoever arms the rest is told the same error. */
		if (attachment->kind == STAPVM_PROBE_FUNCTION_RETURN &&
		    stapvm_kretprobe_prepare(attachment))
			continue;
		insert(ftrace, attachment);
		taken++;
		cond_resched();
	}
	return taken;
}

static void leave(struct stapvm_session *session, const struct stapvm_ftrace *ftrace)
{
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (!attachment->via_ftrace || wanted(attachment) != ftrace->registers)
			continue;
		if (attachment->kind == STAPVM_PROBE_FUNCTION_RETURN)
			stapvm_kprobe_detach_one(attachment);
		attachment->via_ftrace = false;
		attachment->ftrace_next = NULL;
	}
}

static void attach_with(struct stapvm_session *session, enum stapvm_registers registers)
{
	u32 count = gather(session, registers, NULL);
	u32 bits = count ? max(1, ilog2(count) + 1) : 1;
	struct stapvm_ftrace *ftrace = NULL;
	unsigned long *addresses = NULL;

	if (!count)
		return;
	addresses = stapvm_alloc_array(count, sizeof(*addresses));
	ftrace = stapvm_alloc(struct_size(ftrace, buckets, 1UL << bits));
	if (!addresses || !ftrace)
		goto free;
	ftrace->session = session;
	ftrace->registers = registers;
	ftrace->bits = bits;
	ftrace->ops.func = on_function;
	ftrace->ops.flags = FTRACE_OPS_FL_RECURSION;
	if (registers == STAPVM_REGISTERS_ALL)
		ftrace->ops.flags |= FTRACE_OPS_FL_SAVE_REGS;
	gather(session, registers, addresses);
	filter(&ftrace->ops, addresses, count);
	/* An empty filter would mean every function. */
	if (!take(session, ftrace, addresses))
		goto free_filter;
	if (register_ftrace_function(&ftrace->ops)) {
		leave(session, ftrace);
		goto free_filter;
	}
	session->ftrace[registers] = ftrace;
	ftrace = NULL;
free_filter:
	if (ftrace)
		ftrace_free_filter(&ftrace->ops);
free:
	stapvm_free(ftrace);
	stapvm_free(addresses);
}

/* Arms what it can; the rest, which may be all, has via_ftrace unset. */
void stapvm_ftrace_attach_all(struct stapvm_session *session)
{
	attach_with(session, STAPVM_REGISTERS_ARGUMENTS);
	attach_with(session, STAPVM_REGISTERS_ALL);
}

/*
 * Waits until no CPU is in the callbacks. Returns of functions that have been entered
 * still come, until their kretprobes are unregistered.
 */
void stapvm_ftrace_detach_all(struct stapvm_session *session)
{
	enum stapvm_registers registers;

	for (registers = 0; registers < STAPVM_REGISTERS_COUNT; registers++) {
		struct stapvm_ftrace *ftrace = session->ftrace[registers];

		if (!ftrace)
			continue;
		unregister_ftrace_function(&ftrace->ops);
		ftrace_free_filter(&ftrace->ops);
		stapvm_free(ftrace);
		session->ftrace[registers] = NULL;
	}
}

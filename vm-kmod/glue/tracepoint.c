// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tracepoints of the kernel, by name.
 *
 * One function serves all of them: a tracepoint calls its probes as ordinary
 * functions, so one that takes the most arguments a program can ask for finds in
 * the first ones what the tracepoint passed. The rest is whatever lies on the
 * stack, which the loader, knowing the tracepoint's prototype, does not let a
 * program read; reading it is harmless.
 */
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "stapvm.h"

static noinline __kprobes void on_tracepoint(void *data, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4,
					     u64 a5, u64 a6, u64 a7, u64 a8, u64 a9, u64 a10,
					     u64 a11)
{
	struct stapvm_attachment *attachment = data;
	const u64 arguments[STAPVM_TRACE_ARGUMENTS] = {
		a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11,
	};
	struct stapvm_hit hit = {
		.session = attachment->session,
		.attachment = attachment,
		.trace_arguments = arguments,
	};

	stapvm_hit(&hit);
}

static bool has_name(const struct stapvm_attachment *attachment, const char *name, size_t length)
{
	return attachment->name_length == length && !memcmp(attachment->name, name, length);
}

static void offer(struct tracepoint *tracepoint, void *data)
{
	struct stapvm_session *session = data;
	size_t length = strlen(tracepoint->name);
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (attachment->kind == STAPVM_PROBE_TRACEPOINT &&
		    has_name(attachment, tracepoint->name, length))
			attachment->tracepoint = tracepoint;
	}
}

/* Finds the tracepoints of all attachments in one pass. */
void stapvm_tracepoint_find(struct stapvm_session *session)
{
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		if (session->attachments[i].kind == STAPVM_PROBE_TRACEPOINT) {
			for_each_kernel_tracepoint(offer, session);
			return;
		}
	}
}

struct search {
	const char *name;
	struct tracepoint *found;
};

static void compare(struct tracepoint *tracepoint, void *data)
{
	struct search *search = data;

	if (!strcmp(tracepoint->name, search->name))
		search->found = tracepoint;
}

struct tracepoint *stapvm_tracepoint_by_name(const char *name)
{
	struct search search = { .name = name };

	for_each_kernel_tracepoint(compare, &search);
	return search.found;
}

int stapvm_tracepoint_attach(struct stapvm_attachment *attachment)
{
	if (!attachment->tracepoint)
		return -ENOENT;
	return tracepoint_probe_register(attachment->tracepoint, on_tracepoint, attachment);
}

/* The caller waits for running handlers. */
void stapvm_tracepoint_detach(struct stapvm_attachment *attachment)
{
	tracepoint_probe_unregister(attachment->tracepoint, on_tracepoint, attachment);
}

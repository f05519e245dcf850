// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tracepoints of the kernel and of modules, by name.
 *
 * One function serves all of them: a tracepoint calls its probes as ordinary
 * functions, so one that takes the most arguments a program can ask for finds in
 * the first ones what the tracepoint passed. The rest is whatever lies on the
 * stack, which the loader, knowing the tracepoint's prototype, does not let a
 * program read; reading it is harmless.
 */
#include <linux/module.h>
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

/* A module with tracepoints came: arm those that somebody waits for. */
static void tracepoints_came(struct stapvm_session *session, struct module *module)
{
	unsigned int i, n;

	for (n = 0; n < module->num_tracepoints; n++)
		offer(tracepoint_ptr_deref(&module->tracepoints_ptrs[n]), session);
	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (attachment->kind != STAPVM_PROBE_TRACEPOINT || attachment->armed ||
		    !attachment->tracepoint)
			continue;
		if (stapvm_tracepoint_attach(attachment))
			session->late_failed++;
		else
			attachment->armed = true;
	}
}

static bool is_of(const struct tracepoint *tracepoint, struct module *module)
{
	unsigned int n;

	for (n = 0; n < module->num_tracepoints; n++) {
		if (tracepoint_ptr_deref(&module->tracepoints_ptrs[n]) == tracepoint)
			return true;
	}
	return false;
}

static void tracepoints_go(struct stapvm_session *session, struct module *module)
{
	bool any = false;
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (attachment->kind != STAPVM_PROBE_TRACEPOINT || !attachment->tracepoint ||
		    !is_of(attachment->tracepoint, module))
			continue;
		if (attachment->armed)
			stapvm_tracepoint_detach(attachment);
		attachment->armed = false;
		attachment->tracepoint = NULL;
		any = true;
	}
	if (any)
		tracepoint_synchronize_unregister();
}

static int on_tracepoints(struct notifier_block *block, unsigned long state, void *data)
{
	struct stapvm_session *session =
		container_of(block, struct stapvm_session, tracepoints);
	struct tp_module *tracepoints = data;

	mutex_lock(&session->attach_mutex);
	if (state == MODULE_STATE_COMING)
		tracepoints_came(session, tracepoints->mod);
	else if (state == MODULE_STATE_GOING)
		tracepoints_go(session, tracepoints->mod);
	mutex_unlock(&session->attach_mutex);
	return NOTIFY_OK;
}

/*
 * Arms what is in modules, now and whenever one comes. Those there are now are told of
 * before this returns. Without the attach mutex: the kernel has its own around this.
 */
int stapvm_tracepoint_watch(struct stapvm_session *session)
{
	int error;
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		if (session->attachments[i].kind == STAPVM_PROBE_TRACEPOINT &&
		    !session->attachments[i].armed)
			break;
	}
	if (i == session->attachment_count)
		return 0;
	session->tracepoints.notifier_call = on_tracepoints;
	error = register_tracepoint_module_notifier(&session->tracepoints);
	session->tracepoints_watched = !error;
	return error;
}

void stapvm_tracepoint_unwatch(struct stapvm_session *session)
{
	if (session->tracepoints_watched)
		unregister_tracepoint_module_notifier(&session->tracepoints);
	session->tracepoints_watched = false;
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

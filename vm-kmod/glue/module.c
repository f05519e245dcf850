// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Functions of modules: their probes are armed when the module comes, before its init
 * function runs, and go when it goes. The kernel tells of both with the module's text in
 * place; it has itself put the kprobes of a module that goes out of use by then.
 */
#include <linux/module.h>
#include <linux/string.h>

#include "stapvm.h"

/* Names of modules are the same with dashes and underscores. */
bool stapvm_in_module(const struct stapvm_attachment *attachment, const char *module)
{
	size_t i;

	if (!attachment->module || strlen(module) != attachment->module_length)
		return false;
	for (i = 0; i < attachment->module_length; i++) {
		char wanted = attachment->module[i];

		if (module[i] != (wanted == '-' ? '_' : wanted))
			return false;
	}
	return true;
}

static int attach(struct stapvm_attachment *attachment)
{
	if (attachment->kind == STAPVM_PROBE_FUNCTION_RETURN)
		return stapvm_kretprobe_attach(attachment);
	return stapvm_kprobe_attach(attachment);
}

static void module_came(struct stapvm_session *session, const char *name)
{
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (attachment->armed || !stapvm_in_module(attachment, name))
			continue;
		if (!attach(attachment))
			attachment->armed = true;
		else if (!(attachment->flags & STAPVM_ATTACH_OPTIONAL))
			session->late_failed++;
	}
}

static void module_goes(struct stapvm_session *session, const char *name)
{
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (!attachment->armed || !stapvm_in_module(attachment, name))
			continue;
		stapvm_kprobe_detach_one(attachment);
		attachment->armed = false;
	}
}

static int on_module(struct notifier_block *block, unsigned long state, void *data)
{
	struct stapvm_session *session = container_of(block, struct stapvm_session, modules);
	const struct module *module = data;

	mutex_lock(&session->attach_mutex);
	if (state == MODULE_STATE_COMING)
		module_came(session, module->name);
	else if (state == MODULE_STATE_GOING)
		module_goes(session, module->name);
	mutex_unlock(&session->attach_mutex);
	return NOTIFY_OK;
}

int stapvm_module_watch(struct stapvm_session *session)
{
	int error;
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		if (session->attachments[i].module)
			break;
	}
	if (i == session->attachment_count)
		return 0;
	session->modules.notifier_call = on_module;
	error = register_module_notifier(&session->modules);
	session->modules_watched = !error;
	return error;
}

/* Waits for a notification that is under way. */
void stapvm_module_unwatch(struct stapvm_session *session)
{
	if (session->modules_watched)
		unregister_module_notifier(&session->modules);
	session->modules_watched = false;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Functions' entries and returns, and single instructions.
 *
 * The kernel registers kprobes one by one whatever the caller does, so registering
 * them here one by one loses nothing and tells which one failed. Unregistering is
 * another matter: a batch waits once for running handlers instead of once for each.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "stapvm.h"

#define BATCH	256

static __kprobes int on_entry(struct kprobe *probe, struct pt_regs *regs)
{
	struct stapvm_attachment *attachment =
		container_of(probe, struct stapvm_attachment, kprobe.probe);
	struct stapvm_hit hit = {
		.session = attachment->session,
		.attachment = attachment,
		.regs = regs,
		/* Unless ftrace brought us here, a breakpoint may have. */
		.through_trap = !kprobe_ftrace(probe),
	};

	stapvm_hit(&hit);
	return 0;
}

static __kprobes int on_return(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct kretprobe *probe = get_kretprobe(instance);
	struct stapvm_attachment *attachment;
	struct stapvm_hit hit = { .regs = regs };

	if (unlikely(!probe))
		return 0;
	attachment = container_of(probe, struct stapvm_attachment, kretprobe.probe);
	hit.saved = probe->data_size ? (struct stapvm_saved *)instance->data : NULL;
	hit.return_address = get_kretprobe_retaddr(instance);
	hit.session = attachment->session;
	hit.attachment = attachment;
	stapvm_hit(&hit);
	return 0;
}

/*
 * The entry of a function whose return probe wants to know something of it. Unless
 * that was kept, the return is not a hit: what skipped it has been counted.
 */
static __kprobes int on_entry_of_return(struct kretprobe_instance *instance,
					struct pt_regs *regs)
{
	struct kretprobe *probe = get_kretprobe(instance);
	struct stapvm_attachment *attachment;
	struct stapvm_hit hit = { .regs = regs, .at_entry = true };

	if (unlikely(!probe))
		return 1;
	attachment = container_of(probe, struct stapvm_attachment, kretprobe.probe);
	hit.saved = (struct stapvm_saved *)instance->data;
	hit.session = attachment->session;
	hit.attachment = attachment;
	hit.through_trap = !kprobe_ftrace(&probe->kp);
	memset(instance->data, 0, probe->data_size);
	stapvm_hit(&hit);
	return !hit.finished;
}

/* Bytes that are kept from the entry to the return. */
static size_t saved_bytes(const struct stapvm_attachment *attachment)
{
	const struct stapvm_probe *probe = &attachment->session->probes[attachment->probe];

	return probe->saved_longs * sizeof(s64) +
	       probe->saved_strings * sizeof(struct stapvm_saved_string);
}

/*
 * Names the place in the kprobe: the address if the loader knows it, or the name. A
 * module may have gone and come again since the loader looked, so it goes by names.
 */
static int set_place(const struct stapvm_attachment *attachment, struct kprobe *probe,
		     char **symbol)
{
	if (attachment->address && !attachment->module) {
		probe->addr = (kprobe_opcode_t *)(unsigned long)attachment->address;
		return 0;
	}
	if (attachment->module)
		*symbol = kasprintf(GFP_KERNEL_ACCOUNT, "%.*s:%.*s",
				    (int)attachment->module_length, attachment->module,
				    (int)attachment->name_length, attachment->name);
	else
		*symbol = kmemdup_nul(attachment->name, attachment->name_length,
				      GFP_KERNEL_ACCOUNT);
	if (!*symbol)
		return -ENOMEM;
	probe->symbol_name = *symbol;
	return 0;
}

int stapvm_kprobe_attach(struct stapvm_attachment *attachment)
{
	struct kprobe *probe = &attachment->kprobe.probe;
	int error;

	probe->pre_handler = on_entry;
	error = set_place(attachment, probe, &attachment->kprobe.symbol);
	if (error)
		return error;
	error = register_kprobe(probe);
	if (error) {
		kfree(attachment->kprobe.symbol);
		attachment->kprobe.symbol = NULL;
	}
	return error;
}

static int default_maxactive(void)
{
	return max(15U, 6 * num_possible_cpus());
}

static int register_return(struct stapvm_attachment *attachment, u32 flags)
{
	struct kretprobe *probe = &attachment->kretprobe.probe;
	int error;

	probe->kp.flags = flags;
	probe->handler = on_return;
	if (attachment->has_entry) {
		probe->entry_handler = on_entry_of_return;
		probe->data_size = saved_bytes(attachment);
	}
	probe->maxactive = attachment->extra ? (int)attachment->extra : default_maxactive();
	error = set_place(attachment, &probe->kp, &attachment->kretprobe.symbol);
	if (error)
		return error;
	error = register_kretprobe(probe);
	if (error) {
		kfree(attachment->kretprobe.symbol);
		attachment->kretprobe.symbol = NULL;
	}
	return error;
}

int stapvm_kretprobe_attach(struct stapvm_attachment *attachment)
{
	return register_return(attachment, 0);
}

/* A kretprobe that is never armed: stapvm_kretprobe_enter does what its kprobe would. */
int stapvm_kretprobe_prepare(struct stapvm_attachment *attachment)
{
	return register_return(attachment, KPROBE_FLAG_DISABLED);
}

/*
 * The entry of a function whose return is to be caught. When it is, the kernel forgets
 * the kprobe at work on this CPU, which must not be one that waits for its instruction
 * to be stepped over. Handlers of such run in what counts as an NMI.
 */
__kprobes void stapvm_kretprobe_enter(struct stapvm_attachment *attachment,
				      struct pt_regs *regs)
{
	struct kretprobe *probe = &attachment->kretprobe.probe;

	if (unlikely(in_nmi()))
		probe->nmissed++;
	else
		probe->kp.pre_handler(&probe->kp, regs);
}

static bool is_kprobe(const struct stapvm_attachment *attachment)
{
	return (attachment->kind == STAPVM_PROBE_FUNCTION_ENTRY && !attachment->via_ftrace) ||
	       attachment->kind == STAPVM_PROBE_STATEMENT;
}

static bool is_kretprobe(const struct stapvm_attachment *attachment)
{
	return attachment->kind == STAPVM_PROBE_FUNCTION_RETURN;
}

/* Armed probes gathered until there are enough for one wait. */
struct batch {
	struct kprobe *kprobes[BATCH];
	struct kretprobe *kretprobes[BATCH];
	int kprobe_count;
	int kretprobe_count;
};

static void flush(struct batch *batch)
{
	if (batch->kprobe_count)
		unregister_kprobes(batch->kprobes, batch->kprobe_count);
	if (batch->kretprobe_count)
		unregister_kretprobes(batch->kretprobes, batch->kretprobe_count);
	batch->kprobe_count = 0;
	batch->kretprobe_count = 0;
}

static void gather(struct batch *batch, struct stapvm_attachment *attachment)
{
	if (is_kprobe(attachment))
		batch->kprobes[batch->kprobe_count++] = &attachment->kprobe.probe;
	else if (is_kretprobe(attachment))
		batch->kretprobes[batch->kretprobe_count++] = &attachment->kretprobe.probe;
	if (batch->kprobe_count == BATCH || batch->kretprobe_count == BATCH)
		flush(batch);
}

/* Without memory for batches each probe is a batch of its own: slow, but it must work. */
static void unregister_one(struct stapvm_attachment *attachment)
{
	if (is_kprobe(attachment))
		unregister_kprobe(&attachment->kprobe.probe);
	else if (is_kretprobe(attachment))
		unregister_kretprobe(&attachment->kretprobe.probe);
}

static void free_symbol(struct stapvm_attachment *attachment)
{
	if (is_kprobe(attachment)) {
		kfree(attachment->kprobe.symbol);
		attachment->kprobe.symbol = NULL;
	} else if (is_kretprobe(attachment)) {
		kfree(attachment->kretprobe.symbol);
		attachment->kretprobe.symbol = NULL;
	}
}

void stapvm_kprobe_detach_one(struct stapvm_attachment *attachment)
{
	attachment->missed = stapvm_kprobe_missed(attachment);
	unregister_one(attachment);
	free_symbol(attachment);
	memset(&attachment->kretprobe, 0, sizeof(attachment->kretprobe));
	memset(&attachment->kprobe, 0, sizeof(attachment->kprobe));
}

/* Armed, or prepared before arming was given up. */
static bool is_registered(const struct stapvm_attachment *attachment)
{
	return attachment->armed || attachment->via_ftrace;
}

void stapvm_kprobe_detach_all(struct stapvm_session *session)
{
	struct batch *batch = kzalloc(sizeof(*batch), GFP_KERNEL);
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (!is_registered(attachment))
			continue;
		if (batch)
			gather(batch, attachment);
		else
			unregister_one(attachment);
		cond_resched();
	}
	if (batch)
		flush(batch);
	kfree(batch);
	for (i = 0; i < session->attachment_count; i++) {
		if (is_registered(&session->attachments[i]))
			free_symbol(&session->attachments[i]);
	}
}

u64 stapvm_kprobe_missed(const struct stapvm_attachment *attachment)
{
	if (is_kprobe(attachment))
		return attachment->missed + READ_ONCE(attachment->kprobe.probe.nmissed);
	if (is_kretprobe(attachment))
		return attachment->missed + READ_ONCE(attachment->kretprobe.probe.nmissed) +
		       READ_ONCE(attachment->kretprobe.probe.kp.nmissed);
	return 0;
}

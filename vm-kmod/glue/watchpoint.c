// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Watched memory: a debug register on each CPU. The exception counts as an NMI; while
 * its handler runs the CPU watches nothing, so a handler may touch what is watched.
 */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>

#include "stapvm.h"

#define ACCESS_READS	2

static __kprobes void on_access(struct perf_event *event, struct perf_sample_data *data,
				struct pt_regs *regs)
{
	struct stapvm_attachment *attachment = event->overflow_handler_context;
	struct stapvm_hit hit = {
		.session = attachment->session,
		.attachment = attachment,
		.regs = regs,
		.through_trap = true,
	};

	stapvm_hit(&hit);
}

/* The next length that the hardware has. */
static u64 hardware_length(u64 bytes)
{
	if (bytes <= 1)
		return HW_BREAKPOINT_LEN_1;
	if (bytes <= 2)
		return HW_BREAKPOINT_LEN_2;
	return bytes <= 4 ? HW_BREAKPOINT_LEN_4 : HW_BREAKPOINT_LEN_8;
}

int stapvm_watchpoint_attach(struct stapvm_attachment *attachment)
{
	struct perf_event_attr attributes;
	struct perf_event * __percpu *events;

	hw_breakpoint_init(&attributes);
	attributes.bp_addr = attachment->address;
	attributes.bp_len = hardware_length(attachment->value);
	attributes.bp_type = attachment->extra & ACCESS_READS ? HW_BREAKPOINT_RW : HW_BREAKPOINT_W;
	events = register_wide_hw_breakpoint(&attributes, on_access, attachment);
	if (IS_ERR((void __force *)events))
		return PTR_ERR((void __force *)events);
	attachment->watchpoint = events;
	return 0;
}

void stapvm_watchpoint_detach(struct stapvm_attachment *attachment)
{
	unregister_wide_hw_breakpoint(attachment->watchpoint);
	attachment->watchpoint = NULL;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The profiling interrupt: a software clock event on each CPU. */
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/perf_event.h>
#include <linux/slab.h>

#include "stapvm.h"

static __kprobes void on_sample(struct perf_event *event, struct perf_sample_data *data,
				struct pt_regs *regs)
{
	struct stapvm_attachment *attachment = event->overflow_handler_context;
	struct stapvm_hit hit = {
		.session = attachment->session,
		.attachment = attachment,
		.regs = regs,
	};

	stapvm_hit(&hit);
}

int stapvm_profile_attach(struct stapvm_attachment *attachment)
{
	u64 hz = attachment->value ?: HZ;
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attributes),
		.sample_period = NSEC_PER_SEC / hz,
		.pinned = 1,
	};
	int cpu, error = 0;

	attachment->cpu_events = kcalloc(nr_cpu_ids, sizeof(*attachment->cpu_events),
					 GFP_KERNEL_ACCOUNT);
	if (!attachment->cpu_events)
		return -ENOMEM;
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		struct perf_event *event = perf_event_create_kernel_counter(
			&attributes, cpu, NULL, on_sample, attachment);

		if (IS_ERR(event)) {
			error = PTR_ERR(event);
			break;
		}
		attachment->cpu_events[cpu] = event;
	}
	cpus_read_unlock();
	if (error)
		stapvm_profile_detach(attachment);
	return error;
}

void stapvm_profile_detach(struct stapvm_attachment *attachment)
{
	unsigned int cpu;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		if (attachment->cpu_events[cpu])
			perf_event_release_kernel(attachment->cpu_events[cpu]);
	}
	kfree(attachment->cpu_events);
	attachment->cpu_events = NULL;
}

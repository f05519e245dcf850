// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Performance counters, and what the kernel makes of them: the profiling interrupt and
 * watched memory, which is a debug register on each CPU. Each is an event on each CPU.
 * Counters of the hardware go round in NMIs.
 *
 * CPUs may come and go while a session runs. The kernel takes the events of one that goes
 * out of use, so they are made anew when it is back; by a worker, since to make or free an
 * event may need the very lock that is held while a CPU comes or goes.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <linux/workqueue.h>

#include "stapvm.h"

#define ACCESS_READS	2

static enum cpuhp_state hotplug_state;

static __kprobes void on_sample(struct perf_event *event, struct perf_sample_data *data,
				struct pt_regs *regs)
{
	struct stapvm_attachment *attachment = event->overflow_handler_context;
	struct stapvm_hit hit = {
		.session = attachment->session,
		.attachment = attachment,
		.regs = regs,
		/*
		 * That of a debug register counts as an NMI. While its handler runs the CPU
		 * watches nothing, so a handler may touch what is watched.
		 */
		.through_trap = attachment->kind == STAPVM_PROBE_WATCHPOINT,
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

static struct perf_event_attr attributes_of_watchpoint(const struct stapvm_attachment *attachment)
{
	struct perf_event_attr attributes;

	hw_breakpoint_init(&attributes);
	attributes.bp_addr = attachment->address;
	attributes.bp_len = hardware_length(attachment->value);
	attributes.bp_type = attachment->extra & ACCESS_READS ? HW_BREAKPOINT_RW : HW_BREAKPOINT_W;
	return attributes;
}

static struct perf_event_attr attributes_of(const struct stapvm_attachment *attachment)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attributes),
		.pinned = 1,
	};

	if (attachment->kind == STAPVM_PROBE_WATCHPOINT)
		return attributes_of_watchpoint(attachment);
	if (attachment->kind == STAPVM_PROBE_PROFILE) {
		attributes.sample_period = NSEC_PER_SEC / (attachment->value ?: HZ);
		return attributes;
	}
	attributes.type = attachment->address;
	attributes.config = attachment->value;
	if (attachment->flags & STAPVM_ATTACH_FREQUENCY) {
		attributes.freq = 1;
		attributes.sample_freq = attachment->extra;
	} else {
		attributes.sample_period = attachment->extra;
	}
	return attributes;
}

static int create_on(struct stapvm_attachment *attachment, unsigned int cpu)
{
	struct perf_event_attr attributes = attributes_of(attachment);
	struct perf_event *event;

	if (attachment->cpu_events[cpu])
		return 0;
	event = perf_event_create_kernel_counter(&attributes, cpu, NULL, on_sample, attachment);
	if (IS_ERR(event))
		return PTR_ERR(event);
	attachment->cpu_events[cpu] = event;
	return 0;
}

static void release_on(struct stapvm_attachment *attachment, unsigned int cpu)
{
	struct perf_event *event = attachment->cpu_events[cpu];

	attachment->cpu_events[cpu] = NULL;
	if (event)
		perf_event_release_kernel(event);
}

static bool is_perf(const struct stapvm_attachment *attachment)
{
	return attachment->kind == STAPVM_PROBE_PROFILE ||
	       attachment->kind == STAPVM_PROBE_PERF ||
	       attachment->kind == STAPVM_PROBE_WATCHPOINT;
}

static void renew_on(struct stapvm_session *session, unsigned int cpu)
{
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		struct stapvm_attachment *attachment = &session->attachments[i];

		if (!is_perf(attachment) || !attachment->cpu_events)
			continue;
		release_on(attachment, cpu);
		/* Without the event on it the session goes on; it may be gone again, too. */
		if (create_on(attachment, cpu) && cpu_online(cpu))
			session->late_failed++;
	}
}

static void renew(struct work_struct *work)
{
	struct stapvm_session *session = container_of(work, struct stapvm_session, cpu_work);
	unsigned int cpu;

	mutex_lock(&session->cpu_mutex);
	for_each_possible_cpu(cpu) {
		if (cpumask_test_and_clear_cpu(cpu, &session->cpus_back))
			renew_on(session, cpu);
	}
	mutex_unlock(&session->cpu_mutex);
}

static int on_cpu_up(unsigned int cpu, struct hlist_node *node)
{
	struct stapvm_session *session = hlist_entry(node, struct stapvm_session, cpu_node);

	cpumask_set_cpu(cpu, &session->cpus_back);
	schedule_work(&session->cpu_work);
	return 0;
}

int stapvm_perf_setup(void)
{
	int state = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN, "stapvm:online", on_cpu_up,
					    NULL);

	if (state < 0)
		return state;
	hotplug_state = state;
	return 0;
}

void stapvm_perf_teardown(void)
{
	cpuhp_remove_multi_state(hotplug_state);
}

/* From here on the session is told of CPUs; to be called before the first attach. */
int stapvm_perf_watch(struct stapvm_session *session)
{
	int error;
	u32 i;

	for (i = 0; i < session->attachment_count; i++) {
		if (is_perf(&session->attachments[i]))
			break;
	}
	if (i == session->attachment_count)
		return 0;
	INIT_WORK(&session->cpu_work, renew);
	error = cpuhp_state_add_instance_nocalls(hotplug_state, &session->cpu_node);
	session->cpus_watched = !error;
	return error;
}

void stapvm_perf_unwatch(struct stapvm_session *session)
{
	if (!session->cpus_watched)
		return;
	cpuhp_state_remove_instance_nocalls(hotplug_state, &session->cpu_node);
	cancel_work_sync(&session->cpu_work);
	session->cpus_watched = false;
}

static void release_all(struct stapvm_attachment *attachment)
{
	unsigned int cpu;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		release_on(attachment, cpu);
	stapvm_free(attachment->cpu_events);
	attachment->cpu_events = NULL;
}

int stapvm_perf_attach(struct stapvm_attachment *attachment)
{
	struct stapvm_session *session = attachment->session;
	struct perf_event **events;
	unsigned int cpu;
	int error = 0;

	events = stapvm_alloc_array(nr_cpu_ids, sizeof(*events));
	if (!events)
		return -ENOMEM;
	mutex_lock(&session->cpu_mutex);
	attachment->cpu_events = events;
	for_each_online_cpu(cpu) {
		error = create_on(attachment, cpu);
		/* One that goes off in between is no failure. */
		if (error && cpu_online(cpu))
			break;
		error = 0;
	}
	if (error)
		release_all(attachment);
	mutex_unlock(&session->cpu_mutex);
	return error;
}

/* The session is not told of CPUs any more. */
void stapvm_perf_detach(struct stapvm_attachment *attachment)
{
	release_all(attachment);
}

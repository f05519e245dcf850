// SPDX-License-Identifier: GPL-2.0-or-later
/* Timers: one hrtimer each, for the whole session; handlers run in hard interrupt context. */
#include <asm/irq_regs.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/random.h>

#include "stapvm.h"

static u64 next_period(const struct stapvm_attachment *attachment)
{
	if (!attachment->extra)
		return attachment->value;
	return attachment->value + get_random_u64() % (attachment->extra + 1);
}

/*
 * A handler that takes longer than its period would leave the CPU no time for
 * anything else, for ever: it gets at most a third.
 */
static __kprobes void leave_time(struct stapvm_attachment *attachment, ktime_t begun, ktime_t now)
{
	ktime_t earliest = ktime_add(now, 2 * ktime_sub(now, begun));

	if (!ktime_before(hrtimer_get_expires(&attachment->timer), earliest))
		return;
	hrtimer_set_expires(&attachment->timer, earliest);
	this_cpu_inc(attachment->session->counters->skipped_overload);
}

static __kprobes enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	struct stapvm_attachment *attachment =
		container_of(timer, struct stapvm_attachment, timer);
	struct stapvm_hit hit = {
		.session = attachment->session,
		.attachment = attachment,
		.regs = get_irq_regs(),
	};

	ktime_t begun = ktime_get(), now;

	stapvm_hit(&hit);
	now = ktime_get();
	/* From the expiry on, not from now: periods do not drift. */
	hrtimer_forward(timer, now, ns_to_ktime(next_period(attachment)));
	leave_time(attachment, begun, now);
	return HRTIMER_RESTART;
}

void stapvm_timer_start(struct stapvm_attachment *attachment)
{
	hrtimer_init(&attachment->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	attachment->timer.function = on_timer;
	hrtimer_start(&attachment->timer, ns_to_ktime(next_period(attachment)),
		      HRTIMER_MODE_REL_HARD);
}

void stapvm_timer_detach(struct stapvm_attachment *attachment)
{
	/* Timers that a failed start never came to have no function. */
	if (attachment->timer.function)
		hrtimer_cancel(&attachment->timer);
}

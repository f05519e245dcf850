// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Something to probe: functions that run how, where and as often as a test says, in every
 * context that a handler can find itself in.
 *
 *	echo "hit 100" >/proc/stapvm_test		100 calls, in the writer
 *	echo "threads 100" >/proc/stapvm_test		100 calls on each CPU at a time
 *	echo "irq 100" >/proc/stapvm_test		in hard interrupts
 *	echo "softirq 100" >/proc/stapvm_test		in soft interrupts
 *	echo "nmi 100" >/proc/stapvm_test		in NMIs, of this CPU
 *	echo "event 100" >/proc/stapvm_test		100 times the module's tracepoint
 *	echo "data 100" >/proc/stapvm_test		100 times its variable is written
 *	echo "deep 100" >/proc/stapvm_test		a call with 100 bytes of stack left
 *	echo "symbols 100" >/proc/stapvm_test		100 rounds of what only debug symbols tell of
 */
#include <asm/apic.h>
#include <asm/nmi.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/sched/task_stack.h>
#include <linux/smp.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>

DECLARE_TRACE(stapvm_test_event, TP_PROTO(long number, const char *text), TP_ARGS(number, text));
DEFINE_TRACE(stapvm_test_event, TP_PROTO(long number, const char *text), TP_ARGS(number, text));

/* For others to find; nobody calls them from another file. */
extern long stapvm_test_variable;
long stapvm_test_target(long number, const char *text);
long stapvm_test_in_irq(long number);
long stapvm_test_in_softirq(long number);
long stapvm_test_in_nmi(long number);
long stapvm_test_at_init(long number);
long stapvm_test_deep(long number);

/* Watched by tests; nothing else writes it. */
long stapvm_test_variable;

/* The functions that tests probe; the numbers keep the compiler from making one of two. */
noinline long stapvm_test_target(long number, const char *text)
{
	barrier();
	return number + 1 + text[0];
}
EXPORT_SYMBOL_GPL(stapvm_test_target);

noinline long stapvm_test_in_irq(long number)
{
	barrier();
	return number + 2;
}

noinline long stapvm_test_in_softirq(long number)
{
	barrier();
	return number + 3;
}

noinline long stapvm_test_in_nmi(long number)
{
	barrier();
	return number + 4;
}

noinline long stapvm_test_at_init(long number)
{
	barrier();
	return number + 5;
}

noinline long stapvm_test_deep(long number)
{
	barrier();
	return number + 6;
}

static void hit(long count)
{
	long n;

	for (n = 0; n < count; n++) {
		stapvm_test_target(n, "text");
		cond_resched();
	}
}

static atomic_t threads_at_work;
static DECLARE_COMPLETION(threads_done);

static int work(void *data)
{
	hit((long)data);
	if (atomic_dec_and_test(&threads_at_work))
		complete(&threads_done);
	return 0;
}

/* A thread on each CPU, all at once. */
static int hit_in_threads(long count)
{
	unsigned int cpu;
	int error = 0;

	cpus_read_lock();
	reinit_completion(&threads_done);
	atomic_set(&threads_at_work, 1);
	for_each_online_cpu(cpu) {
		struct task_struct *task = kthread_create(work, (void *)count, "stapvm_test/%u", cpu);

		if (IS_ERR(task)) {
			error = PTR_ERR(task);
			break;
		}
		kthread_bind(task, cpu);
		atomic_inc(&threads_at_work);
		wake_up_process(task);
	}
	cpus_read_unlock();
	if (!atomic_dec_and_test(&threads_at_work))
		wait_for_completion(&threads_done);
	return error;
}

static void in_irq_here(void *number)
{
	stapvm_test_in_irq((long)number);
}

/* Another CPU's interrupt is the easiest to come by; with one CPU, a timer's. */
static enum hrtimer_restart on_timer(struct hrtimer *timer);
static struct hrtimer timer;
static atomic_long_t timer_left;

static enum hrtimer_restart on_timer(struct hrtimer *expired)
{
	in_irq_here((void *)atomic_long_read(&timer_left));
	if (atomic_long_dec_return(&timer_left) <= 0)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(expired, ns_to_ktime(100000));
	return HRTIMER_RESTART;
}

static void hit_in_irq(long count)
{
	if (count <= 0)
		return;
	atomic_long_set(&timer_left, count);
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	timer.function = on_timer;
	hrtimer_start(&timer, ns_to_ktime(100000), HRTIMER_MODE_REL_HARD);
	while (atomic_long_read(&timer_left) > 0)
		msleep(1);
	hrtimer_cancel(&timer);
}

static atomic_long_t tasklet_left;

static void on_tasklet(struct tasklet_struct *tasklet)
{
	stapvm_test_in_softirq(atomic_long_read(&tasklet_left));
	if (atomic_long_dec_return(&tasklet_left) > 0)
		tasklet_schedule(tasklet);
}

static DECLARE_TASKLET(test_tasklet, on_tasklet);

static void hit_in_softirq(long count)
{
	if (count <= 0)
		return;
	atomic_long_set(&tasklet_left, count);
	tasklet_schedule(&test_tasklet);
	while (atomic_long_read(&tasklet_left) > 0)
		msleep(1);
	tasklet_kill(&test_tasklet);
}

static DEFINE_PER_CPU(long, nmi_wanted);

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	long number = this_cpu_read(nmi_wanted);

	if (!number)
		return NMI_DONE;
	this_cpu_write(nmi_wanted, 0);
	stapvm_test_in_nmi(number);
	return NMI_HANDLED;
}

static void hit_in_nmi(long count)
{
	long n;

	for (n = 1; n <= count; n++) {
		int cpu = get_cpu();

		this_cpu_write(nmi_wanted, n);
		apic->send_IPI(cpu, NMI_VECTOR);
		/* It comes at once, or nearly so. */
		while (this_cpu_read(nmi_wanted))
			cpu_relax();
		put_cpu();
		cond_resched();
	}
}

static void fire_event(long count)
{
	long n;

	for (n = 0; n < count; n++)
		trace_stapvm_test_event(n, "text");
}

static void write_data(long count)
{
	long n;

	for (n = 0; n < count; n++)
		WRITE_ONCE(stapvm_test_variable, n);
}

/* Goes down until no more than so many bytes of the stack are left. */
static noinline long go_down(long left)
{
	char frame[256];
	long room = (unsigned long)__builtin_frame_address(0) -
		    (unsigned long)task_stack_page(current);

	OPTIMIZER_HIDE_VAR(left);
	frame[0] = left;
	barrier_data(frame);
	if (room < left + 512)
		return stapvm_test_deep(room) + frame[0];
	return go_down(left) + frame[0];
}

/* What only debug symbols tell of: tests/tests/guest/symbols.rs counts its lines. */
struct stapvm_test_pair {
	int first;
	unsigned int low : 3;
	int high : 5;
	union {
		long whole;
		struct {
			int left;
			int right;
		};
	};
	char name[8];
	struct stapvm_test_pair *next;
	enum { STAPVM_TEST_RED = 3, STAPVM_TEST_GREEN = 6 } color;
};

static __always_inline long stapvm_test_inlined(long value)
{
	long doubled = 2 * value;

	asm volatile("nop" : "+r" (doubled));
	return doubled;
}

static noinline long stapvm_test_callee(struct stapvm_test_pair *pair, long more)
{
	barrier();
	return pair->first + more;
}

static noinline long stapvm_test_symbols(long count)
{
	struct stapvm_test_pair pair = { 7, 5, -3, { .left = 4, .right = -5 }, "seven" };
	long n, sum = 0;

	pair.next = &pair;
	pair.color = STAPVM_TEST_GREEN;
	for (n = 0; n < count; n++) {
		sum += stapvm_test_inlined(n);
		asm volatile("nop" : "+r" (sum), "+m" (pair) : "r" (n));
		sum += stapvm_test_callee(&pair, n);
	}
	if (sum == 1)
		goto done;
	sum = 2 * sum + pair.first;
done:
	asm volatile("nop" : "+r" (sum));
	return sum;
}

static void symbols(long count)
{
	struct stapvm_test_pair other = { .first = 1 };

	/* A call of the callee by somebody else. */
	stapvm_test_callee(&other, count);
	stapvm_test_variable = stapvm_test_symbols(count);
}

static int obey(const char *command)
{
	char word[16];
	long count;

	if (sscanf(command, "%15s %ld", word, &count) != 2)
		return -EINVAL;
	if (!strcmp(word, "hit"))
		hit(count);
	else if (!strcmp(word, "threads"))
		return hit_in_threads(count);
	else if (!strcmp(word, "irq"))
		hit_in_irq(count);
	else if (!strcmp(word, "softirq"))
		hit_in_softirq(count);
	else if (!strcmp(word, "nmi"))
		hit_in_nmi(count);
	else if (!strcmp(word, "event"))
		fire_event(count);
	else if (!strcmp(word, "data"))
		write_data(count);
	else if (!strcmp(word, "deep"))
		go_down(max(count, 256L));
	else if (!strcmp(word, "symbols"))
		symbols(count);
	else
		return -EINVAL;
	return 0;
}

static ssize_t test_write(struct file *file, const char __user *user, size_t count,
			  loff_t *position)
{
	char command[64];
	int error;

	if (count >= sizeof(command))
		return -EINVAL;
	if (copy_from_user(command, user, count))
		return -EFAULT;
	command[count] = 0;
	error = obey(command);
	return error ?: count;
}

static const struct proc_ops operations = {
	.proc_write = test_write,
};

static int __init test_init(void)
{
	int error = register_nmi_handler(NMI_LOCAL, on_nmi, 0, "stapvm_test");

	if (error)
		return error;
	if (!proc_create("stapvm_test", 0200, NULL, &operations)) {
		unregister_nmi_handler(NMI_LOCAL, "stapvm_test");
		return -ENOMEM;
	}
	stapvm_test_at_init(1);
	return 0;
}
module_init(test_init);

static void __exit test_exit(void)
{
	remove_proc_entry("stapvm_test", NULL);
	unregister_nmi_handler(NMI_LOCAL, "stapvm_test");
}
module_exit(test_exit);

MODULE_DESCRIPTION("Something to probe, for the tests of stapvm");
MODULE_LICENSE("GPL");

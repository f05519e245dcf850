// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a hit is: addresses, stacks and the kernel's names for them.
 *
 * The kernel unwinds its own stack from wherever it is asked, with no lock, in an NMI as
 * well; the frames of the probe and of the interpreter are left out here.
 */
#include <asm/processor.h>
#include <asm/ptrace.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "stapvm.h"

/* Numbers of vm-spec/src/helper.rs. */
enum where_helper {
	HELPER_USER_REGISTER = 123,
	HELPER_USER_ADDRESS = 124,
	HELPER_IS_RETURN = 125,
	HELPER_BACKTRACE = 126,
	HELPER_STACK_ADDRESS = 127,
	HELPER_SYMBOL_NAME = 128,
	HELPER_SYMBOL_DATA = 129,
	HELPER_USER_BACKTRACE = 131,
	HELPER_USER_STACK_ADDRESS = 132,
	HELPER_HIT_FUNCTION = 133,
	HELPER_HIT_MODULE = 134,
	HELPER_MODULE_OF = 135,
	HELPER_SESSION_NAME = 136,
	HELPER_LOADER_PID = 137,
	HELPER_REGISTERS_VALID = 138,
	HELPER_STACK_SIZE = 139,
	HELPER_STACK_USED = 140,
	HELPER_STACK_UNUSED = 141,
	HELPER_TARGET_SET_PID = 142,
};

/* Frames of ours, of the interpreter and of the probe come before what is asked for. */
#define OWN_FRAMES	24
#define MAX_FRAMES	26
/* How far behind a function's first byte the probe's frame may seem to be. */
#define ENTRY_BYTES	16
#define MAX_ANCESTORS	64
/* " 0x0123456789abcdef" */
#define ADDRESS_BYTES	19

struct frames {
	unsigned long addresses[OWN_FRAMES + MAX_FRAMES];
	unsigned int first;
	unsigned int count;
};

__kprobes s64 stapvm_probe_address(const struct stapvm_hit *hit)
{
	const struct stapvm_attachment *attachment = hit->attachment;

	if (attachment->via_ftrace)
		return attachment->address;
	switch (attachment->kind) {
	case STAPVM_PROBE_FUNCTION_ENTRY:
	case STAPVM_PROBE_STATEMENT:
		return (unsigned long)attachment->kprobe.probe.addr;
	case STAPVM_PROBE_FUNCTION_RETURN:
		return (unsigned long)attachment->kretprobe.probe.kp.addr;
	default:
		return hit->regs ? instruction_pointer(hit->regs) : 0;
	}
}

static __kprobes bool is_return(const struct stapvm_hit *hit)
{
	return hit->attachment->kind == STAPVM_PROBE_FUNCTION_RETURN ||
	       hit->attachment->kind == STAPVM_PROBE_SYSCALL_EXIT;
}

/* The first frame at or just behind an address; `count` if there is none. */
static __kprobes unsigned int frame_at(const struct frames *frames, unsigned long address)
{
	unsigned int i;

	for (i = 0; i < frames->count; i++) {
		if (frames->addresses[i] - address < ENTRY_BYTES)
			return i;
	}
	return frames->count;
}

/* The frame behind the last one of this module. */
static __kprobes unsigned int frame_outside(const struct frames *frames)
{
	unsigned int i, first = 0;

	for (i = 0; i < frames->count; i++) {
		if (within_module(frames->addresses[i], THIS_MODULE))
			first = i + 1;
	}
	return first;
}

static __kprobes void gather(const struct stapvm_hit *hit, struct frames *frames)
{
	/* A return has left the function that it is of. */
	unsigned long address = is_return(hit) ? hit->return_address : stapvm_probe_address(hit);

	frames->count = stack_trace_save(frames->addresses, ARRAY_SIZE(frames->addresses), 0);
	frames->first = address ? frame_at(frames, address) : frames->count;
	if (frames->first == frames->count)
		frames->first = frame_outside(frames);
	if (frames->count - frames->first > MAX_FRAMES)
		frames->count = frames->first + MAX_FRAMES;
}

static __kprobes size_t put_address(u8 *out, size_t room, bool first, u64 address)
{
	static const char digits[] = "0123456789abcdef";
	u8 text[ADDRESS_BYTES] = " 0x";
	int i;

	for (i = 0; i < 16; i++)
		text[3 + i] = digits[address >> (60 - 4 * i) & 0xf];
	/* Half an address would be another one. */
	if (room < ADDRESS_BYTES - first)
		return 0;
	return stapvm_put(out, room, text + first, ADDRESS_BYTES - first);
}

static __kprobes size_t backtrace(const struct stapvm_hit *hit, u8 *out, size_t room)
{
	struct frames frames;
	unsigned int i;
	size_t length = 0;

	gather(hit, &frames);
	if (is_return(hit))
		length = put_address(out, room, true, stapvm_probe_address(hit));
	for (i = frames.first; i < frames.count; i++)
		length += put_address(out + length, room - length, !length, frames.addresses[i]);
	return length;
}

static __kprobes s64 stack_address(const struct stapvm_hit *hit, s64 level)
{
	struct frames frames;

	gather(hit, &frames);
	/* Of a return, level 0 is the function and level 1 where it returns to. */
	if (is_return(hit) && !level--)
		return stapvm_probe_address(hit);
	if (level < 0 || level >= frames.count - frames.first)
		return 0;
	return frames.addresses[frames.first + level];
}

/* Registers of the current process at its entry into the kernel; NULL if it is none. */
static __kprobes struct pt_regs *user_registers(void)
{
	if (current->flags & PF_KTHREAD)
		return NULL;
	return task_pt_regs(current);
}

static __kprobes s64 user_address(void)
{
	const struct pt_regs *registers = user_registers();

	return registers ? instruction_pointer((struct pt_regs *)registers) : 0;
}

static __kprobes s64 user_register(s64 index)
{
	const unsigned long *words = (const unsigned long *)user_registers();

	if (!words || index < 0 || index >= sizeof(struct pt_regs) / sizeof(*words))
		return 0;
	return words[index];
}

/* What a function with a frame pointer leaves on the stack. */
struct user_frame {
	u64 next;
	u64 address;
};

/* Addresses of the process, innermost first, as long as frame pointers lead on. */
static __kprobes unsigned int user_frames(u64 *addresses, unsigned int most)
{
	const struct pt_regs *registers = user_registers();
	unsigned int count = 0;
	u64 at;

	if (!registers)
		return 0;
	addresses[count++] = registers->ip;
	at = registers->bp;
	while (count < most) {
		struct user_frame frame;

		if (!stapvm_glue_read_user(at, (u8 *)&frame, sizeof(frame)) || !frame.address)
			break;
		addresses[count++] = frame.address;
		/* Stacks grow downwards, so callers' frames are above. */
		if (frame.next <= at)
			break;
		at = frame.next;
	}
	return count;
}

static __kprobes size_t user_backtrace(u8 *out, size_t room)
{
	u64 addresses[MAX_FRAMES];
	unsigned int i, count = user_frames(addresses, MAX_FRAMES);
	size_t length = 0;

	for (i = 0; i < count; i++)
		length += put_address(out + length, room - length, !length, addresses[i]);
	return length;
}

static __kprobes s64 user_stack_address(s64 level)
{
	u64 addresses[MAX_FRAMES];
	unsigned int count = user_frames(addresses, MAX_FRAMES);

	return level >= 0 && level < count ? addresses[level] : 0;
}

/* `name` without what follows it: the kernel writes `name+0x1/0x2 [module]`. */
static __kprobes size_t put_symbol_name(u8 *out, size_t room, u64 address)
{
	char text[KSYM_SYMBOL_LEN];
	size_t length = sprint_symbol_no_offset(text, address);
	const char *end = strnchr(text, length, ' ');

	return stapvm_put(out, room, text, end ? end - text : length);
}

static __kprobes size_t put_symbol(u8 *out, size_t room, u64 address)
{
	char text[KSYM_SYMBOL_LEN];
	size_t length = sprint_symbol(text, address);
	size_t written = stapvm_put(out, room, text, length);

	/* An address without a name is written as a number, one of a module with it. */
	if (strnchr(text, length, '+') && !strnchr(text, length, '['))
		written += stapvm_put(out + written, room - written, " [kernel]", 9);
	return written;
}

static __kprobes size_t put_module(u8 *out, size_t room, u64 address)
{
	char text[KSYM_SYMBOL_LEN];
	size_t length = sprint_symbol_no_offset(text, address);
	const char *open = strnchr(text, length, '[');

	if (!open)
		return stapvm_put(out, room, "kernel", 6);
	/* Up to the bracket, or to a build id. */
	return stapvm_put(out, room, open + 1, strcspn(open + 1, " ]"));
}

static __kprobes size_t hit_function(const struct stapvm_hit *hit, u8 *out, size_t room)
{
	const struct stapvm_attachment *attachment = hit->attachment;
	u64 address = stapvm_probe_address(hit);

	switch (attachment->kind) {
	case STAPVM_PROBE_FUNCTION_ENTRY:
	case STAPVM_PROBE_FUNCTION_RETURN:
		return stapvm_put(out, room, attachment->name, attachment->name_length);
	default:
		return address ? put_symbol_name(out, room, address) : 0;
	}
}

static __kprobes s64 stack_used(void)
{
	return (unsigned long)task_stack_page(current) + THREAD_SIZE -
	       (unsigned long)__builtin_frame_address(0);
}

/* Handlers on an interrupt's stack are told that the task's is full: it is not theirs. */
static __kprobes s64 stack_used_of_task(void)
{
	s64 used = stack_used();

	return used >= 0 && used <= THREAD_SIZE ? used : THREAD_SIZE;
}

/* The walk goes up from the process; an orphan's new parent is no target. */
static __kprobes s64 is_in_target_set(s64 pid, s32 target)
{
	struct task_struct *task;
	bool found = false;
	int depth;

	if (!target)
		return 0;
	rcu_read_lock();
	task = pid_task(find_pid_ns(pid, &init_pid_ns), PIDTYPE_PID);
	for (depth = 0; task && task->pid > 1 && depth < MAX_ANCESTORS; depth++) {
		if (task->tgid == target) {
			found = true;
			break;
		}
		task = rcu_dereference(task->real_parent);
	}
	rcu_read_unlock();
	return found;
}

__kprobes s64 stapvm_where_long(struct stapvm_hit *hit, u32 helper, s64 a)
{
	switch (helper) {
	case HELPER_USER_REGISTER:
		return user_register(a);
	case HELPER_USER_ADDRESS:
		return user_address();
	case HELPER_IS_RETURN:
		return is_return(hit);
	case HELPER_STACK_ADDRESS:
		return stack_address(hit, a);
	case HELPER_USER_STACK_ADDRESS:
		return user_stack_address(a);
	case HELPER_LOADER_PID:
		return hit->session->loader;
	case HELPER_REGISTERS_VALID:
		return hit->regs != NULL;
	case HELPER_STACK_SIZE:
		return THREAD_SIZE;
	case HELPER_STACK_USED:
		return stack_used_of_task();
	case HELPER_STACK_UNUSED:
		return THREAD_SIZE - stack_used_of_task();
	case HELPER_TARGET_SET_PID:
		return is_in_target_set(a, hit->session->target);
	default:
		/* The verifier lets no other number through. */
		return 0;
	}
}

__kprobes size_t stapvm_where_string(struct stapvm_hit *hit, u32 helper, s64 a, u8 *out,
				     size_t room)
{
	switch (helper) {
	case HELPER_BACKTRACE:
		return backtrace(hit, out, room);
	case HELPER_SYMBOL_NAME:
		return put_symbol_name(out, room, a);
	case HELPER_SYMBOL_DATA:
		return put_symbol(out, room, a);
	case HELPER_USER_BACKTRACE:
		return user_backtrace(out, room);
	case HELPER_HIT_FUNCTION:
		return hit_function(hit, out, room);
	case HELPER_HIT_MODULE:
		return put_module(out, room, stapvm_probe_address(hit));
	case HELPER_MODULE_OF:
		return put_module(out, room, a);
	case HELPER_SESSION_NAME:
		return stapvm_put(out, room, hit->session->name, hit->session->name_length);
	default:
		return 0;
	}
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a handler asks of the world: the callbacks of vmcore.o.
 *
 * All of it may run in an NMI: nothing here takes a lock or sleeps.
 */
#include <asm/ptrace.h>
#include <linux/cpumask.h>
#include <linux/bitops.h>
#include <linux/cred.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>
#include <linux/uaccess.h>

#include "stapvm.h"

/* Numbers of vm-spec/src/helper.rs; a number never changes its meaning. */
enum helper {
	HELPER_PID = 1,
	HELPER_TID = 2,
	HELPER_PPID = 3,
	HELPER_UID = 4,
	HELPER_EUID = 5,
	HELPER_GID = 6,
	HELPER_EGID = 7,
	HELPER_EXECNAME = 8,
	HELPER_PARENT_EXECNAME = 9,
	HELPER_PGRP = 10,
	HELPER_SESSION_ID = 11,
	HELPER_TASK_CURRENT = 12,
	HELPER_TARGET = 13,
	HELPER_REALTIME_NS = 16,
	HELPER_REALTIME_US = 17,
	HELPER_REALTIME_MS = 18,
	HELPER_REALTIME_S = 19,
	HELPER_MONOTONIC_NS = 20,
	HELPER_CYCLES = 21,
	HELPER_JIFFIES = 22,
	HELPER_CPU = 23,
	HELPER_ONLINE_CPUS = 24,
	HELPER_RANDINT = 25,
	HELPER_PROBE_POINT = 40,
	HELPER_PROBE_FUNCTION = 41,
	HELPER_USER_MODE = 42,
	HELPER_PROBE_ADDRESS = 43,
	HELPER_VALUE = 120,
	HELPER_SET_VALUE = 121,
	HELPER_APPEND_VALUE = 122,
	HELPER_VERDICT = 144,
	HELPER_SET_VERDICT = 145,
	/* 123 and on: where.c */
};

/* High half of the number of a context word: vm-spec/src/probe.rs. */
enum context_word {
	WORD_ARGUMENT = 0,
	WORD_RETURN_VALUE = 1,
	WORD_REGISTER = 2,
	WORD_TRACE_ARGUMENT = 3,
	WORD_SYSCALL_ARGUMENT = 4,
	WORD_SYSCALL_NUMBER = 5,
	WORD_SYSCALL_RETURN = 6,
};

static __kprobes s64 parent_pid(void)
{
	s64 pid;

	rcu_read_lock();
	pid = rcu_dereference(current->real_parent)->tgid;
	rcu_read_unlock();
	return pid;
}

/* xorshift64; not for secrets, but without locks. */
static __kprobes s64 random_below(struct stapvm_context *context, s64 bound)
{
	u64 random = context->random;

	random ^= random << 13;
	random ^= random >> 7;
	random ^= random << 17;
	context->random = random;
	return bound > 0 ? random % (u64)bound : 0;
}

static __kprobes s64 interrupted_user_mode(const struct stapvm_hit *hit)
{
	return hit->regs && user_mode(hit->regs);
}

__kprobes s64 stapvm_glue_helper_long(struct stapvm_hit *hit, u32 helper, s64 a, s64 b)
{
	switch (helper) {
	case HELPER_PID:
		return current->tgid;
	case HELPER_TID:
		return current->pid;
	case HELPER_PPID:
		return parent_pid();
	case HELPER_UID:
		return __kuid_val(current_uid());
	case HELPER_EUID:
		return __kuid_val(current_euid());
	case HELPER_GID:
		return __kgid_val(current_gid());
	case HELPER_EGID:
		return __kgid_val(current_egid());
	case HELPER_PGRP:
		return pid_nr(task_pgrp(current));
	case HELPER_SESSION_ID:
		return pid_nr(task_session(current));
	case HELPER_TASK_CURRENT:
		return (unsigned long)current;
	case HELPER_TARGET:
		return hit->session->target;
	case HELPER_REALTIME_NS:
		return ktime_get_real_fast_ns();
	case HELPER_REALTIME_US:
		return ktime_get_real_fast_ns() / NSEC_PER_USEC;
	case HELPER_REALTIME_MS:
		return ktime_get_real_fast_ns() / NSEC_PER_MSEC;
	case HELPER_REALTIME_S:
		return ktime_get_real_fast_ns() / NSEC_PER_SEC;
	case HELPER_MONOTONIC_NS:
		return ktime_get_mono_fast_ns();
	case HELPER_CYCLES:
		return get_cycles();
	case HELPER_JIFFIES:
		return jiffies;
	case HELPER_CPU:
		return raw_smp_processor_id();
	case HELPER_ONLINE_CPUS:
		return num_online_cpus();
	case HELPER_RANDINT:
		return random_below(hit->context, a);
	case HELPER_USER_MODE:
		return interrupted_user_mode(hit);
	case HELPER_PROBE_ADDRESS:
		return stapvm_probe_address(hit);
	case HELPER_VERDICT:
		return hit->verdict;
	case HELPER_SET_VERDICT:
		hit->verdict = a;
		return 0;
	default:
		return stapvm_where_long(hit, helper, a);
	}
}

__kprobes size_t stapvm_put(u8 *out, size_t room, const void *text, size_t length)
{
	length = min(length, room);
	memcpy(out, text, length);
	return length;
}

/* The first byte of a word that is 0; 8 if none is. */
static __always_inline size_t bytes_before_nul(u64 word)
{
	u64 nuls = (word - REPEAT_BYTE(0x01)) & ~word & REPEAT_BYTE(0x80);

	return nuls ? __ffs64(nuls) / 8 : sizeof(word);
}

/* A task's name is two words; taken as such they need neither strnlen nor memcpy. */
static __kprobes size_t put_comm(u8 *out, size_t room, const struct task_struct *task)
{
	u64 words[2];
	size_t length;

	BUILD_BUG_ON(TASK_COMM_LEN != sizeof(words));
	memcpy(words, task->comm, sizeof(words));
	length = bytes_before_nul(words[0]);
	if (length == sizeof(words[0]))
		length += bytes_before_nul(words[1]);
	if (unlikely(room < sizeof(words)))
		return stapvm_put(out, room, words, length);
	memcpy(out, words, sizeof(words));
	return length;
}

static __kprobes size_t put_parent_comm(u8 *out, size_t room)
{
	size_t length;

	rcu_read_lock();
	length = put_comm(out, room, rcu_dereference(current->real_parent));
	rcu_read_unlock();
	return length;
}

__kprobes size_t stapvm_glue_helper_string(struct stapvm_hit *hit, u32 helper, s64 a, s64 b,
					   u8 *out, size_t room)
{
	const struct stapvm_attachment *attachment = hit->attachment;

	switch (helper) {
	case HELPER_EXECNAME:
		return put_comm(out, room, current);
	case HELPER_PARENT_EXECNAME:
		return put_parent_comm(out, room);
	case HELPER_PROBE_POINT:
		return stapvm_put(out, room, attachment->point, attachment->point_length);
	case HELPER_PROBE_FUNCTION:
		return stapvm_put(out, room, attachment->name, attachment->name_length);
	case HELPER_VALUE:
		return hit->value ? stapvm_put(out, room, hit->value->data, hit->value->length) : 0;
	default:
		return stapvm_where_string(hit, helper, a, out, room);
	}
}

__kprobes void stapvm_glue_helper_put(struct stapvm_hit *hit, u32 helper, const u8 *text,
				      size_t length)
{
	struct stapvm_value *value = hit->value;

	if (!value)
		return;
	if (helper == HELPER_SET_VALUE)
		value->length = 0;
	value->length += stapvm_put(value->data + value->length, value->room - value->length,
				    text, length);
}

static __kprobes s64 function_argument(const struct pt_regs *regs, u32 index)
{
	switch (index) {
	case 0:
		return regs->di;
	case 1:
		return regs->si;
	case 2:
		return regs->dx;
	case 3:
		return regs->cx;
	case 4:
		return regs->r8;
	default:
		return regs->r9;
	}
}

static __kprobes s64 syscall_argument(const struct pt_regs *regs, u32 index)
{
	/* The instruction leaves the return address in rcx. */
	return index == 3 ? regs->r10 : function_argument(regs, index);
}

static __kprobes s64 saved_register(const struct pt_regs *regs, u32 index)
{
	const unsigned long *words = (const unsigned long *)regs;

	return index < sizeof(*regs) / sizeof(*words) ? words[index] : 0;
}

/*
 * The verifier checks that the kind of probe has the word; the checks here keep an
 * error there from becoming one of the kernel.
 */
__kprobes s64 stapvm_glue_context_word(struct stapvm_hit *hit, u32 word)
{
	const struct pt_regs *regs = hit->regs;
	u32 index = word & 0xffff;

	switch (word >> 16) {
	case WORD_ARGUMENT:
		return regs ? function_argument(regs, index) : 0;
	case WORD_RETURN_VALUE:
		return regs ? regs_return_value((struct pt_regs *)regs) : 0;
	case WORD_REGISTER:
		return regs ? saved_register(regs, index) : 0;
	case WORD_TRACE_ARGUMENT:
		if (!hit->trace_arguments || index >= STAPVM_TRACE_ARGUMENTS)
			return 0;
		return hit->trace_arguments[index];
	case WORD_SYSCALL_ARGUMENT:
		return regs ? syscall_argument(regs, index) : 0;
	case WORD_SYSCALL_NUMBER:
		return hit->syscall_number;
	case WORD_SYSCALL_RETURN:
		return hit->result;
	default:
		return 0;
	}
}

__kprobes int stapvm_glue_read_kernel(u64 address, u8 *out, size_t length)
{
	return !copy_from_kernel_nofault(out, (const void *)(unsigned long)address, length);
}

__kprobes int stapvm_glue_read_user(u64 address, u8 *out, size_t length)
{
	return !copy_from_user_nofault(out, (const void __user *)(unsigned long)address, length);
}

static __always_inline const struct stapvm_probe *saver(const struct stapvm_hit *hit)
{
	return &hit->session->probes[hit->attachment->probe];
}

__kprobes void stapvm_glue_save_long(struct stapvm_hit *hit, u32 number, s64 value)
{
	if (hit->saved && hit->at_entry && number < saver(hit)->saved_longs)
		hit->saved->longs[number] = value;
}

__kprobes s64 stapvm_glue_saved_long(struct stapvm_hit *hit, u32 number)
{
	return hit->saved && number < saver(hit)->saved_longs ? hit->saved->longs[number] : 0;
}

static __always_inline struct stapvm_saved_string *saved_string(struct stapvm_hit *hit, u32 number)
{
	const struct stapvm_probe *probe = saver(hit);
	struct stapvm_saved_string *strings;

	if (!hit->saved || number >= probe->saved_strings)
		return NULL;
	strings = (struct stapvm_saved_string *)&hit->saved->longs[probe->saved_longs];
	return &strings[number];
}

__kprobes void stapvm_glue_save_string(struct stapvm_hit *hit, u32 number, const u8 *text,
				       size_t length)
{
	struct stapvm_saved_string *string = saved_string(hit, number);

	if (string && hit->at_entry)
		string->length = stapvm_put(string->text, sizeof(string->text), text, length);
}

__kprobes size_t stapvm_glue_saved_string(struct stapvm_hit *hit, u32 number, u8 *out, size_t room)
{
	struct stapvm_saved_string *string = saved_string(hit, number);

	if (!string)
		return 0;
	return stapvm_put(out, room, string->text, min_t(size_t, string->length, sizeof(string->text)));
}

__kprobes void stapvm_glue_emit(struct stapvm_hit *hit, const u8 *record, size_t length)
{
	stapvm_ring_write(hit->session, record, length);
}

__kprobes void stapvm_glue_request_exit(struct stapvm_hit *hit)
{
	stapvm_session_finish(hit->session, STAPVM_SESSION_EXITING);
}

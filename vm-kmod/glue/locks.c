// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Locks of globals: shared or exclusive, never waited for long: a millisecond, unless
 * the session says otherwise.
 *
 * A handler takes its whole lock set before it runs, in the order of the set, which
 * is the same for all. An NMI may interrupt a holder on its own CPU, so it tries
 * once. Nobody can wait for ever; who gives up has his hit counted as skipped.
 */
#include <linux/delay.h>

#include "locks.h"

static __kprobes bool take_patiently(const struct stapvm_limits *limits,
				      struct stapvm_lock *lock, u32 mode)
{
	u32 attempt;

	for (attempt = 1; attempt < limits->lock_attempts; attempt++) {
		udelay(limits->lock_pause_us);
		if (stapvm_lock_try(lock, mode))
			return true;
	}
	return false;
}

/* Takes a lock set from the lock on that somebody else held. */
__kprobes bool stapvm_locks_take_rest(struct stapvm_session *session,
				      const struct stapvm_probe *probe, u32 first, bool patient)
{
	const struct stapvm_vm_lock *locks = probe->locks;
	u32 i;

	for (i = first; i < probe->lock_count; i++) {
		struct stapvm_lock *lock = stapvm_lock_of(session, locks[i].global);

		if (stapvm_lock_try(lock, locks[i].mode))
			continue;
		if (patient && take_patiently(&session->limits, lock, locks[i].mode))
			continue;
		atomic_inc(&lock->skipped);
		stapvm_locks_release(session, locks, i);
		return false;
	}
	return true;
}

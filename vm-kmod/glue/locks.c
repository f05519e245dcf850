// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Locks of globals: shared or exclusive, never waited for longer than a millisecond.
 *
 * A handler takes its whole lock set before it runs, in the order of the set, which
 * is the same for all. An NMI may interrupt a holder on its own CPU, so it tries
 * once. Nobody can wait for ever; who gives up has his hit counted as skipped.
 */
#include <linux/delay.h>

#include "stapvm.h"

#define ATTEMPTS	100
#define PAUSE_US	10

static __always_inline bool try_take(struct stapvm_lock *lock, u32 mode)
{
	int holders;

	if (mode != STAPVM_VM_LOCK_READ)
		return atomic_cmpxchg_acquire(&lock->holders, 0, -1) == 0;
	holders = atomic_read(&lock->holders);
	while (holders >= 0) {
		if (atomic_try_cmpxchg_acquire(&lock->holders, &holders, holders + 1))
			return true;
	}
	return false;
}

static noinline __kprobes bool take_patiently(struct stapvm_lock *lock, u32 mode)
{
	int attempt;

	for (attempt = 1; attempt < ATTEMPTS; attempt++) {
		udelay(PAUSE_US);
		if (try_take(lock, mode))
			return true;
	}
	return false;
}

static __always_inline struct stapvm_lock *lock_of(struct stapvm_session *session, u32 global)
{
	if (global & STAPVM_VM_LOCK_MAP)
		return &session->locks[session->layout.scalar_count + (global & ~STAPVM_VM_LOCK_MAP)];
	return &session->locks[global];
}

static __always_inline void release(struct stapvm_lock *lock, u32 mode)
{
	if (mode != STAPVM_VM_LOCK_READ)
		atomic_set_release(&lock->holders, 0);
	else
		atomic_dec_return_release(&lock->holders);
}

static __always_inline void release_first(struct stapvm_session *session,
					  const struct stapvm_vm_lock *locks, u32 count)
{
	while (count--)
		release(lock_of(session, locks[count].global), locks[count].mode);
}

/* Takes a probe's lock set. On failure none of its locks is held. */
__kprobes bool stapvm_locks_take(struct stapvm_session *session,
				 const struct stapvm_probe *probe, bool patient)
{
	const struct stapvm_vm_lock *locks = probe->locks;
	u32 i;

	for (i = 0; i < probe->lock_count; i++) {
		struct stapvm_lock *lock = lock_of(session, locks[i].global);

		if (likely(try_take(lock, locks[i].mode)))
			continue;
		if (patient && take_patiently(lock, locks[i].mode))
			continue;
		release_first(session, locks, i);
		return false;
	}
	return true;
}

__kprobes void stapvm_locks_release(struct stapvm_session *session,
				    const struct stapvm_probe *probe)
{
	release_first(session, probe->locks, probe->lock_count);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking and releasing locks where nobody else wants them, in line: most handlers
 * have one or two, and a call would cost more than the lock. locks.c has the rest.
 */
#ifndef STAPVM_LOCKS_H
#define STAPVM_LOCKS_H

#include "stapvm.h"

static __always_inline bool stapvm_lock_try(struct stapvm_lock *lock, u32 mode)
{
	int holders;

	if (likely(mode != STAPVM_VM_LOCK_READ)) {
		holders = 0;
		return atomic_try_cmpxchg_acquire(&lock->holders, &holders, -1);
	}
	holders = atomic_read(&lock->holders);
	while (holders >= 0) {
		if (atomic_try_cmpxchg_acquire(&lock->holders, &holders, holders + 1))
			return true;
	}
	return false;
}

static __always_inline void stapvm_lock_release(struct stapvm_lock *lock, u32 mode)
{
	if (likely(mode != STAPVM_VM_LOCK_READ))
		atomic_set_release(&lock->holders, 0);
	else
		atomic_dec_return_release(&lock->holders);
}

static __always_inline struct stapvm_lock *stapvm_lock_of(struct stapvm_session *session,
							  u32 global)
{
	if (global & STAPVM_VM_LOCK_MAP)
		global = session->layout.scalar_count + (global & ~STAPVM_VM_LOCK_MAP);
	return &session->locks[global];
}

/* Releases the first `count` locks of a set, the last one first. */
static __always_inline void stapvm_locks_release(struct stapvm_session *session,
						 const struct stapvm_vm_lock *locks, u32 count)
{
	while (count--)
		stapvm_lock_release(stapvm_lock_of(session, locks[count].global),
				    locks[count].mode);
}

/* Takes a probe's lock set. On failure none of its locks is held. */
static __always_inline bool stapvm_locks_take(struct stapvm_session *session,
					      const struct stapvm_probe *probe, bool patient)
{
	const struct stapvm_vm_lock *locks = probe->locks;
	u32 count = probe->lock_count, i;

	for (i = 0; i < count; i++) {
		struct stapvm_lock *lock = stapvm_lock_of(session, locks[i].global);

		if (unlikely(!stapvm_lock_try(lock, locks[i].mode)))
			return stapvm_locks_take_rest(session, probe, i, patient);
	}
	return true;
}

#endif

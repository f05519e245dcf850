/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vmcore.o, the Rust side (vm-kmod/ffi), gives to the glue and asks of it.
 * The structures are declared once more in vm-kmod/ffi/src/abi.rs.
 */
#ifndef STAPVM_VMCORE_H
#define STAPVM_VMCORE_H

#include <linux/build_bug.h>
#include <linux/types.h>

/* Why a program was refused; the fields are those of struct stapvm_load. */
struct stapvm_vm_refusal {
	u32 stage;
	u32 rule;
	u32 site;
	u32 index;
	u64 value;
};
static_assert(sizeof(struct stapvm_vm_refusal) == 24);

/* What a program needs. */
struct stapvm_vm_layout {
	u64 storage_bytes;	/* scalars and maps of the session */
	u64 context_bytes;	/* what one handler run works in */
	u32 scalar_count;
	u32 map_count;
	u32 probe_count;
	u32 max_errors;
	u32 max_skipped;
	u32 relocation_count;
};
static_assert(sizeof(struct stapvm_vm_layout) == 40);

/* A member of a lock set: vm_spec::image::LockRecord. */
struct stapvm_vm_lock {
	u32 global;
	u32 mode;
};
static_assert(sizeof(struct stapvm_vm_lock) == 8);

#define STAPVM_VM_LOCK_MAP	(1U << 31)	/* in global: it names a map */
#define STAPVM_VM_LOCK_READ	0		/* mode: shared with readers */

/* The verified program with its globals; of stapvm_vm_program_bytes() bytes. */
struct stapvm_vm_program;
struct stapvm_hit;

/*
 * Given by Rust. The words of the image and the storage belong to the program from
 * load and bind on: they stay where they are, and the image as it is, until the
 * last run is over.
 */
size_t stapvm_vm_program_bytes(void);
/* Verifies the image. Returns 0, or -1 with the refusal filled in. */
int stapvm_vm_load(struct stapvm_vm_program *program, const u64 *words, size_t count,
		   struct stapvm_vm_layout *layout, struct stapvm_vm_refusal *refusal);
/* Lays the globals out in zeroed memory of layout.storage_bytes. */
void stapvm_vm_bind(struct stapvm_vm_program *program, u64 *storage);
/* Gives a map its initial contents and a secret for its hashes; for each after bind. */
void stapvm_vm_init_map(struct stapvm_vm_program *program, u32 map, u64 seed);
/* Replaces an initial value. Return 0, or -1 if there is no such global. */
int stapvm_vm_override_scalar(struct stapvm_vm_program *program, u32 scalar, s64 value);
int stapvm_vm_override_string(struct stapvm_vm_program *program, u32 map,
			      const u8 *text, size_t length);
/*
 * Takes layout.relocation_count words, which stay as they are as long as the program.
 * Returns -1, or the first of them that makes no sense.
 */
s64 stapvm_vm_set_relocations(struct stapvm_vm_program *program, const s64 *slots);
/* Longs (low byte) and strings (next byte) kept for it from the function's entry. */
u32 stapvm_vm_probe_saved(const struct stapvm_vm_program *program, u32 probe);
/* STAPVM_PROBE_* of a probe, 0 if there is no such probe. */
u32 stapvm_vm_probe_kind(const struct stapvm_vm_program *program, u32 probe);
/* Does its handler read registers other than those of arguments? */
int stapvm_vm_probe_needs_registers(const struct stapvm_vm_program *program, u32 probe);
const u8 *stapvm_vm_probe_name(const struct stapvm_vm_program *program, u32 probe,
			       size_t *length);
const struct stapvm_vm_lock *stapvm_vm_probe_locks(const struct stapvm_vm_program *program,
						   u32 probe, u32 *count);
/*
 * Prepares a context: memory of layout.context_bytes, zeroed and aligned to 8, that
 * the program, which must be bound, uses from then on. Returns 0, or -1 if it cannot.
 */
int stapvm_vm_prepare(const struct stapvm_vm_program *program, void *context);
/*
 * Runs a probe's handler, whose locks the caller holds, in a prepared context that
 * nobody else uses meanwhile; pid and tid are what helpers of these names give.
 * Returns 0, or 1 if it ended in a fault.
 */
int stapvm_vm_run(void *context, u32 probe, struct stapvm_hit *hit, s32 pid, s32 tid);

/* Asked of the glue, from inside stapvm_vm_run. */
s64 stapvm_glue_helper_long(struct stapvm_hit *hit, u32 helper, s64 a, s64 b);
size_t stapvm_glue_helper_string(struct stapvm_hit *hit, u32 helper, s64 a, s64 b, u8 *out,
				 size_t room);
void stapvm_glue_helper_put(struct stapvm_hit *hit, u32 helper, const u8 *text, size_t length);
s64 stapvm_glue_context_word(struct stapvm_hit *hit, u32 word);
int stapvm_glue_read_kernel(u64 address, u8 *out, size_t length);
int stapvm_glue_read_user(u64 address, u8 *out, size_t length);
void stapvm_glue_save_long(struct stapvm_hit *hit, u32 number, s64 value);
s64 stapvm_glue_saved_long(struct stapvm_hit *hit, u32 number);
void stapvm_glue_save_string(struct stapvm_hit *hit, u32 number, const u8 *text, size_t length);
size_t stapvm_glue_saved_string(struct stapvm_hit *hit, u32 number, u8 *out, size_t room);
void stapvm_glue_emit(struct stapvm_hit *hit, const u8 *record, size_t length);
void stapvm_glue_request_exit(struct stapvm_hit *hit);

#endif

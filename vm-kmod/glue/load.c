// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * LOAD: copies the image, the attach list and its texts into the kernel, and checks
 * all of it. Nothing is read from user space twice, and no size is used before it
 * has been bounded. What fails half-way is undone by stapvm_unload.
 */
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "stapvm.h"

#define MAX_NAMES_BYTES		(32U << 20)
#define MAX_OVERRIDES		4096U
#define MAX_SESSION_NAME	64U
#define MAX_SESSION_RING_BYTES	(1ULL << 30)
/* With interrupts off, so a tenth of a second at most for one lock. */
#define MAX_LOCK_ATTEMPTS	100000U
#define MAX_LOCK_PAUSE_US	1000U
#define MAX_LOCK_WAIT_US	100000U

static int refuse(struct stapvm_load *load, u32 stage, u32 index, u64 value)
{
	load->stage = stage;
	load->index = index;
	load->value = value;
	return stage == STAPVM_STAGE_MEMORY ? -ENOMEM : -EINVAL;
}

/* A copy of an array in user space, or NULL if it has no members. */
static void *copy_array(u64 user, size_t count, size_t size)
{
	size_t bytes;
	void *copy;

	if (!count)
		return NULL;
	if (check_mul_overflow(count, size, &bytes))
		return ERR_PTR(-E2BIG);
	copy = stapvm_alloc(bytes);
	if (!copy)
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(copy, u64_to_user_ptr(user), bytes)) {
		stapvm_free(copy);
		return ERR_PTR(-EFAULT);
	}
	return copy;
}

static int check_sizes(const struct stapvm_load *load)
{
	if (load->abi_version != STAPVM_ABI_VERSION)
		return -EPROTO;
	if (load->flags & ~STAPVM_LOAD_TIMING || load->reserved || load->image_bytes % sizeof(u64))
		return -EINVAL;
	if (!load->lock_attempts || load->lock_attempts > MAX_LOCK_ATTEMPTS ||
	    load->lock_pause_us > MAX_LOCK_PAUSE_US ||
	    load->lock_attempts * load->lock_pause_us > MAX_LOCK_WAIT_US)
		return -EINVAL;
	if (!is_power_of_2(load->ring_bytes) || load->ring_bytes < STAPVM_MIN_RING_BYTES ||
	    load->ring_bytes > STAPVM_MAX_RING_BYTES)
		return -EINVAL;
	if ((u64)stapvm_ring_stride(load->ring_bytes) * nr_cpu_ids > MAX_SESSION_RING_BYTES)
		return -E2BIG;
	if (!load->image_bytes)
		return -EINVAL;
	if (load->image_bytes > STAPVM_MAX_IMAGE_BYTES ||
	    load->attachment_count > STAPVM_MAX_ATTACHMENTS ||
	    load->relocation_count > STAPVM_MAX_RELOCATIONS ||
	    load->names_bytes > MAX_NAMES_BYTES || load->override_count > MAX_OVERRIDES)
		return -E2BIG;
	return 0;
}

static int load_program(struct stapvm_session *session, struct stapvm_load *load)
{
	struct stapvm_vm_refusal refusal = {};
	void *image;

	image = copy_array(load->image, load->image_bytes, 1);
	if (IS_ERR(image))
		return PTR_ERR(image);
	session->image = image;
	session->program = stapvm_alloc(stapvm_vm_program_bytes());
	if (!session->program)
		return -ENOMEM;
	if (!stapvm_vm_load(session->program, session->image, load->image_bytes / sizeof(u64),
			    &session->layout, &refusal))
		return 0;
	load->rule = refusal.rule;
	load->site = refusal.site;
	return refuse(load, refusal.stage, refusal.index, refusal.value);
}

static int load_relocations(struct stapvm_session *session, struct stapvm_load *load)
{
	s64 *slots, bad;

	if (load->relocation_count != session->layout.relocation_count)
		return refuse(load, STAPVM_STAGE_RELOCATION, load->relocation_count, 0);
	slots = copy_array(load->relocations, load->relocation_count, sizeof(*slots));
	if (IS_ERR(slots))
		return PTR_ERR(slots);
	if (!slots)
		return 0;
	session->relocations = slots;
	bad = stapvm_vm_set_relocations(session->program, slots);
	if (bad >= 0)
		return refuse(load, STAPVM_STAGE_RELOCATION, bad, slots[bad]);
	return 0;
}

static int create_globals(struct stapvm_session *session, struct stapvm_load *load)
{
	const struct stapvm_vm_layout *layout = &session->layout;
	u64 contexts = layout->context_bytes * STAPVM_LEVELS * num_possible_cpus();
	u32 map;

	if (layout->storage_bytes > STAPVM_MAX_MAP_BYTES)
		return refuse(load, STAPVM_STAGE_MEMORY, 0, layout->storage_bytes);
	if (layout->context_bytes > STAPVM_MAX_MAP_BYTES || contexts > STAPVM_MAX_MAP_BYTES)
		return refuse(load, STAPVM_STAGE_MEMORY, 0, contexts);
	/* Room for one more lock, so that there always is something to allocate. */
	session->locks = stapvm_alloc_array(layout->scalar_count + layout->map_count + 1,
					    sizeof(*session->locks));
	session->storage = stapvm_alloc(max_t(u64, layout->storage_bytes, sizeof(u64)));
	if (!session->locks || !session->storage)
		return refuse(load, STAPVM_STAGE_MEMORY, 0, layout->storage_bytes);
	stapvm_vm_bind(session->program, session->storage);
	for (map = 0; map < layout->map_count; map++) {
		if (signal_pending(current))
			return -EINTR;
		stapvm_vm_init_map(session->program, map, get_random_u64());
		cond_resched();
	}
	return 0;
}

static int create_probes(struct stapvm_session *session)
{
	u32 i, count = session->layout.probe_count;

	session->probes = stapvm_alloc_array(count + 1, sizeof(*session->probes));
	if (!session->probes)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		struct stapvm_probe *probe = &session->probes[i];

		probe->kind = stapvm_vm_probe_kind(session->program, i);
		u32 saved = stapvm_vm_probe_saved(session->program, i);

		probe->saved_longs = saved;
		probe->saved_strings = saved >> 8;
		probe->needs_registers = stapvm_vm_probe_needs_registers(session->program, i);
		probe->locks = stapvm_vm_probe_locks(session->program, i, &probe->lock_count);
	}
	return 0;
}

static bool within_names(const struct stapvm_load *load, u32 offset, u32 length)
{
	return offset <= load->names_bytes && length <= load->names_bytes - offset;
}

static int load_names(struct stapvm_session *session, struct stapvm_load *load)
{
	void *names = copy_array(load->names, load->names_bytes, 1);

	if (IS_ERR(names))
		return PTR_ERR(names);
	session->names = names;
	if (!within_names(load, load->session_offset, load->session_length) ||
	    load->session_length > MAX_SESSION_NAME)
		return -EINVAL;
	session->name = session->names + load->session_offset;
	session->name_length = load->session_length;
	return 0;
}

/* Fills an attachment in from its record; -EINVAL if the record makes no sense. */
static int fill_attachment(struct stapvm_session *session, struct stapvm_attachment *attachment,
			   const struct stapvm_attach *record, const struct stapvm_load *load)
{
	if (record->probe >= session->layout.probe_count ||
	    record->flags & ~(STAPVM_ATTACH_OPTIONAL | STAPVM_ATTACH_FREQUENCY) ||
	    !within_names(load, record->name_offset, record->name_length) ||
	    !within_names(load, record->module_offset, record->module_length) ||
	    !within_names(load, record->point_offset, record->point_length))
		return -EINVAL;
	attachment->session = session;
	attachment->probe = record->probe;
	attachment->kind = session->probes[record->probe].kind;
	attachment->flags = record->flags;
	attachment->address = record->address;
	attachment->value = record->value;
	attachment->extra = record->extra;
	if (record->name_length) {
		attachment->name = session->names + record->name_offset;
		attachment->name_length = record->name_length;
	}
	if (record->module_length) {
		attachment->module = session->names + record->module_offset;
		attachment->module_length = record->module_length;
	}
	if (record->point_length) {
		attachment->point = session->names + record->point_offset;
		attachment->point_length = record->point_length;
	} else {
		attachment->point = stapvm_vm_probe_name(session->program, record->probe,
							 &attachment->point_length);
	}
	if (attachment->kind == STAPVM_PROBE_FUNCTION_RETURN && record->value) {
		if (record->value > session->layout.probe_count ||
		    session->probes[record->value - 1].kind != STAPVM_PROBE_FUNCTION_ENTRY)
			return -EINVAL;
		attachment->has_entry = true;
		attachment->entry_probe = record->value - 1;
	}
	return stapvm_attach_check(attachment);
}

static int load_attachments(struct stapvm_session *session, struct stapvm_load *load)
{
	u32 i, count = load->attachment_count;
	struct stapvm_attach *records;
	int error = 0;

	session->attachments = stapvm_alloc_array(count + 1, sizeof(*session->attachments));
	if (!session->attachments)
		return -ENOMEM;
	records = copy_array(load->attachments, count, sizeof(*records));
	if (IS_ERR(records))
		return PTR_ERR(records);
	for (i = 0; i < count && !error; i++) {
		error = fill_attachment(session, &session->attachments[i], &records[i], load);
		if (error)
			error = refuse(load, STAPVM_STAGE_ATTACH, i, records[i].probe);
	}
	if (!error)
		session->attachment_count = count;
	stapvm_free(records);
	return error;
}

static int override(struct stapvm_session *session, const struct stapvm_override *record,
		    const struct stapvm_load *load)
{
	if (record->reserved || !within_names(load, record->text_offset, record->text_length))
		return -EINVAL;
	if (!(record->global & STAPVM_VM_LOCK_MAP))
		return stapvm_vm_override_scalar(session->program, record->global, record->value);
	return stapvm_vm_override_string(session->program,
					 record->global & ~STAPVM_VM_LOCK_MAP,
					 record->text_length ?
						session->names + record->text_offset : NULL,
					 record->text_length);
}

static int load_overrides(struct stapvm_session *session, struct stapvm_load *load)
{
	u32 i, count = load->override_count;
	struct stapvm_override *records;
	int error = 0;

	records = copy_array(load->overrides, count, sizeof(*records));
	if (IS_ERR(records))
		return PTR_ERR(records);
	for (i = 0; i < count && !error; i++) {
		error = override(session, &records[i], load);
		if (error)
			error = refuse(load, STAPVM_STAGE_OVERRIDE, i, records[i].global);
	}
	stapvm_free(records);
	return error;
}

static int load_all(struct stapvm_session *session, struct stapvm_load *load)
{
	int error;

	error = check_sizes(load);
	if (!error)
		error = load_program(session, load);
	if (!error)
		error = load_relocations(session, load);
	if (!error)
		error = create_globals(session, load);
	if (!error)
		error = create_probes(session);
	if (!error)
		error = load_names(session, load);
	if (!error)
		error = load_attachments(session, load);
	if (!error)
		error = load_overrides(session, load);
	if (!error)
		error = stapvm_syscall_prepare(session);
	if (!error)
		error = stapvm_contexts_create(session);
	if (!error && load->flags & STAPVM_LOAD_TIMING)
		error = stapvm_times_create(session);
	if (!error)
		error = stapvm_rings_create(session, load->ring_bytes);
	return error;
}

int stapvm_load(struct stapvm_session *session, struct stapvm_load *load)
{
	int error;

	load->stage = STAPVM_STAGE_NONE;
	load->rule = 0;
	load->site = 0;
	load->index = 0;
	load->value = 0;
	if (atomic_read(&session->state) != STAPVM_SESSION_EMPTY)
		return -EBUSY;
	error = load_all(session, load);
	if (error) {
		stapvm_unload(session);
		return error;
	}
	session->target = load->target;
	session->loader = task_tgid_nr(current);
	/* A session without overload protection never comes to the end of its interval. */
	session->limits.overload_interval = load->overload_interval ?: U64_MAX;
	session->limits.overload_threshold = load->overload_threshold;
	session->metered = session->times || load->overload_interval;
	session->limits.lock_attempts = load->lock_attempts;
	session->limits.lock_pause_us = load->lock_pause_us;
	load->ring_stride = stapvm_ring_stride(load->ring_bytes);
	load->ring_count = nr_cpu_ids;
	atomic_set(&session->state, STAPVM_SESSION_LOADED);
	return 0;
}

/* Frees what LOAD made, or the part of it that it came to. */
void stapvm_unload(struct stapvm_session *session)
{
	stapvm_rings_destroy(session);
	stapvm_contexts_destroy(session);
	stapvm_times_destroy(session);
	stapvm_free(session->syscalls);
	session->syscalls = NULL;
	stapvm_free(session->attachments);
	session->attachments = NULL;
	session->attachment_count = 0;
	stapvm_free(session->names);
	session->names = NULL;
	session->name = NULL;
	session->name_length = 0;
	stapvm_free(session->probes);
	session->probes = NULL;
	stapvm_free(session->storage);
	session->storage = NULL;
	stapvm_free(session->locks);
	session->locks = NULL;
	stapvm_free(session->program);
	session->program = NULL;
	stapvm_free(session->relocations);
	session->relocations = NULL;
	stapvm_free(session->image);
	session->image = NULL;
}

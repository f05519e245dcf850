// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings: what handlers write and the loader reads, one for each CPU.
 *
 * Only its own CPU writes to a ring, with interrupts off, so the one competitor is
 * an NMI that comes in the middle; it moves `head` and is done before the
 * interrupted writer goes on. The writer that nobody interrupted publishes the
 * position, when every record before it is complete. User space can write to all
 * of the mapping; nothing in it but `tail` is ever read, and that only says how
 * much may be overwritten.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "stapvm.h"

#define HEADER_BYTES	sizeof(struct stapvm_record)

u32 stapvm_ring_stride(u32 ring_bytes)
{
	return PAGE_SIZE + ring_bytes;
}

int stapvm_rings_create(struct stapvm_session *session, u32 ring_bytes)
{
	struct stapvm_ring *rings;
	unsigned int i;

	rings = stapvm_alloc_array(nr_cpu_ids, sizeof(*rings));
	if (!rings)
		return -ENOMEM;
	for (i = 0; i < nr_cpu_ids; i++) {
		void *memory = stapvm_alloc_pages(stapvm_ring_stride(ring_bytes));

		if (!memory)
			goto free;
		rings[i].control = memory;
		rings[i].data = memory + PAGE_SIZE;
	}
	session->ring_bytes = ring_bytes;
	/* Pairs with the acquire in published(). */
	smp_store_release(&session->rings, rings);
	return 0;
free:
	while (i--)
		stapvm_free(rings[i].control);
	stapvm_free(rings);
	return -ENOMEM;
}

/* Only when the file has no reference left, so nothing is mapped. */
void stapvm_rings_destroy(struct stapvm_session *session)
{
	unsigned int i;

	if (!session->rings)
		return;
	for (i = 0; i < nr_cpu_ids; i++)
		stapvm_free(session->rings[i].control);
	stapvm_free(session->rings);
	session->rings = NULL;
}

static struct stapvm_ring *published(struct stapvm_session *session)
{
	return smp_load_acquire(&session->rings);
}

/* Bytes that wait; nonsense if user space writes nonsense, so only good for waking it. */
static __always_inline u64 fill(const struct stapvm_ring *ring)
{
	return READ_ONCE(ring->control->head) - READ_ONCE(ring->control->tail);
}

/* The offset chooses the ring; a mapping lies within one ring. */
int stapvm_rings_map(struct stapvm_session *session, struct vm_area_struct *vma)
{
	struct stapvm_ring *rings = published(session);
	unsigned long stride, first, pages, cpu;

	if (!rings)
		return -EINVAL;
	stride = stapvm_ring_stride(session->ring_bytes) >> PAGE_SHIFT;
	cpu = vma->vm_pgoff / stride;
	first = vma->vm_pgoff % stride;
	pages = vma_pages(vma);
	if (cpu >= nr_cpu_ids || pages > stride - first)
		return -EINVAL;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	return remap_vmalloc_range(vma, rings[cpu].control, first);
}

/* Bytes that wait in the fullest ring. */
u64 stapvm_rings_fill(struct stapvm_session *session)
{
	struct stapvm_ring *rings = published(session);
	unsigned int i;
	u64 most = 0;

	if (!rings)
		return 0;
	for (i = 0; i < nr_cpu_ids; i++)
		most = max(most, fill(&rings[i]));
	return most;
}

/* Bytes that may be written from `head` on, whatever user space says. */
static __always_inline u64 room(const struct stapvm_ring *ring, u64 head, u64 size)
{
	/* Acquire: the reader was done with what is overwritten now. */
	u64 used = head - smp_load_acquire(&ring->control->tail);

	return used <= size ? size - used : 0;
}

static __always_inline struct stapvm_record *header_at(struct stapvm_ring *ring, u64 position,
						       u64 size)
{
	return (struct stapvm_record *)(ring->data + (position & (size - 1)));
}

static __always_inline void fill_to_end(struct stapvm_ring *ring, u64 position, u64 size, u64 bytes)
{
	struct stapvm_record *header = header_at(ring, position, size);

	header->length = bytes - HEADER_BYTES;
	header->state = STAPVM_RECORD_PADDING;
}

/* Reserves `bytes` in one piece; returns their position, or -1 if there is no room. */
static __always_inline s64 reserve(struct stapvm_ring *ring, u64 size, u64 bytes)
{
	u64 head, to_end, padding;

	do {
		head = READ_ONCE(ring->head);
		to_end = size - (head & (size - 1));
		/* No record leaves an end too short for the header of padding. */
		padding = bytes == to_end || bytes + HEADER_BYTES <= to_end ? 0 : to_end;
		if (padding + bytes > room(ring, head, size))
			return -1;
	} while (cmpxchg_local(&ring->head, head, head + padding + bytes) != head);
	if (padding)
		fill_to_end(ring, head, size, padding);
	return head + padding;
}

static __always_inline void publish(struct stapvm_ring *ring)
{
	u64 head;

	do {
		head = READ_ONCE(ring->head);
		if (ring->nesting > 1) {
			/* Whoever was interrupted publishes this record with its own. */
			WRITE_ONCE(ring->nesting, ring->nesting - 1);
			return;
		}
		smp_store_release(&ring->control->head, head);
		WRITE_ONCE(ring->nesting, 0);
		barrier();
		if (likely(head == READ_ONCE(ring->head)))
			return;
		/* An NMI wrote in between and saw us: publish for it. */
		WRITE_ONCE(ring->nesting, 1);
		barrier();
	} while (true);
}

static __always_inline bool append(struct stapvm_session *session, struct stapvm_ring *ring,
				   const u8 *record, u32 length)
{
	u64 size = session->ring_bytes;
	s64 position = reserve(ring, size, HEADER_BYTES + ALIGN((u64)length, 8));
	struct stapvm_record *header;

	if (position < 0)
		return false;
	header = header_at(ring, position, size);
	header->length = length;
	header->sequence = atomic64_fetch_inc(&session->sequence);
	memcpy(header + 1, record, length);
	smp_store_release(&header->state, STAPVM_RECORD_COMMITTED);
	return true;
}

static __always_inline void wake_readers(struct stapvm_session *session,
					 const struct stapvm_ring *ring)
{
	/* Pairs with the barrier in poll: it sees the record, or this sees it waiting. */
	smp_mb();
	if (waitqueue_active(&session->readers) && fill(ring) > READ_ONCE(session->wake_above))
		irq_work_queue(&session->wake);
}

/* Appends a record to this CPU's ring, or counts it as lost. Interrupts are off. */
__kprobes void stapvm_ring_write(struct stapvm_session *session, const u8 *record, size_t length)
{
	struct stapvm_ring *ring = &session->rings[smp_processor_id()];
	bool written = false;

	WRITE_ONCE(ring->nesting, ring->nesting + 1);
	barrier();
	/* What a run emits at once is bounded, so its length fits a u32. */
	if (length <= STAPVM_RUN_OUTPUT_BYTES)
		written = append(session, ring, record, length);
	barrier();
	publish(ring);
	if (unlikely(!written)) {
		this_cpu_inc(session->counters->lost);
		return;
	}
	this_cpu_inc(session->counters->produced);
	wake_readers(session, ring);
}

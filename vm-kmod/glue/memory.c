// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory of sessions. All of it is counted, so that a leak shows at once: the parameter
 * `allocations` is 0 whenever there is no session.
 *
 * A build for tests (make FAULTS=1) has the parameter `fail_allocation` as well: writing
 * N makes the Nth allocation from then on fail, once.
 */
#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "stapvm.h"

static atomic_long_t live;

static int show_live(char *buffer, const struct kernel_param *parameter)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(&live));
}

static const struct kernel_param_ops live_operations = { .get = show_live };
module_param_cb(allocations, &live_operations, NULL, 0444);
MODULE_PARM_DESC(allocations, "Allocations of all sessions");

#ifdef STAPVM_FAULTS
static int fail_allocation;
module_param(fail_allocation, int, 0600);
MODULE_PARM_DESC(fail_allocation, "The allocation from now on that fails; 0: none does");

static bool fails(void)
{
	int left = READ_ONCE(fail_allocation);

	if (left <= 0)
		return false;
	WRITE_ONCE(fail_allocation, left - 1);
	return left == 1;
}
#else
static bool fails(void)
{
	return false;
}
#endif

static void *counted(void *memory)
{
	if (memory)
		atomic_long_inc(&live);
	return memory;
}

/* Zeroed; of any size. */
void *stapvm_alloc(size_t bytes)
{
	return fails() ? NULL : counted(kvzalloc(bytes, STAPVM_GFP_SIZED));
}

void *stapvm_alloc_array(size_t count, size_t size)
{
	return stapvm_alloc(array_size(count, size));
}

void *stapvm_alloc_near(size_t bytes, int cpu)
{
	if (fails())
		return NULL;
	return counted(kvzalloc_node(bytes, STAPVM_GFP_SIZED, cpu_to_node(cpu)));
}

/* Zeroed whole pages that user space can map. */
void *stapvm_alloc_pages(size_t bytes)
{
	return fails() ? NULL : counted(vmalloc_user(bytes));
}

void stapvm_free(const void *memory)
{
	if (memory)
		atomic_long_dec(&live);
	kvfree(memory);
}

void __percpu *stapvm_alloc_percpu(size_t bytes, size_t align)
{
	void __percpu *memory;

	if (fails())
		return NULL;
	memory = __alloc_percpu_gfp(bytes, align, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (memory)
		atomic_long_inc(&live);
	return memory;
}

void stapvm_free_percpu(void __percpu *memory)
{
	if (memory)
		atomic_long_dec(&live);
	free_percpu(memory);
}

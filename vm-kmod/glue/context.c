// SPDX-License-Identifier: GPL-2.0-or-later
/* Contexts: memory for handler runs, one for each CPU and level, made before any hit. */
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/topology.h>

#include "stapvm.h"

static int create_on(struct stapvm_session *session, int cpu)
{
	struct stapvm_cpu_contexts *contexts = per_cpu_ptr(session->contexts, cpu);
	size_t bytes = session->layout.context_bytes;
	int level;

	for (level = 0; level < STAPVM_LEVELS; level++) {
		struct stapvm_context *context = &contexts->level[level];

		context->memory = kvzalloc_node(bytes, STAPVM_GFP_SIZED, cpu_to_node(cpu));
		if (!context->memory)
			return -ENOMEM;
		if (stapvm_vm_prepare(session->program, context->memory))
			return -EINVAL;
		/* A xorshift generator must not start at 0. */
		context->random = get_random_u64() | 1;
	}
	return 0;
}

int stapvm_contexts_create(struct stapvm_session *session)
{
	int cpu, error;

	session->contexts = alloc_percpu_gfp(struct stapvm_cpu_contexts,
					     GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!session->contexts)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		error = create_on(session, cpu);
		if (error)
			return error;
	}
	return 0;
}

/* Also undoes a creation that failed half-way. */
void stapvm_contexts_destroy(struct stapvm_session *session)
{
	int cpu, level;

	if (!session->contexts)
		return;
	for_each_possible_cpu(cpu) {
		struct stapvm_cpu_contexts *contexts = per_cpu_ptr(session->contexts, cpu);

		for (level = 0; level < STAPVM_LEVELS; level++)
			kvfree(contexts->level[level].memory);
	}
	free_percpu(session->contexts);
	session->contexts = NULL;
}

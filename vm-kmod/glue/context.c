// SPDX-License-Identifier: GPL-2.0-or-later
/* Contexts: memory for handler runs, one for each CPU and level, made before any hit. */
#include <linux/cpumask.h>
#include <linux/random.h>

#include "stapvm.h"

static int create_on(struct stapvm_session *session, int cpu)
{
	struct stapvm_cpu_contexts *contexts = per_cpu_ptr(session->contexts, cpu);
	size_t bytes = session->layout.context_bytes;
	int level;

	for (level = 0; level < STAPVM_LEVELS; level++) {
		struct stapvm_context *context = &contexts->level[level];

		context->memory = stapvm_alloc_near(bytes, cpu);
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

	session->contexts = stapvm_alloc_percpu(sizeof(struct stapvm_cpu_contexts),
						__alignof__(struct stapvm_cpu_contexts));
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
			stapvm_free(contexts->level[level].memory);
	}
	stapvm_free_percpu(session->contexts);
	session->contexts = NULL;
}

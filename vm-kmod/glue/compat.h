/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between the kernels that the module is built for. */
#ifndef STAPVM_COMPAT_H
#define STAPVM_COMPAT_H

#include <linux/ftrace.h>

/*
 * The registers that a ftrace callback gets. 6.13, and stable kernels that took its
 * change, made the structure opaque and gave a macro to look into it.
 */
static __always_inline struct pt_regs *stapvm_ftrace_registers(struct ftrace_regs *fregs)
{
#ifdef arch_ftrace_regs
	return &arch_ftrace_regs(fregs)->regs;
#else
	return &fregs->regs;
#endif
}

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Netfilter hooks of the first network namespace. Every packet goes on its way unless a
 * handler that came to its end says otherwise.
 */
#include <linux/netfilter.h>
#include <linux/netfilter_arp.h>
#include <linux/netfilter_bridge.h>
#include <net/net_namespace.h>

#include "stapvm.h"

static __kprobes unsigned int on_packet(void *data, struct sk_buff *packet,
					const struct nf_hook_state *state)
{
	struct stapvm_attachment *attachment = data;
	const u64 words[STAPVM_TRACE_ARGUMENTS] = {
		state->hook, (unsigned long)packet, (unsigned long)state->in,
		(unsigned long)state->out, state->pf,
	};
	struct stapvm_hit hit = {
		.session = attachment->session,
		.attachment = attachment,
		.trace_arguments = words,
		.verdict = NF_ACCEPT,
	};

	stapvm_hit(&hit);
	return hit.finished && hit.verdict == NF_DROP ? NF_DROP : NF_ACCEPT;
}

static u8 family(const struct stapvm_attachment *attachment)
{
	return attachment->value >> 32;
}

static u32 hook_number(const struct stapvm_attachment *attachment)
{
	return attachment->value;
}

/* The kernel warns of a family or hook that it has not, so that is found out before. */
bool stapvm_netfilter_good(const struct stapvm_attachment *attachment)
{
	u32 hooks = 0;

	if (attachment->value >> 40)
		return false;
	switch (family(attachment)) {
	case NFPROTO_IPV4:
	case NFPROTO_IPV6:
		hooks = NF_INET_NUMHOOKS;
		break;
#ifdef CONFIG_NETFILTER_FAMILY_ARP
	case NFPROTO_ARP:
		hooks = NF_ARP_NUMHOOKS;
		break;
#endif
#ifdef CONFIG_NETFILTER_FAMILY_BRIDGE
	case NFPROTO_BRIDGE:
		hooks = NF_BR_NUMHOOKS;
		break;
#endif
	}
	return hook_number(attachment) < hooks;
}

int stapvm_netfilter_attach(struct stapvm_attachment *attachment)
{
	attachment->hook = (struct nf_hook_ops){
		.hook = on_packet,
		.priv = attachment,
		.pf = family(attachment),
		.hooknum = hook_number(attachment),
		.priority = (s32)attachment->extra,
	};
	return nf_register_net_hook(&init_net, &attachment->hook);
}

/* The caller waits for running handlers. */
void stapvm_netfilter_detach(struct stapvm_attachment *attachment)
{
	nf_unregister_net_hook(&init_net, &attachment->hook);
}

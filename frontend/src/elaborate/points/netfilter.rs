// SPDX-License-Identifier: GPL-2.0-or-later
//! Netfilter hooks: `netfilter.hook(...).pf(...)`, in either order.

use super::{Arguments, ContextVariables, Points, Resolved, Unresolved};
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

const INET_HOOKS: &[&str] = &["PRE_ROUTING", "LOCAL_IN", "FORWARD", "LOCAL_OUT", "POST_ROUTING"];
const ARP_HOOKS: &[&str] = &["NF_ARP_IN", "NF_ARP_OUT", "NF_ARP_FORWARD"];

/// Protocol families of linux/netfilter.h: name, number.
const FAMILIES: &[(&str, u8)] =
    &[("NFPROTO_ARP", 3), ("NFPROTO_IPV4", 2), ("NFPROTO_IPV6", 10), ("NFPROTO_BRIDGE", 7)];

/// Priorities of linux/netfilter_ipv4.h and linux/netfilter_ipv6.h, behind their
/// `NF_IP_PRI_` or `NF_IP6_PRI_`.
const PRIORITIES: &[(&str, i32)] = &[
    ("FIRST", i32::MIN),
    ("RAW_BEFORE_DEFRAG", -450),
    ("CONNTRACK_DEFRAG", -400),
    ("RAW", -300),
    ("SELINUX_FIRST", -225),
    ("CONNTRACK", -200),
    ("MANGLE", -150),
    ("NAT_DST", -100),
    ("FILTER", 0),
    ("SECURITY", 50),
    ("NAT_SRC", 100),
    ("SELINUX_LAST", 225),
    ("CONNTRACK_HELPER", 300),
    ("CONNTRACK_CONFIRM", i32::MAX),
    ("LAST", i32::MAX),
];

pub(super) fn netfilter(point: &Arguments<'_>) -> Points {
    point.plain(0)?;
    let (hook_at, family_at) = match (point.name(1), point.name(2)) {
        ("hook", "pf") => (1, 2),
        ("pf", "hook") => (2, 1),
        ("", _) => return Err(point.unknown(0)),
        ("hook" | "pf", _) => {
            return Err(point.unknown(if point.name(2).is_empty() { 1 } else { 2 }));
        }
        _ => return Err(point.unknown(1)),
    };
    let family_name = point.text(family_at)?;
    let family = FAMILIES.iter().find(|(name, _)| *name == family_name);
    let &(_, family) = family
        .ok_or_else(|| Unresolved::new(family_at, format!("unknown family '{family_name}'")))?;
    let hook_name = point.text(hook_at)?;
    let hook = hook_number(&family_name, &hook_name).ok_or_else(|| {
        Unresolved::new(hook_at, format!("unknown hook '{hook_name}' of {family_name}"))
    })?;
    let priority = match point.name(3) {
        "" => 0,
        "priority" => {
            priority(&point.text(3)?).ok_or_else(|| Unresolved::new(3, "unknown priority"))?
        }
        _ => return Err(point.unknown(3)),
    };
    point.end(4)?;
    let attach = AttachSpec::Netfilter { family, hook, priority };
    let resolved = Resolved {
        variables: ContextVariables::Netfilter,
        ..Resolved::new(point.0, ProbeKind::Netfilter, attach)
    };
    Ok(vec![resolved])
}

fn hook_number(family: &str, hook: &str) -> Option<u32> {
    let number = |names: &[&str], name: &str| names.iter().position(|known| *known == name);
    let found = match family {
        "NFPROTO_ARP" => number(ARP_HOOKS, hook),
        "NFPROTO_IPV4" => number(INET_HOOKS, after(hook, &["NF_INET_", "NF_IP_"])?),
        "NFPROTO_IPV6" => number(INET_HOOKS, after(hook, &["NF_INET_", "NF_IP6_"])?),
        // A bridge has one more, for what it routes.
        _ => match after(hook, &["NF_BR_"])? {
            "BROUTING" => Some(5),
            name => number(INET_HOOKS, name),
        },
    };
    found.and_then(|number| u32::try_from(number).ok())
}

fn after<'a>(name: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    prefixes.iter().find_map(|prefix| name.strip_prefix(prefix))
}

fn priority(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let name = after(text, &["NF_IP_PRI_", "NF_IP6_PRI_"])?;
    PRIORITIES.iter().find(|(known, _)| *known == name).map(|&(_, number)| number)
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The forms that probe points have, as `stap --dump-probe-types` lists them. A test tries
//! each.

/// All forms, sorted as SystemTap sorts its own.
pub(crate) const TYPES: &[&str] = &[
    "begin",
    "begin(number)",
    "end",
    "end(number)",
    "error",
    "error(number)",
    "kernel.data(number).length(number).rw",
    "kernel.data(number).length(number).write",
    "kernel.data(number).rw",
    "kernel.data(number).write",
    "kernel.data(string).rw",
    "kernel.data(string).write",
    "kernel.function(string)",
    "kernel.function(string).call",
    "kernel.function(string).exported",
    "kernel.function(string).return",
    "kernel.function(string).return.maxactive(number)",
    "kernel.statement(number).absolute",
    "kernel.trace(string)",
    "kernel.tracepoint(string)",
    "kprobe.function(string)",
    "kprobe.function(string).call",
    "kprobe.function(string).return",
    "kprobe.function(string).return.maxactive(number)",
    "kprobe.module(string).function(string)",
    "kprobe.module(string).function(string).call",
    "kprobe.module(string).function(string).return",
    "kprobe.module(string).function(string).return.maxactive(number)",
    "kprobe.statement(number).absolute",
    "module(string).function(string)",
    "module(string).function(string).call",
    "module(string).function(string).exported",
    "module(string).function(string).return",
    "module(string).function(string).return.maxactive(number)",
    "netfilter.hook(string).pf(string)",
    "netfilter.hook(string).pf(string).priority(string)",
    "netfilter.pf(string).hook(string)",
    "netfilter.pf(string).hook(string).priority(string)",
    "never",
    "perf.type(number).config(number)",
    "perf.type(number).config(number).hz(number)",
    "perf.type(number).config(number).sample(number)",
    "process.begin",
    "process.end",
    "process.syscall",
    "process.syscall.return",
    "process.thread.begin",
    "process.thread.end",
    "process(number).begin",
    "process(number).end",
    "process(number).syscall",
    "process(number).syscall.return",
    "process(number).thread.begin",
    "process(number).thread.end",
    "process(string).begin",
    "process(string).end",
    "process(string).syscall",
    "process(string).syscall.return",
    "process(string).thread.begin",
    "process(string).thread.end",
    "procfs.read",
    "procfs.read.maxsize(number)",
    "procfs.umask(number).read",
    "procfs.umask(number).read.maxsize(number)",
    "procfs.umask(number).write",
    "procfs.write",
    "procfs(string).read",
    "procfs(string).read.maxsize(number)",
    "procfs(string).umask(number).read",
    "procfs(string).umask(number).read.maxsize(number)",
    "procfs(string).umask(number).write",
    "procfs(string).write",
    "timer.hz(number)",
    "timer.jiffies(number)",
    "timer.jiffies(number).randomize(number)",
    "timer.ms(number)",
    "timer.ms(number).randomize(number)",
    "timer.msec(number)",
    "timer.msec(number).randomize(number)",
    "timer.ns(number)",
    "timer.ns(number).randomize(number)",
    "timer.nsec(number)",
    "timer.nsec(number).randomize(number)",
    "timer.profile",
    "timer.profile.freq.hz(number)",
    "timer.s(number)",
    "timer.s(number).randomize(number)",
    "timer.sec(number)",
    "timer.sec(number).randomize(number)",
    "timer.us(number)",
    "timer.us(number).randomize(number)",
    "timer.usec(number)",
    "timer.usec(number).randomize(number)",
];

#[cfg(test)]
mod tests {
    use super::TYPES;
    use crate::elaborate::points::resolve;
    use frontend_syntax::ast::Item;
    use frontend_syntax::{ParseOptions, Release, SourceMap, parse};

    const KERNEL: Release<'static> = Release("6.12.0");

    #[test]
    fn every_form_is_understood() {
        for form in TYPES {
            let point = form
                .replace("length(number)", "length(4)")
                .replace("timer.ns(number)", "timer.ns(100000)")
                .replace("timer.nsec(number)", "timer.nsec(100000)")
                .replace("timer.us(number)", "timer.us(100)")
                .replace("timer.usec(number)", "timer.usec(100)")
                .replace("(number)", "(1)")
                .replace("hook(string)", "hook(\"NF_INET_LOCAL_IN\")")
                .replace("pf(string)", "pf(\"NFPROTO_IPV4\")")
                .replace("priority(string)", "priority(\"5\")")
                .replace("(string)", "(\"name\")");
            let mut map = SourceMap::new();
            let file = map.add("test", format!("probe {point} {{}}").as_bytes());
            let options = ParseOptions { arguments: &[], environment: &KERNEL, guru: false };
            let parsed = parse(&map, file, &options);
            let Some(Item::Probe(probe)) = parsed.script.items.first() else {
                panic!("{point} is no probe point")
            };
            let found = resolve(&probe.points[0], None).map_err(|reason| reason.message);
            assert!(
                found.as_ref().is_ok_and(|found| !found.is_empty()),
                "{point}: {:?}",
                found.err()
            );
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What each probe point means: one file for each family, and the table of them all.

mod arguments;
mod code;
mod data;
mod function;
mod netfilter;
mod perf;
mod process;
mod procfs;
mod session;
mod syscall;
mod timer;
mod tracepoint;
pub(crate) mod types;

use crate::syscalls::Syscall;
use arguments::Arguments;
use debuginfo::Types;
use debuginfo::dwarf::CodePoint;
use frontend_syntax::ast::{Component, Literal, ProbePoint};
use frontend_syntax::preprocess::glob;
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

/// Probe points that begin with the same word.
pub(super) struct Family {
    /// The word.
    pub(super) name: &'static str,
    /// How its points are written, for messages; may be empty.
    help: &'static str,
    resolve: fn(&Arguments<'_>) -> Points,
}

/// All families. Library aliases come before them, so a script can have its own.
pub(super) const FAMILIES: &[Family] = &[
    Family { name: "begin", help: "begin, begin(ORDER)", resolve: session::begin },
    Family { name: "end", help: "end, end(ORDER)", resolve: session::end },
    Family { name: "error", help: "error, error(ORDER)", resolve: session::error },
    Family { name: "never", help: "never", resolve: session::never },
    Family {
        name: "timer",
        help: "timer.s(N), .ms(N), .us(N), .ns(N), .jiffies(N), each with .randomize(M); \
               timer.hz(N); timer.profile; timer.profile.freq.hz(N)",
        resolve: timer::timer,
    },
    Family {
        name: "kernel",
        help: "kernel.function(\"PATTERN\"), with .call, .exported, .inline, .return, \
               .return.maxactive(N), .label(\"NAME\"), .callee(\"PATTERN\"), .callees; \
               kernel.statement(\"FUNCTION@FILE:LINE\"), with .nearest; \
               kernel.statement(ADDRESS).absolute; \
               kernel.trace(\"[SYSTEM:]PATTERN\"); kernel.tracepoint(\"NAME\"); \
               kernel.data(ADDRESS or \"SYMBOL\").write or .rw, with .length(BYTES)",
        resolve: function::kernel,
    },
    Family {
        name: "module",
        help: "module(\"PATTERN\").function(\"PATTERN\"), with .call, .exported, .inline, \
               .return, .return.maxactive(N), .label(\"NAME\"), .callee(\"PATTERN\"), \
               .callees; module(\"NAME\").statement(\"FUNCTION@FILE:LINE\"), with .nearest",
        resolve: function::module,
    },
    Family {
        name: "kprobe",
        help: "kprobe.function(\"NAME\"), kprobe.module(\"NAME\").function(\"NAME\"), each with \
               .return, .return.maxactive(N); kprobe.statement(ADDRESS).absolute",
        resolve: function::kprobe,
    },
    Family {
        name: "syscall",
        help: "syscall.NAME, syscall.NAME.return",
        resolve: syscall::syscall,
    },
    Family {
        name: "nd_syscall",
        help: "nd_syscall.NAME, nd_syscall.NAME.return",
        resolve: syscall::syscall,
    },
    Family {
        name: "tp_syscall",
        help: "tp_syscall.NAME, tp_syscall.NAME.return",
        resolve: syscall::syscall,
    },
    // Ways of SystemTap's own to get at the same calls.
    Family { name: "dw_syscall", help: "", resolve: syscall::syscall },
    Family { name: "nd1_syscall", help: "", resolve: syscall::syscall },
    Family { name: "nd2_syscall", help: "", resolve: syscall::syscall },
    // What the library makes syscall_any of.
    Family { name: "__syscall_any", help: "", resolve: syscall::any },
    Family {
        name: "perf",
        help: "perf.type(N).config(M), perf.sw.NAME, perf.hw.NAME, each with .sample(N) or \
               .hz(N)",
        resolve: perf::perf,
    },
    Family {
        name: "procfs",
        help: "procfs(\"PATH\").read, procfs(\"PATH\").write, with .umask(MASK) before and \
               .maxsize(BYTES) after; without a path: procfs.read, procfs.write",
        resolve: procfs::procfs,
    },
    Family {
        name: "netfilter",
        help: "netfilter.hook(\"NAME\").pf(\"FAMILY\"), with .priority(\"N\")",
        resolve: netfilter::netfilter,
    },
    Family {
        name: "process",
        help: "process.begin, .end, .thread.begin, .thread.end, .syscall, .syscall.return, each \
               of process(\"PATH\") or process(PID), too",
        resolve: process::process,
    },
    Family { name: "python2", help: "", resolve: not_yet },
    Family { name: "python3", help: "", resolve: not_yet },
    Family { name: "java", help: "", resolve: not_yet },
];

/// First words of the points that this version knows.
pub(super) fn first_words() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|family| family.name)
}

/// `$` variables of a probe that are not a matter of types.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum ContextVariables {
    /// None.
    #[default]
    None,
    /// `$value`, of a file of /proc.
    Value,
    /// `$arg1` and so on, of a tracepoint.
    TraceArguments,
    /// `$hooknum`, `$skb`, `$in`, `$out`, `$pf`.
    Netfilter,
    /// `$syscall`, `$arg1` and so on, of any system call.
    SyscallEntry,
    /// `$syscall`, `$return`.
    SyscallExit,
}

/// A probe that a point stands for.
pub(super) struct Resolved {
    pub(super) kind: ProbeKind,
    pub(super) attach: AttachSpec,
    pub(super) text: String,
    pub(super) optional: bool,
    pub(super) variables: ContextVariables,
    /// The system call whose variables come before the handler's body.
    pub(super) call: Option<&'static Syscall>,
    /// Statements that decide whether the hit is one of this probe's.
    pub(super) prologue: Option<String>,
    /// Where in the code it is, if debug symbols told that.
    pub(super) code: Option<CodePoint>,
}

impl Resolved {
    fn new(point: &ProbePoint, kind: ProbeKind, attach: AttachSpec) -> Resolved {
        Resolved {
            kind,
            attach,
            text: text(point),
            optional: false,
            variables: ContextVariables::None,
            call: None,
            prologue: None,
            code: None,
        }
    }
}

/// Which component nobody understands, and what is to be said of it.
pub(super) struct Unresolved {
    pub(super) component: usize,
    pub(super) message: String,
    /// A word that is not known, and not something to be said of one that is.
    pub(super) is_mismatch: bool,
    /// How the family's points are written.
    pub(super) help: Option<&'static str>,
}

impl Unresolved {
    pub(super) fn new(component: usize, message: impl Into<String>) -> Unresolved {
        Unresolved { component, message: message.into(), is_mismatch: false, help: None }
    }
}

/// Names that wildcards match, component by component.
const NAMES: &[&[&str]] = &[
    &["begin"],
    &["end"],
    &["error"],
    &["never"],
    &["timer", "s"],
    &["timer", "sec"],
    &["timer", "ms"],
    &["timer", "msec"],
    &["timer", "us"],
    &["timer", "usec"],
    &["timer", "ns"],
    &["timer", "nsec"],
    &["timer", "jiffies"],
    &["timer", "hz"],
    &["timer", "profile"],
];

/// The points with names that a point with wildcards among its first components matches.
pub(super) fn matching(point: &ProbePoint) -> Vec<ProbePoint> {
    let is_wild = |c: &Component| c.name.text.contains('*') && !c.name.text.contains("**");
    if !point.components.iter().any(is_wild) {
        return Vec::new();
    }
    let fits = |names: &&&[&str]| {
        let pairs = point.components.iter().zip(names.iter());
        point.components.len() >= names.len()
            && point.components.iter().skip(names.len()).all(|c| !is_wild(c))
            && pairs.clone().any(|(c, _)| is_wild(c))
            && pairs.clone().all(|(c, name)| glob(c.name.text.as_bytes(), name.as_bytes()))
    };
    let meant = |names: &&[&str]| {
        let mut meant = point.clone();
        for (component, name) in meant.components.iter_mut().zip(names.iter()) {
            component.name.text = (*name).to_owned();
        }
        meant
    };
    let mut found: Vec<ProbePoint> = NAMES.iter().filter(fits).map(meant).collect();
    found.retain(|meant| resolve(meant, None).is_ok());
    found
}

type Points = Result<Vec<Resolved>, Unresolved>;

pub(super) fn unknown(point: &ProbePoint, component: usize) -> Unresolved {
    let name = point.components.get(component).map_or("", |c| c.name.text.as_str());
    let message = format!("probe point mismatch: identifier '{name}'");
    Unresolved { is_mismatch: true, ..Unresolved::new(component, message) }
}

/// The probes that a point stands for.
pub(super) fn resolve(point: &ProbePoint, types: Option<&Types>) -> Points {
    let first = point.components.first().map_or("", |c| c.name.text.as_str());
    let Some(family) = FAMILIES.iter().find(|family| family.name == first) else {
        return Err(unknown(point, 0));
    };
    (family.resolve)(&Arguments(point, types)).map_err(|mut reason| {
        reason.help = reason.help.or(Some(family.help)).filter(|help| !help.is_empty());
        reason
    })
}

fn one(point: &Arguments<'_>, kind: ProbeKind, attach: AttachSpec) -> Vec<Resolved> {
    vec![Resolved::new(point.0, kind, attach)]
}

fn not_yet(_: &Arguments<'_>) -> Points {
    Err(Unresolved::new(0, "user-space probes are not there yet"))
}

/// The point as it would be written.
pub(super) fn text(point: &ProbePoint) -> String {
    let component = |c: &Component| match &c.argument {
        None => c.name.text.clone(),
        Some(Literal::Number(n)) => format!("{}({n})", c.name.text),
        Some(Literal::Text(t)) => format!("{}(\"{}\")", c.name.text, String::from_utf8_lossy(t)),
    };
    point.components.iter().map(component).collect::<Vec<_>>().join(".")
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What each probe point means.

use crate::syscalls::{self, Syscall};
use frontend_syntax::ast::{Component, Literal, ProbePoint};
use frontend_syntax::preprocess::glob;
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

/// First components of the points that this version knows.
pub(super) const FIRST: &[&str] = &[
    "begin",
    "end",
    "error",
    "never",
    "timer",
    "kernel",
    "module",
    "kprobe",
    "syscall",
    "nd_syscall",
];

/// A probe that a point stands for.
pub(super) struct Resolved {
    pub(super) kind: ProbeKind,
    pub(super) attach: AttachSpec,
    pub(super) text: String,
    pub(super) optional: bool,
    /// The system call whose variables come before the handler's body.
    pub(super) call: Option<&'static Syscall>,
}

/// Which component nobody understands, and what is to be said of it.
pub(super) struct Unresolved {
    pub(super) component: usize,
    pub(super) message: String,
}

type Points = Result<Vec<Resolved>, Unresolved>;

pub(super) fn unknown(point: &ProbePoint, component: usize) -> Unresolved {
    let name = point.components.get(component).map_or("", |c| c.name.text.as_str());
    Unresolved { component, message: format!("probe point mismatch: identifier '{name}'") }
}

/// The probes that a point stands for.
pub(super) fn resolve(point: &ProbePoint) -> Points {
    let Some(first) = point.components.first() else { return Err(unknown(point, 0)) };
    match first.name.text.as_str() {
        "begin" | "end" | "error" => session(point, first),
        "never" => rest(point, 1).map(|()| one(point, ProbeKind::Never, AttachSpec::Never)),
        "timer" => timer(point),
        "kernel" | "module" => kernel(point, first),
        "kprobe" => kprobe(point),
        "syscall" | "nd_syscall" | "tp_syscall" => syscall(point),
        "__syscall_any" => any_syscall(point),
        _ => Err(unknown(point, 0)),
    }
}

/// Components from `from` on are not understood.
fn rest(point: &ProbePoint, from: usize) -> Result<(), Unresolved> {
    if point.components.len() > from { Err(unknown(point, from)) } else { Ok(()) }
}

fn one(point: &ProbePoint, kind: ProbeKind, attach: AttachSpec) -> Vec<Resolved> {
    vec![Resolved { kind, attach, text: text(point), optional: false, call: None }]
}

/// The point as it would be written.
fn text(point: &ProbePoint) -> String {
    let component = |c: &Component| match &c.argument {
        None => c.name.text.clone(),
        Some(Literal::Number(n)) => format!("{}({n})", c.name.text),
        Some(Literal::Text(t)) => format!("{}(\"{}\")", c.name.text, String::from_utf8_lossy(t)),
    };
    point.components.iter().map(component).collect::<Vec<_>>().join(".")
}

fn number(point: &ProbePoint, component: usize) -> Result<i64, Unresolved> {
    match point.components.get(component).and_then(|c| c.argument.as_ref()) {
        Some(Literal::Number(n)) => Ok(*n),
        _ => {
            let message = "a number is wanted in the parentheses".to_owned();
            Err(Unresolved { component, message })
        }
    }
}

fn argument_text(point: &ProbePoint, component: usize) -> Result<String, Unresolved> {
    match point.components.get(component).and_then(|c| c.argument.as_ref()) {
        Some(Literal::Text(text)) => Ok(String::from_utf8_lossy(text).into_owned()),
        _ => {
            let message = "a string is wanted in the parentheses".to_owned();
            Err(Unresolved { component, message })
        }
    }
}

fn session(point: &ProbePoint, first: &Component) -> Points {
    rest(point, 1)?;
    let order = if first.argument.is_some() { number(point, 0)? } else { 0 };
    Ok(match first.name.text.as_str() {
        "begin" => one(point, ProbeKind::Begin, AttachSpec::Begin { order }),
        "end" => one(point, ProbeKind::End, AttachSpec::End { order }),
        _ => one(point, ProbeKind::Error, AttachSpec::Error { order }),
    })
}

/// Debian's kernels tick 250 times a second.
const NS_PER_JIFFY: i64 = 4_000_000;
const NS_PER_S: i64 = 1_000_000_000;

fn timer(point: &ProbePoint) -> Points {
    let Some(unit) = point.components.get(1) else { return Err(unknown(point, 0)) };
    let scale = match unit.name.text.as_str() {
        "s" | "sec" => NS_PER_S,
        "ms" | "msec" => 1_000_000,
        "us" | "usec" => 1_000,
        "ns" | "nsec" => 1,
        "jiffies" => NS_PER_JIFFY,
        "hz" => return hz(point),
        "profile" => return profile(point),
        _ => return Err(unknown(point, 1)),
    };
    let scaled = |component| {
        number(point, component)?
            .checked_mul(scale)
            .filter(|ns| *ns >= 0)
            .ok_or(Unresolved { component, message: "timer interval out of range".to_owned() })
    };
    let period = scaled(1)?;
    if period == 0 {
        let message = "timer interval must be greater than 0".to_owned();
        return Err(Unresolved { component: 1, message });
    }
    let random = match point.components.get(2) {
        Some(c) if c.name.text == "randomize" => scaled(2)?,
        Some(_) => return Err(unknown(point, 2)),
        None => 0,
    };
    rest(point, 3)?;
    let attach = AttachSpec::Timer { period_ns: period as u64, random_ns: random as u64 };
    Ok(one(point, ProbeKind::Timer, attach))
}

fn hz(point: &ProbePoint) -> Points {
    rest(point, 2)?;
    let frequency = number(point, 1)?;
    if !(1..=NS_PER_S).contains(&frequency) {
        let message = "timer frequency out of range".to_owned();
        return Err(Unresolved { component: 1, message });
    }
    let attach = AttachSpec::Timer { period_ns: (NS_PER_S / frequency) as u64, random_ns: 0 };
    Ok(one(point, ProbeKind::Timer, attach))
}

fn profile(point: &ProbePoint) -> Points {
    rest(point, 2)?;
    Ok(one(point, ProbeKind::Profile, AttachSpec::Profile { hz: 0 }))
}

fn kernel(point: &ProbePoint, first: &Component) -> Points {
    let module = if first.name.text == "module" { Some(argument_text(point, 0)?) } else { None };
    let Some(what) = point.components.get(1) else { return Err(unknown(point, 0)) };
    match what.name.text.as_str() {
        "function" => function(point, module, 2),
        "trace" | "tracepoint" if module.is_none() => {
            rest(point, 2)?;
            let pattern = argument_text(point, 1)?;
            let (system, pattern) = match pattern.split_once(':') {
                Some((system, name)) => (Some(system.to_owned()), name.to_owned()),
                None => (None, pattern),
            };
            let attach = AttachSpec::Tracepoint { system, pattern };
            Ok(one(point, ProbeKind::Tracepoint, attach))
        }
        _ => Err(unknown(point, 1)),
    }
}

fn kprobe(point: &ProbePoint) -> Points {
    match point.components.get(1) {
        Some(c) if c.name.text == "function" => function(point, None, 2),
        _ => Err(unknown(point, 1)),
    }
}

/// `function("pattern")` with what follows it from component `from` on.
fn function(point: &ProbePoint, module: Option<String>, from: usize) -> Points {
    let pattern = argument_text(point, 1)?;
    let mut kind = ProbeKind::FunctionEntry;
    let mut maxactive = 0;
    for (n, component) in point.components.iter().enumerate().skip(from) {
        match component.name.text.as_str() {
            "call" | "exported" => {}
            "return" => kind = ProbeKind::FunctionReturn,
            "maxactive" if kind == ProbeKind::FunctionReturn => {
                maxactive = u32::try_from(number(point, n)?).unwrap_or(0);
            }
            _ => return Err(unknown(point, n)),
        }
    }
    if pattern.contains(':') {
        let message = "line numbers need debug information, which this version does not read";
        return Err(Unresolved { component: 1, message: message.to_owned() });
    }
    // Which file a function comes from is not known without debug information.
    let pattern = pattern.split('@').next().unwrap_or_default().to_owned();
    Ok(one(point, kind, AttachSpec::Function { pattern, module, maxactive }))
}

/// Every system call as one probe, which knows the number only.
fn any_syscall(point: &ProbePoint) -> Points {
    let kind = match point.components.get(1) {
        None => ProbeKind::SyscallEntry,
        Some(c) if c.name.text == "return" => ProbeKind::SyscallExit,
        Some(_) => return Err(unknown(point, 1)),
    };
    rest(point, 2)?;
    Ok(one(point, kind, AttachSpec::Syscall { number: None }))
}

/// A system call's probes; their prologues are made later, when it is known what is read.
fn syscall(point: &ProbePoint) -> Points {
    let Some(name) = point.components.get(1) else { return Err(unknown(point, 0)) };
    let kind = match point.components.get(2) {
        None => ProbeKind::SyscallEntry,
        Some(c) if c.name.text == "call" => ProbeKind::SyscallEntry,
        Some(c) if glob(c.name.text.as_bytes(), b"return") => ProbeKind::SyscallExit,
        Some(_) => return Err(unknown(point, 2)),
    };
    rest(point, 3)?;
    let family = &point.components[0].name.text;
    let suffix = if kind == ProbeKind::SyscallExit { ".return" } else { "" };
    let wild = name.name.text.contains('*');
    let found: Vec<Resolved> = syscalls::matching(&name.name.text)
        .into_iter()
        .filter(|call| !wild || call.number.is_some())
        .map(|call| Resolved {
            kind,
            attach: match call.number {
                Some(number) => AttachSpec::Syscall { number: Some(number) },
                None => AttachSpec::Never,
            },
            text: format!("{family}.{}{suffix}", call.alias),
            // A wildcard takes what there is.
            optional: wild,
            call: Some(call),
        })
        .collect();
    if found.is_empty() { Err(unknown(point, 1)) } else { Ok(found) }
}

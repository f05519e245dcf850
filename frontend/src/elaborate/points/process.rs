// SPDX-License-Identifier: GPL-2.0-or-later
//! What the kernel itself knows of processes: `process.begin`, `.end`, `.thread.begin`,
//! `.thread.end`, `.syscall` and `.syscall.return`, of all of them, of one by its number or of
//! those that run a program. Probes within programs are not there.
//!
//! They stand for probes of the kernel with a question before the handler.

use super::{Arguments, ContextVariables, Points, Resolved, Unresolved};
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

const WITHIN: &str = "user-space probes are not there yet: of a process begin, end, thread.begin, \
                      thread.end, syscall and syscall.return can be probed";

pub(super) fn process(point: &Arguments<'_>) -> Points {
    let whose = if !point.has_argument(0) {
        "if (target() && !target_set_pid(pid())) next".to_owned()
    } else if let Ok(number) = point.number(0) {
        format!("if (pid() != {number}) next")
    } else {
        let program = point.text(0)?.replace('\\', "\\\\").replace('"', "\\\"");
        format!("if (!__runs_program(\"{program}\")) next")
    };
    let names: Vec<&str> = (1..point.components().len()).map(|n| point.name(n)).collect();
    for n in 1..point.components().len() {
        if point.has_argument(n) {
            return Err(Unresolved::new(n, WITHIN));
        }
    }
    let function = |name: &str| AttachSpec::Function {
        pattern: name.to_owned(),
        module: None,
        maxactive: 0,
        exported: false,
    };
    let make = |kind, attach, which: &str| Resolved {
        prologue: Some(format!("{which}\n{whose}")),
        ..Resolved::new(point.0, kind, attach)
    };
    const LEADER: &str = "if (pid() != tid()) next";
    const OTHER: &str = "if (pid() == tid()) next";
    let entry = ProbeKind::FunctionEntry;
    // A new task runs schedule_tail() first; memory is still there when do_exit() begins.
    Ok(match names.as_slice() {
        ["begin"] => {
            let exec = AttachSpec::Tracepoint {
                system: Some("sched".to_owned()),
                pattern: "sched_process_exec".to_owned(),
            };
            vec![
                make(ProbeKind::Tracepoint, exec, ""),
                make(entry, function("schedule_tail"), LEADER),
            ]
        }
        ["end"] => vec![make(entry, function("do_exit"), LEADER)],
        ["thread", "begin"] => vec![make(entry, function("schedule_tail"), OTHER)],
        ["thread", "end"] => vec![make(entry, function("do_exit"), OTHER)],
        ["syscall"] => vec![Resolved {
            variables: ContextVariables::SyscallEntry,
            ..make(ProbeKind::SyscallEntry, AttachSpec::Syscall { number: None }, "")
        }],
        ["syscall", "return"] => vec![Resolved {
            variables: ContextVariables::SyscallExit,
            ..make(ProbeKind::SyscallExit, AttachSpec::Syscall { number: None }, "")
        }],
        _ => return Err(Unresolved::new(0, WITHIN)),
    })
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! `ISA.md` is made from the instruction and helper tables; this test writes it
//! (BLESS=1) and fails when it is stale.

use std::fmt::Write;
use vm_spec::helper::HelperId;
use vm_spec::insn::Field;
use vm_spec::isa::Opcode;
use vm_spec::probe::{Needs, ProbeKind};

fn opcodes(out: &mut String) {
    out.push_str(
        "# The instruction set\n\nMade from `src/isa.rs`, `src/helper.rs` and `src/probe.rs` by \
         `BLESS=1 cargo test -p vm-spec --test reference`.\n\n\
         R: long registers, S: string registers, G: globals, M: maps, F: functions, K and STR: \
         constants.\n\n\
         | number | mnemonic | operands | operation | properties |\n|---|---|---|---|---|\n",
    );
    for &opcode in Opcode::ALL {
        let info = opcode.info();
        let field = |field: Field| format!("{field:?}").to_lowercase();
        let operands: Vec<String> =
            info.operands.iter().map(|(at, kind)| format!("{}: {kind:?}", field(*at))).collect();
        let properties: Vec<&str> = [
            (info.fails, "fails"),
            (info.pays, "pays"),
            (info.ends, "ends"),
            (info.writes, "writes"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect();
        let operation = info.operation.trim().replace('|', "\\|");
        let _ = writeln!(
            out,
            "| {:#04x} | `{}` | {} | {operation} | {} |",
            opcode as u8,
            info.mnemonic,
            operands.join(", "),
            properties.join(" ")
        );
    }
}

fn helpers(out: &mut String) {
    out.push_str("\n# Helpers\n\n| number | helper | gives | what |\n|---|---|---|---|\n");
    for id in HelperId::ALL {
        let info = id.info();
        let arguments: Vec<String> =
            info.arguments.iter().map(|kind| format!("{kind:?}")).collect();
        let _ = writeln!(
            out,
            "| {} | `{}({})` | {:?} | {} |",
            *id as u16,
            info.name,
            arguments.join(", "),
            info.result,
            info.summary.trim()
        );
    }
}

fn probe_kinds(out: &mut String) {
    out.push_str("\n# Probe kinds\n\n| number | kind | a handler may read |\n|---|---|---|\n");
    let names = [
        (Needs::ARGUMENTS, "arguments"),
        (Needs::RETURN_VALUE, "return value"),
        (Needs::REGISTERS, "registers"),
        (Needs::TRACE_ARGUMENTS, "tracepoint arguments"),
        (Needs::SYSCALL_ENTRY, "system call entry"),
        (Needs::SYSCALL_EXIT, "system call exit"),
        (Needs::PROCESS, "process memory"),
        (Needs::VERDICT, "a packet's verdict"),
    ];
    for &kind in ProbeKind::ALL {
        let provided: Vec<&str> = names
            .iter()
            .filter(|(need, _)| need.within(kind.provides()))
            .map(|(_, name)| *name)
            .collect();
        let _ = writeln!(out, "| {} | {} | {} |", kind as u16, kind.text(), provided.join(", "));
    }
}

#[test]
fn isa_reference_is_fresh() {
    let mut wanted = String::new();
    opcodes(&mut wanted);
    helpers(&mut wanted);
    probe_kinds(&mut wanted);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ISA.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &wanted).expect("ISA.md can be written");
    }
    let have = std::fs::read_to_string(path).unwrap_or_default();
    assert!(have == wanted, "ISA.md is stale: run BLESS=1 cargo test -p vm-spec --test reference");
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Scripts of one line each that Debian's `stap -p2` accepts or rejects, and so do passes
//! 1 and 2 here. `oracle.sh` asks it again about each; `differs.txt` lists those where we
//! decide otherwise, with the reason.

use frontend::{Compiler, Request};
use frontend_syntax::Environment;
use frontend_syntax::diagnostic::Diagnostic;
use frontend_syntax::render::render;
use std::collections::BTreeSet;

/// What `oracle.sh` tells `stap` to compile for.
struct Kernel;

impl Environment for Kernel {
    fn kernel_release(&self) -> &'static str {
        "6.12.117+deb12-cloud-amd64"
    }

    fn config(&self, name: &str) -> Option<String> {
        let set = [("CONFIG_SMP", "y"), ("CONFIG_HZ", "250"), ("CONFIG_NR_CPUS", "512")];
        set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }
}

/// What is said of a script.
struct Said {
    accepted: bool,
    messages: Vec<String>,
    text: String,
}

fn compile(script: &str) -> Said {
    let mut compiler = Compiler::new(Request::new("<input>", script.as_bytes(), &Kernel));
    let analyzed = compiler.parse().and_then(|parsed| compiler.analyze(parsed));
    let diagnostics = compiler.diagnostics();
    let text: Vec<String> = diagnostics.iter().map(|d| render(compiler.source_map(), d)).collect();
    let errors = diagnostics.iter().filter(|d| d.is_error());
    Said {
        accepted: analyzed.is_ok(),
        messages: errors.map(|d: &Diagnostic| d.message.clone()).collect(),
        text: text.join("\n"),
    }
}

fn cases(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter(|line| !line.starts_with("# ") && !line.is_empty())
}

#[test]
fn accepted_as_by_stap() {
    let wrong: Vec<String> = cases(include_str!("accept_reject/accept.txt"))
        .map(|script| (script, compile(script)))
        .filter(|(_, said)| !said.accepted)
        .map(|(script, said)| format!("{script}\n{}", said.text))
        .collect();
    assert!(wrong.is_empty(), "{} rejected:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn rejected_as_by_stap() {
    let wrong: Vec<&str> = cases(include_str!("accept_reject/reject.txt"))
        .filter(|script| compile(script).accepted)
        .collect();
    assert!(wrong.is_empty(), "{} accepted:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn decided_otherwise() {
    for case in cases(include_str!("accept_reject/differs.txt")) {
        let Some((ours, script)) = case.split_once(' ') else { panic!("what is {case}?") };
        let said = compile(script);
        assert_eq!(said.accepted, ours == "accept", "{script}\n{}", said.text);
    }
}

/// A text without the names that it offers: they change with the library.
fn without_offers(text: &str) -> String {
    let mut parts = text.split("(similar: ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once(')').unwrap_or((part, ""));
        out += "(similar: ...)";
        out += rest;
    }
    out
}

/// The words and places of the errors.
#[test]
fn what_is_said_of_the_rejected() {
    let mut all = String::new();
    for script in cases(include_str!("accept_reject/reject.txt")) {
        all += &format!("==== {script}\n{}\n\n", without_offers(&compile(script).text));
    }
    insta::assert_snapshot!(all);
}

/// The warnings of accepted scripts.
#[test]
fn what_is_said_of_the_accepted() {
    let mut all = String::new();
    for script in cases(include_str!("accept_reject/accept.txt")) {
        let said = compile(script);
        if !said.text.is_empty() {
            all += &format!("==== {script}\n{}\n\n", without_offers(&said.text));
        }
    }
    insta::assert_snapshot!(all);
}

/// A message without the names and numbers that it quotes.
fn kind_of(message: &str) -> String {
    let mut kind = String::new();
    let mut quoted = false;
    for c in message.split(" (similar").next().unwrap_or_default().chars() {
        match c {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '0'..='9' => kind.push('0'),
            c => kind.push(c),
        }
    }
    kind
}

#[test]
fn many_kinds_of_errors_are_told_apart() {
    let scripts = cases(include_str!("accept_reject/reject.txt"))
        .chain(cases(include_str!("../syntax/tests/accept_reject/reject.txt")));
    let kinds: BTreeSet<String> = scripts
        .flat_map(|script| compile(script).messages)
        .map(|message| kind_of(&message))
        .collect();
    let list: Vec<&str> = kinds.iter().map(String::as_str).collect();
    assert!(kinds.len() >= 120, "{} kinds:\n{}", kinds.len(), list.join("\n"));
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Scripts of one line each that Debian's `stap -p1` accepts or rejects, and so do we.
//! `oracle.sh` asks it again about each; `differs.txt` lists those where we decide
//! otherwise, with the reason.

use frontend_syntax::{Environment, ParseOptions, SourceMap, parse, printer, render};

/// What `oracle.sh` tells `stap` to compile for.
struct Kernel;

impl Environment for Kernel {
    fn kernel_release(&self) -> &str {
        "6.12.117+deb12-cloud-amd64"
    }

    fn config(&self, name: &str) -> Option<String> {
        let set = [("CONFIG_SMP", "y"), ("CONFIG_HZ", "250"), ("CONFIG_NR_CPUS", "512")];
        set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }
}

/// What is wrong with a script, rendered; empty if it is accepted.
fn errors(script: &str) -> String {
    let mut map = SourceMap::new();
    let file = map.add("<input>", script.as_bytes());
    let arguments = ["a1".to_owned(), "22".to_owned(), "x y".to_owned()];
    let options = ParseOptions { arguments: &arguments, environment: &Kernel, guru: false };
    let parsed = parse(&map, file, &options);
    let errors = parsed.diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let text: Vec<String> = errors.map(|diagnostic| render::render(&map, diagnostic)).collect();
    if text.is_empty() {
        let printed = printer::print(&parsed.script);
        let file = map.add("<printed>", printed.as_bytes());
        let again = parse(&map, file, &options);
        assert_eq!(printer::print(&again.script), printed, "{script}");
    }
    text.join("\n")
}

fn cases(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter(|line| !line.starts_with("# ") && !line.is_empty())
}

#[test]
fn accepted_as_by_stap() {
    let wrong: Vec<String> = cases(include_str!("accept_reject/accept.txt"))
        .map(|script| (script, errors(script)))
        .filter(|(_, errors)| !errors.is_empty())
        .map(|(script, errors)| format!("{script}\n{errors}"))
        .collect();
    assert!(wrong.is_empty(), "{} rejected:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn rejected_as_by_stap() {
    let wrong: Vec<&str> = cases(include_str!("accept_reject/reject.txt"))
        .filter(|script| errors(script).is_empty())
        .collect();
    assert!(wrong.is_empty(), "{} accepted:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn decided_otherwise() {
    for case in cases(include_str!("accept_reject/differs.txt")) {
        let Some(script) = case.strip_prefix("reject ") else { panic!("what is {case}?") };
        assert!(!errors(script).is_empty(), "accepted: {script}");
    }
}

/// The words and places of the errors.
#[test]
fn what_is_said_of_the_rejected() {
    let mut all = String::new();
    for script in cases(include_str!("accept_reject/reject.txt")) {
        all += &format!("==== {script}\n{}\n\n", errors(script));
    }
    insta::assert_snapshot!(all);
}

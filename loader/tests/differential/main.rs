// SPDX-License-Identifier: GPL-2.0-or-later
//! Random well-typed programs: what the compiled bytecode prints in the interpreter is
//! what a plain evaluator of the tree prints, and the verifier accepts all of them.
//!
//! ```text
//! tree       programs, made of a stream of choices, and their text
//! evaluate   what they print, by walking the tree
//! ```
//! `PROPTEST_CASES` says how many programs are tried; `make differential` tries 100000.

mod evaluate;
mod tree;

use frontend::{Compiler, Request};
use loader::compile::TargetKernel;
use loader::output::Printer;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use tree::Program;
use vm_host::{Session, World};
use vm_spec::blob::Blob;
use vm_spec::ids::ProbeId;

/// Enough for every program that can be made.
const STEPS: &str = "10000000";

fn compile(text: &str) -> Blob {
    let kernel = TargetKernel::new("6.1.0", "5.0");
    let defines = [("MAXACTION".to_owned(), STEPS.to_owned())];
    let request =
        Request { defines: &defines, ..Request::new("random.stp", text.as_bytes(), &kernel) };
    let mut compiler = Compiler::new(request);
    let blob = compiler
        .parse()
        .and_then(|parsed| compiler.analyze(parsed))
        .and_then(|analyzed| compiler.translate(&analyzed));
    match blob {
        Ok(blob) => blob,
        Err(_) => {
            let errors = compiler.diagnostics().iter().filter(|d| d.is_error());
            let errors: Vec<&str> = errors.map(|d| d.message.as_str()).collect();
            panic!("refused: {errors:?}\n{text}")
        }
    }
}

/// Both streams of a run of the begin probe.
fn run(blob: &Blob) -> (String, String) {
    let mut session = Session::load(&blob.image, World::fixed())
        .unwrap_or_else(|error| panic!("the verifier refuses it: {error}"));
    let run = session.run(ProbeId(0));
    assert_eq!(run.violations, Vec::<String>::new());
    let image = *session.verified().image();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut printer = Printer::new(&image, &blob.source, &mut out, &mut err);
    for record in &run.records {
        printer.record(0, record).unwrap();
    }
    assert_eq!(printer.damaged, 0);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(out), text(err))
}

fn check(choices: &[u8], faults: &Cell<u32>) -> Result<(), TestCaseError> {
    let program = Program::of(choices);
    let text = program.text();
    let (out, err) = run(&compile(&text));
    let wanted = evaluate::run(&program);
    prop_assert_eq!(&out, &wanted.out, "{}", text);
    match wanted.fault {
        None => prop_assert_eq!(err, "", "{}", text),
        Some(fault) => {
            faults.set(faults.get() + 1);
            let error = format!("ERROR: {fault}");
            prop_assert!(err.starts_with(&error), "{} is not {}\n{}", err, error, text);
        }
    }
    Ok(())
}

#[test]
fn bytecode_does_what_the_tree_says() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2000);
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 2000,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let faults = Cell::new(0);
    let programs = prop::collection::vec(any::<u8>(), 0..600);
    let result = TestRunner::new(config).run(&programs, |choices| check(&choices, &faults));
    if let Err(error) = result {
        panic!("{error}");
    }
    println!("{cases} programs agree; {} of them end with a run-time error", faults.get());
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Properties of the compiler.

use crate::KERNEL;
use frontend::{Compiler, Request};
use frontend_syntax::render::render;
use frontend_syntax::{Diagnostic, ParseOptions, SourceMap, parse, printer};
use vm_core::map;
use vm_host::{Session, World};
use vm_spec::blob::Blob;
use vm_spec::ids::ProbeId;
use vm_spec::probe::ProbeKind;

/// Any bytes as a script: trees or errors that can be shown. What is read without an
/// error is printed as a script that is read in the same way.
///
/// # Panics
/// If that does not hold.
pub fn syntax(data: &[u8]) {
    let (printed, diagnostics) = parsed(data);
    if diagnostics.iter().any(|diagnostic| diagnostic.is_error()) {
        return;
    }
    let (again, diagnostics) = parsed(printed.as_bytes());
    // Where the script has `!!x`, the printer has parentheses.
    if diagnostics.iter().any(|diagnostic| diagnostic.message.contains("nesting too deep")) {
        return;
    }
    assert_eq!(printed, again, "what is printed is read in another way");
}

fn parsed(text: &[u8]) -> (String, Vec<Diagnostic>) {
    let mut map = SourceMap::new();
    let file = map.add("fuzz", text);
    let arguments = ["7".to_owned(), "word".to_owned()];
    let options = ParseOptions { arguments: &arguments, environment: &KERNEL, guru: false };
    let parsed = parse(&map, file, &options);
    for diagnostic in &parsed.diagnostics {
        let _ = render(&map, diagnostic);
    }
    (printer::print(&parsed.script), parsed.diagnostics)
}

fn compile(text: &[u8]) -> Option<Blob> {
    let defines = [("MAXACTION".to_owned(), "2000".to_owned())];
    let mut compiler =
        Compiler::new(Request { defines: &defines, ..Request::new("fuzz", text, &KERNEL) });
    let blob = compiler
        .parse()
        .and_then(|parsed| compiler.analyze(parsed))
        .and_then(|analyzed| compiler.translate(&analyzed));
    for diagnostic in compiler.diagnostics() {
        let text = render(compiler.source_map(), diagnostic);
        assert!(!text.contains("internal error"), "{text}");
    }
    blob.ok()
}

/// Any bytes as a script: a verified program that runs, or errors that can be shown.
///
/// # Panics
/// If that does not hold.
pub fn script(data: &[u8]) {
    if let Some(blob) = compile(data) {
        run(&blob);
    }
}

/// Runs the begin probes; the number that the first global has then.
fn run(blob: &Blob) -> Option<i64> {
    let verified = vm_spec::verify::verify(&blob.image).expect("what is compiled is accepted");
    let image = *verified.image();
    if map::storage_words_needed(&image) > 1 << 20 {
        return None;
    }
    let mut session = Session::new(verified, World::fixed()).ok()?;
    for (n, probe) in image.probes.iter().enumerate() {
        if ProbeKind::from_number(probe.kind) == Some(ProbeKind::Begin) {
            let run = session.run(ProbeId(n as u32));
            assert_eq!(run.violations, Vec::<String>::new());
        }
    }
    (!image.scalars.is_empty()).then(|| session.scalar(vm_spec::ids::ScalarId(0)))
}

/// An expression, a NUL, a text: tables that are accepted and run, or an error; the same
/// answer as the regex crate's where both mean the same.
///
/// # Panics
/// If that does not hold.
pub fn regex(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let pattern = parts.next().unwrap_or_default();
    let text: Vec<u8> =
        parts.next().unwrap_or_default().iter().copied().filter(|byte| *byte != 0).collect();
    let text = text.get(..200).unwrap_or(&text);
    let script = format!(
        "global found = 2 probe begin {{ if ({} =~ {}) {{ found = 1; for (i = 0; i < ngroups(); \
         i++) println(matched(i)) }} else found = 0 }} probe end {{ print(found) }}",
        literal(text),
        literal(pattern)
    );
    let Some(blob) = compile(script.as_bytes()) else { return };
    let Some(found) = run(&blob) else { return };
    assert!(found == 0 || found == 1, "the expression was not evaluated: {found}");
    let plain = pattern.iter().all(|byte| b"abc.()|*+?^$".contains(byte));
    // In the regex crate, what comes behind a closure says how greedy it is.
    let closures = pattern.windows(2).any(|two| two.iter().all(|byte| b"*+?".contains(byte)));
    if plain
        && !closures
        && let Ok(pattern) = std::str::from_utf8(pattern)
    {
        let Ok(other) = regex::bytes::Regex::new(&format!("(?s-u){pattern}")) else { return };
        assert_eq!(found == 1, other.is_match(text), "{pattern:?} on {text:?}");
    }
}

/// Bytes as a literal of the language.
fn literal(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend(['\\', byte as char]),
            b' '..=b'~' => out.push(byte as char),
            _ => out += &format!("\\{byte:03o}"),
        }
    }
    out + "\""
}

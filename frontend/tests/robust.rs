// SPDX-License-Identifier: GPL-2.0-or-later
//! Whatever a script is, compiling it ends soon, with a verified program or an error that
//! can be shown. The parser alone is treated so in `syntax/tests/robust.rs`.

use frontend::{Compiler, Request};
use frontend_syntax::Release;
use frontend_syntax::render::render;
use proptest::prelude::*;
use std::fmt::Write;

const KERNEL: Release<'static> = Release("6.12.0");

/// Compiles; gives the errors' messages, of which none may be an internal one.
fn errors(script: &[u8]) -> Vec<String> {
    let mut compiler = Compiler::new(Request::new("t.stp", script, &KERNEL));
    let compiled = compiler
        .parse()
        .and_then(|parsed| compiler.analyze(parsed))
        .and_then(|analyzed| compiler.translate(&analyzed));
    let diagnostics = compiler.diagnostics();
    for diagnostic in diagnostics.iter().take(60) {
        assert!(!render(compiler.source_map(), diagnostic).is_empty());
        assert!(!diagnostic.message.contains("internal error"), "{diagnostic:?}");
    }
    let errors: Vec<String> =
        diagnostics.iter().filter(|d| d.is_error()).map(|d| d.message.clone()).collect();
    assert_eq!(errors.is_empty(), compiled.is_ok());
    errors
}

fn in_probe(text: &str) -> String {
    format!("probe begin {{ {text} }}")
}

const MANY: usize = 100_000;
/// As deep as the parser lets anything be.
const DEEP: usize = 140;

#[test]
fn parentheses_without_end() {
    for unit in ["(", "- ", "a[", "f(", "{ ", "if (x) ", "a ? b : "] {
        assert_eq!(errors(in_probe(&unit.repeat(MANY)).as_bytes())[0], "nesting too deep");
    }
}

/// Passes that walk something twice would take 2^140 steps.
#[test]
fn what_nests_as_deep_as_it_may() {
    let nested = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(DEEP), close.repeat(DEEP))
    };
    let overloads = "function f(x) { if (x) next return x } function f(x) { return x }";
    for script in [
        in_probe(&format!("println({})", nested("(x == ", "1", ")"))),
        in_probe(&format!("println({})", nested("(x ? y : ", "z", ")"))),
        in_probe(&format!("println({})", nested("(x ? ", "z", " : y)"))),
        in_probe(&format!("println({})", nested("-(1 + ", "2", ")"))),
        in_probe(&format!("println({})", nested("((", "1", ") = 5)"))),
        in_probe(&format!("println({})", nested("(x = ", "1", ")"))),
        in_probe(&nested("foreach (k in a) ", "println(k)", "")),
        in_probe(&nested("for (;;) ", "println(1)", "")),
        in_probe(&nested("try { ", "println(1)", " } catch { println(2) }")),
        format!("global a {}", in_probe(&nested("a[", "1", "] = 1"))),
        format!("global a {}", in_probe(&format!("println({})", nested("a[", "1", "]")))),
        format!("{overloads} {}", in_probe(&format!("println({})", nested("f(", "1", ")")))),
        format!("{overloads} {}", in_probe(&format!("println({})", nested("f(", "x", ")")))),
        format!("{overloads} {}", in_probe(&format!("println({})", nested("f(f(", "\"s\"", "))")))),
    ] {
        errors(script.as_bytes());
    }
}

#[test]
fn ten_megabytes() {
    let statements = in_probe(&"x = x + 3\n".repeat(1 << 20));
    assert!(errors(statements.as_bytes()).len() <= 1, "too large, at most");
    assert!(!errors(&[0; 10 << 20]).is_empty());
    assert!(!errors(&[0xff; 10 << 20]).is_empty());
    assert!(
        !errors(in_probe(&format!("println({})", "\"".repeat((10 << 20) + 1))).as_bytes())
            .is_empty()
    );
    let functions: String = (0..20_000).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "function f{n}(x) {{ return f{}(x) + 1 }}", n + 1);
        text
    });
    assert!(!errors(format!("{functions} probe begin {{ println(f0(1)) }}").as_bytes()).is_empty());
}

/// Types are learnt backwards along a chain of calls, one body at a time.
#[test]
fn types_travel_along_a_chain_of_functions() {
    let chain: String = (0..2000).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "function f{n}(x) {{ return f{}(x) }}", n + 1);
        text
    });
    let script = format!(
        "{chain} function f2000(x) {{ return x . \"end\" }} probe begin {{ println(f0(\"a\")) }}"
    );
    assert_eq!(errors(script.as_bytes()), Vec::<String>::new());
}

fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "x",
        "y",
        "a",
        "s",
        "f(",
        "g(",
        ")",
        "(",
        "{",
        "}",
        "[",
        "]",
        "1",
        "-1",
        "\"t\"",
        "=",
        "+=",
        ".=",
        "<<<",
        "++",
        "--",
        "+",
        "-",
        "*",
        "/",
        ".",
        "==",
        "<",
        "&&",
        "||",
        "?",
        ":",
        "!",
        ",",
        ";",
        "if (",
        "else",
        "while (",
        "for (",
        "foreach (",
        "in",
        "limit",
        "return",
        "next",
        "break",
        "continue",
        "delete",
        "try {",
        "} catch (x) {",
        "println(",
        "printf(\"%d %s\",",
        "sprint(",
        "@count(",
        "@hist_log(",
        "@avg(",
        "error(",
        "strlen(",
        "exit()",
        "a[1]",
        "a[x, *]",
        "s[\"k\"]",
        "*",
        "0x7fffffffffffffff",
        ">>>",
        "%",
        "pid()",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        errors(&bytes);
    }

    #[test]
    fn any_words_end(body in words(), function in words(), global in words()) {
        let script = format!(
            "global a, s, y\nfunction f(x) {{ {function} }}\nfunction g(x, y) {{ return x }}\n\
             probe begin {{ {body} }}\nprobe end {{ println(a[1]) {global} }}"
        );
        errors(script.as_bytes());
    }
}

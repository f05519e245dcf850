// SPDX-License-Identifier: GPL-2.0-or-later
//! Whatever the bytes are, parsing ends, in time about linear in them, and says what is
//! wrong instead of overflowing a stack. Each of these runs in the 2 MB of stack that a
//! test's thread has.

use frontend_syntax::{Environment, ParseOptions, Parsed, SourceMap, ast, parse, printer, render};
use proptest::prelude::*;
use std::time::{Duration, Instant};

struct Kernel;

impl Environment for Kernel {
    fn kernel_release(&self) -> &str {
        "6.12.1"
    }
    fn config(&self, _name: &str) -> Option<String> {
        None
    }
}

fn parsed(bytes: &[u8]) -> (SourceMap, Parsed) {
    let mut map = SourceMap::new();
    let file = map.add("t.stp", bytes);
    let arguments = ["x".to_owned(), "1 + 2".to_owned(), "\"$1".to_owned()];
    let options = ParseOptions { arguments: &arguments, environment: &Kernel, guru: true };
    let parsed = parse(&map, file, &options);
    (map, parsed)
}

fn first_error(text: &str) -> String {
    let start = Instant::now();
    let (_, parsed) = parsed(text.as_bytes());
    // Far above what it takes, far below what anything quadratic would.
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    let first = parsed.diagnostics.first().map(|d| d.message.clone());
    assert!(parsed.diagnostics.len() <= 51, "{} errors", parsed.diagnostics.len());
    first.unwrap_or_default()
}

const MANY: usize = 100_000;

fn in_probe(text: &str) -> String {
    format!("probe begin {{ {text} }}")
}

#[test]
fn deep_nesting_is_refused() {
    for unit in [
        "(",
        "- ",
        "! ",
        "+ ",
        "{",
        "if (a) ",
        "while (1) ",
        "a[",
        "f(",
        "a ? ",
        "a = ",
        "@defined(",
        "$a[",
        "try {",
        "foreach (a in b) ",
        "[f(",
        "~ ",
        "&$a[",
        "a ? b : ",
        "@count(",
        "print(",
    ] {
        assert_eq!(first_error(&in_probe(&unit.repeat(MANY))), "nesting too deep", "{unit}");
    }
    assert_eq!(first_error(&format!("probe {} ", "{".repeat(MANY))), "nesting too deep");
    let choices = first_error(&format!("probe {} {{}}", "a.{b,c}.".repeat(MANY)));
    assert_eq!(choices, "too many probe points in braces");
}

#[test]
fn long_chains_are_refused() {
    for unit in ["a + ", "a . ", "a && ", "a || ", "a < ", "a << ", "a * "] {
        let text = in_probe(&format!("x = {}a", unit.repeat(MANY)));
        assert_eq!(first_error(&text), "nesting too deep", "{unit}");
    }
    let branches = in_probe(&format!("{} a", "if (a) b else ".repeat(MANY)));
    assert_eq!(first_error(&branches), "nesting too deep");
}

#[test]
fn chains_below_the_limit_are_read() {
    assert_eq!(first_error(&in_probe(&format!("x = {}a", "a + ".repeat(400)))), "");
    assert_eq!(first_error(&in_probe(&format!("{} a", "if (a) b else ".repeat(400)))), "");
    assert_eq!(first_error(&in_probe(&format!("x = {}a{}", "(".repeat(100), ")".repeat(100)))), "");
}

#[test]
fn conditionals_nest_without_limit() {
    let text = format!("{} x {}", "%( 1 == 1 %? ".repeat(MANY), "%)".repeat(MANY));
    assert_eq!(first_error(&in_probe(&text)), "");
    let text = format!("{} x {}", "%( 1 == 2 %? ".repeat(MANY), "%)".repeat(MANY));
    assert_eq!(first_error(&in_probe(&text)), "");
    assert_eq!(first_error(&"%( 1 == 1 %? ".repeat(MANY)), "incomplete conditional at end of file");
}

#[test]
fn macros_do_not_blow_up() {
    let mut text = "@define m0 %( x x %)\n".to_owned();
    for n in 1..60 {
        text += &format!("@define m{n} %( @m{} @m{} %)\n", n - 1, n - 1);
    }
    let doubled = first_error(&format!("{text} probe begin {{ @m59 }}"));
    assert!(doubled.contains("nested too deep or makes too many tokens"), "{doubled}");
    let empty = text.replace("x x", "");
    let doubled = first_error(&format!("{empty} probe begin {{ @m59 }}"));
    assert!(doubled.contains("nested too deep or makes too many tokens"), "{doubled}");
    let own = first_error("@define a %( @a %) probe begin { @a }");
    assert!(own.contains("nested too deep"), "{own}");
    let own = first_error("@define a(x) %( @a(@x) %) probe begin { @a(1) }");
    assert!(own.contains("nested too deep"), "{own}");
}

#[test]
fn unterminated_everything() {
    for text in [
        "\"",
        "/*",
        "%{",
        "%(",
        "probe",
        "probe a {",
        "@define",
        "@define a(",
        "@define a %(",
        "function f(",
        "global a[",
        "probe a(\"",
        "%( 1 == ",
        "private",
        "probe a if (",
    ] {
        assert_ne!((first_error(text), text), (String::new(), ""), "{text}");
    }
    let strings = "\"\n".repeat(MANY);
    assert_eq!(first_error(&strings), "Could not find matching closing quote");
}

#[test]
fn ten_megabytes() {
    let statements = "x = y + 3 * f(a, \"b\")\n".repeat(10 * 1024 * 1024 / 22);
    assert_eq!(first_error(&in_probe(&statements)), "");
    assert_ne!(first_error(&"x ".repeat(5 << 20)), "");
    assert_eq!(first_error(&in_probe(&format!("x = \"{}\"", "a".repeat(10 << 20)))), "");
    assert_eq!(first_error(&in_probe(&"\"a\" ".repeat(1 << 20))), "");
    assert_ne!(first_error(&"\0".repeat(10 << 20)), "");
    assert_eq!(first_error(&in_probe(&"$1 $2 ".repeat(1 << 20))), "");
}

#[test]
fn bytes_that_are_no_text() {
    let (map, parsed) = parsed(b"probe begin { x = \"\xff\xfe\"; \xff }");
    assert_eq!(parsed.diagnostics.len(), 1);
    let text = render::render(&map, &parsed.diagnostics[0]);
    assert!(text.contains("operator '\\xff'"), "{text}");
}

/// A tree without its spans and braces.
fn shape(script: &ast::Script) -> String {
    let text = format!("{script:?}");
    let mut parts = text.split("Span {");
    let mut shape = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shape += part.split_once(" }").map_or(part, |(_, rest)| rest);
    }
    shape
}

/// Expressions, most of them in parentheses that the printer would put as well.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "1",
        "0xffffffffffffffff",
        "\"s\\n\"",
        "$x",
        "$x->y$",
        "$$vars",
        "@var(\"v\")",
        "a[1, *]",
        "f()",
        "x$",
        "@perf(\"p\")",
        "sprintf(\"%d\", 3)",
        "@variance(s, -3)",
        "@hist_log(s)[2]",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(6, 60, 3, |inner| {
        let infix = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>", ".", "==", "!=", "<", "<=",
            ">", ">=", "&&", "||", "=", "+=", ".=", "<<<", ">>=",
        ]);
        let prefix =
            prop::sample::select(vec!["- ", "+ ", "!", "~", "++", "--", "&", "@defined", "@entry"]);
        prop_oneof![
            (inner.clone(), infix, inner.clone()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            (prefix, inner.clone()).prop_map(|(o, a)| format!("{o}({a})")),
            inner.clone().prop_map(|a| format!("({a})++")),
            inner.clone().prop_map(|a| format!("({a})->m[{a}]$$")),
            inner.clone().prop_map(|a| format!("@cast({a}, \"t\", \"m\")->m")),
            inner.clone().prop_map(|a| format!("({a}) =~ \"r\\\\d\"")),
            inner.clone().prop_map(|a| format!("[({a}), *] in arr")),
            inner.clone().prop_map(|a| format!("g({a}, {a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("{a} ? {b} : {c}")),
        ]
    })
}

/// Tokens of the language in no order.
fn soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "probe",
        "global",
        "function",
        "private",
        "begin",
        "if",
        "(",
        ")",
        "{",
        "}",
        "[f(",
        "]",
        "a",
        "b",
        "$x",
        "$",
        "$$",
        "->",
        "@count",
        "@define",
        "@m",
        "%(",
        "%)",
        "%?",
        "%:",
        "==",
        "1",
        "\"s\"",
        "foreach",
        "in",
        "limit",
        "try",
        "catch",
        ";",
        ",",
        "=",
        "+=",
        "<<<",
        "++",
        "-",
        "*",
        "?",
        "!",
        ":",
        "&",
        "&&",
        "||",
        "=~",
        ".",
        "@hist_log",
        "print",
        "printf",
        "$1",
        "@2",
        "$#",
        "return",
        "else",
        "for",
        "while",
        "delete",
        "%{ c %}",
        "@cast",
        "@var",
        "kernel_v",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (map, parsed) = parsed(&bytes);
        for diagnostic in &parsed.diagnostics {
            render::render(&map, diagnostic);
        }
    }

    #[test]
    fn printed_expressions_mean_the_same(text in expression()) {
        let (_, parsed) = parsed(in_probe(&format!("x = ({text})")).as_bytes());
        // Some of them are none: `a = b + c = d`.
        if parsed.diagnostics.is_empty() {
            let printed = printer::print(&parsed.script);
            let (_, again) = self::parsed(printed.as_bytes());
            prop_assert!(again.diagnostics.is_empty(), "{printed}\n{:?}", again.diagnostics);
            prop_assert_eq!(shape(&again.script), shape(&parsed.script));
        }
    }

    #[test]
    fn any_tokens_end(text in soup()) {
        let (map, parsed) = parsed(format!("probe begin {{ {text} }} {text}").as_bytes());
        for diagnostic in &parsed.diagnostics {
            prop_assert!(!render::render(&map, diagnostic).is_empty());
        }
        // What was read is printed and read again without an error.
        let text = printer::print(&parsed.script);
        let (_, again) = self::parsed(text.as_bytes());
        prop_assert!(!again.diagnostics.iter().any(|d| d.is_error()), "{text}\n{:?}", again.diagnostics);
        prop_assert_eq!(printer::print(&again.script), text);
        prop_assert_eq!(shape(&again.script), shape(&parsed.script));
    }
}

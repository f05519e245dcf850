// SPDX-License-Identifier: GPL-2.0-or-later
//! The tables against the regex crate, and what is refused.

use super::{Groups, Regex};
use proptest::prelude::*;
use regex::bytes;
use std::time::Duration;
use vm_spec::build::{Builder, FunctionSpec, Limits, ProbeSpec};
use vm_spec::ids::RegexId;
use vm_spec::isa::asm;
use vm_spec::probe::ProbeKind;
use vm_spec::regex::Tables;
use vm_spec::verify::verify;

/// Runs the tables as the interpreter does; the text of each group if the text matches.
fn run(pattern: &str, text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let spec = Regex::parse(pattern.as_bytes()).unwrap().compile(Groups::Wanted).unwrap();
    let mut builder = Builder::new(Limits::default());
    let id = builder.regex(pattern.as_bytes(), &spec);
    let handler = builder.declare_function();
    builder.define_function(handler, FunctionSpec::handler("begin", vec![asm::ret()]));
    builder.probe(ProbeSpec::new("begin", handler, ProbeKind::Begin));
    let built = builder.finish().unwrap();
    let verified = verify(&built.image).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let tables = Tables::of(verified.image(), id).unwrap();
    if !vm_core::regex::matches(&tables, text) {
        return None;
    }
    let mut scratch = vec![7; vm_core::regex::scratch_words(&tables)];
    let groups = vm_core::regex::groups(&tables, text, &mut scratch);
    Some((0..usize::from(tables.groups())).map(|n| groups.part(n, text).to_vec()).collect())
}

fn groups(pattern: &str, text: &str) -> Vec<String> {
    let found = run(pattern, text.as_bytes()).unwrap();
    found.into_iter().map(|part| String::from_utf8(part).unwrap()).collect()
}

#[test]
fn the_first_and_longest_match_is_taken() {
    assert_eq!(groups("a|ab|abc", "xabcd"), ["abc"]);
    assert_eq!(groups("b*", "abb"), [""]);
    assert_eq!(groups("(foo|foobar)(bar)?", "foobar"), ["foobar", "foo", "bar"]);
    assert_eq!(groups("([a-z]+)=([0-9]{1,3});", "a=1;b=22;"), ["a=1;", "a", "1"]);
    assert_eq!(groups("^(.)(.)$", "ab"), ["ab", "a", "b"]);
    assert_eq!(groups("a|(b)", "a"), ["a", ""]);
    assert_eq!(groups("(a|b)*", "abab"), ["abab", "b"]);
    assert_eq!(groups("$", "ab"), [""]);
}

#[test]
fn errors_tell_the_position() {
    let error = |pattern: &str| Regex::parse(pattern.as_bytes()).unwrap_err().to_string();
    for (pattern, position, message) in [
        ("*a", 0, "unexpected '*'"),
        ("a|+", 2, "unexpected '+'"),
        ("(a", 2, "expected ), found end of regex"),
        ("[a", 1, "unclosed character class"),
        ("a{2", 3, "unexpected end of regex"),
        ("a{,3}", 2, "expected number"),
        ("a{x}", 2, "expected number"),
        ("a{9999}", 2, "repetition count above 1000"),
        ("[[:foo:]]", 1, "unknown character class 'foo'"),
        ("[z-a]", 4, "Inverted character range z-a"),
        ("^*", 1, "postfix closure '*' applied to anchoring operator"),
        ("a\\", 2, "unexpected end of regex"),
    ] {
        let wanted = format!("regex compilation error (at position {position}): {message}");
        assert_eq!(error(pattern), wanted, "{pattern}");
    }
    let deep = "(".repeat(100_000);
    assert!(error(&deep).contains("nested too deep"));
}

#[test]
fn too_large_expressions_are_refused() {
    let compile = |pattern: &str| Regex::parse(pattern.as_bytes()).unwrap().compile(Groups::Wanted);
    for pattern in ["((a{100}){100}){100}", "(a|b)*a(a|b){16}", &"(a)".repeat(16)] {
        let error = compile(pattern).unwrap_err().to_string();
        assert!(error.contains("too large"), "{error}");
    }
}

/// Whatever the expression, it compiles or is refused in half a second of this thread's time;
/// these are of the kinds that take longest: long automata, many states, many empty places,
/// many ways to match at a time.
#[test]
fn no_expression_takes_long() {
    let nested = (0..60).fold("a".to_owned(), |inner, _| format!("({inner}|)*"));
    for pattern in [
        "((.[[:alnum:]][a-m][a-z0-9](.|[a-z0-9]|l))*|[a-z0-9].([a-m])?|i|(((.){9,})*|m|([^k]){9}|.))",
        "(ABCDEFGHIJKLMNOPQRSTUVWXYZ){1,900}",
        "(([^k]){2,3}){20}[[:alnum:]][[:alnum:]](p[^k]|((.|[a-z0-9])|i[^k]e))",
        "(abc|.*d){50}",
        "(a?){1000}x.{12}",
        "x.{300}",
        &format!("{nested}b.{{14}}"),
        &format!("({})*a.{{12}}", "()|".repeat(5000)),
    ] {
        for groups in [Groups::Wanted, Groups::Unwanted] {
            let start = thread_time();
            let _ = Regex::parse(pattern.as_bytes()).unwrap().compile(groups);
            let taken = thread_time() - start;
            assert!(taken < LONGEST, "{taken:?} for {groups:?} of {pattern:.60}");
        }
    }
}

/// Tests are built without optimisation, and run beside others.
const LONGEST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 15_000 } else { 500 });

/// How long this thread has been on a CPU; other threads and processes do not count.
fn thread_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn the_same_pattern_has_one_table() {
    let mut builder = Builder::new(Limits::default());
    let spec = Regex::parse(b"a").unwrap().compile(Groups::Unwanted).unwrap();
    assert_eq!(builder.regex(b"a", &spec), RegexId(0));
    assert_eq!(builder.regex(b"a", &spec), RegexId(0));
}

/// Expressions that mean the same here and in the regex crate.
fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => "[abc]".prop_map(|s| s),
        1 => Just(".".to_owned()),
        1 => Just("[ab]".to_owned()),
        1 => Just("[^a]".to_owned()),
        1 => Just("^".to_owned()),
        1 => Just("$".to_owned()),
    ];
    leaf.prop_recursive(4, 20, 3, |inner| {
        let closed = (
            inner.clone(),
            prop_oneof![Just("*"), Just("+"), Just("?"), Just("{2}"), Just("{1,2}"), Just("{0,}")],
        );
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|all| all.concat()),
            prop::collection::vec(inner, 1..3).prop_map(|all| format!("({})", all.join("|"))),
            closed.prop_map(|(inner, closure)| format!("({inner}){closure}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn matches_are_those_of_the_regex_crate(pattern in pattern(), text in "[abc]{0,8}") {
        let few = pattern.matches('(').count() < 15;
        prop_assume!(few);
        let reference = bytes::Regex::new(&format!("(?s-u){pattern}")).unwrap();
        let found = run(&pattern, text.as_bytes());
        prop_assert_eq!(found.is_some(), reference.is_match(text.as_bytes()), "{}", pattern);
        if let Some(found) = found {
            // Of the matches that end first the one that begins earliest fixes the start;
            // the longest one from there is looked for end by end.
            if !pattern.contains(['^', '$']) {
                let whole = bytes::Regex::new(&format!("(?s-u)\\A(?:{pattern})\\z")).unwrap();
                let part = |start: usize, end: usize| &text.as_bytes()[start..end];
                let start = (0..=text.len())
                    .find_map(|end| (0..=end).find(|&start| whole.is_match(part(start, end))))
                    .unwrap();
                let longest = (start..=text.len()).rev().find(|&end| whole.is_match(part(start, end)));
                prop_assert_eq!(&found[0], part(start, longest.unwrap()), "{}", pattern);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(pattern: Vec<u8>) {
        if let Ok(regex) = Regex::parse(&pattern) {
            let _ = regex.compile(Groups::Wanted);
        }
    }

    #[test]
    fn anything_that_looks_like_one_is_read_or_refused(pattern in "[ab.*+?{}()|^$\\[\\]0-9,:\\\\-]{0,12}") {
        if let Ok(regex) = Regex::parse(pattern.as_bytes()) {
            let _ = regex.compile(Groups::Wanted);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Target variables over types made by hand: what is refused with which words, and what
//! relocations the rest asks for.

use debuginfo::oracle::sample;
use debuginfo::{Source, Types};
use frontend::{Compiler, Failed, Request};
use frontend_syntax::Environment;
use vm_spec::blob::{AttachSpec, Blob};
use vm_spec::verify::verify;

struct Kernel;

impl Environment for Kernel {
    fn kernel_release(&self) -> &str {
        "6.1.0"
    }

    fn config(&self, _name: &str) -> Option<String> {
        None
    }
}

struct Sample;

impl Source for Sample {
    fn btf(&self, module: Option<&str>) -> std::io::Result<Vec<u8>> {
        match module {
            None => Ok(sample().finish()),
            Some(_) => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    fn name(&self) -> String {
        "the sample".to_owned()
    }
}

fn compile(script: &str) -> Result<Blob, Vec<String>> {
    let types = Types::new(Box::new(Sample));
    let request =
        Request { types: Some(&types), ..Request::new("<input>", script.as_bytes(), &Kernel) };
    let mut compiler = Compiler::new(request);
    let blob = compiler.parse().and_then(|parsed| {
        let analyzed = compiler.analyze(parsed)?;
        compiler.translate(&analyzed)
    });
    let errors = compiler.diagnostics().iter().filter(|diagnostic| diagnostic.is_error());
    let errors: Vec<String> = errors.map(|diagnostic| diagnostic.message.clone()).collect();
    blob.map_err(|Failed| errors)
}

fn at_entry(expression: &str) -> Result<Blob, Vec<String>> {
    compile(&format!("probe kernel.function(\"plain\") {{ println({expression}) }}"))
}

/// The relocations that the probes of a script use.
fn asks(blob: &Blob) -> Vec<String> {
    let used = blob.points.iter().flat_map(|point| &point.relocations);
    used.map(|n| blob.relocations[*n as usize].to_string()).collect()
}

#[track_caller]
fn refused(expression: &str, message: &str) {
    let errors = at_entry(expression).expect_err(expression);
    assert!(errors.iter().any(|error| error.contains(message)), "{expression}: {errors:?}");
}

#[track_caller]
fn asked(expression: &str, wanted: &[&str]) {
    let blob = at_entry(expression).unwrap_or_else(|errors| panic!("{expression}: {errors:?}"));
    verify(&blob.image).unwrap();
    assert_eq!(asks(&blob), wanted, "{expression}");
}

#[test]
fn refusals_are_systemtaps() {
    refused("$nosuch", "unable to find local 'nosuch' in function plain (alternatives: c, n, o)");
    refused("$o->nosuch", "unable to find member 'nosuch' for struct outer (alternatives: ");
    refused("$o->inner", "'struct inner' is being accessed instead of a member such as '->x'");
    refused("$n->x", "invalid access '->x' vs. int");
    refused("$n[1]", "invalid access '[1]' vs. int");
    refused("$n = 1", "write to target variable not permitted; need stap -g");
    refused("$o->number++", "write to target variable not permitted; need stap -g");
    refused("&$n", "cannot take address of object in register");
    refused("&$o->inner$", "cannot take address of pretty-printed variable");
    refused("&$o->low", "cannot take the address of a bit field");
    refused("@cast($o, \"nosuch\")->x", "type definition 'nosuch' not found in");
    refused("@entry($n)", "@entry is only valid in .return probes");
    refused("$return", "unable to find local 'return'");
    refused("$$return", "unable to find local '$return'");
    refused("@cast($o, \"outer\", \"other\")->number", "no type information (BTF) of module other");
    refused("$n . \"\"", "type mismatch");
    let errors = compile("probe begin { println($n) }").unwrap_err();
    assert_eq!(errors, ["unresolved target-symbol expression"]);
}

/// Where an argument or a result is passed decides what can be said of it.
#[test]
fn arguments_are_read_where_they_are_or_refused() {
    let of = |function: &str, expression: &str| {
        let (name, suffix) = match function.split_once(' ') {
            Some((name, _)) => (name, ".return"),
            None => (function, ""),
        };
        compile(&format!("probe kernel.function(\"{name}\"){suffix} {{ println({expression}) }}"))
    };
    let asks_of = |function, expression| {
        let blob = of(function, expression).unwrap_or_else(|errors| panic!("{errors:?}"));
        verify(&blob.image).unwrap();
        asks(&blob)
    };
    assert_eq!(asks_of("many", "$g"), ["many($g)"]);
    assert_eq!(asks_of("many", "&$g"), ["offset(many($g))"]);
    assert_eq!(asks_of("by_value", "$large->a"), ["by_value($large).a"]);
    let shifted =
        ["by_value($small).y", "bits_above(by_value($small).y)", "bits_below(by_value($small).y)"];
    assert_eq!(asks_of("by_value", "$small->y"), shifted);
    assert_eq!(asks_of("returns_small return", "$return->x").len(), 3);
    for (function, expression, message) in [
        ("by_value", "&$pair->a", "cannot take address of object in register"),
        ("by_value", "$pair", "'struct pair' is being accessed instead of a member"),
        ("takes_double", "$d", "where argument 'd' of takes_double is passed cannot be told"),
        ("takes_double", "$b", "where argument 'b' of takes_double is passed cannot be told"),
        ("takes_wide", "$w", "cannot read a value of type __int128"),
        ("takes_line", "$l->a", "where argument 'l' of takes_line is passed cannot be told"),
        ("prints", "$arg2", "unable to find local 'arg2' in function prints"),
        ("twice", "$a", "several functions are named 'twice', and they take different arguments"),
        ("gone", "$a", "it does not exist there, or the compiler changed how it is called"),
        ("nothing return", "$return", "function nothing does not return a value"),
        ("by_value return", "$return->b", "passed by value in two registers"),
        ("returns_large return", "$return->a", "passed by value in memory"),
    ] {
        let errors = of(function, expression).expect_err(expression);
        assert!(errors.iter().any(|error| error.contains(message)), "{expression}: {errors:?}");
    }
}

/// Wherever it was assigned: one handler knows what the other has put there.
#[test]
fn globals_have_the_type_that_they_are_given() {
    let reads = "global g probe kernel.function(\"plain\") { g = $o->pointer }";
    let blob = compile(&format!("{reads} probe end {{ println(g->y) }}")).unwrap();
    assert!(asks(&blob).contains(&"plain($o)->pointer->y".to_owned()), "{:?}", asks(&blob));
    // The parameter is another variable.
    let function = "function f(g) { return g->y } probe end { println(f(1)) }";
    let errors = compile(&format!("{reads} {function}")).unwrap_err();
    assert!(errors[0].contains("the type of what is selected from is not known"), "{errors:?}");
}

#[test]
fn chains_ask_for_what_they_pass() {
    asked("$n", &["plain($n)"]);
    asked("$o->inner->y", &["plain($o)", "plain($o)->inner.y"]);
    let pointer = ["plain($o)", "plain($o)->pointer", "plain($o)->pointer->y"];
    asked("$o->pointer->y", &pointer);
    asked("$o->inners[2]->x", &["plain($o)", "plain($o)->inners[2].x"]);
    asked("&$o->inners", &["plain($o)", "offset(plain($o)->inners)"]);
    let indexed =
        ["plain($o)", "plain($n)", "offset(plain($o)->inners)", "sizeof(plain($o)->inners[])"];
    let blob = at_entry("$o->inners[$n]->x").unwrap();
    for wanted in indexed {
        assert!(asks(&blob).iter().any(|asked| asked == wanted), "{wanted}: {:?}", asks(&blob));
    }
    asked("@cast($n, \"inner\")->y", &["plain($n)", "inner.y"]);
    asked("$o->right", &["plain($o)", "plain($o)->right"]);
    let bits = [
        "plain($o)",
        "bits(plain($o)->high)",
        "bits_above(plain($o)->high)",
        "bits_below(plain($o)->high)",
    ];
    asked("$o->high", &bits);
}

#[test]
fn what_is_known_of_numbers_is_used() {
    let script = "function f(p) { return @cast(p, \"outer\")->pointer }
                  probe kernel.function(\"plain\") { q = $o; println(f(1)->y + q->number) }";
    let blob = compile(script).unwrap();
    let asks = asks(&blob);
    assert!(asks.contains(&"outer.pointer->y".to_owned()), "{asks:?}");
    assert!(asks.contains(&"plain($o)->number".to_owned()), "{asks:?}");
}

#[test]
fn defined_is_decided_where_the_program_runs() {
    let blob = at_entry("@defined($o->number) ? $o->number : $n").unwrap();
    let guards = |text: &str| {
        let found = blob.relocations.iter().find(|relocation| relocation.to_string() == text);
        found.map(|relocation| relocation.guards.iter().map(|g| g.exists).collect::<Vec<_>>())
    };
    assert_eq!(guards("exists(plain($o)->number)"), Some(vec![]));
    assert_eq!(guards("plain($o)->number"), Some(vec![true]));
    assert_eq!(guards("plain($n)"), Some(vec![false]));
    // A member that only another kernel may have is a number there.
    let blob = at_entry("@defined($o->newer) ? $o->newer : -1").unwrap();
    assert!(asks(&blob).contains(&"plain($o)->newer".to_owned()));
    // A parameter that is not there has no type that could be guessed.
    let blob = at_entry("@defined($other) ? $other : -1").unwrap();
    assert_eq!(asks(&blob), Vec::<String>::new());
    let blob = at_entry("@choose_defined($other, $n)").unwrap();
    assert_eq!(asks(&blob), ["plain($n)"]);
}

#[test]
fn return_probes_keep_what_they_need_of_the_entry() {
    let script = "probe kernel.function(\"plain\").return {
                    println($return, $n, @entry($o->number), $n) }";
    let blob = compile(script).unwrap();
    verify(&blob.image).unwrap();
    assert!(blob.points[0].entry.is_some());
    let asks = asks(&blob);
    assert!(asks.contains(&"plain($return)".to_owned()), "{asks:?}");
    let image = vm_spec::image::Image::parse(&blob.image).unwrap();
    let probe = image.probes[blob.points[0].probe.index()];
    assert_eq!((probe.saved_longs, probe.saved_strings), (2, 0));
}

#[test]
fn bundles_name_all_there_is() {
    let strings = |script: &str| {
        let blob = compile(script).unwrap();
        let verified = verify(&blob.image).unwrap();
        let mut text = String::new();
        vm_spec::disasm::listing(verified.image(), &vm_spec::disasm::NoNotes, &mut text).unwrap();
        text
    };
    let entry = strings("probe kernel.function(\"plain\") { println($$parms) }");
    assert!(entry.contains("\"o=%#x n=%#x c=%#x\""), "{entry}");
    let values = strings("probe kernel.function(\"by_value\") { println($$vars) }");
    assert!(values.contains("\"small={...} pair={...} large={...} n=%#x\""), "{values}");
    let trace = strings("probe kernel.trace(\"event\") { println($$name, $$parms) }");
    assert!(trace.contains("\"o=%#x flag=%#x\""), "{trace}");
    let whole = strings("probe kernel.function(\"plain\") { println($o$) }");
    let wanted = "{.number=%d, .low=%u, .high=%d, .inner={...}, .pointer=%p, .pointers=%p, \
                  .name=[...], .inners=[...], <union>={...}, .color=%u}";
    assert!(whole.contains(wanted), "{whole}");
    let deep = strings("probe kernel.function(\"plain\") { println($o$$) }");
    assert!(deep.contains(".inners=[{.x=%d, .y=%d}, ...]"), "{deep}");
    assert!(deep.contains("<union>={<class>={.left=%d, .right=%d}, .whole=%d}"), "{deep}");
}

/// SystemTap prints 32 values, and then how deep it was.
#[test]
fn structs_are_printed_up_to_32_values() {
    let blob = compile("probe kernel.function(\"takes_crowd\") { println($c$$) }").unwrap();
    let verified = verify(&blob.image).unwrap();
    let mut text = String::new();
    vm_spec::disasm::listing(verified.image(), &vm_spec::disasm::NoNotes, &mut text).unwrap();
    assert!(text.contains(", .m15={.a=%d}, .m16=%d, "), "{text}");
    assert!(text.contains(".b={.m0=%d, .m1=%d, "), "{text}");
    assert!(text.contains(".m10=%d, .m11=%d, ...}}"), "{text}");
}

#[test]
fn wildcards_become_probes_where_names_differ() {
    let blob = compile("probe kernel.function(\"*la[ir]*\") { println($$parms) }").unwrap();
    let names: Vec<String> = blob
        .points
        .iter()
        .map(|point| match &point.attach {
            AttachSpec::Function { pattern, .. } => pattern.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["plain", "returns_large"]);
    let blob = compile("probe kernel.function(\"*la[ir]*\") { println(1) }").unwrap();
    assert_eq!(blob.points.len(), 1);
}

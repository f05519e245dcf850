// SPDX-License-Identifier: GPL-2.0-or-later
//! Whole scripts: what is accepted, what is refused with which words, and that no
//! input brings the parser down.

use frontend_syntax::{Environment, ParseOptions, SourceMap, ast, parse, render};
use proptest::prelude::*;

struct Kernel;

impl Environment for Kernel {
    fn kernel_release(&self) -> &str {
        "6.1.0-56-cloud-amd64"
    }

    fn config(&self, name: &str) -> Option<String> {
        (name == "CONFIG_SMP").then(|| "y".to_owned())
    }
}

fn read(text: &[u8], arguments: &[String]) -> (ast::Script, Vec<String>) {
    read_as(text, arguments, false)
}

fn read_as(text: &[u8], arguments: &[String], guru: bool) -> (ast::Script, Vec<String>) {
    let mut map = SourceMap::new();
    let file = map.add("test.stp", text);
    let options = ParseOptions { arguments, environment: &Kernel, guru };
    let parsed = parse(&map, file, &options);
    let texts = parsed.diagnostics.iter().map(|d| render::render(&map, d)).collect();
    (parsed.script, texts)
}

fn accepted(text: &str) -> ast::Script {
    let guru = text.contains("%{");
    let (script, errors) = read_as(text.as_bytes(), &["7".into(), "x y".into()], guru);
    assert!(errors.is_empty(), "{text}\n{}", errors.join("\n"));
    script
}

#[test]
fn the_language_is_accepted() {
    for text in [
        "global a, b = 3, c[100], d%[10], e = \"x\"; global f%",
        "private global x private function f() { return 1 } probe begin { x = f() }",
        "probe begin(-5), end, timer.ms(100).randomize(5)? { }",
        "probe kernel.function(\"vfs_*@fs/read_write.c:10\").return ! if (x > 1), never { }",
        "probe syscall.{open,close}, kernel.{function(\"a\"), trace(\"b\")} { }",
        "probe a.b = c.d, e { x = 1 } probe a.b += c.d { y = 2 }",
        "function f:long (a:string, b) : 2 { if (a == \"\") next; return b }",
        "probe begin { foreach ([a, b-] in arr limit 5) println(a, b) }",
        "probe begin { foreach (v+ = [a] in arr[*, 3]) { } foreach (k in s @avg-) { } }",
        "probe begin { foreach (b in @hist_log(s)) print(b) }",
        "probe begin { try { error(\"x\") } catch (m) { println(m) } try { } catch { } }",
        "probe begin { delete a; delete a[1, *]; for (;;) break; while (1) continue }",
        "probe begin { x = a[1] <<< 3; y = [1, \"b\"] in c; z = 1 in c; x .= \"s\" }",
        "probe begin { print(@hist_linear(s, 0, 100, 10)); print(@variance(s, 4)) }",
        "probe begin { x = $a->b[1]->c$; y = &$b; z = @cast(x, \"task_struct\")->pid }",
        "probe begin { x = $$vars; y = @var(\"jiffies@x.c\"); z = @defined($q) ? $q : 0 }",
        "probe begin { x = task_current()->pid; y = @entry(gettimeofday_ns()) }",
        "%( kernel_v >= \"2.6.30\" && CONFIG_SMP == \"y\" %? probe begin {} %: junk junk %)",
        "%( kernel_v == \"6.*\" %? probe begin {} %( 1 == 1 %? %) %)",
        "@define twice(x) %( (@x + @x) %) probe begin { println(@twice(3)) }",
        "probe begin { printf(\"%d %s\\n\", $1, @2) print($#) println(@#) }",
        "probe begin { x = a =~ \"^b.*\" ? 1 : b !~ \"c\" ? 2 : 3 }",
        "/* c */ // c\n# c\nprobe begin { if (1) ; else if (2) { } else x++; --y }",
        "%{ #include <x.h> %} function f() %{ STAP_RETVALUE = 1; %}",
    ] {
        accepted(text);
    }
}

/// The whole tree is too much to compare: the operators' nesting as parentheses.
fn shape(e: &ast::Expression) -> String {
    use ast::ExpressionKind as K;
    match &e.kind {
        K::Number(n) => n.to_string(),
        K::Variable(name) => name.clone(),
        K::Binary { operator, left, right } => {
            format!("({} {} {})", shape(left), operator.text(), shape(right))
        }
        K::Logical { operator, left, right } => {
            format!("({} {operator:?} {})", shape(left), shape(right))
        }
        K::Ternary { condition, then, otherwise } => {
            format!("({} ? {} : {})", shape(condition), shape(then), shape(otherwise))
        }
        K::In { keys, array } => {
            let keys: Vec<String> = keys.iter().flatten().map(shape).collect();
            format!("([{}] in {})", keys.join(","), array.text)
        }
        K::Assign { target, value, .. } => format!("({} = {})", shape(target), shape(value)),
        other => format!("{other:?}"),
    }
}

#[test]
fn operators_bind_as_in_systemtap() {
    for (text, want) in [
        ("1 . 2 + 3 << 1", "((1 . (2 + 3)) << 1)"),
        ("a = b = 1", "(a = (b = 1))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("1 | 2 ^ 3 & 4 == 5", "(1 | (2 ^ (3 & (4 == 5))))"),
        ("a || b && c", "(a Or (b And c))"),
        ("1 ? 2 : 3 ? 4 : 5", "(1 ? 2 : (3 ? 4 : 5))"),
        ("1 < 2 in m", "([(1 < 2)] in m)"),
        ("1 + 2 * 3 % 4", "(1 + ((2 * 3) % 4))"),
    ] {
        let script = accepted(&format!("probe begin {{ {text} }}"));
        let [ast::Item::Probe(probe)] = &script.items[..] else { panic!("{text}") };
        let ast::StatementKind::Expression(e) = &probe.body.statements[0].kind else {
            panic!("{text}")
        };
        assert_eq!(shape(e), want, "{text}");
    }
}

#[test]
fn errors_say_what_and_where() {
    let mut all = String::new();
    for text in [
        "probe begin { x = }",
        "probe begin { if x } probe end { y = ; z = ) }",
        "probe begin { printf(\"hello }\nprobe end { }",
        "prob begin { }",
        "probe { }",
        "global",
        "function f( { }",
        "function f:int() { }",
        "probe begin { foreach (a in b+ @avg-) { } }",
        "probe begin {",
        "probe begin { try { } }",
        "probe begin { $9 }",
        "probe begin { x =~ y }",
        "probe begin { @nosuch(1) }",
        "%( kernel_v > %? probe begin {} %)",
        "%( nosuch == \"x\" %? probe begin {} %)",
        "probe begin { \\ }",
        "probe begin { x = %{ 1 %} }",
        "probe begin { foreach (a in 1) { } }",
    ] {
        let (_, errors) = read(text.as_bytes(), &[]);
        assert!(!errors.is_empty(), "accepted: {text}");
        all.push_str(&format!("==== {text}\n{}\n", errors.join("\n")));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn enormous_and_deep_input_is_refused() {
    for text in [
        format!("probe begin {{ x = {}1{} }}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("probe begin {{ x = {}1 }}", "-".repeat(100_000)),
        format!("probe begin {{ x = 1{} }}", "+1".repeat(100_000)),
        format!("probe begin {{ {} }}", "if (1) ".repeat(100_000)),
        format!("probe begin {}", "{".repeat(100_000)),
        format!("probe {}", "{a,".repeat(100_000)),
        format!("probe {}", "{a,b}.".repeat(100)),
        "%( 1 %? ".repeat(100_000),
        "@define a %( @a @a %) @a".to_owned(),
    ] {
        let (_, errors) = read(text.as_bytes(), &[]);
        assert!(!errors.is_empty());
    }
}

#[test]
fn ten_megabytes_are_read() {
    let text = "probe begin { x = 1 } \n".repeat(10_000_000 / 23);
    accepted(&text);
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>) {
        read(&bytes, &[]);
    }

    #[test]
    fn any_tokens_are_read(words in prop::collection::vec(
        prop::sample::select(vec![
            "probe", "begin", "{", "}", "(", ")", "[", "]", "if", "else", "foreach", "in", "x",
            "1", "\"s\"", "+", "++", "=", "<<<", ";", ",", ".", "?", ":", "@count", "@define",
            "%(", "%?", "%:", "%)", "$a", "->", "function", "global", "try", "catch", "$1", "*",
        ]), 0..60))
    {
        read(words.join(" ").as_bytes(), &["1".into()]);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Library files and aliases: what is found, in which order, and what is left out.

use frontend::{Compiler, LibraryFile, Request};
use frontend_syntax::Release;
use frontend_syntax::render::render;
use vm_spec::blob::Blob;

const KERNEL: Release<'static> = Release("6.12.0");

fn file(name: &str, text: &str) -> LibraryFile {
    LibraryFile { name: name.to_owned(), text: text.as_bytes().to_vec() }
}

/// The listing of `-p2` and the blob, or the errors.
fn compile(script: &str, library: &[LibraryFile]) -> Result<(String, Blob), String> {
    let request =
        Request { module: "test", library, ..Request::new("<input>", script.as_bytes(), &KERNEL) };
    let mut compiler = Compiler::new(request);
    let result = compiler.parse().and_then(|script| {
        let analyzed = compiler.analyze(script)?;
        Ok((analyzed.listing(), compiler.translate(&analyzed)?))
    });
    result.map_err(|_| {
        let text = |d| render(compiler.source_map(), d);
        compiler.diagnostics().iter().map(text).collect::<Vec<_>>().join("\n")
    })
}

fn listing(script: &str, library: &[LibraryFile]) -> String {
    compile(script, library).map_or_else(|errors| panic!("{errors}"), |(listing, _)| listing)
}

fn code(script: &str, library: &[LibraryFile]) -> String {
    let (_, blob) = compile(script, library).unwrap_or_else(|errors| panic!("{errors}"));
    let program = vm_spec::verify::verify(&blob.image).expect("verified");
    let mut text = String::new();
    vm_spec::disasm::listing(program.image(), &vm_spec::disasm::NoNotes, &mut text).expect("text");
    text
}

#[test]
fn only_what_is_used_comes_in() {
    let library = [
        file("a.stp", "global g, unused_g function f() { g++ return h() } function unused() { }"),
        file("b.stp", "function h() { return 1 } function bad() { nonsense("),
    ];
    let wrong = compile("probe begin { println(f()) }", &library).unwrap_err();
    assert!(wrong.contains("b.stp:1:"), "{wrong}");
    let library = [library[0].clone(), file("b.stp", "function h() { return 1 }")];
    insta::assert_snapshot!(listing("probe begin { println(f()) }", &library), @r"
    # globals
    g:long
    # functions
    f:long ()
    h:long ()
    # probes
    begin
    ");
}

#[test]
fn the_script_wins_over_the_library_and_earlier_files_over_later_ones() {
    let library = [
        file("a.stp", "function f:string() { return \"first\" }"),
        file("b.stp", "function f:long() { return 2 } function g:long() { return 3 }"),
    ];
    let listing =
        listing("function g:string() { return f() } probe begin { println(g()) }", &library);
    assert!(listing.contains("f:string ()") && listing.contains("g:string ()"), "{listing}");
    assert!(!listing.contains("long"), "{listing}");
}

#[test]
fn private_names_stay_in_their_file() {
    let library = [file(
        "a.stp",
        "private global count private function next_one() { return ++count } \
         function number() { return next_one() }",
    )];
    let used =
        listing("global count = \"mine\" probe begin { println(number(), count) }", &library);
    assert!(used.contains("count:string\n__private_0_count:long\n"), "{used}");
    let hidden = compile("probe begin { next_one() }", &library).unwrap_err();
    assert!(hidden.contains("unresolved function next_one"), "{hidden}");
}

#[test]
fn locals_of_a_library_function_are_no_globals_of_the_script() {
    let library = [file("a.stp", "function f(x) { n = x + 1 return n }")];
    listing("global n = \"text\", x = \"text\" probe begin { println(f(1), n, x) }", &library);
}

#[test]
fn macros_of_the_library() {
    let library = [
        file("m.stpm", "@define twice(x) %( (2 * @base(@x)) %)"),
        file("base.stpm", "@define base(y) %( (@y + 1) %)"),
    ];
    listing("probe begin { println(@twice(3)) }", &library);
}

const ALIASES: &str = "
    probe disk.read = kernel.function(\"vfs_read\") { what = \"r\" }
    probe disk.write = kernel.function(\"vfs_write\") { what = \"w\" }
    probe disk.write.return = kernel.function(\"vfs_write\").return { what = \"wr\" }
    probe disk.any = disk.read, disk.write { outer = what }
    probe twice = begin { } probe twice = end { }
    probe empty.one = nothing.known ? { }
";

#[test]
fn aliases_by_name_pattern_and_suffix() {
    let library = [file("a.stp", ALIASES)];
    let probes = |script: &str| {
        let listing = listing(script, &library);
        listing
            .split_once("# probes\n")
            .map(|(_, list)| list.replace('\n', " "))
            .unwrap_or_default()
    };
    let body = "{ println(what) }";
    assert_eq!(
        probes(&format!("probe disk.* {body}")),
        "kernel.function(\"vfs_read\") kernel.function(\"vfs_write\") \
         kernel.function(\"vfs_read\") kernel.function(\"vfs_write\") "
    );
    assert_eq!(
        probes(&format!("probe disk.{{read,write}}.return {body}")),
        "kernel.function(\"vfs_read\").return kernel.function(\"vfs_write\").return "
    );
    assert_eq!(
        probes("probe disk.any { println(outer) }"),
        "kernel.function(\"vfs_read\") kernel.function(\"vfs_write\") "
    );
    assert_eq!(probes("probe twice { exit() }"), "begin end ");
    assert_eq!(probes("probe disk.nothing ?, begin { exit() }"), "begin ");
    assert_eq!(probes("probe disk.nothing !, begin !, end { exit() }"), "begin ");
}

#[test]
fn unknown_points_get_advice() {
    let library = [file("a.stp", ALIASES)];
    let second = compile("probe disk.raed { exit() }", &library).unwrap_err();
    assert!(second.contains("(similar: read)"), "{second}");
    let first = compile("probe dsk.read { exit() }", &library).unwrap_err();
    assert!(first.contains("(similar: disk"), "{first}");
    let empty = compile("probe empty.one { exit() }", &library).unwrap_err();
    assert!(empty.contains("probe point mismatch"), "{empty}");
}

#[test]
fn prologues_and_epilogues_wrap_from_the_inside() {
    let script = "
        probe inner = begin { println(1) }
        probe outer = inner { println(2) }
        probe after += outer { println(4) }
        probe both = after { println(2) }, { println(5) }
        probe both { println(3) }";
    let code = code(script, &[]);
    let prints = code.lines().filter_map(|line| line.split_once("print   \"")?.1.get(..1));
    let order: Vec<&str> = prints.collect();
    assert_eq!(order, ["1", "2", "2", "3", "5", "4"], "{code}");
}

#[test]
fn what_an_alias_computes_for_nobody_costs_nothing() {
    let library = [file(
        "a.stp",
        "global seen
         function costly:string(x:long) { seen = x return sprint(x) }
         probe p = begin {
             name = \"p\"
             if (pid() == 1) size = pid() else size = tid()
             text = costly(size)
             argstr = text . \"!\"
             seen++
         }",
    )];
    let lean = listing("probe p { println(name) }", &library);
    assert!(!lean.contains("costly"), "{lean}");
    let code = code("probe p { println(name) }", &library);
    assert!(!code.contains("pid") && code.contains("seen"), "{code}");
    let full = listing("probe p { println(argstr) }", &library);
    assert!(full.contains("costly"), "{full}");
}

#[test]
fn the_reference_page_is_fresh() {
    let page = frontend::listing::reference(&KERNEL);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tapset/REFERENCE.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &page).expect("the page can be written");
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        stored == page,
        "tapset/REFERENCE.md is stale: BLESS=1 cargo test -p frontend reference"
    );
}

#[test]
fn lists_of_functions_and_aliases() {
    let library = [file(
        "a.stp",
        "function f:long(x:string, y) { return 1 } function _g() { } \
         private function h() { } probe a.b = begin, end ? { } probe _d = begin { }",
    )];
    let functions = frontend::listing::functions(&library, &KERNEL, false);
    assert!(functions.contains(&"f:long (x:string, y:unknown)".to_owned()), "{functions:?}");
    assert!(functions.contains(&"strlen:long (arg1:string)".to_owned()), "{functions:?}");
    assert!(!functions.iter().any(|line| line.starts_with('_')), "{functions:?}");
    assert!(functions.is_sorted());
    let aliases = frontend::listing::aliases(&library, &KERNEL, true);
    for line in ["a.b = begin, end?", "_d = begin"] {
        assert!(aliases.contains(&line.to_owned()), "{line}");
    }
}

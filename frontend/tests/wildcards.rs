// SPDX-License-Identifier: GPL-2.0-or-later
//! Wildcards over thousands of functions whose arguments the handler prints: what the
//! functions have in common is compiled once, and there is a limit.

use debuginfo::btf::build::Builder;
use debuginfo::{Source, Types};
use frontend::{Compiler, Failed, Request};
use frontend_syntax::Environment;
use std::io;
use vm_spec::blob::Blob;

struct Kernel(Vec<u8>);

impl Source for Kernel {
    fn btf(&self, module: Option<&str>) -> io::Result<Vec<u8>> {
        module.is_none().then(|| self.0.clone()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn name(&self) -> String {
        "the kernel of this test".to_owned()
    }
}

impl Environment for Kernel {
    fn kernel_release(&self) -> &'static str {
        "6.12.0"
    }

    fn config(&self, _: &str) -> Option<String> {
        None
    }
}

/// `count` functions with the same two structs as arguments, and two numbers.
fn kernel(count: usize) -> Kernel {
    let mut builder = Builder::default();
    let int = builder.integer("int", 4, true);
    let names: Vec<String> = (0..60).map(|n| format!("member_{n}")).collect();
    let members: Vec<(&str, u32, u32, u32)> =
        names.iter().zip(0..).map(|(name, n)| (name.as_str(), int, 32 * n, 0)).collect();
    let large = builder.structure("large", 240, &members);
    let small = builder.structure("small", 8, &[("x", int, 0, 0), ("y", int, 32, 0)]);
    let (large, small) = (builder.pointer(large), builder.pointer(small));
    for n in 0..count {
        let arguments = [
            ("first", large),
            ("second", small),
            ("third", int),
            ("fourth", int),
            ("fifth", large),
        ];
        builder.function(&format!("work_{n}"), int, &arguments);
    }
    Kernel(builder.finish())
}

fn compile(script: &str, count: usize) -> Result<Blob, String> {
    let kernel = kernel(count);
    let types = Types::new(Box::new(Kernel(kernel.0.clone())));
    let request = Request { types: Some(&types), ..Request::new("x", script.as_bytes(), &kernel) };
    let mut compiler = Compiler::new(request);
    let result: Result<Blob, Failed> = compiler.parse().and_then(|parsed| {
        let analyzed = compiler.analyze(parsed)?;
        compiler.translate(&analyzed)
    });
    result.map_err(|_| {
        compiler.diagnostics().iter().map(|d| d.message.clone()).collect::<Vec<_>>().join("\n")
    })
}

const VERBOSE: &str = r#"probe kernel.function("work_*") { println($$parms$$) }"#;

/// Each function has its own places of arguments, and nothing else of its own.
#[test]
fn many_functions_share_what_prints_their_arguments() {
    let few = compile(VERBOSE, 10).unwrap();
    let many = compile(VERBOSE, 2010).unwrap();
    assert_eq!(many.points.len(), 2010);
    let relocations = many.relocations.len() - few.relocations.len();
    assert_eq!(relocations, 2000 * 5, "five arguments a function");
    let words = many.image.len() - few.image.len();
    assert!(words < 2000 * 60, "{words} words for 2000 more functions");
}

/// A probe of one function goes by the function's own type: on another kernel it may be
/// another one.
#[test]
fn a_single_function_goes_by_its_own_type() {
    let one = compile(r#"probe kernel.function("work_1") { println($first$) }"#, 10).unwrap();
    let text = format!("{:?}", one.relocations);
    assert!(text.contains("work_1") && !text.contains("struct large"), "{text}");
}

#[test]
fn too_many_functions_are_refused() {
    let error = compile(VERBOSE, 20_001).unwrap_err();
    assert!(error.contains("the wildcard stands for 20001 probes"), "{error}");
    let counted = r#"probe kernel.function("work_*") { println(ppfunc()) }"#;
    let pattern = compile(counted, 20_001).unwrap();
    assert_eq!(pattern.points.len(), 1, "without $variables it stays a pattern");
}

#[test]
fn too_many_relocations_are_refused() {
    let error = compile(VERBOSE, 15_000).unwrap_err();
    assert!(error.contains("too many different uses of kernel types"), "{error}");
}

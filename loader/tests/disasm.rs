// SPDX-License-Identifier: GPL-2.0-or-later
//! What `stap-disasm` shows of some scripts.

use frontend::{Compiler, Request};
use loader::compile::TargetKernel;
use vm_spec::blob::Blob;

fn compile(script: &str) -> Blob {
    let kernel = TargetKernel::new("6.1.0", "4.8");
    let request = Request {
        module: "x",
        display_globals: false,
        ..Request::new("x.stp", script.as_bytes(), &kernel)
    };
    let mut compiler = Compiler::new(request);
    let blob = compiler.parse().and_then(|parsed| {
        let analyzed = compiler.analyze(parsed)?;
        compiler.translate(&analyzed)
    });
    blob.unwrap_or_else(|_| panic!("{:?}", compiler.diagnostics()))
}

/// The text before it was written to a file and after it was read back is the same.
fn text(script: &str) -> String {
    let blob = compile(script);
    let text = loader::disasm::text(&blob).expect("verified by the compiler");
    let shipped = Blob::decode(&blob.encode().expect("small")).expect("just encoded");
    assert_eq!(loader::disasm::text(&shipped).expect("the same"), text);
    text
}

#[test]
fn hello() {
    insta::assert_snapshot!(text("probe begin { log(\"hello world\") exit() }"));
}

#[test]
fn counter() {
    insta::assert_snapshot!(text(
        "global n\n\
         probe kernel.function(\"vfs_read\")?, kernel.trace(\"sched_switch\") {\n    \
             n[execname()]++\n}\n\
         probe syscall.read { n[\"calls\"] += 1 }\n\
         probe timer.s(1) { foreach (e in n- limit 3) printf(\"%s %d\\n\", e, n[e]) exit() }"
    ));
}

#[test]
fn bounds() {
    insta::assert_snapshot!(text(
        "global total\n\
         function twice(n) { return n + n }\n\
         function down(n) { return n ? down(n - 1) : 0 }\n\
         probe begin { if (pid() > 1) total = twice(pid()) else total = 5 }\n\
         probe end { println(down(total)) }\n\
         probe timer.s(1) { try { total = 1 / total } catch (what) { println(what) } }\n\
         probe timer.s(2) { while (total > 0) total-- }"
    ));
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Any bytes as a script: a verified program, or errors that can be shown.
#![no_main]

use frontend::{Compiler, Request};
use frontend_syntax::Environment;
use frontend_syntax::render::render;
use libfuzzer_sys::fuzz_target;

struct Kernel;

impl Environment for Kernel {
    fn kernel_release(&self) -> &'static str {
        "6.12.0"
    }
    fn config(&self, _: &str) -> Option<String> {
        None
    }
}

fuzz_target!(|data: &[u8]| {
    let mut compiler = Compiler::new(Request::new("fuzz", data, &Kernel));
    let _ = compiler
        .parse()
        .and_then(|parsed| compiler.analyze(parsed))
        .and_then(|analyzed| compiler.translate(&analyzed));
    for diagnostic in compiler.diagnostics() {
        let text = render(compiler.source_map(), diagnostic);
        assert!(!text.contains("internal error"), "{text}");
    }
});

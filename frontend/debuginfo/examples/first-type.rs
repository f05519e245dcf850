// SPDX-License-Identifier: GPL-2.0-or-later
//! How long it takes to resolve a first type: `first-type FILE.btf...`
#![expect(clippy::print_stdout, reason = "an example prints")]

use debuginfo::{Source, Types};
use std::time::Instant;

struct File(String);

impl Source for File {
    fn btf(&self, _module: Option<&str>) -> std::io::Result<Vec<u8>> {
        std::fs::read(&self.0)
    }

    fn name(&self) -> String {
        self.0.clone()
    }
}

fn main() {
    for path in std::env::args().skip(1) {
        for _ in 0..5 {
            let start = Instant::now();
            let types = Types::new(Box::new(File(path.clone())));
            let found = types.named(None, "task_struct");
            let member = found.ok().flatten().and_then(|(ty, _)| ty.member("pid"));
            let first = start.elapsed();
            let function = types.functions(None, "vfs_read").map(|found| found.len());
            println!(
                "{path}: {first:?}, {:?} with a function: {:?} {function:?}",
                start.elapsed(),
                member.map(|m| m.bit_offset / 8)
            );
        }
    }
}

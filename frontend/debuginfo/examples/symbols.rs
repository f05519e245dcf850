// SPDX-License-Identifier: GPL-2.0-or-later
//! How long debug symbols take: `symbols FILE [FUNCTION[@FILE[:LINES]]]...`
#![expect(clippy::print_stdout, reason = "an example prints")]

use debuginfo::dwarf::{Debug, DebugFile, FunctionPattern};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let mut words = std::env::args().skip(1);
    let path = words.next().unwrap_or_default();
    let bytes = Arc::new(std::fs::read(&path).expect("the file can be read"));
    let start = Instant::now();
    let file = || DebugFile { path: path.clone(), bytes: bytes.clone() };
    let (_, index) = Debug::new(None, file(), None, |_| None).expect("the symbols can be read");
    let index = index.expect("an index was made");
    println!("index of {} bytes made in {:?}", index.len(), start.elapsed());
    let start = Instant::now();
    let (debug, _) =
        Debug::new(None, file(), None, |_| Some(index)).expect("the symbols can be read");
    println!("kept index read in {:?}", start.elapsed());
    for word in words {
        let start = Instant::now();
        let pattern = FunctionPattern::parse(&word, |a, b| a == b).expect("a pattern");
        let points = debug.statements(&pattern, false).expect("the symbols can be read");
        println!("{word}: {} points in {:?}", points.len(), start.elapsed());
        for point in points {
            let variables = debug.variables(&point).expect("the symbols can be read");
            let names = variables.iter().map(|v| match debug.local(&point, &v.name) {
                Ok(local) => format!("{}:{} {:?}", v.name, local.ty.text(), local.formula),
                Err(error) => format!("{}: {error}", v.name),
            });
            let names: Vec<String> = names.collect();
            println!(
                "{:#x} {}@{}:{}\n    {}",
                point.pc,
                point.function,
                point.file,
                point.line,
                names.join("\n    ")
            );
        }
    }
}

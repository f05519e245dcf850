// SPDX-License-Identifier: GPL-2.0-or-later
//! Indexes the tapset by the names that its files define and embeds both in the crate, so
//! that a single binary has the whole library and reads none of it without need.

#[path = "src/library/scan.rs"]
mod scan;

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let tapset = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tapset");
    println!("cargo::rerun-if-changed={}", tapset.display());
    println!("cargo::rerun-if-changed=src/library/scan.rs");
    let mut files = Vec::new();
    collect(&tapset, &mut files);
    files.sort();

    let mut texts = String::from("pub(super) static FILES: &[(&str, &str)] = &[\n");
    let mut definitions = Vec::new();
    for (number, path) in files.iter().enumerate() {
        let name = path.strip_prefix(&tapset).unwrap_or(path).display();
        let _ = writeln!(texts, "    ({:?}, include_str!({path:?})),", name.to_string());
        let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for definition in scan::scan(&text) {
            definitions.push((definition, number));
        }
    }
    texts.push_str("];\n");
    definitions.sort();
    definitions.dedup();
    texts.push_str("/// Sorted.\npub(super) static NAMES: &[(Kind, &str, u16)] = &[\n");
    for (definition, number) in &definitions {
        let _ =
            writeln!(texts, "    (Kind::{:?}, {:?}, {number}),", definition.kind, definition.name);
    }
    texts.push_str("];\n");

    let out = std::env::var("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    let target = out.join("embedded.rs");
    std::fs::write(&target, texts).unwrap_or_else(|e| panic!("{}: {e}", target.display()));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "stp" || ending == "stpm") {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
}

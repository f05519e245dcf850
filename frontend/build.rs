// SPDX-License-Identifier: GPL-2.0-or-later
//! Indexes the tapset by the names that its files define and embeds both in the crate, so
//! that a single binary has the whole library and reads none of it without need.

#[path = "src/library/constants.rs"]
mod constants;
#[path = "src/library/scan.rs"]
mod scan;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let tapset = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tapset");
    let out = std::env::var("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    println!("cargo::rerun-if-changed={}", tapset.display());
    println!("cargo::rerun-if-changed=src/library/scan.rs");
    println!("cargo::rerun-if-changed=src/library/constants.rs");
    let mut files = Vec::new();
    collect(&tapset, &tapset, &mut files);
    let calls = tapset.join("syscalls.table");
    println!("cargo::rerun-if-changed={}", calls.display());
    let mut functions = constants::functions(&read(&tapset.join("constants.table")))
        .unwrap_or_else(|line| panic!("{line}"));
    functions.push(("syscall_name".to_owned(), constants::syscall_names(&read(&calls))));
    println!("cargo::rerun-if-changed={}", tapset.join("constants.table").display());
    generate(functions, &out, &mut files);
    files.sort();

    let mut texts = String::from("pub(super) static FILES: &[(&str, &str)] = &[\n");
    let mut definitions = Vec::new();
    for (number, (name, path)) in files.iter().enumerate() {
        let _ = writeln!(texts, "    ({name:?}, include_str!({path:?})),");
        for definition in scan::scan(read(path).as_bytes()) {
            definitions.push((definition, number));
        }
    }
    texts.push_str("];\n");
    definitions.sort();
    definitions.dedup();
    texts.push_str("/// Sorted.\npub(super) static NAMES: &[(Kind, &str, u16)] = &[\n");
    for (definition, number) in &definitions {
        let (kind, name) = (definition.kind, &definition.name);
        let _ = writeln!(texts, "    (Kind::{kind:?}, {name:?}, {number}),");
    }
    texts.push_str("];\n");
    write(&out.join("embedded.rs"), &texts);
}

/// A generated function a file, so that each is parsed alone.
fn generate(functions: Vec<(String, String)>, out: &Path, files: &mut Vec<(String, PathBuf)>) {
    let folder = out.join("constants");
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for (name, text) in functions {
        let path = folder.join(format!("{name}.stp"));
        write(&path, &text);
        files.push((format!("constants/{name}.stp"), path));
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|ending| ending == "stp" || ending == "stpm") {
            println!("cargo::rerun-if-changed={}", path.display());
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            files.push((name, path));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

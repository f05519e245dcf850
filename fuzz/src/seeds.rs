// SPDX-License-Identifier: GPL-2.0-or-later
//! What fuzzing starts from: the scripts of the tests and what they become.

use crate::KERNEL;
use debuginfo::oracle::sample;
use frontend::{Compiler, Request};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The scripts of `tests/language`.
fn language() -> Vec<Vec<u8>> {
    let folder = root().join("tests/language");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "stp"));
    paths.sort();
    paths.into_iter().filter_map(|path| std::fs::read(path).ok()).collect()
}

/// Each line of the accept and reject cases is a script.
fn lines() -> Vec<Vec<u8>> {
    let folders = ["frontend/tests/accept_reject", "frontend/syntax/tests/accept_reject"];
    let files = folders
        .iter()
        .flat_map(|folder| ["accept.txt", "reject.txt"].map(|name| root().join(folder).join(name)));
    let texts = files.filter_map(|path| std::fs::read_to_string(path).ok());
    texts
        .flat_map(|text| text.lines().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>())
        .collect()
}

fn compiled(script: &[u8]) -> Option<vm_spec::blob::Blob> {
    let defines = [("MAXMAPENTRIES".to_owned(), "16".to_owned())];
    let request = Request { defines: &defines, ..Request::new("seed", script, &KERNEL) };
    let mut compiler = Compiler::new(request);
    let analyzed = compiler.parse().and_then(|parsed| compiler.analyze(parsed)).ok()?;
    compiler.translate(&analyzed).ok()
}

fn expressions() -> Vec<Vec<u8>> {
    [
        ("a", "bab"),
        ("^(a|ab)(c|bcd)(d*)$", "abcd"),
        ("[[:alpha:]_][^a-c]{2,3}", "x--"),
        ("(a*)*b|c+?$", "aab"),
        ("\\.\\(x{1,}\\)", ".(xx)"),
        ("(foo|foobar)(bar)?", "foobar"),
    ]
    .map(|(pattern, text)| format!("{pattern}\0{text}").into_bytes())
    .into()
}

/// A C file as a module and as a kernel: without the compiler, there is nothing to start from.
fn objects() -> Vec<Vec<u8>> {
    let source = root().join("frontend/debuginfo/tests/objects/own.c");
    let folder = std::env::temp_dir().join(format!("fuzz-objects-{}", std::process::id()));
    if std::fs::create_dir_all(&folder).is_err() {
        return Vec::new();
    }
    let kinds = [("module", ["-r", "-g"]), ("kernel", ["-shared", "-gdwarf-4"])];
    let made = kinds.into_iter().filter_map(|(name, how)| {
        let out = folder.join(name);
        let status = Command::new("gcc")
            .args(["-O2", "-nostdlib", "-fno-pie", "-mcmodel=large", "-Wl,--build-id", "-w", "-o"])
            .arg(&out)
            .args(how)
            .arg(&source)
            .stderr(Stdio::null())
            .status();
        status.ok().filter(ExitStatus::success).and_then(|_| std::fs::read(out).ok())
    });
    let made = made.collect();
    // What stays behind in the temporary folder does no harm.
    let _ = std::fs::remove_dir_all(folder);
    made
}

/// The seeds of a target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let scripts = || language().into_iter().chain(lines());
    match target {
        "syntax" | "script" => scripts().collect(),
        "regex" => expressions(),
        "image" => {
            let bytes = |blob: vm_spec::blob::Blob| {
                blob.image.iter().flat_map(|word| word.to_le_bytes()).collect()
            };
            language().iter().filter_map(|script| compiled(script)).map(bytes).collect()
        }
        "blob" => {
            let blobs = language().into_iter().filter_map(|script| compiled(&script));
            blobs.filter_map(|blob| blob.encode().ok()).collect()
        }
        // A byte that says how to read the rest goes before types.
        "btf" => vec![[vec![0], sample().finish()].concat(), vec![1; 16]],
        "dwarf" => objects(),
        // Records have no seeds: they are short, and their items are read one by one.
        _ => vec![vec![0; 16]],
    }
}

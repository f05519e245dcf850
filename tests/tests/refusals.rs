// SPDX-License-Identifier: GPL-2.0-or-later
//! What the loader says of programs that are not whole, on this machine, before any
//! device is opened.

use frontend::{Compiler, Request};
use loader::compile::TargetKernel;
use loader::program::read_program;
use loader::session::{RunOptions, run};
use std::path::{Path, PathBuf};
use tests::broken::DAMAGES;
use vm_spec::blob::Blob;

/// Uses most of the instruction table.
const RICH: &str = include_str!("guest/programs/rich.stp");

fn blob() -> Blob {
    let kernel = TargetKernel::new("6.1.0", "4.8");
    let request = Request {
        module: "rich",
        display_globals: false,
        ..Request::new("rich.stp", RICH.as_bytes(), &kernel)
    };
    let mut compiler = Compiler::new(request);
    let blob = compiler.parse().and_then(|parsed| {
        let analyzed = compiler.analyze(parsed)?;
        compiler.translate(&analyzed)
    });
    blob.unwrap_or_else(|_| panic!("{:?}", compiler.diagnostics()))
}

/// A file of this test, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Scratch {
        let path = std::env::temp_dir().join(format!("stapvm-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("a temporary file");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What reading a file of these bytes gives, its name left out.
fn read(name: &str, bytes: &[u8]) -> Result<Blob, String> {
    let file = Scratch::new(name, bytes);
    let path = file.0.display().to_string();
    read_program(&path).map_err(|error| error.to_string().replace(&path, "FILE"))
}

/// Numbers that change whenever the compiler does something better, left out.
fn without_positions(text: &str) -> String {
    let positions = regex::Regex::new(r"(\d+)( bytes| there)|(instruction|offset|function) \d+")
        .expect("a good pattern");
    positions.replace_all(text, "$3 #$2").into_owned()
}

#[test]
fn files_that_are_no_program() {
    let whole = blob().encode().expect("a small program");
    let change = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] ^= byte;
        bytes
    };
    let last = whole.len() - 1;
    let cases: [(&str, Vec<u8>); 14] = [
        ("empty", vec![]),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("header-only", whole[..24].to_vec()),
        ("one-byte-short", whole[..last].to_vec()),
        ("one-byte-more", [whole.as_slice(), &[0]].concat()),
        ("magic", change(0, 1)),
        ("newer-version", change(8, 8)),
        ("word-size", change(12, 12)),
        ("byte-order", change(13, 3)),
        ("section-count", change(16, 0x40)),
        ("unknown-section", change(24, 0x40)),
        ("checksum", change(256, 1)),
        ("module.sbc", [b"\x7fELF".as_slice(), &[0; 60]].concat()),
        ("script.sbc", b"#!/usr/bin/stap\nprobe begin { exit() }\n".to_vec()),
    ];
    let mut text = String::new();
    for (name, bytes) in cases {
        let error = read(name, &bytes).expect_err(name);
        text += &format!("{name}\n    {error}\n");
    }
    insta::assert_snapshot!(without_positions(&text));
}

/// The checksums are right, the image is not.
#[test]
fn images_that_break_a_rule() {
    let whole = blob();
    let mut text = String::new();
    for damage in DAMAGES {
        let mut broken = whole.clone();
        if !(damage.apply)(&mut broken.image) {
            continue;
        }
        let bytes = broken.encode().expect("a small program");
        let error = match read(&damage.name.replace(' ', "-"), &bytes) {
            Err(error) => error,
            Ok(blob) => {
                let ran = run(&blob, &RunOptions::default(), &mut None);
                ran.map_err(|error| error.to_string()).expect_err(damage.name)
            }
        };
        text += &format!("{}\n    {error}\n", damage.name);
    }
    insta::assert_snapshot!(without_positions(&text));
}

/// Every byte of a file is covered by a check: none can change unnoticed.
#[test]
fn no_byte_changes_unnoticed() {
    let whole = blob();
    let bytes = whole.encode().expect("a small program");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(Blob::decode(&damaged).is_err(), "byte {at}");
    }
}

/// On a machine without the module, a whole program gets one message that says what to do.
#[test]
fn a_machine_without_the_module() {
    if Path::new("/dev/stapvm").exists() {
        return;
    }
    let error = run(&blob(), &RunOptions::default(), &mut None).expect_err("no device").to_string();
    assert!(error.contains("stapvm"), "{error}");
    assert_eq!(error.lines().count(), 2, "{error}");
    if !Path::new("/proc/modules").exists() {
        let release = loader::compile::running_release();
        insta::assert_snapshot!(error.replace(&release, "RELEASE"));
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel types: one blob for both kernels, checked against what a program in the guest
//! knows of itself and what /proc tells it.

use crate::Check;
use debuginfo::{Source, Types, answer};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;
use tests::guest::Guest;
use tests::kernel::{Series, binaries, root};
use vm_spec::blob::Blob;
use vm_spec::relocation::Question;

/// The tests by name.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("types_compiled_for_6.1", |guest| across(guest, Series::ALL[0])),
    ("types_compiled_for_6.12", |guest| across(guest, Series::ALL[1])),
];

const SCRIPT: &str = "tests/types/across.stp";
/// Values that the program knows.
const FIELDS: usize = 34;
/// Members that lie elsewhere on the other kernel, at least.
const MOVED: usize = 5;

/// Compiles the script on the host, which has neither kernel, with the types of one, and
/// runs it on the kernel of the guest.
fn across(guest: &mut Guest, compiled_for: Series) -> Result<(), String> {
    let blob = compile(compiled_for)?;
    let moved = moved(&blob)?;
    if moved < MOVED {
        return Err(format!("only {moved} members lie elsewhere on the other kernel"));
    }
    guest.write_file("/tmp/across.sbc", &blob).map_err(|error| error.to_string())?;
    let run = |guest: &mut Guest, command: &str| {
        let outcome =
            guest.run(command, Duration::from_secs(240)).map_err(|error| error.to_string())?;
        let complaints = guest.complaints();
        if outcome.status != 0 || !complaints.is_empty() {
            return Err(format!("{command}: {outcome:?}\n{}", complaints.join("\n")));
        }
        Ok(outcome.stdout)
    };
    run(guest, "[ -e /dev/ram0 ] || insmod /brd.ko rd_nr=1; busybox ip link set lo up")?;
    let seen = run(guest, "staprun across.sbc -c '/bin/types-load /dev/ram0 >/tmp/knows'")?;
    let knows = run(guest, "busybox cat /tmp/knows")?;
    let (seen, knows) = (lines(&seen), lines(&knows));
    if knows.len() != FIELDS {
        return Err(format!("{} values, not {FIELDS}: {knows:?}", knows.len()));
    }
    let wrong: Vec<String> = knows
        .iter()
        .filter(|(name, value)| seen.get(*name) != Some(value))
        .map(|(name, value)| format!("{name}: {value}, but read {:?}", seen.get(name)))
        .collect();
    if wrong.is_empty() && seen.len() == knows.len() {
        return Ok(());
    }
    Err(format!("{}\nread: {seen:?}\nknown: {knows:?}", wrong.join("\n")))
}

/// The types of a kernel, as taken from its image.
struct Image(Series);

impl Source for Image {
    fn btf(&self, _module: Option<&str>) -> std::io::Result<Vec<u8>> {
        std::fs::read(self.0.folder(root()).join("vmlinux.btf"))
    }

    fn name(&self) -> String {
        self.0.to_string()
    }
}

/// How many members that the blob reads lie elsewhere on the other kernel.
fn moved(blob: &[u8]) -> Result<usize, String> {
    let blob = Blob::decode(blob).map_err(|error| error.to_string())?;
    let types = Series::ALL.map(|series| Types::new(Box::new(Image(series))));
    let loads = blob.relocations.iter().filter(|relocation| relocation.question == Question::Load);
    let moved = loads.filter(|relocation| {
        let [a, b] = types.each_ref().map(|types| answer(types, relocation));
        a.is_ok() && b.is_ok() && a != b
    });
    Ok(moved.count())
}

fn lines(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(' ')).collect()
}

fn compile(series: Series) -> Result<Vec<u8>, String> {
    let folder = std::env::temp_dir().join(format!("across-{}-{series}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let output = Command::new(binaries().join("stap"))
        .args(["-p4", "-m", "across", "-r"])
        .arg(series.folder(root()).join("vmlinux.btf"))
        .arg(root().join(SCRIPT))
        .current_dir(&folder)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("stap -p4: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let blob = std::fs::read(folder.join("across.sbc")).map_err(|error| error.to_string())?;
    // What is left behind in the temporary folder does no harm.
    let _ = std::fs::remove_dir_all(folder);
    Ok(blob)
}

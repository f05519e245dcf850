// SPDX-License-Identifier: GPL-2.0-or-later
//! Bulk mode: a file for each of four CPUs, merged by SystemTap's own `stap-merge`.

use crate::Check;
use crate::script::{Run, load_test_module};
use crate::steps::{expect, sh};
use std::path::PathBuf;
use std::process::Command;
use tests::guest::Guest;
use tests::kernel::root;

/// The tests by name, for a guest with four CPUs.
pub(crate) const CHECKS: &[(&str, Check)] =
    &[("bulk::stap_merge_merges", stap_merge_merges), ("bulk::names_of_files", names_of_files)];

/// While a hit has the global, no other hit's record comes between.
const SCRIPT: &str = r#"global n
probe begin { println("begins") warn("heard apart from the output\n") }
probe module("stapvm_test").function("stapvm_test_target") { printf("%d hit %d\n", cpu(), n++) }
probe end { printf("%s %d\n", "ends after", n) }
"#;
const CPUS: usize = 4;
/// Of which a few may be skipped for the lock, when other guests stop a CPU of this one.
const HITS: usize = 2000;

fn stap_merge_merges(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let outcome = Run::script(SCRIPT)
        .options("-b -s 16 -o merged -DSTP_NO_OVERLOAD -DMAXSKIPPED=100000")
        .command("echo threads 500 >/proc/stapvm_test")
        .run(guest)?;
    let heard = outcome.stderr.starts_with("WARNING: heard apart from the output\n");
    if outcome.status != 0 || !outcome.stdout.is_empty() || !heard {
        return Err(format!("all of the output goes to files: {outcome:?}"));
    }
    let files = fetch(guest, "merged")?;
    let merge = |options: &[&str]| {
        let run = Command::new(root().join("target/guest/stap-merge"))
            .args(options)
            .args(&files)
            .output()
            .map_err(|error| format!("stap-merge, of `make setup`: {error}"))?;
        // It tells of drops and of files that end too early.
        if !run.stderr.is_empty() || !run.status.success() {
            return Err(format!("stap-merge complains: {run:?}"));
        }
        String::from_utf8(run.stdout).map_err(|error| error.to_string())
    };
    let (text, told) = (merge(&[])?, merge(&["-v"])?);
    let _ = std::fs::remove_dir_all(folder());
    let last = text.lines().last().and_then(|line| line.strip_prefix("ends after "));
    let handled: usize = last.and_then(|n| n.parse().ok()).ok_or_else(|| format!("{last:?}"))?;
    let lines = text.lines().count();
    if !text.starts_with("begins\n") || lines != handled + 2 || handled * 2 < HITS {
        return Err(format!("{lines} lines of {handled} hits: {text}"));
    }
    for (n, line) in text.lines().skip(1).take(handled).enumerate() {
        if line.split_once(' ').is_none_or(|(_, rest)| rest != format!("hit {n}")) {
            return Err(format!("line {n} is {line:?}"));
        }
    }
    // Each CPU's hits are in its file, and there were hits on several.
    let mut hits = [0; CPUS];
    let lines: Vec<&str> = told.lines().collect();
    for pair in lines.windows(2) {
        let [place, line] = pair else { continue };
        if let Some((cpu, _)) = line.split_once(" hit ") {
            if !place.starts_with(&format!("[CPU:{cpu}, ")) {
                return Err(format!("{line:?} follows {place:?}"));
            }
            let cpu: usize = cpu.parse().map_err(|error| format!("{line:?}: {error}"))?;
            *hits.get_mut(cpu).ok_or_else(|| format!("CPU {cpu}?"))? += 1;
        }
    }
    if hits.iter().sum::<usize>() != handled || hits.iter().filter(|hits| **hits > 0).count() < 2 {
        return Err(format!("hits by CPU: {hits:?}"));
    }
    Ok(())
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("stapvm-bulk-{}", std::process::id()))
}

/// Brings the files of all CPUs here.
fn fetch(guest: &mut Guest, name: &str) -> Result<Vec<PathBuf>, String> {
    std::fs::create_dir_all(folder()).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    for cpu in 0..CPUS {
        let outcome = sh(guest, &format!("od -An -v -tx1 /tmp/{name}_{cpu}"))?;
        if outcome.status != 0 {
            return Err(format!("{outcome:?}"));
        }
        let byte = |word: &str| u8::from_str_radix(word, 16).map_err(|error| error.to_string());
        let bytes: Vec<u8> =
            outcome.stdout.split_whitespace().map(byte).collect::<Result<_, _>>()?;
        let file = folder().join(format!("{name}_{cpu}"));
        std::fs::write(&file, bytes).map_err(|error| error.to_string())?;
        files.push(file);
    }
    Ok(files)
}

fn names_of_files(guest: &mut Guest) -> Result<(), String> {
    let script = "probe begin { println(1) } probe end { println(2) }";
    expect(
        guest,
        &format!(
            "mkdir -p /tmp/bulk && cd /tmp/bulk && stap -b -p4 -m b -e '{script}' && rm -f * \
             && stap -b -e 'probe begin {{ exit() }}' && ls && rm * && stap -b -o o -e 'probe begin {{ exit() }}' \
             && ls && rm * && stap -b -o /dev/null -e 'probe begin {{ println(1) exit() }}' && ls; ls /dev/null*"
        ),
        "b.sbc\nstpd_cpu0\nstpd_cpu1\nstpd_cpu2\nstpd_cpu3\no_0\no_1\no_2\no_3\n/dev/null\n",
    )?;
    // What staprun runs is in bulk mode if it was compiled so. In the background the names
    // are others, and so they are with -S and after SIGUSR2.
    expect(
        guest,
        &format!(
            "cd /tmp/bulk && stap -b -p4 -m b -e '{script}' && daemon=$(staprun -D -o d b.sbc) \
             && until [ -n \"$(cat d_cpu* 2>/dev/null)\" ]; do usleep 20000; done
             kill -USR2 $daemon; kill -INT $daemon
             until cat d_cpu?.1 2>/dev/null | grep -q 2; do usleep 20000; done
             cat d_cpu? | wc -c; cat d_cpu?.1 | wc -c; ls d_cpu?
             staprun -S 1 -o s -c true b.sbc; ls s_*; rm -r /tmp/bulk"
        ),
        "b.sbc\n10\n10\nd_cpu0\nd_cpu1\nd_cpu2\nd_cpu3\n\
         s_cpu0.0\ns_cpu1.0\ns_cpu2.0\ns_cpu3.0\n",
    )
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Guest tests of the device past the loader: what a program that means no good sends.

use crate::Check;
use crate::steps::{sh, write};
use std::time::Duration;
use tests::guest::{Guest, Outcome};

/// The tests by name.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("device_refuses_broken_images", refuses_broken_images),
    ("device_takes_abuse", takes_abuse),
    ("device_survives_100000_mutations", survives_mutations),
];

/// Programs to break: together they use most of the instruction table.
const PROGRAMS: [(&str, &str); 5] = [
    ("rich", include_str!("programs/rich.stp")),
    ("hello", include_str!("../../golden/hello.stp")),
    ("error", include_str!("../../golden/error.stp")),
    ("latency", include_str!("../../golden/latency.stp")),
    ("counter", include_str!("../../golden/kprobe-counter.stp")),
];

/// The same on every machine, so that what fails here fails everywhere.
const SEED: u64 = 20_261_124;
const MUTATIONS: u64 = 100_000;
/// Alone on a machine it takes a tenth of this.
const MUTATIONS_TIMEOUT: Duration = Duration::from_secs(900);

/// Compiles the programs in the guest; their files' names.
fn compile(guest: &mut Guest) -> Result<String, String> {
    let mut files = String::new();
    for (name, script) in PROGRAMS {
        let path = format!("/tmp/{name}.stp");
        write(guest, &path, script)?;
        let outcome = sh(guest, &format!("stap -w -p4 -m {name} {path}"))?;
        if outcome.status != 0 {
            return Err(format!("{name} does not compile: {outcome:?}"));
        }
        files += &format!(" {name}.sbc");
    }
    Ok(files)
}

fn raw(guest: &mut Guest, arguments: &str, timeout: Duration) -> Result<Outcome, String> {
    let command = format!("raw-device {arguments}");
    let outcome = guest.run(&command, timeout).map_err(|error| error.to_string())?;
    let complaints = guest.complaints();
    if !complaints.is_empty() {
        return Err(format!("{command}: the kernel complains: {complaints:?}\n{outcome:?}"));
    }
    if outcome.status != 0 || outcome.timed_out {
        return Err(format!("{command}: {outcome:?}"));
    }
    Ok(outcome)
}

fn refuses_broken_images(guest: &mut Guest) -> Result<(), String> {
    let files = compile(guest)?;
    let outcome = raw(guest, &format!("damages{files}"), Duration::from_secs(60))?;
    let refused = outcome.stdout.lines().filter(|line| line.contains(": EINVAL: ")).count();
    let damages = tests::broken::DAMAGES.len();
    if refused != damages {
        return Err(format!("{refused} of {damages} refused:\n{}", outcome.stdout));
    }
    Ok(())
}

fn takes_abuse(guest: &mut Guest) -> Result<(), String> {
    compile(guest)?;
    raw(guest, "abuse rich.sbc", Duration::from_secs(300)).map(|_| ())
}

fn survives_mutations(guest: &mut Guest) -> Result<(), String> {
    let files = compile(guest)?;
    let outcome = raw(guest, &format!("mutations {SEED} {MUTATIONS}{files}"), MUTATIONS_TIMEOUT)?;
    println!("{}{}", outcome.stdout, outcome.stderr);
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Every golden script and every guest test on every kernel. Each kernel boots once;
//! a kernel that does not boot fails all of its tests.

mod bulk;
mod chaos;
mod commands;
mod counts;
mod device;
mod examples;
mod kinds;
mod output;
mod script;
mod sessions;
mod steps;
mod strace;
mod symbols;
mod syscalls;
mod table;
mod types;

use libtest_mimic::{Arguments, Failed, Trial};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::golden::Case;
use tests::guest::{Guest, Machine};
use tests::kernel::Series;

/// A guest test written in Rust.
pub(crate) type Check = fn(&mut Guest) -> Result<(), String>;

/// A guest that boots when the first test asks for it.
#[derive(Clone)]
struct Shared {
    machine: Machine,
    guest: Arc<Mutex<Option<Result<Guest, String>>>>,
}

impl Shared {
    fn new(machine: Machine) -> Shared {
        Shared { machine, guest: Arc::default() }
    }

    fn with(&self, check: impl FnOnce(&mut Guest) -> Result<(), String>) -> Result<(), Failed> {
        let mut slot = self.guest.lock().map_err(|_| "an earlier test died with the guest")?;
        match slot.get_or_insert_with(|| boot(self.machine)) {
            Ok(guest) => Ok(check(guest)?),
            Err(error) => Err(format!("no guest: {error}").into()),
        }
    }
}

fn boot(machine: Machine) -> Result<Guest, String> {
    let mut guest = Guest::boot(machine).map_err(|error| error.to_string())?;
    let loaded = guest.run("insmod /stapvm.ko", Duration::from_secs(60));
    let loaded = loaded.map_err(|error| error.to_string())?;
    if loaded.status != 0 {
        return Err(format!("insmod: {}", loaded.stderr));
    }
    let complaints = guest.complaints();
    if !complaints.is_empty() {
        return Err(format!("the kernel complains about the module: {complaints:?}"));
    }
    Ok(guest)
}

fn main() {
    let arguments = Arguments::from_args();
    let cases = Case::all().and_then(|golden| Ok((golden, Case::language()?)));
    let (golden, language) = match cases {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("golden scripts: {error}");
            std::process::exit(1);
        }
    };
    let mut trials = Vec::new();
    for series in Series::ALL {
        let shared = Shared::new(Machine::new(series));
        for (kind, cases) in [("golden", &golden), ("language", &language)] {
            for case in cases.iter().filter(|case| case.is_for(series)).cloned() {
                let shared = shared.clone();
                let name = format!("{series}::{kind}::{}", case.name);
                trials.push(Trial::test(name, move || shared.with(|guest| case.check(guest))));
            }
        }
        let checks = [
            commands::CHECKS,
            sessions::CHECKS,
            device::CHECKS,
            syscalls::CHECKS,
            types::CHECKS,
            kinds::CHECKS,
            symbols::CHECKS,
            output::CHECKS,
            strace::CHECKS,
            examples::CHECKS,
        ];
        for &(name, check) in checks.into_iter().flatten() {
            let shared = shared.clone();
            trials.push(Trial::test(format!("{series}::{name}"), move || shared.with(check)));
        }
        let shared = Shared::new(Machine { cpus: 4, ..Machine::new(series) });
        for &(name, check) in counts::CHECKS.iter().chain(bulk::CHECKS) {
            let shared = shared.clone();
            trials.push(Trial::test(format!("{series}::{name}"), move || shared.with(check)));
        }
        let shared = Shared::new(Machine { cpus: 4, take_turns: true, ..Machine::new(series) });
        let whole = if script::is_whole() { chaos::WHOLE_CHECKS } else { &[] };
        for &(name, check) in chaos::CHECKS.iter().chain(whole) {
            let shared = shared.clone();
            trials.push(Trial::test(format!("{series}::{name}"), move || shared.with(check)));
        }
    }
    let names: Vec<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    trials.push(Trial::test("probes::table", move || Ok(table::check(&names)?)));
    libtest_mimic::run(&arguments, trials).exit();
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Every script of `tests/language` under `stap --runtime=user`. The guest tests run the
//! same scripts in the kernel, with the same output.

mod table;

use libtest_mimic::{Arguments, Trial};
use tests::golden::Case;
use tests::host;

fn main() {
    let arguments = Arguments::from_args();
    let prepared = Case::language().and_then(|cases| Ok((cases, host::build_stap()?)));
    let (cases, stap) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            eprintln!("language tests: {error}");
            std::process::exit(1);
        }
    };
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    let mut trials =
        vec![Trial::test("table", move || table::check(&names).map_err(|error| error.into()))];
    for case in cases {
        let stap = stap.clone();
        let name = format!("user::{}", case.name);
        trials.push(Trial::test(name, move || Ok(case.check_here(&stap)?)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What only debug symbols tell of, in a module that was built with them (tests/module):
//! inlined functions, lines, labels, callees and local variables, checked by values that
//! the module's text gives.

use crate::Check;
use crate::script::{Run, load_test_module, sh};
use tests::guest::Guest;
use tests::kernel::{Series, root};

/// The tests by name.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("symbols::inlined_functions", inlined_functions),
    ("symbols::lines_and_locals", lines_and_locals),
    ("symbols::members_of_locals", members_of_locals),
    ("symbols::labels", labels),
    ("symbols::callees", callees),
    ("symbols::returns", returns),
    ("symbols::listing", listing),
    ("symbols::other_builds_are_refused", other_builds_are_refused),
];

fn inlined_functions(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"global inlined, plain, calls, sum
        probe module("stapvm_test").function("stapvm_test_inlined").inline { inlined++ sum += $value }
        probe module("stapvm_test").function("stapvm_test_inlined") { plain++ }
        probe module("stapvm_test").function("stapvm_test_callee").call { calls++ }
        probe end { printf("%d %d %d %d\n", inlined, plain, calls, sum) }"#,
    )
    .command("echo symbols 100 >/proc/stapvm_test")
    .prints(guest, "100 100 101 4950\n")
}

/// The line behind the inlined call: `sum` holds the rounds before it, which add 2 n, 7 and
/// n, and this one's 2 n.
fn lines_and_locals(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"probe module("stapvm_test").statement("stapvm_test_symbols@*stapvm_test.c+9") {
            printf("%d %d %d %s\n", $n, $sum, $count, $$parms)
            if ($n == 1) println(pp() =~ "stapvm_test_symbols@.*stapvm_test.c:", " ", @defined($nosuch), @defined($sum))
        }"#,
    )
    .command("echo symbols 3 >/proc/stapvm_test")
    .prints(guest, "0 0 3 count=0x3\n1 9 3 count=0x3\n1 01\n2 21 3 count=0x3\n")
}

/// A struct on the stack: its place is told against the frame.
fn members_of_locals(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"probe module("stapvm_test").statement("stapvm_test_symbols@*stapvm_test.c+9") {
            p = &$pair
            printf("%d %d %d %d %d %d %s %d %d %d %d\n", $pair->first, $pair->low, $pair->high,
                $pair->left, $pair->right, $pair->whole, kernel_string(&$pair->name[0]), $pair->name[1],
                $pair->next->next->left, @cast(p, "stapvm_test_pair", "stapvm_test")->right,
                $pair->color)
            println(substr($pair$, 0, 65))
        }
        probe module("stapvm_test").function("stapvm_test_callee").call {
            if ($pair->first == 7) println($pair->first, " ", $more, " ", $pair->name[0])
        }"#,
    )
    .command("echo symbols 1 >/proc/stapvm_test")
    .prints(
        guest,
        "7 5 -3 4 -5 -21474836476 seven 101 4 -5 6\n\
         {.first=7, .low=5, .high=-3, <union>={...}, .name=[...], .next=0x\n7 0 115\n",
    )
}

fn labels(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"probe module("stapvm_test").function("stapvm_test_symbols").label("do*") {
            printf("%d %d\n", $sum, @defined($count))
        }"#,
    )
    .command("echo symbols 3 >/proc/stapvm_test")
    // Three rounds of 7 and 3 n, twice, and 7. The compiler has not kept `count`.
    .prints(guest, "67 0\n")
}

fn callees(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"global from_symbols, all, inlined, any
        probe module("stapvm_test").function("stapvm_test_symbols").callee("stapvm_test_callee") { from_symbols += $pair->first }
        probe module("stapvm_test").function("stapvm_test_symbols").callee("stapvm_test_inlined") { inlined++ }
        probe module("stapvm_test").function("stapvm_test_symbols").callee("stapvm_test_c*").call { any++ }
        probe module("stapvm_test").function("stapvm_test_callee") { all++ }
        probe end { printf("%d %d %d %d\n", from_symbols, all, inlined, any) }"#,
    )
    .command("echo symbols 10 >/proc/stapvm_test")
    .prints(guest, "70 11 10 10\n")?;
    // Calls of its own, one inlined and one not; those of its callees cannot be told.
    let callees = |depth| {
        format!(
            r#"global n probe module("stapvm_test").function("stapvm_test_symbols").callees({depth}) {{ n++ }}
            probe end {{ println(n) }}"#
        )
    };
    Run::script(&callees(1)).command("echo symbols 10 >/proc/stapvm_test").prints(guest, "20\n")?;
    let outcome = Run::script(&callees(2)).run(guest)?;
    let told = "callees of callees cannot be told from other calls: only .callees and .callees(1)";
    if outcome.status == 0 || !outcome.stderr.contains(told) {
        return Err(format!("callees(2) should be refused: {outcome:?}"));
    }
    Ok(())
}

/// What the function returns and was called with, which no type of the module tells.
fn returns(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"probe module("stapvm_test").function("stapvm_test_callee").return {
            if ($pair->first == 7) printf("%d %d %s %s %d|%s|\n", $return, @entry($more), $$parms =~ "pair=0x.* more=0x0" ? "both" : $$parms,
                $$return, @defined($nosuch), $$locals)
        }
        probe module("stapvm_test").function("stapvm_test_symbols@*stapvm_test.c").return { println($$return, " ", $count) }"#,
    )
    .command("echo symbols 1 >/proc/stapvm_test")
    // 7, doubled, and 7.
    .prints(guest, "7 0 both return=0x7 0||\nreturn=0x15 1\n")
}

fn listing(guest: &mut Guest) -> Result<(), String> {
    for (pattern, wanted) in [
        (".function(\"stapvm_test_inlined\").inline", "$value:long"),
        (".function(\"stapvm_test_symbols\").label(\"*\")", "$sum:long int"),
        (".function(\"stapvm_test_symbols\").callees", ".callee(\"stapvm_test_callee@"),
        (".statement(\"stapvm_test_symbols@*stapvm_test.c+9\")", "$pair:struct stapvm_test_pair"),
    ] {
        let outcome = sh(guest, &format!("stap -L 'module(\"stapvm_test\"){pattern}'"))?;
        if outcome.status != 0 || !outcome.stdout.contains(wanted) {
            return Err(format!("{pattern} should list {wanted:?}: {outcome:?}"));
        }
    }
    Ok(())
}

/// A program whose places were found in one build does not run on another. The other build
/// is a copy of the module's file with another id, found while the module is not loaded.
fn other_builds_are_refused(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let script = br#"probe module("stapvm_test").statement("stapvm_test_symbols@*stapvm_test.c+9") { println($n) }"#;
    let release = sh(guest, "uname -r")?.stdout;
    let series = if release.starts_with("6.12") { Series::ALL[1] } else { Series::ALL[0] };
    let file = series.folder(root()).join("test-module/stapvm_test.ko");
    let mut module = std::fs::read(file).map_err(|error| error.to_string())?;
    let fits = "cd /tmp; stap -p4 -m fits other.stp >/dev/null && stap-disasm fits.sbc";
    guest.write_file("/tmp/other.stp", script).map_err(|error| error.to_string())?;
    let text = sh(guest, fits)?.stdout;
    let told = "fits only module stapvm_test with build id ";
    let id = text.lines().find_map(|line| line.strip_prefix(told));
    let id = id.ok_or_else(|| format!("the disassembly should tell the build id: {text}"))?;
    let bytes: Vec<u8> = (0..id.len() / 2)
        .filter_map(|n| u8::from_str_radix(&id[2 * n..2 * n + 2], 16).ok())
        .collect();
    let at = module.windows(bytes.len()).position(|window| window == bytes);
    module[at.ok_or("the module does not hold its build id")?] ^= 1;
    let folder = format!("/tmp/d/lib/modules/{}", release.trim());
    sh(guest, &format!("mkdir -p {folder}; rmmod stapvm_test"))?;
    let copy = format!("{folder}/stapvm_test.ko");
    guest.write_file(&copy, &module).map_err(|error| error.to_string())?;
    let commands = "cd /tmp; SYSTEMTAP_DEBUGINFO_PATH=/tmp/d stap -p4 -m another other.stp; \
                    rm -r d; insmod /stapvm_test.ko; staprun another.sbc";
    let outcome = sh(guest, commands)?;
    let told = "it was found in the debug symbols of a module stapvm_test with build id";
    if outcome.status == 0 || !outcome.stderr.contains(told) {
        return Err(format!("another build should be refused: {outcome:?}"));
    }
    Ok(())
}

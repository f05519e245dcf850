// SPDX-License-Identifier: GPL-2.0-or-later
//! Counts that must add up, on four CPUs that all hit the same globals.

use crate::Check;
use crate::script::{Run, load_test_module, sh};
use tests::guest::{Guest, Outcome};

/// The tests by name, for a guest with four CPUs.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("counts::globals_are_exact", globals_are_exact),
    ("counts::skipped_for_locks", skipped_for_locks),
    ("counts::too_many_skipped_end_the_session", too_many_skipped),
    ("counts::readers_and_writers", readers_and_writers),
    ("counts::records_are_exact", records_are_exact),
    ("counts::records_are_lost_and_counted", records_are_lost_and_counted),
];

const HITS: &str = "echo threads 2000 >/proc/stapvm_test";
const TOTAL: u64 = 8000;

/// The number behind a text in the report.
fn number_after(outcome: &Outcome, text: &str) -> Result<u64, String> {
    let all = format!("{}{}", outcome.stdout, outcome.stderr);
    let (_, rest) = all.split_once(text).ok_or_else(|| format!("no {text:?} in {outcome:?}"))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(|error| format!("{text:?}: {error} in {outcome:?}"))
}

/// `hits: F fired = H handled + L lock + R reentrancy + S low stack`
pub(crate) fn identity(outcome: &Outcome) -> Result<[u64; 5], String> {
    let fired = number_after(outcome, "----- hits: ")?;
    let handled = number_after(outcome, " fired = ")?;
    let lock = number_after(outcome, " handled + ")?;
    let reentrant = number_after(outcome, " lock + ")?;
    let low = number_after(outcome, " reentrancy + ")?;
    if fired != handled + lock + reentrant + low || outcome.stderr.contains("do not add up") {
        return Err(format!("the counts do not add up: {outcome:?}"));
    }
    Ok([fired, handled, lock, reentrant, low])
}

/// Hits of the probe whose point begins like this, by the report.
fn handled_by(outcome: &Outcome, point: &str) -> Result<u64, String> {
    let line = outcome.stdout.lines().find(|line| line.starts_with(point));
    let line = line.ok_or_else(|| format!("no {point} in {outcome:?}"))?;
    let hits = line.split_once("hits: ").and_then(|(_, rest)| rest.split(',').next());
    hits.and_then(|hits| hits.parse().ok()).ok_or_else(|| format!("{line}: no hits"))
}

const COUNTING: &str = r#"global n, same, by_cpu, statistics, text
probe module("stapvm_test").function("stapvm_test_target") {
    n++
    same[0]++
    by_cpu[cpu()]++
    statistics <<< 1
    text = sprintf("%d", strtol(text, 10) + 1)
}
probe end {
    foreach (processor in by_cpu) sum += by_cpu[processor]
    printf("counted %d %d %d %d %s\n", n, same[0], sum, @count(statistics), text)
}"#;

/// Every handled hit is in every one of the globals, and no other is.
fn check_counting(outcome: &Outcome) -> Result<u64, String> {
    let handled = handled_by(outcome, "module(")?;
    let wanted = format!("counted {handled} {handled} {handled} {handled} {handled}\n");
    if !outcome.stdout.starts_with(&wanted) {
        return Err(format!("should print {wanted:?}: {outcome:?}"));
    }
    let [fired, ..] = identity(outcome)?;
    // And the end probe.
    if fired != TOTAL + 1 {
        return Err(format!("{fired} hits, not {TOTAL} and the end probe: {outcome:?}"));
    }
    Ok(handled)
}

fn globals_are_exact(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    // Other helpers' guests may stop a CPU of this one for long: hits may be skipped.
    let outcome = Run::script(COUNTING)
        .options("-t -DSTP_NO_OVERLOAD -DMAXSKIPPED=100000")
        .command(HITS)
        .run(guest)?;
    check_counting(&outcome)?;
    Ok(())
}

fn skipped_for_locks(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let slow = COUNTING.replace("n++\n", "n++\n for (i = 0; i < 100; i++) same[0] = same[0];\n");
    let outcome = Run::script(&slow)
        .options("-t -DSTP_NO_OVERLOAD -DMAXSKIPPED=100000 -DMAXTRYLOCK=1 -DTRYLOCKDELAY=1")
        .command(HITS)
        .run(guest)?;
    let handled = check_counting(&outcome)?;
    let [_, _, lock, ..] = identity(&outcome)?;
    let named = number_after(&outcome, "WARNING: Skipped due to global '")
        .err()
        .is_some_and(|text| text.contains("lock timeout"));
    if lock == 0 || handled + lock != TOTAL || !named {
        return Err(format!("hits should be skipped for the lock, by its name: {outcome:?}"));
    }
    Ok(())
}

/// Beyond MAXSKIPPED the session ends with SystemTap's words, and its error probes run.
fn too_many_skipped(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let slow = COUNTING.replace("n++\n", "n++\n for (i = 0; i < 100; i++) same[0] = same[0];\n")
        + "probe error { println(\"error probe\") }";
    let outcome = Run::script(&slow)
        .options("-DSTP_NO_OVERLOAD -DMAXSKIPPED=0 -DMAXTRYLOCK=1 -DTRYLOCKDELAY=1")
        .command(HITS)
        .run(guest)?;
    let said = "ERROR: Skipped too many probes, check MAXSKIPPED or try again with stap -t for \
                more details.";
    if outcome.status != 1
        || !outcome.stderr.contains(said)
        || !outcome.stdout.contains("error probe\n")
    {
        return Err(format!("the session should end: {outcome:?}"));
    }
    Ok(())
}

/// Readers share a lock; what they see is never half of a writer's work.
fn readers_and_writers(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let outcome = Run::script(
        r#"global first, second, reads, torn
        probe module("stapvm_test").function("stapvm_test_target") { first[0]++ second[0]++ }
        probe module("stapvm_test").function("stapvm_test_target").return {
            reads++
            if (first[0] != second[0]) torn++
        }
        probe end { printf("torn %d, %s\n", torn, first[0] == second[0] && reads > 0 ? "equal" : "not") }"#,
    )
    .options("-t -DSTP_NO_OVERLOAD -DMAXSKIPPED=100000")
    .command(HITS)
    .run(guest)?;
    identity(&outcome)?;
    if !outcome.stdout.starts_with("torn 0, equal\n") {
        return Err(format!("no reader should see half a change: {outcome:?}"));
    }
    Ok(())
}

fn records_are_exact(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let outcome = Run::script(
        r#"probe module("stapvm_test").function("stapvm_test_target") { printf("%d %d\n", cpu(), int_arg(1)) }"#,
    )
    .options("-t -s 16 -DSTP_NO_OVERLOAD")
    .command(HITS)
    .run(guest)?;
    identity(&outcome)?;
    let produced = number_after(&outcome, "----- records: ")?;
    let delivered = number_after(&outcome, " produced = ")?;
    let lines = outcome.stdout.lines().filter(|line| !line.contains("hits:")).count() as u64;
    // The lines of the report are no records: its headline and that of the records.
    if (produced, delivered, lines) != (TOTAL, TOTAL, TOTAL + 2) {
        return Err(format!("{produced} produced, {delivered} delivered, {lines} lines"));
    }
    Ok(())
}

fn records_are_lost_and_counted(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    // One record of each hit is as long as can be, and a ring holds a few dozen.
    let outcome = Run::script(
        r#"probe module("stapvm_test").function("stapvm_test_target") {
            for (i = 0; i < 60; i++)
                print("0123456789012345678901234567890123456789012345678901234567890123456789\n")
        }"#,
    )
    .options("-t -s 1 -o /tmp/out -DSTP_NO_OVERLOAD")
    .command(HITS)
    .run(guest)?;
    let report = sh(guest, "grep -v ^0123 /tmp/out; grep -c ^0123 /tmp/out")?;
    identity(&report)?;
    let produced = number_after(&report, "----- records: ")?;
    let delivered = number_after(&report, " produced = ")?;
    let lost = number_after(&report, " delivered + ")?;
    let lines: u64 = report.stdout.lines().last().and_then(|n| n.parse().ok()).unwrap_or(0);
    let said = format!("WARNING: There were {lost} transport failures.\n");
    if produced != TOTAL || produced != delivered + lost || lines != 60 * delivered {
        return Err(format!("{lines} lines should be {delivered} records: {report:?}"));
    }
    if lost > 0 && !outcome.stderr.contains(&said) {
        return Err(format!("{lost} records were lost in silence: {outcome:?}"));
    }
    Ok(())
}

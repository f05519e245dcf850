// SPDX-License-Identifier: GPL-2.0-or-later
//! Guest tests of sessions as a whole: what is left behind when they end, well or badly.

use crate::Check;
use crate::steps::{expect, sh, write};
use std::collections::BTreeMap;
use tests::guest::Guest;

/// The tests by name.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("module_unloads_and_loads", module_unloads_and_loads),
    ("module_in_use_stays", module_in_use_stays),
    ("killed_loader_leaves_no_probe", killed_loader_leaves_no_probe),
    ("sessions_do_not_leak", sessions_do_not_leak),
];

fn module_unloads_and_loads(guest: &mut Guest) -> Result<(), String> {
    expect(
        guest,
        "for n in 1 2 3 4 5; do rmmod stapvm && insmod /stapvm.ko || exit 1; done; ls /dev/stapvm",
        "/dev/stapvm\n",
    )
}

fn module_in_use_stays(guest: &mut Guest) -> Result<(), String> {
    expect(
        guest,
        "stap -e 'probe begin { println(\"on\") }' >/tmp/use & stap=$!
         until grep -q on /tmp/use; do usleep 20000; done
         rmmod stapvm 2>/dev/null && echo unloaded
         cat /sys/module/stapvm/refcnt; kill -INT $stap; wait $stap; echo $?
         cat /sys/module/stapvm/refcnt",
        "1\n0\n0\n",
    )
}

/// Entries and returns of functions; tracepoints; system calls; timers. A good 100 of them
/// are in functions.
const MANY_PROBES: &str = r#"
global entries, returns, events, ticks
probe kernel.function("vfs_*") { entries++ }
probe kernel.function("vfs_*").return { returns++ }
probe kernel.function("ksys_*").return { returns++ }
probe kernel.trace("sched_*") { events++ }
probe syscall.read, syscall.write.return { events++ }
probe timer.ms(10) { ticks++ }
probe timer.ms(11) { ticks++ }
probe timer.hz(50) { ticks++ }
probe timer.profile { ticks++ }
probe begin { println("armed") }
probe end { println(entries, returns, events, ticks) }
"#;

/// How often the loader is killed. A machine busy with other things can hold the guest up
/// for longer than a second at any moment, so the fastest time is what counts.
const KILLS: usize = 5;

fn killed_loader_leaves_no_probe(guest: &mut Guest) -> Result<(), String> {
    write(guest, "/tmp/many.stp", MANY_PROBES)?;
    write(guest, "/tmp/kill.sh", KILL)?;
    let mut fastest = u64::MAX;
    for _ in 0..KILLS {
        let outcome = sh(guest, "sh /tmp/kill.sh")?;
        let numbers: Vec<u64> =
            outcome.stdout.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let (&[functions, milliseconds], 0) = (numbers.as_slice(), outcome.status) else {
            return Err(format!("kill.sh: {outcome:?}"));
        };
        if functions < 100 {
            return Err(format!("only {functions} functions were probed"));
        }
        fastest = fastest.min(milliseconds);
    }
    println!("all probes gone {fastest} ms after kill -9");
    if fastest > 1000 {
        return Err(format!("detaching took {fastest} ms"));
    }
    // Nothing holds the module, and it loads again.
    expect(guest, "rmmod stapvm && insmod /stapvm.ko && echo good", "good\n")
}

/// Prints how many functions were probed, and the milliseconds from the kill until nothing
/// was left.
const KILL: &str = r#"
probed() { cat /sys/kernel/debug/kprobes/list /sys/kernel/tracing/enabled_functions | wc -l; }
now() { cut -d ' ' -f 1 /proc/uptime | tr -d .; }
[ "$(probed)" = 0 ] || { echo "probes are left from before"; exit 1; }
# The shell empties the file only when it gets to the command.
: >/tmp/many.out
stap /tmp/many.stp >/tmp/many.out 2>/tmp/many.err & stap=$!
until grep -q armed /tmp/many.out; do
    kill -0 $stap 2>/dev/null || { cat /tmp/many.err; exit 1; }
    usleep 20000
done
# Probes fire while the loader dies.
(while :; do cat /proc/version; done >/dev/null 2>&1) & load=$!
usleep 300000
probed
kill -9 $stap
start=$(now)
until [ "$(probed)" = 0 ] && [ "$(cat /sys/module/stapvm/refcnt)" = 0 ]; do
    [ $(($(now) - start)) -lt 3000 ] || { echo "still there after 30 s:"; probed; exit 1; }
    usleep 10000
done
echo $((($(now) - start) * 10))
kill $load
wait $load 2>/dev/null
true
"#;

/// A session that has everything: probes of all kinds, maps, strings, aggregates.
const LEAK: &str = r#"
global n, names, sizes, text
probe kernel.function("vfs_read") { n++ }
probe kernel.function("vfs_read").return { names[execname()]++ }
probe kernel.trace("sched_switch") { sizes <<< 1 }
probe syscall.read { n++ }
probe timer.ms(5) { n++ }
probe timer.profile { n++ }
probe begin { text = "a text"; names["x"] = 1; exit() }
probe end { printf("%s %d %d %d\n", text, n >= 0, @count(sizes) >= 0, "x" in names) }
"#;

const SESSIONS: u64 = 200;

/// Objects that a cache may have gained. Every session that forgets one object makes 200
/// of them. The caches are emptied of what is free before they are counted, so their
/// numbers are those of living objects, and what the rest of the system does in the
/// meantime (a shell that waits) keeps a handful.
const CACHE_TOLERANCE: u64 = SESSIONS / 4;
/// Per-CPU memory comes in pages. The smaller of a session's two allocations, 48 bytes,
/// takes two pages more after 200 times; one page may be anybody's.
const PERCPU_TOLERANCE_KB: u64 = 4;
/// A session has more than a megabyte, mostly rings, which would show as mappings and
/// leave 200 megabytes less; the page cache moves by far less than 8.
const AVAILABLE_TOLERANCE_KB: u64 = 8 << 10;

fn sessions_do_not_leak(guest: &mut Guest) -> Result<(), String> {
    write(guest, "/tmp/leak.stp", LEAK)?;
    expect(guest, "stap -p4 -m leak /tmp/leak.stp", "leak.sbc\n")?;
    // Caches that grow once, such as those of the files that are read, grow now.
    run_sessions(guest, SESSIONS / 10)?;
    let before = memory(guest)?;
    run_sessions(guest, SESSIONS)?;
    let after = memory(guest)?;
    let mut leaks = Vec::new();
    for (name, have) in &after {
        let had = before.get(name).copied().unwrap_or(0);
        let (lost, tolerance) = match name.as_str() {
            "MemAvailable" => (had.saturating_sub(*have), AVAILABLE_TOLERANCE_KB),
            "Percpu" => (have.saturating_sub(had), PERCPU_TOLERANCE_KB),
            "mappings" => (have.saturating_sub(had), 0),
            _ => (have.saturating_sub(had), CACHE_TOLERANCE),
        };
        if lost > tolerance {
            leaks.push(format!("{name}: {had} before, {have} after"));
        }
    }
    if leaks.is_empty() { Ok(()) } else { Err(format!("{SESSIONS} sessions leak: {leaks:?}")) }
}

fn run_sessions(guest: &mut Guest, count: u64) -> Result<(), String> {
    // In parts, so that a slow machine has its time.
    for _ in 0..count / 20 {
        expect(
            guest,
            "n=0; while [ $n -lt 20 ]; do staprun leak.sbc || exit 1; n=$((n+1)); done | sort | uniq -c",
            "     20 a text 1 1 1\n",
        )?;
    }
    Ok(())
}

/// Living objects of every cache that a module can allocate from, mappings of the module,
/// and memory in kilobytes.
fn memory(guest: &mut Guest) -> Result<BTreeMap<String, u64>, String> {
    let outcome = sh(
        guest,
        "sync; echo 3 >/proc/sys/vm/drop_caches
         for cache in /sys/kernel/slab/kmalloc-*; do echo 1 >$cache/shrink; done
         awk '/^kmalloc-/ {print $1, $2}' /proc/slabinfo
         awk '/^(MemAvailable|Percpu):/ {print substr($1, 1, length($1) - 1), $2}' /proc/meminfo
         echo mappings $(grep -c 'stapvm_\\|\\[stapvm\\]' /proc/vmallocinfo)",
    )?;
    let pair = |line: &str| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    let numbers: BTreeMap<String, u64> = outcome.stdout.lines().filter_map(pair).collect();
    let all_there = ["MemAvailable", "Percpu", "mappings", "kmalloc-64", "kmalloc-cg-1k"];
    match all_there.iter().find(|name| !numbers.contains_key(**name)) {
        None => Ok(numbers),
        Some(missing) => Err(format!("no {missing} in {outcome:?}")),
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Chaos: sessions that are killed, modules that come and go, CPUs that go off, memory
//! that is not to be had, readers that stall. After each: the kernel has nothing to
//! complain of, no probe is left, sessions hold no memory, and the counts add up.
//!
//! `make test` runs the short form; `CHAOS=full`, which is `make chaos`, the whole.

use crate::Check;
use crate::counts::identity;
use crate::script::{Run, allocations, is_whole, load_test_module, sh};
use std::time::Duration;
use tests::guest::Guest;

/// The tests by name, for a guest with four CPUs.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("chaos::killed_at_random", killed_at_random),
    ("chaos::modules_come_and_go", modules_come_and_go),
    ("chaos::cpus_go_off_and_on", cpus_go_off_and_on),
    ("chaos::reader_stalls", reader_stalls),
    ("chaos::many_sessions", many_sessions),
    ("chaos::every_read_faults", every_read_faults),
    ("chaos::many_hits", many_hits),
    ("chaos::every_function", every_function),
];

/// Those of the whole form only: they want a module that `make chaos` builds.
pub(crate) const WHOLE_CHECKS: &[(&str, Check)] = &[("chaos::allocations_fail", allocations_fail)];

/// So many in the short form, or in the whole.
fn times(short: u32, full: u32) -> u32 {
    if is_whole() { full } else { short }
}

/// A line on the test's output: what was done, in numbers.
#[expect(clippy::print_stdout, reason = "the numbers are what the test is run for")]
fn say(text: &str) {
    println!("chaos: {text}");
}

/// What must hold after each test.
fn nothing_is_left(guest: &mut Guest) -> Result<(), String> {
    // What was killed is closed by now, but its last reference may take a moment.
    let mut held = -1;
    for _ in 0..50 {
        held = allocations(guest)?;
        if held == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    if held != 0 {
        return Err(format!("{held} allocations are left"));
    }
    let left = sh(
        guest,
        "mount -t debugfs d /sys/kernel/debug 2>/dev/null; mount -t tracefs t /sys/kernel/tracing \
         2>/dev/null; cat /sys/kernel/debug/kprobes/list; cat /sys/kernel/tracing/enabled_functions; \
         ls /proc/systemtap 2>/dev/null",
    )?;
    if left.stdout.trim().is_empty() { Ok(()) } else { Err(format!("left behind: {left:?}")) }
}

/// What every kind of attachment has, hit all the time.
const EVERYTHING: &str = r#"global n, by, s
probe kernel.function("vfs_read"), kernel.function("vfs_read").return { n++ by[pid()]++ s <<< n }
probe kernel.trace("sched_switch"), kernel.trace("sys_enter") { n++ }
probe module("stapvm_test").function("stapvm_test_*") { n++ printf("%d\n", n) }
probe module("stapvm_test").function("stapvm_test_*").return { n++ }
probe kernel.tracepoint("stapvm_test_event") { n++ }
probe timer.ms(1), timer.profile, perf.sw.context_switches.sample(10) { n++ }
probe syscall_any, syscall_any.return { n++ }
probe netfilter.hook("NF_INET_LOCAL_IN").pf("NFPROTO_IPV4") { n++ }
probe kernel.data("stapvm_test_variable").write { n++ }
probe procfs("n").read { $value = sprintf("%d\n", n) }
probe end { printf("%d\n", n) }"#;

const HEAVY: &str =
    "-DMAXSKIPPED=100000000 -DSTP_NO_OVERLOAD -DMAXERRORS=100000000 -DMAXMAPENTRIES=20000";

fn write(guest: &mut Guest, path: &str, text: &str) -> Result<(), String> {
    guest.write_file(path, text.as_bytes()).map_err(|error| error.to_string())
}

fn killed_at_random(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let count = times(5, 200);
    write(guest, "/tmp/all.stp", EVERYTHING)?;
    let program = sh(guest, &format!("stap {HEAVY} -p4 -m chaos all.stp"))?;
    if program.status != 0 {
        return Err(format!("{program:?}"));
    }
    let killed = sh(
        guest,
        &format!(
            "(while :; do echo threads 50 >/proc/stapvm_test; echo event 5 >/proc/stapvm_test; \
             echo data 5 >/proc/stapvm_test; cat /proc/systemtap/chaos/n; done) >/dev/null 2>&1 & load=$!; \
             n=0; while [ $n -lt {count} ]; do \
             staprun chaos.sbc >/dev/null 2>&1 & p=$!; \
             usleep $(( ($(od -An -N2 -tu2 /dev/urandom) * 15) )); \
             kill -9 $p || echo gone; wait $p 2>/dev/null; n=$((n + 1)); done; \
             kill $load; echo $n killed"
        ),
    )?;
    say(&format!("kill -9: {}", killed.stdout.trim()));
    if !killed.stdout.ends_with(&format!("{count} killed\n")) {
        return Err(format!("{killed:?}"));
    }
    nothing_is_left(guest)
}

fn modules_come_and_go(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let count = times(5, 200);
    let outcome = Run::script(
        r#"global hits, inits, events
        probe module("stapvm_test").function("stapvm_test_target") { hits++ }
        probe module("stapvm_test").function("stapvm_test_*").return { text = symname(addr()) }
        probe module("stapvm_test").function("stapvm_test_at_init") { inits++ }
        probe kernel.tracepoint("stapvm_test_event") { events++ }
        probe end { printf("%d %d %d\n", hits, inits, events) }"#,
    )
    .options(HEAVY)
    .command(&format!(
        "n=0; while [ $n -lt {count} ]; do rmmod stapvm_test; insmod /stapvm_test.ko; \
         (echo threads 10 >/proc/stapvm_test; echo event 3 >/proc/stapvm_test); n=$((n + 1)); done"
    ))
    .run(guest)?;
    say(&format!("{count} loads: {} (hits, inits, events)", outcome.stdout.trim()));
    if outcome.stdout != format!("{} {count} {}\n", count * 40, count * 3) {
        return Err(format!("4 times 10 hits, 1 init and 3 events each time: {outcome:?}"));
    }
    nothing_is_left(guest)
}

fn cpus_go_off_and_on(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let count = times(1, 30);
    let outcome = Run::script(EVERYTHING)
        .options(&format!("{HEAVY} -t -o /tmp/out"))
        .command(&format!(
            "n=0; while [ $n -lt {count} ]; do for c in 1 2 3; do \
             echo 0 >/sys/devices/system/cpu/cpu$c/online || exit 1; \
             echo threads 20 >/proc/stapvm_test; done; for c in 1 2 3; do \
             echo 1 >/sys/devices/system/cpu/cpu$c/online || exit 1; \
             echo threads 20 >/proc/stapvm_test; done; n=$((n + 1)); done"
        ))
        .run(guest)?;
    let report = sh(guest, "grep -e '^-----' /tmp/out")?;
    say(&format!("{count} times 3 CPUs off and on: {}", report.stdout.trim()));
    if outcome.status != 0 || outcome.stderr.contains("do not add up") {
        return Err(format!("{outcome:?}"));
    }
    nothing_is_left(guest)
}

/// Each allocation of a load and a start fails once.
fn allocations_fail(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    write(guest, "/tmp/all.stp", EVERYTHING)?;
    let outcome = sh(
        guest,
        &format!(
            "rmmod stapvm && insmod /stapvm-faults.ko && stap {HEAVY} -p4 -m chaos all.stp; \
             f=/sys/module/stapvm/parameters/fail_allocation; n=1; failed=0; \
             while [ $n -lt 400 ]; do echo $n >$f; timeout -s INT 2 staprun chaos.sbc >/dev/null 2>/tmp/err; \
             [ $(cat $f) = 0 ] || break; grep -q ERROR /tmp/err && failed=$((failed + 1)); \
             [ $(cat /sys/module/stapvm/parameters/allocations) = 0 ] || echo leak at $n; \
             n=$((n + 1)); done; echo 0 >$f; echo $n $failed; rmmod stapvm; insmod /stapvm.ko"
        ),
    )?;
    say(&format!("allocations that failed: {}", outcome.stdout.trim()));
    if outcome.stdout.contains("leak") {
        return Err(format!("{outcome:?}"));
    }
    nothing_is_left(guest)
}

/// The loader sleeps while handlers go on; what does not fit is counted.
fn reader_stalls(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let seconds = times(2, 10);
    let outcome = Run::script(
        r#"probe module("stapvm_test").function("stapvm_test_target") {
            printf("%s %d 0123456789012345678901234567890123456789012345678901234567890123456789\n", execname(), int_arg(1))
        }"#,
    )
    .options(&format!("{HEAVY} -t -s 1 -o /tmp/out"))
    .command(&format!(
        "killall -STOP stap; echo threads 60000 >/proc/stapvm_test; sleep {seconds}; \
         killall -CONT stap"
    ))
    .run(guest)?;
    let report = sh(guest, "grep -e '^-----' /tmp/out")?;
    say(&format!("stalled {seconds} s: {}", report.stdout.trim()));
    let records = report.stdout.lines().find(|line| line.contains("records:")).unwrap_or("");
    let numbers: Vec<u64> =
        records.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [240_000, delivered, lost] if delivered + lost == 240_000 && lost > 0 => {}
        _ => return Err(format!("240000 records should be delivered or lost: {report:?}")),
    }
    if !outcome.stderr.contains("transport failures") || outcome.stderr.contains("do not add up") {
        return Err(format!("{outcome:?}"));
    }
    nothing_is_left(guest)
}

fn many_sessions(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let count = times(5, 20);
    // Each reads memory with the function that the others probe, and so do their handlers.
    let script = r#"global n, reads
        probe module("stapvm_test").function("stapvm_test_target") {
            n += kernel_string(pointer_arg(2)) == "text"
        }
        probe kernel.function("copy_from_kernel_nofault") {
            reads += kernel_string(pointer_arg(2)) != ""
        }
        probe begin { println("armed") }
        probe end { println(n > 0 && reads >= 0 ? "counted" : "wrong") }"#;
    write(guest, "/tmp/many.stp", script)?;
    let outcome = sh(
        guest,
        &format!(
            "stap {HEAVY} -p4 -m many many.stp >/dev/null; n=0; while [ $n -lt {count} ]; do \
             staprun many.sbc >/tmp/many.$n 2>/tmp/many-err.$n & n=$((n + 1)); done; \
             until [ $(cat /tmp/many.[0-9]* | grep -c armed) = {count} ]; do sleep 1; done; \
             sleep 1; echo threads 100 >/proc/stapvm_test; killall -INT staprun; wait; \
             cat /tmp/many.[0-9]* | grep -v armed | sort | uniq -c; cat /tmp/many-err.* | grep -c 'do not add up'"
        ),
    )?;
    say(&format!("{count} sessions: {}", outcome.stdout.trim()));
    let wanted = format!("{count} counted\n0\n");
    if outcome.stdout.trim_start() != wanted {
        return Err(format!("should be {wanted:?}: {outcome:?}"));
    }
    nothing_is_left(guest)
}

fn every_read_faults(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let hits = times(500, 5000);
    let outcome = Run::script(
        r#"global caught, n
        probe module("stapvm_test").function("stapvm_test_target") {
            n++
            try { printf("%s", kernel_string(1)) } catch { caught++ }
            try { printf("%s", kernel_string(-4096)) } catch { caught++ }
            try { printf("%s", kernel_string(0x800000000000)) } catch { caught++ }
            printf("%s", kernel_string(int_arg(1)))
        }
        probe end { printf("%d %d\n", n, caught) }
        probe error { printf("error %d %d\n", n, caught) }"#,
    )
    .options(&format!("{HEAVY} -t"))
    .command(&format!("echo threads {hits} >/proc/stapvm_test"))
    .run(guest)?;
    let total = u64::from(hits) * 4;
    // The end probe is a hit, too. One that waited too long for a lock is counted.
    let [fired, handled, ..] = identity(&outcome)?;
    say(&format!("faults: {fired} hits, {handled} of them handled"));
    let run = handled.saturating_sub(1);
    let counts = format!("{run} {}", run * 3);
    if fired != total + 1 || run < total / 2 || !outcome.stdout.lines().any(|l| l == counts) {
        return Err(format!("{total} hits with 3 caught faults each: {outcome:?}"));
    }
    nothing_is_left(guest)
}

fn many_hits(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let each = times(25_000, 2_500_000);
    let outcome = Run::script(
        r#"global n, a
        probe module("stapvm_test").function("stapvm_test_target") { n++ a <<< 1 }
        probe end { printf("%d %d\n", n, @count(a)) }"#,
    )
    .options(&format!("{HEAVY} -t"))
    .command(&format!("echo threads {each} >/proc/stapvm_test"))
    .run(guest)?;
    let report = outcome.stdout.lines().find(|line| line.contains("fired")).unwrap_or("");
    say(&format!("{} hits: {report}", each * 4));
    let counted: Vec<u32> = outcome
        .stdout
        .lines()
        .next()
        .unwrap_or("")
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let fired = format!("----- hits: {} fired", each * 4 + 1);
    if counted.len() != 2 || counted[0] != counted[1] || !report.starts_with(&fired) {
        return Err(format!("{outcome:?}"));
    }
    nothing_is_left(guest)
}

/// Every function that can be probed, a chunk of them at a time, under load; those that a
/// handler's own way leads through are harmless.
fn every_function(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let names = sh(
        guest,
        "awk '$2 ~ /^[tTwW]$/ && $3 !~ /[.]/ && $3 !~ /^__pfx_/ && NF == 3 { print $3 }' /proc/kallsyms \
         | sort -u",
    )?;
    let names: Vec<&str> = names.stdout.lines().collect();
    let chunk = times(400, 4000);
    let chunks: Vec<&[&str]> = names.chunks(chunk as usize).collect();
    let step = if is_whole() { 1 } else { chunks.len() };
    let mut probed = 0;
    for (number, chunk) in chunks.iter().enumerate().step_by(step) {
        // Every eighth with all registers and with a return probe, too.
        let entries = chunk.iter().map(|name| format!("kernel.function(\"{name}\") ?"));
        let kprobes = chunk.iter().step_by(8).map(|name| format!("kernel.function(\"{name}\") ?"));
        let returns =
            chunk.iter().step_by(8).map(|name| format!("kernel.function(\"{name}\").return ?"));
        let join = |points: Vec<String>| points.join(",\n");
        let script = format!(
            "global n, by\nprobe {} {{ n++ }}\nprobe {} {{ by[0] += register(\"rip\") != 0 }}\n\
             probe {} {{ by[1]++ }}\nprobe end {{ printf(\"%s\\n\", n > 0 ? \"hits\" : \"none\") }}",
            join(entries.collect()),
            join(kprobes.collect()),
            join(returns.collect()),
        );
        let outcome = Run::script(&script)
            .options(&format!("{HEAVY} -w"))
            .command(
                "ls -lR /proc/self >/dev/null 2>&1; echo threads 10 >/proc/stapvm_test; sleep 1",
            )
            .run(guest)?;
        if outcome.status != 0 || outcome.stderr.contains("do not add up") {
            return Err(format!("chunk {number} from {}: {outcome:?}", chunk[0]));
        }
        probed += chunk.len();
    }
    say(&format!("{probed} of {} functions probed", names.len()));
    nothing_is_left(guest)
}

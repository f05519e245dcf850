// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel types: one blob for both kernels, checked against what a program in the guest
//! knows of itself and what /proc tells it.

use crate::Check;
use crate::script::{Run, sh};
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
    ("types::arguments_on_the_stack", arguments_on_the_stack),
    ("types::arguments_on_the_stack_of_another_kernel", stack_of_another_kernel),
    ("types::structs_on_the_stack", structs_on_the_stack),
    ("types::structs_in_registers", structs_in_registers),
    ("types::structs_returned", structs_returned),
    ("types::functions_with_more_arguments", functions_with_more_arguments),
    ("types::functions_that_the_compiler_changed", functions_that_the_compiler_changed),
    ("types::a_stock_module", a_stock_module),
    ("types::tracepoints_of_a_subsystem", tracepoints_of_a_subsystem),
];

/// The caller keeps both on its own stack, and `uf` is a list with nothing in it. They are the
/// 7th and 8th argument on 6.1, the 8th and 9th on 6.12.
const ON_THE_STACK: &str = r#"global right, wrong, same
    probe kernel.function("do_mmap") {
        near = $populate - $uf
        if ($uf->next == $uf && @cast($uf, "list_head")->prev == $uf && near > -512 && near < 512) right++
        else wrong++
    }
    probe kernel.function("do_mmap").return { if (@entry($uf) == $uf && $uf->next) same++ }
    probe end { println(right > 0, " ", wrong, " ", same == right, " ", same > 0) }"#;
const MAPS: &str = "/bin/busybox ls / >/dev/null";

fn arguments_on_the_stack(guest: &mut Guest) -> Result<(), String> {
    Run::script(ON_THE_STACK).command(MAPS).prints(guest, "1 0 1 1\n")?;
    // By a kprobe instead of ftrace, and in all of `$$parms`.
    Run::script(
        r#"global right, wrong
        probe kernel.function("do_mmap") {
            uf = sprintf("uf=%#x", $uf)
            if (register("rsp") && isinstr($$parms, uf) && $$parms =~ "populate=0xff[0-9a-f]+ uf=") right++ else wrong++
        }
        probe end { println(right > 0, " ", wrong) }"#,
    )
    .command(MAPS)
    .prints(guest, "1 0\n")
}

/// Compiled for the other kernel, where they are the 8th and 9th argument and not the 7th
/// and 8th, or the other way round.
fn stack_of_another_kernel(guest: &mut Guest) -> Result<(), String> {
    let release = sh(guest, "uname -r")?.stdout;
    let other = Series::ALL[usize::from(release.starts_with("6.1."))];
    let blob = compile_text(other, "stack", ON_THE_STACK)?;
    guest.write_file("/tmp/stack.sbc", &blob).map_err(|error| error.to_string())?;
    let outcome = sh(guest, &format!("staprun stack.sbc -c '{MAPS}'"))?;
    if outcome.status != 0 || outcome.stdout != "1 0 1 1\n" {
        return Err(format!("{outcome:?}"));
    }
    // In a register on 6.1 only: refused with the reason.
    let pgoff = r#"probe kernel.function("do_mmap") { println($pgoff) exit() }"#;
    let blob = compile_text(other, "pgoff", pgoff)?;
    guest.write_file("/tmp/pgoff.sbc", &blob).map_err(|error| error.to_string())?;
    let outcome = sh(guest, &format!("staprun pgoff.sbc -c '{MAPS}'"))?;
    let place = if other == Series::ALL[0] { "on the stack" } else { "in registers" };
    let reason = format!("do_mmap($pgoff) is passed {place} here");
    if outcome.status == 0 || !outcome.stderr.contains(&reason) {
        return Err(format!("should say {reason:?}: {outcome:?}"));
    }
    Ok(())
}

/// A `struct rtc_time` has 36 bytes.
fn structs_on_the_stack(guest: &mut Guest) -> Result<(), String> {
    let outcome = Run::script(
        r#"global tm, year, month, day
        probe kernel.function("rtc_tm_to_ktime") {
            if (pid() == target()) { tm = $tm$ year = $tm->tm_year month = $tm->tm_mon day = (&$tm->tm_mday) - (&$tm) }
        }
        probe kernel.function("rtc_tm_to_ktime").return {
            // Days since 1970, roughly.
            if (pid() == target()) println($return / 1000000000 / 86400 / 365 == $tm->tm_year - 70)
        }
        probe end { println(year > 120 && year < 200, " ", month < 12, " ", day, " ", tm) }"#,
    )
    .command("echo 0 >/sys/class/rtc/rtc0/wakealarm; echo +3600 >/sys/class/rtc/rtc0/wakealarm; echo 0 >/sys/class/rtc/rtc0/wakealarm")
    .run(guest)?;
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let [returned @ .., last] = lines.as_slice() else { return Err(format!("{outcome:?}")) };
    let whole = last.starts_with("1 1 12 {.tm_sec=") && last.ends_with("}");
    let returned_right = !returned.is_empty() && returned.iter().all(|line| *line == "1");
    if outcome.status != 0 || !whole || !returned_right {
        return Err(format!("{outcome:?}"));
    }
    Ok(())
}

/// A `kuid_t` takes one register, a `struct timespec64` two.
fn structs_in_registers(guest: &mut Guest) -> Result<(), String> {
    Run::script(
        r#"global uid, after, text, parms, time, whole, mode
        probe kernel.function("from_kuid_munged") {
            if ($kuid->val == 4321) { uid = $kuid->val text = $kuid$ parms = $$parms }
        }
        probe kernel.function("from_kuid_munged").return { if ($return == 4321) after = $kuid->val }
        probe kernel.function("timestamp_truncate") {
            if ($t->tv_sec == 123456789) { time = $t->tv_nsec whole = $t$ mode = $inode->i_mode }
        }
        probe end { printf("%d %d %s %d %s %o %d\n", uid, after, text, time, whole, mode, parms =~ " kuid=.*") }"#,
    )
    .command(
        "cd /tmp; busybox touch owned; busybox chmod 640 owned; busybox chown 4321 owned
         busybox touch -d @123456789 owned; busybox stat -c %u owned >/dev/null; rm owned",
    )
    .prints(guest, "4321 4321 {.val=4321} 0 {.tv_sec=123456789, .tv_nsec=0} 100640 1\n")
}

fn structs_returned(guest: &mut Guest) -> Result<(), String> {
    Run::script(
        r#"probe kernel.function("make_kuid").return {
            if ($uid == 4321) println($return->val, " ", $return$, " ", $$return$, " ", @defined($return->nosuch))
        }"#,
    )
    .command("cd /tmp; busybox touch owned; busybox chown 4321 owned; rm owned")
    .prints(guest, "4321 {.val=4321} return={.val=4321} 0\n")?;
    // Two registers, of which one is not kept; memory.
    for (function, wanted) in [("current_time", "two registers"), ("build_open_how", "memory")] {
        let script =
            format!("probe kernel.function(\"{function}\").return {{ println($return$) }}");
        let outcome = Run::script(&script).run(guest)?;
        let reason = format!("passed by value in {wanted}, which cannot be read here");
        if outcome.status == 0 || !outcome.stderr.contains(&reason) {
            return Err(format!("{function} should be refused, {reason}: {outcome:?}"));
        }
    }
    Ok(())
}

/// What stands for `...` has no names; what is named is where it always is.
fn functions_with_more_arguments(guest: &mut Guest) -> Result<(), String> {
    Run::script(
        r#"global seen
        probe kernel.function("seq_printf") {
            if (pid() == target()) seen[kernel_string($f), $$parms =~ "^m=0x[0-9a-f]+ f=0x[0-9a-f]+$"]++
        }
        probe end { println(["%u\n", 1] in seen || ["%d\n", 1] in seen || ["%lu.%02lu %lu.%02lu\n", 1] in seen) }"#,
    )
    .command("exec busybox cat /proc/uptime >/dev/null")
    .prints(guest, "1\n")
}

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
    run(guest, LOAD_BRD)?;
    run(guest, "busybox ip link set lo up")?;
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

/// Of `do_sysinfo` there is only `do_sysinfo.isra.0`, of `__do_pipe_flags` only `.part.0`, and
/// `exc_int3` must not be probed.
fn functions_that_the_compiler_changed(guest: &mut Guest) -> Result<(), String> {
    Run::script(
        r#"global entries, returns
        probe kernel.function("do_sysinfo") { if (pid() == target()) entries++ }
        probe kernel.function("do_sysinfo").return { if (pid() == target()) returns++ }
        probe end { println(entries, " ", returns) }"#,
    )
    .command("exec busybox free >/dev/null")
    .prints(guest, "1 1\n")?;
    for (function, handler, reason) in [
        ("do_sysinfo", "println($info)", "or the compiler changed how it is called"),
        ("__do_pipe_flags", "println(1)", "has inlined '__do_pipe_flags' everywhere"),
        ("exc_int3", "println(1)", "the kernel forbids probes in 'exc_int3'"),
    ] {
        let script = format!("probe kernel.function(\"{function}\") {{ {handler} }}");
        let outcome = Run::script(&script).run(guest)?;
        if outcome.status == 0 || !outcome.stderr.contains(reason) {
            return Err(format!("{function} should be refused, {reason}: {outcome:?}"));
        }
    }
    Ok(())
}

/// Whose names are looked at, compiled there and where no tracepoint's subsystem is known.
fn tracepoints_of_a_subsystem(guest: &mut Guest) -> Result<(), String> {
    let script = r#"global seen, others
        probe kernel.trace("sched:*") { if ($$name =~ "^sched_") seen[$$name, strlen($$parms) > 0]++ else others++ }
        probe end { println(["sched_switch", 1] in seen, " ", ["sched_process_exec", 1] in seen, " ", others) }"#;
    Run::script(script).command(MAPS).prints(guest, "1 1 0\n")?;
    let release = sh(guest, "uname -r")?.stdout;
    let own = Series::ALL[usize::from(!release.starts_with("6.1."))];
    let blob = compile_text(own, "subsystem", script)?;
    guest.write_file("/tmp/subsystem.sbc", &blob).map_err(|error| error.to_string())?;
    let outcome = sh(guest, &format!("staprun subsystem.sbc -c '{MAPS}'"))?;
    if outcome.status != 0 || outcome.stdout != "1 1 0\n" {
        return Err(format!("{outcome:?}"));
    }
    let outcome = sh(guest, "stap -L 'kernel.trace(\"sched:*\")'")?;
    let (lines, line) = (outcome.stdout.lines(), "kernel.trace(\"sched:sched_process_exec\") ");
    // Those that are no events are of the subsystem by their names.
    let of_it = lines.clone().all(|line| line.starts_with("kernel.trace(\"sched"));
    if !of_it || lines.filter(|found| found.starts_with(line)).count() != 1 {
        return Err(format!("{outcome:?}"));
    }
    Ok(())
}

/// Debian's own brd.ko.
const LOAD_BRD: &str = "[ -e /dev/ram0 ] || insmod /brd.ko rd_nr=1";

/// Its BTF builds upon the kernel's: `struct brd_device` is its own, `struct bio` the kernel's.
fn a_stock_module(guest: &mut Guest) -> Result<(), String> {
    sh(guest, LOAD_BRD)?;
    Run::script(
        r#"global seen, parms, pages
        probe module("brd").function("brd_submit_bio") {
            disk = $bio->bi_bdev->bd_disk
            brd = &@cast(disk->private_data, "brd_device", "brd")
            if (brd->brd_disk == disk) {
                seen[kernel_string(disk->disk_name), brd->brd_number]++
                pages += brd->brd_nr_pages
            }
            parms += $$parms == sprintf("bio=%#x", $bio)
            if (@defined(@cast(disk, "brd_device")->nosuch) || @defined(@cast(disk, "brd_device", "kernel")->nosuch)) println("wrong")
        }
        probe end { println(["ram0", 0] in seen, " ", pages > 0, " ", parms > 0) foreach ([disk, n] in seen) if (disk != "ram0" || n) println(disk) }"#,
    )
    .command(
        "busybox dd if=/dev/zero of=/dev/ram0 bs=4096 count=2 conv=fsync 2>/dev/null
         busybox dd if=/dev/zero of=/dev/ram0 bs=4096 count=2 conv=fsync 2>/dev/null",
    )
    .prints(guest, "1 1 1\n")?;
    let outcome = sh(guest, "stap -L 'module(\"brd\").function(\"brd_*\")'")?;
    for line in [
        "module(\"brd\").function(\"brd_submit_bio\") $bio:struct bio*\n",
        "module(\"brd\").function(\"brd_probe\") $dev:dev_t\n",
        "$brd:struct brd_device* ",
    ] {
        if outcome.status != 0 || !outcome.stdout.contains(line) {
            return Err(format!("should list {line:?}: {outcome:?}"));
        }
    }
    Ok(())
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
    let text = std::fs::read_to_string(root().join(SCRIPT)).map_err(|error| error.to_string())?;
    compile_text(series, "across", &text)
}

fn compile_text(series: Series, name: &str, text: &str) -> Result<Vec<u8>, String> {
    let folder = std::env::temp_dir().join(format!("{name}-{}-{series}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let output = Command::new(binaries().join("stap"))
        .args(["-p4", "-m", name, "-r"])
        .arg(series.folder(root()).join("vmlinux.btf"))
        .args(["-e", text])
        .current_dir(&folder)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("stap -p4: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let blob =
        std::fs::read(folder.join(format!("{name}.sbc"))).map_err(|error| error.to_string())?;
    // What is left behind in the temporary folder does no harm.
    let _ = std::fs::remove_dir_all(folder);
    Ok(blob)
}

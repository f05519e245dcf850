// SPDX-License-Identifier: GPL-2.0-or-later
//! Kinds of probe, against a module that does what it is told (tests/module): hits are
//! counted one by one, in every context, and probes come and go with the module.

use crate::Check;
use crate::script::{Run, load_test_module, sh};
use tests::guest::Guest;
use vm_spec::blob::Blob;

/// The tests by name.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("kinds::module_functions", module_functions),
    ("kinds::contexts", contexts),
    ("kinds::modules_come_and_go", modules_come_and_go),
    ("kinds::module_tracepoints_come_and_go", module_tracepoints_come_and_go),
    ("kinds::watched_data", watched_data),
    ("kinds::statements", statements),
    ("kinds::low_stack", low_stack),
    ("kinds::reentrancy", reentrancy),
    ("kinds::maxactive", maxactive),
    ("kinds::input", input),
    ("kinds::packets_are_dropped", packets_are_dropped),
    ("kinds::files_are_no_folders", files_are_no_folders),
    ("kinds::names_have_no_nul", names_have_no_nul),
    ("kinds::listing_and_refusals", listing_and_refusals),
];

/// `$verdict` decides about a packet in guru mode, and only there; a handler that fails has
/// decided nothing.
fn packets_are_dropped(guest: &mut Guest) -> Result<(), String> {
    let ping =
        "busybox ip link set lo up; busybox ping -c 2 -W 1 127.0.0.1 >/dev/null && echo through";
    let drop = r#"probe netfilter.ip.local_in { if (protocol == 1) $verdict = nf_drop }
                  probe end { println("end") }"#;
    Run::script(drop).options("-g").command(&format!("{ping}; true")).prints(guest, "end\n")?;
    let others = r#"global before probe netfilter.hook("NF_INET_LOCAL_IN").pf("NFPROTO_IPV4") {
                        before = $verdict
                        $verdict = 0
                        $verdict = 1
                    }
                    probe end { println(before) }"#;
    Run::script(others).options("-g").command(ping).prints(guest, "through\n1\n")?;
    let odd = r#"probe netfilter.ip.local_in { $verdict = nf_drop; $verdict = nf_repeat }
                 probe error { println("error") }"#;
    let outcome = Run::script(odd).options("-g").command(ping).run(guest)?;
    let said = outcome.stderr.contains("ERROR: verdict 4 is neither 0 (drop) nor 1 (accept) near");
    if outcome.status == 0 || !said || !outcome.stdout.contains("error\n") {
        return Err(format!("nf_repeat: {outcome:?}"));
    }
    // No session, no rule.
    let outcome = sh(guest, &format!("{ping}; busybox ip link set lo down"))?;
    if outcome.stdout != "through\n" {
        return Err(format!("after the sessions: {outcome:?}"));
    }
    for (handler, said) in [
        ("$verdict = 0", "write to target variable not permitted; need stap -g"),
        ("__verdict_set(0)", "function not permitted; need stap -g"),
    ] {
        let script = format!(
            "probe netfilter.hook(\"NF_INET_LOCAL_IN\").pf(\"NFPROTO_IPV4\") {{ {handler} }}"
        );
        let outcome = Run::script(&script).run(guest)?;
        if outcome.status == 0 || !outcome.stderr.contains(said) {
            return Err(format!("{script}: {outcome:?}"));
        }
    }
    Ok(())
}

/// The kernel would take the name of a folder of /proc up to the NUL, and warn of the second.
fn names_have_no_nul(guest: &mut Guest) -> Result<(), String> {
    let script = "probe procfs(\"a\").read { $value = \"\" } probe begin { println(\"on\") }";
    let outcome =
        sh(guest, &format!("cd /tmp && stap -p4 -m nul -e '{script}' && od -An -v -tx1 nul.sbc"))?;
    let byte = |word: &str| u8::from_str_radix(word, 16).map_err(|error| error.to_string());
    let words = outcome.stdout.split_whitespace().skip(1);
    let bytes: Vec<u8> = words.map(byte).collect::<Result<_, _>>()?;
    let mut blob = Blob::decode(&bytes).map_err(|error| error.to_string())?;
    blob.meta.name.push_str("\0x");
    let bytes = blob.encode().map_err(|error| error.to_string())?;
    guest.write_file("/tmp/nul-x.sbc", &bytes).map_err(|error| error.to_string())?;
    let outcome = sh(
        guest,
        "cd /tmp; staprun nul.sbc >on & p=$!; until grep -q on on; do usleep 20000; done
         staprun nul-x.sbc; echo $?; kill -INT $p; wait $p; echo $?",
    )?;
    if outcome.stdout != "1\n0\n" || !outcome.stderr.contains("EINVAL") {
        return Err(format!("a name with a NUL: {outcome:?}"));
    }
    Ok(())
}

/// The kernel would warn of a name that is to be both.
fn files_are_no_folders(guest: &mut Guest) -> Result<(), String> {
    for (one, other) in [("a", "a/b"), ("a/b/c", "a/b")] {
        let script = format!(
            "probe procfs(\"{one}\").read {{ $value = \"\" }} probe procfs(\"{other}\").read {{ $value = \"\" }}"
        );
        let outcome = Run::script(&script).run(guest)?;
        if outcome.status == 0 || !outcome.stderr.contains("ENOTDIR") {
            return Err(format!("{script}: {outcome:?}"));
        }
    }
    Run::script(
        r#"probe procfs("a/b").read { $value = "one\n" } probe procfs("ab/c").read { $value = "two\n" }"#,
    )
    .command("cat /proc/systemtap/*/a/b /proc/systemtap/*/ab/c")
    .prints(guest, "one\ntwo\n")
}

fn module_functions(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"global entries, returns, kprobes, exported, values, wrong
        probe module("stapvm_test").function("stapvm_test_target") { entries++ wrong += pointer_arg(1) < 0 }
        probe module("stapvm_t*").function("stapvm_test_targ*").return { returns++ values += returnval() }
        probe kprobe.module("stapvm_test").function("stapvm_test_target") { kprobes++ }
        probe module("stapvm_test").function("*").exported { exported++ }
        probe end { printf("%d %d %d %d %d %d\n", entries, returns, kprobes, exported, values, wrong) }"#,
    )
    .command("echo hit 100 >/proc/stapvm_test")
    // 0 to 99, each with 1 and the letter t added.
    .prints(guest, "100 100 100 100 16650 0\n")
}

fn contexts(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"global n, by, s, text
        function count(what) { n++ by[what, cpu()]++ s <<< 1 text = what . execname() }
        probe module("stapvm_test").function("stapvm_test_target") { count("task") }
        probe module("stapvm_test").function("stapvm_test_in_irq") { count("irq") }
        probe module("stapvm_test").function("stapvm_test_in_softirq") { count("softirq") }
        probe module("stapvm_test").function("stapvm_test_in_nmi") { count("nmi") printf("%s", "") }
        probe end {
            foreach ([what+, processor] in by) printf("%s %d\n", what, by[what, processor])
            printf("%d %d %d\n", n, @count(s), strlen(text) > 3)
        }"#,
    )
    .command("for c in hit irq softirq nmi; do echo $c 50 >/proc/stapvm_test; done")
    .prints(guest, "irq 50\nnmi 50\nsoftirq 50\ntask 50\n200 200 1\n")
}

fn modules_come_and_go(guest: &mut Guest) -> Result<(), String> {
    sh(guest, "rmmod stapvm_test 2>/dev/null; true")?;
    Run::script(
        r#"global hits, inits, returns
        probe module("stapvm_test").function("stapvm_test_target") { hits++ }
        probe module("stapvm_test").function("stapvm_test_at_i*") { inits++ }
        probe module("stapvm_test").function("stapvm_test_target").return { returns++ }
        probe end { printf("%d %d %d\n", hits, inits, returns) }"#,
    )
    .command(
        "for n in 1 2 3; do insmod /stapvm_test.ko; echo hit $n >/proc/stapvm_test; \
         rmmod stapvm_test; done",
    )
    .prints(guest, "6 3 6\n")
}

fn module_tracepoints_come_and_go(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"global hits, sum, text
        probe kernel.tracepoint("stapvm_test_event") { hits++ sum += $arg1 text = kernel_string($arg2) }
        probe end { printf("%d %d %s\n", hits, sum, text) }"#,
    )
    .command(
        "echo event 10 >/proc/stapvm_test; rmmod stapvm_test; insmod /stapvm_test.ko; \
         echo event 5 >/proc/stapvm_test",
    )
    .prints(guest, "15 55 text\n")
}

fn watched_data(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    Run::script(
        r#"global writes, place
        probe kernel.data("stapvm_test_variable").write { writes++ place = probemod() }
        probe end { printf("%d %s\n", writes, place) }"#,
    )
    .command("echo data 100 >/proc/stapvm_test")
    .prints(guest, "100 stapvm_test\n")
}

/// An address by its number: the module's function, as /proc/kallsyms has it.
fn statements(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let line = sh(guest, "grep ' stapvm_test_in_irq' /proc/kallsyms")?.stdout;
    let address = line.split_whitespace().next().ok_or("no stapvm_test_in_irq")?;
    let script = format!(
        "global one, two, name\nprobe kernel.statement(0x{address}).absolute {{ one++ name = symname(addr()) }}\n\
         probe kprobe.statement(0x{address}).absolute {{ two += register(\"rdi\") > 0 }}\n\
         probe end {{ printf(\"%d %d %s\\n\", one, two, name) }}"
    );
    Run::script(&script)
        .command("echo irq 20 >/proc/stapvm_test")
        .prints(guest, "20 20 stapvm_test_in_irq\n")
}

fn low_stack(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let outcome = Run::script(
        r#"global deep
        probe module("stapvm_test").function("stapvm_test_deep") { deep++ }
        probe end { printf("%d\n", deep) }"#,
    )
    .command("echo deep 5000 >/proc/stapvm_test; echo deep 1000 >/proc/stapvm_test")
    .run(guest)?;
    if outcome.stdout != "1\n"
        || !outcome.stderr.contains("WARNING: Number of errors: 0, skipped probes: 1\n")
        || !outcome.stderr.contains("WARNING: Skipped due to low stack: 1\n")
    {
        return Err(format!("one hit should be handled, one skipped: {outcome:?}"));
    }
    Ok(())
}

/// A handler that reads memory, and a probe of what it reads memory with.
fn reentrancy(guest: &mut Guest) -> Result<(), String> {
    load_test_module(guest)?;
    let outcome = Run::script(
        r#"global targets, reads
        probe module("stapvm_test").function("stapvm_test_target") { targets += kernel_string(pointer_arg(2)) == "text" }
        probe kernel.function("copy_from_kernel_nofault") { reads++ }
        probe end { printf("%d %d\n", targets, reads >= 0) }"#,
    )
    .options("-D MAXSKIPPED=1000")
    .command("echo hit 50 >/proc/stapvm_test")
    .run(guest)?;
    let skipped = "WARNING: Skipped due to reentrancy: ";
    if outcome.status != 0 || outcome.stdout != "50 1\n" || !outcome.stderr.contains(skipped) {
        return Err(format!("reads of the handler should be skipped: {outcome:?}"));
    }
    Ok(())
}

fn maxactive(guest: &mut Guest) -> Result<(), String> {
    let outcome = Run::script(
        r#"global returns
        probe kernel.function("*_nanosleep").return.maxactive(1) { returns++ }
        probe end { println(returns > 0 ? "some" : "none") }"#,
    )
    .options("-D MAXSKIPPED=1000")
    .command("for n in 1 2 3 4 5; do sleep 1 & done; wait")
    .run(guest)?;
    if outcome.stdout != "some\n" || !outcome.stderr.contains("Skipped due to missed kretprobe on ")
    {
        return Err(format!("some returns should be missed and counted: {outcome:?}"));
    }
    Ok(())
}

fn input(guest: &mut Guest) -> Result<(), String> {
    guest
        .write_file(
            "/tmp/input.stp",
            br#"global characters
            probe input.char { characters++ }
            probe input.line { printf("line: %s", line) if (line == "end\n") exit() }
            probe end { printf("%d\n", characters) }"#,
        )
        .map_err(|error| error.to_string())?;
    let outcome = sh(guest, "(sleep 2; echo one; echo end; sleep 3) | stap input.stp")?;
    if outcome.stdout != "line: one\nline: end\n8\n" {
        return Err(format!("lines and characters should be seen: {outcome:?}"));
    }
    Ok(())
}

/// Points that are not there, and what is said of them.
fn listing_and_refusals(guest: &mut Guest) -> Result<(), String> {
    listing(guest)?;
    refusals(guest)
}

/// A pattern of each kind with some of the lines that it stands for.
fn listing(guest: &mut Guest) -> Result<(), String> {
    for (options, wanted) in [
        ("-l begin", &["begin"][..]),
        ("-l 'timer.s(1)'", &["timer.s(1)"]),
        ("-l 'timer.p*'", &["timer.profile"]),
        ("-l 'perf.sw.page_faults'", &["perf.sw.page_faults"]),
        ("-l 'kernel.data(\"jiffies\").write'", &["kernel.data(\"jiffies\").write"]),
        ("-l 'procfs(\"f\").read'", &["procfs(\"f\").read"]),
        ("-l 'kernel.function(\"vfs_re*\")'", &["kernel.function(\"vfs_read\")"]),
        ("-l 'kernel.trace(\"sched_sw*\")'", &["kernel.trace(\"sched:sched_switch\")"]),
        ("-l 'vfs.*'", &["vfs.read", "vfs.write"]),
        ("-l 'syscall.open*.return'", &["syscall.open.return", "syscall.openat.return"]),
        ("-l 'syscall.mmap*,syscall.mmap2'", &["syscall.mmap", "syscall.mmap2"]),
        ("-L syscall.close", &["syscall.close name:string fd:long argstr:string"]),
        ("-L vfs.read.return", &["vfs.read.return", "name:string", "retstr:string", "$return:"]),
    ] {
        let outcome = sh(guest, &format!("stap {options}"))?;
        let lacks = |text: &&str| !outcome.stdout.contains(text);
        if outcome.status != 0 || wanted.iter().any(lacks) {
            return Err(format!("{options} should list {wanted:?}: {outcome:?}"));
        }
    }
    // What is not there is not listed.
    let other = sh(guest, "stap -l 'kernel.function(\"no_such_function\")'; stap -l 'nothing.*'")?;
    if other.status == 0 || !other.stdout.is_empty() {
        return Err(format!("these are not here: {other:?}"));
    }
    Ok(())
}

fn refusals(guest: &mut Guest) -> Result<(), String> {
    for (point, wanted) in [
        ("kernel.function(\"no_such_function\")", "no match for kernel.function"),
        ("module(\"no_such_module\").function(\"f\")", "no match for module("),
        ("kernel.trace(\"no_such_event\")", "probe kernel.trace(\"no_such_event\") registration"),
        ("kernel.data(\"no_such_data\").write", "no match for kernel.data"),
        ("kernel.statement(0xffffffff81000001).absolute", "registration error"),
        ("perf.hw.cpu_cycles", "registration error"),
        ("process(\"/bin/ls\").function(\"main\")", "user-space probes are not there yet"),
        (
            "kernel.function(\"vfs_read\").inline",
            "inlined functions, statements by line, labels and callees need debug symbols: no debug symbols of the running kernel are here: install the package linux-image-",
        ),
        (
            "perf.type(1).config(0).counter(\"clock\")",
            "counters are read by probes within programs (@perf), which are not there yet",
        ),
        ("perf.type(1).config(0).process(\"/bin/ls\")", "user-space probes are not there yet"),
        (
            "kernel.function(\"vfs_read\") { println(@perf(\"clock\")) } probe never",
            "@perf is for probes within programs, which are not there yet",
        ),
        ("netfilter.hook(\"NF_X\").pf(\"NFPROTO_IPV4\")", "unknown hook 'NF_X' of NFPROTO_IPV4"),
        ("timer.s(0)", "interval value out of range (1, 86400)"),
    ] {
        let text = format!("probe {point} {{ println(1) }}");
        let outcome = Run::script(&text).run(guest)?;
        if outcome.status == 0 || !outcome.stderr.contains(wanted) {
            return Err(format!("{point} should be refused with {wanted:?}: {outcome:?}"));
        }
    }
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Guest tests of the command lines: what cannot be told by a golden script alone.

use crate::Check;
use crate::steps::{expect, sh, write};
use tests::guest::Guest;

/// The tests by name.
pub(crate) const CHECKS: &[(&str, Check)] = &[
    ("stap_runs_commands", stap_runs_commands),
    ("stap_writes_files", stap_writes_files),
    ("stap_ends_in_time", stap_ends_in_time),
    ("stap_runs_scripts_of_all_sorts", stap_runs_scripts_of_all_sorts),
    ("staprun_judges_by_content", staprun_judges_by_content),
    ("staprun_runs_in_the_background", staprun_runs_in_the_background),
    ("stap_records_flights", stap_records_flights),
    ("staprun_attaches_to_what_was_left", staprun_attaches_to_what_was_left),
    ("sigquit_leaves_what_runs", sigquit_leaves_what_runs),
    ("interruptions_end_sessions", interruptions_end_sessions),
    ("stap_loads_the_module", stap_loads_the_module),
];

/// The closing lines of a run that failed.
const FAILED: &str = "WARNING: /usr/bin/staprun exited with status: 1\n\
                      Pass 5: run failed.  [man error::pass5]\n";

fn stap_runs_commands(guest: &mut Guest) -> Result<(), String> {
    let script = "global n probe syscall.* { if (pid() == target()) n++ } \
                  probe end { println(n > 0 ? \"seen\" : \"not seen\") }";
    expect(guest, &format!("stap -c 'echo one' -e '{script}'"), "one\nseen\n")?;
    // A shell understands what is more than words.
    expect(
        guest,
        "stap -c 'echo one; echo two' -e 'probe never {} probe end { println(3) }'",
        "one\ntwo\n3\n",
    )?;
    // It is told to go on once, which a script may see.
    let signals = "global n probe syscall.kill { if (sig == 18) n++ } probe end { println(n) }";
    expect(guest, &format!("stap -c 'sleep 1' -e '{signals}'"), "1\n")?;
    let outcome =
        sh(guest, "stap -c 'false; exit 7' -e 'probe end { println(\"end\") }'; echo $?")?;
    let wanted = format!("WARNING: Child process exited with status 7\n{FAILED}");
    if outcome.stdout != "end\n1\n" || outcome.stderr != wanted {
        return Err(format!("-c 'exit 7': {outcome:?}"));
    }
    let outcome = sh(guest, "stap -c 'kill -9 $$' -e 'probe end { println(\"end\") }'; echo $?")?;
    if outcome.stdout != "end\n1\n" || !outcome.stderr.contains("exited with signal 9 (") {
        return Err(format!("-c 'kill -9 $$': {outcome:?}"));
    }
    expect(guest, "stap -x 42 -e 'probe begin { println(target()) exit() }'", "42\n")
}

fn stap_writes_files(guest: &mut Guest) -> Result<(), String> {
    let hello = "-e 'probe begin { println(\"to a file\") exit() }'";
    expect(guest, &format!("cd /tmp && stap -o out-%Y {hello} && cat out-2*"), "to a file\n")?;
    // -m leaves the program behind, and drops the ending.
    expect(
        guest,
        &format!("cd /tmp && stap -m kept.ko {hello} 2>&1 && staprun kept.sbc"),
        "Truncating module name to 'kept'\nto a file\nto a file\n",
    )?;
    expect(guest, &format!("stap {hello} | true; echo $?"), "0\n")
}

fn stap_ends_in_time(guest: &mut Guest) -> Result<(), String> {
    expect(guest, "stap -T 1 -e 'probe begin { println(1) } probe end { println(2) }'", "1\n2\n")
}

fn stap_runs_scripts_of_all_sorts(guest: &mut Guest) -> Result<(), String> {
    write(
        guest,
        "/tmp/args.stp",
        "#!/usr/bin/stap\nglobal g = 5\nprobe begin { printf(\"%d %s %d %d\\n\", $1, @2, $#, g) exit() }\n",
    )?;
    expect(guest, "chmod +x /tmp/args.stp; /tmp/args.stp 3 four", "3 four 2 5\n")?;
    expect(guest, "stap -G g=7 /tmp/args.stp 3 four", "3 four 2 7\n")?;
    expect(guest, "stap /tmp/args.stp -- 3 -v", "3 -v 2 5\n")?;
    expect(guest, "echo 'probe begin { println(@1) exit() }' | stap - word", "word\n")?;
    expect(
        guest,
        "stap -E 'probe end { println(2) }' -e 'probe begin { println(1) exit() }'",
        "1\n2\n",
    )
}

fn staprun_judges_by_content(guest: &mut Guest) -> Result<(), String> {
    expect(
        guest,
        "cd /tmp && stap -p4 -m odd -e 'global g = 1 probe begin { println(g) exit() }'",
        "odd.sbc\n",
    )?;
    expect(
        guest,
        "cd /tmp && mv odd.sbc odd.ko && staprun -R odd.ko && staprun odd.ko g=9",
        "1\n9\n",
    )?;
    let outcome = sh(guest, "staprun /stapvm.ko; echo $?")?;
    if outcome.stdout != "1\n" || !outcome.stderr.contains("is an ELF object") {
        return Err(format!("staprun of a kernel module: {outcome:?}"));
    }
    let outcome = sh(guest, "cd /tmp && staprun odd.ko nothing=1; echo $?")?;
    if outcome.stdout != "1\n" || !outcome.stderr.contains("nothing=1") {
        return Err(format!("staprun with a global that is not there: {outcome:?}"));
    }
    Ok(())
}

fn staprun_runs_in_the_background(guest: &mut Guest) -> Result<(), String> {
    expect(
        guest,
        "cd /tmp && stap -p4 -m back -e 'probe begin { println(\"back\") } probe end { println(\"gone\") }'",
        "back.sbc\n",
    )?;
    expect(
        guest,
        "cd /tmp; daemon=$(staprun -D -o back.out back.sbc) && until grep -q back back.out; do usleep 20000; done
         kill -TERM $daemon && until grep -q gone back.out; do usleep 20000; done; cat back.out",
        "back\ngone\n",
    )
}

/// `stap -F -o`: probes stay when stap goes, and write files until somebody ends them.
fn stap_records_flights(guest: &mut Guest) -> Result<(), String> {
    expect(
        guest,
        "cd /tmp; recorder=$(stap -F -o flight.out -e 'probe begin { println(\"on\") } probe end { println(\"off\") }') \
         && until grep -q on flight.out; do usleep 20000; done
         kill -TERM $recorder && until grep -q off flight.out; do usleep 20000; done; cat flight.out",
        "on\noff\n",
    )
}

/// `staprun -L`, `-A`, `-d`, and `stap -F` without a file: who attaches reads what was said
/// before, may leave again, and gets the end with its status.
fn staprun_attaches_to_what_was_left(guest: &mut Guest) -> Result<(), String> {
    let script = "global n probe begin { println(\"on\") } \
                  probe procfs(\"n\").write { n++ println(n) if ($value == \"x\") error(\"enough\") } \
                  probe end { println(\"off \", n) } probe error { println(\"bad\") }";
    guest.write_file("/tmp/left.stp", script.as_bytes()).map_err(|error| error.to_string())?;
    let left = "Disconnecting from systemtap module.\nTo reconnect, type \"staprun -A left\"\n";
    expect(
        guest,
        "cd /tmp; stap -p4 -m left left.stp && staprun -L left.sbc 2>&1",
        &format!("left.sbc\n{left}"),
    )?;
    // A second one of the name, and one that is not there.
    expect(
        guest,
        "cd /tmp; staprun -L left.sbc 2>&1; echo $?; staprun -A other 2>&1; echo $?",
        "ERROR: a session named 'left' was left already; -m gives this one another name\n1\n\
         ERROR: no session named 'other' was left here (there are: left)\n1\n",
    )?;
    // Left again, then ended by a signal.
    expect(
        guest,
        "cd /tmp; echo a >/proc/systemtap/left/n; \
         staprun -A left >a.out 2>a.err & p=$!; until grep -q 1 a.out; do usleep 20000; done; \
         kill -QUIT $p; wait $p; echo $?; echo a >/proc/systemtap/left/n; cat a.out a.err; \
         staprun -A left >b.out & p=$!; until grep -q 2 b.out; do usleep 20000; done; \
         kill -INT $p; wait $p; echo $?; cat b.out; ls /run/stapvm /proc/systemtap 2>/dev/null | grep left; true",
        &format!("0\non\n1\n\n{left}0\n2\noff 2\n"),
    )?;
    // What ends by itself stays until it has been read, and says how it ended.
    expect(
        guest,
        "cd /tmp; stap -F -m left left.stp 2>/dev/null; printf x >/proc/systemtap/left/n; \
         until ! ls /proc/systemtap/left >/dev/null 2>&1; do usleep 20000; done; \
         staprun -A left 2>b.err; echo $?; grep -c 'ERROR: enough' b.err; ls /run/stapvm",
        "on\n1\nbad\n1\n1\n",
    )?;
    // The flight recorder keeps the latest.
    expect(
        guest,
        "cd /tmp; stap -F -m many -e 'global n probe timer.ms(20) { \
         if (n < 4000) { for (i = 0; i < 40; i++) printf(\"%500d\\n\", n++) } else println(\"done\") } \
         probe end { println(\"end\") }' 2>/dev/null; sleep 3; \
         staprun -A many >c.out 2>c.err & p=$!; until grep -q done c.out; do usleep 20000; done; \
         kill -INT $p; wait $p; tail -n 1 c.out; grep -c ' 3999$' c.out; grep -c ' 1$' c.out; \
         grep -c 'oldest .* bytes of output are gone' c.err",
        "end\n1\n0\n1\n",
    )?;
    // Deleted, and errors before anything is armed.
    expect(
        guest,
        "cd /tmp; staprun -L left.sbc 2>/dev/null; staprun -d left; echo $?; staprun -d left 2>&1; \
         stap -F -e 'probe kernel.function(\"no_such_thing_here\") { }' >/dev/null 2>&1; echo $?; ls /run/stapvm",
        "0\nERROR: no session named 'left' was left here\n1\n",
    )
}

/// SIGQUIT leaves a session that was not started to be left, of stap and of staprun; its
/// globals, its probes and what it prints from then on stay.
fn sigquit_leaves_what_runs(guest: &mut Guest) -> Result<(), String> {
    let script = "global n probe begin { println(\"on\") } \
                  probe procfs(\"n\").write { n++ println(n) if ($value == \"x\") error(\"enough\") } \
                  probe end { println(\"off \", n) } probe error { println(\"bad \", n) }";
    write(guest, "/tmp/quit.stp", script)?;
    let left = "\nDisconnecting from systemtap module.\nTo reconnect, type \"staprun -A quit\"\n";
    let leave = "until grep -q 1 a.out; do usleep 20000; done; kill -QUIT $p; wait $p; echo $?";
    for program in ["stap -m quit quit.stp", "staprun quit.sbc"] {
        expect(
            guest,
            &format!(
                "cd /tmp; : >a.out; : >b.out; {program} >a.out 2>a.err & p=$!
                 until grep -q on a.out; do usleep 20000; done
                 echo a >/proc/systemtap/quit/n; {leave}; cat a.out a.err
                 echo a >/proc/systemtap/quit/n; sleep 0.2
                 staprun -A quit >b.out & p=$!; until grep -q 2 b.out; do usleep 20000; done
                 kill -INT $p; wait $p; echo $?; cat b.out
                 while [ -e /run/stapvm/quit ]; do usleep 20000; done"
            ),
            &format!("0\non\n1\n{left}0\n2\noff 2\n"),
        )?;
    }
    // How it ends is told to whoever attaches, and what is told of errors, too.
    expect(
        guest,
        &format!(
            "cd /tmp; : >a.out; stap -m quit quit.stp >a.out 2>a.err & p=$!
             until grep -q on a.out; do usleep 20000; done; echo a >/proc/systemtap/quit/n; {leave}
             printf x >/proc/systemtap/quit/n
             until ! ls /proc/systemtap/quit >/dev/null 2>&1; do usleep 20000; done
             staprun -A quit 2>b.err; echo $?; grep -c 'ERROR: enough' b.err; ls /run/stapvm"
        ),
        "0\n2\nbad 2\n1\n1\n",
    )?;
    // The command of -c lives on; a session whose name is taken cannot be left.
    expect(
        guest,
        &format!(
            "cd /tmp; : >a.out; stap -m quit -c 'echo $$ >pid; exec sleep 86' quit.stp >a.out 2>a.err & p=$!
             until grep -q on a.out; do usleep 20000; done; echo a >/proc/systemtap/quit/n; {leave}
             stap -m quit -c 'sleep 1.5' -e 'probe begin {{ println(\"second\") }} probe end {{ println(\"end\") }}' 2>c.err & p=$!
             sleep 1; kill -QUIT $p; wait $p; echo $?; grep -c 'left already' c.err
             kill $(cat pid); echo $?; staprun -d quit; echo $?; ls /run/stapvm"
        ),
        "0\nsecond\nend\n0\n1\n0\n0\n",
    )
}

/// One SIGINT lets the end probes run to their end, however long that takes; after the third
/// nothing is waited for: the end probe that runs is the last, and nothing stays armed.
fn interruptions_end_sessions(guest: &mut Guest) -> Result<(), String> {
    let script = "probe begin { println(\"on\") } probe kernel.function(\"vfs_read\") { if (pid() < 0) println(1) } \
                  probe end(1) { for (i = 0; i < 100000; i++) n += i * i % 7; println(\"end \", n) } \
                  probe end(2), end(3), end(4), end(5), end(6), end(7), end(8), end(9) { \
                  for (i = 0; i < 3000000; i++) n += i; println(\"slow \", n > 0) }";
    write(guest, "/tmp/long.stp", script)?;
    let begin = "cd /tmp; : >i.out; stap -g --suppress-time-limits long.stp >i.out 2>i.err & p=$!
         until grep -q on i.out; do usleep 20000; done; cat /sys/module/stapvm/refcnt";
    let nothing_left = "cat i.err /sys/module/stapvm/refcnt; \
                        cat /sys/kernel/debug/kprobes/list /sys/kernel/tracing/enabled_functions";
    expect(
        guest,
        &format!("{begin}; kill -INT $p; wait $p; echo $?; uniq -c i.out; {nothing_left}"),
        "1\n0\n      1 on\n      1 end 199999\n      8 slow 1\n0\n",
    )?;
    let outcome = sh(
        guest,
        &format!(
            "{begin}; kill -INT $p; sleep 0.2; kill -INT $p; sleep 0.2; kill -INT $p; wait $p; echo $?
             {nothing_left}"
        ),
    )?;
    if outcome.stdout != "1\n1\n0\n" {
        return Err(format!("three interruptions: {outcome:?}"));
    }
    // What the session said is gone with it, and the next one works.
    expect(guest, "stap -e 'probe begin { println(\"next\") exit() }'", "next\n")
}

/// The guest has no installed module, so modprobe fails and the message says so.
fn stap_loads_the_module(guest: &mut Guest) -> Result<(), String> {
    let outcome =
        sh(guest, "rmmod stapvm; stap -e 'probe begin { exit() }'; echo $?; insmod /stapvm.ko")?;
    if outcome.stdout != "1\n" || !outcome.stderr.contains("is not built for this kernel") {
        return Err(format!("without the module: {outcome:?}"));
    }
    // Installed as `make install` does it, it is loaded.
    expect(
        guest,
        "rmmod stapvm; modules=/lib/modules/$(uname -r); mkdir -p $modules/extra
         cp /stapvm.ko $modules/extra/ && depmod && stap -e 'probe begin { println(\"loaded\") exit() }'
         status=$?; rm -rf $modules/extra $modules/modules.*; exit $status",
        "loaded\n",
    )
}

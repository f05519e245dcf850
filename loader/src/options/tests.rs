// SPDX-License-Identifier: GPL-2.0-or-later
//! Command lines and what they come to. Which are taken and which are refused was found
//! out with SystemTap 4.8.

use super::flag::{Effect, Flag};
use super::plan::{Here, Mode, Plan, Source, Warnings};
use super::stap::{self, Stap};
use super::staprun::{self, Staprun};
use std::collections::HashSet;

const HERE: Here<'_> = Here { release: "6.1.0", process: 7 };

/// Splits as a shell does.
fn words(line: &str) -> Vec<String> {
    shlex::split(line).unwrap()
}

fn plan(line: &str) -> Plan {
    Stap::read(words(line)).and_then(|stap| Plan::new(stap, HERE)).unwrap_or_else(|error| {
        panic!("{line}: {error}");
    })
}

fn refusal(line: &str) -> String {
    match Stap::read(words(line)).and_then(|stap| Plan::new(stap, HERE)) {
        Ok(plan) => panic!("{line} is taken: {plan:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn joined_options() {
    let plan = plan("-vp4 -mNAME -DMAXACTION=5 -Gn=-3 x.stp");
    assert_eq!((plan.verbose, plan.last_pass, plan.module.as_str()), ([1; 5], 4, "NAME"));
    assert_eq!(plan.defines, [("MAXACTION".to_owned(), "5".to_owned())]);
    assert_eq!(plan.globals, [("n".to_owned(), "-3".to_owned())]);
    assert_eq!(plan.mode, Mode::Script(Source::File("x.stp".to_owned())));
}

#[test]
fn options_after_the_script_are_options_until_two_dashes() {
    let plan = plan("x.stp one -v two");
    assert_eq!((plan.verbose, plan.arguments.as_slice()), ([1; 5], &words("one two")[..]));
    let plan = super::tests::plan("x.stp -- one -v -- two");
    assert_eq!((plan.verbose, plan.arguments.as_slice()), ([0; 5], &words("one -v -- two")[..]));
    let plan = super::tests::plan("-e 'probe begin {}' one -p2");
    assert_eq!(plan.mode, Mode::Script(Source::Text("probe begin {}".to_owned())));
    assert_eq!((plan.last_pass, plan.arguments.as_slice()), (2, &words("one")[..]));
    assert_eq!(super::tests::plan("- a").mode, Mode::Script(Source::StandardInput));
}

#[test]
fn verbosity_adds_up_by_pass() {
    assert_eq!(plan("-v --vp 002 x").verbose, [1, 1, 3, 1, 1]);
    assert_eq!(plan("--vp=00001 x").verbose, [0, 0, 0, 0, 1]);
}

#[test]
fn warnings() {
    assert_eq!(plan("-W x").warnings, Warnings::Errors);
    assert_eq!(plan("-W -w x").warnings, Warnings::Hidden);
    assert_eq!(plan("x").warnings, Warnings::Shown);
}

#[test]
fn names_of_programs() {
    let plan = plan("-m foo.ko x");
    assert_eq!((plan.module.as_str(), plan.module_given), ("foo", true));
    assert_eq!(plan.notices, ["Truncating module name to 'foo'"]);
    let long = "n".repeat(64);
    assert_eq!(super::tests::plan(&format!("-m {long} x")).module, "n".repeat(55));
    let plan = super::tests::plan("x");
    assert_eq!((plan.module.as_str(), plan.module_given), ("stap_7", false));
}

#[test]
fn time_limits_are_suppressed_unless_given() {
    let names = |line| plan(line).defines.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
    assert_eq!(names("-g --suppress-time-limits x"), ["10000000", "1"]);
    assert_eq!(names("-g --suppress-time-limits -DMAXACTION=5 x"), ["10000000", "1", "5"]);
}

#[test]
fn another_kernel_is_compiled_for_but_not_run_on() {
    let plan = plan("-r 6.12.0 x");
    assert_eq!((plan.release.as_str(), plan.last_pass, plan.notices.len()), ("6.12.0", 4, 1));
    assert_eq!(super::tests::plan("-r 6.1.0 x").last_pass, 5);
    assert_eq!(super::tests::plan("-r 6.12.0 -p2 x").last_pass, 2);
}

#[test]
fn names_of_options_may_be_cut() {
    assert!(plan("--no-glob x").no_global_display);
    assert!(plan("--colo=never x").color == super::names::Color::Never);
    assert_eq!(
        refusal("--suppress x"),
        "stap: option '--suppress' is ambiguous; possibilities: '--suppress-handler-errors' \
         '--suppress-time-limits'"
    );
}

/// Options that mean nothing here must not stop anybody.
#[test]
fn idle_options_are_taken() {
    let plan = plan(
        "-k -u -P -q -B CONFIG_X=y --modinfo a=b -R /nonexistent -d kernel --ldd --all-modules \
         --disable-cache --poison-cache --tmpdir=/tmp --save-uprobes --download-debuginfo=no \
         --check-version --compatible=3.0 --prologue-searching=always --use-server-on-error=no \
         --remote-prefix --privilege=stapdev -a x86_64 --no-global-var-display --bytecode --runtime=kernel x.stp",
    );
    assert_eq!(plan.mode, Mode::Script(Source::File("x.stp".to_owned())));
    assert_eq!(plan.language, "3.0");
}

#[test]
fn refusals() {
    let lines = [
        "",
        "-p9 x",
        "-p 1x x",
        "-e",
        "-e a -e b",
        "-m 'a b' x",
        "-m '' x",
        "-G foo x",
        "-G 'foo=a b' x",
        "-D 1x x",
        "-D 'A=\"b\"' x",
        "-s 0 x",
        "-s 1k x",
        "-x foo x",
        "-c '' x",
        "-c a -x 1 x",
        "-T 0 x",
        "-T 1x x",
        "-Z x",
        "-v=2 x",
        "--foo x",
        "--bytecode=yes x",
        "--vp x x",
        "--color=foo x",
        "--runtime=foo x",
        "--runtime=dyninst x",
        "--suppress-time-limits x",
        "--compatible=9.0 x",
        "--privilege=foo x",
        "--privilege=stapusr x",
        "--modinfo=a x",
        "--rlimit-as=x x",
        "--prologue-searching=foo x",
        "--remote=host x",
        "--use-server x",
        "--monitor=1 x",
        "-i",
        "-r /nonexistent x",
        "-a arm x",
    ];
    let mut text = String::new();
    for line in lines {
        text += &format!("stap {line}\n    {}\n", refusal(line));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn staprun_command_lines() {
    let staprun = Staprun::read(words("-v -R -b 8 -o out -D n.sbc a=1 b=x")).unwrap();
    assert!(staprun.daemon);
    assert_eq!((staprun.program(), staprun.buffer), ("n.sbc", Some(8)));
    assert_eq!(staprun.globals(), [("a".into(), "1".into()), ("b".into(), "x".into())]);
    let mut text = String::new();
    for line in ["", "-D n", "-c a -x 1 n", "-b 9999 n", "-T 0 n", "-C red n", "-N 1 n", "-Z n"] {
        let error = Staprun::read(words(line)).unwrap_err();
        text += &format!("staprun {line}\n    {error}\n");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn help() {
    insta::assert_snapshot!("help_of_stap", stap::TABLE.help());
    insta::assert_snapshot!("help_of_staprun", staprun::TABLE.help());
}

fn check<T>(flags: &[Flag<T>]) {
    let mut shorts = HashSet::new();
    let mut longs = HashSet::new();
    for flag in flags {
        assert!(flag.short.is_none_or(|short| shorts.insert(short)), "twice: -{:?}", flag.short);
        assert!(flag.long.iter().all(|long| longs.insert(*long)), "twice: {:?}", flag.long);
        assert!(flag.short.is_some() || !flag.long.is_empty(), "an option without a name");
        let (Effect::Nothing(reason) | Effect::Refused(reason)) = flag.effect else { continue };
        assert!(!reason.is_empty() && !reason.ends_with('.'));
    }
}

#[test]
fn tables_are_sound() {
    check(stap::TABLE.flags);
    check(staprun::TABLE.flags);
}

/// Every letter and name of SystemTap 4.8 is known, with the same sort of value.
#[test]
fn options_of_systemtap_are_all_there() {
    let letters = "hVvtp:I:e:E:o:R:r:a:m:kgPc:x:D:bs:uqiwWFl:d:L:G:S:B:T:";
    let mut letters = letters.chars().peekable();
    while let Some(letter) = letters.next() {
        let takes_value = letters.next_if_eq(&':').is_some();
        let flag = stap::TABLE.flags.iter().find(|flag| flag.short == Some(letter));
        let takes = flag.unwrap_or_else(|| panic!("no option -{letter}")).takes;
        assert_eq!(takes != super::flag::Takes::Nothing, takes_value, "-{letter}");
    }
    for long in [
        "all-modules",
        "bpf",
        "check-version",
        "clean-cache",
        "color",
        "colour",
        "compatible",
        "disable-cache",
        "download-debuginfo",
        "dump-functions",
        "dump-probe-aliases",
        "dump-probe-types",
        "dyninst",
        "example",
        "help",
        "interactive",
        "ldd",
        "list-servers",
        "modinfo",
        "monitor",
        "no-global-var-display",
        "poison-cache",
        "privilege",
        "prologue-searching",
        "remote",
        "remote-prefix",
        "rlimit-as",
        "rlimit-cpu",
        "rlimit-fsize",
        "rlimit-nproc",
        "rlimit-stack",
        "runtime",
        "save-uprobes",
        "sign-module",
        "skip-badvars",
        "suppress-handler-errors",
        "suppress-time-limits",
        "sysenv",
        "sysroot",
        "target-namespaces",
        "tmpdir",
        "trust-servers",
        "unprivileged",
        "use-server",
        "use-server-on-error",
        "version",
        "vp",
    ] {
        assert!(stap::TABLE.flags.iter().any(|flag| flag.long.contains(&long)), "--{long}");
    }
    for letter in "vVwuc:x:N:o:b:LAC:M:dDRr:S:T:hF:".chars().filter(|c| *c != ':') {
        assert!(staprun::TABLE.flags.iter().any(|f| f.short == Some(letter)), "staprun -{letter}");
    }
}

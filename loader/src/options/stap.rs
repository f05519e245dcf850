// SPDX-License-Identifier: GPL-2.0-or-later
//! The options of `stap`, as typed.

use super::flag::{Effect, Flag, OptionError, Table, Takes};
use super::names::{self, Color, Rotation};
use crate::listing::Detail;
use nix::sys::resource::Resource;

const NO_C: &str = "no C is compiled";
const NO_CACHE: &str = "compiling takes less time than a cache would";
const NO_TEMPORARIES: &str = "there are no temporary files";
const SYMBOLS: &str = "the running kernel's own symbols are used";
const NO_SERVER: &str = "programs are compiled here; ship the .sbc of -p4";
const NO_REMOTE: &str = "copy the .sbc of -p4 there and run it with staprun";
const NO_PRIVILEGES: &str = "running a program needs root";
const NOT_YET: &str = "not there yet";

/// What is wanted instead of compiling and running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Instead {
    /// -h
    Help,
    /// -V
    Version,
    /// --clean-cache: nothing, since there is no cache.
    Nothing,
    /// --dump-functions
    Functions,
    /// --dump-probe-aliases
    Aliases,
    /// --dump-probe-types
    Types,
}

/// Where handlers run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Runtime {
    /// In the kernel.
    #[default]
    Kernel,
    /// In this process.
    User,
}

/// The command line of `stap`, as typed.
#[derive(Clone, Debug, Default)]
pub struct Stap {
    /// -h, -V and their like.
    pub instead: Option<Instead>,
    /// -l, -L
    pub list: Option<(String, Detail)>,
    /// -e
    pub scripts: Vec<String>,
    /// -E
    pub more_scripts: Vec<String>,
    /// -I
    pub libraries: Vec<String>,
    /// -p
    pub last_pass: Option<u8>,
    /// -v
    pub verbose: u8,
    /// --vp, by pass.
    pub pass_verbose: [u8; 5],
    /// -w
    pub quiet: bool,
    /// -W
    pub strict: bool,
    /// -g
    pub guru: bool,
    /// -u
    pub unoptimized: bool,
    /// -o
    pub output: Option<String>,
    /// -c
    pub command: Option<String>,
    /// -x
    pub target: Option<i32>,
    /// -m
    pub module: Option<String>,
    /// -G
    pub globals: Vec<(String, String)>,
    /// -D
    pub defines: Vec<(String, String)>,
    /// -s
    pub buffer: Option<u32>,
    /// -b
    pub bulk: bool,
    /// -t
    pub timing: bool,
    /// -F
    pub flight_recorder: bool,
    /// -S
    pub rotation: Option<Rotation>,
    /// -T, in seconds.
    pub timeout: Option<u32>,
    /// -r, or the environment's SYSTEMTAP_RELEASE.
    pub release: Option<String>,
    /// -a
    pub architecture: Option<String>,
    /// --runtime
    pub runtime: Runtime,
    /// --color
    pub color: Color,
    /// --skip-badvars
    pub skip_badvars: bool,
    /// --suppress-handler-errors
    pub suppress_handler_errors: bool,
    /// --suppress-time-limits
    pub suppress_time_limits: bool,
    /// --no-global-var-display
    pub no_global_display: bool,
    /// --compatible
    pub compatible: Option<String>,
    /// --rlimit-*
    pub resource_limits: Vec<(Resource, u64)>,
    /// The script's file name, unless -e is given, and its arguments.
    pub operands: Vec<String>,
}

impl Stap {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// The first word that cannot be followed.
    pub fn read<I>(words: I) -> Result<Stap, OptionError>
    where
        I: IntoIterator<Item: Into<std::ffi::OsString>>,
    {
        let mut stap = Stap::default();
        TABLE.read(words, &mut stap)?;
        Ok(stap)
    }

    /// Reads words as if they came before those that are read next: those of the file
    /// `$SYSTEMTAP_DIR/rc`.
    ///
    /// # Errors
    /// As [`Stap::read`].
    pub fn read_after(mut self, words: Vec<std::ffi::OsString>) -> Result<Stap, OptionError> {
        TABLE.read(words, &mut self)?;
        Ok(self)
    }
}

/// The table that reads it.
pub const TABLE: Table<Stap> =
    Table { program: "stap", flags: FLAGS, operand: |stap, word| stap.operands.push(word) };

const fn flag(
    short: char,
    takes: Takes,
    help: &'static str,
    set: fn(&mut Stap, &str) -> Result<(), OptionError>,
) -> Flag<Stap> {
    Flag { short: Some(short), long: &[], takes, effect: Effect::Done, help, set }
}

const fn long(
    long: &'static [&'static str],
    takes: Takes,
    help: &'static str,
    set: fn(&mut Stap, &str) -> Result<(), OptionError>,
) -> Flag<Stap> {
    Flag { short: None, long, takes, effect: Effect::Done, help, set }
}

/// The same option with another effect.
const fn but(effect: Effect, flag: Flag<Stap>) -> Flag<Stap> {
    Flag { effect, ..flag }
}

fn ignore(_: &mut Stap, _: &str) -> Result<(), OptionError> {
    Ok(())
}

fn value(text: impl Into<String>) -> OptionError {
    OptionError::Value(text.into())
}

fn last_pass(stap: &mut Stap, text: &str) -> Result<(), OptionError> {
    let pass = text.parse().ok().filter(|pass| (1..=5).contains(pass));
    stap.last_pass = Some(pass.ok_or_else(|| value("Invalid pass number (should be 1-5)."))?);
    Ok(())
}

fn pass_verbosity(stap: &mut Stap, text: &str) -> Result<(), OptionError> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(value("Invalid --vp argument: it takes 1 to 5 digits."));
    }
    for (level, digit) in stap.pass_verbose.iter_mut().zip(text.bytes()) {
        *level = level.saturating_add(digit - b'0');
    }
    Ok(())
}

fn timeout(stap: &mut Stap, text: &str) -> Result<(), OptionError> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
    stap.timeout = Some(seconds.ok_or_else(|| value("Invalid timeout interval."))?);
    Ok(())
}

fn runtime(stap: &mut Stap, text: &str) -> Result<(), OptionError> {
    match text {
        "kernel" | "bytecode" => stap.runtime = Runtime::Kernel,
        "user" => stap.runtime = Runtime::User,
        "dyninst" | "bpf" => {
            let name = format!("--runtime={text}");
            let reason = "bytecode in the kernel is this program's way to run";
            return Err(OptionError::Refused { name, reason });
        }
        _ => return Err(value(format!("ERROR: {text} is an invalid argument for --runtime"))),
    }
    Ok(())
}

fn resource(stap: &mut Stap, which: Resource, text: &str) -> Result<(), OptionError> {
    let limit = text.parse();
    let limit = limit.map_err(|_| value(format!("Unable to convert resource limit '{text}'")))?;
    stap.resource_limits.push((which, limit));
    Ok(())
}

fn module_information(_: &mut Stap, text: &str) -> Result<(), OptionError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok(()),
        _ => Err(OptionError::Pattern {
            name: "--modinfo",
            value: text.to_owned(),
            pattern: "^[a-z_][a-z0-9_]*=.+$",
        }),
    }
}

fn prologue_searching(_: &mut Stap, text: &str) -> Result<(), OptionError> {
    Color::parse("--prologue-searching", text).map(|_| ())
}

fn privilege(_: &mut Stap, text: &str) -> Result<(), OptionError> {
    match text {
        "stapdev" => Ok(()),
        "" | "stapusr" | "stapsys" => {
            let name = format!("--privilege={text}");
            Err(OptionError::Refused { name, reason: NO_PRIVILEGES })
        }
        _ => Err(value(format!("Invalid argument '{text}' for --privilege."))),
    }
}

use Effect::{Nothing as Idle, Refused};
use Takes::{Maybe, Nothing, Value};

const FLAGS: &[Flag<Stap>] = &[
    Flag {
        short: Some('h'),
        long: &["help"],
        takes: Nothing,
        effect: Effect::Done,
        help: "show this help",
        set: |s, _| {
            s.instead = Some(Instead::Help);
            Ok(())
        },
    },
    Flag {
        short: Some('V'),
        long: &["version"],
        takes: Nothing,
        effect: Effect::Done,
        help: "show the version",
        set: |s, _| {
            s.instead = Some(Instead::Version);
            Ok(())
        },
    },
    long(&["bytecode"], Nothing, "run as bytecode: the only way, may be left out", ignore),
    flag(
        'p',
        Value("NUM"),
        "stop after pass 1 to 5: parse, elaborate, translate, write, run",
        last_pass,
    ),
    flag('v', Nothing, "say more in all passes", |s, _| {
        s.verbose = s.verbose.saturating_add(1);
        Ok(())
    }),
    long(&["vp"], Value("DIGITS"), "say more in single passes: one digit for each", pass_verbosity),
    flag('w', Nothing, "no warnings", |s, _| {
        s.quiet = true;
        Ok(())
    }),
    flag('W', Nothing, "warnings are errors", |s, _| {
        s.strict = true;
        Ok(())
    }),
    flag('g', Nothing, "guru mode", |s, _| {
        s.guru = true;
        Ok(())
    }),
    flag('e', Value("SCRIPT"), "run this text", |s, text| {
        s.scripts.push(text.to_owned());
        Ok(())
    }),
    flag('E', Value("SCRIPT"), "run this text as well", |s, text| {
        s.more_scripts.push(text.to_owned());
        Ok(())
    }),
    flag('I', Value("DIR"), "look for library scripts in DIR as well", |s, text| {
        s.libraries.push(text.to_owned());
        Ok(())
    }),
    flag('D', Value("NAME=VALUE"), "set a limit such as MAXACTION", |s, text| {
        s.defines.push(names::define(text)?);
        Ok(())
    }),
    flag('G', Value("VAR=VALUE"), "set a global variable", |s, text| {
        s.globals.push(names::global(text)?);
        Ok(())
    }),
    flag('m', Value("NAME"), "name the program; -p4 writes NAME.sbc", |s, text| {
        s.module = Some(text.to_owned());
        Ok(())
    }),
    flag('o', Value("FILE"), "write output to FILE, a name with strftime(3) formats", |s, text| {
        s.output = Some(text.to_owned());
        Ok(())
    }),
    flag('c', Value("CMD"), "run CMD and end with it; target() is its pid", |s, text| {
        s.command = Some(names::command(text)?);
        Ok(())
    }),
    flag('x', Value("PID"), "target() is PID", |s, text| {
        s.target = Some(names::process(text)?);
        Ok(())
    }),
    flag('T', Value("SECONDS"), "end after so many seconds", timeout),
    flag('s', Value("MB"), "output buffer of each CPU, at most 64 MB", |s, text| {
        s.buffer = Some(names::buffer(text)?);
        Ok(())
    }),
    flag('b', Nothing, "bulk mode: an output file for each CPU, for stap-merge", |s, _| {
        s.bulk = true;
        Ok(())
    }),
    flag(
        'F',
        Nothing,
        "flight recorder: run in the background, for staprun -A or into the file of -o",
        |s, _| {
            s.flight_recorder = true;
            Ok(())
        },
    ),
    flag('S', Value("MB[,N]"), "start another output file after so many MB, keep N", |s, text| {
        s.rotation = Some(Rotation::parse(text)?);
        Ok(())
    }),
    flag('t', Nothing, "count and time the probes", |s, _| {
        s.timing = true;
        Ok(())
    }),
    flag('l', Value("PROBE"), "list probe points", |s, text| {
        s.list = Some((text.to_owned(), Detail::Name));
        Ok(())
    }),
    flag('L', Value("PROBE"), "list probe points and their variables", |s, text| {
        s.list = Some((text.to_owned(), Detail::Variables));
        Ok(())
    }),
    long(&["dump-probe-types"], Nothing, "list kinds of probe points", |s, _| {
        s.instead = Some(Instead::Types);
        Ok(())
    }),
    long(&["dump-probe-aliases"], Nothing, "list probe aliases", |s, _| {
        s.instead = Some(Instead::Aliases);
        Ok(())
    }),
    long(
        &["dump-functions"],
        Nothing,
        "list library functions; -v for internal ones, too",
        |s, _| {
            s.instead = Some(Instead::Functions);
            Ok(())
        },
    ),
    flag(
        'r',
        Value("RELEASE"),
        "compile for this kernel, given by release, build folder or a file with its BTF",
        |s, text| {
            s.release = Some(text.to_owned());
            Ok(())
        },
    ),
    flag('a', Value("ARCH"), "compile for this processor: x86_64", |s, text| {
        s.architecture = Some(text.to_owned());
        Ok(())
    }),
    long(
        &["runtime"],
        Value("MODE"),
        "where handlers run: kernel (or bytecode), user (this process)",
        runtime,
    ),
    long(&["color", "colour"], Maybe("WHEN"), "colour messages: auto, always, never", |s, text| {
        s.color = Color::parse("--color", text)?;
        Ok(())
    }),
    but(
        Refused(NOT_YET),
        long(&["skip-badvars"], Nothing, "unknown $variables are 0", |s, _| {
            s.skip_badvars = true;
            Ok(())
        }),
    ),
    long(
        &["suppress-handler-errors"],
        Nothing,
        "errors end the handler only, and do not count",
        |s, _| {
            s.suppress_handler_errors = true;
            Ok(())
        },
    ),
    long(
        &["suppress-time-limits"],
        Nothing,
        "MAXACTION is 10 million, no overload; with -g only",
        |s, _| {
            s.suppress_time_limits = true;
            Ok(())
        },
    ),
    long(
        &["no-global-var-display"],
        Nothing,
        "do not print global variables that nothing reads",
        |s, _| {
            s.no_global_display = true;
            Ok(())
        },
    ),
    long(&["compatible"], Value("VERSION"), "be compatible with an older SystemTap", |s, text| {
        s.compatible = Some(text.to_owned());
        Ok(())
    }),
    long(&["rlimit-as"], Value("BYTES"), "limit this program's memory", |s, t| {
        resource(s, Resource::RLIMIT_AS, t)
    }),
    long(&["rlimit-cpu"], Value("SECONDS"), "limit its processor time", |s, t| {
        resource(s, Resource::RLIMIT_CPU, t)
    }),
    long(&["rlimit-nproc"], Value("NUM"), "limit its processes", |s, t| {
        resource(s, Resource::RLIMIT_NPROC, t)
    }),
    long(&["rlimit-stack"], Value("BYTES"), "limit its stack", |s, t| {
        resource(s, Resource::RLIMIT_STACK, t)
    }),
    long(&["rlimit-fsize"], Value("BYTES"), "limit the files it writes", |s, t| {
        resource(s, Resource::RLIMIT_FSIZE, t)
    }),
    flag('u', Nothing, "leave unused code in", |s, _| {
        s.unoptimized = true;
        Ok(())
    }),
    but(Idle(NO_TEMPORARIES), flag('k', Nothing, "keep temporary files", ignore)),
    but(Idle("types come from BTF"), flag('P', Nothing, "search function prologues", ignore)),
    but(
        Idle("types come from BTF"),
        long(
            &["prologue-searching"],
            Maybe("WHEN"),
            "search function prologues",
            prologue_searching,
        ),
    ),
    but(
        Idle("the tapset is always indexed"),
        flag('q', Nothing, "say what of the tapset is used", ignore),
    ),
    but(Idle(NO_C), flag('B', Value("NAME=VALUE"), "option for kbuild", ignore)),
    but(
        Idle(NO_C),
        long(&["modinfo"], Value("NAME=VALUE"), "module information", module_information),
    ),
    but(Idle(NO_C), flag('R', Value("DIR"), "folder of the C runtime", ignore)),
    but(Idle(SYMBOLS), flag('d', Value("OBJECT"), "add symbols of OBJECT", ignore)),
    but(Idle(SYMBOLS), long(&["ldd"], Nothing, "add symbols of shared libraries", ignore)),
    but(
        Idle(SYMBOLS),
        long(&["all-modules"], Nothing, "add symbols of all kernel modules", ignore),
    ),
    but(Idle(NO_CACHE), long(&["disable-cache"], Nothing, "use no cache", ignore)),
    but(Idle(NO_CACHE), long(&["poison-cache"], Nothing, "do not read the cache", ignore)),
    but(
        Idle(NO_CACHE),
        long(&["clean-cache"], Nothing, "clean the cache and end", |s, _| {
            s.instead = Some(Instead::Nothing);
            Ok(())
        }),
    ),
    but(Idle(NO_TEMPORARIES), long(&["tmpdir"], Value("DIR"), "folder of temporary files", ignore)),
    but(
        Idle("uprobes are part of every supported kernel"),
        long(&["save-uprobes"], Nothing, "keep uprobes.ko", ignore),
    ),
    but(
        Idle("nothing is downloaded"),
        long(&["download-debuginfo"], Maybe("HOW"), "download debug symbols", ignore),
    ),
    but(
        Idle("no version is deprecated"),
        long(&["check-version"], Nothing, "warn of constructs that depend on the version", ignore),
    ),
    but(
        Idle(NO_SERVER),
        long(&["use-server-on-error"], Maybe("YES"), "compile elsewhere after an error", ignore),
    ),
    but(
        Idle("no remote output"),
        long(&["remote-prefix"], Nothing, "mark lines with their host", ignore),
    ),
    but(Refused(NO_REMOTE), long(&["remote"], Value("HOST"), "run on another host", ignore)),
    but(Refused(NO_SERVER), long(&["use-server"], Maybe("HOST"), "compile on a server", ignore)),
    but(
        Refused(NO_SERVER),
        long(&["list-servers"], Maybe("WHICH"), "list compile servers", ignore),
    ),
    but(
        Refused(NO_SERVER),
        long(&["trust-servers"], Maybe("HOW"), "trust compile servers", ignore),
    ),
    but(
        Refused("sign stapvm.ko once instead"),
        long(&["sign-module"], Maybe("KEY"), "sign the module", ignore),
    ),
    long(&["privilege"], Maybe("LEVEL"), "only stapdev", privilege),
    but(Refused(NO_PRIVILEGES), long(&["unprivileged"], Nothing, "as --privilege=stapusr", ignore)),
    but(
        Refused("files are read where they are"),
        long(&["sysroot"], Value("DIR"), "folder of the target's files", ignore),
    ),
    but(
        Refused("files are read where they are"),
        long(&["sysenv"], Value("VAR=VALUE"), "the target's environment", ignore),
    ),
    but(
        Refused("write the script to a file"),
        Flag {
            short: Some('i'),
            ..long(&["interactive"], Nothing, "build a script interactively", ignore)
        },
    ),
    but(
        Refused("give the script's path"),
        long(&["example"], Nothing, "run an example script", ignore),
    ),
    but(
        Refused("watch the script's output instead"),
        long(&["monitor"], Maybe("SECONDS"), "show the session's state", ignore),
    ),
    but(
        Refused("process numbers are those of this host"),
        long(&["target-namespaces"], Value("PID"), "namespaces of PID", ignore),
    ),
    but(
        Refused("bytecode in the kernel is this program's way to run"),
        long(&["dyninst"], Nothing, "as --runtime=dyninst", ignore),
    ),
    but(
        Refused("bytecode in the kernel is this program's way to run"),
        long(&["bpf"], Nothing, "as --runtime=bpf", ignore),
    ),
];

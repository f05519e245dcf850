// SPDX-License-Identifier: GPL-2.0-or-later
//! The options of `staprun`, as typed.

use super::flag::{Effect, Flag, OptionError, Table, Takes};
use super::names::{self, Color, Rotation};
use super::stap::Instead;

/// The command line of `staprun`, as typed.
#[derive(Clone, Debug, Default)]
pub struct Staprun {
    /// -h, -V.
    pub instead: Option<Instead>,
    /// -v
    pub verbose: u8,
    /// -w
    pub quiet: bool,
    /// -c
    pub command: Option<String>,
    /// -x
    pub target: Option<i32>,
    /// -o
    pub output: Option<String>,
    /// -b
    pub buffer: Option<u32>,
    /// -D
    pub daemon: bool,
    /// -L
    pub leave: bool,
    /// -A
    pub attach: bool,
    /// -d
    pub delete: bool,
    /// -S
    pub rotation: Option<Rotation>,
    /// -T, in milliseconds.
    pub reader_timeout: Option<u32>,
    /// -C
    pub color: Color,
    /// The program, then `var=value`.
    pub operands: Vec<String>,
}

impl Staprun {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// The first word that cannot be followed, or options that do not go together.
    pub fn read<I>(words: I) -> Result<Staprun, OptionError>
    where
        I: IntoIterator<Item: Into<std::ffi::OsString>>,
    {
        let mut staprun = Staprun::default();
        TABLE.read(words, &mut staprun)?;
        staprun.check()?;
        Ok(staprun)
    }

    fn check(&self) -> Result<(), OptionError> {
        if self.instead.is_some() {
            return Ok(());
        }
        for (together, text) in [
            (self.attach && self.leave, "-A and -L exclude each other."),
            (self.attach && self.buffer.is_some(), "-A and -b exclude each other."),
            (self.attach && self.command.is_some(), "-A and -c exclude each other."),
            (self.attach && self.target.is_some(), "-A and -x exclude each other."),
            (self.attach && self.operands.len() > 1, "-A takes no values of globals."),
            (self.command.is_some() && self.target.is_some(), "-c and -x exclude each other."),
            (self.daemon && self.leave, "-D and -L exclude each other."),
            (self.daemon && self.delete, "-D and -d exclude each other."),
            (self.daemon && self.command.is_some(), "-D and -c exclude each other."),
            (self.daemon && self.output.is_none(), "-D needs -o."),
            (self.leave && self.delete, "-L and -d exclude each other."),
            (self.leave && self.output.is_some(), "-L and -o exclude each other."),
            (self.attach && self.delete, "-A and -d exclude each other."),
            (self.rotation.is_some() && self.output.is_none(), "-S needs -o."),
        ] {
            if together {
                return Err(OptionError::Together(text));
            }
        }
        if self.operands.is_empty() { Err(OptionError::NoProgram("A program")) } else { Ok(()) }
    }

    /// The program's file.
    pub fn program(&self) -> &str {
        self.operands.first().map_or("", String::as_str)
    }

    /// Start values of globals.
    pub fn globals(&self) -> Vec<(String, String)> {
        self.operands.iter().skip(1).map(|text| names::pair(text)).collect()
    }
}

/// The table that reads it.
pub const TABLE: Table<Staprun> = Table {
    program: "staprun",
    flags: FLAGS,
    operand: |staprun, word| staprun.operands.push(word),
};

const fn flag(
    short: char,
    takes: Takes,
    help: &'static str,
    set: fn(&mut Staprun, &str) -> Result<(), OptionError>,
) -> Flag<Staprun> {
    Flag { short: Some(short), long: &[], takes, effect: Effect::Done, help, set }
}

const fn but(effect: Effect, flag: Flag<Staprun>) -> Flag<Staprun> {
    Flag { effect, ..flag }
}

fn ignore(_: &mut Staprun, _: &str) -> Result<(), OptionError> {
    Ok(())
}

fn reader_timeout(staprun: &mut Staprun, text: &str) -> Result<(), OptionError> {
    let number = text.parse().ok().filter(|n| *n > 0);
    let wrong =
        || OptionError::Value(format!("Invalid reader timeout value '{text}' (should be >= 1)."));
    staprun.reader_timeout = Some(number.ok_or_else(wrong)?);
    Ok(())
}

use Effect::{Nothing as Idle, Refused};
use Takes::{Nothing, Value};

const FLAGS: &[Flag<Staprun>] = &[
    Flag {
        long: &["help"],
        ..flag('h', Nothing, "show this help", |s, _| {
            s.instead = Some(Instead::Help);
            Ok(())
        })
    },
    Flag {
        long: &["version"],
        ..flag('V', Nothing, "show the version", |s, _| {
            s.instead = Some(Instead::Version);
            Ok(())
        })
    },
    flag('v', Nothing, "say more", |s, _| {
        s.verbose = s.verbose.saturating_add(1);
        Ok(())
    }),
    flag('w', Nothing, "no warnings", |s, _| {
        s.quiet = true;
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
    flag('o', Value("FILE"), "write output to FILE, a name with strftime(3) formats", |s, text| {
        s.output = Some(text.to_owned());
        Ok(())
    }),
    flag('b', Value("MB"), "output buffer of each CPU, at most 64 MB", |s, text| {
        s.buffer = Some(names::buffer(text)?);
        Ok(())
    }),
    flag('D', Nothing, "run in the background; with -o only", |s, _| {
        s.daemon = true;
        Ok(())
    }),
    flag('L', Nothing, "start the probes and leave them", |s, _| {
        s.leave = true;
        Ok(())
    }),
    flag('A', Nothing, "attach to probes that were left", |s, _| {
        s.attach = true;
        Ok(())
    }),
    flag('d', Nothing, "remove probes that were left, '*' for all", |s, _| {
        s.delete = true;
        Ok(())
    }),
    flag('S', Value("MB[,N]"), "start another output file after so many MB, keep N", |s, text| {
        s.rotation = Some(Rotation::parse(text)?);
        Ok(())
    }),
    flag('T', Value("MS"), "look for output at least so often", reader_timeout),
    flag('C', Value("WHEN"), "colour messages: auto, always, never", |s, text| {
        s.color = Color::parse("-C", text)?;
        Ok(())
    }),
    but(
        Idle("programs have no name in the kernel"),
        flag('R', Nothing, "give the program a name of its own", ignore),
    ),
    but(
        Idle("uprobes are part of every supported kernel"),
        flag('u', Nothing, "load uprobes.ko", ignore),
    ),
    but(
        Refused("there is no remote mode"),
        flag('r', Value("N:URI"), "remote_id() and remote_uri()", ignore),
    ),
    but(
        Refused("watch the output instead"),
        flag('M', Value("SECONDS"), "show the session's state", ignore),
    ),
    but(
        Refused("process numbers are those of this host"),
        flag('N', Value("PID"), "namespaces of PID", ignore),
    ),
    but(
        Refused("rings are mapped, not files"),
        flag('F', Value("FD"), "descriptor of the relay folder", ignore),
    ),
];

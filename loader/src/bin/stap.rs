// SPDX-License-Identifier: GPL-2.0-or-later
//! `stap`: compiles a script and runs it.

use frontend::{Request, Unread};
use loader::compile::{
    Compiled, PassFailed, Stopwatch, TargetKernel, Wanted, compile, running_release,
};
use loader::listing::{Detail, ListError, list};
use loader::options::plan::{Here, Plan, Source};
use loader::options::stap::{Instead, Runtime, Stap, TABLE};
use loader::options::{Mode, OptionError};
use loader::resident::{self, RESIDENT_WORD, Resident};
use loader::session::{Ended, RunOptions, run};
use loader::user;
use nix::sys::resource::setrlimit;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use vm_spec::blob::Blob;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    let role = match words.next_if(|word| word == RESIDENT_WORD) {
        Some(_) => Role::Resident,
        None => Role::Usual,
    };
    match plan(words).and_then(|plan| go(&plan, role)) {
        Ok(code) => code,
        Err(Problem::Pass(failed)) => {
            eprintln!("{}", failed.text());
            ExitCode::FAILURE
        }
        Err(Problem::Options(error)) => {
            eprintln!("{error}");
            if error.hints_at_help() {
                eprintln!("Try '--help' for more information.");
            }
            ExitCode::FAILURE
        }
        Err(Problem::Other(text)) => {
            eprintln!("stap: {text}");
            ExitCode::FAILURE
        }
    }
}

/// What this process is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The one that somebody has started.
    Usual,
    /// The copy of it that stays, for `-F`.
    Resident,
}

enum Problem {
    Pass(PassFailed),
    Options(OptionError),
    Other(String),
}

impl From<PassFailed> for Problem {
    fn from(failed: PassFailed) -> Self {
        Problem::Pass(failed)
    }
}

impl From<OptionError> for Problem {
    fn from(error: OptionError) -> Self {
        Problem::Options(error)
    }
}

/// The words of `$SYSTEMTAP_DIR/rc`, which come before those of the command line.
fn rc_words() -> Vec<OsString> {
    let folder = std::env::var_os("SYSTEMTAP_DIR")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".systemtap")));
    // Most people have none.
    let text = folder.and_then(|folder| std::fs::read_to_string(folder.join("rc")).ok());
    let text = text.unwrap_or_default();
    shlex::Shlex::new(&text).map(OsString::from).collect()
}

fn plan(typed: impl Iterator<Item = OsString>) -> Result<Plan, Problem> {
    let mut words = rc_words();
    words.extend(typed);
    let mut stap = Stap::read(words)?;
    if stap.release.is_none() {
        stap.release = std::env::var("SYSTEMTAP_RELEASE").ok();
    }
    let here = Here { release: &running_release(), process: std::process::id() };
    Ok(Plan::new(stap, here)?)
}

fn go(plan: &Plan, role: Role) -> Result<ExitCode, Problem> {
    let source = match &plan.mode {
        Mode::Instead(instead) => {
            say(*instead, plan)?;
            return Ok(ExitCode::SUCCESS);
        }
        Mode::List(pattern, detail) => return listed(pattern, *detail, plan),
        Mode::Script(source) => source,
    };
    if plan.flight_recorder && plan.output.is_none() && plan.last_pass == 5 && role == Role::Usual {
        return resident::start().map_err(flight_recorder);
    }
    for notice in &plan.notices {
        eprintln!("{notice}");
    }
    for &(resource, limit) in &plan.resource_limits {
        let limited = setrlimit(resource, limit, limit);
        limited.map_err(|error| Problem::Other(format!("{resource:?}: {error}")))?;
    }
    let (name, bytes) = script(source)?;
    let Some(blob) = compiled(plan, &name, &bytes)? else { return Ok(ExitCode::SUCCESS) };
    if plan.runtime == Runtime::User
        && let Some(problem) = user::unsupported(&blob)
    {
        eprintln!("{problem}");
        return Err(PassFailed(2).into());
    }
    let last = plan.last_pass == 4;
    let watch = Stopwatch::start();
    if last || plan.module_given {
        write_blob(&blob, &plan.module)?;
    }
    if last {
        println!("{}.sbc", plan.module);
    }
    if plan.verbose[3] > 0 {
        eprintln!("Pass 4: compiled bytecode into \"{}.sbc\" {}", plan.module, watch.text());
    }
    if last { Ok(ExitCode::SUCCESS) } else { run_blob(&blob, plan, role) }
}

fn flight_recorder(error: impl std::fmt::Display) -> Problem {
    Problem::Other(format!("flight recorder: {error}"))
}

fn listed(pattern: &str, detail: Detail, plan: &Plan) -> Result<ExitCode, Problem> {
    let kernel = TargetKernel::new(&plan.release, &plan.language);
    let types = plan.types.clone().types();
    let library = loader::library::read(&plan.libraries).map_err(Problem::Other)?;
    let lines = match list(pattern, detail, &types, &kernel, &library) {
        // The compiler's own words need no introduction.
        Err(ListError::Unknown(errors)) => {
            eprintln!("{errors}");
            return Ok(ExitCode::FAILURE);
        }
        lines => lines.map_err(|error| Problem::Other(error.to_string()))?,
    };
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    // A reader that has gone away has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if lines.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn say(instead: Instead, plan: &Plan) -> Result<(), Problem> {
    let version = concat!("stapvm ", env!("CARGO_PKG_VERSION"));
    let language = frontend_syntax::preprocess::LANGUAGE_VERSION;
    let text = match instead {
        Instead::Nothing => String::new(),
        Instead::Types => frontend::listing::probe_types().join("\n") + "\n",
        Instead::Functions | Instead::Aliases => {
            let library = loader::library::read(&plan.libraries).map_err(Problem::Other)?;
            let kernel = TargetKernel::new(&plan.release, &plan.language);
            let list = match instead {
                Instead::Functions => frontend::listing::functions,
                _ => frontend::listing::aliases,
            };
            list(&library, &kernel, plan.verbose[0] > 0).join("\n") + "\n"
        }
        Instead::Version => format!(
            "Systemtap translator/driver (version {language}/bytecode, {version})\n\
             Compiles to bytecode and runs it in the kernel module stapvm.\n\
             tested kernel versions: 6.1 and 6.12\n"
        ),
        Instead::Help => format!(
            "{version}: compiles SystemTap scripts to bytecode and runs them\n\n\
             Usage: stap [options] FILE [ARGUMENTS]         run the script of a file\n   \
             or: stap [options] - [ARGUMENTS]            run the script on standard input\n   \
             or: stap [options] -e SCRIPT [ARGUMENTS]    run this script\n\n\
             Options, in $SYSTEMTAP_DIR/rc and on the command line; '--' ends them:\n{}",
            TABLE.help()
        ),
    };
    // A reader that has gone away has seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn script(source: &Source) -> Result<(String, Vec<u8>), Problem> {
    let name = match source {
        Source::Text(text) => return Ok(("<input>".to_owned(), text.clone().into_bytes())),
        Source::StandardInput => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes);
            read.map_err(|error| Problem::Other(format!("standard input: {error}")))?;
            return Ok(("<input>".to_owned(), bytes));
        }
        Source::File(name) => name,
    };
    match std::fs::read(name) {
        Ok(bytes) if bytes.is_empty() => eprintln!("Input file '{name}' is empty."),
        Ok(bytes) => return Ok((name.clone(), bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("Input file '{name}' is missing.");
        }
        Err(error) => eprintln!("Input file '{name}' cannot be read: {error}"),
    }
    Err(PassFailed(1).into())
}

/// Passes 1 to 3; nothing if one of them was the last.
fn compiled(plan: &Plan, name: &str, bytes: &[u8]) -> Result<Option<Blob>, Problem> {
    let library = loader::library::read(&plan.libraries).map_err(Problem::Other)?;
    let kernel = TargetKernel::new(&plan.release, &plan.language);
    let types = plan.types.clone().types();
    let request = Request {
        name,
        script: bytes,
        more_scripts: &plan.more_scripts,
        module: &plan.module,
        arguments: &plan.arguments,
        defines: &plan.defines,
        globals: &plan.globals,
        guru: plan.guru,
        library: &library,
        display_globals: !plan.no_global_display,
        optimize: !plan.unoptimized,
        unread: Unread::Dropped,
        types: Some(&types),
        environment: &kernel,
    };
    let wanted = Wanted {
        last_pass: plan.last_pass,
        verbose: plan.verbose,
        warnings: plan.warnings,
        color: plan.color.on_stderr(),
    };
    Ok(match compile(request, wanted)? {
        Compiled::Text => None,
        Compiled::Blob(mut blob) => {
            blob.meta.bulk = plan.bulk;
            Some(*blob)
        }
    })
}

fn write_blob(blob: &Blob, module: &str) -> Result<(), PassFailed> {
    let file = format!("{module}.sbc");
    let written = blob
        .encode()
        .map_err(|error| error.to_string())
        .and_then(|bytes| std::fs::write(&file, bytes).map_err(|error| format!("{file}: {error}")));
    written.map_err(|error| {
        eprintln!("{error}");
        PassFailed(4)
    })
}

fn run_blob(blob: &Blob, plan: &Plan, role: Role) -> Result<ExitCode, Problem> {
    let verbose = plan.verbose[4] > 0;
    if verbose {
        eprintln!("Pass 5: starting run.");
    }
    let watch = Stopwatch::start();
    let mut resident = match role {
        Role::Resident => {
            let megabytes = plan.buffer.unwrap_or(resident::MEGABYTES);
            Some(Resident::enter(&plan.module, megabytes).map_err(flight_recorder)?)
        }
        Role::Usual => None,
    };
    let options = RunOptions {
        armed: resident.as_ref().map(Resident::armed),
        command: plan.command.clone(),
        target: plan.target,
        output: plan.output.clone(),
        buffer_megabytes: plan.buffer,
        timing: plan.timing,
        rotation: plan.rotation,
        background: plan.flight_recorder,
        timeout: plan.timeout.map(|seconds| Duration::from_secs(seconds.into())),
        ..RunOptions::default()
    };
    if plan.flight_recorder && role == Role::Usual {
        loader::background::enter().map_err(flight_recorder)?;
    }
    let ended = match plan.runtime {
        Runtime::Kernel => run(blob, &options, &mut resident),
        Runtime::User => user::run(blob, &options),
    };
    let failed = match ended {
        Ok(ended) => ended == Ended::Failed,
        Err(error) => {
            eprintln!("ERROR: {error}");
            true
        }
    };
    if failed {
        eprintln!("WARNING: /usr/bin/staprun exited with status: 1");
    }
    if verbose {
        eprintln!("Pass 5: run completed {}", watch.text());
    }
    drop(options);
    if let Some(resident) = resident {
        resident.finish(failed.into());
    }
    if failed { Err(PassFailed(5).into()) } else { Ok(ExitCode::SUCCESS) }
}

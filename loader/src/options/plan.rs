// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line of `stap`, as meant: options that need or exclude each other are
//! settled here, defaults filled in, and nobody looks at the typed options again.

use super::flag::OptionError;
use super::names::{self, Color, Rotation};
use super::stap::{Instead, Runtime, Stap};
use crate::listing::Detail;
use crate::types::Kernel;
use frontend_syntax::preprocess::{LANGUAGE_VERSION, compare_versions};
use nix::sys::resource::Resource;
use std::cmp::Ordering;
use std::path::Path;
use vm_spec::limits::MAX_STEPS;

/// The machine that `stap` runs on.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// The running kernel's release.
    pub release: &'a str,
    /// Of this process.
    pub process: u32,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Say this and end.
    Instead(Instead),
    /// List the probe points that this matches.
    List(String, Detail),
    /// Compile a script, and run it unless an earlier pass is the last.
    Script(Source),
}

/// Where the script is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// On the command line.
    Text(String),
    /// In a file.
    File(String),
    /// On standard input.
    StandardInput,
}

/// What becomes of warnings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Warnings {
    /// They are shown.
    Shown,
    /// They are not.
    Hidden,
    /// They are shown, and a pass that has some fails.
    Errors,
}

/// What is to be done, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What.
    pub mode: Mode,
    /// Scripts in addition to the main one.
    pub more_scripts: Vec<String>,
    /// Arguments of the script.
    pub arguments: Vec<String>,
    /// Folders of library scripts before our own.
    pub libraries: Vec<String>,
    /// The last pass.
    pub last_pass: u8,
    /// How much each pass says.
    pub verbose: [u8; 5],
    /// What becomes of warnings.
    pub warnings: Warnings,
    /// Whether messages are coloured.
    pub color: Color,
    /// The program's name.
    pub module: String,
    /// Whether the name was given: then the program is written to NAME.sbc even if it is
    /// run.
    pub module_given: bool,
    /// -G
    pub globals: Vec<(String, String)>,
    /// -D
    pub defines: Vec<(String, String)>,
    /// -g
    pub guru: bool,
    /// -u
    pub unoptimized: bool,
    /// --skip-badvars
    pub skip_badvars: bool,
    /// --no-global-var-display
    pub no_global_display: bool,
    /// The kernel whose types the script is compiled with.
    pub types: Kernel,
    /// The release of the kernel that the program is for.
    pub release: String,
    /// Where handlers run.
    pub runtime: Runtime,
    /// The SystemTap whose language the script is written in.
    pub language: String,
    /// -o
    pub output: Option<String>,
    /// -c
    pub command: Option<String>,
    /// -x
    pub target: Option<i32>,
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
    /// --rlimit-*
    pub resource_limits: Vec<(Resource, u64)>,
    /// What is said before anything is done.
    pub notices: Vec<String>,
}

impl Plan {
    /// What the options as typed come to.
    ///
    /// # Errors
    /// Options that cannot be followed together.
    pub fn new(stap: Stap, here: Here<'_>) -> Result<Plan, OptionError> {
        let mut notices = Vec::new();
        let mut operands = stap.operands.into_iter();
        let mode = match (stap.instead, stap.scripts.as_slice()) {
            (Some(instead), _) => Mode::Instead(instead),
            (None, _) if stap.list.is_some() => {
                let (pattern, detail) = stap.list.unwrap_or((String::new(), Detail::Name));
                Mode::List(pattern, detail)
            }
            (None, [text]) => Mode::Script(Source::Text(text.clone())),
            (None, []) => Mode::Script(match operands.next() {
                Some(name) if name == "-" => Source::StandardInput,
                Some(name) => Source::File(name),
                None => return Err(OptionError::NoProgram("A script")),
            }),
            (None, _) => {
                let text = "Only one script can be given on the command line.";
                return Err(OptionError::Value(text.to_owned()));
            }
        };
        if stap.command.is_some() && stap.target.is_some() {
            return Err(OptionError::Together("You can't specify -c and -x together."));
        }
        if stap.suppress_time_limits && !stap.guru {
            let text = "ERROR --suppress-time-limits requires guru mode (-g)";
            return Err(OptionError::Value(text.to_owned()));
        }
        let module_given = stap.module.is_some();
        let module = match &stap.module {
            Some(typed) => {
                let name = names::module_name(typed)?;
                if name != *typed {
                    notices.push(format!("Truncating module name to '{name}'"));
                }
                name
            }
            None => format!("stap_{}", here.process),
        };
        let mut defines = stap.defines;
        if stap.suppress_time_limits {
            // What is given with -D comes later and wins.
            let most = (String::from("MAXACTION"), MAX_STEPS.to_string());
            defines.splice(0..0, [most, (String::from("STP_NO_OVERLOAD"), String::from("1"))]);
        }
        if stap.suppress_handler_errors {
            defines.push((frontend::SUPPRESS_HANDLER_ERRORS.to_owned(), String::from("1")));
            // Skipped hits do not end the session either; they are told at its end.
            defines.push((String::from("MAXSKIPPED"), u32::MAX.to_string()));
        }
        let language = language(stap.compatible.as_deref())?;
        let file = stap.release.as_deref().map(Path::new).filter(|path| path.is_file());
        let file = file.map(Path::to_owned);
        // A file with types may have its kernel's release beside it.
        let beside = file.as_ref().map(|file| file.with_file_name("release"));
        let beside = beside.and_then(|path| std::fs::read_to_string(path).ok());
        let typed = match &file {
            None => stap.release.as_deref(),
            Some(_) => beside.as_deref().map(str::trim),
        };
        let release = release(typed, here.release)?;
        let elsewhere = file.is_none() && release != here.release;
        architecture(stap.architecture.as_deref())?;
        let mut last_pass = stap.last_pass.unwrap_or(5);
        if elsewhere && last_pass > 4 {
            last_pass = 4;
            if !stap.quiet {
                notices.push(
                    "WARNING: kernel release/architecture mismatch with host forces last-pass 4."
                        .to_owned(),
                );
            }
        }
        Ok(Plan {
            mode,
            more_scripts: stap.more_scripts,
            arguments: operands.collect(),
            libraries: stap.libraries,
            last_pass,
            verbose: stap.pass_verbose.map(|level| level.saturating_add(stap.verbose)),
            warnings: match (stap.quiet, stap.strict) {
                (true, _) => Warnings::Hidden,
                (false, true) => Warnings::Errors,
                (false, false) => Warnings::Shown,
            },
            color: stap.color,
            module,
            module_given,
            globals: stap.globals,
            defines,
            guru: stap.guru,
            unoptimized: stap.unoptimized,
            skip_badvars: stap.skip_badvars,
            no_global_display: stap.no_global_display,
            types: match (file, elsewhere) {
                (Some(file), _) => Kernel::File(file),
                (None, true) => Kernel::Release(release.clone()),
                (None, false) => Kernel::Running,
            },
            release,
            runtime: stap.runtime,
            language,
            output: stap.output,
            command: stap.command,
            target: stap.target,
            buffer: stap.buffer,
            bulk: stap.bulk,
            timing: stap.timing,
            flight_recorder: stap.flight_recorder,
            rotation: stap.rotation,
            timeout: stap.timeout,
            resource_limits: stap.resource_limits,
            notices,
        })
    }
}

fn language(compatible: Option<&str>) -> Result<String, OptionError> {
    let Some(version) = compatible else { return Ok(LANGUAGE_VERSION.to_owned()) };
    if compare_versions(version, LANGUAGE_VERSION) == Ordering::Greater {
        let text = format!(
            "ERROR: systemtap version {LANGUAGE_VERSION} cannot be compatible with future \
             version {version}"
        );
        return Err(OptionError::Value(text));
    }
    Ok(version.to_owned())
}

/// A release, or the folder of a kernel's build, which knows its release.
fn release(typed: Option<&str>, running: &str) -> Result<String, OptionError> {
    match typed {
        None | Some("") => Ok(running.to_owned()),
        Some(folder) if folder.starts_with('/') => {
            let file = Path::new(folder).join("include/config/kernel.release");
            let text = std::fs::read_to_string(&file);
            let text = text.map_err(|error| {
                OptionError::Value(format!("-r: {} cannot be read: {error}", file.display()))
            })?;
            Ok(text.trim().to_owned())
        }
        Some(release) => Ok(release.to_owned()),
    }
}

fn architecture(typed: Option<&str>) -> Result<(), OptionError> {
    match typed {
        None | Some("x86_64") => Ok(()),
        Some(_) => Err(OptionError::Refused {
            name: "-a".to_owned(),
            reason: "programs are the same for all processors, but types and registers are \
                     known for x86_64 only",
        }),
    }
}

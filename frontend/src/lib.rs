// SPDX-License-Identifier: GPL-2.0-or-later
//! The compiler: script text to blob, one pass a module.
//!
//! ```text
//! frontend_syntax   text                     -> AST
//! elaborate         AST, library             -> probes with attach points and bodies
//! target            bodies, kernel types     -> target variables as loads
//! types             bodies                   -> a type for every variable
//! lower             typed bodies             -> instructions, lock sets, source map
//! vm_spec           instructions             -> image, verified
//! ```
//! It knows no process, no device and prints nothing: what it must know of the world
//! comes in with the [`Request`], what it has to say goes out as diagnostics.
#![forbid(unsafe_code)]

mod display;
mod elaborate;
mod format_string;
mod library;
mod listed;
mod lower;
mod names;
mod optimize;
mod program;
mod regex;
mod registers;
pub mod syscalls;
mod target;
mod types;

use debuginfo::Types;
use frontend_syntax::{
    Diagnostic, Environment, FileId, ParseOptions, SourceMap, ast, parse_with_macros,
};
use library::{Library, Reader};
pub use library::{LibraryFile, embedded_files, listing};
pub use listed::{ListedPoint, listed_points, listed_variables};
use std::collections::BTreeSet;
use vm_spec::blob::{Blob, HistogramStyle, Meta, RuntimeLimits};
use vm_spec::build::Limits;
use vm_spec::limits::{MAX_CALL_DEPTH, MAX_STRING_LENGTH};
use vm_spec::verify::verify;

/// What is to be compiled.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The script's name in messages: a file name or `<input>`.
    pub name: &'a str,
    /// The script.
    pub script: &'a [u8],
    /// Scripts in addition to it (`-E`).
    pub more_scripts: &'a [String],
    /// Name of the program (`-m`).
    pub module: &'a str,
    /// Script arguments.
    pub arguments: &'a [String],
    /// `-D NAME=value`.
    pub defines: &'a [(String, String)],
    /// `-G name=value`.
    pub globals: &'a [(String, String)],
    /// `-g`.
    pub guru: bool,
    /// Library files beside the embedded tapset; the first of a name counts.
    pub library: &'a [LibraryFile],
    /// Print the globals at the end that the script writes and never reads.
    pub display_globals: bool,
    /// Drop what has no effect (off by `-u`).
    pub optimize: bool,
    /// Whether what library aliases compute and nobody reads is left out.
    pub unread: Unread,
    /// Types of the kernel at hand; `None` if nobody knows them.
    pub types: Option<&'a Types>,
    /// The kernel that the preprocessor's conditions ask about.
    pub environment: &'a dyn Environment,
}

/// What becomes of variables of library aliases that no handler reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// They cost nothing.
    Dropped,
    /// They are there to be listed.
    Kept,
}

impl<'a> Request<'a> {
    /// A script with no options.
    pub fn new(name: &'a str, script: &'a [u8], environment: &'a dyn Environment) -> Request<'a> {
        Request {
            name,
            script,
            more_scripts: &[],
            module: "script",
            arguments: &[],
            defines: &[],
            globals: &[],
            guru: false,
            library: &[],
            display_globals: true,
            optimize: true,
            unread: Unread::Dropped,
            types: None,
            environment,
        }
    }
}

/// The places in the code that a probe point stands for, as debug symbols tell, each with its
/// text.
///
/// # Errors
/// Why there are none.
pub fn code_points(
    point: &ast::ProbePoint,
    types: &Types,
) -> Result<Vec<(String, debuginfo::dwarf::CodePoint)>, String> {
    elaborate::code_points(point, types)
}

impl std::fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A pass found errors; they are in [`Compiler::diagnostics`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed;

/// A script on its way, pass by pass.
#[derive(Debug)]
pub struct Compiler<'a> {
    request: Request<'a>,
    map: SourceMap,
    library: Library<'a>,
    /// The user's files, as against the library's.
    script_files: Vec<FileId>,
    diagnostics: Vec<Diagnostic>,
}

/// Parsed scripts: the main one first.
#[derive(Debug)]
pub struct Parsed(Vec<(String, ast::Script)>);

impl Parsed {
    /// What `-p1` prints: the trees as scripts again.
    pub fn listing(&self) -> String {
        let mut out = String::from("# parse tree dump\n");
        for (name, script) in &self.0 {
            out += &format!("# file {name}\n{}\n", frontend_syntax::printer::print(script));
        }
        out
    }

    fn merge(self) -> ast::Script {
        let items = self.0.into_iter().flat_map(|(_, script)| script.items);
        ast::Script { items: items.collect() }
    }
}

/// Calls in a user's script of what only guru mode may do.
fn guru_calls(script: &ast::Script) -> Vec<frontend_syntax::Span> {
    let bodies = script.items.iter().filter_map(|item| match item {
        ast::Item::Probe(probe) => Some(&probe.body),
        ast::Item::Alias(alias) => Some(&alias.body),
        ast::Item::Function(ast::Function { body: ast::FunctionBody::Script(body), .. }) => {
            Some(body)
        }
        _ => None,
    });
    bodies.flat_map(elaborate::variables::guru_calls).collect()
}

/// What the second pass found, for the pass line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Probes.
    pub probes: usize,
    /// Functions.
    pub functions: usize,
    /// Globals.
    pub globals: usize,
}

/// A script with its meaning found out.
#[derive(Debug)]
pub struct Analyzed(program::Program);

impl Analyzed {
    /// How much there is of what.
    pub fn counts(&self) -> Counts {
        Counts {
            probes: self.0.probes.iter().filter(|probe| !probe.keeping.serves_return).count(),
            functions: self.0.functions.len(),
            globals: self.0.globals.len(),
        }
    }

    /// What `-p2` prints.
    pub fn listing(&self) -> String {
        self.0.listing()
    }
}

/// Does a script's text name `argv` or `argc`, which hold all arguments?
fn names_arguments(text: &[u8]) -> bool {
    let between = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'_';
    text.split(between).any(|word| word == b"argv" || word == b"argc")
}

impl<'a> Compiler<'a> {
    /// Nothing done yet.
    pub fn new(request: Request<'a>) -> Compiler<'a> {
        let library = Library::new(request.library);
        Compiler {
            request,
            map: SourceMap::new(),
            library,
            script_files: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// How many files the library has.
    pub fn library_scripts(&self) -> usize {
        self.library.size()
    }

    /// Errors and warnings so far.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The texts that they point into.
    pub fn source_map(&self) -> &SourceMap {
        &self.map
    }

    fn finish<T>(&mut self, result: T, diagnostics: Vec<Diagnostic>) -> Result<T, Failed> {
        let failed = diagnostics.iter().any(Diagnostic::is_error);
        self.diagnostics.extend(diagnostics);
        if failed { Err(Failed) } else { Ok(result) }
    }

    /// Pass 1: the trees.
    ///
    /// # Errors
    /// [`Failed`] after parse errors.
    pub fn parse(&mut self) -> Result<Parsed, Failed> {
        let Request { name, script, more_scripts, arguments, .. } = self.request;
        let main = (name.to_owned(), script);
        let more = more_scripts.iter().zip(1..);
        let more = more.map(|(text, n)| (format!("<input{n}>"), text.as_bytes()));
        let mut scripts = Vec::new();
        let mut diagnostics = Vec::new();
        let mut used_arguments = BTreeSet::new();
        let mut first_file = None;
        for (name, text) in std::iter::once(main).chain(more) {
            let file = self.map.add(&name, text);
            first_file.get_or_insert(file);
            self.script_files.push(file);
            let options = ParseOptions {
                arguments,
                environment: self.request.environment,
                guru: self.request.guru,
            };
            let mut reader = Reader { map: &mut self.map, options };
            let macros = self.library.macros_for(text, &mut reader);
            let parsed = parse_with_macros(&self.map, file, &options, macros);
            used_arguments.extend(parsed.used_arguments);
            if names_arguments(text) {
                used_arguments.extend(1..=arguments.len() as u32);
            }
            diagnostics.extend(parsed.diagnostics);
            diagnostics.extend(self.library.take_diagnostics());
            scripts.push((name, parsed.script));
        }
        let unused = (1..=arguments.len() as u32).filter(|n| !used_arguments.contains(n));
        let start = first_file.map(|file| frontend_syntax::Span { file, start: 0, end: 0 });
        for n in unused {
            let message = format!("unused command line option ${n}/@{n}");
            diagnostics.push(Diagnostic::warning(message, start.unwrap_or_default()));
        }
        self.finish(Parsed(scripts), diagnostics)
    }

    /// Pass 2: probe points, names and types.
    ///
    /// # Errors
    /// [`Failed`] after semantic errors.
    pub fn analyze(&mut self, parsed: Parsed) -> Result<Analyzed, Failed> {
        let options = ParseOptions {
            arguments: self.request.arguments,
            environment: self.request.environment,
            guru: self.request.guru,
        };
        let script = parsed.merge();
        let forbidden = if self.request.guru { Vec::new() } else { guru_calls(&script) };
        let reader = Reader { map: &mut self.map, options };
        let (mut program, mut diagnostics) =
            elaborate::elaborate(script, &self.request, &mut self.library, reader);
        let message = "function not permitted; need stap -g";
        diagnostics.extend(forbidden.into_iter().map(|span| Diagnostic::semantic(message, span)));
        program.hide_globals_behind_parameters();
        if !diagnostics.iter().any(Diagnostic::is_error) {
            if self.request.optimize {
                diagnostics.extend(optimize::optimize(&mut program, &self.script_files));
            }
            if program.probes.is_empty() {
                let nowhere = frontend_syntax::Span::default();
                diagnostics.push(Diagnostic::semantic("no probes found", nowhere));
            }
        }
        if !diagnostics.iter().any(Diagnostic::is_error) {
            let Request { types, guru, .. } = self.request;
            let default = Limits::default().string_length;
            let length = define(&self.request, "MAXSTRINGLEN").unwrap_or(default);
            diagnostics.extend(target::resolve(&mut program, types, guru, length));
        }
        if !diagnostics.iter().any(Diagnostic::is_error) {
            diagnostics.extend(types::infer(&mut program));
        }
        if self.request.display_globals && !diagnostics.iter().any(Diagnostic::is_error) {
            diagnostics.extend(display::add(&mut program, &self.script_files));
        }
        self.finish(Analyzed(program), diagnostics)
    }

    /// Pass 3: the blob, its image verified.
    ///
    /// # Errors
    /// [`Failed`] after errors such as a handler with too many variables.
    pub fn translate(&mut self, analyzed: &Analyzed) -> Result<Blob, Failed> {
        let default = Limits::default();
        let nesting = u32::try_from(lower::nesting(&analyzed.0)).unwrap_or(MAX_CALL_DEPTH);
        let limits = Limits {
            string_length: self.limit("MAXSTRINGLEN", default.string_length, MAX_STRING_LENGTH),
            call_depth: self.limit("MAXNESTING", nesting.clamp(1, MAX_CALL_DEPTH), MAX_CALL_DEPTH),
            max_errors: define(&self.request, "MAXERRORS").unwrap_or(default.max_errors),
            max_skipped: define(&self.request, "MAXSKIPPED").unwrap_or(default.max_skipped),
        };
        let (lowered, mut diagnostics) =
            lower::lower(&analyzed.0, &self.map, limits, &self.request);
        let Some((image, points, source)) = lowered else {
            return self.finish((), diagnostics).and(Err(Failed));
        };
        if let Err(error) = verify(&image) {
            // A mistake of the compiler, not of the script; said rather than run.
            let start = frontend_syntax::Span::default();
            let message = format!("internal error: the compiled program is refused: {error}");
            diagnostics.push(Diagnostic::semantic(message, start));
        }
        let meta = Meta {
            name: self.request.module.to_owned(),
            script: self.request.name.to_owned(),
            producer: concat!("stapvm ", env!("CARGO_PKG_VERSION")).to_owned(),
            limits: runtime_limits(&self.request),
            histograms: histogram_style(&self.request),
            bulk: false,
        };
        let relocations = analyzed.0.targets.relocations.clone();
        self.finish(Blob { image, points, source, meta, relocations }, diagnostics)
    }

    /// A limit of `-D`, from 1 to what this runtime can give.
    fn limit(&mut self, name: &str, default: u32, most: u32) -> u32 {
        let wanted = define(&self.request, name).unwrap_or(default);
        if wanted > most {
            let nowhere = frontend_syntax::Span::default();
            let message = format!("{name}={wanted} is more than the runtime gives: it is {most}");
            self.diagnostics.push(Diagnostic::warning(message, nowhere));
        }
        wanted.clamp(1, most)
    }
}

/// The look of histograms, as `-D HIST_WIDTH` and `HIST_ELISION` set it.
fn histogram_style(request: &Request<'_>) -> HistogramStyle {
    let given = |name: &str| {
        let found = request.defines.iter().rev().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.parse::<i64>().ok())
    };
    let default = HistogramStyle::default();
    let bounded = |n: i64| u16::try_from(n.max(0)).unwrap_or(u16::MAX);
    HistogramStyle {
        width: given("HIST_WIDTH").map_or(default.width, |n| bounded(n.max(1))),
        kept: match given("HIST_ELISION") {
            Some(n) => (n >= 0).then(|| bounded(n)),
            None => default.kept,
        },
    }
}

/// Limits that bind a hit rather than the program, as `-D` sets them.
fn runtime_limits(request: &Request<'_>) -> RuntimeLimits {
    let given = |name: &str| {
        let found = request.defines.iter().rev().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.trim_end_matches(['u', 'U', 'l', 'L']).parse().ok())
    };
    let is_set = |name: &str| request.defines.iter().any(|(key, _)| key == name);
    let default = RuntimeLimits::default();
    let no_overload = ["STP_NO_OVERLOAD", "STAP_NO_OVERLOAD", SUPPRESS_TIME_LIMITS];
    let overload_interval = if no_overload.into_iter().any(is_set) {
        0
    } else {
        given("STP_OVERLOAD_INTERVAL").unwrap_or(default.overload_interval)
    };
    let small = |name: &str| given(name).and_then(|n: u64| u32::try_from(n).ok());
    RuntimeLimits {
        overload_interval,
        overload_threshold: given("STP_OVERLOAD_THRESHOLD").unwrap_or(default.overload_threshold),
        lock_attempts: small("MAXTRYLOCK").unwrap_or(default.lock_attempts),
        lock_pause_us: small("TRYLOCKDELAY").unwrap_or(default.lock_pause_us),
    }
}

/// What `--suppress-handler-errors` defines (`-D`).
pub const SUPPRESS_HANDLER_ERRORS: &str = "STAP_SUPPRESS_HANDLER_ERRORS";

/// What SystemTap's `--suppress-time-limits` defines; scripts may be run with `-D` of it, too.
pub(crate) const SUPPRESS_TIME_LIMITS: &str = "STAP_SUPPRESS_TIME_LIMITS_ENABLE";

/// The number that `-D name=number` gives.
pub(crate) fn define(request: &Request<'_>, name: &str) -> Option<u32> {
    let found = request.defines.iter().rev().find(|(key, _)| key == name);
    found.and_then(|(_, value)| value.parse().ok())
}

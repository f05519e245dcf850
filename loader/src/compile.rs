// SPDX-License-Identifier: GPL-2.0-or-later
//! The frontend's passes with their pass lines.

use crate::options::plan::Warnings;
use frontend::{Compiler, Failed, Request};
use frontend_syntax::Environment;
use frontend_syntax::diagnostic::Severity;
use frontend_syntax::render::{render, render_colored};
use nix::sys::resource::{UsageWho, getrusage};
use std::io::Write;
use std::time::Instant;
use vm_spec::blob::Blob;

/// The kernel that a program is for, for the preprocessor's conditions.
#[derive(Debug)]
pub struct TargetKernel {
    release: String,
    language: String,
}

impl TargetKernel {
    /// The kernel of a release; `language` is the SystemTap whose language is spoken.
    pub fn new(release: &str, language: &str) -> TargetKernel {
        TargetKernel { release: release.to_owned(), language: language.to_owned() }
    }
}

/// The running kernel's release.
pub fn running_release() -> String {
    let name = nix::sys::utsname::uname();
    name.map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default()
}

impl Environment for TargetKernel {
    fn kernel_release(&self) -> &str {
        &self.release
    }

    fn language_version(&self) -> &str {
        &self.language
    }

    fn config(&self, name: &str) -> Option<String> {
        let release = &self.release;
        let places =
            [format!("/boot/config-{release}"), format!("/lib/modules/{release}/build/.config")];
        let text = places.iter().find_map(|place| std::fs::read_to_string(place).ok())?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    }
}

/// What is wanted of the compiler.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The last pass.
    pub last_pass: u8,
    /// How much each pass says: its line, if more than 0.
    pub verbose: [u8; 5],
    /// What becomes of warnings.
    pub warnings: Warnings,
    /// Whether messages are coloured.
    pub color: bool,
}

/// What came of it.
#[derive(Debug)]
pub enum Compiled {
    /// An earlier pass was the last, and its text has been printed.
    Text,
    /// A program.
    Blob(Box<Blob>),
}

/// The pass that failed; its errors have been printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassFailed(pub u8);

impl PassFailed {
    /// The closing line, as SystemTap has it.
    pub fn text(self) -> String {
        let what = match self.0 {
            1 => "parse",
            2 => "analysis",
            3 => "translation",
            4 => "compilation",
            _ => "run",
        };
        format!("Pass {}: {what} failed.  [man error::pass{0}]", self.0)
    }
}

/// Times a pass for its line.
#[derive(Debug)]
pub struct Stopwatch {
    start: Instant,
    user: i64,
    system: i64,
}

fn cpu_ms() -> (i64, i64) {
    let ms = |t: nix::sys::time::TimeVal| t.tv_sec() * 1000 + t.tv_usec() / 1000;
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    usage.map_or((0, 0), |usage| (ms(usage.user_time()), ms(usage.system_time())))
}

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Stopwatch {
        let (user, system) = cpu_ms();
        Stopwatch { start: Instant::now(), user, system }
    }

    /// `in 10usr/0sys/12real ms.`
    pub fn text(&self) -> String {
        let (user, system) = cpu_ms();
        let real = self.start.elapsed().as_millis();
        format!("in {}usr/{}sys/{real}real ms.", user - self.user, system - self.system)
    }
}

/// `using 1virt/2res/3shr/4data kb,`
fn memory() -> String {
    // Pages of 4 KiB: size, resident, shared, text, lib, data (proc(5)).
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let kb: Vec<u64> =
        statm.split_whitespace().filter_map(|n| n.parse().ok()).map(|n: u64| n * 4).collect();
    let at = |n: usize| kb.get(n).copied().unwrap_or(0);
    format!("using {}virt/{}res/{}shr/{}data kb,", at(0), at(1), at(2), at(5))
}

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Tells what the compiler has to say, as it goes on.
struct Teller {
    wanted: Wanted,
    told: usize,
}

impl Teller {
    /// Prints the diagnostics of a pass; whether it may go on.
    fn tell<T>(
        &mut self,
        compiler: &Compiler<'_>,
        pass: u8,
        result: Result<T, Failed>,
    ) -> Result<T, PassFailed> {
        let new = compiler.diagnostics().iter().skip(self.told);
        let mut warned = false;
        for diagnostic in new {
            let warning = diagnostic.severity == Severity::Warning;
            warned |= warning;
            if !warning || self.wanted.warnings != Warnings::Hidden {
                let map = compiler.source_map();
                let text = match self.wanted.color {
                    true => render_colored(map, diagnostic),
                    false => render(map, diagnostic),
                };
                eprintln!("{text}");
            }
        }
        self.told = compiler.diagnostics().len();
        match result {
            Ok(_) if warned && self.wanted.warnings == Warnings::Errors => Err(PassFailed(pass)),
            result => result.map_err(|Failed| PassFailed(pass)),
        }
    }

    /// Ends a pass: its text, if it is the last, and its line. Whether it is the last.
    fn end(&self, pass: u8, watch: &Stopwatch, text: impl FnOnce() -> String, line: &str) -> bool {
        let last = self.wanted.last_pass == pass;
        if last {
            // A reader that has gone away has seen enough.
            let _ = std::io::stdout().write_all(text().as_bytes());
        }
        if self.wanted.verbose.get(usize::from(pass) - 1).is_some_and(|level| *level > 0) {
            eprintln!("Pass {pass}: {line} {} {}", memory(), watch.text());
        }
        last
    }
}

/// Compiles up to the last pass that is wanted; prints diagnostics and pass lines on
/// standard error, and the text of the last pass, if it has one, on standard output.
///
/// # Errors
/// The pass that failed.
pub fn compile(request: Request<'_>, wanted: Wanted) -> Result<Compiled, PassFailed> {
    let mut compiler = Compiler::new(request);
    let mut teller = Teller { wanted, told: 0 };

    let watch = Stopwatch::start();
    let parsed = compiler.parse();
    let parsed = teller.tell(&compiler, 1, parsed)?;
    let scripts = plural(compiler.library_scripts(), "library script");
    let line = format!("parsed user script and {scripts}");
    if teller.end(1, &watch, || parsed.listing(), &line) {
        return Ok(Compiled::Text);
    }

    let watch = Stopwatch::start();
    let analyzed = compiler.analyze(parsed);
    let analyzed = teller.tell(&compiler, 2, analyzed)?;
    let counts = analyzed.counts();
    let line = format!(
        "analyzed script: {}, {}, 0 embeds, {}",
        plural(counts.probes, "probe"),
        plural(counts.functions, "function"),
        plural(counts.globals, "global")
    );
    if teller.end(2, &watch, || analyzed.listing(), &line) {
        return Ok(Compiled::Text);
    }

    let watch = Stopwatch::start();
    let blob = compiler.translate(&analyzed);
    let blob = teller.tell(&compiler, 3, blob)?;
    // The compiler has verified it; a blob that cannot be shown has nothing to show.
    let text = || crate::disasm::text(&blob).unwrap_or_else(|error| format!("{error}\n"));
    if teller.end(3, &watch, text, "translated to bytecode") {
        return Ok(Compiled::Text);
    }
    Ok(Compiled::Blob(Box::new(blob)))
}

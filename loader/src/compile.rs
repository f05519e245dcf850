// SPDX-License-Identifier: GPL-2.0-or-later
//! The frontend's passes with their pass lines.

use frontend::{Compiler, Failed, Request};
use frontend_syntax::Environment;
use frontend_syntax::diagnostic::Severity;
use frontend_syntax::render::render;
use nix::sys::resource::{UsageWho, getrusage};
use std::time::Instant;
use vm_spec::blob::Blob;

/// This machine, for the preprocessor's conditions.
#[derive(Debug)]
pub struct ThisKernel {
    release: String,
}

impl ThisKernel {
    /// Asks the kernel.
    pub fn new() -> ThisKernel {
        let name = nix::sys::utsname::uname();
        let release = name.map(|name| name.release().to_string_lossy().into_owned());
        ThisKernel { release: release.unwrap_or_default() }
    }
}

impl Default for ThisKernel {
    fn default() -> Self {
        ThisKernel::new()
    }
}

impl Environment for ThisKernel {
    fn kernel_release(&self) -> &str {
        &self.release
    }

    fn config(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(format!("/boot/config-{}", self.release)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    }
}

/// What is wanted of the compiler.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The last pass.
    pub last_pass: u8,
    /// Print pass lines.
    pub verbose: bool,
    /// Print no warnings.
    pub quiet: bool,
}

/// What came of it.
#[derive(Debug)]
pub enum Compiled {
    /// An earlier pass was the last: its text.
    Text(String),
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

/// Compiles up to the last pass that is wanted; prints diagnostics and pass lines on
/// standard error.
///
/// # Errors
/// The pass that failed.
pub fn compile(request: Request<'_>, wanted: Wanted) -> Result<Compiled, PassFailed> {
    let mut compiler = Compiler::new(request);
    let mut told = 0;
    let mut tell = |compiler: &Compiler<'_>| {
        for diagnostic in compiler.diagnostics().iter().skip(told) {
            if diagnostic.severity != Severity::Warning || !wanted.quiet {
                eprintln!("{}", render(compiler.source_map(), diagnostic));
            }
        }
        told = compiler.diagnostics().len();
    };
    let line = |text: String, watch: &Stopwatch| {
        if wanted.verbose {
            eprintln!("{text} {} {}", memory(), watch.text());
        }
    };

    let watch = Stopwatch::start();
    let script = compiler.parse();
    tell(&compiler);
    let script = script.map_err(|Failed| PassFailed(1))?;
    let scripts = plural(compiler.library_scripts(), "library script");
    line(format!("Pass 1: parsed user script and {scripts}"), &watch);
    if wanted.last_pass == 1 {
        return Ok(Compiled::Text(format!("{script:#?}\n")));
    }

    let watch = Stopwatch::start();
    let analyzed = compiler.analyze(script);
    tell(&compiler);
    let analyzed = analyzed.map_err(|Failed| PassFailed(2))?;
    let counts = analyzed.counts();
    line(
        format!(
            "Pass 2: analyzed script: {}, {}, 0 embeds, {}",
            plural(counts.probes, "probe"),
            plural(counts.functions, "function"),
            plural(counts.globals, "global")
        ),
        &watch,
    );
    if wanted.last_pass == 2 {
        return Ok(Compiled::Text(analyzed.listing()));
    }

    let watch = Stopwatch::start();
    let blob = compiler.translate(&analyzed);
    tell(&compiler);
    let blob = blob.map_err(|Failed| PassFailed(3))?;
    line("Pass 3: translated to bytecode".to_owned(), &watch);
    if wanted.last_pass == 3 {
        return crate::disasm::text(&blob).map(Compiled::Text).map_err(|_| PassFailed(3));
    }
    Ok(Compiled::Blob(Box::new(blob)))
}

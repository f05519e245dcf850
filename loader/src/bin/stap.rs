// SPDX-License-Identifier: GPL-2.0-or-later
//! `stap`: compiles a script and runs it.

use clap::Parser;
use frontend::Request;
use loader::compile::{Compiled, PassFailed, Stopwatch, ThisKernel, Wanted, compile};
use loader::options::{Stap, module_name, pair};
use loader::session::{Ended, RunOptions, run};
use std::io::{Read, Write};
use std::process::ExitCode;
use vm_spec::blob::Blob;

fn main() -> ExitCode {
    let mut options = Stap::parse();
    match go(&mut options) {
        Ok(code) => code,
        Err(Problem::Pass(failed)) => {
            eprintln!("{}", failed.text());
            ExitCode::FAILURE
        }
        Err(Problem::Usage(text)) => {
            eprintln!("stap: {text}");
            eprintln!("Try '--help' for more information.");
            ExitCode::FAILURE
        }
    }
}

enum Problem {
    Pass(PassFailed),
    Usage(String),
}

impl From<PassFailed> for Problem {
    fn from(failed: PassFailed) -> Self {
        Problem::Pass(failed)
    }
}

fn script(options: &mut Stap) -> Result<(String, Vec<u8>), Problem> {
    if let Some(text) = options.script_text.take() {
        return Ok(("<input>".to_owned(), text.into_bytes()));
    }
    if options.arguments.is_empty() {
        return Err(Problem::Usage("A script must be specified.".to_owned()));
    }
    let name = options.arguments.remove(0);
    if name == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        read.map_err(|error| Problem::Usage(format!("standard input: {error}")))?;
        return Ok(("<input>".to_owned(), bytes));
    }
    match std::fs::read(&name) {
        Ok(bytes) => Ok((name, bytes)),
        Err(error) => {
            eprintln!("Input file '{name}' is missing or unreadable: {error}");
            Err(PassFailed(1).into())
        }
    }
}

fn go(options: &mut Stap) -> Result<ExitCode, Problem> {
    if !matches!(options.runtime.as_str(), "kernel" | "bytecode") {
        let text =
            format!("runtime '{}' is not supported: bytecode in the kernel is", options.runtime);
        return Err(Problem::Usage(text));
    }
    let (name, bytes) = script(options)?;
    let module = options.module.as_deref().map_or_else(
        || format!("stap_{}", std::process::id()),
        |name| module_name(name).to_owned(),
    );
    let defines: Vec<_> = options.defines.iter().map(|text| pair(text)).collect();
    let globals: Vec<_> = options.globals.iter().map(|text| pair(text)).collect();
    let library = loader::library::read(&options.include).map_err(Problem::Usage)?;
    let kernel = ThisKernel::new();
    let request = Request {
        name: &name,
        script: &bytes,
        module: &module,
        arguments: &options.arguments,
        defines: &defines,
        globals: &globals,
        guru: options.guru,
        library: &library,
        environment: &kernel,
    };
    let wanted =
        Wanted { last_pass: options.last_pass, verbose: options.verbose > 0, quiet: options.quiet };
    let blob = match compile(request, wanted)? {
        Compiled::Text(text) => {
            // A reader that has gone away has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return Ok(ExitCode::SUCCESS);
        }
        Compiled::Blob(blob) => *blob,
    };
    let watch = Stopwatch::start();
    if options.last_pass == 4 {
        write_blob(&blob, &module)?;
    }
    if options.verbose > 0 {
        eprintln!("Pass 4: compiled bytecode into \"{module}.sbc\" {}", watch.text());
    }
    if options.last_pass == 4 {
        return Ok(ExitCode::SUCCESS);
    }
    run_blob(&blob, options)
}

fn write_blob(blob: &Blob, module: &str) -> Result<(), Problem> {
    let file = format!("{module}.sbc");
    let written = blob
        .encode()
        .map_err(|error| error.to_string())
        .and_then(|bytes| std::fs::write(&file, bytes).map_err(|error| format!("{file}: {error}")));
    if let Err(error) = written {
        eprintln!("{error}");
        return Err(PassFailed(4).into());
    }
    println!("{file}");
    Ok(())
}

fn run_blob(blob: &Blob, options: &Stap) -> Result<ExitCode, Problem> {
    if options.verbose > 0 {
        eprintln!("Pass 5: starting run.");
    }
    let watch = Stopwatch::start();
    let ended = run(
        blob,
        &RunOptions {
            command: options.command.clone(),
            target: options.target,
            output: options.output.clone(),
            buffer_megabytes: options.buffer,
            overrides: Vec::new(),
        },
    );
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
    if options.verbose > 0 {
        eprintln!("Pass 5: run completed {}", watch.text());
    }
    if failed { Err(PassFailed(5).into()) } else { Ok(ExitCode::SUCCESS) }
}

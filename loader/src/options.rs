// SPDX-License-Identifier: GPL-2.0-or-later
//! The command lines of `stap` and `staprun`, as typed. Options of SystemTap that have
//! no meaning here are taken and ignored, so that tools that give them go on working.

use clap::{ArgAction, Parser};

/// `stap`
#[derive(Parser, Debug)]
#[command(name = "stap", version, about = "Compiles SystemTap scripts to bytecode and runs them")]
pub struct Stap {
    /// Run as bytecode: this program's only way, may be left out
    #[arg(long)]
    pub bytecode: bool,
    /// Script text instead of a file
    #[arg(short = 'e', value_name = "SCRIPT")]
    pub script_text: Option<String>,
    /// Stop after pass N (1 to 5)
    #[arg(short = 'p', value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub last_pass: u8,
    /// Say more; twice for more yet
    #[arg(short = 'v', action = ArgAction::Count)]
    pub verbose: u8,
    /// Write output to FILE
    #[arg(short = 'o', value_name = "FILE")]
    pub output: Option<String>,
    /// Run CMD; the session ends with it; target() is its pid
    #[arg(short = 'c', value_name = "CMD")]
    pub command: Option<String>,
    /// target() is PID
    #[arg(short = 'x', value_name = "PID")]
    pub target: Option<i32>,
    /// Name of the program; with -p4, NAME.sbc is written
    #[arg(short = 'm', value_name = "NAME")]
    pub module: Option<String>,
    /// Look in folder DIR for further library scripts
    #[arg(short = 'I', value_name = "DIR")]
    pub include: Vec<String>,
    /// Set a global variable
    #[arg(short = 'G', value_name = "VAR=VALUE")]
    pub globals: Vec<String>,
    /// Set a limit such as MAXACTION
    #[arg(short = 'D', value_name = "NAME=VALUE")]
    pub defines: Vec<String>,
    /// Megabytes of output buffer for each CPU
    #[arg(short = 's', value_name = "MB")]
    pub buffer: Option<u32>,
    /// Guru mode: taken, gives nothing more yet
    #[arg(short = 'g')]
    pub guru: bool,
    /// Way to run: only bytecode in the kernel
    #[arg(long, value_name = "MODE", default_value = "kernel")]
    pub runtime: String,
    /// Ignored: keep temporary files
    #[arg(short = 'k', hide = true)]
    pub keep: bool,
    /// Ignored: no optimisation of unused parts
    #[arg(short = 'u', hide = true)]
    pub unoptimized: bool,
    /// Suppress warnings
    #[arg(short = 'w')]
    pub quiet: bool,
    /// Script file and its arguments
    #[arg(trailing_var_arg = true)]
    pub arguments: Vec<String>,
}

/// `staprun`
#[derive(Parser, Debug)]
#[command(name = "staprun", version, about = "Runs a compiled program (.sbc)")]
pub struct Staprun {
    /// Say more
    #[arg(short = 'v', action = ArgAction::Count)]
    pub verbose: u8,
    /// Run CMD; the session ends with it; target() is its pid
    #[arg(short = 'c', value_name = "CMD")]
    pub command: Option<String>,
    /// target() is PID
    #[arg(short = 'x', value_name = "PID")]
    pub target: Option<i32>,
    /// Write output to FILE
    #[arg(short = 'o', value_name = "FILE")]
    pub output: Option<String>,
    /// Megabytes of output buffer for each CPU
    #[arg(short = 'b', value_name = "MB")]
    pub buffer: Option<u32>,
    /// Suppress warnings
    #[arg(short = 'w')]
    pub quiet: bool,
    /// Ignored: remove the renamed module
    #[arg(short = 'R', hide = true)]
    pub rename: bool,
    /// The program; what it is named does not matter
    pub program: String,
    /// Start values of globals
    #[arg(value_name = "VAR=VALUE")]
    pub globals: Vec<String>,
}

/// Splits `name=value`; `name` alone means 1, as in SystemTap.
pub fn pair(text: &str) -> (String, String) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text.to_owned(), "1".to_owned()),
    }
}

/// The name of a program: a trailing `.ko` or `.sbc` is dropped.
pub fn module_name(text: &str) -> &str {
    text.strip_suffix(".ko").or_else(|| text.strip_suffix(".sbc")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_at_the_script() {
        let stap = Stap::parse_from(["stap", "-vv", "-p4", "-m", "n.ko", "x.stp", "-a", "-v"]);
        assert_eq!((stap.verbose, stap.last_pass), (2, 4));
        assert_eq!(stap.module.as_deref().map(module_name), Some("n"));
        assert_eq!(stap.arguments, ["x.stp", "-a", "-v"]);
    }

    #[test]
    fn pairs() {
        assert_eq!(pair("A=b=c"), ("A".into(), "b=c".into()));
        assert_eq!(pair("A"), ("A".into(), "1".into()));
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What an option is, and how a table of options reads a command line.
//!
//! The rules are those of getopt_long(3), which SystemTap uses: options and operands may
//! be mixed, `--` ends the options, short ones may be joined (`-vp4`), a long name may be
//! cut as long as it stays clear which one is meant.

use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::fmt::Write;

/// What comes after an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A value, called this in the help text.
    Value(&'static str),
    /// A value after `=`, or none.
    Maybe(&'static str),
}

/// What an option does here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// What it does in SystemTap.
    Done,
    /// Nothing, for the reason given; so tools that give it go on working.
    Nothing(&'static str),
    /// The command line is refused, for the reason given.
    Refused(&'static str),
}

/// One option: a row of a table.
#[expect(missing_debug_implementations, reason = "a row of a constant table")]
pub struct Flag<T: 'static> {
    /// `v` of `-v`.
    pub short: Option<char>,
    /// `color` and `colour` of `--color`, `--colour`.
    pub long: &'static [&'static str],
    /// What comes after it.
    pub takes: Takes,
    /// What it does here.
    pub effect: Effect,
    /// For the help text.
    pub help: &'static str,
    /// Notes it with its value, "" if it has none.
    pub set: fn(&mut T, &str) -> Result<(), OptionError>,
}

/// Why a command line cannot be followed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OptionError {
    /// No such long option.
    #[error("{program}: unrecognized option '--{name}'")]
    UnknownLong {
        /// Whose option.
        program: &'static str,
        /// As typed.
        name: String,
    },
    /// No such short option.
    #[error("{program}: invalid option -- '{letter}'")]
    UnknownShort {
        /// Whose option.
        program: &'static str,
        /// As typed.
        letter: char,
    },
    /// A cut name could be several options.
    #[error("{program}: option '--{name}' is ambiguous; possibilities:{possible}")]
    Ambiguous {
        /// Whose option.
        program: &'static str,
        /// As typed.
        name: String,
        /// ` '--a' '--b'`
        possible: String,
    },
    /// The command line ended before the option's value.
    #[error("{program}: option requires an argument -- '{name}'")]
    NeedsValue {
        /// Whose option.
        program: &'static str,
        /// As typed.
        name: String,
    },
    /// A value where none belongs, or text that is no UTF-8.
    #[error("{program}: {text}")]
    Malformed {
        /// Whose option.
        program: &'static str,
        /// What is wrong.
        text: String,
    },
    /// An option that cannot be followed here.
    #[error("{name} is not supported: {reason}")]
    Refused {
        /// The option.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// A value of the wrong form.
    #[error("ERROR: Safety pattern mismatch for {name} parameter ('{value}' vs. '{pattern}') rc=1")]
    Pattern {
        /// The option.
        name: &'static str,
        /// As typed.
        value: String,
        /// What it should look like.
        pattern: &'static str,
    },
    /// A value out of range.
    #[error("{0}")]
    Value(String),
    /// Options that exclude or need each other.
    #[error("{0}")]
    Together(&'static str),
    /// Nothing to run.
    #[error("{0} must be specified.")]
    NoProgram(&'static str),
}

impl OptionError {
    /// Whether the reader is to be sent to `--help`: after mistakes about which options
    /// there are, not after wrong values.
    pub fn hints_at_help(&self) -> bool {
        !matches!(
            self,
            OptionError::Pattern { .. } | OptionError::Value(_) | OptionError::Refused { .. }
        )
    }
}

/// A table of options with whose it is.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a constant table")]
pub struct Table<T: 'static> {
    /// The program's name.
    pub program: &'static str,
    /// Its options.
    pub flags: &'static [Flag<T>],
    /// Notes an operand.
    pub operand: fn(&mut T, String),
}

impl<T> Table<T> {
    /// Reads the words after the program's name into `options`.
    ///
    /// # Errors
    /// The first word that cannot be followed.
    pub fn read<I>(&self, words: I, options: &mut T) -> Result<(), OptionError>
    where
        I: IntoIterator<Item: Into<OsString>>,
    {
        let mut parser = Parser::from_args(words);
        while let Some(argument) = parser.next().map_err(|e| self.malformed(&e))? {
            let (flag, name) = match argument {
                Arg::Value(word) => {
                    (self.operand)(options, self.text(word)?);
                    continue;
                }
                Arg::Short(letter) => (self.short(letter)?, format!("-{letter}")),
                Arg::Long(name) => {
                    let name = name.to_owned();
                    (self.long(&name)?, format!("--{name}"))
                }
            };
            if let Effect::Refused(reason) = flag.effect {
                return Err(OptionError::Refused { name, reason });
            }
            let value = match flag.takes {
                Takes::Nothing => String::new(),
                Takes::Maybe(_) => self.text(parser.optional_value().unwrap_or_default())?,
                Takes::Value(_) => {
                    let missing = || OptionError::NeedsValue {
                        program: self.program,
                        name: name.trim_start_matches('-').to_owned(),
                    };
                    self.text(parser.value().map_err(|_| missing())?)?
                }
            };
            (flag.set)(options, &value)?;
        }
        Ok(())
    }

    fn malformed(&self, error: &lexopt::Error) -> OptionError {
        OptionError::Malformed { program: self.program, text: error.to_string() }
    }

    fn text(&self, word: OsString) -> Result<String, OptionError> {
        word.into_string().map_err(|word| OptionError::Malformed {
            program: self.program,
            text: format!("argument is not valid UTF-8: {}", word.display()),
        })
    }

    fn short(&self, letter: char) -> Result<&'static Flag<T>, OptionError> {
        let program = self.program;
        let flag = self.flags.iter().find(|flag| flag.short == Some(letter));
        flag.ok_or(OptionError::UnknownShort { program, letter })
    }

    fn long(&self, name: &str) -> Result<&'static Flag<T>, OptionError> {
        let program = self.program;
        let names = || self.flags.iter().flat_map(|f| f.long.iter().map(move |long| (f, *long)));
        if let Some((flag, _)) = names().find(|(_, long)| *long == name) {
            return Ok(flag);
        }
        let near: Vec<_> = names().filter(|(_, long)| long.starts_with(name)).collect();
        match near.as_slice() {
            [] => Err(OptionError::UnknownLong { program, name: name.to_owned() }),
            [(flag, _)] => Ok(flag),
            [(first, _), rest @ ..] if rest.iter().all(|(flag, _)| std::ptr::eq(*flag, *first)) => {
                Ok(first)
            }
            several => {
                let possible = several.iter().map(|(_, long)| format!(" '--{long}'")).collect();
                Err(OptionError::Ambiguous { program, name: name.to_owned(), possible })
            }
        }
    }

    /// The help text's list of options.
    pub fn help(&self) -> String {
        let mut out = String::new();
        for flag in self.flags {
            let mut names: Vec<String> = flag.short.map(|c| format!("-{c}")).into_iter().collect();
            names.extend(flag.long.iter().map(|long| format!("--{long}")));
            let value = match flag.takes {
                Takes::Nothing => String::new(),
                Takes::Value(name) if flag.long.is_empty() => format!(" {name}"),
                Takes::Value(name) => format!("={name}"),
                Takes::Maybe(name) => format!("[={name}]"),
            };
            let left = format!("  {}{value}", names.join(" "));
            let note = match flag.effect {
                Effect::Done => String::new(),
                Effect::Nothing(reason) => format!(" (does nothing: {reason})"),
                Effect::Refused(reason) => format!(" (not supported: {reason})"),
            };
            // Writing to a String cannot fail.
            let _ = if left.len() > 22 {
                writeln!(out, "{left}\n{:24}{}{note}", "", flag.help)
            } else {
                writeln!(out, "{left:24}{}{note}", flag.help)
            };
        }
        out
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Values of options that have a form. The forms are SystemTap's, whose letters may be
//! of either case.

use super::flag::OptionError;

/// Longest name of a kernel module that is left whole, and so of a program.
const MODULE_NAME_LENGTH: usize = 55;

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_identifier(text: &str) -> bool {
    is_word(text) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// The name of a program; a trailing `.ko` or `.sbc` is dropped, and what is too long.
///
/// # Errors
/// A name that is none.
pub fn module_name(text: &str) -> Result<String, OptionError> {
    let stem = text.strip_suffix(".ko").or_else(|| text.strip_suffix(".sbc")).unwrap_or(text);
    if stem.is_empty() {
        return Err(OptionError::Value("Module name cannot be empty.".to_owned()));
    }
    if !is_word(stem) {
        return Err(OptionError::Pattern {
            name: "-m",
            value: text.to_owned(),
            pattern: "^[a-z0-9_]+$",
        });
    }
    Ok(stem.chars().take(MODULE_NAME_LENGTH).collect())
}

/// `VAR=VALUE` of -G.
///
/// # Errors
/// Another form.
pub fn global(text: &str) -> Result<(String, String), OptionError> {
    let value = |v: &str| {
        !v.is_empty() && v.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    match text.split_once('=') {
        Some((name, v)) if is_identifier(name) && value(v) => Ok((name.to_owned(), v.to_owned())),
        _ => Err(OptionError::Pattern {
            name: "-G",
            value: text.to_owned(),
            pattern: "^[a-z_][a-z0-9_]*=[a-z0-9_.-]+$",
        }),
    }
}

/// `NAME=VALUE` of -D; `NAME` alone means 1, as for a C compiler.
///
/// # Errors
/// Another form.
pub fn define(text: &str) -> Result<(String, String), OptionError> {
    let (name, value) = text.split_once('=').unwrap_or((text, "1"));
    if is_identifier(name) && is_word(value.strip_prefix('-').unwrap_or(value)) {
        return Ok((name.to_owned(), value.to_owned()));
    }
    Err(OptionError::Pattern {
        name: "-D",
        value: text.to_owned(),
        pattern: "^[a-z_][a-z_0-9]*(=-?[a-z_0-9]+)?$",
    })
}

/// Splits `name=value` of staprun.
pub fn pair(text: &str) -> (String, String) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text.to_owned(), "1".to_owned()),
    }
}

/// `SIZE[,FILES]` of -S: megabytes of one output file, and how many files are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// Megabytes of one file.
    pub megabytes: u32,
    /// Files that are kept; all, if not given.
    pub files: Option<u32>,
}

impl Rotation {
    /// Reads it.
    ///
    /// # Errors
    /// Another form.
    pub fn parse(text: &str) -> Result<Rotation, OptionError> {
        let wrong = || OptionError::Pattern {
            name: "-S",
            value: text.to_owned(),
            pattern: "^[0-9]+(,[0-9]+)?$",
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten().ok_or_else(wrong)
        };
        let (megabytes, files) = match text.split_once(',') {
            Some((size, files)) => (number(size)?, Some(number(files)?)),
            None => (number(text)?, None),
        };
        Ok(Rotation { megabytes, files })
    }
}

/// Megabytes of a buffer.
///
/// # Errors
/// Not from 1 to 4095.
pub fn buffer(text: &str) -> Result<u32, OptionError> {
    let number = text.parse().ok().filter(|n| (1..=4095).contains(n));
    number.ok_or_else(|| OptionError::Value("Invalid buffer size (should be 1-4095).".to_owned()))
}

/// A process's number.
///
/// # Errors
/// Not a number.
pub fn process(text: &str) -> Result<i32, OptionError> {
    let wrong = |_| OptionError::Value("Invalid target process ID number.".to_owned());
    text.parse().map_err(wrong)
}

/// A command that is to be run.
///
/// # Errors
/// It is empty.
pub fn command(text: &str) -> Result<String, OptionError> {
    if text.is_empty() {
        return Err(OptionError::Value("Empty CMD string invalid.".to_owned()));
    }
    Ok(text.to_owned())
}

/// Whether messages are coloured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Reads `auto`, `always` or `never`; "" is always.
    ///
    /// # Errors
    /// Another word; `option` is what the message says.
    pub fn parse(option: &str, text: &str) -> Result<Color, OptionError> {
        match text {
            "" | "always" => Ok(Color::Always),
            "auto" => Ok(Color::Auto),
            "never" => Ok(Color::Never),
            _ => Err(OptionError::Value(format!("Invalid argument '{text}' for {option}."))),
        }
    }

    /// Whether standard error is written in colour.
    pub fn on_stderr(self) -> bool {
        use std::io::IsTerminal;
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stderr().is_terminal(),
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The example scripts of Debian's systemtap-doc. They are used where the package puts
//! them and never copied here.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the package puts them.
pub const FOLDER: &str = "/usr/share/systemtap/examples";

/// One script.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its path below [`FOLDER`].
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its file name.
    pub file: String,
    /// The words of its `test_check` behind `stap`, with no `-p4`.
    words: Vec<String>,
}

/// All that want neither guru mode nor embedded C, and how many others there are.
///
/// # Errors
/// The package is not there.
pub fn all() -> Result<(Vec<Example>, usize), String> {
    let mut paths = Vec::new();
    collect(Path::new(FOLDER), &mut paths)?;
    paths.sort();
    let mut left_out = 0;
    let mut examples = Vec::new();
    for path in paths {
        match read(&path)? {
            Some(example) => examples.push(example),
            None => left_out += 1,
        }
    }
    Ok((examples, left_out))
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), String> {
    let wrong = |error| format!("{}: {error} (package systemtap-doc)", folder.display());
    for entry in fs::read_dir(folder).map_err(wrong)?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            // Library scripts of an example.
            if path.file_name().is_none_or(|name| name != "tapset") {
                collect(&path, paths)?;
            }
        } else if path.extension().is_some_and(|ending| ending == "stp") {
            paths.push(path);
        }
    }
    Ok(())
}

/// `None` for one that is left out.
fn read(path: &Path) -> Result<Option<Example>, String> {
    let wrong = |error| format!("{}: {error}", path.display());
    let bytes = fs::read(path).map_err(wrong)?;
    let script = String::from_utf8_lossy(&bytes);
    let first = script.lines().next().unwrap_or_default();
    let meta = fs::read(path.with_extension("meta")).unwrap_or_default();
    let meta = String::from_utf8_lossy(&meta).into_owned();
    let check = meta.lines().find_map(|line| line.strip_prefix("test_check:")).unwrap_or_default();
    let words = words(check);
    let asks = |words: &str| words.split_whitespace().any(is_guru);
    if script.contains("%{") || (first.starts_with("#!") && asks(first)) || asks(check) {
        return Ok(None);
    }
    let text =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some(Example {
        name: path.strip_prefix(FOLDER).unwrap_or(path).display().to_string(),
        folder: path.parent().unwrap_or(Path::new("/")).to_owned(),
        file: text(path.file_name()),
        words,
    }))
}

/// `-g` alone or with others: `-gp4`.
fn is_guru(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| {
        letters.starts_with('g') && !letters.starts_with("globals")
            || letters.len() <= 5
                && letters.ends_with('g')
                && letters.chars().all(char::is_alphabetic)
    })
}

/// The words of `test_check` behind `stap`, as a shell would see them.
fn words(check: &str) -> Vec<String> {
    let first = check.split("||").next().unwrap_or_default();
    let first = first.split("&&").next().unwrap_or_default();
    // Whatever a command of the shell would name: an address of the kernel, or a program
    // that is always there.
    let mut text = String::new();
    let mut commands = first.split('`');
    text.push_str(commands.next().unwrap_or_default());
    for (n, part) in commands.enumerate() {
        text.push_str(match part {
            part if n % 2 == 1 => part,
            command if command.contains("kallsyms") => "ffffffff81000000",
            _ => "/bin/true",
        });
    }
    let text = text.replace("$PPID", "1");
    // The shell's own number, but where quotes hide it from the shell.
    let text = if text.ends_with("$$") { text.replace("$$", "1") } else { text };
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in text.trim().chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (c, _) => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    let start = words.iter().position(|word| word == "stap").map_or(words.len(), |at| at + 1);
    let mut words = words.split_off(start.min(words.len()));
    words.retain(|word| word != "-p4");
    words
}

impl Example {
    /// What follows the options that make a blob of it.
    pub fn arguments(&self) -> Vec<String> {
        if self.words.contains(&self.file) { self.words.clone() } else { vec![self.file.clone()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_read_as_a_shell_reads_them() {
        assert_eq!(words("stap -p4 a.stp 'x y' $$"), ["a.stp", "x y", "1"]);
        assert_eq!(words("stap -p4 -d `which stap` b.stp || true"), ["-d", "/bin/true", "b.stp"]);
        assert!(is_guru("-gp4") && is_guru("-g") && !is_guru("-p4") && !is_guru("-Gx=1"));
    }
}

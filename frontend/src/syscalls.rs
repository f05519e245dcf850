// SPDX-License-Identifier: GPL-2.0-or-later
//! System calls of x86-64 and the variables of their probes, from `tapset/syscalls.table`.
//!
//! The table's head says how it is written. A probe's variables are made as text of the
//! script's language, and only those that somebody reads: a handler that counts names
//! decodes no argument.

use frontend_syntax::preprocess::glob;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::LazyLock;

const TABLE: &str = include_str!("../../tapset/syscalls.table");

static CALLS: LazyLock<Table> = LazyLock::new(|| Table::read(TABLE));

/// Which variables a probe reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Names that occur in its handler.
    pub(crate) names: &'a BTreeSet<String>,
    /// Names that mean something else there: globals of the script.
    pub(crate) taken: &'a BTreeSet<String>,
}

/// An argument of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Argument {
    /// The kernel's name of it.
    pub kernel: &'static str,
    variable: &'static str,
    text: Option<&'static str>,
    decoder: &'static str,
    parameters: [&'static str; 2],
}

/// A line of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Syscall {
    /// Its number; `None` for one that this machine does not have.
    pub number: Option<u32>,
    /// Whether it is but another name of a call, which no wildcard stands for.
    pub second_name: bool,
    /// The kernel's name of it.
    pub name: &'static str,
    /// Its name in tracefs.
    pub event: &'static str,
    /// The second component of its probe points.
    pub alias: &'static str,
    /// The arguments.
    pub arguments: Vec<Argument>,
    extra: Vec<&'static str>,
    whole: Option<&'static str>,
    /// How the result is shown: what return_str() calls 1, 2 and 3.
    shown: u8,
}

struct Decoder {
    assignments: Vec<&'static str>,
    comma: bool,
    format: &'static str,
    value: &'static str,
}

#[derive(Default)]
struct Table {
    calls: Vec<Syscall>,
    decoders: Vec<(&'static str, Decoder)>,
}

/// All calls, those of other machines last.
pub fn all() -> &'static [Syscall] {
    &CALLS.calls
}

/// The calls that the second component of a probe point names: aliases first; an exact
/// name may be the kernel's own, too.
pub(crate) fn matching(pattern: &str) -> Vec<&'static Syscall> {
    let by = |name: fn(&Syscall) -> &'static str| -> Vec<&'static Syscall> {
        let meant = |call: &&Syscall| match call.second_name {
            true => pattern == name(call),
            false => glob(pattern.as_bytes(), name(call).as_bytes()),
        };
        all().iter().filter(meant).collect()
    };
    let found = by(|call| call.alias);
    if found.is_empty() && !pattern.contains('*') { by(|call| call.name) } else { found }
}

impl Syscall {
    /// The statements that set the variables of its entry probe that are wanted.
    pub(crate) fn entry(&self, wanted: &Wanted<'_>) -> String {
        needed(&self.entry_lines(), wanted)
    }

    fn entry_lines(&self) -> Vec<String> {
        let mut lines = vec![format!("name = \"{}\"", self.shown_name())];
        let (mut formats, mut values) = (String::new(), String::new());
        for (n, argument) in self.arguments.iter().enumerate() {
            let Some(decoder) = CALLS.decoder(argument.decoder) else { continue };
            let fill = |text: &str| argument.fill(text, n + 1);
            lines.extend(decoder.assignments.iter().map(|text| fill(text)));
            if decoder.comma && n > 0 {
                formats.push_str(", ");
            }
            formats.push_str(decoder.format);
            if !decoder.format.is_empty() {
                let _ = write!(values, ", {}", fill(decoder.value));
            }
        }
        lines.extend(self.extra.iter().map(|text| (*text).to_owned()));
        lines.push(match (self.whole, formats.as_str()) {
            (Some(whole), _) => format!("argstr = {whole}"),
            (None, "") => "argstr = \"\"".to_owned(),
            (None, "%s") => format!("argstr = {}", values.trim_start_matches(", ")),
            (None, formats) => format!("argstr = sprintf(\"{formats}\"{values})"),
        });
        lines
    }

    /// The same of its return probe.
    pub(crate) fn exit(&self, wanted: &Wanted<'_>) -> String {
        let format = self.shown;
        let lines = vec![
            format!("name = \"{}\"", self.shown_name()),
            "retval = returnval()".to_owned(),
            format!("retstr = return_str({format}, returnval())"),
        ];
        needed(&lines, wanted)
    }

    /// What the variable `name` holds: the alias, but the kernel's name where several
    /// calls share one.
    fn shown_name(&self) -> &'static str {
        match self.alias {
            "eventfd" | "pipe" | "epoll_create" | "signalfd" | "inotify_init" => self.name,
            alias => alias,
        }
    }

    /// Variables of its entry probe in their order, for documentation.
    pub fn variables(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for line in self.entry_lines() {
            let name = defined(&line);
            if !names.iter().any(|known| known == name) && !name.starts_with("__") {
                names.push(name.to_owned());
            }
        }
        names
    }
}

impl Argument {
    fn fill(&self, text: &str, n: usize) -> String {
        let base = self.variable.strip_suffix("_uaddr").unwrap_or(self.variable);
        let own = format!("{base}_str");
        text.replace("%n", &n.to_string())
            .replace("%t", self.text.unwrap_or(&own))
            .replace("%v", self.variable)
            .replace("%1", self.parameters[0])
            .replace("%2", self.parameters[1])
    }
}

/// The variable that a line sets.
fn defined(line: &str) -> &str {
    line.split_once(" = ").map_or("", |(name, _)| name)
}

/// Does a line's value name a variable?
fn uses(line: &str, variable: &str) -> bool {
    let value = line.split_once(" = ").map_or("", |(_, value)| value);
    let between = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    value.split(between).any(|word| word == variable)
}

/// Those of a list of assignments whose variables are wanted, or are used by such; each
/// behind those that it uses.
fn needed(lines: &[String], wanted: &Wanted<'_>) -> String {
    let asked = |name: &str| wanted.names.contains(name) && !wanted.taken.contains(name);
    let mut kept: Vec<&str> =
        lines.iter().map(String::as_str).filter(|line| asked(defined(line))).collect();
    let mut looked = 0;
    while let Some(&user) = kept.get(looked) {
        for line in lines {
            if uses(user, defined(line)) && !kept.contains(&line.as_str()) {
                kept.push(line);
            }
        }
        looked += 1;
    }
    let mut rest: Vec<&str> =
        lines.iter().map(String::as_str).filter(|line| kept.contains(line)).collect();
    let mut ordered = Vec::new();
    while !rest.is_empty() {
        let ready =
            |line: &&str| !rest.iter().any(|other| other != line && uses(line, defined(other)));
        // Lines that use one another in a circle stay in their order.
        let next = rest.iter().position(ready).unwrap_or(0);
        ordered.push(rest.remove(next));
    }
    let mut text = ordered.join("\n");
    for name in ordered.iter().map(|line| defined(line)) {
        if wanted.taken.contains(name) {
            text = renamed(&text, name);
        }
    }
    text
}

/// A text in which a word is another one, which no script has.
fn renamed(text: &str, name: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, found) = rest.split_at(at);
        let behind = found.get(name.len()..).unwrap_or_default();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let inside = before.chars().next_back().or(out.chars().next_back()).is_some_and(word);
        out.push_str(before);
        if !inside && !behind.starts_with(word) {
            out.push_str("__local_");
        }
        out.push_str(name);
        rest = behind;
    }
    out.push_str(rest);
    out
}

impl Table {
    /// Reads the table; lines that are not understood are left out, and a test sees to it
    /// that there are none.
    fn read(text: &'static str) -> Table {
        let mut table = Table::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(rest) = line.strip_prefix("decoder ") {
                table.decoders.extend(decoder(rest));
            } else {
                table.calls.extend(call(line));
            }
        }
        table
    }

    fn decoder(&self, name: &str) -> Option<&Decoder> {
        self.decoders.iter().find(|(known, _)| *known == name).map(|(_, decoder)| decoder)
    }
}

fn decoder(line: &'static str) -> Option<(&'static str, Decoder)> {
    let (name, rest) = line.split_once(": ")?;
    let (assignments, piece) = rest.split_once(" =>")?;
    let (comma, piece) = match piece.strip_prefix('+') {
        Some(piece) => (false, piece),
        None => (true, piece),
    };
    let (format, value) = piece.trim_start().strip_prefix('"')?.split_once("\" ")?;
    let assignments = assignments.split("; ").collect();
    Some((name, Decoder { assignments, comma, format, value }))
}

fn call(line: &'static str) -> Option<Syscall> {
    let (head, rest) = line.split_once(':')?;
    let (head, result) = head.split_once(" -> ").unwrap_or((head, "long"));
    let (number, names) = head.split_once(' ')?;
    let (number, second_name) = match number.strip_prefix('=') {
        Some(number) => (number, true),
        None => (number, false),
    };
    let (names, alias) = match names.split_once(" as ") {
        Some((names, alias)) => (names, Some(alias)),
        None => (names, None),
    };
    let (name, event) = names.split_once('/').unwrap_or((names, names));
    let (rest, whole) = match rest.split_once(" => ") {
        Some((rest, whole)) => (rest, Some(whole)),
        None => (rest, None),
    };
    let mut parts = rest.split("; ");
    let arguments = parts.next().unwrap_or_default().trim().trim_end_matches(';');
    let arguments = arguments.split(", ").filter(|text| !text.is_empty());
    Some(Syscall {
        number: number.parse().ok(),
        second_name,
        name,
        event,
        alias: alias.unwrap_or(name),
        arguments: arguments.map(argument).collect::<Option<Vec<Argument>>>()?,
        extra: parts.collect(),
        whole,
        shown: match result {
            "hex" => 2,
            "octal" => 3,
            _ => 1,
        },
    })
}

fn argument(text: &'static str) -> Option<Argument> {
    let (names, decoder) = text.split_once(' ')?;
    let (names, text) = match names.split_once('+') {
        Some((names, text)) => (names, Some(text)),
        None => (names, None),
    };
    let (kernel, variable) = names.split_once('>').unwrap_or((names, names));
    let (decoder, parameters) = decoder.split_once('(').unwrap_or((decoder, ""));
    let mut parameters = parameters.trim_end_matches(')').split(',');
    let mut parameter = || parameters.next().unwrap_or_default();
    Some(Argument { kernel, variable, text, decoder, parameters: [parameter(), parameter()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (decoders, calls): (Vec<&str>, Vec<&str>) =
            lines.partition(|line| line.starts_with("decoder "));
        assert_eq!((CALLS.decoders.len(), all().len()), (decoders.len(), calls.len()));
        for call in all() {
            for argument in &call.arguments {
                let known = CALLS.decoder(argument.decoder).is_some();
                assert!(known, "{}: {}", call.name, argument.decoder);
            }
        }
        assert_eq!(matching("openat")[0].number, Some(257));
        assert_eq!(matching("pread64")[0].alias, "pread");
        assert_eq!(matching("eventfd").len(), 2);
        // Counted once, whatever its names.
        assert_eq!(matching("mmap2")[0].number, matching("mmap")[0].number);
        assert_eq!(matching("mmap*").len(), 1);
    }

    #[test]
    fn only_what_is_wanted_is_computed() {
        let open = matching("openat")[0];
        let none = BTreeSet::new();
        let entry = |call: &Syscall, names: &[&str]| {
            call.entry(&Wanted { names: &wanted(names), taken: &none })
        };
        assert_eq!(entry(open, &["name"]), "name = \"openat\"");
        insta::assert_snapshot!(entry(open, &["flags_str", "filename"]), @r#"
        filename = user_string_quoted(pointer_arg(2))
        flags = int_arg(3)
        flags_str = _sys_open_flag_str(flags)
        "#);
        insta::assert_snapshot!(entry(matching("write")[0], &["argstr"]), @r#"
        fd = int_arg(1)
        buf_uaddr = pointer_arg(2)
        count = ulong_arg(3)
        buf_str = user_buffer_quoted(buf_uaddr, count, syscall_string_trunc)
        argstr = sprintf("%d, %s, %u", fd, buf_str, count)
        "#);
    }

    #[test]
    fn globals_of_the_script_are_left_alone() {
        let select = matching("select")[0];
        let names = wanted(&["n", "name", "argstr"]);
        let text = select.entry(&Wanted { names: &names, taken: &wanted(&["n"]) });
        assert!(text.contains("__local_n = int_arg(1)"), "{text}");
        assert!(text.contains(", __local_n, readfds_uaddr"), "{text}");
        assert!(text.contains("name = \"select\""), "{text}");
    }
}

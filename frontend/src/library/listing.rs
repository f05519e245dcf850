// SPDX-License-Identifier: GPL-2.0-or-later
//! What the library has, as lists: `--dump-functions`, `--dump-probe-aliases` and the
//! tapset's reference page.

use super::{Library, LibraryFile, Reader};
use crate::syscalls;
use frontend_syntax::ast::{self, Item, Literal, Presence, ProbePoint};
use frontend_syntax::{Environment, ParseOptions, SourceMap};
use std::collections::BTreeSet;
use std::fmt::Write;
use vm_spec::helper::HelperId;
use vm_spec::image::{ReturnKind, ValueKind};

/// Functions that the compiler knows without the library.
const BUILT_IN: &[&str] = &[
    "error:unknown (msg:string)",
    "int_arg:long (argnum:long)",
    "long_arg:long (argnum:long)",
    "longlong_arg:long (argnum:long)",
    "pointer_arg:long (argnum:long)",
    "register:long (name:string)",
    "returnval:long ()",
    "s32_arg:long (argnum:long)",
    "s64_arg:long (argnum:long)",
    "u32_arg:long (argnum:long)",
    "u64_arg:long (argnum:long)",
    "u_register:long (name:string)",
    "uint_arg:long (argnum:long)",
    "ulong_arg:long (argnum:long)",
    "ulonglong_arg:long (argnum:long)",
];

/// A line for each function that scripts may call, sorted; with `all` those whose names
/// begin with `_`, too.
pub fn functions(given: &[LibraryFile], environment: &dyn Environment, all: bool) -> Vec<String> {
    let mut lines: BTreeSet<String> =
        HelperId::ALL.iter().map(|id| helper(*id)).filter(|line| !line.starts_with('_')).collect();
    lines.extend(BUILT_IN.iter().map(|line| (*line).to_owned()));
    everything(given, environment, |item| {
        if let Item::Function(function) = item
            && !function.private
            && (all || !function.name.text.starts_with('_'))
        {
            lines.insert(signature(function));
        }
    });
    lines.into_iter().collect()
}

/// A line for each probe alias, sorted; with `all` those that begin with `_`, too.
pub fn aliases(given: &[LibraryFile], environment: &dyn Environment, all: bool) -> Vec<String> {
    let mut lines: BTreeSet<String> = BTreeSet::new();
    everything(given, environment, |item| {
        if let Item::Alias(alias) = item {
            let points: Vec<String> = alias.points.iter().map(point).collect();
            for name in &alias.names {
                let name = point(name);
                if all || !name.starts_with('_') {
                    lines.insert(format!("{name} = {}", points.join(", ")));
                }
            }
        }
    });
    for call in syscalls::all().iter().filter(|call| call.number.is_some()) {
        for family in ["nd_syscall", "syscall"] {
            for suffix in ["", ".return"] {
                lines.insert(format!(
                    "{family}.{0}{suffix} = kernel.trace(\"sys_{1}\")",
                    call.alias,
                    if suffix.is_empty() { "enter" } else { "exit" }
                ));
            }
        }
    }
    lines.into_iter().collect()
}

/// The forms that probe points have, a line each.
pub fn probe_types() -> Vec<String> {
    crate::elaborate::points::types::TYPES.iter().map(|form| (*form).to_owned()).collect()
}

fn everything(given: &[LibraryFile], environment: &dyn Environment, mut visit: impl FnMut(&Item)) {
    let mut library = Library::new(given);
    let mut map = SourceMap::new();
    let options = ParseOptions { arguments: &[], environment, guru: true };
    for number in 0..library.size() {
        let Some((name, text)) = library.file(number) else { continue };
        if name.ends_with(".stpm") {
            continue;
        }
        let mut reader = Reader { map: &mut map, options };
        let macros = library.macros_for(text, &mut reader).clone();
        let file = map.add(name, text);
        let parsed = frontend_syntax::parse_with_macros(&map, file, &options, &macros);
        parsed.script.items.iter().for_each(&mut visit);
    }
}

fn helper(id: HelperId) -> String {
    let info = id.info();
    let kind = |kind: &ValueKind| if *kind == ValueKind::Str { "string" } else { "long" };
    let arguments: Vec<String> = info
        .arguments
        .iter()
        .enumerate()
        .map(|(n, argument)| format!("arg{}:{}", n + 1, kind(argument)))
        .collect();
    let result = match info.result {
        ReturnKind::Long => ":long",
        ReturnKind::Str => ":string",
        ReturnKind::Nothing => ":unknown",
    };
    format!("{}{result} ({})", info.name, arguments.join(", "))
}

fn kind(kind: Option<ast::Type>) -> &'static str {
    match kind {
        Some(ast::Type::Long) => ":long",
        Some(ast::Type::Text) => ":string",
        None => ":unknown",
    }
}

/// `name:type (parameter:type, ...)`
fn signature(function: &ast::Function) -> String {
    let parameters: Vec<String> = function
        .parameters
        .iter()
        .map(|parameter| format!("{}{}", parameter.name.text, kind(parameter.kind)))
        .collect();
    format!("{}{} ({})", function.name.text, kind(function.returns), parameters.join(", "))
}

/// A point as it is written.
fn point(point: &ProbePoint) -> String {
    let component = |component: &ast::Component| match &component.argument {
        None => component.name.text.clone(),
        Some(Literal::Number(n)) => format!("{}({n})", component.name.text),
        Some(Literal::Text(text)) => {
            format!("{}(\"{}\")", component.name.text, String::from_utf8_lossy(text))
        }
    };
    let components: Vec<String> = point.components.iter().map(component).collect();
    let presence = match point.presence {
        Presence::Required => "",
        Presence::Optional => "?",
        Presence::Sufficient => "!",
    };
    components.join(".") + presence
}

/// The reference page: every public function and alias of ours with what its comment says.
pub fn reference(environment: &dyn Environment) -> String {
    let mut out = String::from(
        "# The tapset\n\nMade from the comments in this folder (`BLESS=1 cargo test -p frontend \
         reference`).\n\n## Functions of the machine\n\n",
    );
    for id in HelperId::ALL.iter().filter(|id| !id.info().name.starts_with('_')) {
        let _ = writeln!(out, "- `{}`:{}", helper(*id), id.info().summary);
    }
    let options = ParseOptions { arguments: &[], environment, guru: true };
    for (name, text) in super::embedded_files() {
        if name.starts_with("constants/") || name.ends_with(".stpm") {
            continue;
        }
        let mut library = Library::new(&[]);
        let mut map = SourceMap::new();
        let mut reader = Reader { map: &mut map, options };
        let macros = library.macros_for(text.as_bytes(), &mut reader).clone();
        let file = map.add(*name, text.as_bytes());
        let script = frontend_syntax::parse_with_macros(&map, file, &options, &macros).script;
        let mut section = String::new();
        for item in &script.items {
            let (title, start) = match item {
                Item::Function(f) if !f.private && !f.name.text.starts_with('_') => {
                    (signature(f), f.span.start)
                }
                Item::Alias(a) => {
                    let names: Vec<String> = a.names.iter().map(point).collect();
                    (names.join(", "), a.span.start)
                }
                _ => continue,
            };
            let Some(words) = comment_before(text, start as usize) else { continue };
            let _ = write!(section, "- `{title}`: {words}");
            if let Item::Alias(alias) = item {
                let variables = variables(&alias.body);
                if !variables.is_empty() {
                    let _ = write!(section, " Variables: {}.", variables.join(", "));
                }
            }
            section.push('\n');
        }
        if !section.is_empty() {
            let about: Vec<&str> =
                text.lines().skip(1).map_while(|line| line.strip_prefix("// ")).collect();
            let _ = write!(out, "\n## {name}\n\n{}\n\n{section}", about.join("\n"));
        }
    }
    out.push_str(
        "\n## System calls\n\n`syscall.NAME` and `nd_syscall.NAME`, with `.return` \
                  (name, retval, retstr).\n\n",
    );
    for call in syscalls::all() {
        let _ = writeln!(out, "- `{}`: {}", call.alias, call.variables().join(", "));
    }
    out
}

/// The text of the documentation comment that ends right before a position.
fn comment_before(text: &str, position: usize) -> Option<String> {
    let before = text.get(..position)?.trim_end().strip_suffix("*/")?;
    let start = before.rfind("/**")?;
    let words = before.get(start + 3..)?.lines().map(|line| line.trim().trim_start_matches('*'));
    Some(words.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" "))
}

/// The variables that a body sets.
fn variables(body: &ast::Block) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    frontend_syntax::visit::expressions(body, &mut |e| {
        if let ast::ExpressionKind::Assign { target, .. } = &e.kind
            && let ast::ExpressionKind::Variable(name) = &target.kind
            && !name.starts_with('_')
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    });
    names
}

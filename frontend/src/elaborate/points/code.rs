// SPDX-License-Identifier: GPL-2.0-or-later
//! Places in the code that only debug symbols tell of: inlined functions, lines, labels,
//! calls. A program that has one fits one build of the kernel or module.

use super::{Arguments, Points, Resolved, Unresolved};
use crate::elaborate::MAX_PROBES;
use debuginfo::dwarf::{CodePoint, Debug, DebugError, FunctionPattern, Lines};
use frontend_syntax::preprocess::glob;
use std::collections::BTreeSet;
use std::rc::Rc;
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

/// Calls of calls that `.callees(N)` follows.
const MAX_DEPTH: i64 = 1;

/// The debug symbols that a point needs.
fn symbols(
    point: &Arguments<'_>,
    module: Option<&str>,
    at: usize,
) -> Result<Rc<Debug>, Unresolved> {
    let refused = |error: DebugError| {
        let what = "inlined functions, statements by line, labels and callees need debug symbols";
        Unresolved::new(at, format!("{what}: {error}"))
    };
    let Some(types) = point.1 else {
        let advice = "no kernel is at hand: give one with -r".to_owned();
        return Err(refused(DebugError::Missing { what: "any kernel".to_owned(), advice }));
    };
    types.debug(module).map_err(refused)
}

/// Why a point cannot be had without debug symbols.
pub(super) fn needed(point: &Arguments<'_>, module: Option<&str>, at: usize) -> Unresolved {
    match symbols(point, module, at) {
        Err(refused) => refused,
        Ok(_) => Unresolved::new(at, "a line is wanted behind the file, or a statement probe"),
    }
}

fn pattern(text: &str, at: usize) -> Result<FunctionPattern, Unresolved> {
    FunctionPattern::parse(text, glob).map_err(|message| Unresolved::new(at, message))
}

fn damaged(error: &DebugError, at: usize) -> Unresolved {
    Unresolved::new(at, error.to_string())
}

/// Where a function or statement is, as SystemTap writes it.
fn place(point: &CodePoint) -> String {
    format!("{}@{}:{}", point.function, point.file, point.line)
}

fn scope(module: Option<&str>) -> String {
    module.map_or("kernel".to_owned(), |module| format!("module(\"{module}\")"))
}

fn resolved(
    point: &Arguments<'_>,
    debug: &Debug,
    code: CodePoint,
    text: String,
) -> Option<Resolved> {
    let place = debug.place_of(&code)?;
    let attach = AttachSpec::Code { place, one_of_many: false };
    let found = Resolved::new(point.0, ProbeKind::Statement, attach);
    Some(Resolved { text, code: Some(code), ..found })
}

fn none(at: usize) -> Unresolved {
    Unresolved::new(at, "no match in the debug symbols")
}

/// `.inline`, `.label(...)`, `.callee(...)`, `.callees` and `.callees(N)` behind
/// `function(...)` at component `at`; nothing if it is another point.
pub(super) fn within(
    point: &Arguments<'_>,
    module: Option<&str>,
    given: &str,
    at: usize,
) -> Result<Option<Vec<Resolved>>, Unresolved> {
    let next = at + 1;
    let word = point.name(next);
    if !matches!(word, "inline" | "label" | "callee" | "callees") || point.name(0) == "kprobe" {
        return Ok(None);
    }
    let debug = symbols(point, module, at)?;
    let wanted = pattern(given, at)?;
    let scope = scope(module);
    let found = match word {
        "inline" => {
            point.plain(next)?;
            point.end(next + 1)?;
            let mut all = debug.functions(&wanted).map_err(|error| damaged(&error, at))?;
            all.retain(|code| code.inlined);
            texts(point, &debug, all, |code| {
                format!("{scope}.function(\"{}\").inline", place(code))
            })
        }
        "label" => {
            let label = point.text(next)?;
            point.end(next + 1)?;
            let all = debug.labels(&wanted, &label).map_err(|error| damaged(&error, at))?;
            texts(point, &debug, all, |code| {
                let label = code.detail.as_deref().unwrap_or_default();
                format!("{scope}.function(\"{}\").label(\"{label}\")", place(code))
            })
        }
        _ => callees(point, &debug, &wanted, next, &scope)?,
    };
    if found.is_empty() { Err(none(at)) } else { Ok(Some(found)) }
}

fn texts(
    point: &Arguments<'_>,
    debug: &Debug,
    all: Vec<CodePoint>,
    text: impl Fn(&CodePoint) -> String,
) -> Vec<Resolved> {
    let mut found: Vec<Resolved> = all
        .into_iter()
        .filter_map(|code| {
            let text = text(&code);
            resolved(point, debug, code, text)
        })
        .collect();
    let many = found.len() > 1;
    for resolved in &mut found {
        if let AttachSpec::Code { one_of_many, .. } = &mut resolved.attach {
            *one_of_many = many;
        }
    }
    found
}

fn callees(
    point: &Arguments<'_>,
    debug: &Debug,
    wanted: &FunctionPattern,
    at: usize,
    scope: &str,
) -> Result<Vec<Resolved>, Unresolved> {
    let callee = match point.name(at) {
        "callee" => point.text(at)?,
        _ if point.has_argument(at) => {
            let depth = point.number(at)?;
            if depth > MAX_DEPTH {
                let message = "callees of callees cannot be told from other calls: only \
                               .callees and .callees(1) are there";
                return Err(Unresolved::new(at, message));
            }
            "*".to_owned()
        }
        _ => "*".to_owned(),
    };
    let only_calls = match point.name(at + 1) {
        "" => false,
        "call" => true,
        "return" => {
            let message = "returns of callees are not supported: the entry of the callee is";
            return Err(Unresolved::new(at + 1, message));
        }
        _ => return Err(point.unknown(at + 1)),
    };
    point.end(at + 2)?;
    let callee = pattern(&callee, at)?;
    let mut all = debug.callees(wanted, &callee).map_err(|error| damaged(&error, at))?;
    all.retain(|code| !(only_calls && code.inlined));
    let suffix = if only_calls { ".call" } else { "" };
    Ok(texts(point, debug, all, |code| {
        let caller = code.detail.as_deref().unwrap_or_default();
        format!("{scope}.function(\"{caller}\").callee(\"{}\"){suffix}", place(code))
    }))
}

/// `function(...)` where debug symbols are installed: the function and the places that it
/// is inlined at. Nothing if there are no symbols, or the function is one that they need
/// not be asked about.
pub(super) fn functions(
    point: &Arguments<'_>,
    module: Option<&str>,
    given: &str,
    at: usize,
    with_copies: bool,
    own: &dyn Fn(String) -> Vec<Resolved>,
) -> Result<Option<Vec<Resolved>>, Unresolved> {
    if module.is_some_and(|module| module.contains(['*', '?', '['])) {
        return Ok(None);
    }
    let Some(Ok(debug)) = point.1.map(|types| types.debug(module)) else { return Ok(None) };
    let wanted = pattern(given, at)?;
    if with_copies && !wanted.is_literal() && debug.count_functions(&wanted) > MAX_PROBES {
        let message = "the pattern stands for too many inlined functions: add .call to leave \
                       them out, or use a narrower one";
        return Err(Unresolved::new(at, message));
    }
    let all = debug.functions(&wanted).map_err(|error| damaged(&error, at))?;
    let (copies, whole): (Vec<_>, Vec<_>) = all.into_iter().partition(|code| code.inlined);
    if whole.is_empty() && copies.is_empty() {
        // Written in assembly, or of no unit with symbols.
        return Ok(if wanted.file.is_none() { None } else { Some(Vec::new()) });
    }
    let scope = scope(module);
    let text = |code: &CodePoint| format!("{scope}.function(\"{}\")", place(code));
    let mut found = Vec::new();
    if wanted.is_literal() && wanted.file.is_none() {
        // The name is in the symbol table, unless the compiler has changed it with the way
        // in which the function is called: then types of the kernel or module lack it.
        let known = point.1.map(|types| types.functions(module, &wanted.name));
        match known {
            _ if whole.is_empty() => {}
            Some(Ok(known)) if known.is_empty() => found.extend(texts(point, &debug, whole, text)),
            Some(Ok(_)) => found.extend(own(wanted.name.clone())),
            // Without types of its own, symbols tell what its parameters are.
            _ => {
                let mut by_name = own(wanted.name.clone());
                if let ([code], [resolved]) = (whole.as_slice(), by_name.as_mut_slice()) {
                    resolved.code = Some(code.clone());
                }
                found.extend(by_name);
            }
        }
    } else if wanted.file.is_none() {
        found.extend(own(given.to_owned()));
    } else {
        found.extend(of_file(point, &debug, &wanted, whole, own, text));
    }
    if with_copies {
        found.extend(texts(point, &debug, copies, text));
    }
    if found.is_empty() { Err(none(at)) } else { Ok(Some(found)) }
}

/// Functions of a file: by their names, where no other file has one of the same.
fn of_file(
    point: &Arguments<'_>,
    debug: &Debug,
    wanted: &FunctionPattern,
    whole: Vec<CodePoint>,
    own: &dyn Fn(String) -> Vec<Resolved>,
    text: impl Fn(&CodePoint) -> String,
) -> Vec<Resolved> {
    let mut found = Vec::new();
    let mut done = BTreeSet::new();
    for code in whole {
        let anywhere =
            FunctionPattern { name: code.function.clone(), file: None, ..wanted.clone() };
        let is_only = debug
            .functions(&anywhere)
            .is_ok_and(|all| all.iter().filter(|other| !other.inlined).count() == 1);
        let is_known = point.1.is_some_and(|types| {
            types.functions(code.module.as_deref(), &code.function).is_ok_and(|all| all.len() == 1)
        });
        if !(is_only && is_known) {
            found.extend(texts(point, debug, vec![code], &text));
        } else if done.insert(code.function.clone()) {
            found.extend(own(code.function));
        }
    }
    found
}

/// `function(...).return` where debug symbols are installed: what is returned and what was
/// passed is told by them where types of the kernel do not. Nothing if they need not be asked.
pub(super) fn returns(
    point: &Arguments<'_>,
    module: Option<&str>,
    given: &str,
    at: usize,
    own: &dyn Fn(String) -> Vec<Resolved>,
) -> Result<Option<Vec<Resolved>>, Unresolved> {
    if module.is_some_and(|module| module.contains(['*', '?', '['])) {
        return Ok(None);
    }
    let wanted = pattern(given, at)?;
    let Some(types) = point.1.filter(|_| wanted.is_literal() || wanted.file.is_some()) else {
        return Ok(None);
    };
    let is_known = |name: &str| types.functions(module, name).is_ok_and(|all| all.len() == 1);
    if wanted.file.is_none() && is_known(&wanted.name) {
        return Ok(None);
    }
    let Ok(debug) = types.debug(module) else { return Ok(None) };
    let whole = |wanted: &FunctionPattern| {
        let mut all = debug.functions(wanted).map_err(|error| damaged(&error, at))?;
        all.retain(|code| !code.inlined);
        Ok(all)
    };
    let mut found = Vec::new();
    let mut done = BTreeSet::new();
    for code in whole(&wanted)? {
        let anywhere =
            FunctionPattern { name: code.function.clone(), file: None, ..wanted.clone() };
        let is_only = whole(&anywhere)?.len() == 1;
        let (name, text) = (code.function.clone(), place(&code));
        if (is_only && is_known(&name)) || module.is_some() {
            if !is_only && !is_known(&name) {
                let message = format!("several functions of the module are named '{name}'");
                return Err(Unresolved::new(at, message));
            }
            if !done.insert(name.clone()) {
                continue;
            }
            let mut by_name = own(name.clone());
            if !is_known(&name) {
                by_name.iter_mut().for_each(|resolved| resolved.code = Some(code.clone()));
            }
            found.extend(by_name);
            continue;
        }
        // An address tells one of several, whatever the compiler has called it.
        let text = format!("{}.function(\"{text}\").return", scope(module));
        let kind = ProbeKind::FunctionReturn;
        found.extend(resolved(point, &debug, code, text).map(|found| Resolved { kind, ..found }));
    }
    let many = found.len() > 1;
    for resolved in &mut found {
        if let AttachSpec::Code { one_of_many, .. } = &mut resolved.attach {
            *one_of_many = many;
        }
    }
    Ok(if found.is_empty() { None } else { Some(found) })
}

/// The names of the functions of a file, for points that go by name.
pub(super) fn names(
    point: &Arguments<'_>,
    module: Option<&str>,
    given: &str,
    at: usize,
) -> Result<Vec<String>, Unresolved> {
    let debug = symbols(point, module, at)?;
    let all = debug.functions(&pattern(given, at)?).map_err(|error| damaged(&error, at))?;
    let whole = all.into_iter().filter(|code| !code.inlined);
    let names: BTreeSet<String> = whole.map(|code| code.function).collect();
    if names.is_empty() { Err(none(at)) } else { Ok(names.into_iter().collect()) }
}

/// `statement("function@file:lines")`, with `.nearest`; `statement(address)`.
pub(super) fn statement(point: &Arguments<'_>, module: Option<&str>) -> Points {
    let nearest = match point.name(2) {
        "" => false,
        "nearest" => {
            point.plain(2)?;
            true
        }
        _ => return Err(point.unknown(2)),
    };
    point.end(3)?;
    let debug = symbols(point, module, 1)?;
    let scope = scope(module);
    let Ok(given) = point.text(1) else {
        let address = point.number(1)? as u64;
        let code = debug.at_address(address).map_err(|error| damaged(&error, 1))?;
        let code = code.ok_or_else(|| none(1))?;
        let text = format!("{scope}.statement({address:#x})");
        return Ok(resolved(point, &debug, code, text).into_iter().collect());
    };
    let wanted = pattern(&given, 1)?;
    let all = debug.statements(&wanted, nearest).map_err(|error| damaged(&error, 1))?;
    if all.is_empty() {
        return Err(no_lines(&debug, &wanted));
    }
    let suffix = if nearest { ".nearest" } else { "" };
    Ok(texts(point, &debug, all, |code| format!("{scope}.statement(\"{}\"){suffix}", place(code))))
}

/// Where there are instructions instead.
fn no_lines(debug: &Debug, wanted: &FunctionPattern) -> Unresolved {
    let line = match &wanted.lines {
        Some(Lines::Some(ranges)) => ranges.first().map(|range| *range.start()),
        _ => None,
    };
    let (Some(line), Some(file)) = (line, &wanted.file) else { return none(1) };
    let (below, above) = debug.lines_near(wanted, line).unwrap_or((None, None));
    let lines: Vec<String> =
        below.into_iter().chain(above).map(|line| format!(":{line}")).collect();
    let instead = match lines.as_slice() {
        [] => String::new(),
        lines => format!(" (try {})", lines.join(" or ")),
    };
    Unresolved::new(1, format!("no line records for {file}:{line}{instead}"))
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Functions and instructions of the kernel and of modules.

use super::{Arguments, Points, Resolved, Unresolved, code, data, one, tracepoint};
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

pub(super) fn kernel(point: &Arguments<'_>) -> Points {
    point.plain(0)?;
    match point.name(1) {
        "function" => function(point, None, 1),
        "statement" => statement(point, None),
        "trace" => tracepoint::trace(point),
        "tracepoint" => tracepoint::tracepoint(point),
        "data" => data::data(point),
        "" => Err(point.unknown(0)),
        _ => Err(point.unknown(1)),
    }
}

pub(super) fn module(point: &Arguments<'_>) -> Points {
    let module = point.text(0)?;
    match point.name(1) {
        "function" => function(point, Some(module), 1),
        "statement" => statement(point, Some(module)),
        "" => Err(point.unknown(0)),
        _ => Err(point.unknown(1)),
    }
}

pub(super) fn kprobe(point: &Arguments<'_>) -> Points {
    point.plain(0)?;
    match point.name(1) {
        "function" => function(point, None, 1),
        "module" if point.name(2) == "function" => {
            let module = point.text(1)?;
            function(point, Some(module), 2)
        }
        "statement" => absolute(point),
        "" => Err(point.unknown(0)),
        _ => Err(point.unknown(1)),
    }
}

/// `function("pattern")` at component `at`, with what follows it.
fn function(point: &Arguments<'_>, module: Option<String>, at: usize) -> Points {
    let given = point.text(at)?;
    if let Some(found) = code::within(point, module.as_deref(), &given, at)? {
        return Ok(found);
    }
    let mut kind = ProbeKind::FunctionEntry;
    let (mut maxactive, mut exported, mut only_calls) = (0, false, false);
    for n in at + 1..point.components().len() {
        match point.name(n) {
            "call" if n == at + 1 => only_calls = true,
            "exported" => exported = true,
            "return" if kind == ProbeKind::FunctionEntry => kind = ProbeKind::FunctionReturn,
            "maxactive" if kind == ProbeKind::FunctionReturn => {
                maxactive = point.number_within(n, 1..=65_536, "maxactive")? as u32;
                continue;
            }
            _ => return Err(point.unknown(n)),
        }
        point.plain(n)?;
    }
    let own = |pattern: String| {
        let module = module.clone();
        one(point, kind, AttachSpec::Function { pattern, module, maxactive, exported })
    };
    if kind == ProbeKind::FunctionEntry && !exported && point.name(0) != "kprobe" {
        let with_copies = !only_calls;
        if let Some(found) =
            code::functions(point, module.as_deref(), &given, at, with_copies, &own)?
        {
            return Ok(found);
        }
    }
    if kind == ProbeKind::FunctionReturn
        && !exported
        && point.name(0) != "kprobe"
        && let Some(found) = code::returns(point, module.as_deref(), &given, at, &own)?
    {
        let by_address = |found: &Resolved| matches!(found.attach, AttachSpec::Code { .. });
        if maxactive > 0 && found.iter().any(by_address) {
            let message = "maxactive is not there for one of several functions of a name";
            return Err(Unresolved::new(at, message));
        }
        return Ok(found);
    }
    // Without debug symbols, a name says enough by itself; a pattern would match functions
    // of other files.
    let needs_symbols = || code::needed(point, module.as_deref(), at);
    match given.split_once('@') {
        None if given.contains(':') => Err(needs_symbols()),
        None => Ok(own(given)),
        Some((name, file)) if file.contains(':') || name.contains(['*', '?', '[']) => {
            code::names(point, module.as_deref(), &given, at)
                .map(|names| names.into_iter().flat_map(own).collect())
        }
        Some((name, _)) => Ok(own(name.to_owned())),
    }
}

/// `statement("function@file:line")`, `statement(address)`, both with what follows
fn statement(point: &Arguments<'_>, module: Option<String>) -> Points {
    if point.text(1).is_ok() || point.name(2) != "absolute" {
        return code::statement(point, module.as_deref());
    }
    match module {
        None => absolute(point),
        Some(_) => Err(point.unknown(2)),
    }
}

/// `statement(address).absolute`
fn absolute(point: &Arguments<'_>) -> Points {
    let address = point.number(1)? as u64;
    if point.name(2) != "absolute" {
        let message = "an address as a number needs .absolute behind it";
        return Err(Unresolved::new(1, message));
    }
    point.plain(2)?;
    point.end(3)?;
    Ok(one(point, ProbeKind::Statement, AttachSpec::Statement { address }))
}

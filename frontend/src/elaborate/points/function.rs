// SPDX-License-Identifier: GPL-2.0-or-later
//! Functions and instructions of the kernel and of modules.

use super::{Arguments, Points, Unresolved, data, one, tracepoint};
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

const NO_DEBUG_INFORMATION: &str =
    "lines and files need debug information, which this kernel is not looked up in";

pub(super) fn kernel(point: &Arguments<'_>) -> Points {
    point.plain(0)?;
    match point.name(1) {
        "function" => function(point, None, 1),
        "statement" => statement(point),
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
        "statement" => Err(Unresolved::new(1, NO_DEBUG_INFORMATION)),
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
        "statement" => statement(point),
        "" => Err(point.unknown(0)),
        _ => Err(point.unknown(1)),
    }
}

/// `function("pattern")` at component `at`, with what follows it.
fn function(point: &Arguments<'_>, module: Option<String>, at: usize) -> Points {
    let given = point.text(at)?;
    let mut kind = ProbeKind::FunctionEntry;
    let (mut maxactive, mut exported) = (0, false);
    for n in at + 1..point.components().len() {
        match point.name(n) {
            "call" if n == at + 1 => {}
            "exported" => exported = true,
            "return" if kind == ProbeKind::FunctionEntry => kind = ProbeKind::FunctionReturn,
            "maxactive" if kind == ProbeKind::FunctionReturn => {
                maxactive = point.number_within(n, 1..=65_536, "maxactive")? as u32;
                continue;
            }
            "inline" => {
                return Err(Unresolved::new(n, "inlined functions need debug information"));
            }
            _ => return Err(point.unknown(n)),
        }
        point.plain(n)?;
    }
    let pattern = without_file(&given).map_err(|message| Unresolved::new(at, message))?;
    let attach = AttachSpec::Function { pattern, module, maxactive, exported };
    Ok(one(point, kind, attach))
}

/// The name in `name@file`. A name says enough by itself; a pattern would match functions
/// of other files.
fn without_file(given: &str) -> Result<String, &'static str> {
    let Some((name, file)) = given.split_once('@') else {
        return if given.contains(':') { Err(NO_DEBUG_INFORMATION) } else { Ok(given.to_owned()) };
    };
    if file.contains(':') || name.contains(['*', '?', '[']) {
        return Err(NO_DEBUG_INFORMATION);
    }
    Ok(name.to_owned())
}

/// `statement(address).absolute`
fn statement(point: &Arguments<'_>) -> Points {
    if point.text(1).is_ok() {
        return Err(Unresolved::new(1, NO_DEBUG_INFORMATION));
    }
    let address = point.number(1)? as u64;
    if point.name(2) != "absolute" {
        let message = "an address as a number needs .absolute behind it";
        return Err(Unresolved::new(1, message));
    }
    point.plain(2)?;
    point.end(3)?;
    Ok(one(point, ProbeKind::Statement, AttachSpec::Statement { address }))
}

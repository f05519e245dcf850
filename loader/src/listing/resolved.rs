// SPDX-License-Identifier: GPL-2.0-or-later
//! Points that the compiler resolves: the library's aliases, and those of the session, of clocks
//! and of files.

use super::{Detail, ListError, one, points};
use debuginfo::Types;
use frontend::{Compiler, LibraryFile, ListedPoint, Request, listed_points, listed_variables};
use frontend_syntax::Environment;
use frontend_syntax::preprocess::glob;
use frontend_syntax::render::render;
use std::collections::BTreeMap;
use vm_spec::blob::AttachSpec;

/// The points that a pattern stands for on this kernel, a line each.
///
/// # Errors
/// [`ListError`]
pub(super) fn lines(
    pattern: &str,
    detail: Detail,
    types: &Types,
    environment: &dyn Environment,
    library: &[LibraryFile],
) -> Result<Vec<String>, ListError> {
    let options =
        Request { library, types: Some(types), ..Request::new("<input>", b"", environment) };
    let script = handler_of(pattern);
    let mut compiler = Compiler::new(Request { script: script.as_bytes(), ..options });
    let Ok(found) = listed_points(&mut compiler) else {
        return Err(ListError::Unknown(errors(&compiler)));
    };
    // The first place that a name stands for says what its handlers can look at.
    let mut named: BTreeMap<String, ListedPoint> = BTreeMap::new();
    for point in found {
        if is_there(&point.attach, types) {
            named.entry(point.name.clone()).or_insert(point);
        }
    }
    let mut lines = Vec::new();
    for (name, point) in named {
        let mut line = name;
        if detail == Detail::Variables {
            let script = handler_of(&line);
            for (variable, kind) in
                listed_variables(Request { script: script.as_bytes(), ..options })
            {
                line += &format!(" {variable}:{kind}");
            }
            line += &kernel_variables(&point.stands_for, types, environment);
        }
        lines.push(line);
    }
    Ok(lines)
}

fn handler_of(point: &str) -> String {
    format!("probe {point} {{}}")
}

fn errors(compiler: &Compiler<'_>) -> String {
    let shown = compiler.diagnostics().iter().filter(|diagnostic| diagnostic.is_error());
    let texts: Vec<String> = shown.map(|d| render(compiler.source_map(), d)).collect();
    texts.join("\n").trim_end().to_owned()
}

/// Does this kernel have what a point is attached to, as far as its types tell? Aliases name
/// functions and tracepoints of many kernels.
fn is_there(attach: &AttachSpec, types: &Types) -> bool {
    let matches = |module: Option<&str>, pattern: &str| {
        let Ok(names) = types.function_names(module) else { return true };
        names.iter().any(|name| glob(pattern.as_bytes(), name.as_bytes()))
    };
    match attach {
        AttachSpec::Function { pattern, module, .. } => matches(module.as_deref(), pattern),
        AttachSpec::Tracepoint { pattern, .. } => {
            matches(None, &format!("{}{pattern}", super::TRACE_PREFIX))
        }
        _ => true,
    }
}

/// ` $name:type` of each variable of the function or tracepoint behind a name.
fn kernel_variables(point: &str, types: &Types, environment: &dyn Environment) -> String {
    let Ok(parsed) = points(point, environment) else { return String::new() };
    let listed = parsed.first().map(|(point, _)| one(point, Detail::Variables, types));
    let Some(Ok(Some(lines))) = listed else { return String::new() };
    let variables = lines.first().and_then(|line| line.find(" $").and_then(|at| line.get(at..)));
    variables.unwrap_or_default().to_owned()
}

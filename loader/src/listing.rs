// SPDX-License-Identifier: GPL-2.0-or-later
//! `stap -l` and `-L`: the probe points that a pattern matches, with what `$names` their
//! handlers can look at. They come from the kernel's types; files, lines and what else only
//! debug symbols tell comes from those, where they are installed.

mod resolved;

use debuginfo::dwarf::{CodePoint, DebugError, FunctionPattern};
use debuginfo::{Function, Place, Shape, Types, TypesError};
use frontend::LibraryFile;
use frontend_syntax::ast::{Item, Literal, ProbePoint};
use frontend_syntax::preprocess::glob;
use frontend_syntax::{Environment, ParseOptions, SourceMap, parse};

/// What every tracepoint has a function of.
const TRACE_PREFIX: &str = "__traceiter_";

/// How much is told of each point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// Its name (`-l`).
    Name,
    /// And its variables (`-L`).
    Variables,
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is no probe point.
    #[error("'{0}' is not a probe point")]
    Syntax(String),
    /// The compiler does not know such points; its errors, as it shows them.
    #[error("{0}")]
    Unknown(String),
    /// Debug symbols do not tell of it, or are not there.
    #[error("{0}")]
    Symbols(String),
    /// There are no types.
    #[error(transparent)]
    Types(#[from] TypesError),
}

/// The probe points that a pattern matches, sorted.
///
/// # Errors
/// [`ListError`]; a pattern that matches nothing gives an empty list.
pub fn list(
    pattern: &str,
    detail: Detail,
    types: &Types,
    environment: &dyn Environment,
    library: &[LibraryFile],
) -> Result<Vec<String>, ListError> {
    let mut lines = Vec::new();
    for (point, text) in points(pattern, environment)? {
        lines.extend(match one(&point, detail, types)? {
            Some(found) => found,
            None => resolved::lines(&text, detail, types, environment, library)?,
        });
    }
    lines.sort_unstable();
    lines.dedup();
    Ok(lines)
}

/// The points of a list of such, each with its text.
fn points(
    pattern: &str,
    environment: &dyn Environment,
) -> Result<Vec<(ProbePoint, String)>, ListError> {
    let mut map = SourceMap::new();
    let file = map.add("<pattern>", format!("probe {pattern} {{}}").as_bytes());
    let parsed = parse(&map, file, &ParseOptions { arguments: &[], environment, guru: false });
    let syntax = || ListError::Syntax(pattern.to_owned());
    if parsed.diagnostics.iter().any(frontend_syntax::Diagnostic::is_error) {
        return Err(syntax());
    }
    match parsed.script.items.into_iter().next() {
        Some(Item::Probe(probe)) => {
            let text = |point: &ProbePoint| map.text(point.span).to_owned();
            Ok(probe
                .points
                .into_iter()
                .map(|point| {
                    let text = text(&point);
                    (point, text)
                })
                .collect())
        }
        _ => Err(syntax()),
    }
}

fn argument(point: &ProbePoint, component: usize) -> Option<String> {
    match point.components.get(component)?.argument.as_ref()? {
        Literal::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        Literal::Number(_) => None,
    }
}

/// Points in the kernel's code, which its types tell; nothing for those of other kinds.
fn one(
    point: &ProbePoint,
    detail: Detail,
    types: &Types,
) -> Result<Option<Vec<String>>, ListError> {
    let name = |n: usize| point.components.get(n).map_or("", |c| c.name.text.as_str());
    let rest: Vec<&str> = point.components.iter().skip(2).map(|c| c.name.text.as_str()).collect();
    let lines = match (name(0), name(1), rest.as_slice(), argument(point, 1)) {
        ("kernel" | "module", "statement", ..)
        | ("kernel" | "module", "function", ["inline" | "label" | "callee" | "callees", ..], _) => {
            let found = frontend::code_points(point, types).map_err(ListError::Symbols)?;
            code(found, detail, types)
        }
        ("kernel" | "module", "function", [] | ["call" | "return" | "exported"], Some(pattern)) => {
            let module = argument(point, 0);
            if rest.is_empty() || rest == ["call"] {
                let found = with_symbols(module.as_deref(), &pattern, &rest, detail, types)?;
                if let Some(lines) = found {
                    return Ok(Some(lines));
                }
            }
            let suffix = rest.first().map_or(String::new(), |word| format!(".{word}"));
            functions(module.as_deref(), &pattern, &suffix, detail, types)
        }
        ("kernel", "trace" | "tracepoint", [], Some(pattern)) => {
            tracepoints(&pattern, detail, types)
        }
        _ => return Ok(None),
    };
    lines.map(Some)
}

fn functions(
    module: Option<&str>,
    pattern: &str,
    suffix: &str,
    detail: Detail,
    types: &Types,
) -> Result<Vec<String>, ListError> {
    // Which file a function comes from, the types do not tell.
    let pattern = pattern.split('@').next().unwrap_or_default();
    let scope = module.map_or("kernel".to_owned(), |module| format!("module(\"{module}\")"));
    let mut lines = Vec::new();
    for name in matching(types, module, pattern, "")? {
        let mut line = format!("{scope}.function(\"{name}\"){suffix}");
        if detail == Detail::Variables {
            let found = types.functions(module, &name)?;
            // Of several functions with one name, nothing can be said that holds for all.
            if let [function] = found.as_slice() {
                if suffix == ".return" && function.returns.shape() != Shape::Void {
                    line += &format!(" $return:{}", function.returns.text());
                }
                line += &variables(function);
            }
        }
        lines.push(line);
    }
    Ok(lines)
}

/// More functions than these are listed by name alone.
const MAX_CODE: usize = 20_000;

/// Functions with their files and lines, and where they are inlined, if there are symbols.
fn with_symbols(
    module: Option<&str>,
    pattern: &str,
    rest: &[&str],
    detail: Detail,
    types: &Types,
) -> Result<Option<Vec<String>>, ListError> {
    if module.is_some_and(|module| module.contains(['*', '?', '['])) {
        return Ok(None);
    }
    let Ok(debug) = types.debug(module) else { return Ok(None) };
    let symbols = |error: DebugError| ListError::Symbols(error.to_string());
    let wanted = FunctionPattern::parse(pattern, glob).map_err(ListError::Symbols)?;
    if debug.count_functions(&wanted) > MAX_CODE {
        return Ok(None);
    }
    let scope = module.map_or("kernel".to_owned(), |module| format!("module(\"{module}\")"));
    let (mut lines, mut found) = (Vec::new(), Vec::new());
    let suffix = rest.first().map_or(String::new(), |word| format!(".{word}"));
    for point in debug.functions(&wanted).map_err(symbols)? {
        if point.inlined && !rest.is_empty() {
            continue;
        }
        let CodePoint { function, file, line, .. } = &point;
        let text = format!("{scope}.function(\"{function}@{file}:{line}\"){suffix}");
        // The handler's names are those that BTF tells, where it knows the function.
        match types.functions(module, function) {
            Ok(known) if !point.inlined && known.len() == 1 => {
                let names = match detail {
                    Detail::Variables => known.iter().map(variables).collect(),
                    Detail::Name => String::new(),
                };
                lines.push(text + &names);
            }
            _ => found.push((text, point)),
        }
    }
    lines.extend(code(found, detail, types)?);
    Ok(Some(lines))
}

/// Places in the code, with the variables that can be read there.
fn code(
    found: Vec<(String, CodePoint)>,
    detail: Detail,
    types: &Types,
) -> Result<Vec<String>, ListError> {
    let symbols = |error: DebugError| ListError::Symbols(error.to_string());
    let mut lines = Vec::new();
    for (text, point) in found {
        let mut line = text;
        if detail == Detail::Variables {
            let debug = types.debug(point.module.as_deref()).map_err(symbols)?;
            for variable in debug.variables(&point).map_err(symbols)? {
                if let Ok(local) = debug.local(&point, &variable.name) {
                    line += &format!(" ${}:{}", variable.name, local.ty.text());
                }
            }
        }
        lines.push(line);
    }
    Ok(lines)
}

/// ` $name:type` of each argument that can be read.
fn variables(function: &Function) -> String {
    let readable = function.arguments.iter().filter(|argument| argument.place != Place::Unknown);
    readable.map(|argument| format!(" ${}:{}", argument.name, argument.ty.text())).collect()
}

fn matching(
    types: &Types,
    module: Option<&str>,
    pattern: &str,
    prefix: &str,
) -> Result<Vec<String>, TypesError> {
    let mut names: Vec<String> = types
        .function_names(module)?
        .into_iter()
        .filter_map(|name| name.strip_prefix(prefix).map(str::to_owned))
        .filter(|name| glob(pattern.as_bytes(), name.as_bytes()))
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn tracepoints(pattern: &str, detail: Detail, types: &Types) -> Result<Vec<String>, ListError> {
    let (system, pattern) = pattern.split_once(':').map_or((None, pattern), |(s, p)| (Some(s), p));
    let mut lines = Vec::new();
    for name in matching(types, None, pattern, TRACE_PREFIX)? {
        let of = types.system_of(&name);
        if !system.is_none_or(|system| is_of(system, &name, of)) {
            continue;
        }
        let full = of.map_or(name.clone(), |of| format!("{of}:{name}"));
        let mut line = format!("kernel.trace(\"{full}\")");
        if detail == Detail::Variables
            && let Some(function) = types.tracepoint(None, &name)?
        {
            line += &variables(&function);
        }
        lines.push(line);
    }
    Ok(lines)
}

/// Is a tracepoint of a subsystem? The types do not tell which one it is of: of a kernel that
/// does not run here, a subsystem stands for the tracepoints whose names begin with its own, as
/// most do.
fn is_of(system: &str, name: &str, known: Option<&str>) -> bool {
    match known {
        Some(known) => glob(system.as_bytes(), known.as_bytes()),
        None => glob(format!("{system}_*").as_bytes(), name.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn tracepoints_are_of_the_subsystem_that_is_known_or_that_they_are_named_after() {
        assert!(is_of("sched", "sched_switch", Some("sched")));
        assert!(is_of("s*", "sched_switch", None) && is_of("sched", "sched_switch", None));
        assert!(is_of("kmem", "kmalloc", Some("kmem")) && !is_of("kmem", "kmalloc", None));
        assert!(
            !is_of("irq", "sched_switch", Some("sched")) && !is_of("sch", "sched_switch", None)
        );
    }
}

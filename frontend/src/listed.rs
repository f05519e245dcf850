// SPDX-License-Identifier: GPL-2.0-or-later
//! What `stap -l` and `-L` want to know of probe points that the compiler resolves: those that a
//! pattern stands for, and the variables that the library's aliases set for their handlers.

use crate::program::{Program, Scope};
use crate::{Compiler, Failed, Request, Unread, elaborate, target, types};
use frontend_syntax::ast::{Block, Expression, ExpressionKind};
use frontend_syntax::{ParseOptions, visit};
use vm_spec::blob::AttachSpec;

/// A probe point, as a script would name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedPoint {
    /// Its name, wildcards resolved.
    pub name: String,
    /// What the name stands for in the end: itself, or what is behind an alias.
    pub stands_for: String,
    /// Where it is attached.
    pub attach: AttachSpec,
}

/// The probe points that a script's own probes are attached to, one after the other; a name
/// comes as often as it stands for something else.
///
/// # Errors
/// [`Failed`]: the compiler knows why.
pub fn listed_points(compiler: &mut Compiler<'_>) -> Result<Vec<ListedPoint>, Failed> {
    let program = elaborated(compiler)?;
    let points = program.probes.into_iter().map(|probe| ListedPoint {
        name: probe.alias.map_or_else(|| probe.text.clone(), |alias| alias.to_string()),
        stands_for: probe.text,
        attach: probe.attach,
    });
    Ok(points.collect())
}

/// The variables that aliases set for the script's first probe, in their order, with their types.
/// There are none to tell if what they are computed from is not known of this kernel.
pub fn listed_variables(request: Request<'_>) -> Vec<(String, &'static str)> {
    let request = Request { unread: Unread::Kept, display_globals: false, ..request };
    let mut compiler = Compiler::new(request);
    let Ok(mut program) = elaborated(&mut compiler) else { return Vec::new() };
    program.probes.truncate(1);
    program.hide_globals_behind_parameters();
    let is_error = frontend_syntax::Diagnostic::is_error;
    let default = vm_spec::build::Limits::default().string_length;
    if target::resolve(&mut program, request.types, request.guru, default).iter().any(is_error) {
        return Vec::new();
    }
    // A variable whose type nothing tells is left out, whatever else is said of it.
    types::infer(&mut program);
    let Some(probe) = program.probes.iter().find(|probe| !probe.keeping.serves_return) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    probe.bodies.iter().for_each(|body| assigned(body, &mut names));
    names.iter().filter_map(|name| typed(&probe.scope, name)).collect()
}

fn elaborated(compiler: &mut Compiler<'_>) -> Result<Program, Failed> {
    let parsed = compiler.parse()?;
    let request = compiler.request;
    let options = ParseOptions {
        arguments: request.arguments,
        environment: request.environment,
        guru: request.guru,
    };
    let reader = crate::Reader { map: &mut compiler.map, options };
    let (program, diagnostics) =
        elaborate::elaborate(parsed.merge(), &request, &mut compiler.library, reader);
    compiler.finish(program, diagnostics)
}

/// Variables that a body sets, each once.
fn assigned(body: &Block, names: &mut Vec<String>) {
    visit::expressions(body, &mut |expression| {
        visit::within(expression, &mut |e: &Expression| {
            if let ExpressionKind::Assign { target, .. } = &e.kind
                && let ExpressionKind::Variable(name) = &target.kind
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        });
    });
}

fn typed(scope: &Scope, name: &str) -> Option<(String, &'static str)> {
    let (kind, _) = scope.locals.get(name).copied().flatten()?;
    Some((name.to_owned(), kind.text()))
}

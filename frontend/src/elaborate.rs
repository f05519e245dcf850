// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 2, first half: aliases are resolved and probe points understood.

mod points;

use crate::Request;
use crate::names::similar;
use crate::program::{Function, Global, Probe, Program, Scope, Type};
use frontend_syntax::ast::{self, AliasKind, Item, Literal, ProbePoint};
use frontend_syntax::preprocess::glob;
use frontend_syntax::{Diagnostic, Span};
use std::rc::Rc;
use vm_spec::build::Histogram;

/// Aliases of aliases of aliases.
const MAX_ALIAS_DEPTH: usize = 50;
/// Probes of one script.
const MAX_PROBES: usize = 20_000;

/// An alias with its body shared.
struct Alias {
    name: ProbePoint,
    points: Vec<ProbePoint>,
    kind: AliasKind,
    body: Rc<ast::Block>,
}

/// What surrounds a probe's own body on the way through aliases.
#[derive(Clone, Default)]
struct Frame {
    before: Vec<Rc<ast::Block>>,
    after: Vec<Rc<ast::Block>>,
    depth: usize,
    optional: bool,
    condition: Option<Rc<ast::Expression>>,
}

struct Pass {
    program: Program,
    aliases: Vec<Alias>,
    diagnostics: Vec<Diagnostic>,
}

/// Resolves a script's declarations.
pub(crate) fn elaborate(script: ast::Script, request: &Request<'_>) -> (Program, Vec<Diagnostic>) {
    let mut pass =
        Pass { program: Program::default(), aliases: Vec::new(), diagnostics: Vec::new() };
    let mut probes = Vec::new();
    for item in script.items {
        match item {
            Item::Probe(probe) => probes.push(probe),
            Item::Alias(alias) => pass.alias(alias),
            Item::Global(global) => pass.global(global, request),
            Item::Function(function) => pass.function(function),
            Item::EmbeddedC(span) => pass.embedded_c(span),
        }
    }
    for (name, _) in request.globals {
        if pass.program.global(name).is_none() {
            let message = format!("no match for global variable '{name}' of option -G");
            pass.diagnostics.push(Diagnostic::semantic(message, Span::default()));
        }
    }
    let nothing_to_do = probes.is_empty() && pass.diagnostics.is_empty();
    for probe in probes {
        let body = Rc::new(probe.body);
        pass.points(&probe.points, &body, &Frame::default());
    }
    if nothing_to_do {
        pass.diagnostics.push(Diagnostic::semantic("no probes found", Span::default()));
    }
    (pass.program, pass.diagnostics)
}

impl Pass {
    fn embedded_c(&mut self, span: Span) {
        let message = "embedded C code cannot run here";
        self.diagnostics.push(
            Diagnostic::semantic(message, span)
                .label("nothing compiles C on the machine that runs the script")
                .help("use the functions of the tapset, or @cast and $variables for kernel data"),
        );
    }

    fn alias(&mut self, alias: ast::Alias) {
        let body = Rc::new(alias.body);
        for name in alias.names {
            let (points, body) = (alias.points.clone(), Rc::clone(&body));
            self.aliases.push(Alias { name, points, kind: alias.kind, body });
        }
    }

    fn global(&mut self, global: ast::Global, request: &Request<'_>) {
        let ast::Name { text: name, span } = global.name;
        if let Some(before) = self.program.global(&name) {
            let first = self.program.globals[before].span;
            let message = format!("duplicate global name '{name}'");
            let diagnostic = Diagnostic::semantic(message, span).also(first, "first declared here");
            self.diagnostics.push(diagnostic);
            return;
        }
        let mut initial = global.initial.map(|(literal, _)| literal);
        if let Some((_, value)) = request.globals.iter().rev().find(|(key, _)| *key == name) {
            initial = Some(override_of(value, initial.as_ref()));
        }
        let kind = initial.as_ref().map(|literal| match literal {
            Literal::Number(_) => (Type::Long, span),
            Literal::Text(_) => (Type::Text, span),
        });
        self.program.globals.push(Global {
            name,
            span,
            initial,
            size: global.size,
            wrap: global.wrap,
            keys: None,
            value: kind,
            histogram: Histogram::None,
            read: false,
            written: false,
        });
    }

    fn function(&mut self, function: ast::Function) {
        let body = match function.body {
            ast::FunctionBody::Script(block) => Rc::new(block),
            ast::FunctionBody::EmbeddedC(span) => return self.embedded_c(span),
        };
        if let Some(before) = self.program.function(&function.name.text) {
            let first = self.program.functions[before].name.span;
            let message = format!("function '{}' is declared twice", function.name.text);
            let diagnostic = Diagnostic::semantic(message, function.name.span)
                .also(first, "first declared here");
            self.diagnostics.push(diagnostic);
            return;
        }
        let declared = |kind: ast::Type| match kind {
            ast::Type::Long => Type::Long,
            ast::Type::Text => Type::Text,
        };
        let mut scope = Scope::default();
        for parameter in &function.parameters {
            let known = parameter.kind.map(|kind| (declared(kind), parameter.name.span));
            if scope.locals.insert(parameter.name.text.clone(), known).is_some() {
                let message = format!("duplicate parameter '{}'", parameter.name.text);
                self.diagnostics.push(Diagnostic::semantic(message, parameter.name.span));
            }
        }
        self.program.functions.push(Function {
            returns: function.returns.map(|kind| (declared(kind), function.name.span)),
            gives: function.returns.is_some(),
            parameters: function.parameters.into_iter().map(|p| p.name).collect(),
            name: function.name,
            body,
            scope,
        });
    }

    /// The probes that a list of points stands for.
    fn points(&mut self, points: &[ProbePoint], body: &Rc<ast::Block>, frame: &Frame) {
        for point in points {
            let before = self.program.probes.len();
            self.point(point, body, frame);
            let found = self.program.probes.len() > before;
            if found && point.presence == ast::Presence::Sufficient {
                return;
            }
        }
    }

    fn point(&mut self, point: &ProbePoint, body: &Rc<ast::Block>, frame: &Frame) {
        if frame.depth > MAX_ALIAS_DEPTH || self.program.probes.len() > MAX_PROBES {
            let message = "probe aliases are nested too deeply or make too many probes";
            self.diagnostics.push(Diagnostic::semantic(message, point.span));
            return;
        }
        let mut frame = frame.clone();
        frame.depth += 1;
        frame.optional |= point.presence != ast::Presence::Required;
        if let Some(condition) = &point.condition {
            frame.condition = Some(Rc::new(condition.clone()));
        }
        let used: Vec<usize> =
            (0..self.aliases.len()).filter(|&n| names(&self.aliases[n].name, point)).collect();
        if !used.is_empty() {
            for n in used {
                self.through_alias(n, body, &frame);
            }
            return;
        }
        match points::resolve(point) {
            Ok(resolved) => {
                for found in resolved {
                    self.probe(found, body, &frame);
                }
            }
            Err(_) if frame.optional => {}
            Err(reason) => self.unresolved(point, &reason),
        }
    }

    fn through_alias(&mut self, n: usize, body: &Rc<ast::Block>, frame: &Frame) {
        let alias = &self.aliases[n];
        let mut inner = frame.clone();
        match alias.kind {
            AliasKind::Prologue => inner.before.insert(0, Rc::clone(&alias.body)),
            AliasKind::Epilogue => inner.after.push(Rc::clone(&alias.body)),
        }
        let points = alias.points.clone();
        self.points(&points, body, &inner);
    }

    fn probe(&mut self, found: points::Resolved, body: &Rc<ast::Block>, frame: &Frame) {
        let mut bodies = frame.before.clone();
        bodies.extend(found.prologue.map(Rc::new));
        // The innermost alias is nearest to the kernel, so its prologue runs first.
        let own = bodies.len() - frame.before.len();
        bodies.rotate_right(own);
        bodies.push(Rc::clone(body));
        bodies.extend(frame.after.iter().cloned());
        self.program.probes.push(Probe {
            kind: found.kind,
            attach: found.attach,
            optional: frame.optional || found.optional,
            text: found.text,
            bodies,
            condition: frame.condition.clone(),
            scope: Scope::default(),
        });
    }

    fn unresolved(&mut self, point: &ProbePoint, reason: &points::Unresolved) {
        let at = point.components.get(reason.component).map_or(point.span, |c| c.name.span);
        let message = format!("while resolving probe point: {}", reason.message);
        let mut diagnostic = Diagnostic::semantic(message, at);
        let name = point.components.first().map_or("", |c| c.name.text.as_str());
        if reason.component == 0 {
            let aliases = self.aliases.iter().filter_map(|alias| alias.name.components.first());
            let known = points::FIRST.iter().copied().chain(aliases.map(|c| c.name.text.as_str()));
            if let Some(help) = similar(name, known) {
                diagnostic = diagnostic.help(help);
            }
        }
        self.diagnostics.push(diagnostic);
    }
}

/// Does a probe point name an alias? Wildcards match component by component.
fn names(alias: &ProbePoint, point: &ProbePoint) -> bool {
    alias.components.len() == point.components.len()
        && alias.components.iter().zip(&point.components).all(|(known, wanted)| {
            known.argument == wanted.argument
                && glob(wanted.name.text.as_bytes(), known.name.text.as_bytes())
        })
}

/// The literal that `-G name=value` means: a number if it is one and the script does
/// not say string.
fn override_of(value: &str, initial: Option<&Literal>) -> Literal {
    let number = match value.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => value.parse().ok(),
    };
    match (number, initial) {
        (Some(n), None | Some(Literal::Number(_))) => Literal::Number(n),
        _ => Literal::Text(value.trim_matches('"').as_bytes().to_vec()),
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 2, first half: aliases are resolved and probe points understood.

mod entry;
mod link;
pub(crate) mod points;
mod prune;
pub(crate) mod variables;

use crate::library::{Library, Reader, used_variables, variables_in};
use crate::names::similar;
use crate::program::{Function, Global, Keeping, Probe, Program, Scope, Type};
use crate::syscalls::{Syscall, Wanted};
use crate::{Request, Unread};
use frontend_syntax::ast::{
    self, AliasKind, ExpressionKind, Item, Literal, ProbePoint, Statement, StatementKind,
};
use frontend_syntax::preprocess::glob;
use frontend_syntax::{Diagnostic, Span, visit};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use vm_spec::build::Histogram;
use vm_spec::probe::ProbeKind;

/// Aliases of aliases of aliases.
const MAX_ALIAS_DEPTH: usize = 50;
/// Points that are looked at, with those behind aliases.
const MAX_POINTS: usize = 10 * MAX_PROBES;
/// Probes of one script.
pub(crate) const MAX_PROBES: usize = 20_000;

/// Whose text something is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Script,
    Library,
}

/// A body that an alias puts around a probe's own.
#[derive(Clone)]
struct Wrapping {
    block: Rc<ast::Block>,
    origin: Origin,
}

/// An alias with its bodies shared.
struct Alias {
    name: ProbePoint,
    points: Vec<ProbePoint>,
    before: Option<Wrapping>,
    after: Option<Wrapping>,
}

/// What surrounds a probe's own body on the way through aliases.
#[derive(Clone, Default)]
struct Frame {
    before: Vec<Wrapping>,
    after: Vec<Wrapping>,
    /// The aliases on the way, by number.
    aliases: Vec<usize>,
    /// The probe as the script names it, wildcards of aliases resolved.
    name: Option<Rc<str>>,
    optional: bool,
    condition: Option<Rc<ast::Expression>>,
}

/// The places in the code that a probe point stands for, with their texts.
///
/// # Errors
/// Why there are none.
pub(crate) fn code_points(
    point: &ProbePoint,
    types: &debuginfo::Types,
) -> Result<Vec<(String, debuginfo::dwarf::CodePoint)>, String> {
    let found = points::resolve(point, Some(types)).map_err(|reason| reason.message)?;
    Ok(found.into_iter().filter_map(|found| Some((found.text, found.code?))).collect())
}

struct Pass<'r, 'l, 'm> {
    program: Program,
    aliases: Vec<Alias>,
    request: &'r Request<'r>,
    library: &'r mut Library<'l>,
    reader: Reader<'m, 'r>,
    /// Variables that a body names, by its address, with the body: while it is held, no
    /// other comes to lie there.
    used: HashMap<*const ast::Block, (Rc<ast::Block>, Rc<BTreeSet<String>>)>,
    /// Bodies of system calls' returns, by address, once `@entry` is taken care of.
    entries: HashMap<*const ast::Block, entry::Kept>,
    /// Points that were looked at, those behind aliases as well.
    points: usize,
    diagnostics: Vec<Diagnostic>,
}

/// Resolves a script's declarations, with the library's help.
pub(crate) fn elaborate<'r>(
    script: ast::Script,
    request: &'r Request<'r>,
    library: &'r mut Library<'_>,
    reader: Reader<'_, 'r>,
) -> (Program, Vec<Diagnostic>) {
    let mut pass = Pass {
        program: Program::default(),
        aliases: Vec::new(),
        request,
        library,
        reader,
        used: HashMap::new(),
        entries: HashMap::new(),
        points: 0,
        diagnostics: Vec::new(),
    };
    let mut probes = Vec::new();
    for item in script.items {
        match item {
            Item::Probe(probe) => probes.push(probe),
            Item::Alias(alias) => pass.alias(alias, Origin::Script),
            Item::Global(global) => pass.global(global),
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
    for probe in probes {
        pass.declared(probe);
    }
    pass.link();
    let mut diagnostics = pass.library.take_diagnostics();
    diagnostics.append(&mut pass.diagnostics);
    (pass.program, diagnostics)
}

impl Pass<'_, '_, '_> {
    fn declared(&mut self, probe: ast::Probe) {
        let body = Rc::new(probe.body);
        self.points(&probe.points, &body, &Frame::default());
    }

    fn embedded_c(&mut self, span: Span) {
        let message = "embedded C code cannot run here";
        self.diagnostics.push(
            Diagnostic::semantic(message, span)
                .label("nothing compiles C on the machine that runs the script")
                .help("use the functions of the tapset, or @cast and $variables for kernel data"),
        );
    }

    fn alias(&mut self, alias: ast::Alias, origin: Origin) {
        let wrapping = |block: ast::Block| {
            (!block.statements.is_empty()).then(|| Wrapping { block: Rc::new(block), origin })
        };
        let first = wrapping(alias.body);
        let second = alias.epilogue.and_then(wrapping);
        let (before, after) = match alias.kind {
            AliasKind::Prologue => (first, second),
            AliasKind::Epilogue => (None, first.or(second)),
        };
        for name in alias.names {
            let (points, before, after) = (alias.points.clone(), before.clone(), after.clone());
            self.aliases.push(Alias { name, points, before, after });
        }
    }

    fn global(&mut self, global: ast::Global) {
        let request = self.request;
        let ast::Name { text: name, span } = global.name;
        if let Some(before) = self.program.global_at(&name, span) {
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
        self.program.add_global(Global {
            name,
            span,
            initial,
            size: global.size,
            wrap: global.wrap,
            private: global.private,
            keys: None,
            value: kind,
            first_use: Span::default(),
            histogram: Histogram::None,
            variance: None,
        });
    }

    fn function(&mut self, function: ast::Function) {
        let body = match function.body {
            ast::FunctionBody::Script(block) => Rc::new(block),
            ast::FunctionBody::EmbeddedC(span) => return self.embedded_c(span),
        };
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
        let typed = function.parameters.iter().filter(|parameter| parameter.kind.is_some());
        self.program.add_function(Function {
            declared: typed.map(|parameter| parameter.name.text.clone()).collect(),
            priority: function.priority.unwrap_or(0),
            private: function.private,
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
        self.points += 1;
        if self.points > MAX_POINTS {
            if self.points == MAX_POINTS + 1 {
                let message =
                    format!("probe aliases stand for more than {MAX_POINTS} probe points");
                self.diagnostics.push(Diagnostic::semantic(message, point.span));
            }
            return;
        }
        if frame.aliases.len() > MAX_ALIAS_DEPTH || self.program.probes.len() > MAX_PROBES {
            let message = "probe aliases are nested too deeply or make too many probes";
            self.diagnostics.push(Diagnostic::semantic(message, point.span));
            return;
        }
        let mut frame = frame.clone();
        frame.optional |= point.presence != ast::Presence::Required;
        let optional = frame.optional;
        if let Some(condition) = &point.condition {
            self.check_condition(condition);
            frame.condition = Some(Rc::new(condition.clone()));
        }
        let named = self.aliases_of(point);
        let built_in = points::matching(point);
        if !named.is_empty() || !built_in.is_empty() {
            let wild = point.components.iter().any(|c| c.name.text.contains('*'));
            // A wildcard takes what there is.
            frame.optional |= wild;
            let before = self.program.probes.len();
            let outermost = frame.name.is_none();
            for meant in &built_in {
                self.resolved(meant, body, &frame);
            }
            for (n, length) in named {
                let suffix = point.components.get(length..).unwrap_or_default();
                if outermost {
                    frame.name = self.aliases.get(n).map(|alias| {
                        let mut full = alias.name.clone();
                        full.components.extend_from_slice(suffix);
                        points::text(&full).into()
                    });
                }
                self.through_alias(n, suffix, body, &frame);
            }
            if self.program.probes.len() == before && !optional {
                let reason = points::unknown(point, 0);
                self.unresolved(point, &reason);
            }
            return;
        }
        self.resolved(point, body, &frame);
    }

    /// The probes of a point that is no alias.
    fn resolved(&mut self, point: &ProbePoint, body: &Rc<ast::Block>, frame: &Frame) {
        match points::resolve(point, self.request.types) {
            Ok(resolved) => {
                let prologues = self.prologues(&resolved, body, frame);
                for (found, prologue) in resolved.into_iter().zip(prologues) {
                    self.probe(found, prologue, body, frame);
                }
            }
            Err(_) if frame.optional => {}
            Err(mut reason) => {
                if reason.component == 0 && reason.is_mismatch && reason.help.is_none() {
                    reason = points::unknown(point, self.known_components(point));
                }
                self.unresolved(point, &reason);
            }
        }
    }

    /// A condition is looked at whenever something changes: it may only look at variables.
    fn check_condition(&mut self, condition: &ast::Expression) {
        let mut wrong = None;
        visit::within(condition, &mut |e| {
            let found = match &e.kind {
                ExpressionKind::Call { .. } => "probe condition must not reference function",
                ExpressionKind::Assign { .. }
                | ExpressionKind::Step { .. }
                | ExpressionKind::Accumulate { .. } => {
                    "probe condition must not modify any variables"
                }
                _ => return,
            };
            wrong.get_or_insert(Diagnostic::semantic(found, e.token));
        });
        self.diagnostics.extend(wrong);
    }

    /// The aliases that a point names, with how many of its components each takes; the
    /// rest is a suffix for the points behind the alias.
    fn aliases_of(&mut self, point: &ProbePoint) -> Vec<(usize, usize)> {
        let point_name = name_of(point);
        self.library.load_aliases(|name| may_name(name, &point_name), &mut self.reader);
        self.take_fresh();
        let lengths = || (1..=point.components.len()).rev();
        for length in lengths() {
            let named = |alias: &Alias| names(&alias.name, point, length);
            let found: Vec<(usize, usize)> = (0..self.aliases.len())
                .filter(|&n| self.aliases.get(n).is_some_and(named))
                .map(|n| (n, length))
                .collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// Declares what files that were loaded just now bring along.
    fn take_fresh(&mut self) {
        let (aliases, probes) = self.library.take_fresh();
        for mut alias in aliases {
            link::keep_variables_apart(&mut alias, &self.program.globals);
            self.alias(alias, Origin::Library);
        }
        for probe in probes {
            self.declared(probe);
        }
    }

    fn through_alias(
        &mut self,
        n: usize,
        suffix: &[ast::Component],
        body: &Rc<ast::Block>,
        frame: &Frame,
    ) {
        let Some(alias) = self.aliases.get(n) else { return };
        if frame.aliases.contains(&n) {
            if !frame.optional {
                let message = "this probe alias leads back to itself";
                self.diagnostics.push(Diagnostic::semantic(message, alias.name.span));
            }
            return;
        }
        let mut inner = frame.clone();
        inner.aliases.push(n);
        // The innermost alias is nearest to the kernel, so its prologue runs first.
        inner.before.splice(0..0, alias.before.clone());
        inner.after.extend(alias.after.clone());
        let mut points = alias.points.clone();
        for point in &mut points {
            point.components.extend_from_slice(suffix);
        }
        self.points(&points, body, &inner);
    }

    /// What sets the variables of system calls that somebody reads, for each point.
    fn prologues(
        &mut self,
        found: &[points::Resolved],
        body: &Rc<ast::Block>,
        frame: &Frame,
    ) -> Vec<Option<ast::Block>> {
        if found.iter().all(|point| point.call.is_none() && point.prologue.is_none()) {
            return found.iter().map(|_| None).collect();
        }
        let mut wanted = (*self.variables_of(body)).clone();
        for wrapping in frame.before.iter().chain(&frame.after) {
            wanted.extend(self.variables_of(&wrapping.block).iter().cloned());
        }
        if let Some(condition) = &frame.condition {
            variables_in(condition, &mut wanted);
        }
        if self.request.unread == Unread::Kept {
            wanted.extend(found.iter().filter_map(|point| point.call).flat_map(Syscall::variables));
        }
        let taken = self.program.globals.iter().map(|global| global.name.clone()).collect();
        let wanted = Wanted { names: &wanted, taken: &taken };
        let texts: Vec<String> = found
            .iter()
            .map(|point| match (point.call, point.kind) {
                (Some(call), ProbeKind::SyscallExit) => call.exit(&wanted),
                (Some(call), _) => call.entry(&wanted),
                (None, _) => point.prologue.clone().unwrap_or_default(),
            })
            .collect();
        let blocks = self.library.bodies("tapset/syscalls.table", &texts, &mut self.reader);
        blocks.into_iter().map(|block| (!block.statements.is_empty()).then_some(block)).collect()
    }

    fn probe(
        &mut self,
        found: points::Resolved,
        prologue: Option<ast::Block>,
        body: &Rc<ast::Block>,
        frame: &Frame,
    ) {
        let mut bodies: Vec<Rc<ast::Block>> = prologue.map(Rc::new).into_iter().collect();
        let (before, after) = self.pruned(frame, body);
        let body = &self.kept_from_entry(&found, body);
        bodies.extend(before);
        bodies.push(Rc::clone(body));
        bodies.extend(after);
        let name = frame.name.as_deref().unwrap_or(&found.text);
        for body in &mut bodies {
            if variables::asks_for_name(body) {
                variables::rewrite_name(Rc::make_mut(body), name);
            }
        }
        if found.variables != points::ContextVariables::None {
            for body in &mut bodies {
                variables::rewrite(Rc::make_mut(body), found.variables, self.request.guru);
            }
        }
        if self.request.defines.iter().any(|(name, _)| name == crate::SUPPRESS_HANDLER_ERRORS) {
            bodies = vec![Rc::new(without_errors(&bodies))];
        }
        self.program.probes.push(Probe {
            kind: found.kind,
            attach: found.attach,
            optional: frame.optional || found.optional,
            text: found.text,
            alias: frame.name.clone(),
            bodies,
            condition: frame.condition.clone(),
            scope: Scope::default(),
            keeping: Keeping::default(),
            code: found.code.map(Rc::new),
        });
    }

    /// What surrounds a body, without what a library alias computes for nobody.
    fn pruned(
        &mut self,
        frame: &Frame,
        body: &Rc<ast::Block>,
    ) -> (Vec<Rc<ast::Block>>, Vec<Rc<ast::Block>>) {
        if self.request.unread == Unread::Kept {
            let blocks = |list: &[Wrapping]| list.iter().map(|w| Rc::clone(&w.block)).collect();
            return (blocks(&frame.before), blocks(&frame.after));
        }
        let all = || frame.before.iter().chain(&frame.after);
        let mut read = (*self.variables_of(body)).clone();
        if let Some(condition) = &frame.condition {
            variables_in(condition, &mut read);
        }
        for own in all().filter(|wrapping| wrapping.origin == Origin::Script) {
            read.extend(self.variables_of(&own.block).iter().cloned());
        }
        let library = all().filter(|wrapping| wrapping.origin == Origin::Library);
        let blocks = library.map(|wrapping| (*wrapping.block).clone()).collect();
        let (program, library) = (&self.program, &*self.library);
        let kept = |name: &str| program.global(name).is_some() || library.has_global(name);
        let mut pruned = prune::prune(blocks, &read, &kept).into_iter().map(Rc::new);
        let mut take = |list: &[Wrapping]| {
            let mut blocks = Vec::new();
            for wrapping in list {
                match wrapping.origin {
                    Origin::Script => blocks.push(Rc::clone(&wrapping.block)),
                    Origin::Library => blocks.extend(pruned.next()),
                }
            }
            blocks.retain(|block: &Rc<ast::Block>| !block.statements.is_empty());
            blocks
        };
        (take(&frame.before), take(&frame.after))
    }

    fn variables_of(&mut self, block: &Rc<ast::Block>) -> Rc<BTreeSet<String>> {
        let found = self.used.entry(Rc::as_ptr(block)).or_insert_with(|| {
            let mut names = BTreeSet::new();
            used_variables(block, &mut names);
            (Rc::clone(block), Rc::new(names))
        });
        Rc::clone(&found.1)
    }

    /// How many components of a point begin some alias.
    fn known_components(&self, point: &ProbePoint) -> usize {
        let name = name_of(point);
        let common = |alias: &str| {
            let pairs = alias.split('.').zip(name.split('.'));
            pairs.take_while(|(known, wanted)| known == wanted).count()
        };
        let own = self.aliases.iter().map(|alias| common(&name_of(&alias.name)));
        let known = own.chain(self.library.alias_names().map(common)).max().unwrap_or(0);
        known.min(point.components.len() - 1)
    }

    /// Known names near an unknown component.
    fn similar_points(&self, point: &ProbePoint, component: usize, first: &str) -> Option<String> {
        let own: Vec<String> = self.aliases.iter().map(|alias| name_of(&alias.name)).collect();
        let aliases = || own.iter().map(String::as_str).chain(self.library.alias_names());
        if component == 0 {
            let known = aliases().filter_map(|name| name.split('.').next());
            return similar(first, known.chain(points::first_words().map(|word| -> &str { word })));
        }
        let name = point.components.get(component)?.name.text.as_str();
        let before = format!("{first}.");
        let known = aliases().filter_map(|alias| alias.strip_prefix(&before)?.split('.').next());
        if component == 1 { similar(name, known) } else { None }
    }

    fn unresolved(&mut self, point: &ProbePoint, reason: &points::Unresolved) {
        let at = point.components.get(reason.component).map_or(point.span, |c| c.name.span);
        let message = format!("while resolving probe point: {}", reason.message);
        let mut diagnostic = Diagnostic::semantic(message, at);
        let name = point.components.first().map_or("", |c| c.name.text.as_str());
        let similar = self.similar_points(point, reason.component, name);
        if let Some(near) = similar.filter(|_| reason.is_mismatch) {
            diagnostic.message += &format!(" (similar: {near})");
        } else if let Some(help) = reason.help {
            diagnostic = diagnostic.help(help);
        }
        self.diagnostics.push(diagnostic);
    }
}

/// The components of a point with dots between them, arguments left out.
fn name_of(point: &ProbePoint) -> String {
    let names: Vec<&str> = point.components.iter().map(|c| c.name.text.as_str()).collect();
    names.join(".")
}

/// Could a point name a library's alias, judging by the first components?
fn may_name(alias: &str, point: &str) -> bool {
    let mut wanted = point.split('.');
    let alias = alias.split('.').map(|component| component.split('(').next().unwrap_or_default());
    for known in alias {
        match wanted.next() {
            Some("**") => return true,
            Some(pattern) if glob(pattern.as_bytes(), known.as_bytes()) => {}
            _ => return false,
        }
    }
    true
}

/// Do the first `length` components of a point name an alias? Wildcards match component by
/// component, `**` matches any number of them.
fn names(alias: &ProbePoint, point: &ProbePoint, length: usize) -> bool {
    let wanted = point.components.get(..length).unwrap_or_default();
    if let Some((last, first)) = wanted.split_last()
        && last.name.text == "**"
    {
        return alias.components.len() > first.len() && matched(&alias.components, first);
    }
    alias.components.len() == wanted.len() && matched(&alias.components, wanted)
}

fn matched(known: &[ast::Component], wanted: &[ast::Component]) -> bool {
    known.iter().zip(wanted).all(|(known, wanted)| {
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

/// `try { bodies } catch { next }`
fn without_errors(bodies: &[Rc<ast::Block>]) -> ast::Block {
    let span = bodies.first().map_or(Span::default(), |body| body.span);
    let statement = |kind| Statement { kind, span };
    let block = |statements| ast::Block { statements, span };
    let inner = |body: &Rc<ast::Block>| statement(StatementKind::Block((**body).clone()));
    let wrapped = StatementKind::Try {
        body: block(bodies.iter().map(inner).collect()),
        message: None,
        handler: block(vec![statement(StatementKind::Next)]),
    };
    block(vec![statement(wrapped)])
}

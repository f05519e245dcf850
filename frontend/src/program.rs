// SPDX-License-Identifier: GPL-2.0-or-later
//! A script with its probe points resolved: what the later passes work on.

use crate::library::rename;
use crate::target::operation::{KeptId, Tables};
use debuginfo::dwarf::CodePoint;
use frontend_syntax::{Span, ast};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::rc::Rc;
use vm_spec::blob::AttachSpec;
use vm_spec::build::Histogram;
use vm_spec::probe::ProbeKind;

/// The type of a variable or expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Type {
    Long,
    Text,
    Stat,
}

impl Type {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Type::Long => "long",
            Type::Text => "string",
            Type::Stat => "stats",
        }
    }
}

/// A type once it is known, and where it was learnt.
pub(crate) type Known = Option<(Type, Span)>;

#[derive(Debug)]
pub(crate) struct Global {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) initial: Option<ast::Literal>,
    pub(crate) size: Option<i64>,
    pub(crate) wrap: bool,
    /// Only its own file sees it.
    pub(crate) private: bool,
    /// Of an array; `None` until it is used as something.
    pub(crate) keys: Option<Vec<Known>>,
    pub(crate) value: Known,
    /// Where its number of keys was learnt.
    pub(crate) first_use: Span,
    pub(crate) histogram: Histogram,
    /// The bit shift that `@variance` asks for.
    pub(crate) variance: Option<u8>,
}

/// A body with its local variables.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) locals: BTreeMap<String, Known>,
}

#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: ast::Name,
    pub(crate) parameters: Vec<ast::Name>,
    /// The parameters that are declared with a type.
    pub(crate) declared: BTreeSet<String>,
    pub(crate) body: Rc<ast::Block>,
    pub(crate) scope: Scope,
    pub(crate) returns: Known,
    /// It returns something somewhere.
    pub(crate) gives: bool,
    /// Among overloads, lower ones are tried first.
    pub(crate) priority: i64,
    /// Only its own file sees it.
    pub(crate) private: bool,
}

#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) kind: ProbeKind,
    pub(crate) attach: AttachSpec,
    pub(crate) optional: bool,
    /// The probe point as text.
    pub(crate) text: String,
    /// The alias that the script names, as text, wildcards resolved.
    pub(crate) alias: Option<Rc<str>>,
    /// Prologues, the body, epilogues.
    pub(crate) bodies: Vec<Rc<ast::Block>>,
    pub(crate) condition: Option<Rc<ast::Expression>>,
    pub(crate) scope: Scope,
    pub(crate) keeping: Keeping,
    /// The place in the code, if debug symbols told it: the names with a dollar are the
    /// variables there.
    pub(crate) code: Option<Rc<CodePoint>>,
}

/// What a return probe knows of the function's entry.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    /// Values that are kept from the entry.
    pub(crate) kept: Vec<KeptId>,
    /// Of a return probe: the probe of the program that keeps them.
    pub(crate) entry: Option<usize>,
    /// This is that probe: it is attached together with the return probe.
    pub(crate) serves_return: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) globals: Vec<Global>,
    pub(crate) functions: Vec<Function>,
    pub(crate) probes: Vec<Probe>,
    /// `matched()` or one of its kin is called.
    pub(crate) asks_for_groups: bool,
    /// What target variables have become.
    pub(crate) targets: Tables,
    /// Names of library functions to offer, if some call's function is not known.
    pub(crate) offered_functions: Vec<String>,
    globals_by_name: HashMap<String, Vec<usize>>,
    functions_by_name: HashMap<String, Vec<usize>>,
}

impl Program {
    pub(crate) fn add_global(&mut self, global: Global) {
        let named = self.globals_by_name.entry(global.name.clone()).or_default();
        named.push(self.globals.len());
        self.globals.push(global);
    }

    pub(crate) fn add_function(&mut self, function: Function) {
        let named = self.functions_by_name.entry(function.name.text.clone()).or_default();
        named.push(self.functions.len());
        self.functions.push(function);
    }

    /// Drops the functions and globals that are not to be kept, by number.
    pub(crate) fn retain(&mut self, functions: &[bool], globals: &[bool]) {
        let kept = |keep: &[bool], n: usize| keep.get(n).copied().unwrap_or(true);
        for (n, function) in std::mem::take(&mut self.functions).into_iter().enumerate() {
            if n == 0 {
                self.functions_by_name.clear();
            }
            if kept(functions, n) {
                self.add_function(function);
            }
        }
        for (n, global) in std::mem::take(&mut self.globals).into_iter().enumerate() {
            if n == 0 {
                self.globals_by_name.clear();
            }
            if kept(globals, n) {
                self.add_global(global);
            }
        }
    }

    /// A global of this name.
    pub(crate) fn global(&self, name: &str) -> Option<usize> {
        self.globals_by_name.get(name)?.first().copied()
    }

    /// The functions of a name, whoever sees them.
    pub(crate) fn functions_with_name(&self, name: &str) -> impl Iterator<Item = &Function> {
        let named = self.functions_by_name.get(name).into_iter().flatten();
        named.filter_map(|&n| self.functions.get(n))
    }

    /// The global that a name at a place means: one that is private to the place's
    /// file goes before one that all files see.
    pub(crate) fn global_at(&self, name: &str, at: Span) -> Option<usize> {
        let named = self.globals_by_name.get(name)?;
        let own =
            |n: &&usize| self.globals.get(**n).is_some_and(|g| g.private && g.span.file == at.file);
        let shared = |n: &&usize| self.globals.get(**n).is_some_and(|g| !g.private);
        named.iter().find(own).or_else(|| named.iter().find(shared)).copied()
    }

    /// Gives parameters that have a global's name another one: in its function, a
    /// parameter is meant.
    pub(crate) fn hide_globals_behind_parameters(&mut self) {
        let change = |name: &str| format!("__parameter_{name}");
        for n in 0..self.functions.len() {
            let function = &self.functions[n];
            let taken: HashSet<String> = function
                .parameters
                .iter()
                .filter(|name| self.global_at(&name.text, name.span).is_some())
                .map(|name| name.text.clone())
                .collect();
            if taken.is_empty() {
                continue;
            }
            let function = &mut self.functions[n];
            rename(Rc::make_mut(&mut function.body), &HashSet::new(), &taken, &change);
            for name in function.parameters.iter_mut().filter(|name| taken.contains(&name.text)) {
                let known = function.scope.locals.remove(&name.text).flatten();
                if function.declared.remove(&name.text) {
                    function.declared.insert(change(&name.text));
                }
                name.text = change(&name.text);
                function.scope.locals.insert(name.text.clone(), known);
            }
        }
    }

    /// The functions that a call of this name at a place may mean, whatever they take,
    /// in the order in which they are tried.
    pub(crate) fn functions_named(&self, name: &str, at: Span) -> Vec<usize> {
        let Some(named) = self.functions_by_name.get(name) else { return Vec::new() };
        let is = |n: usize, own: bool| {
            self.functions
                .get(n)
                .is_some_and(|f| f.private == own && (!own || f.name.span.file == at.file))
        };
        let own: Vec<usize> = named.iter().copied().filter(|&n| is(n, true)).collect();
        let mut found = if own.is_empty() {
            named.iter().copied().filter(|&n| is(n, false)).collect()
        } else {
            own
        };
        found.sort_by_key(|&n| self.functions.get(n).map_or(0, |f| f.priority));
        found
    }

    /// Those of them that take so many arguments.
    pub(crate) fn overloads(&self, name: &str, arity: usize, at: Span) -> Vec<usize> {
        let mut found = self.functions_named(name, at);
        found.retain(|&n| self.functions.get(n).is_some_and(|f| f.parameters.len() == arity));
        found
    }

    /// What `-p2` prints.
    pub(crate) fn listing(&self) -> String {
        let mut out = String::new();
        let name = |known: &Known| known.map_or("unknown", |(kind, _)| kind.text());
        if !self.globals.is_empty() {
            out.push_str("# globals\n");
        }
        for global in &self.globals {
            let wrap = if global.wrap { "%" } else { "" };
            let size = global.size.map_or(String::new(), |size| format!("[{size}]"));
            let _ = write!(out, "{}{wrap}{size}:{}", global.name, name(&global.value));
            if let Some(keys) = &global.keys {
                let keys: Vec<&str> = keys.iter().map(name).collect();
                let _ = write!(out, " [{}]", keys.join(", "));
            }
            out.push('\n');
        }
        if !self.functions.is_empty() {
            out.push_str("# functions\n");
        }
        for function in &self.functions {
            let parameters: Vec<String> = function
                .parameters
                .iter()
                .map(|p| {
                    let known = function.scope.locals.get(&p.text);
                    format!("{}:{}", p.text, known.map_or("unknown", name))
                })
                .collect();
            let returns = name(&function.returns);
            let _ = writeln!(out, "{}:{returns} ({})", function.name.text, parameters.join(", "));
        }
        if !self.probes.is_empty() {
            out.push_str("# probes\n");
        }
        for probe in self.probes.iter().filter(|probe| !probe.keeping.serves_return) {
            let _ = writeln!(out, "{}", probe.text);
        }
        out
    }
}

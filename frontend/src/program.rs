// SPDX-License-Identifier: GPL-2.0-or-later
//! A script with its probe points resolved: what the later passes work on.

use frontend_syntax::{Span, ast};
use std::collections::BTreeMap;
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
    /// Of an array; `None` until it is used as something.
    pub(crate) keys: Option<Vec<Known>>,
    pub(crate) value: Known,
    pub(crate) histogram: Histogram,
    pub(crate) read: bool,
    pub(crate) written: bool,
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
    pub(crate) body: Rc<ast::Block>,
    pub(crate) scope: Scope,
    pub(crate) returns: Known,
    /// It returns something somewhere.
    pub(crate) gives: bool,
}

#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) kind: ProbeKind,
    pub(crate) attach: AttachSpec,
    pub(crate) optional: bool,
    /// The probe point as text.
    pub(crate) text: String,
    /// Prologues, the body, epilogues.
    pub(crate) bodies: Vec<Rc<ast::Block>>,
    pub(crate) condition: Option<Rc<ast::Expression>>,
    pub(crate) scope: Scope,
}

#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) globals: Vec<Global>,
    pub(crate) functions: Vec<Function>,
    pub(crate) probes: Vec<Probe>,
    /// Names of library functions to offer, if some call's function is not known.
    pub(crate) offered_functions: Vec<String>,
}

impl Program {
    pub(crate) fn global(&self, name: &str) -> Option<usize> {
        self.globals.iter().position(|global| global.name == name)
    }

    pub(crate) fn function(&self, name: &str) -> Option<usize> {
        self.functions.iter().position(|function| function.name.text == name)
    }

    /// What `-p2` prints.
    pub(crate) fn listing(&self) -> String {
        let mut out = String::new();
        let name = |known: &Known| known.map_or("unknown", |(kind, _)| kind.text());
        if !self.globals.is_empty() {
            out.push_str("# globals\n");
        }
        for global in &self.globals {
            let _ = write!(out, "{}:{}", global.name, name(&global.value));
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
        for probe in &self.probes {
            let _ = writeln!(out, "{}", probe.text);
        }
        out
    }
}

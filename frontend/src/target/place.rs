// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a target variable stands: what `$name` can mean there.

use super::autocast::Pointees;
use super::operation::KeptId;
use crate::program::Probe;
use debuginfo::dwarf::CodePoint;
use frontend_syntax::ast::{Name, Statement};
use std::rc::Rc;
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;
use vm_spec::relocation::{Guard, ImagePlace};

/// What the names with a dollar are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Names {
    /// There are none.
    None,
    /// Parameters of a function, at its entry.
    Entry(String),
    /// What a function returns, and its parameters as they were at its entry.
    Return(String),
    /// The same of a function that only debug symbols know.
    ReturnOf(Rc<CodePoint>),
    /// Arguments of a tracepoint.
    Trace(String),
    /// Variables at a place in the code.
    Code(Rc<CodePoint>),
}

/// Where an expression stands.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) names: Names,
    /// The module that the function is in.
    pub(super) module: Option<String>,
    /// What must exist for the code here to be reached.
    pub(super) guards: Vec<Guard>,
    /// What is kept from the entry: as the script has it, with the guards there, and its
    /// number.
    pub(super) kept: Vec<(String, KeptId)>,
    /// Parameters of the script's function, which globals of the same names are not.
    pub(super) hides: Vec<String>,
    /// What variables point to.
    pub(super) variables: Pointees,
    /// The statements that keep it.
    pub(super) entry: Vec<Statement>,
}

impl Place {
    pub(super) fn new(names: Names, module: Option<String>) -> Place {
        Place {
            names,
            module,
            guards: Vec::new(),
            kept: Vec::new(),
            hides: Vec::new(),
            variables: Pointees::new(),
            entry: Vec::new(),
        }
    }

    pub(super) fn of_function() -> Place {
        Place::new(Names::None, None)
    }

    pub(super) fn within_function(parameters: &[Name]) -> Place {
        let hides = parameters.iter().map(|parameter| parameter.text.clone()).collect();
        Place { hides, ..Place::of_function() }
    }

    /// Of a probe with one place to attach, not a pattern.
    pub(super) fn of_probe(probe: &Probe) -> Place {
        match (&probe.attach, probe.kind) {
            (
                AttachSpec::Function { module, .. }
                | AttachSpec::Code { place: ImagePlace { module, .. }, .. },
                ProbeKind::FunctionReturn,
            ) if let Some(code) = &probe.code => {
                Place::new(Names::ReturnOf(Rc::clone(code)), module.clone())
            }
            (AttachSpec::Function { pattern, module, .. }, ProbeKind::FunctionReturn) => {
                Place::new(Names::Return(pattern.clone()), module.clone())
            }
            (AttachSpec::Function { pattern, module, .. }, _) => {
                if let Some(code) = &probe.code {
                    return Place::new(Names::Code(Rc::clone(code)), module.clone());
                }
                Place::new(Names::Entry(pattern.clone()), module.clone())
            }
            (AttachSpec::Tracepoint { pattern, .. }, _) => {
                Place::new(Names::Trace(pattern.clone()), None)
            }
            (AttachSpec::Code { place, .. }, _) => match &probe.code {
                Some(code) => Place::new(Names::Code(Rc::clone(code)), place.module.clone()),
                None => Place::of_function(),
            },
            _ => Place::of_function(),
        }
    }

    /// The function's entry, as seen from a return probe of it.
    pub(super) fn at_entry(&self) -> Option<Place> {
        let names = match &self.names {
            Names::Return(function) => Names::Entry(function.clone()),
            Names::ReturnOf(code) => Names::Code(Rc::clone(code)),
            _ => return None,
        };
        let mut entry = Place::new(names, self.module.clone());
        entry.guards.clone_from(&self.guards);
        Some(entry)
    }
}

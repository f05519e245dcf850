// SPDX-License-Identifier: GPL-2.0-or-later
//! Fetches from the library the functions and globals that the program uses, and what
//! those use, and so on.

use super::Pass;
use crate::library::{called, called_in, rename, used_variables, variables_in};
use crate::program::{Function, Global};
use crate::types::calls::LIBRARY_FAULT;
use crate::types::calls::{is_context_function, printing};
use frontend_syntax::ast::{self, ExpressionKind};
use frontend_syntax::visit;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use vm_spec::helper::HelperId;

/// Of overloads, those of the library come behind those of the script.
const LIBRARY_PRIORITY: i64 = 1;

/// Names that are used and have not been looked for yet.
#[derive(Default)]
struct Wanted {
    functions: BTreeSet<String>,
    variables: BTreeSet<String>,
}

impl Pass<'_, '_, '_> {
    /// Fetches all that is used. What is found nowhere is left for the type pass.
    pub(super) fn link(&mut self) {
        let script_globals: HashSet<String> =
            self.program.globals.iter().map(|global| global.name.clone()).collect();
        let mut looked = Wanted::default();
        let mut seen: HashSet<*const ast::Block> = HashSet::new();
        let (mut probes, mut functions) = (0, 0);
        while probes < self.program.probes.len() || functions < self.program.functions.len() {
            let mut wanted = Wanted::default();
            for probe in self.program.probes.iter().skip(probes) {
                for block in &probe.bodies {
                    if seen.insert(Rc::as_ptr(block)) {
                        called(block, &mut wanted.functions);
                        used_variables(block, &mut wanted.variables);
                    }
                }
                if let Some(condition) = &probe.condition {
                    called_in(condition, &mut wanted.functions);
                    variables_in(condition, &mut wanted.variables);
                }
            }
            probes = self.program.probes.len();
            for function in self.program.functions.iter().skip(functions) {
                called(&function.body, &mut wanted.functions);
                let mut names = BTreeSet::new();
                used_variables(&function.body, &mut names);
                names.retain(|name| !is_parameter(function, name));
                wanted.variables.append(&mut names);
            }
            functions = self.program.functions.len();
            for name in wanted.functions {
                if looked.functions.insert(name.clone()) {
                    self.fetch_function(&name, &script_globals);
                }
            }
            for name in wanted.variables {
                if looked.variables.insert(name.clone()) {
                    self.fetch_global(&name);
                }
            }
            self.take_fresh();
        }
    }

    fn fetch_function(&mut self, name: &str, script_globals: &HashSet<String>) {
        let own: HashSet<usize> =
            self.program.functions_with_name(name).map(|f| f.parameters.len()).collect();
        let mut found = self.library.functions(name, &mut self.reader);
        // What the script has takes the place of what takes as many arguments.
        found.retain(|function| !own.contains(&function.parameters.len()));
        if !own.is_empty() && found.is_empty() {
            return;
        }
        let known_otherwise = printing(name).is_some()
            || is_context_function(name)
            || matches!(name, "error" | LIBRARY_FAULT)
            || HelperId::from_name(name).is_some();
        if found.is_empty() && !known_otherwise && self.program.offered_functions.is_empty() {
            self.program.offered_functions =
                self.library.function_names().map(str::to_owned).collect();
        }
        for mut function in found {
            function.priority.get_or_insert(LIBRARY_PRIORITY);
            keep_locals_local(&mut function, script_globals);
            self.function(function);
        }
    }

    fn fetch_global(&mut self, name: &str) {
        if self.program.global(name).is_some() {
            return;
        }
        if let Some(global) = self.library.global(name, &mut self.reader) {
            self.global(global);
        }
    }
}

fn is_parameter(function: &Function, name: &str) -> bool {
    function.parameters.iter().any(|parameter| parameter.text == name)
}

/// The variables that a library alias sets are no globals of the script, whatever they
/// are called.
pub(super) fn keep_variables_apart(alias: &mut ast::Alias, globals: &[Global]) {
    let mut set = HashSet::new();
    for block in std::iter::once(&alias.body).chain(&alias.epilogue) {
        visit::expressions(block, &mut |expression| {
            visit::within(expression, &mut |e| {
                if let ExpressionKind::Assign { target, .. } = &e.kind
                    && let ExpressionKind::Variable(name) = &target.kind
                    && globals.iter().any(|global| global.name == *name)
                {
                    set.insert(name.clone());
                }
            });
        });
    }
    let change = |name: &str| format!("__local_{name}");
    for block in std::iter::once(&mut alias.body).chain(&mut alias.epilogue) {
        rename(block, &HashSet::new(), &set, &change);
    }
}

/// A library function's variables are its own, whatever globals the script has.
fn keep_locals_local(function: &mut ast::Function, script_globals: &HashSet<String>) {
    let ast::FunctionBody::Script(block) = &mut function.body else { return };
    let mut names = BTreeSet::new();
    used_variables(block, &mut names);
    names.extend(function.parameters.iter().map(|parameter| parameter.name.text.clone()));
    let taken: HashSet<String> =
        names.into_iter().filter(|name| script_globals.contains(name)).collect();
    if taken.is_empty() {
        return;
    }
    let change = |name: &str| format!("__local_{name}");
    rename(block, &HashSet::new(), &taken, &change);
    for parameter in &mut function.parameters {
        if taken.contains(&parameter.name.text) {
            parameter.name.text = change(&parameter.name.text);
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Which names a text or tree uses, and the names of private things.

use frontend_syntax::ast::{self, Block, Expression, ExpressionKind, Item, Name, Script};
use frontend_syntax::visit;
use std::collections::{BTreeSet, HashSet};

const PRIVATE: &str = "__private_";

/// The words behind `@` in a text.
pub(super) fn macro_calls(text: &[u8]) -> impl Iterator<Item = &str> {
    text.split(|&byte| byte == b'@').skip(1).filter_map(|rest| {
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let length = rest.iter().take_while(|byte| word(byte)).count();
        let name = std::str::from_utf8(rest.get(..length)?).ok()?;
        (!name.is_empty()).then_some(name)
    })
}

/// The file that a private name belongs to.
pub(super) fn private_file(name: &str) -> Option<usize> {
    name.strip_prefix(PRIVATE)?.split_once('_')?.0.parse().ok()
}

/// Gives a file's private functions and globals names that no other file can mean.
pub(super) fn mark_private(script: &mut Script, file: usize) {
    let mut functions = HashSet::new();
    let mut globals = HashSet::new();
    for item in &script.items {
        match item {
            Item::Function(function) if function.private => {
                functions.insert(function.name.text.clone());
            }
            Item::Global(global) if global.private => {
                globals.insert(global.name.text.clone());
            }
            _ => {}
        }
    }
    if functions.is_empty() && globals.is_empty() {
        return;
    }
    let marked = |name: &str| format!("{PRIVATE}{file}_{name}");
    for item in &mut script.items {
        match item {
            Item::Function(function) => {
                if functions.contains(&function.name.text) {
                    function.name.text = marked(&function.name.text);
                }
                // A parameter hides a global of its name.
                let mut visible = globals.clone();
                for parameter in &function.parameters {
                    visible.remove(&parameter.name.text);
                }
                if let ast::FunctionBody::Script(block) = &mut function.body {
                    rename(block, &functions, &visible, &marked);
                }
            }
            Item::Global(global) => {
                if globals.contains(&global.name.text) {
                    global.name.text = marked(&global.name.text);
                }
            }
            Item::Alias(alias) => {
                rename(&mut alias.body, &functions, &globals, &marked);
                if let Some(epilogue) = &mut alias.epilogue {
                    rename(epilogue, &functions, &globals, &marked);
                }
            }
            Item::Probe(probe) => rename(&mut probe.body, &functions, &globals, &marked),
            Item::EmbeddedC(_) => {}
        }
    }
}

/// Changes the names of functions and variables in a block.
pub(crate) fn rename(
    block: &mut Block,
    functions: &HashSet<String>,
    variables: &HashSet<String>,
    change: &dyn Fn(&str) -> String,
) {
    let variable = |name: &mut String| {
        if variables.contains(name) {
            *name = change(name);
        }
    };
    for statement in &mut block.statements {
        visit::bound_names_mut(statement, &mut |name: &mut Name| variable(&mut name.text));
    }
    visit::expressions_mut(block, &mut |expression| {
        visit::within_mut(expression, &mut |e: &mut Expression| match &mut e.kind {
            ExpressionKind::Variable(name) => variable(name),
            ExpressionKind::Element { array, .. } | ExpressionKind::In { array, .. } => {
                variable(&mut array.text);
            }
            ExpressionKind::Call { function, .. } if functions.contains(&function.text) => {
                function.text = change(&function.text);
            }
            _ => {}
        });
    });
}

/// The functions that a block calls.
pub(crate) fn called(block: &Block, found: &mut BTreeSet<String>) {
    visit::expressions(block, &mut |expression| called_in(expression, found));
}

/// The functions that an expression calls.
pub(crate) fn called_in(expression: &Expression, found: &mut BTreeSet<String>) {
    visit::within(expression, &mut |e| {
        if let ExpressionKind::Call { function, .. } = &e.kind
            && !found.contains(&function.text)
        {
            found.insert(function.text.clone());
        }
    });
}

/// The variables and arrays that a block names, those of `foreach` and `catch` as well.
pub(crate) fn used_variables(block: &Block, found: &mut BTreeSet<String>) {
    for statement in &block.statements {
        visit::bound_names(statement, &mut |name| {
            found.insert(name.text.clone());
        });
    }
    visit::expressions(block, &mut |expression| variables_in(expression, found));
}

/// The variables and arrays that an expression names.
pub(crate) fn variables_in(expression: &Expression, found: &mut BTreeSet<String>) {
    visit::within(expression, &mut |e| {
        let name = match &e.kind {
            ExpressionKind::Variable(name) => name,
            ExpressionKind::Element { array, .. } | ExpressionKind::In { array, .. } => &array.text,
            _ => return,
        };
        if !found.contains(name) {
            found.insert(name.clone());
        }
    });
}

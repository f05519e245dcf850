// SPDX-License-Identifier: GPL-2.0-or-later
//! Variables and array elements: where types are learnt.

use super::{Body, Owner, Pass, Want, first_inferred};
use crate::names::similar;
use crate::program::{Known, Type};
use frontend_syntax::ast::{self, Expression, ExpressionKind};
use frontend_syntax::{Diagnostic, Span};

impl Pass<'_> {
    /// A variable or element that is read or written; learns its type.
    pub(super) fn place(&mut self, e: &Expression, want: Want, body: &Body) -> Known {
        match &e.kind {
            ExpressionKind::Variable(name) => self.variable(name, e.span, want, body),
            ExpressionKind::Element { array, keys } => {
                if keys.iter().any(Option::is_none) {
                    let message = "wildcard not allowed in array index";
                    let help = "'*' may stand for a key in 'in', 'delete' and 'foreach'";
                    self.error(Diagnostic::semantic(message, array.span).help(help));
                }
                self.element(array, keys, want, body)
            }
            ExpressionKind::Target(_) => self.target(e, want, body),
            _ => {
                self.expression(e, Want::Value, body);
                let message = "Expecting lvalue for assignment";
                let label = "only a variable, an array element or a $variable can be changed";
                self.error(Diagnostic::semantic(message, e.token).label(label));
                wrong(want, e.span)
            }
        }
    }

    /// A variable that is no element.
    pub(super) fn variable(&mut self, name: &str, span: Span, want: Want, body: &Body) -> Known {
        let Some(n) = self.program.global_at(name, span) else {
            return self.local(name, span, want, body.owner);
        };
        self.uses(n, body);
        if let Some(keys) = &self.program.globals[n].keys {
            let arity = keys.len();
            self.inconsistent_arity(n, arity, 0, span);
            return wrong(want, span);
        }
        if self.program.globals[n].size.is_some() || self.program.globals[n].wrap {
            let declared = self.program.globals[n].span;
            let message = "inconsistent arity";
            self.error(
                Diagnostic::semantic(message, span)
                    .also(declared, "declared as an array here")
                    .label("used without keys"),
            );
            return wrong(want, span);
        }
        self.learn_value(n, want.known(span))
    }

    fn local(&mut self, name: &str, span: Span, want: Want, owner: Owner) -> Known {
        let scope = self.scope(owner);
        let known = match scope.locals.get(name) {
            Some(known) => *known,
            None => {
                scope.locals.insert(name.to_owned(), None);
                None
            }
        };
        if known.is_some() || want.known(span).is_none() {
            return known;
        }
        let learnt = want.known(span);
        scope.locals.insert(name.to_owned(), learnt);
        // What comes before the place that taught the type must be seen again.
        match owner {
            Owner::Function(n) => self.function_learnt(n),
            Owner::Probe(_) => self.enqueue(owner),
        }
        learnt
    }

    /// Notes that a body must be seen again when a global has learnt something.
    fn uses(&mut self, n: usize, body: &Body) {
        if let Some(users) = self.global_users.get_mut(n) {
            users.insert(body.owner);
        }
    }

    fn learn_value(&mut self, n: usize, found: Known) -> Known {
        let value = &mut self.program.globals[n].value;
        if value.is_none() && found.is_some() {
            *value = found;
            self.global_learnt(n);
        }
        self.program.globals[n].value
    }

    /// What a global array's elements are said to hold.
    pub(super) fn learn_element(&mut self, n: usize, found: Known) -> Known {
        self.learn_value(n, found)
    }

    /// The global array of this name, if it can have so many keys.
    pub(super) fn array(
        &mut self,
        name: &str,
        span: Span,
        arity: usize,
        body: &Body,
    ) -> Option<usize> {
        let Some(n) = self.program.global_at(name, span) else {
            self.unknown_array(name, span, arity);
            return None;
        };
        self.uses(n, body);
        let global = &mut self.program.globals[n];
        let scalar = global.keys.is_none() && (global.initial.is_some() || global.value.is_some());
        if scalar {
            self.inconsistent_arity(n, 0, arity, span);
            return None;
        }
        let learnt = global.keys.is_none();
        if learnt {
            global.first_use = span;
        }
        let keys = global.keys.get_or_insert_with(|| vec![None; arity]);
        let have = keys.len();
        if have != arity {
            self.inconsistent_arity(n, have, arity, span);
            return None;
        }
        if learnt {
            self.global_learnt(n);
        }
        Some(n)
    }

    fn unknown_array(&mut self, name: &str, span: Span, arity: usize) {
        let globals = self.program.globals.iter().map(|global| global.name.as_str());
        let near = similar(name, globals);
        let message =
            format!("unresolved arity-{arity} global array {name}, missing global declaration?");
        let mut diagnostic = Diagnostic::semantic(message, span).label("arrays must be global");
        if let Some(near) = near {
            diagnostic = diagnostic.help(format!("similar names: {near}"));
        }
        self.error(diagnostic.help(format!("declare it: global {name}")));
    }

    pub(super) fn inconsistent_arity(&mut self, n: usize, have: usize, found: usize, span: Span) {
        let global = &self.program.globals[n];
        let first = match (have, global.value) {
            (0, Some((_, first))) => first,
            _ => global.first_use,
        };
        let first = if first == Span::default() { global.span } else { first };
        let message = format!("inconsistent arity ({have} vs {found})");
        let label = format!("arity {have} first inferred here");
        self.error(Diagnostic::semantic(message, span).also(first, label));
    }

    pub(super) fn key(&self, global: usize, n: usize) -> Known {
        self.program.globals.get(global)?.keys.as_ref()?.get(n).copied().flatten()
    }

    /// An opinion about the type of an array's key.
    pub(super) fn learn_key(&mut self, global: usize, n: usize, found: Known, at: Span) {
        match (self.key(global, n), found) {
            (None, Some(_)) => {
                let keys = self.program.globals[global].keys.as_mut();
                if let Some(slot) = keys.and_then(|keys| keys.get_mut(n)) {
                    *slot = found;
                    self.global_learnt(global);
                }
            }
            (Some((known, first)), Some((found, _))) if known != found => {
                self.index_mismatch(n, found, at, known, first);
            }
            _ => {}
        }
    }

    /// A key or argument does not have the type that others had before it.
    pub(super) fn index_mismatch(
        &mut self,
        n: usize,
        found: Type,
        at: Span,
        known: Type,
        first: Span,
    ) {
        let message = format!("index {n} type mismatch ({})", found.text());
        let label = format!("type of index {n} was first inferred here ({})", known.text());
        self.error(Diagnostic::semantic(message, at).also(first, label));
    }

    /// The keys of an element, a slice or a membership test.
    pub(super) fn keys(&mut self, global: usize, keys: &[Option<Expression>], body: &Body) {
        for (n, key) in keys.iter().enumerate() {
            let Some(key) = key else { continue };
            let found = self.untyped(key, Want::of(self.key(global, n)), body);
            if matches!(found, Some((Type::Stat, _))) {
                self.invalid_type(Type::Stat, key.token);
            } else {
                self.learn_key(global, n, found, key.token);
            }
        }
    }

    /// An array's element; learns its value's type.
    fn element(
        &mut self,
        array: &ast::Name,
        keys: &[Option<Expression>],
        want: Want,
        body: &Body,
    ) -> Known {
        let Some(n) = self.array(&array.text, array.span, keys.len(), body) else {
            return wrong(want, array.span);
        };
        self.keys(n, keys, body);
        self.learn_value(n, want.known(array.span))
    }

    pub(super) fn invalid_type(&mut self, kind: Type, at: Span) {
        let message = format!("invalid type {}", kind.text());
        self.error(Diagnostic::semantic(message, at));
    }

    /// A variable or element whose type the language fixes, such as the target of `++`.
    pub(super) fn place_of(&mut self, e: &Expression, kind: Type, body: &Body) -> Known {
        let known = self.place(e, Want::Type(kind), body);
        if let Some((found, first)) = known
            && found != kind
        {
            let message = format!("type mismatch ({})", kind.text());
            self.error(Diagnostic::semantic(message, e.token).also(first, first_inferred(found)));
        }
        known
    }
}

/// The type of what an error has been reported of: whatever causes no second one.
fn wrong(want: Want, at: Span) -> Known {
    want.known(at).or(Some((Type::Long, at)))
}

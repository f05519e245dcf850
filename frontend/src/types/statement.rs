// SPDX-License-Identifier: GPL-2.0-or-later
//! Types in statements.

use super::{Body, Owner, Pass, Want};
use crate::program::Type;
use frontend_syntax::ast::{self, Expression, ExpressionKind, SortBy, StatementKind};
use frontend_syntax::{Diagnostic, Span, visit};

impl Pass<'_> {
    pub(super) fn block(&mut self, block: &ast::Block, body: &Body) {
        for statement in &block.statements {
            self.statement(statement, body);
        }
    }

    fn statement(&mut self, statement: &ast::Statement, body: &Body) {
        match &statement.kind {
            StatementKind::Empty
            | StatementKind::Break
            | StatementKind::Continue
            | StatementKind::Next => {}
            StatementKind::Block(block) => self.block(block, body),
            StatementKind::Expression(expression) => {
                self.expression(expression, Want::Nothing, body);
            }
            StatementKind::If { condition, then, otherwise } => {
                self.expression(condition, Want::Type(Type::Long), body);
                self.statement(then, body);
                if let Some(otherwise) = otherwise {
                    self.statement(otherwise, body);
                }
            }
            StatementKind::While { condition, body: inner } => {
                self.expression(condition, Want::Type(Type::Long), body);
                self.statement(inner, body);
            }
            StatementKind::For { initial, condition, step, body: inner } => {
                for expression in [initial, step].into_iter().flatten() {
                    self.expression(expression, Want::Nothing, body);
                }
                if let Some(condition) = condition {
                    self.expression(condition, Want::Type(Type::Long), body);
                }
                self.statement(inner, body);
            }
            StatementKind::Foreach(foreach) => self.foreach(foreach, body),
            StatementKind::Return(value) => self.returned(statement.span, value.as_ref(), body),
            StatementKind::Delete(target) => self.delete(target, body),
            StatementKind::Try { body: inner, message, handler } => {
                self.block(inner, body);
                if let Some(name) = message {
                    self.variable_of(name, Type::Text, body);
                }
                self.block(handler, body);
            }
        }
    }

    /// A variable that a statement sets to a value of this type.
    fn variable_of(&mut self, name: &ast::Name, kind: Type, body: &Body) {
        let known = self.variable(&name.text, name.span, Want::Type(kind), body);
        if let Some((found, first)) = known
            && found != kind
        {
            let message = format!("type mismatch ({})", kind.text());
            let also = super::first_inferred(found);
            self.error(Diagnostic::semantic(message, name.span).also(first, also));
        }
    }

    fn returned(&mut self, span: Span, value: Option<&Expression>, body: &Body) {
        let Owner::Function(n) = body.owner else {
            self.error(Diagnostic::semantic("found 'return' not in function context", span));
            return;
        };
        let Some(value) = value else {
            if let Some((kind, first)) = self.program.functions[n].returns {
                let message = "type mismatch (unknown)";
                let also = super::first_inferred(kind);
                let label = format!("a {} is to be returned", kind.text());
                let diagnostic = Diagnostic::semantic(message, span).also(first, also);
                self.error(diagnostic.label(label));
            }
            return;
        };
        if !self.program.functions[n].gives {
            self.program.functions[n].gives = true;
            self.function_learnt(n);
        }
        let known = self.program.functions[n].returns;
        let found = self.untyped(value, Want::of(known), body);
        match (known, found) {
            (_, Some((Type::Stat, _))) => self.invalid_type(Type::Stat, value.token),
            (None, Some(_)) => {
                self.program.functions[n].returns = found;
                self.function_learnt(n);
            }
            (Some((known, first)), Some((found, _))) if known != found => {
                let declared = first == self.program.functions[n].name.span;
                let diagnostic = if declared {
                    let message = format!(
                        "type mismatch: expected {} but found {}",
                        known.text(),
                        found.text()
                    );
                    Diagnostic::semantic(message, value.token)
                        .also(first, format!("declared to return {} here", known.text()))
                } else {
                    let message = format!("type mismatch ({})", found.text());
                    Diagnostic::semantic(message, value.token)
                        .also(first, super::first_inferred(known))
                };
                self.error(diagnostic);
            }
            _ => {}
        }
    }

    fn delete(&mut self, target: &Expression, body: &Body) {
        match &target.kind {
            ExpressionKind::Variable(name) => self.delete_variable(name, target.span, body),
            ExpressionKind::Element { array, keys } => {
                if let Some(n) = self.array(&array.text, array.span, keys.len(), body) {
                    self.keys(n, keys, body);
                }
            }
            _ => {
                self.expression(target, Want::Nothing, body);
                let message = "expected a variable or array element behind 'delete'";
                self.error(Diagnostic::semantic(message, target.span));
            }
        }
    }

    /// A whole array, a scalar, an aggregate or a local.
    fn delete_variable(&mut self, name: &str, span: Span, body: &Body) {
        if self.program.global_at(name, span).is_some() {
            return;
        }
        if !self.report && !self.scope(body.owner).locals.contains_key(name) {
            self.undeclared.insert(span);
        }
        if self.undeclared.contains(&span) {
            let message = "unresolved array in delete statement";
            self.error(Diagnostic::semantic(message, span));
        }
        self.variable(name, span, Want::Nothing, body);
    }

    fn foreach(&mut self, foreach: &ast::Foreach, body: &Body) {
        if let Some(limit) = &foreach.limit {
            self.expression(limit, Want::Type(Type::Long), body);
        }
        match &foreach.array.kind {
            ExpressionKind::Variable(name) => self.foreach_array(foreach, name, body),
            _ => self.foreach_histogram(foreach, body),
        }
        self.statement(&foreach.body, body);
    }

    fn foreach_array(&mut self, foreach: &ast::Foreach, name: &str, body: &Body) {
        let at = foreach.array.token;
        let Some(global) = self.array(name, at, foreach.keys.len(), body) else {
            for variable in foreach.keys.iter().chain(&foreach.value) {
                self.unresolved.insert((Some(body.owner), variable.text.clone()));
            }
            return;
        };
        self.iterated(name, &foreach.body);
        if let Some(slice) = &foreach.slice {
            if slice.len() != foreach.keys.len() {
                self.inconsistent_arity(global, foreach.keys.len(), slice.len(), at);
            }
            self.keys(global, slice, body);
        }
        for (n, key) in foreach.keys.iter().enumerate() {
            let known = self.key(global, n);
            let found = self.variable(&key.text, key.span, Want::of(known), body);
            match known {
                None => self.learn_key(global, n, found, key.span),
                Some((kind, _)) => self.set_to(key, found, kind),
            }
        }
        self.foreach_value(foreach, global, body);
        let value = self.program.globals[global].value;
        if let Some((SortBy::Aggregate(_), _)) = foreach.sort
            && let Some((kind, _)) = value
            && kind != Type::Stat
        {
            self.invalid_type(kind, at);
        }
        if value.is_none() {
            self.unresolved(&foreach.array, body);
        }
    }

    /// An array must not change while it is gone through.
    fn iterated(&mut self, name: &str, inner: &ast::Statement) {
        let mut changes = Vec::new();
        statement_changes(inner, name, &mut changes);
        for at in changes {
            let message = format!("variable '{name}' modified during 'foreach' iteration");
            let help = "note the keys in another array and change this one after the loop";
            self.error(Diagnostic::semantic(message, at).help(help));
        }
    }

    fn foreach_value(&mut self, foreach: &ast::Foreach, global: usize, body: &Body) {
        let Some(value) = &foreach.value else { return };
        let known = self.program.globals[global].value;
        if let Some((Type::Stat, _)) = known {
            self.invalid_type(Type::Stat, value.span);
            return;
        }
        let found = self.variable(&value.text, value.span, Want::of(known), body);
        match known {
            None => {
                self.learn_element(global, found);
            }
            Some((kind, _)) => self.set_to(value, found, kind),
        }
    }

    /// Says so if a loop's variable has not the type of what it is set to.
    fn set_to(&mut self, name: &ast::Name, found: crate::program::Known, kind: Type) {
        if let Some((found, first)) = found
            && found != kind
        {
            let message = format!("type mismatch ({})", kind.text());
            let also = super::first_inferred(found);
            self.error(Diagnostic::semantic(message, name.span).also(first, also));
        }
    }

    fn foreach_histogram(&mut self, foreach: &ast::Foreach, body: &Body) {
        self.histogram(&foreach.array, body);
        for name in foreach.keys.iter().chain(&foreach.value) {
            self.variable_of(name, Type::Long, body);
        }
        if foreach.keys.len() != 1 {
            let message = "a histogram has one key, the number of the bucket";
            self.error(Diagnostic::semantic(message, foreach.array.span));
        }
    }
}

/// Where a statement changes an array, called functions left aside.
fn statement_changes(statement: &ast::Statement, array: &str, found: &mut Vec<Span>) {
    match &statement.kind {
        // SystemTap lets a loop drop the whole array, which ends the loop.
        StatementKind::Delete(target) if matches!(target.kind, ExpressionKind::Element { .. }) => {
            target_change(target, array, found);
        }
        StatementKind::Block(block) => {
            block.statements.iter().for_each(|s| statement_changes(s, array, found));
        }
        StatementKind::If { then, otherwise, .. } => {
            statement_changes(then, array, found);
            otherwise.iter().for_each(|s| statement_changes(s, array, found));
        }
        StatementKind::While { body, .. } | StatementKind::For { body, .. } => {
            statement_changes(body, array, found);
        }
        StatementKind::Foreach(foreach) => statement_changes(&foreach.body, array, found),
        StatementKind::Try { body, handler, .. } => {
            let both = body.statements.iter().chain(&handler.statements);
            both.for_each(|s| statement_changes(s, array, found));
        }
        StatementKind::Expression(e) => expression_changes(e, array, found),
        StatementKind::Return(Some(e)) => expression_changes(e, array, found),
        _ => {}
    }
    let conditions: Vec<&Expression> = match &statement.kind {
        StatementKind::If { condition, .. } | StatementKind::While { condition, .. } => {
            vec![condition]
        }
        StatementKind::For { initial, condition, step, .. } => {
            [initial, condition, step].into_iter().flatten().collect()
        }
        _ => Vec::new(),
    };
    conditions.into_iter().for_each(|e| expression_changes(e, array, found));
}

fn expression_changes(e: &Expression, array: &str, found: &mut Vec<Span>) {
    match &e.kind {
        ExpressionKind::Assign { target, .. }
        | ExpressionKind::Step { target, .. }
        | ExpressionKind::Accumulate { target, .. } => target_change(target, array, found),
        _ => {}
    }
    visit::children(e, &mut |child| expression_changes(child, array, found));
}

fn target_change(target: &Expression, array: &str, found: &mut Vec<Span>) {
    let changed = match &target.kind {
        ExpressionKind::Variable(name) => name == array,
        ExpressionKind::Element { array: name, .. } => name.text == array,
        _ => false,
    };
    if changed {
        found.push(target.token);
    }
}

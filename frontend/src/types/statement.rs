// SPDX-License-Identifier: GPL-2.0-or-later
//! Types in statements.

use super::{Body, Owner, Pass, Want};
use crate::program::Type;
use frontend_syntax::ast::{self, Expression, ExpressionKind, SortBy, StatementKind};
use frontend_syntax::{Diagnostic, Span};

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
        let Some(value) = value else { return };
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
        let Some(global) = self.array(name, at, foreach.keys.len(), body) else { return };
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

// SPDX-License-Identifier: GPL-2.0-or-later
//! Declarations.

use super::{Context, Parse, Parser, is_declaration};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::token::TokenKind;
use std::collections::HashMap;

impl Parser {
    pub(super) fn script(&mut self) -> Script {
        let mut script = Script::default();
        while *self.kind() != TokenKind::End && !self.gave_up() {
            let before = self.at;
            self.depth = 0;
            if self.item(&mut script.items).is_err() {
                self.recover_item(before);
            }
        }
        script
    }

    /// Skips to the next declaration, over at least one token.
    fn recover_item(&mut self, before: usize) {
        if self.at == before {
            self.bump();
        }
        loop {
            match self.kind() {
                TokenKind::End => return,
                TokenKind::Identifier(word) if is_declaration(word) => return,
                _ => {
                    self.bump();
                }
            }
        }
    }

    fn item(&mut self, items: &mut Vec<Item>) -> Parse<()> {
        let start = self.span();
        if self.eat_word("probe") {
            items.push(self.probe(start)?);
        } else if self.eat_word("global") {
            self.globals(false, items)?;
        } else if self.eat_word("function") {
            items.push(self.function(start, false)?);
        } else if self.eat_word("private") {
            self.private(start, items)?;
        } else if *self.kind() == TokenKind::EmbeddedC {
            self.need_guru("embedded code in unprivileged script")?;
            items.push(Item::EmbeddedC(self.bump()));
        } else {
            return self.expected("'probe', 'global', 'private', 'function', or '%{'");
        }
        Ok(())
    }

    /// What is behind `private`: `global` may be left out.
    fn private(&mut self, start: Span, items: &mut Vec<Item>) -> Parse<()> {
        if self.eat_word("function") {
            items.push(self.function(start, true)?);
            return Ok(());
        }
        let explicit = self.eat_word("global");
        if self.is_word("probe") {
            let stray = self.unexpected("expected 'function' or identifier");
            return self.fail(stray.help("only functions and globals can be private"));
        }
        if !explicit && !matches!(self.kind(), TokenKind::Identifier(_)) {
            return self.expected("'function' or identifier");
        }
        self.globals(true, items)
    }

    fn probe(&mut self, start: Span) -> Parse<Item> {
        let mut names = Vec::new();
        let mut kind = AliasKind::Prologue;
        let mut points = self.points()?;
        while self.is("=") || self.is("+=") {
            match points.as_slice() {
                [name] if name.presence == Presence::Required => {}
                [name] => {
                    let message = "probe point alias name cannot be optional nor sufficient";
                    return self.error_at(message, name.span);
                }
                _ => {
                    let stray = self.unexpected("expected probe point specifier");
                    return self.fail(stray.help("an alias has one name before each '='"));
                }
            }
            if self.is("+=") {
                kind = AliasKind::Epilogue;
            }
            self.bump();
            names.append(&mut points);
            points = self.points()?;
        }
        if !self.is("{") {
            return self.expected("one of ', { } = +='");
        }
        self.context = Context::Probe;
        let body = self.block()?.node;
        let span = start.to(self.last_span());
        if names.is_empty() {
            return Ok(Item::Probe(Probe { points, body, span }));
        }
        let mut epilogue = None;
        if kind == AliasKind::Prologue && self.eat(",") {
            epilogue = Some(self.block()?.node);
        }
        let span = start.to(self.last_span());
        Ok(Item::Alias(Alias { names, points, kind, body, epilogue, private: false, span }))
    }

    fn globals(&mut self, private: bool, items: &mut Vec<Item>) -> Parse<()> {
        loop {
            let name = self.name()?;
            let wrap = self.eat("%");
            let size = self.global_size()?;
            let initial = if self.is("=") {
                if wrap || size.is_some() {
                    let array = self.unexpected("only scalar globals can be initialized");
                    return self.fail(array);
                }
                self.bump();
                let span = self.span();
                Some((self.literal()?, span.to(self.last_span())))
            } else {
                None
            };
            if self.is_new_global(&name) {
                items.push(Item::Global(Global { name, initial, size, wrap, private }));
            }
            if !self.eat(",") {
                break;
            }
        }
        self.eat(";");
        Ok(())
    }

    /// Reports a global whose name another one of the file has.
    fn is_new_global(&mut self, name: &Name) -> bool {
        let Some(&first) = self.global_names.get(&name.text) else {
            self.global_names.insert(name.text.clone(), name.span);
            return true;
        };
        let message = "duplicate global name";
        self.report(Diagnostic::parse(message, name.span).also(first, "first declared here"));
        false
    }

    fn global_size(&mut self) -> Parse<Option<i64>> {
        if !self.is("[") {
            return Ok(None);
        }
        let open = self.bump();
        let span = self.span();
        let size = self.number()?;
        if !(1..=1_000_000_000).contains(&size) {
            return self.error_at("array size out of range", span);
        }
        self.expect_close("]", open)?;
        Ok(Some(size))
    }

    pub(super) fn number(&mut self) -> Parse<i64> {
        let negative = self.eat("-");
        match *self.kind() {
            TokenKind::Number(n) => {
                self.bump();
                Ok(if negative { n.wrapping_neg() } else { n })
            }
            _ => self.expected("number"),
        }
    }

    pub(super) fn literal(&mut self) -> Parse<Literal> {
        match self.kind() {
            TokenKind::Text(_) => Ok(Literal::Text(self.text("literal string")?)),
            TokenKind::Number(_) => self.number().map(Literal::Number),
            TokenKind::Symbol("-") if matches!(self.kind_at(1), TokenKind::Number(_)) => {
                self.number().map(Literal::Number)
            }
            _ => {
                self.eat("-");
                self.expected("literal string or number")
            }
        }
    }

    fn function(&mut self, start: Span, private: bool) -> Parse<Item> {
        let name = self.name()?;
        let returns = self.declared_type()?;
        let parameters = self.parameters()?;
        let priority = if self.eat(":") { Some(self.priority()?) } else { None };
        let body = if *self.kind() == TokenKind::EmbeddedC {
            self.need_guru("embedded code in unprivileged script")?;
            FunctionBody::EmbeddedC(self.bump())
        } else {
            self.context = Context::Function;
            FunctionBody::Script(self.block()?.node)
        };
        let span = start.to(self.last_span());
        Ok(Item::Function(Function { name, parameters, returns, priority, body, private, span }))
    }

    /// `(a, b:long)`; a comma may stand before the parenthesis.
    fn parameters(&mut self) -> Parse<Vec<Parameter>> {
        self.expect("(")?;
        let mut parameters = Vec::new();
        let mut named = HashMap::new();
        while !self.eat(")") {
            let name = self.name()?;
            let kind = self.declared_type()?;
            if let Some(&first) = named.get(&name.text) {
                let message = "duplicate parameter names";
                self.report(Diagnostic::parse(message, name.span).also(first, "first named here"));
            } else {
                named.insert(name.text.clone(), name.span);
                parameters.push(Parameter { name, kind });
            }
            if !self.is(")") && !self.eat(",") {
                return self.expected("',' or ')'");
            }
        }
        Ok(parameters)
    }

    fn priority(&mut self) -> Parse<i64> {
        let span = self.span();
        if !matches!(self.kind(), TokenKind::Number(_)) && !self.is("-") {
            return self.expected("literal string or number");
        }
        let priority = self.number()?;
        if priority < 1 {
            return self.error_at("specified priority must be > 0", span);
        }
        Ok(priority)
    }

    fn declared_type(&mut self) -> Parse<Option<Type>> {
        if !self.eat(":") {
            return Ok(None);
        }
        if self.eat_word("long") {
            return Ok(Some(Type::Long));
        }
        if self.eat_word("string") {
            return Ok(Some(Type::Text));
        }
        self.expected("'string' or 'long'")
    }
}

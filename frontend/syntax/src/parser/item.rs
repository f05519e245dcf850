// SPDX-License-Identifier: GPL-2.0-or-later
//! Declarations.

use super::{Parse, Parser, is_declaration};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::token::TokenKind;

impl Parser {
    pub(super) fn script(&mut self) -> Script {
        let mut script = Script::default();
        while *self.kind() != TokenKind::End && !self.gave_up() {
            let before = self.at;
            self.depth = 0;
            if self.item(&mut script.items).is_err() {
                self.recover(before);
            }
        }
        script
    }

    /// Skips to the next declaration, over at least one token.
    fn recover(&mut self, before: usize) {
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
        let private = self.eat_word("private");
        if self.eat_word("probe") {
            items.push(self.probe(start, private)?);
        } else if self.eat_word("global") {
            self.globals(private, items)?;
        } else if self.eat_word("function") {
            items.push(self.function(start, private)?);
        } else if *self.kind() == TokenKind::EmbeddedC && !private {
            items.push(Item::EmbeddedC(self.bump()));
        } else if !self.eat(";") {
            return self.expected("'probe', 'global', 'private', 'function', or '%{'");
        }
        Ok(())
    }

    fn probe(&mut self, start: Span, private: bool) -> Parse<Item> {
        let names = self.points()?;
        let kind = if self.eat("=") {
            AliasKind::Prologue
        } else if self.eat("+=") {
            AliasKind::Epilogue
        } else {
            if private {
                return self.expected("'=' or '+=' of a private alias");
            }
            let body = self.block()?;
            let span = start.to(self.last_span());
            return Ok(Item::Probe(Probe { points: names, body, span }));
        };
        let points = self.points()?;
        let body = self.block()?;
        let span = start.to(self.last_span());
        Ok(Item::Alias(Alias { names, points, kind, body, private, span }))
    }

    fn globals(&mut self, private: bool, items: &mut Vec<Item>) -> Parse<()> {
        loop {
            let name = self.name()?;
            let mut wrap = self.eat("%");
            let mut size = None;
            if self.eat("[") {
                size = Some(self.number()?);
                self.expect("]")?;
            }
            wrap |= self.eat("%");
            let initial = if self.eat("=") {
                let span = self.span();
                Some((self.literal()?, span.to(self.last_span())))
            } else {
                None
            };
            items.push(Item::Global(Global { name, initial, size, wrap, private }));
            if !self.eat(",") {
                break;
            }
        }
        self.eat(";");
        Ok(())
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
        if let TokenKind::Text(text) = self.kind() {
            let text = text.clone();
            self.bump();
            return Ok(Literal::Text(text));
        }
        if matches!(self.kind(), TokenKind::Number(_)) || self.is("-") {
            return self.number().map(Literal::Number);
        }
        self.expected("literal string or number")
    }

    fn function(&mut self, start: Span, private: bool) -> Parse<Item> {
        let name = self.name()?;
        let returns = self.declared_type()?;
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.eat(")") {
            let name = self.name()?;
            let kind = self.declared_type()?;
            parameters.push(Parameter { name, kind });
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        let priority = if self.eat(":") { Some(self.number()?) } else { None };
        let body = if *self.kind() == TokenKind::EmbeddedC {
            FunctionBody::EmbeddedC(self.bump())
        } else {
            FunctionBody::Script(self.block()?)
        };
        let span = start.to(self.last_span());
        Ok(Item::Function(Function { name, parameters, returns, priority, body, private, span }))
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
        let diagnostic = Diagnostic::parse("expected 'string' or 'long'", self.span());
        self.fail(diagnostic.label(format!("saw: {}", self.kind().describe())))
    }
}

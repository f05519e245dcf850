// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements.

use super::{Parse, Parser, is_declaration};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::token::TokenKind;

impl Parser {
    pub(super) fn block(&mut self) -> Parse<Block> {
        self.nested(Parser::block_body)
    }

    fn block_body(&mut self) -> Parse<Block> {
        let open = self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            match self.kind() {
                TokenKind::Symbol("}") => {
                    let span = open.to(self.bump());
                    return Ok(Block { statements, span });
                }
                TokenKind::End => {
                    let unclosed = Diagnostic::parse("unexpected end of file", self.span())
                        .also(open, "this block is not closed");
                    return self.fail(unclosed);
                }
                TokenKind::Identifier(word) if is_declaration(word) => {
                    let unclosed = Diagnostic::parse("expected statement", self.span())
                        .label(format!("saw: {}", self.kind().describe()))
                        .also(open, "is this block closed?");
                    return self.fail(unclosed);
                }
                _ => {}
            }
            let depth = self.depth;
            match self.statement() {
                Ok(statement) => statements.push(statement),
                Err(abort) => {
                    self.depth = depth;
                    if self.gave_up() || !self.recover_statement() {
                        return Err(abort);
                    }
                }
            }
        }
    }

    /// Skips over the next `;`, or to the `}` of this block; false at the file's end or
    /// a declaration.
    fn recover_statement(&mut self) -> bool {
        let mut open = 0usize;
        loop {
            match self.kind() {
                TokenKind::End => return false,
                TokenKind::Identifier(word) if is_declaration(word) => return false,
                TokenKind::Symbol(";") if open == 0 => {
                    self.bump();
                    return true;
                }
                TokenKind::Symbol("}") if open == 0 => return true,
                TokenKind::Symbol("}") => open -= 1,
                TokenKind::Symbol("{") => open += 1,
                _ => {}
            }
            self.bump();
        }
    }

    pub(super) fn statement(&mut self) -> Parse<Statement> {
        let start = self.span();
        let kind = self.nested(Parser::statement_kind)?;
        Ok(Statement { kind, span: start.to(self.last_span()) })
    }

    fn boxed_statement(&mut self) -> Parse<Box<Statement>> {
        self.statement().map(Box::new)
    }

    fn statement_kind(&mut self) -> Parse<StatementKind> {
        if self.eat(";") {
            return Ok(StatementKind::Empty);
        }
        if self.is("{") {
            return self.block().map(StatementKind::Block);
        }
        let word = match self.kind() {
            TokenKind::Identifier(word) => word.as_str(),
            _ => "",
        };
        match word {
            "if" => self.if_statement(),
            "while" => {
                self.bump();
                self.expect("(")?;
                let condition = self.expression()?;
                self.expect(")")?;
                Ok(StatementKind::While { condition, body: self.boxed_statement()? })
            }
            "for" => self.for_statement(),
            "foreach" => self.foreach(),
            "break" => self.simple(StatementKind::Break),
            "continue" => self.simple(StatementKind::Continue),
            "next" => self.simple(StatementKind::Next),
            "return" => {
                self.bump();
                let ends = self.is(";") || self.is("}");
                let value = if ends { None } else { Some(self.expression()?) };
                self.eat(";");
                Ok(StatementKind::Return(value))
            }
            "delete" => {
                self.bump();
                let target = self.expression()?;
                self.eat(";");
                Ok(StatementKind::Delete(target))
            }
            "try" => self.try_statement(),
            _ => {
                let expression = self.expression()?;
                self.eat(";");
                Ok(StatementKind::Expression(expression))
            }
        }
    }

    fn simple(&mut self, kind: StatementKind) -> Parse<StatementKind> {
        self.bump();
        self.eat(";");
        Ok(kind)
    }

    fn if_statement(&mut self) -> Parse<StatementKind> {
        self.bump();
        self.expect("(")?;
        let condition = self.expression()?;
        self.expect(")")?;
        let then = self.boxed_statement()?;
        // One empty statement may stand between: `if (x) y; else z`.
        if self.is(";") && matches!(self.kind_at(1), TokenKind::Identifier(w) if w == "else") {
            self.bump();
        }
        let otherwise = if self.eat_word("else") { Some(self.boxed_statement()?) } else { None };
        Ok(StatementKind::If { condition, then, otherwise })
    }

    fn for_statement(&mut self) -> Parse<StatementKind> {
        self.bump();
        self.expect("(")?;
        let initial = self.optional_until(";")?;
        let condition = self.optional_until(";")?;
        let step = self.optional_until(")")?;
        Ok(StatementKind::For { initial, condition, step, body: self.boxed_statement()? })
    }

    fn optional_until(&mut self, end: &str) -> Parse<Option<Expression>> {
        if self.eat(end) {
            return Ok(None);
        }
        let expression = self.expression()?;
        self.expect(end)?;
        Ok(Some(expression))
    }

    fn direction(&mut self) -> Option<Direction> {
        if self.eat("+") {
            Some(Direction::Ascending)
        } else if self.eat("-") {
            Some(Direction::Descending)
        } else {
            // `+` and `=` of `v+= k` may have been read as one symbol.
            None
        }
    }

    fn foreach(&mut self) -> Parse<StatementKind> {
        self.bump();
        self.expect("(")?;
        let mut sort = None;
        let mut value = None;
        if let Some(found) = self.foreach_value(&mut sort)? {
            value = Some(found);
        }
        let mut keys = Vec::new();
        let bracketed = self.eat("[");
        loop {
            keys.push(self.name()?);
            if let Some(direction) = self.direction() {
                self.sorted(&mut sort, (SortBy::Key(keys.len() - 1), direction))?;
            }
            if !bracketed || !self.eat(",") {
                break;
            }
        }
        if bracketed {
            self.expect("]")?;
        }
        if !self.eat_word("in") {
            return self.expected("'in'");
        }
        let (array, slice) = self.foreach_array()?;
        if let TokenKind::At(name) = self.kind()
            && let Some(operation) = aggregate(name)
        {
            self.bump();
            let Some(direction) = self.direction() else {
                return self.expected("'+' or '-' behind the sort operator");
            };
            self.sorted(&mut sort, (SortBy::Aggregate(operation), direction))?;
        } else if let Some(direction) = self.direction() {
            self.sorted(&mut sort, (SortBy::Value, direction))?;
        }
        let limit = if self.eat_word("limit") { Some(self.expression()?) } else { None };
        self.expect(")")?;
        let body = self.boxed_statement()?;
        Ok(StatementKind::Foreach(Foreach { value, keys, array, slice, sort, limit, body }))
    }

    /// `v =`, `v+ =` or `v- =` before the keys.
    fn foreach_value(&mut self, sort: &mut Option<(SortBy, Direction)>) -> Parse<Option<Name>> {
        let TokenKind::Identifier(_) = self.kind() else { return Ok(None) };
        let direction = match (self.kind_at(1), self.kind_at(2)) {
            (TokenKind::Symbol("="), _) => None,
            (TokenKind::Symbol("+="), _) => Some(Direction::Ascending),
            (TokenKind::Symbol("-="), _) => Some(Direction::Descending),
            (TokenKind::Symbol("+"), TokenKind::Symbol("=")) => Some(Direction::Ascending),
            (TokenKind::Symbol("-"), TokenKind::Symbol("=")) => Some(Direction::Descending),
            _ => return Ok(None),
        };
        let name = self.name()?;
        if !(self.eat("=") || self.eat("+=") || self.eat("-=")) {
            self.bump();
            self.bump();
        }
        if let Some(direction) = direction {
            self.sorted(sort, (SortBy::Value, direction))?;
        }
        Ok(Some(name))
    }

    fn sorted(
        &mut self,
        sort: &mut Option<(SortBy, Direction)>,
        new: (SortBy, Direction),
    ) -> Parse<()> {
        match sort.replace(new) {
            None => Ok(()),
            Some(_) => self.fail(Diagnostic::parse("multiple sort directives", self.last_span())),
        }
    }

    fn foreach_array(&mut self) -> Parse<(Expression, Option<Vec<Option<Expression>>>)> {
        if matches!(self.kind(), TokenKind::At(_)) {
            return Ok((self.histogram_of_foreach()?, None));
        }
        let name = self.name()?;
        let kind = ExpressionKind::Variable(name.text);
        let array = Expression { kind, span: name.span, token: name.span };
        let slice = if self.is("[") { Some(self.keys()?) } else { None };
        Ok((array, slice))
    }

    fn try_statement(&mut self) -> Parse<StatementKind> {
        self.bump();
        let body = self.block()?;
        if !self.eat_word("catch") {
            return self.expected("'catch'");
        }
        let message = if self.eat("(") {
            let name = self.name()?;
            self.expect(")")?;
            Some(name)
        } else {
            None
        };
        Ok(StatementKind::Try { body, message, handler: self.block()? })
    }
}

/// The aggregate number behind an `@`.
pub(super) fn aggregate(name: &str) -> Option<Aggregate> {
    Some(match name {
        "count" => Aggregate::Count,
        "sum" => Aggregate::Sum,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "avg" => Aggregate::Average,
        "variance" => Aggregate::Variance,
        _ => return None,
    })
}

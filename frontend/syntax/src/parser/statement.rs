// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements, and how to go on after an error in one.

use super::{Context, Parse, Parser, Tall, is_declaration};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::token::TokenKind;

/// `if (condition) then` of a chain of `else if`.
struct Arm {
    start: Span,
    condition: Tall<Expression>,
    then: Tall<Statement>,
}

impl Parser {
    pub(super) fn block(&mut self) -> Parse<Tall<Block>> {
        self.nested(Parser::block_body)
    }

    fn block_body(&mut self) -> Parse<Tall<Block>> {
        let open = self.expect("{")?;
        let mut statements = Vec::new();
        let mut height = 0;
        loop {
            match self.kind() {
                TokenKind::Symbol("}") => {
                    let span = open.to(self.bump());
                    let height = self.above(&[height])?;
                    return Ok(Tall { node: Block { statements, span }, height });
                }
                TokenKind::End => {
                    let unclosed = self.unexpected("expected statement");
                    return self.fail(unclosed.also(open, "this block is not closed"));
                }
                TokenKind::Identifier(word) if is_declaration(word) => {
                    let unclosed = self.unexpected("expected statement");
                    return self.fail(unclosed.also(open, "is this block closed?"));
                }
                _ => {}
            }
            let (depth, at) = (self.depth, self.at);
            match self.statement() {
                Ok(statement) => {
                    height = height.max(statement.height);
                    statements.push(statement.node);
                }
                Err(abort) => {
                    self.depth = depth;
                    if self.gave_up() || !self.recover(at) {
                        return Err(abort);
                    }
                }
            }
        }
    }

    /// After an error in a statement that began at a token: goes over its `;` or braces,
    /// or to the `}` of the block around it. False at the file's end or a declaration.
    fn recover(&mut self, began: usize) -> bool {
        let mut open = 0usize;
        loop {
            match self.kind() {
                TokenKind::End => return false,
                TokenKind::Identifier(word) if is_declaration(word) => return false,
                TokenKind::Identifier(word)
                    if open == 0 && self.at > began && is_statement(word) =>
                {
                    return true;
                }
                TokenKind::Symbol(";") if open == 0 => {
                    self.bump();
                    return true;
                }
                TokenKind::Symbol("}") if open == 0 => return true,
                TokenKind::Symbol("}") => {
                    open -= 1;
                    if open == 0 {
                        self.bump();
                        return true;
                    }
                }
                TokenKind::Symbol("{") => open += 1,
                _ => {}
            }
            self.bump();
        }
    }

    pub(super) fn statement(&mut self) -> Parse<Tall<Statement>> {
        let start = self.span();
        let kind = self.nested(Parser::statement_kind)?;
        let span = start.to(self.last_span());
        Ok(kind.map(|kind| Statement { kind, span }))
    }

    fn statement_kind(&mut self) -> Parse<Tall<StatementKind>> {
        let word = match self.kind() {
            TokenKind::Symbol(";") => return self.simple(StatementKind::Empty),
            TokenKind::Symbol("{") => {
                let block = self.block()?;
                return Ok(block.map(StatementKind::Block));
            }
            TokenKind::Identifier(word) => &**word,
            _ => "",
        };
        match word {
            "if" => self.if_statement(),
            "while" => self.while_statement(),
            "for" => self.for_statement(),
            "foreach" => self.foreach(),
            "break" => self.simple(StatementKind::Break),
            "continue" => self.simple(StatementKind::Continue),
            "next" => self.simple(StatementKind::Next),
            "return" => self.return_statement(),
            "delete" => {
                self.bump();
                let target = self.expression()?;
                self.eat(";");
                let height = self.above(&[target.height])?;
                Ok(Tall { node: StatementKind::Delete(target.node), height })
            }
            "try" => self.try_statement(),
            word if is_stray_keyword(word) => self.expected("statement"),
            _ => {
                let expression = self.expression()?;
                self.eat(";");
                let height = self.above(&[expression.height])?;
                Ok(Tall { node: StatementKind::Expression(expression.node), height })
            }
        }
    }

    /// A statement of one word, with the `;` that may follow; for `;` itself that is it.
    fn simple(&mut self, kind: StatementKind) -> Parse<Tall<StatementKind>> {
        self.bump();
        if kind != StatementKind::Empty {
            self.eat(";");
        }
        Ok(Tall { node: kind, height: 1 })
    }

    fn return_statement(&mut self) -> Parse<Tall<StatementKind>> {
        if self.context != Context::Function {
            let stray = self.unexpected("found 'return' not in function context");
            return self.fail(stray.help("'next' ends a probe's handler"));
        }
        self.bump();
        if self.is("}") || self.eat(";") {
            return Ok(Tall { node: StatementKind::Return(None), height: 1 });
        }
        let value = self.expression()?;
        self.eat(";");
        let height = self.above(&[value.height])?;
        Ok(Tall { node: StatementKind::Return(Some(value.node)), height })
    }

    /// `(condition)`
    fn condition(&mut self) -> Parse<Tall<Expression>> {
        let open = self.expect("(")?;
        let condition = self.expression()?;
        self.expect_close(")", open)?;
        Ok(condition)
    }

    /// A chain of `else if` is read in a loop: it may be long, and is no deeper for the
    /// reader than its longest arm.
    fn if_statement(&mut self) -> Parse<Tall<StatementKind>> {
        let mut arms = Vec::new();
        let mut last = None;
        loop {
            let start = self.bump();
            let condition = self.condition()?;
            let then = self.statement()?;
            arms.push(Arm { start, condition, then });
            if !self.eat_word("else") {
                break;
            }
            if !self.is_word("if") {
                last = Some(self.statement()?);
                break;
            }
        }
        let end = self.last_span();
        let mut arms = arms.into_iter().rev();
        let Some(first) = arms.next() else { return self.expected("statement") };
        let mut start = first.start;
        let mut chain = self.if_node(first, last)?;
        for arm in arms {
            let inner = chain.map(|kind| Statement { kind, span: start.to(end) });
            start = arm.start;
            chain = self.if_node(arm, Some(inner))?;
        }
        Ok(chain)
    }

    fn if_node(
        &mut self,
        arm: Arm,
        otherwise: Option<Tall<Statement>>,
    ) -> Parse<Tall<StatementKind>> {
        let below = otherwise.as_ref().map_or(0, |statement| statement.height);
        let height = self.above(&[arm.condition.height, arm.then.height, below])?;
        let condition = arm.condition.node;
        let then = Box::new(arm.then.node);
        let otherwise = otherwise.map(|statement| Box::new(statement.node));
        Ok(Tall { node: StatementKind::If { condition, then, otherwise }, height })
    }

    fn while_statement(&mut self) -> Parse<Tall<StatementKind>> {
        self.bump();
        let condition = self.condition()?;
        let body = self.statement()?;
        let height = self.above(&[condition.height, body.height])?;
        let (condition, body) = (condition.node, Box::new(body.node));
        Ok(Tall { node: StatementKind::While { condition, body }, height })
    }

    fn for_statement(&mut self) -> Parse<Tall<StatementKind>> {
        self.bump();
        self.expect("(")?;
        let (initial, first) = self.optional_until(";")?;
        let (condition, second) = self.optional_until(";")?;
        let (step, third) = self.optional_until(")")?;
        let body = self.statement()?;
        let height = self.above(&[first, second, third, body.height])?;
        let body = Box::new(body.node);
        Ok(Tall { node: StatementKind::For { initial, condition, step, body }, height })
    }

    /// An expression or nothing, its height, and what ends it.
    fn optional_until(&mut self, end: &str) -> Parse<(Option<Expression>, usize)> {
        if self.eat(end) {
            return Ok((None, 0));
        }
        let expression = self.expression()?;
        self.expect(end)?;
        Ok((Some(expression.node), expression.height))
    }

    fn try_statement(&mut self) -> Parse<Tall<StatementKind>> {
        self.bump();
        let body = self.block()?;
        if !self.eat_word("catch") {
            return self.expected("'catch'");
        }
        let message = if self.is("(") {
            let open = self.bump();
            let name = self.name()?;
            self.expect_close(")", open)?;
            Some(name)
        } else {
            None
        };
        let handler = self.block()?;
        let height = self.above(&[body.height, handler.height])?;
        let (body, handler) = (body.node, handler.node);
        Ok(Tall { node: StatementKind::Try { body, message, handler }, height })
    }

    /// A diagnostic about something already read.
    pub(super) fn error_at<T>(&mut self, message: &str, span: Span) -> Parse<T> {
        self.fail(Diagnostic::parse(message, span))
    }
}

/// Words that begin a statement, and nothing else.
fn is_statement(word: &str) -> bool {
    matches!(
        word,
        "if" | "while"
            | "for"
            | "foreach"
            | "break"
            | "continue"
            | "next"
            | "return"
            | "delete"
            | "try"
    )
}

/// Keywords that begin neither a statement nor an expression.
fn is_stray_keyword(word: &str) -> bool {
    matches!(word, "else" | "catch" | "in" | "limit" | "long" | "string") || is_declaration(word)
}

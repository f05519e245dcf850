// SPDX-License-Identifier: GPL-2.0-or-later
//! Operators.
//!
//! From loose to tight, as SystemTap's grammar has it: assignment, `?:`, `||`, `&&`,
//! `|`, `^`, `&`, `in`, comparisons and `=~`, shifts, `.`, `+ -`, `* / %`, unary,
//! `++ --`. Mind that shifts are looser than `.`, and that looser than `+`.
//!
//! `in` and `=~` do not chain: what stands before `=~` is a shift or tighter, what
//! follows it a literal, and a comparison ends behind it; `a in b in c` is an error.

use super::{Parse, Parser, Tall};
use crate::ast::*;
use crate::source::Span;
use crate::token::TokenKind;

/// An operator with two operands that is no assignment.
#[derive(Clone, Copy)]
enum Infix {
    Binary(BinaryOperator),
    Logical(LogicalOperator),
}

const LOOSEST: u8 = 1;
/// `in` stands between the loose and the tight operators.
const TIGHT: u8 = 7;
const COMPARISON: u8 = 7;
const SHIFT: u8 = 8;

/// The operator that a token is, and its level: greater is tighter.
fn infix(kind: &TokenKind) -> Option<(u8, Infix)> {
    use BinaryOperator as B;
    let TokenKind::Symbol(symbol) = kind else { return None };
    let (level, binary) = match *symbol {
        "||" => return Some((1, Infix::Logical(LogicalOperator::Or))),
        "&&" => return Some((2, Infix::Logical(LogicalOperator::And))),
        "|" => (3, B::BitOr),
        "^" => (4, B::BitXor),
        "&" => (5, B::BitAnd),
        "==" => (COMPARISON, B::Equal),
        "!=" => (COMPARISON, B::NotEqual),
        "<" => (COMPARISON, B::Less),
        "<=" => (COMPARISON, B::LessOrEqual),
        ">" => (COMPARISON, B::Greater),
        ">=" => (COMPARISON, B::GreaterOrEqual),
        "<<" => (SHIFT, B::ShiftLeft),
        ">>" => (SHIFT, B::ShiftRight),
        ">>>" => (SHIFT, B::ShiftRightUnsigned),
        "." => (9, B::Concatenate),
        "+" => (10, B::Add),
        "-" => (10, B::Subtract),
        "*" => (11, B::Multiply),
        "/" => (11, B::Divide),
        "%" => (11, B::Modulo),
        _ => return None,
    };
    Some((level, Infix::Binary(binary)))
}

/// The operator of an assignment symbol: `Some(None)` for `=`.
fn assignment(symbol: &str) -> Option<Option<BinaryOperator>> {
    use BinaryOperator as B;
    Some(Some(match symbol {
        "=" => return Some(None),
        "+=" => B::Add,
        "-=" => B::Subtract,
        "*=" => B::Multiply,
        "/=" => B::Divide,
        "%=" => B::Modulo,
        "&=" => B::BitAnd,
        "|=" => B::BitOr,
        "^=" => B::BitXor,
        ".=" => B::Concatenate,
        "<<=" => B::ShiftLeft,
        ">>=" => B::ShiftRight,
        _ => return None,
    }))
}

/// An expression of its parts.
pub(super) fn node(
    kind: ExpressionKind,
    span: Span,
    token: Span,
    height: usize,
) -> Tall<Expression> {
    Tall { node: Expression { kind, span, token }, height }
}

impl Parser {
    pub(super) fn expression(&mut self) -> Parse<Tall<Expression>> {
        self.nested(Parser::assignment)
    }

    fn assignment(&mut self) -> Parse<Tall<Expression>> {
        let target = self.ternary()?;
        let TokenKind::Symbol(symbol) = *self.kind() else { return Ok(target) };
        let operator = assignment(symbol);
        if operator.is_none() && symbol != "<<<" {
            return Ok(target);
        }
        let token = self.bump();
        let value = self.expression()?;
        let height = self.above(&[target.height, value.height])?;
        let span = target.node.span.to(value.node.span);
        let (target, value) = (Box::new(target.node), Box::new(value.node));
        let kind = match operator {
            Some(operator) => ExpressionKind::Assign { operator, target, value },
            None => ExpressionKind::Accumulate { target, value },
        };
        Ok(node(kind, span, token, height))
    }

    fn ternary(&mut self) -> Parse<Tall<Expression>> {
        let condition = self.loose(LOOSEST)?;
        if !self.is("?") {
            return Ok(condition);
        }
        let token = self.bump();
        let then = self.expression()?;
        self.expect(":")?;
        let otherwise = self.nested(Parser::ternary)?;
        let height = self.above(&[condition.height, then.height, otherwise.height])?;
        let span = condition.node.span.to(otherwise.node.span);
        let kind = ExpressionKind::Ternary {
            condition: Box::new(condition.node),
            then: Box::new(then.node),
            otherwise: Box::new(otherwise.node),
        };
        Ok(node(kind, span, token, height))
    }

    /// Operators looser than `in`, from a level on, left to right.
    fn loose(&mut self, loosest: u8) -> Parse<Tall<Expression>> {
        let mut left = self.membership()?;
        while let Some((level, operator)) = infix(self.kind()) {
            if level < loosest || level >= TIGHT {
                break;
            }
            let token = self.bump();
            let right = self.loose(level + 1)?;
            left = self.infix(left, operator, right, token)?;
        }
        Ok(left)
    }

    /// `a in array`, `[a, *] in array`, `[a]`
    fn membership(&mut self) -> Parse<Tall<Expression>> {
        let start = self.span();
        if self.is("[") {
            return self.bracketed(start);
        }
        let left = self.comparison()?;
        if !self.is_word("in") {
            return Ok(left);
        }
        let (key, height) = (Some(left.node), left.height);
        self.membership_rest(vec![key], start, height)
    }

    fn bracketed(&mut self, start: Span) -> Parse<Tall<Expression>> {
        let keys = self.keys_of(Parser::comparison_nested)?;
        let Tall { node: mut keys, height } = keys;
        if self.is_word("in") {
            return self.membership_rest(keys, start, height);
        }
        if let (1, Some(Some(only))) = (keys.len(), keys.pop()) {
            return Ok(Tall { node: only, height });
        }
        let list = self.unexpected("unexpected comma-separated expression list");
        self.fail(list.help("'in' and the name of an array must follow"))
    }

    fn comparison_nested(&mut self) -> Parse<Tall<Expression>> {
        self.nested(Parser::comparison)
    }

    fn membership_rest(
        &mut self,
        keys: Vec<Option<Expression>>,
        start: Span,
        height: usize,
    ) -> Parse<Tall<Expression>> {
        let token = self.bump();
        let TokenKind::Identifier(_) = self.kind() else {
            return self.expected("identifier or statistical operation");
        };
        let array = self.name()?;
        let height = self.above(&[height])?;
        let span = start.to(self.last_span());
        Ok(node(ExpressionKind::In { keys, array }, span, token, height))
    }

    fn comparison(&mut self) -> Parse<Tall<Expression>> {
        let left = self.tight(SHIFT)?;
        let negated = match self.kind() {
            TokenKind::Symbol("=~") => false,
            TokenKind::Symbol("!~") => true,
            _ => return self.tight_rest(left, COMPARISON),
        };
        let token = self.bump();
        let regex = self.text("literal string")?;
        let height = self.above(&[left.height])?;
        let span = left.node.span.to(self.last_span());
        let kind = ExpressionKind::Match { left: Box::new(left.node), regex, negated };
        Ok(node(kind, span, token, height))
    }

    /// Operators tighter than `in`, from a level on, left to right.
    fn tight(&mut self, loosest: u8) -> Parse<Tall<Expression>> {
        let left = self.unary()?;
        self.tight_rest(left, loosest)
    }

    fn tight_rest(&mut self, mut left: Tall<Expression>, loosest: u8) -> Parse<Tall<Expression>> {
        while let Some((level, operator)) = infix(self.kind()) {
            if level < loosest {
                break;
            }
            let token = self.bump();
            let right = self.tight(level + 1)?;
            left = self.infix(left, operator, right, token)?;
        }
        Ok(left)
    }

    fn infix(
        &mut self,
        left: Tall<Expression>,
        operator: Infix,
        right: Tall<Expression>,
        token: Span,
    ) -> Parse<Tall<Expression>> {
        let height = self.above(&[left.height, right.height])?;
        let span = left.node.span.to(right.node.span);
        let (left, right) = (Box::new(left.node), Box::new(right.node));
        let kind = match operator {
            Infix::Logical(operator) => ExpressionKind::Logical { operator, left, right },
            Infix::Binary(operator) => ExpressionKind::Binary { operator, left, right },
        };
        Ok(node(kind, span, token, height))
    }

    fn unary(&mut self) -> Parse<Tall<Expression>> {
        let operator = match self.kind() {
            TokenKind::Symbol("-") => UnaryOperator::Negate,
            TokenKind::Symbol("+") => UnaryOperator::Plus,
            TokenKind::Symbol("!") => UnaryOperator::LogicalNot,
            TokenKind::Symbol("~") => UnaryOperator::BitNot,
            TokenKind::Symbol("&") => return self.address_of(),
            TokenKind::Symbol("++") => return self.prefix(StepOperator::Increment),
            TokenKind::Symbol("--") => return self.prefix(StepOperator::Decrement),
            _ => return self.postfix(),
        };
        let token = self.bump();
        let operand = self.nested(Parser::unary)?;
        let height = self.above(&[operand.height])?;
        let span = token.to(operand.node.span);
        let operand = Box::new(operand.node);
        Ok(node(ExpressionKind::Unary { operator, operand }, span, token, height))
    }

    fn prefix(&mut self, step: StepOperator) -> Parse<Tall<Expression>> {
        let token = self.bump();
        let target = self.selected()?;
        let height = self.above(&[target.height])?;
        let span = token.to(target.node.span);
        let (position, target) = (StepPosition::Prefix, Box::new(target.node));
        Ok(node(ExpressionKind::Step { step, position, target }, span, token, height))
    }

    fn postfix(&mut self) -> Parse<Tall<Expression>> {
        let target = self.selected()?;
        self.postfix_step(target)
    }

    fn postfix_step(&mut self, target: Tall<Expression>) -> Parse<Tall<Expression>> {
        let step = match self.kind() {
            TokenKind::Symbol("++") => StepOperator::Increment,
            TokenKind::Symbol("--") => StepOperator::Decrement,
            _ => return Ok(target),
        };
        let token = self.bump();
        let height = self.above(&[target.height])?;
        let span = target.node.span.to(token);
        let (position, target) = (StepPosition::Postfix, Box::new(target.node));
        Ok(node(ExpressionKind::Step { step, position, target }, span, token, height))
    }

    fn address_of(&mut self) -> Parse<Tall<Expression>> {
        let start = self.bump();
        let mut inner = self.selected()?;
        match &mut inner.node.kind {
            ExpressionKind::Target(target) if !target.address_of => target.address_of = true,
            ExpressionKind::Target(_) => {
                return self.error_at("cannot take address more than once", start);
            }
            _ => {
                // Whether that has an address depends on types.
                let height = self.above(&[inner.height])?;
                let (span, token) = (inner.node.span, inner.node.token);
                let base = TargetBase::Value(Box::new(inner.node));
                let target = TargetVariable { base, selectors: Vec::new(), address_of: true };
                inner = node(ExpressionKind::Target(target), span, token, height);
            }
        }
        inner.node.span = start.to(inner.node.span);
        self.postfix_step(inner)
    }
}

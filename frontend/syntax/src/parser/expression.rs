// SPDX-License-Identifier: GPL-2.0-or-later
//! Expressions.
//!
//! From loose to tight, as SystemTap's grammar has it: assignment, `?:`, `||`, `&&`,
//! `|`, `^`, `&`, `in`, comparisons and `=~`, shifts, `.`, `+ -`, `* / %`, unary,
//! `++ --`. Mind that shifts are looser than `.`, and that looser than `+`.

use super::statement::aggregate;
use super::{MAX_DEPTH, Parse, Parser};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use crate::source::Span;
use crate::token::TokenKind;

/// An operator of the binary levels.
#[derive(Clone, Copy)]
enum Infix {
    Binary(BinaryOperator),
    Logical(LogicalOperator),
    In,
    Match { negated: bool },
}

const IN_LEVEL: u8 = 6;
const TIGHTEST: u8 = 12;

/// The operator that a token is, and its level: greater is tighter.
fn infix(kind: &TokenKind) -> Option<(u8, Infix)> {
    use BinaryOperator as B;
    let symbol = match kind {
        TokenKind::Symbol(symbol) => *symbol,
        TokenKind::Identifier(word) if word == "in" => return Some((IN_LEVEL, Infix::In)),
        _ => return None,
    };
    let (level, binary) = match symbol {
        "||" => return Some((1, Infix::Logical(LogicalOperator::Or))),
        "&&" => return Some((2, Infix::Logical(LogicalOperator::And))),
        "|" => (3, B::BitOr),
        "^" => (4, B::BitXor),
        "&" => (5, B::BitAnd),
        "=~" => return Some((7, Infix::Match { negated: false })),
        "!~" => return Some((7, Infix::Match { negated: true })),
        "==" => (7, B::Equal),
        "!=" => (7, B::NotEqual),
        "<" => (7, B::Less),
        "<=" => (7, B::LessOrEqual),
        ">" => (7, B::Greater),
        ">=" => (7, B::GreaterOrEqual),
        "<<" => (8, B::ShiftLeft),
        ">>" => (8, B::ShiftRight),
        ">>>" => (8, B::ShiftRightUnsigned),
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
        ">>>=" => B::ShiftRightUnsigned,
        _ => return None,
    }))
}

fn node(kind: ExpressionKind, span: Span, token: Span) -> Expression {
    Expression { kind, span, token }
}

impl Parser {
    pub(super) fn expression(&mut self) -> Parse<Expression> {
        self.nested(Parser::assignment)
    }

    fn assignment(&mut self) -> Parse<Expression> {
        let target = self.ternary()?;
        let TokenKind::Symbol(symbol) = *self.kind() else { return Ok(target) };
        if symbol == "<<<" {
            let token = self.bump();
            let value = Box::new(self.expression()?);
            let span = target.span.to(value.span);
            let kind = ExpressionKind::Accumulate { target: Box::new(target), value };
            return Ok(node(kind, span, token));
        }
        let Some(operator) = assignment(symbol) else { return Ok(target) };
        let token = self.bump();
        let value = Box::new(self.expression()?);
        let span = target.span.to(value.span);
        let kind = ExpressionKind::Assign { operator, target: Box::new(target), value };
        Ok(node(kind, span, token))
    }

    fn ternary(&mut self) -> Parse<Expression> {
        let condition = self.binary(1)?;
        if !self.is("?") {
            return Ok(condition);
        }
        let token = self.bump();
        let then = Box::new(self.nested(Parser::ternary)?);
        self.expect(":")?;
        let otherwise = Box::new(self.nested(Parser::ternary)?);
        let span = condition.span.to(otherwise.span);
        let condition = Box::new(condition);
        Ok(node(ExpressionKind::Ternary { condition, then, otherwise }, span, token))
    }

    /// Operators of this level and tighter ones, left to right.
    fn binary(&mut self, loosest: u8) -> Parse<Expression> {
        let mut left = self.unary()?;
        let mut chain = 0;
        while let Some((level, operator)) = infix(self.kind()) {
            if level < loosest {
                break;
            }
            chain += 1;
            if chain > MAX_DEPTH {
                let message = format!("more than {MAX_DEPTH} operators in one expression");
                return self.fail(Diagnostic::parse(message, self.span()));
            }
            let token = self.bump();
            left = self.infix_rest(left, level, operator, token)?;
        }
        Ok(left)
    }

    fn infix_rest(
        &mut self,
        left: Expression,
        level: u8,
        operator: Infix,
        token: Span,
    ) -> Parse<Expression> {
        let start = left.span;
        let kind = match operator {
            Infix::In => {
                let array = self.name()?;
                ExpressionKind::In { keys: vec![Some(left)], array }
            }
            Infix::Match { negated } => {
                let TokenKind::Text(regex) = self.kind() else {
                    return self.expected("string literal for the regular expression");
                };
                let regex = regex.clone();
                self.bump();
                ExpressionKind::Match { left: Box::new(left), regex, negated }
            }
            Infix::Logical(operator) => {
                let right = Box::new(self.operand(level)?);
                ExpressionKind::Logical { operator, left: Box::new(left), right }
            }
            Infix::Binary(operator) => {
                let right = Box::new(self.operand(level)?);
                ExpressionKind::Binary { operator, left: Box::new(left), right }
            }
        };
        Ok(node(kind, start.to(self.last_span()), token))
    }

    /// The right side of an operator of this level.
    fn operand(&mut self, level: u8) -> Parse<Expression> {
        self.nested(|parser| parser.binary((level + 1).min(TIGHTEST)))
    }

    fn unary(&mut self) -> Parse<Expression> {
        let operator = match self.kind() {
            TokenKind::Symbol("-") => UnaryOperator::Negate,
            TokenKind::Symbol("+") => UnaryOperator::Plus,
            TokenKind::Symbol("!") => UnaryOperator::LogicalNot,
            TokenKind::Symbol("~") => UnaryOperator::BitNot,
            TokenKind::Symbol("++") => return self.prefix(StepOperator::Increment),
            TokenKind::Symbol("--") => return self.prefix(StepOperator::Decrement),
            _ => return self.postfix(),
        };
        let token = self.bump();
        let operand = Box::new(self.nested(Parser::unary)?);
        let span = token.to(operand.span);
        Ok(node(ExpressionKind::Unary { operator, operand }, span, token))
    }

    fn prefix(&mut self, step: StepOperator) -> Parse<Expression> {
        let token = self.bump();
        let target = Box::new(self.nested(Parser::unary)?);
        let span = token.to(target.span);
        let position = StepPosition::Prefix;
        Ok(node(ExpressionKind::Step { step, position, target }, span, token))
    }

    fn postfix(&mut self) -> Parse<Expression> {
        let target = self.selected()?;
        let step = match self.kind() {
            TokenKind::Symbol("++") => StepOperator::Increment,
            TokenKind::Symbol("--") => StepOperator::Decrement,
            _ => return Ok(target),
        };
        let token = self.bump();
        let span = target.span.to(token);
        let (position, target) = (StepPosition::Postfix, Box::new(target));
        Ok(node(ExpressionKind::Step { step, position, target }, span, token))
    }

    /// A value with `->member` behind it.
    fn selected(&mut self) -> Parse<Expression> {
        let value = self.value()?;
        if !self.is("->") || matches!(value.kind, ExpressionKind::Target(_)) {
            return Ok(value);
        }
        let (span, token) = (value.span, value.token);
        let selectors = self.selectors()?;
        let base = TargetBase::Value(Box::new(value));
        let target = TargetVariable { base, selectors, address_of: false };
        Ok(node(ExpressionKind::Target(target), span.to(self.last_span()), token))
    }

    fn value(&mut self) -> Parse<Expression> {
        let span = self.span();
        match self.kind().clone() {
            TokenKind::Number(n) => {
                self.bump();
                Ok(node(ExpressionKind::Number(n), span, span))
            }
            TokenKind::Text(text) => {
                self.bump();
                Ok(node(ExpressionKind::Text(text), span, span))
            }
            TokenKind::Identifier(_) => self.name_value(),
            TokenKind::Target(name) => {
                self.bump();
                self.target(TargetBase::Name(name), span, false)
            }
            TokenKind::At(name) => self.at(&name),
            TokenKind::Symbol("(") => {
                self.bump();
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(Expression { span: span.to(self.last_span()), ..inner })
            }
            TokenKind::Symbol("[") => {
                let keys = self.keys()?;
                let token = self.span();
                if !self.eat_word("in") {
                    return self.expected("'in'");
                }
                let array = self.name()?;
                Ok(node(ExpressionKind::In { keys, array }, span.to(self.last_span()), token))
            }
            TokenKind::Symbol("&") => {
                self.bump();
                self.address_of(span)
            }
            TokenKind::EmbeddedC => {
                let message = "embedded code in unprivileged script";
                self.bump();
                self.fail(Diagnostic::parse(message, span).help(EMBEDDED_HELP))
            }
            _ => self.expected("statement or expression"),
        }
    }

    fn address_of(&mut self, start: Span) -> Parse<Expression> {
        let mut inner = self.nested(Parser::selected)?;
        match &mut inner.kind {
            ExpressionKind::Target(target) => target.address_of = true,
            _ => {
                let message = "'&' needs a target variable such as $var or @cast(...)";
                return self.fail(Diagnostic::parse(message, inner.span));
            }
        }
        Ok(Expression { span: start.to(inner.span), ..inner })
    }

    fn name_value(&mut self) -> Parse<Expression> {
        let name = self.name()?;
        let span = name.span;
        if self.eat("(") {
            let arguments = self.arguments()?;
            let kind = ExpressionKind::Call { function: name, arguments };
            return Ok(node(kind, span.to(self.last_span()), span));
        }
        if self.is("[") {
            let keys = self.keys()?;
            let kind = ExpressionKind::Element { array: name, keys };
            return Ok(node(kind, span.to(self.last_span()), span));
        }
        Ok(node(ExpressionKind::Variable(name.text), span, span))
    }

    /// `a, b)` behind the parenthesis.
    fn arguments(&mut self) -> Parse<Vec<Expression>> {
        let mut arguments = Vec::new();
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.eat(",") {
                self.expect(")")?;
                return Ok(arguments);
            }
        }
    }

    /// `[a, *, b]`
    pub(super) fn keys(&mut self) -> Parse<Vec<Option<Expression>>> {
        self.expect("[")?;
        let mut keys = Vec::new();
        loop {
            let any = self.is("*") && (self.kind_at(1).is(",") || self.kind_at(1).is("]"));
            keys.push(if any {
                self.bump();
                None
            } else {
                Some(self.expression()?)
            });
            if !self.eat(",") {
                self.expect("]")?;
                return Ok(keys);
            }
        }
    }

    fn target(&mut self, base: TargetBase, start: Span, address_of: bool) -> Parse<Expression> {
        let selectors = self.selectors()?;
        let target = TargetVariable { base, selectors, address_of };
        Ok(node(ExpressionKind::Target(target), start.to(self.last_span()), start))
    }

    fn selectors(&mut self) -> Parse<Vec<Selector>> {
        let mut selectors = Vec::new();
        loop {
            if selectors.len() > MAX_DEPTH {
                return self.fail(Diagnostic::parse("too many selections", self.span()));
            }
            if self.eat("->") {
                selectors.push(self.member()?);
            } else if self.eat("[") {
                selectors.push(Selector::Index(self.expression()?));
                self.expect("]")?;
            } else if self.is("$") && self.span().start == self.last_span().end {
                self.bump();
                let twice = self.is("$") && self.span().start == self.last_span().end;
                if twice {
                    self.bump();
                }
                selectors.push(Selector::Pretty(if twice { 2 } else { 1 }));
                return Ok(selectors);
            } else {
                return Ok(selectors);
            }
        }
    }

    /// Any word is a member's name, keywords too.
    fn member(&mut self) -> Parse<Selector> {
        let TokenKind::Identifier(text) = self.kind() else {
            return self.expected("identifier of a member");
        };
        let text = text.clone();
        Ok(Selector::Member(Name { text, span: self.bump() }))
    }

    fn text_argument(&mut self) -> Parse<Vec<u8>> {
        match self.kind() {
            TokenKind::Text(text) => {
                let text = text.clone();
                self.bump();
                Ok(text)
            }
            _ => self.expected("string"),
        }
    }

    fn optional_text(&mut self) -> Parse<Option<Vec<u8>>> {
        if self.eat(",") { self.text_argument().map(Some) } else { Ok(None) }
    }

    /// What begins with `@`.
    fn at(&mut self, name: &str) -> Parse<Expression> {
        let start = self.bump();
        if let Some(operation) = aggregate(name) {
            self.expect("(")?;
            let target = Box::new(self.expression()?);
            let shift = if operation == Aggregate::Variance && self.eat(",") {
                Some(self.number()?)
            } else {
                None
            };
            self.expect(")")?;
            let kind = ExpressionKind::Aggregate { operation, target, shift };
            return Ok(node(kind, start.to(self.last_span()), start));
        }
        match name {
            "hist_log" | "hist_linear" => self.histogram(name, start),
            "var" => {
                self.expect("(")?;
                let name = self.text_argument()?;
                let module = self.optional_text()?;
                self.expect(")")?;
                self.target(TargetBase::Var { name, module }, start, false)
            }
            "cast" => {
                self.expect("(")?;
                let operand = Box::new(self.expression()?);
                self.expect(",")?;
                let kind = self.text_argument()?;
                let module = self.optional_text()?;
                self.expect(")")?;
                self.target(TargetBase::Cast { operand, kind, module }, start, false)
            }
            "perf" => {
                self.expect("(")?;
                let kind = ExpressionKind::Perf(self.text_argument()?);
                self.expect(")")?;
                Ok(node(kind, start.to(self.last_span()), start))
            }
            _ => self.at_call(name, start),
        }
    }

    fn at_call(&mut self, name: &str, start: Span) -> Parse<Expression> {
        if !self.eat("(") {
            let message = format!("unknown macro or operator '@{name}'");
            return self.fail(Diagnostic::parse(message, start));
        }
        let mut arguments = self.arguments()?;
        let span = start.to(self.last_span());
        let kind = match (name, arguments.len()) {
            ("defined", 1) => ExpressionKind::Defined(Box::new(arguments.remove(0))),
            ("entry", 1) => ExpressionKind::Entry(Box::new(arguments.remove(0))),
            ("choose_defined", 2) => {
                let otherwise = Box::new(arguments.remove(1));
                ExpressionKind::ChooseDefined(Box::new(arguments.remove(0)), otherwise)
            }
            ("defined" | "entry" | "choose_defined", _) => {
                let message = format!("wrong number of arguments of '@{name}'");
                return self.fail(Diagnostic::parse(message, span));
            }
            ("const" | "enum" | "enumname" | "probewrite" | "sizeof", _) => {
                let name = Name { text: name.to_owned(), span: start };
                ExpressionKind::At { name, arguments }
            }
            _ => {
                let message = format!("unknown macro or operator '@{name}'");
                return self.fail(Diagnostic::parse(message, start));
            }
        };
        Ok(node(kind, span, start))
    }

    fn histogram(&mut self, name: &str, start: Span) -> Parse<Expression> {
        self.expect("(")?;
        let target = Box::new(self.expression()?);
        let linear = if name == "hist_linear" {
            let mut bounds = [0; 3];
            for bound in &mut bounds {
                self.expect(",")?;
                *bound = self.number()?;
            }
            Some(bounds)
        } else {
            None
        };
        self.expect(")")?;
        let kind = ExpressionKind::Histogram { linear, target };
        let histogram = node(kind, start.to(self.last_span()), start);
        if !self.eat("[") {
            return Ok(histogram);
        }
        let bucket = Box::new(self.expression()?);
        self.expect("]")?;
        let kind = ExpressionKind::Bucket { histogram: Box::new(histogram), bucket };
        Ok(node(kind, start.to(self.last_span()), start))
    }

    /// The histogram that a foreach goes through.
    pub(super) fn histogram_of_foreach(&mut self) -> Parse<Expression> {
        match self.kind().clone() {
            TokenKind::At(name) if name == "hist_log" || name == "hist_linear" => {
                let start = self.bump();
                self.histogram(&name, start)
            }
            _ => self.expected("array or histogram"),
        }
    }
}

const EMBEDDED_HELP: &str = "nothing compiles C on the machine that runs the script: use the \
                             functions of the tapset, or @cast and $variables for kernel data";

// SPDX-License-Identifier: GPL-2.0-or-later
//! Values: literals, names, calls, what begins with `$` or `@`, and what is selected
//! of them.

use super::expression::node;
use super::foreach::{Keys, aggregate};
use super::{Parse, Parser, Tall};
use crate::ast::*;
use crate::lexer::unescape;
use crate::source::Span;
use crate::token::{TokenKind, is_keyword};

impl Parser {
    /// A value with `->member`, `[index]` or `$` behind it.
    pub(super) fn selected(&mut self) -> Parse<Tall<Expression>> {
        let value = self.value()?;
        // A target variable has taken its selectors already, unless it is in parentheses.
        if !self.at_selector() {
            return Ok(value);
        }
        let (span, token) = (value.node.span, value.node.token);
        let base = value.map(|value| TargetBase::Value(Box::new(value)));
        self.target(base, span, token)
    }

    fn at_selector(&self) -> bool {
        match self.kind() {
            TokenKind::Symbol("->" | "[") => true,
            TokenKind::Target(dollars) => is_pretty(dollars),
            _ => false,
        }
    }

    fn value(&mut self) -> Parse<Tall<Expression>> {
        let span = self.span();
        match self.kind() {
            TokenKind::Number(n) => {
                let kind = ExpressionKind::Number(*n);
                self.bump();
                Ok(node(kind, span, span, 1))
            }
            TokenKind::Text(_) => {
                let kind = ExpressionKind::Text(self.text("literal string")?);
                Ok(node(kind, span, span, 1))
            }
            TokenKind::Identifier(word) if !is_keyword(word) => self.name_value(),
            TokenKind::Target(_) => self.target_variable(),
            TokenKind::At(name) => {
                let name = name.clone();
                self.at_value(&name)
            }
            TokenKind::Symbol("(") => {
                self.bump();
                let mut inner = self.expression()?;
                self.expect_close(")", span)?;
                inner.node.span = span.to(self.last_span());
                Ok(inner)
            }
            TokenKind::EmbeddedC => {
                self.need_guru("embedded expression code in unprivileged script")?;
                self.bump();
                let name = Name { text: EMBEDDED_C.to_owned(), span };
                Ok(node(ExpressionKind::At { name, arguments: Vec::new() }, span, span, 1))
            }
            _ => self.expected("literal string or number"),
        }
    }

    fn name_value(&mut self) -> Parse<Tall<Expression>> {
        let name = self.name()?;
        let span = name.span;
        if let Some(function) = super::printing::PrintFunction::named(&name.text) {
            return self.print(name, function);
        }
        if self.is("(") {
            let open = self.bump();
            let arguments = self.arguments(open)?;
            let height = self.above(&[arguments.height])?;
            let kind = ExpressionKind::Call { function: name, arguments: arguments.node };
            return Ok(node(kind, span.to(self.last_span()), span, height));
        }
        if self.is("[") {
            let keys = self.keys()?;
            let height = self.above(&[keys.height])?;
            let kind = ExpressionKind::Element { array: name, keys: keys.node };
            return Ok(node(kind, span.to(self.last_span()), span, height));
        }
        Ok(node(ExpressionKind::Variable(name.text), span, span, 1))
    }

    /// `a, b)` behind the parenthesis.
    pub(super) fn arguments(&mut self, open: Span) -> Parse<Tall<Vec<Expression>>> {
        let mut arguments = Tall { node: Vec::new(), height: 0 };
        if self.eat(")") {
            return Ok(arguments);
        }
        loop {
            let argument = self.expression()?;
            arguments.height = arguments.height.max(argument.height);
            arguments.node.push(argument.node);
            if self.eat(")") {
                return Ok(arguments);
            }
            if !self.eat(",") {
                let missing = self.unexpected("expected ',' or ')'");
                return self.fail(missing.also(open, "arguments begin here"));
            }
        }
    }

    /// `[a, *, b]`
    pub(super) fn keys(&mut self) -> Parse<Tall<Keys>> {
        self.keys_of(Parser::expression)
    }

    pub(super) fn keys_of(
        &mut self,
        key: fn(&mut Self) -> Parse<Tall<Expression>>,
    ) -> Parse<Tall<Keys>> {
        self.expect("[")?;
        let mut keys = Tall { node: Vec::new(), height: 0 };
        loop {
            if self.eat("*") {
                keys.node.push(None);
            } else {
                let key = key(self)?;
                keys.height = keys.height.max(key.height);
                keys.node.push(Some(key.node));
            }
            if self.eat("]") {
                return Ok(keys);
            }
            if !self.eat(",") {
                return self.expected("',' or ']'");
            }
        }
    }

    /// `$name`, `$$name`, each with `$` or `$$` behind it for printing all of it.
    fn target_variable(&mut self) -> Parse<Tall<Expression>> {
        let TokenKind::Target(name) = self.kind() else { return self.expected("identifier") };
        let name = name.to_string();
        let token = self.bump();
        let (name, pretty) = if is_pretty(&name) { (name.as_str(), None) } else { pretty(&name) };
        let base = TargetBase::Name(name.to_owned());
        if let Some(pretty) = pretty {
            return self.pretty_target(base, pretty, token);
        }
        self.target(Tall { node: base, height: 0 }, token, token)
    }

    fn pretty_target(
        &mut self,
        base: TargetBase,
        pretty: Selector,
        token: Span,
    ) -> Parse<Tall<Expression>> {
        self.nothing_behind_pretty()?;
        let target = TargetVariable { base, selectors: vec![pretty], address_of: false };
        Ok(node(ExpressionKind::Target(target), token, token, 1))
    }

    fn nothing_behind_pretty(&mut self) -> Parse<()> {
        if self.is("->") || self.is("[") {
            return self
                .fail(self.unexpected("-> and [ are not accepted for a pretty-printing variable"));
        }
        Ok(())
    }

    fn target(
        &mut self,
        base: Tall<TargetBase>,
        start: Span,
        token: Span,
    ) -> Parse<Tall<Expression>> {
        let selectors = self.selectors()?;
        let height = self.above(&[base.height, selectors.height])?;
        let (base, selectors) = (base.node, selectors.node);
        let target = TargetVariable { base, selectors, address_of: false };
        let span = start.to(self.last_span());
        Ok(node(ExpressionKind::Target(target), span, token, height))
    }

    fn selectors(&mut self) -> Parse<Tall<Vec<Selector>>> {
        let mut selectors = Tall { node: Vec::new(), height: 0 };
        loop {
            match self.kind() {
                TokenKind::Symbol("->") => {
                    self.bump();
                    if self.member(&mut selectors.node)? {
                        return Ok(selectors);
                    }
                }
                TokenKind::Symbol("[") => {
                    let open = self.bump();
                    let index = self.expression()?;
                    self.expect_close("]", open)?;
                    selectors.height = selectors.height.max(index.height);
                    selectors.node.push(Selector::Index(index.node));
                }
                TokenKind::Target(dollars) if is_pretty(dollars) => {
                    selectors.node.push(depth(dollars));
                    self.bump();
                    self.nothing_behind_pretty()?;
                    return Ok(selectors);
                }
                _ => return Ok(selectors),
            }
        }
    }

    /// A member's name, which may be a keyword; true if a `$` ends the selection.
    fn member(&mut self, selectors: &mut Vec<Selector>) -> Parse<bool> {
        let (TokenKind::Identifier(text) | TokenKind::Target(text)) = self.kind() else {
            return self.expected("identifier or keyword");
        };
        let text = text.to_string();
        let span = self.bump();
        if is_pretty(&text) {
            selectors.push(depth(&text));
            self.nothing_behind_pretty()?;
            return Ok(true);
        }
        let (name, pretty) = pretty(&text);
        selectors.push(Selector::Member(Name { text: name.to_owned(), span }));
        let Some(pretty) = pretty else { return Ok(false) };
        selectors.push(pretty);
        self.nothing_behind_pretty()?;
        Ok(true)
    }

    /// A string with its escapes resolved.
    pub(super) fn text(&mut self, what: &str) -> Parse<Vec<u8>> {
        match self.kind() {
            TokenKind::Text(text) => {
                let text = unescape(text);
                self.bump();
                Ok(text)
            }
            _ => self.expected(what),
        }
    }

    fn optional_text(&mut self) -> Parse<Option<Vec<u8>>> {
        if self.eat(",") { self.text("string").map(Some) } else { Ok(None) }
    }

    /// What begins with `@`.
    fn at_value(&mut self, name: &str) -> Parse<Tall<Expression>> {
        if let Some(operation) = aggregate(name) {
            return self.aggregate(operation);
        }
        match name {
            "hist_log" | "hist_linear" => self.bucket(),
            "var" => self.at_var(),
            "cast" => self.at_cast(),
            "defined" | "entry" | "probewrite" | "choose_defined" => self.at_operands(name),
            "perf" => {
                let start = self.bump();
                let open = self.expect("(")?;
                let kind = ExpressionKind::Perf(self.text("literal string")?);
                self.expect_close(")", open)?;
                Ok(node(kind, start.to(self.last_span()), start, 1))
            }
            "const" | "kderef" | "uderef" | "kregister" | "uregister" => {
                self.need_guru(&format!("using @{name} operator not permitted"))?;
                self.at_operands(name)
            }
            _ => {
                let unknown = self.unexpected(&format!("unknown operator @{name}"));
                self.fail(unknown.help("a macro must be defined before it is used"))
            }
        }
    }

    fn aggregate(&mut self, operation: Aggregate) -> Parse<Tall<Expression>> {
        let start = self.bump();
        let open = self.expect("(")?;
        let target = self.expression()?;
        let mut shift = None;
        if self.is(",") {
            if operation != Aggregate::Variance {
                return self.fail(self.unexpected("not more than 1 parameter allowed"));
            }
            self.bump();
            shift = Some(self.number()?);
            if self.is(",") {
                return self.fail(self.unexpected("not more than 2 parameters allowed"));
            }
        }
        self.expect_close(")", open)?;
        let height = self.above(&[target.height])?;
        let target = Box::new(target.node);
        let kind = ExpressionKind::Aggregate { operation, target, shift };
        Ok(node(kind, start.to(self.last_span()), start, height))
    }

    fn at_var(&mut self) -> Parse<Tall<Expression>> {
        let start = self.bump();
        let open = self.expect("(")?;
        let name = self.text("string")?;
        let module = self.optional_text()?;
        self.expect_close(")", open)?;
        let base = Tall { node: TargetBase::Var { name, module }, height: 0 };
        self.target(base, start, start)
    }

    fn at_cast(&mut self) -> Parse<Tall<Expression>> {
        let start = self.bump();
        let open = self.expect("(")?;
        let operand = self.expression()?;
        self.expect(",")?;
        let kind = self.text("string")?;
        let module = self.optional_text()?;
        self.expect_close(")", open)?;
        let base =
            operand.map(|operand| TargetBase::Cast { operand: Box::new(operand), kind, module });
        self.target(base, start, start)
    }

    /// `@name(a, b)` where the number of operands follows from the name.
    fn at_operands(&mut self, name: &str) -> Parse<Tall<Expression>> {
        let start = self.bump();
        let open = self.expect("(")?;
        let wanted = match name {
            "choose_defined" | "kderef" | "uderef" => 2,
            _ => 1,
        };
        let mut arguments = Vec::new();
        let mut height = 0;
        loop {
            let argument = self.expression()?;
            height = height.max(argument.height);
            arguments.push(argument.node);
            if arguments.len() == wanted {
                break;
            }
            self.expect(",")?;
        }
        self.expect_close(")", open)?;
        let height = self.above(&[height])?;
        let kind = match (name, arguments.len(), arguments.pop()) {
            ("defined", 1, Some(only)) => ExpressionKind::Defined(Box::new(only)),
            ("entry", 1, Some(only)) => ExpressionKind::Entry(Box::new(only)),
            ("choose_defined", 2, Some(second)) => match arguments.pop() {
                Some(first) => ExpressionKind::ChooseDefined(Box::new(first), Box::new(second)),
                None => return self.expected("operand"),
            },
            (_, _, last) => {
                arguments.extend(last);
                ExpressionKind::At { name: Name { text: name.to_owned(), span: start }, arguments }
            }
        };
        Ok(node(kind, start.to(self.last_span()), start, height))
    }

    /// `@hist_log(a)` or `@hist_linear(a, low, high, step)`, if one stands here.
    pub(super) fn histogram(&mut self) -> Parse<Option<Tall<Expression>>> {
        let linear = match self.kind() {
            TokenKind::At(name) if &**name == "hist_log" => false,
            TokenKind::At(name) if &**name == "hist_linear" => true,
            _ => return Ok(None),
        };
        let start = self.bump();
        let open = self.expect("(")?;
        let target = self.expression()?;
        let mut bounds = None;
        if linear {
            let mut three = [0; 3];
            for bound in &mut three {
                self.expect(",")?;
                *bound = self.number()?;
            }
            bounds = Some(three);
        }
        self.expect_close(")", open)?;
        let height = self.above(&[target.height])?;
        let kind = ExpressionKind::Histogram { linear: bounds, target: Box::new(target.node) };
        Ok(Some(node(kind, start.to(self.last_span()), start, height)))
    }

    /// A histogram where a value must stand: one of its buckets is meant.
    fn bucket(&mut self) -> Parse<Tall<Expression>> {
        let Some(histogram) = self.histogram()? else { return self.expected("histogram") };
        let start = histogram.node.span;
        if !self.is("[") {
            let message = "base histogram operator where expression expected";
            return self.error_at(message, start);
        }
        self.bucket_of(histogram)
    }

    pub(super) fn bucket_of(&mut self, histogram: Tall<Expression>) -> Parse<Tall<Expression>> {
        let start = histogram.node.span;
        let open = self.expect("[")?;
        let bucket = self.expression()?;
        self.expect_close("]", open)?;
        let height = self.above(&[histogram.height, bucket.height])?;
        let (histogram, bucket) = (Box::new(histogram.node), Box::new(bucket.node));
        let kind = ExpressionKind::Bucket { histogram, bucket };
        Ok(node(kind, start.to(self.last_span()), start, height))
    }
}

/// Nothing but dollars, which stand for all that a value points to.
fn is_pretty(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'$')
}

/// A name and the dollars behind it, however many.
fn pretty(text: &str) -> (&str, Option<Selector>) {
    let name = text.trim_end_matches('$');
    let dollars = &text[name.len()..];
    (name, (!dollars.is_empty()).then(|| depth(dollars)))
}

fn depth(dollars: &str) -> Selector {
    Selector::Pretty(u8::try_from(dollars.len()).unwrap_or(u8::MAX))
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The tree as text, fully parenthesised, much as `stap -p1` prints it.
//!
//! Parsing what [`print`] gives makes the same tree again, but for spans, the text of
//! embedded C, which the tree does not hold, and braces of probe points, which it holds
//! multiplied out.

use crate::ast::*;
use std::fmt::Write;

/// The text of a script.
pub fn print(script: &Script) -> String {
    let mut printer = Printer { out: String::new(), indent: 0 };
    for item in &script.items {
        printer.item(item);
    }
    printer.out
}

/// The text of an expression.
pub fn print_expression(expression: &Expression) -> String {
    let mut printer = Printer { out: String::new(), indent: 0 };
    printer.expression(expression);
    printer.out
}

struct Printer {
    out: String,
    indent: usize,
}

impl Printer {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn number(&mut self, number: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{number}");
    }

    fn separated<T>(&mut self, separator: &str, list: &[T], mut each: impl FnMut(&mut Self, &T)) {
        for (n, item) in list.iter().enumerate() {
            if n > 0 {
                self.put(separator);
            }
            each(self, item);
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Probe(probe) => {
                self.put("probe ");
                self.separated(", ", &probe.points, Printer::point);
                self.put(" ");
                self.block(&probe.body);
            }
            Item::Alias(alias) => self.alias(alias),
            Item::Global(global) => self.global(global),
            Item::Function(function) => self.function(function),
            Item::EmbeddedC(_) => self.put("%{ %}"),
        }
        self.put("\n");
    }

    fn alias(&mut self, alias: &Alias) {
        self.put("probe ");
        self.separated(" = ", &alias.names, Printer::point);
        self.put(match alias.kind {
            AliasKind::Prologue => " = ",
            AliasKind::Epilogue => " += ",
        });
        self.separated(", ", &alias.points, Printer::point);
        self.put(" ");
        self.block(&alias.body);
        if let Some(epilogue) = &alias.epilogue {
            self.put(", ");
            self.block(epilogue);
        }
    }

    fn global(&mut self, global: &Global) {
        self.put(if global.private { "private global " } else { "global " });
        self.put(&global.name.text);
        if global.wrap {
            self.put("%");
        }
        if let Some(size) = global.size {
            self.put("[");
            self.number(size);
            self.put("]");
        }
        if let Some((literal, _)) = &global.initial {
            self.put(" = ");
            self.literal(literal);
        }
    }

    fn function(&mut self, function: &Function) {
        self.put(if function.private { "private function " } else { "function " });
        self.put(&function.name.text);
        self.declared(function.returns);
        self.put(" (");
        self.separated(", ", &function.parameters, |printer, parameter| {
            printer.put(&parameter.name.text);
            printer.declared(parameter.kind);
        });
        self.put(")");
        if let Some(priority) = function.priority {
            self.put(":");
            self.number(priority);
        }
        self.put(" ");
        match &function.body {
            FunctionBody::Script(block) => self.block(block),
            FunctionBody::EmbeddedC(_) => self.put("%{ %}"),
        }
    }

    fn declared(&mut self, kind: Option<Type>) {
        self.put(match kind {
            None => "",
            Some(Type::Long) => ":long",
            Some(Type::Text) => ":string",
        });
    }

    fn point(&mut self, point: &ProbePoint) {
        self.separated(".", &point.components, |printer, component| {
            printer.put(&component.name.text);
            if let Some(argument) = &component.argument {
                printer.put("(");
                printer.literal(argument);
                printer.put(")");
            }
        });
        self.put(match point.presence {
            Presence::Required => "",
            Presence::Optional => "?",
            Presence::Sufficient => "!",
        });
        if let Some(condition) = &point.condition {
            self.put(" if (");
            self.expression(condition);
            self.put(")");
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Number(n) => self.number(n),
            Literal::Text(text) => self.text(text),
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.put("\"");
        for byte in text {
            match byte {
                b'"' => self.put("\\\""),
                b'\\' => self.put("\\\\"),
                b'\n' => self.put("\\n"),
                b'\t' => self.put("\\t"),
                b' '..=b'~' => self.out.push(char::from(*byte)),
                // Always three digits, so that a digit behind it is none of its own.
                byte => {
                    let _ = write!(self.out, "\\{byte:03o}");
                }
            }
        }
        self.put("\"");
    }

    fn line(&mut self) {
        self.put("\n");
        for _ in 0..self.indent {
            self.put("  ");
        }
    }

    fn block(&mut self, block: &Block) {
        self.put("{");
        self.indent += 1;
        for statement in &block.statements {
            self.line();
            self.statement(statement);
        }
        self.indent -= 1;
        self.line();
        self.put("}");
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            StatementKind::Empty => self.put(";"),
            StatementKind::Block(block) => self.block(block),
            StatementKind::Expression(expression) => {
                self.expression(expression);
                self.put(";");
            }
            StatementKind::If { condition, then, otherwise } => {
                self.put("if (");
                self.expression(condition);
                self.put(") ");
                self.statement(then);
                if let Some(otherwise) = otherwise {
                    self.put(" else ");
                    self.statement(otherwise);
                }
            }
            StatementKind::While { condition, body } => {
                self.put("while (");
                self.expression(condition);
                self.put(") ");
                self.statement(body);
            }
            StatementKind::For { initial, condition, step, body } => {
                self.put("for (");
                self.optional(initial.as_ref());
                self.put("; ");
                self.optional(condition.as_ref());
                self.put("; ");
                self.optional(step.as_ref());
                self.put(") ");
                self.statement(body);
            }
            StatementKind::Foreach(foreach) => self.foreach(foreach),
            StatementKind::Break => self.put("break;"),
            StatementKind::Continue => self.put("continue;"),
            StatementKind::Next => self.put("next;"),
            StatementKind::Return(value) => {
                self.put("return");
                if value.is_some() {
                    self.put(" ");
                }
                self.optional(value.as_ref());
                self.put(";");
            }
            StatementKind::Delete(target) => {
                self.put("delete ");
                self.expression(target);
                self.put(";");
            }
            StatementKind::Try { body, message, handler } => {
                self.put("try ");
                self.block(body);
                self.put(" catch ");
                if let Some(message) = message {
                    self.put("(");
                    self.put(&message.text);
                    self.put(") ");
                }
                self.block(handler);
            }
        }
    }

    fn optional(&mut self, expression: Option<&Expression>) {
        if let Some(expression) = expression {
            self.expression(expression);
        }
    }

    fn foreach(&mut self, foreach: &Foreach) {
        self.put("foreach (");
        if let Some(value) = &foreach.value {
            self.put(&value.text);
            self.put(" = ");
        }
        self.put("[");
        let mark = |direction| match direction {
            Direction::Ascending => "+",
            Direction::Descending => "-",
        };
        for (n, key) in foreach.keys.iter().enumerate() {
            if n > 0 {
                self.put(", ");
            }
            self.put(&key.text);
            if let Some((SortBy::Key(sorted), direction)) = foreach.sort
                && sorted == n
            {
                self.put(mark(direction));
            }
        }
        self.put("] in ");
        self.expression(&foreach.array);
        if let Some(slice) = &foreach.slice {
            self.keys(slice);
        }
        match foreach.sort {
            Some((SortBy::Value, direction)) => self.put(mark(direction)),
            Some((SortBy::Aggregate(operation), direction)) => {
                self.put(" @");
                self.put(aggregate_name(operation));
                self.put(mark(direction));
            }
            Some((SortBy::Key(_), _)) | None => {}
        }
        if let Some(limit) = &foreach.limit {
            self.put(" limit ");
            self.expression(limit);
        }
        self.put(") ");
        self.statement(&foreach.body);
    }

    fn keys(&mut self, keys: &[Option<Expression>]) {
        self.put("[");
        self.separated(", ", keys, |printer, key| match key {
            Some(key) => printer.operand(key),
            None => printer.put("*"),
        });
        self.put("]");
    }

    fn operand(&mut self, expression: &Expression) {
        self.put("(");
        self.expression(expression);
        self.put(")");
    }

    fn infix(&mut self, left: &Expression, operator: &str, right: &Expression) {
        self.operand(left);
        self.put(" ");
        self.put(operator);
        self.put(" ");
        self.operand(right);
    }

    fn list(&mut self, expressions: &[Expression]) {
        self.put("(");
        self.separated(", ", expressions, Printer::expression);
        self.put(")");
    }

    fn expression(&mut self, expression: &Expression) {
        match &expression.kind {
            // As it is without a sign: `-1` would be an operator and a number.
            ExpressionKind::Number(n) => self.number(*n as u64),
            ExpressionKind::Text(text) => self.text(text),
            ExpressionKind::Variable(name) => self.put(name),
            ExpressionKind::Element { array, keys } => {
                self.put(&array.text);
                self.keys(keys);
            }
            ExpressionKind::Call { function, arguments } => {
                self.put(&function.text);
                self.list(arguments);
            }
            ExpressionKind::Unary { operator, operand } => {
                self.put(match operator {
                    UnaryOperator::Negate => "-",
                    UnaryOperator::Plus => "+",
                    UnaryOperator::LogicalNot => "!",
                    UnaryOperator::BitNot => "~",
                });
                self.operand(operand);
            }
            ExpressionKind::Binary { operator, left, right } => {
                self.infix(left, operator.text(), right);
            }
            ExpressionKind::Logical { operator, left, right } => {
                let text = match operator {
                    LogicalOperator::And => "&&",
                    LogicalOperator::Or => "||",
                };
                self.infix(left, text, right);
            }
            ExpressionKind::Step { step, position, target } => {
                let text = match step {
                    StepOperator::Increment => "++",
                    StepOperator::Decrement => "--",
                };
                if *position == StepPosition::Prefix {
                    self.put(text);
                }
                self.operand(target);
                if *position == StepPosition::Postfix {
                    self.put(text);
                }
            }
            ExpressionKind::Assign { operator, target, value } => {
                let operator = operator.map_or("", BinaryOperator::text);
                self.infix(target, &format!("{operator}="), value);
            }
            ExpressionKind::Accumulate { target, value } => self.infix(target, "<<<", value),
            ExpressionKind::Ternary { condition, then, otherwise } => {
                self.operand(condition);
                self.put("?");
                self.operand(then);
                self.put(":");
                self.operand(otherwise);
            }
            ExpressionKind::In { keys, array } => {
                self.keys(keys);
                self.put(" in ");
                self.put(&array.text);
            }
            ExpressionKind::Match { left, regex, negated } => {
                self.operand(left);
                self.put(if *negated { " !~ " } else { " =~ " });
                self.text(regex);
            }
            ExpressionKind::Target(target) => self.target(target),
            _ => self.at(expression),
        }
    }

    /// What begins with `@`.
    fn at(&mut self, expression: &Expression) {
        match &expression.kind {
            ExpressionKind::Aggregate { operation, target, shift } => {
                self.put("@");
                self.put(aggregate_name(*operation));
                self.put("(");
                self.expression(target);
                if let Some(shift) = shift {
                    self.put(", ");
                    self.number(shift);
                }
                self.put(")");
            }
            ExpressionKind::Histogram { linear, target } => {
                self.put(if linear.is_some() { "@hist_linear(" } else { "@hist_log(" });
                self.expression(target);
                for bound in linear.iter().flatten() {
                    self.put(", ");
                    self.number(bound);
                }
                self.put(")");
            }
            ExpressionKind::Bucket { histogram, bucket } => {
                self.expression(histogram);
                self.put("[");
                self.expression(bucket);
                self.put("]");
            }
            ExpressionKind::Defined(operand) => {
                self.put("@defined");
                self.operand(operand);
            }
            ExpressionKind::Entry(operand) => {
                self.put("@entry");
                self.operand(operand);
            }
            ExpressionKind::ChooseDefined(first, second) => {
                self.put("@choose_defined(");
                self.expression(first);
                self.put(", ");
                self.expression(second);
                self.put(")");
            }
            ExpressionKind::Perf(name) => {
                self.put("@perf(");
                self.text(name);
                self.put(")");
            }
            ExpressionKind::At { name, .. } if name.text == EMBEDDED_C => self.put("%{ %}"),
            ExpressionKind::At { name, arguments } => {
                self.put("@");
                self.put(&name.text);
                self.list(arguments);
            }
            _ => {}
        }
    }

    fn target(&mut self, target: &TargetVariable) {
        if target.address_of {
            self.put("&");
        }
        match &target.base {
            TargetBase::Name(name) => self.put(name),
            TargetBase::Var { name, module } => {
                self.put("@var(");
                self.text(name);
                self.module(module.as_deref());
            }
            TargetBase::Cast { operand, kind, module } => {
                self.put("@cast(");
                self.expression(operand);
                self.put(", ");
                self.text(kind);
                self.module(module.as_deref());
            }
            TargetBase::Value(value) => self.operand(value),
        }
        for selector in &target.selectors {
            match selector {
                Selector::Member(name) => {
                    self.put("->");
                    self.put(&name.text);
                }
                Selector::Index(index) => {
                    self.put("[");
                    self.expression(index);
                    self.put("]");
                }
                Selector::Pretty(depth) => {
                    self.put("->");
                    self.put(&"$".repeat(usize::from(*depth)));
                }
            }
        }
    }

    fn module(&mut self, module: Option<&[u8]>) {
        if let Some(module) = module {
            self.put(", ");
            self.text(module);
        }
        self.put(")");
    }
}

fn aggregate_name(operation: Aggregate) -> &'static str {
    match operation {
        Aggregate::Count => "count",
        Aggregate::Sum => "sum",
        Aggregate::Min => "min",
        Aggregate::Max => "max",
        Aggregate::Average => "avg",
        Aggregate::Variance => "variance",
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Globals that a script writes and never reads are printed when the session ends.
//!
//! Each gets an end probe of its own, in the language itself: the format is a script's,
//! and nothing behind this pass knows of it.

use crate::optimize::uses::{Collector, Uses, Variable};
use crate::program::{Global, Keeping, Probe, Program, Scope, Type};
use crate::types::{Owner, infer_bodies};
use frontend_syntax::ast::{
    Aggregate, BinaryOperator, Block, Direction, Expression, ExpressionKind, Foreach, Name, SortBy,
    Statement, StatementKind,
};
use frontend_syntax::{Diagnostic, FileId, Span};
use std::rc::Rc;
use vm_spec::blob::AttachSpec;
use vm_spec::probe::ProbeKind;

/// What is printed of an aggregate.
const NUMBERS: [(&str, Aggregate); 5] = [
    ("count", Aggregate::Count),
    ("min", Aggregate::Min),
    ("max", Aggregate::Max),
    ("sum", Aggregate::Sum),
    ("avg", Aggregate::Average),
];

/// Adds the probes; the types of all globals are known. `script_files` are the files
/// whose globals are the user's.
pub(crate) fn add(program: &mut Program, script_files: &[FileId]) -> Vec<Diagnostic> {
    let uses = all_uses(program);
    let is_shown = |n: usize, global: &Global| {
        let variable = Variable::Global(n);
        let read = uses.read.contains(&variable) && uses.used.contains(&variable);
        uses.written.contains(&variable) && !read && script_files.contains(&global.span.file)
    };
    let globals = program.globals.iter().enumerate();
    let bodies: Vec<Block> = globals
        .filter(|(n, global)| is_shown(*n, global))
        .map(|(_, global)| Writer { at: global.span }.body(global))
        .collect();
    let first = program.probes.len();
    for body in bodies {
        program.probes.push(Probe {
            kind: ProbeKind::End,
            attach: AttachSpec::End { order: 0 },
            optional: false,
            text: "end".to_owned(),
            alias: None,
            bodies: vec![Rc::new(body)],
            condition: None,
            scope: Scope::default(),
            keeping: Keeping::default(),
            code: None,
        });
    }
    let owners = (first..program.probes.len()).map(Owner::Probe).collect();
    infer_bodies(program, owners)
}

fn all_uses(program: &Program) -> Uses {
    let mut collector = Collector::new(program);
    for probe in &program.probes {
        if let Some(condition) = &probe.condition {
            collector.expression(condition, true);
        }
        probe.bodies.iter().for_each(|body| collector.block(body));
    }
    program.functions.iter().for_each(|function| collector.block(&function.body));
    collector.uses
}

/// Writes trees; all of them stand where the global is declared.
struct Writer {
    at: Span,
}

impl Writer {
    fn expression(&self, kind: ExpressionKind) -> Expression {
        Expression { kind, span: self.at, token: self.at }
    }

    fn variable(&self, name: &str) -> Expression {
        self.expression(ExpressionKind::Variable(name.to_owned()))
    }

    fn name(&self, text: impl Into<String>) -> Name {
        Name { text: text.into(), span: self.at }
    }

    fn statement(&self, kind: StatementKind) -> Statement {
        Statement { kind, span: self.at }
    }

    fn call(&self, function: &str, arguments: Vec<Expression>) -> Statement {
        let function = self.name(function);
        let call = self.expression(ExpressionKind::Call { function, arguments });
        self.statement(StatementKind::Expression(call))
    }

    fn printf(&self, format: String, values: Vec<Expression>) -> Statement {
        let format = self.expression(ExpressionKind::Text(format.into_bytes()));
        self.call("printf", std::iter::once(format).chain(values).collect())
    }

    fn body(&self, global: &Global) -> Block {
        let kind = global.value.map_or(Type::Long, |(kind, _)| kind);
        let statement = match (&global.keys, kind) {
            (Some(keys), _) => self.array(global, keys.len(), kind),
            (None, Type::Stat) => self.aggregate(global),
            (None, Type::Long) => {
                self.printf(format!("{}=%d\n", global.name), vec![self.variable(&global.name)])
            }
            (None, Type::Text) => {
                self.printf(format!("{}=\"%s\"\n", global.name), vec![self.variable(&global.name)])
            }
        };
        Block { statements: vec![statement], span: self.at }
    }

    /// The five numbers of an aggregate, and the part of the format that prints them.
    fn numbers(&self, target: &Expression) -> (String, Vec<Expression>) {
        let format: String = NUMBERS.iter().map(|(name, _)| format!(" @{name}=%d")).collect();
        let values = NUMBERS.iter().map(|(_, operation)| {
            let target = Box::new(target.clone());
            self.expression(ExpressionKind::Aggregate {
                operation: *operation,
                target,
                shift: None,
            })
        });
        (format + "\n", values.collect())
    }

    /// One that got no value has no numbers but its count.
    fn aggregate(&self, global: &Global) -> Statement {
        let target = self.variable(&global.name);
        let count = self.expression(ExpressionKind::Aggregate {
            operation: Aggregate::Count,
            target: Box::new(target.clone()),
            shift: None,
        });
        let condition = self.expression(ExpressionKind::Binary {
            operator: BinaryOperator::Equal,
            left: Box::new(count),
            right: Box::new(self.expression(ExpressionKind::Number(0))),
        });
        let (format, values) = self.numbers(&target);
        let then = self.printf(format!("{} @count=0x0\n", global.name), Vec::new());
        let otherwise = self.printf(format!("{}{format}", global.name), values);
        self.statement(StatementKind::If {
            condition,
            then: Box::new(then),
            otherwise: Some(Box::new(otherwise)),
        })
    }

    /// By falling value, aggregates by falling count.
    fn array(&self, global: &Global, arity: usize, kind: Type) -> Statement {
        let keys: Vec<Name> = (0..arity).map(|n| self.name(format!("__idx{n}"))).collect();
        let is_text = |n: usize| {
            let key = global.keys.as_ref().and_then(|keys| keys.get(n).copied().flatten());
            matches!(key, Some((Type::Text, _)))
        };
        let shown: Vec<&str> =
            (0..arity).map(|n| if is_text(n) { "\"%s\"" } else { "%d" }).collect();
        let mut format = format!("{}[{}]", global.name, shown.join(","));
        let mut values: Vec<Expression> = keys.iter().map(|key| self.variable(&key.text)).collect();
        let value = (kind != Type::Stat).then(|| self.name("__val"));
        match (kind, &value) {
            (Type::Stat, _) | (_, None) => {
                let element = self.expression(ExpressionKind::Element {
                    array: self.name(&global.name),
                    keys: values.iter().cloned().map(Some).collect(),
                });
                let (numbers, read) = self.numbers(&element);
                format += &numbers;
                values.extend(read);
            }
            (Type::Text, Some(value)) => {
                format += "=\"%s\"\n";
                values.push(self.variable(&value.text));
            }
            (Type::Long, Some(value)) => {
                format += "=%d\n";
                values.push(self.variable(&value.text));
            }
        }
        self.statement(StatementKind::Foreach(Foreach {
            value,
            keys,
            array: self.variable(&global.name),
            slice: None,
            sort: Some((SortBy::Value, Direction::Descending)),
            limit: None,
            body: Box::new(self.printf(format, values)),
        }))
    }
}

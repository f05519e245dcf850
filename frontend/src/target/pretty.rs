// SPDX-License-Identifier: GPL-2.0-or-later
//! `$name$` and `$name$$`: a value with all its members as text.
//!
//! Each becomes a function of its own, since a member that cannot be read must not end
//! the handler: the text is `ERROR` then.

use super::bundle::sprintf;
use super::chain::{Chain, Value};
use super::operation::Operation;
use super::place::Place;
use super::{Problem, Resolver};
use crate::program::{Function, Scope, Type};
use debuginfo::{Shape, Walk};
use frontend_syntax::Span;
use frontend_syntax::ast::{
    BinaryOperator, Block, Expression, ExpressionKind, Name, Statement, StatementKind,
};
use std::collections::BTreeSet;
use std::rc::Rc;
use vm_spec::helper::HelperId;
use vm_spec::relocation::{Path, Root, Step};

/// Arguments of one sprintf; more become several, joined.
const MOST_ARGUMENTS: usize = 48;
/// Values in one text; SystemTap prints no more of a struct.
const MOST_VALUES: usize = 32;
/// Structs in structs.
const MAX_DEPTH: usize = 24;

/// Text with values in it, under construction.
#[derive(Default)]
struct Pieces {
    /// Finished parts.
    parts: Vec<Expression>,
    format: String,
    arguments: Vec<Expression>,
    values: usize,
    /// Bytes of the finished parts' formats.
    finished: usize,
}

impl Pieces {
    fn value(&mut self, conversion: &str, value: Expression, span: Span) {
        if self.arguments.len() == MOST_ARGUMENTS {
            self.flush(span);
        }
        self.format += conversion;
        self.arguments.push(value);
        self.values += 1;
    }

    /// Is there more text than a string can hold, whatever the values are?
    fn is_full(&self, most: usize) -> bool {
        // A conversion has two to five characters, and gives one at least.
        let text = self.finished + self.format.len();
        text > most + 4 * self.values
    }

    fn flush(&mut self, span: Span) {
        self.finished += self.format.len();
        let format = std::mem::take(&mut self.format);
        let arguments = std::mem::take(&mut self.arguments);
        if !format.is_empty() {
            self.parts.push(sprintf(format, arguments, span));
        }
    }

    fn finish(mut self, span: Span) -> Expression {
        self.flush(span);
        let mut parts = self.parts.into_iter();
        let first = parts.next().unwrap_or_else(|| sprintf(String::new(), Vec::new(), span));
        parts.fold(first, |a, b| super::chain::binary(BinaryOperator::Concatenate, a, b, span))
    }
}

/// How a value stands in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// It is what is printed.
    Top,
    /// It is a member of what is printed.
    Member,
}

impl Resolver<'_> {
    /// The text of what a chain has come to, `$` (1) or `$$` (2) deep.
    pub(super) fn pretty(
        &mut self,
        chain: Chain,
        depth: u8,
        token: Span,
        place: &mut Place,
    ) -> Result<Expression, Problem> {
        let chain =
            if self.from_wildcard { self.by_type_name(chain, token, place)? } else { chain };
        let (in_memory, argument) = match &chain.value {
            Value::AtHand(value) => (false, value.clone()),
            Value::Memory(address) => (true, address.clone()),
            // Nothing is loaded, so that nothing can fail; no function could get it whole.
            Value::Words => {
                let mut pieces = Pieces::default();
                let deep = if depth > 1 { MAX_DEPTH } else { 1 };
                self.print(chain, Level::Top, deep, &mut pieces, token, place)?;
                return Ok(pieces.finish(token));
            }
        };
        let key = format!("{in_memory} {depth} {:?} {:?}", chain.path, place.guards);
        let name = match self.printers.get(&key) {
            Some(known) => known.clone(),
            None => {
                let printer = self.printer(chain, depth, token, place)?;
                self.printers.insert(key, printer.clone());
                printer
            }
        };
        let kind = ExpressionKind::Call { function: name, arguments: vec![argument] };
        Ok(Expression { kind, span: token, token })
    }

    /// A pointer to a struct with a name goes by that name from here on, and not by that
    /// of the function whose argument it is: then the many functions of a wildcard have
    /// one way to print it. They are those of the kernel that the script is compiled for.
    fn by_type_name(&mut self, chain: Chain, token: Span, place: &Place) -> Result<Chain, Problem> {
        let Some(pointee) = chain.at.ty.pointee().map(|ty| ty.complete()) else {
            return Ok(chain);
        };
        let keyword = match pointee.shape() {
            Shape::Composite { union: false } => "struct",
            Shape::Composite { union: true } => "union",
            _ => return Ok(chain),
        };
        let module = chain.path.module.clone();
        let name = format!("{keyword} {}", pointee.name());
        let known = self.types(token)?.named(module.as_deref(), &name);
        if !known.is_ok_and(|known| known.is_some_and(|(ty, _)| ty == pointee)) {
            return Ok(chain);
        }
        let pointer = self.value(chain, token, place)?;
        let path = Path { root: Root::Type(name), module, steps: Vec::new() };
        Ok(Chain { value: Value::Memory(pointer), path, at: Walk::at(pointee) })
    }

    /// Makes the function that prints a value.
    fn printer(
        &mut self,
        chain: Chain,
        depth: u8,
        token: Span,
        place: &Place,
    ) -> Result<Name, Problem> {
        let parameter = Name { text: "pointer".to_owned(), span: token };
        let variable = ExpressionKind::Variable(parameter.text.clone());
        let variable = Expression { kind: variable, span: token, token };
        let inner = match chain.value {
            Value::AtHand(_) => Value::AtHand(variable),
            Value::Memory(_) => Value::Memory(variable),
            Value::Words => Value::Words,
        };
        let mut pieces = Pieces::default();
        let chain = Chain { value: inner, ..chain };
        let deep = if depth > 1 { MAX_DEPTH } else { 1 };
        self.print(chain, Level::Top, deep, &mut pieces, token, place)?;
        let text = pieces.finish(token);
        // Numbers and texts at hand are printed in the same way whatever they are called.
        let key = format!("{text:?}");
        if let Some(known) = self.printers.get(&key) {
            return Ok(known.clone());
        }
        let returned = |value: Expression| {
            let kind = StatementKind::Return(Some(value));
            Block { statements: vec![Statement { kind, span: token }], span: token }
        };
        let error = ExpressionKind::Text(b"ERROR".to_vec());
        let attempt = StatementKind::Try {
            body: returned(text),
            message: None,
            handler: returned(Expression { kind: error, span: token, token }),
        };
        let body =
            Block { statements: vec![Statement { kind: attempt, span: token }], span: token };
        let called = format!("__pretty_print_{}", self.functions.len());
        let name = Name { text: called, span: token };
        let mut scope = Scope::default();
        scope.locals.insert(parameter.text.clone(), Some((Type::Long, token)));
        self.functions.push(Function {
            parameters: vec![parameter],
            returns: Some((Type::Text, token)),
            gives: true,
            declared: BTreeSet::from(["pointer".to_owned()]),
            priority: 0,
            private: false,
            body: Rc::new(body),
            scope,
            name: name.clone(),
        });
        self.printers.insert(key, name.clone());
        Ok(name)
    }

    fn print(
        &mut self,
        chain: Chain,
        level: Level,
        deep: usize,
        pieces: &mut Pieces,
        token: Span,
        place: &Place,
    ) -> Result<(), Problem> {
        let ty = chain.at.ty.clone();
        if pieces.is_full(self.string_length) {
            pieces.format += "...";
            return Ok(());
        }
        match ty.shape() {
            Shape::Integer { character: true, .. } if chain.at.bit_size == 0 => {
                let value = self.value(chain, token, place)?;
                pieces.value("'%#c'", value, token);
            }
            Shape::Integer { .. } => {
                let unsigned = is_unsigned(&ty);
                let value = self.value(chain, token, place)?;
                pieces.value(if unsigned { "%u" } else { "%i" }, value, token);
            }
            Shape::Enum { .. } => {
                let value = self.value(chain, token, place)?;
                pieces.value("%u", value, token);
            }
            Shape::Pointer => return self.print_pointer(chain, level, deep, pieces, token, place),
            Shape::Array { count } => {
                return self.print_array(chain, (level, deep, count), pieces, token, place);
            }
            Shape::Composite { .. } if level == Level::Top || deep > 0 => {
                return self.print_members(chain, deep, pieces, token, place);
            }
            Shape::Composite { .. } => pieces.format += "{...}",
            _ => pieces.format += "?",
        }
        Ok(())
    }

    fn print_pointer(
        &mut self,
        chain: Chain,
        level: Level,
        deep: usize,
        pieces: &mut Pieces,
        token: Span,
        place: &Place,
    ) -> Result<(), Problem> {
        let pointee = chain.at.ty.pointee().map(|ty| ty.shape());
        if matches!(pointee, Some(Shape::Integer { character: true, .. })) {
            let pointer = self.value(chain, token, place)?;
            let quoted = Operation::Helper(HelperId::KernelQuoted);
            let text = self.operation(quoted, vec![pointer], token);
            pieces.value("%s", text, token);
            return Ok(());
        }
        let opaque =
            matches!(pointee, None | Some(Shape::Void | Shape::Incomplete | Shape::Function));
        if level == Level::Top && !opaque {
            let chain = self.dereference(chain, token, place)?;
            return self.print(chain, level, deep, pieces, token, place);
        }
        if level == Level::Top && pointee == Some(Shape::Function) {
            pieces.format += "<function>:";
        }
        let value = self.value(chain, token, place)?;
        pieces.value("%p", value, token);
        Ok(())
    }

    fn print_array(
        &mut self,
        chain: Chain,
        (level, deep, count): (Level, usize, u32),
        pieces: &mut Pieces,
        token: Span,
        place: &Place,
    ) -> Result<(), Problem> {
        if level == Level::Member && deep == 0 {
            pieces.format += "[...]";
            return Ok(());
        }
        let element = chain.at.ty.element().map(|ty| ty.shape());
        if matches!(element, Some(Shape::Integer { character: true, .. })) {
            let address = self.address(chain, token, place)?;
            let quoted = Operation::Helper(HelperId::KernelQuoted);
            let text = self.operation(quoted, vec![address], token);
            pieces.value("%s", text, token);
            return Ok(());
        }
        if count == 0 {
            pieces.format += "[]";
            return Ok(());
        }
        pieces.format.push('[');
        // The first element stands for all; of arrays of arrays, its first.
        let mut first = self.element(chain, token)?;
        while matches!(first.at.ty.shape(), Shape::Array { count: 1.. }) {
            first = self.element(first, token)?;
        }
        self.print(first, Level::Member, deep, pieces, token, place)?;
        pieces.format += if count > 1 { ", ...]" } else { "]" };
        Ok(())
    }

    fn element(&self, chain: Chain, token: Span) -> Result<Chain, Problem> {
        let step = Step::Element(0);
        let at = chain.at.step(&step).map_err(|error| Problem::new(error.to_string(), token))?;
        let mut path = chain.path;
        path.steps.push(step);
        Ok(Chain { value: chain.value, path, at })
    }

    fn print_members(
        &mut self,
        chain: Chain,
        deep: usize,
        pieces: &mut Pieces,
        token: Span,
        place: &Place,
    ) -> Result<(), Problem> {
        if matches!(chain.value, Value::AtHand(_)) {
            pieces.format += "{...}";
            return Ok(());
        }
        self.print_inside(&chain, &chain.at.ty.clone(), deep, pieces, token, place)
    }

    /// An anonymous struct or union: its members are reached by their names alone.
    fn print_anonymous(
        &mut self,
        outer: &Chain,
        field: &debuginfo::Field,
        deep: usize,
        pieces: &mut Pieces,
        token: Span,
        place: &Place,
    ) -> Result<(), Problem> {
        let union = matches!(field.found.ty.shape(), Shape::Composite { union: true });
        pieces.format += if union { "<union>=" } else { "<class>=" };
        if deep <= 1 {
            pieces.format += "{...}";
            return Ok(());
        }
        self.print_inside(outer, &field.found.ty, deep - 1, pieces, token, place)
    }

    /// The members of a struct, or of an anonymous one within it.
    fn print_inside(
        &mut self,
        outer: &Chain,
        inner: &debuginfo::Type,
        deep: usize,
        pieces: &mut Pieces,
        token: Span,
        place: &Place,
    ) -> Result<(), Problem> {
        pieces.format.push('{');
        for (n, field) in inner.complete().fields().into_iter().enumerate() {
            if pieces.is_full(self.string_length) {
                break;
            }
            if n > 0 {
                pieces.format += ", ";
            }
            if pieces.values >= MOST_VALUES {
                pieces.format += "...";
                break;
            }
            if field.name.is_empty() {
                self.print_anonymous(outer, &field, deep, pieces, token, place)?;
                continue;
            }
            pieces.format += &format!(".{}=", field.name);
            let step = Step::Member(field.name.clone());
            // Two members of one name, by way of anonymous structs: the first counts.
            let Ok(at) = outer.at.step(&step) else {
                pieces.format.push('?');
                continue;
            };
            let mut path = outer.path.clone();
            path.steps.push(step);
            let member = Chain { value: outer.value.clone(), path, at };
            self.print(member, Level::Member, deep - 1, pieces, token, place)?;
        }
        pieces.format.push('}');
        Ok(())
    }
}

fn is_unsigned(ty: &debuginfo::Type) -> bool {
    // Of 8 bytes, the width alone does not tell.
    !ty.is_signed() && ty.bare().name() != "_Bool"
}

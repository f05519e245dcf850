// SPDX-License-Identifier: GPL-2.0-or-later
//! Pass 2, second half: the type of every variable of the whole program.
//!
//! Bodies are walked again and again until nothing new is learnt, then once more to
//! report what does not fit. What is never learnt is a long.

pub(crate) mod calls;

use crate::names::similar;
use crate::program::{Known, Program, Scope, Type};
use frontend_syntax::ast::{self, BinaryOperator, Expression, ExpressionKind, StatementKind};
use frontend_syntax::{Diagnostic, Span};
use std::rc::Rc;
use vm_spec::build::Histogram;
use vm_spec::helper::HelperId;

/// Rounds after which a program would be called too tangled; each learns something.
const MAX_ROUNDS: usize = 1000;

/// Learns all types; returns what does not fit.
pub(crate) fn infer(program: &mut Program) -> Vec<Diagnostic> {
    let mut pass = Pass { program, changed: true, report: false, diagnostics: Vec::new() };
    let mut rounds = 0;
    while pass.changed && rounds < MAX_ROUNDS {
        pass.changed = false;
        rounds += 1;
        pass.round();
    }
    pass.settle();
    pass.report = true;
    pass.round();
    let mut diagnostics = std::mem::take(&mut pass.diagnostics);
    // A body behind many aliases is walked for each of them.
    let mut seen = Vec::new();
    diagnostics.retain(|diagnostic| {
        let fresh = !seen.contains(diagnostic);
        if fresh {
            seen.push(diagnostic.clone());
        }
        fresh
    });
    diagnostics
}

/// Whose body is being walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Function(usize),
    Probe,
}

struct Pass<'a> {
    program: &'a mut Program,
    changed: bool,
    report: bool,
    diagnostics: Vec<Diagnostic>,
}

struct Body {
    owner: Owner,
    scope: Scope,
    loops: usize,
}

impl Pass<'_> {
    fn round(&mut self) {
        for n in 0..self.program.functions.len() {
            let function = &mut self.program.functions[n];
            let scope = std::mem::take(&mut function.scope);
            let block = Rc::clone(&function.body);
            let mut body = Body { owner: Owner::Function(n), scope, loops: 0 };
            self.block(&block, &mut body);
            self.program.functions[n].scope = body.scope;
        }
        for n in 0..self.program.probes.len() {
            let probe = &mut self.program.probes[n];
            let scope = std::mem::take(&mut probe.scope);
            let (bodies, condition) = (probe.bodies.clone(), probe.condition.clone());
            let mut body = Body { owner: Owner::Probe, scope, loops: 0 };
            if let Some(condition) = condition {
                self.wanted(&condition, Type::Long, &mut body);
            }
            for block in bodies {
                self.block(&block, &mut body);
            }
            self.program.probes[n].scope = body.scope;
        }
    }

    /// What is not known by now is a long.
    fn settle(&mut self) {
        let long = |known: &mut Known, span| {
            known.get_or_insert((Type::Long, span));
        };
        for global in &mut self.program.globals {
            long(&mut global.value, global.span);
            for key in global.keys.iter_mut().flatten() {
                long(key, global.span);
            }
        }
        for function in &mut self.program.functions {
            if function.gives {
                long(&mut function.returns, function.name.span);
            }
            function.scope.locals.values_mut().for_each(|l| long(l, function.name.span));
        }
        for probe in &mut self.program.probes {
            probe.scope.locals.values_mut().for_each(|local| long(local, Span::default()));
        }
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        if self.report {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Puts two opinions about a type together.
    fn unify(&mut self, mut known: Known, found: Known, at: Span) -> Known {
        match (known, found) {
            (None, Some(found)) => {
                self.changed = true;
                known = Some(found);
            }
            (Some((a, first)), Some((b, _))) if a != b => {
                let message = format!("type mismatch ({} vs. {})", b.text(), a.text());
                self.error(
                    Diagnostic::semantic(message, at).also(first, format!("{} here", a.text())),
                );
            }
            _ => {}
        }
        known
    }

    fn block(&mut self, block: &ast::Block, body: &mut Body) {
        for statement in &block.statements {
            self.statement(statement, body);
        }
    }

    fn statement(&mut self, statement: &ast::Statement, body: &mut Body) {
        match &statement.kind {
            StatementKind::Empty => {}
            StatementKind::Block(block) => self.block(block, body),
            StatementKind::Expression(expression) => {
                self.expression(expression, None, body);
            }
            StatementKind::If { condition, then, otherwise } => {
                self.wanted(condition, Type::Long, body);
                self.statement(then, body);
                if let Some(otherwise) = otherwise {
                    self.statement(otherwise, body);
                }
            }
            StatementKind::While { condition, body: inner } => {
                self.wanted(condition, Type::Long, body);
                self.looped(inner, body);
            }
            StatementKind::For { initial, condition, step, body: inner } => {
                for expression in [initial, step].into_iter().flatten() {
                    self.expression(expression, None, body);
                }
                if let Some(condition) = condition {
                    self.wanted(condition, Type::Long, body);
                }
                self.looped(inner, body);
            }
            StatementKind::Foreach(foreach) => self.foreach(foreach, body),
            StatementKind::Break | StatementKind::Continue => {
                if body.loops == 0 {
                    let message = "found 'break' or 'continue' not inside loop";
                    self.error(Diagnostic::semantic(message, statement.span));
                }
            }
            StatementKind::Next => {}
            StatementKind::Return(value) => self.returned(statement.span, value.as_ref(), body),
            StatementKind::Delete(target) => self.delete(target, body),
            StatementKind::Try { body: inner, message, handler } => {
                self.block(inner, body);
                if let Some(name) = message {
                    self.variable(&name.text, name.span, Some((Type::Text, name.span)), body, true);
                }
                self.block(handler, body);
            }
        }
    }

    fn looped(&mut self, inner: &ast::Statement, body: &mut Body) {
        body.loops += 1;
        self.statement(inner, body);
        body.loops -= 1;
    }

    fn returned(&mut self, span: Span, value: Option<&Expression>, body: &mut Body) {
        let Owner::Function(n) = body.owner else {
            self.error(Diagnostic::semantic("found 'return' not in function context", span));
            return;
        };
        let Some(value) = value else { return };
        let known = self.program.functions[n].returns;
        let found = self.expression(value, known, body);
        let known = self.unify(known, found, value.span);
        self.program.functions[n].returns = known;
        self.program.functions[n].gives = true;
    }

    fn delete(&mut self, target: &Expression, body: &mut Body) {
        match &target.kind {
            ExpressionKind::Variable(name) => {
                if let Some(global) = self.program.global(name) {
                    self.program.globals[global].written = true;
                } else {
                    self.variable(name, target.span, None, body, true);
                }
            }
            ExpressionKind::Element { array, keys } => {
                self.element(array, keys, None, true, body);
            }
            _ => {
                let message = "expected a variable or array element behind 'delete'";
                self.error(Diagnostic::semantic(message, target.span));
            }
        }
    }

    fn foreach(&mut self, foreach: &ast::Foreach, body: &mut Body) {
        let ExpressionKind::Variable(name) = &foreach.array.kind else {
            let message = "foreach over histogram buckets is not supported by this version";
            self.error(Diagnostic::semantic(message, foreach.array.span));
            return;
        };
        let Some(global) = self.array(name, foreach.array.span, foreach.keys.len()) else { return };
        self.program.globals[global].read = true;
        for (n, key) in foreach.keys.iter().enumerate() {
            let known = self.key(global, n);
            let found = self.variable(&key.text, key.span, known, body, true);
            self.learn_key(global, n, found, key.span);
        }
        if let Some(value) = &foreach.value {
            let known = self.program.globals[global].value.filter(|(kind, _)| *kind != Type::Stat);
            let found = self.variable(&value.text, value.span, known, body, true);
            if self.program.globals[global].value.is_none() {
                self.program.globals[global].value = found;
            }
        }
        for (n, slice) in foreach.slice.iter().flatten().enumerate() {
            if let Some(slice) = slice {
                let found = self.expression(slice, self.key(global, n), body);
                self.learn_key(global, n, found, slice.span);
            }
        }
        if let Some(limit) = &foreach.limit {
            self.wanted(limit, Type::Long, body);
        }
        self.looped(&foreach.body, body);
    }

    fn wanted(&mut self, expression: &Expression, kind: Type, body: &mut Body) {
        let want = Some((kind, expression.span));
        let found = self.expression(expression, want, body);
        if let Some((found, _)) = found
            && found != kind
        {
            let message = format!("type mismatch ({} vs. {})", found.text(), kind.text());
            self.error(
                Diagnostic::semantic(message, expression.token)
                    .label(format!("{} wanted here", kind.text())),
            );
        }
    }

    /// A variable that is no element; learns its type.
    fn variable(
        &mut self,
        name: &str,
        span: Span,
        want: Known,
        body: &mut Body,
        written: bool,
    ) -> Known {
        if let Some(n) = self.program.global(name) {
            let global = &mut self.program.globals[n];
            global.read |= !written;
            global.written |= written;
            if let Some(keys) = &global.keys {
                let message =
                    format!("inconsistent arity (0 vs. {}) of array '{name}'", keys.len());
                let at = global.span;
                self.error(Diagnostic::semantic(message, span).also(at, "declared here"));
                return None;
            }
            let known = self.unify(self.program.globals[n].value, want, span);
            self.program.globals[n].value = known;
            return known;
        }
        let known = body.scope.locals.get(name).copied().flatten();
        let known = self.unify(known, want, span);
        body.scope.locals.insert(name.to_owned(), known);
        known
    }

    /// The global array of this name, if it can have so many keys.
    fn array(&mut self, name: &str, span: Span, arity: usize) -> Option<usize> {
        let Some(n) = self.program.global(name) else {
            let globals: Vec<String> =
                self.program.globals.iter().map(|global| global.name.clone()).collect();
            let message = format!("unresolved array '{name}': arrays must be declared global");
            let mut diagnostic = Diagnostic::semantic(message, span);
            if let Some(help) = similar(name, globals.iter().map(String::as_str)) {
                diagnostic = diagnostic.help(help);
            }
            self.error(diagnostic);
            return None;
        };
        let global = &mut self.program.globals[n];
        let keys = global.keys.get_or_insert_with(|| {
            self.changed = true;
            vec![None; arity]
        });
        if keys.len() != arity || global.initial.is_some() {
            let message =
                format!("inconsistent arity ({arity} vs. {}) of array '{name}'", keys.len());
            let at = global.span;
            self.error(Diagnostic::semantic(message, span).also(at, "declared here"));
            return None;
        }
        Some(n)
    }

    fn key(&self, global: usize, n: usize) -> Known {
        self.program.globals.get(global)?.keys.as_ref()?.get(n).copied().flatten()
    }

    fn learn_key(&mut self, global: usize, n: usize, found: Known, span: Span) {
        let known = self.unify(self.key(global, n), found, span);
        let keys = self.program.globals[global].keys.as_mut();
        if let Some(slot) = keys.and_then(|keys| keys.get_mut(n)) {
            *slot = known;
        }
    }

    fn keys(&mut self, global: usize, keys: &[Option<Expression>], body: &mut Body) {
        for (n, key) in keys.iter().enumerate() {
            if let Some(key) = key {
                let found = self.expression(key, self.key(global, n), body);
                self.learn_key(global, n, found, key.span);
            }
        }
    }

    /// An array's element; learns its value's type.
    fn element(
        &mut self,
        array: &ast::Name,
        keys: &[Option<Expression>],
        want: Known,
        written: bool,
        body: &mut Body,
    ) -> Known {
        let n = self.array(&array.text, array.span, keys.len())?;
        self.keys(n, keys, body);
        let global = &mut self.program.globals[n];
        global.read |= !written;
        global.written |= written;
        let known = self.unify(self.program.globals[n].value, want, array.span);
        self.program.globals[n].value = known;
        known
    }

    /// A variable or element that is read or written.
    fn place(&mut self, e: &Expression, want: Known, written: bool, body: &mut Body) -> Known {
        match &e.kind {
            ExpressionKind::Variable(name) => self.variable(name, e.span, want, body, written),
            ExpressionKind::Element { array, keys } => {
                self.element(array, keys, want, written, body)
            }
            ExpressionKind::Target(_) => {
                self.unsupported_target(e.span);
                None
            }
            _ => {
                self.error(Diagnostic::semantic("expected a variable or array element", e.span));
                None
            }
        }
    }

    fn unsupported_target(&mut self, span: Span) {
        let message =
            "kernel data by type ($variables, ->, @cast) is not supported by this version";
        self.error(Diagnostic::semantic(message, span));
    }

    /// Walks an expression; gives its type if it is known, of which `want` is an
    /// opinion that variables take over.
    fn expression(&mut self, e: &Expression, want: Known, body: &mut Body) -> Known {
        let is = |kind| Some((kind, e.span));
        match &e.kind {
            ExpressionKind::Number(_) => is(Type::Long),
            ExpressionKind::Text(_) => is(Type::Text),
            ExpressionKind::Variable(_) | ExpressionKind::Element { .. } => {
                self.read(e, want, body)
            }
            ExpressionKind::Call { function, arguments } => {
                self.call(function, arguments, want, e.span, body)
            }
            ExpressionKind::Unary { operand, .. } => {
                self.wanted(operand, Type::Long, body);
                is(Type::Long)
            }
            ExpressionKind::Binary { operator, left, right } => {
                self.binary(*operator, left, right, body);
                is(if *operator == BinaryOperator::Concatenate { Type::Text } else { Type::Long })
            }
            ExpressionKind::Step { target, .. } => {
                self.place(target, is(Type::Long), true, body);
                is(Type::Long)
            }
            ExpressionKind::Assign { operator, target, value } => {
                self.assign(*operator, target, value, want, body)
            }
            ExpressionKind::Accumulate { target, value } => {
                if matches!(&target.kind, ExpressionKind::Variable(name)
                    if self.program.global(name).is_none())
                {
                    let message = "the aggregate of '<<<' must be a global variable";
                    self.error(Diagnostic::semantic(message, target.span));
                }
                self.place(target, Some((Type::Stat, target.span)), true, body);
                self.wanted(value, Type::Long, body);
                is(Type::Long)
            }
            ExpressionKind::Ternary { condition, then, otherwise } => {
                self.wanted(condition, Type::Long, body);
                let known = self.expression(then, want, body);
                let found = self.expression(otherwise, known.or(want), body);
                let known = if known.is_none() && found.is_some() {
                    self.expression(then, found, body)
                } else {
                    known
                };
                match (known, found) {
                    (Some(_), Some(_)) => self.unify(known, found, otherwise.span),
                    _ => known.or(found),
                }
            }
            ExpressionKind::Logical { left, right, .. } => {
                self.wanted(left, Type::Long, body);
                self.wanted(right, Type::Long, body);
                is(Type::Long)
            }
            ExpressionKind::In { keys, array } => {
                if let Some(n) = self.array(&array.text, array.span, keys.len()) {
                    self.keys(n, keys, body);
                    self.program.globals[n].read = true;
                }
                if let Some(span) = keys.iter().any(Option::is_none).then_some(e.span) {
                    let message = "'*' in 'in' is not supported by this version";
                    self.error(Diagnostic::semantic(message, span));
                }
                is(Type::Long)
            }
            ExpressionKind::Aggregate { target, .. } => {
                self.place(target, Some((Type::Stat, target.span)), false, body);
                is(Type::Long)
            }
            ExpressionKind::Histogram { .. } => {
                let message = "a histogram can only be printed or indexed";
                self.error(Diagnostic::semantic(message, e.span));
                None
            }
            ExpressionKind::Bucket { histogram, bucket } => {
                self.histogram(histogram, body);
                self.wanted(bucket, Type::Long, body);
                is(Type::Long)
            }
            ExpressionKind::Match { .. } => {
                self.error(Diagnostic::semantic(
                    "regular expressions are not supported by this version",
                    e.token,
                ));
                is(Type::Long)
            }
            ExpressionKind::Target(_)
            | ExpressionKind::Defined(_)
            | ExpressionKind::Entry(_)
            | ExpressionKind::ChooseDefined(..)
            | ExpressionKind::Perf(_)
            | ExpressionKind::At { .. } => {
                self.unsupported_target(e.span);
                want
            }
        }
    }

    fn read(&mut self, e: &Expression, want: Known, body: &mut Body) -> Known {
        let known = self.place(e, want, false, body);
        if let Some((Type::Stat, _)) = known
            && want.is_none_or(|(kind, _)| kind != Type::Stat)
        {
            let message = "an aggregate can only be read by @count, @sum, @min, @max, @avg, \
                           @variance, @hist_log and @hist_linear";
            self.error(Diagnostic::semantic(message, e.span));
        }
        known
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        body: &mut Body,
    ) {
        use BinaryOperator as B;
        match operator {
            B::Concatenate => {
                self.wanted(left, Type::Text, body);
                self.wanted(right, Type::Text, body);
            }
            B::Equal | B::NotEqual | B::Less | B::LessOrEqual | B::Greater | B::GreaterOrEqual => {
                let known = self.expression(left, None, body);
                let found = self.expression(right, known, body);
                if known.is_none() && found.is_some() {
                    self.expression(left, found, body);
                } else if known.is_some() {
                    self.unify(known, found, right.span);
                }
            }
            _ => {
                self.wanted(left, Type::Long, body);
                self.wanted(right, Type::Long, body);
            }
        }
    }

    fn assign(
        &mut self,
        operator: Option<BinaryOperator>,
        target: &Expression,
        value: &Expression,
        want: Known,
        body: &mut Body,
    ) -> Known {
        let want = match operator {
            None => want,
            Some(BinaryOperator::Concatenate) => Some((Type::Text, target.span)),
            Some(_) => Some((Type::Long, target.span)),
        };
        let known = self.place(target, want, true, body);
        let found = self.expression(value, known, body);
        if known.is_none() {
            self.place(target, found, true, body)
        } else {
            self.unify(known, found, value.span)
        }
    }

    /// A histogram's aggregate must be kept with the buckets that it asks for.
    fn histogram(&mut self, e: &Expression, body: &mut Body) {
        let ExpressionKind::Histogram { linear, target } = &e.kind else { return };
        self.place(target, Some((Type::Stat, target.span)), false, body);
        let name = match &target.kind {
            ExpressionKind::Variable(name) => name,
            ExpressionKind::Element { array, .. } => &array.text,
            _ => return,
        };
        let Some(n) = self.program.global(name) else { return };
        let wanted = match linear {
            None => Histogram::Log,
            Some([low, high, step]) => Histogram::Linear { low: *low, high: *high, step: *step },
        };
        let global = &mut self.program.globals[n];
        if global.histogram == Histogram::None {
            global.histogram = wanted;
        } else if global.histogram != wanted {
            let message = format!("multiple histogram types declared on '{name}'");
            self.error(Diagnostic::semantic(message, e.span));
        }
        if let Histogram::Linear { low, high, step } = wanted {
            let buckets = high.checked_sub(low).and_then(|span| span.checked_div(step));
            let fits = step > 0 && buckets.is_some_and(|n| (1..=125).contains(&n));
            if !fits {
                let message = "histogram bounds: stop must be above start, and at most 128 buckets";
                self.error(Diagnostic::semantic(message, e.span));
            }
        }
    }

    fn helper(&self, name: &str) -> Option<HelperId> {
        HelperId::from_name(name)
    }
}

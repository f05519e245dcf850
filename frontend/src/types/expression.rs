// SPDX-License-Identifier: GPL-2.0-or-later
//! Types in expressions.

use super::{Body, Pass, Want, first_inferred, has_declared_type};
use crate::names::similar;
use crate::program::{Known, Type};
use crate::regex::Regex;
use frontend_syntax::ast::{self, BinaryOperator, Expression, ExpressionKind};
use frontend_syntax::{Diagnostic, Span};
use vm_spec::build::Histogram;
use vm_spec::limits::{MAX_BUCKETS, MAX_VARIANCE_SHIFT};

impl Pass<'_> {
    /// Walks an expression whose value is wanted as `want` says; gives its type if it
    /// is known, and reports one that does not fit.
    pub(super) fn expression(&mut self, e: &Expression, want: Want, body: &Body) -> Known {
        let found = self.untyped(e, want, body);
        match (found, want) {
            (None, Want::Value | Want::Type(_)) => self.unresolved(e, body),
            (Some((Type::Stat, first)), Want::Value) => self.aggregate_as_value(e, first),
            (Some(_), Want::Type(_)) => self.fits(e, found, want),
            _ => {}
        }
        found
    }

    fn aggregate_as_value(&mut self, e: &Expression, first: Span) {
        self.error(
            Diagnostic::semantic("invalid type stats", e.token)
                .also(first, first_inferred(Type::Stat))
                .help(
                    "an aggregate is read by @count, @sum, @min, @max, @avg, @variance and so on",
                ),
        );
    }

    /// Walks an expression; variables in it take `want` for their type if they have
    /// none. Whether the result fits is the caller's business.
    pub(super) fn untyped(&mut self, e: &Expression, want: Want, body: &Body) -> Known {
        let is = |kind| Some((kind, e.span));
        match &e.kind {
            ExpressionKind::Number(_) => is(Type::Long),
            ExpressionKind::Text(_) => is(Type::Text),
            ExpressionKind::Variable(_) | ExpressionKind::Element { .. } => {
                self.place(e, want, body)
            }
            ExpressionKind::Call { function, arguments } => {
                self.call(function, arguments, want, e.span, body)
            }
            ExpressionKind::Unary { operand, .. } => {
                self.expression(operand, Want::Type(Type::Long), body);
                is(Type::Long)
            }
            ExpressionKind::Binary { operator, left, right } => {
                self.binary(*operator, left, right, body);
                is(if *operator == BinaryOperator::Concatenate { Type::Text } else { Type::Long })
            }
            ExpressionKind::Step { target, .. } => {
                self.place_of(target, Type::Long, body);
                is(Type::Long)
            }
            ExpressionKind::Assign { operator, target, value } => {
                self.assign(*operator, target, value, want, body)
            }
            ExpressionKind::Accumulate { target, value } => {
                self.aggregate(target, body);
                self.expression(value, Want::Type(Type::Long), body);
                is(Type::Long)
            }
            ExpressionKind::Ternary { condition, then, otherwise } => {
                self.expression(condition, Want::Type(Type::Long), body);
                self.alternatives(then, otherwise, want, body)
            }
            ExpressionKind::Logical { left, right, .. } => {
                self.expression(left, Want::Type(Type::Long), body);
                self.expression(right, Want::Type(Type::Long), body);
                is(Type::Long)
            }
            ExpressionKind::In { keys, array } => {
                if let Some(n) = self.array(&array.text, array.span, keys.len(), body) {
                    self.keys(n, keys, body);
                    if self.program.globals[n].value.is_none() {
                        self.unresolved(e, body);
                    }
                }
                is(Type::Long)
            }
            ExpressionKind::Aggregate { target, shift, .. } => {
                self.aggregate(target, body);
                if let Some(shift) = shift
                    && !(0..=i64::from(MAX_VARIANCE_SHIFT)).contains(shift)
                {
                    let message =
                        format!("bit shift ({shift}) out of range <0..{MAX_VARIANCE_SHIFT}>");
                    self.error(Diagnostic::semantic(message, e.token));
                }
                is(Type::Long)
            }
            ExpressionKind::Histogram { .. } => {
                self.histogram(e, body);
                let message = "a histogram can only be printed, indexed or gone through by foreach";
                self.error(Diagnostic::semantic(message, e.span));
                is(Type::Long)
            }
            ExpressionKind::Bucket { histogram, bucket } => {
                self.histogram(histogram, body);
                self.expression(bucket, Want::Type(Type::Long), body);
                is(Type::Long)
            }
            ExpressionKind::Match { left, regex, .. } => {
                self.expression(left, Want::Type(Type::Text), body);
                if let Err(error) = Regex::parse(regex) {
                    self.error(Diagnostic::semantic(error.to_string(), e.token));
                }
                is(Type::Long)
            }
            ExpressionKind::At { name, .. } if name.text == ast::EMBEDDED_C => {
                let message = "embedded C code cannot run here";
                let label = "nothing compiles C on the machine that runs the script";
                self.error(Diagnostic::semantic(message, e.token).label(label));
                is(Type::Long)
            }
            ExpressionKind::Resolved { .. }
            | ExpressionKind::Target(_)
            | ExpressionKind::Defined(_)
            | ExpressionKind::Entry(_)
            | ExpressionKind::ChooseDefined(..)
            | ExpressionKind::Perf(_)
            | ExpressionKind::At { .. } => self.target(e, want, body),
        }
    }

    /// Two values of which one is taken.
    fn alternatives(
        &mut self,
        first: &Expression,
        second: &Expression,
        want: Want,
        body: &Body,
    ) -> Known {
        let known = self.untyped(first, want, body);
        let hint = if known.is_some() { Want::of(known) } else { want };
        let found = self.untyped(second, hint, body);
        match (known, found) {
            (Some(_), Some(_)) => self.fits(second, found, Want::of(known)),
            (None, Some(_)) => {
                self.untyped(first, Want::of(found), body);
            }
            _ => {}
        }
        known.or(found)
    }

    fn binary(
        &mut self,
        operator: BinaryOperator,
        left: &Expression,
        right: &Expression,
        body: &Body,
    ) {
        use BinaryOperator as B;
        let kind = match operator {
            B::Concatenate => Type::Text,
            B::Equal | B::NotEqual | B::Less | B::LessOrEqual | B::Greater | B::GreaterOrEqual => {
                let known = self.alternatives(left, right, Want::Value, body);
                match known {
                    None => self.unresolved(left, body),
                    Some((Type::Stat, first)) => self.aggregate_as_value(left, first),
                    Some(_) => {}
                }
                return;
            }
            _ => Type::Long,
        };
        self.expression(left, Want::Type(kind), body);
        self.expression(right, Want::Type(kind), body);
    }

    fn assign(
        &mut self,
        operator: Option<BinaryOperator>,
        target: &Expression,
        value: &Expression,
        want: Want,
        body: &Body,
    ) -> Known {
        match operator {
            None => {}
            Some(operator) => {
                let text = operator == BinaryOperator::Concatenate;
                let kind = if text { Type::Text } else { Type::Long };
                self.place_of(target, kind, body);
                self.expression(value, Want::Type(kind), body);
                return Some((kind, target.span));
            }
        }
        let known = self.place(target, want, body);
        let found = self.untyped(value, Want::of(known), body);
        match (known, found) {
            (_, Some((Type::Stat, first))) => self.aggregate_as_value(value, first),
            (None, Some((kind, _))) if is_place(target) => {
                return self.place(target, Want::Type(kind), body);
            }
            (None, Some(_)) => return found,
            (None, None) => self.unresolved(value, body),
            (Some((known, first)), Some((found, here))) if known != found => {
                if has_declared_type(value) {
                    self.fits(value, Some((found, here)), Want::Type(known));
                } else {
                    let message = format!("type mismatch ({})", found.text());
                    let at = target.token;
                    self.error(
                        Diagnostic::semantic(message, at).also(first, first_inferred(known)),
                    );
                }
            }
            _ => {}
        }
        known
    }

    /// The aggregate that `<<<` feeds or an `@` operator asks.
    fn aggregate(&mut self, target: &Expression, body: &Body) {
        let name = match &target.kind {
            ExpressionKind::Variable(name) => name,
            ExpressionKind::Element { .. } => {
                self.place_of(target, Type::Stat, body);
                return;
            }
            _ => {
                if let Some((found, _)) = self.untyped(target, Want::Value, body) {
                    let message =
                        format!("type mismatch: expected stats but found {}", found.text());
                    self.error(Diagnostic::semantic(message, target.token));
                }
                return;
            }
        };
        if self.program.global_at(name, target.span).is_some() {
            self.place_of(target, Type::Stat, body);
            return;
        }
        let globals = self.program.globals.iter().map(|global| global.name.as_str());
        let near = similar(name, globals);
        let message = "stat locals not supported, missing global declaration? ";
        let mut diagnostic = Diagnostic::semantic(message, target.token);
        if let Some(near) = near {
            diagnostic = diagnostic.help(format!("similar names: {near}"));
        }
        self.error(diagnostic.help(format!("declare it: global {name}")));
    }

    /// A histogram's aggregate must be kept with the buckets that it asks for.
    pub(super) fn histogram(&mut self, e: &Expression, body: &Body) {
        let ExpressionKind::Histogram { linear, target } = &e.kind else {
            let message = "expected @hist_log or @hist_linear";
            self.error(Diagnostic::semantic(message, e.token));
            return;
        };
        self.aggregate(target, body);
        let name = match &target.kind {
            ExpressionKind::Variable(name) => name,
            ExpressionKind::Element { array, .. } => &array.text,
            _ => return,
        };
        let Some(n) = self.program.global_at(name, target.span) else { return };
        let wanted = match linear {
            None => Histogram::Log,
            Some([low, high, step]) => Histogram::Linear { low: *low, high: *high, step: *step },
        };
        let global = &mut self.program.globals[n];
        if global.histogram == Histogram::None {
            global.histogram = wanted;
        } else if global.histogram != wanted {
            let message = format!("multiple histogram types declared on '{name}'");
            let label = "an aggregate keeps the buckets of one histogram only";
            self.error(Diagnostic::semantic(message, e.token).label(label));
        }
        if let Some([low, high, step]) = linear {
            self.linear_bounds(*low, *high, *step, e.token);
        }
    }

    fn linear_bounds(&mut self, low: i64, high: i64, step: i64, at: Span) {
        let message = if step <= 0 {
            "histogram step must be above 0".to_owned()
        } else if high <= low {
            "histogram stop must be above its start".to_owned()
        } else {
            // One bucket below the bounds, one above, one for the upper bound itself.
            let buckets = high.checked_sub(low).and_then(|span| span.checked_div(step));
            let most = i64::from(MAX_BUCKETS) - 3;
            if buckets.is_some_and(|n| n <= most) {
                return;
            }
            format!("histogram with more than {MAX_BUCKETS} buckets")
        };
        let help = "@hist_linear(aggregate, start, stop, step)";
        self.error(Diagnostic::semantic(message, at).help(help));
    }
}

/// Can a type be learnt from what is put there?
fn is_place(target: &Expression) -> bool {
    matches!(target.kind, ExpressionKind::Variable(_) | ExpressionKind::Element { .. })
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What a program prints, by walking its tree: slow, plain, and with nothing in common
//! with the compiler.

use super::tree::{LOCALS, Long, Operator, Program, Sort, Statement, Text, Variable};
use std::fmt::Write;

/// The longest string.
const MAX_STRING: usize = 511;

/// What came of a program.
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) fault: Option<&'static str>,
}

/// Why a statement ended early.
enum Stop {
    Fault(&'static str),
    Break,
}

type Step<T> = Result<T, Stop>;

#[derive(Clone, Default)]
struct Locals {
    longs: [i64; LOCALS],
    texts: [String; LOCALS],
}

#[derive(Default)]
struct State<'p> {
    function: Option<&'p Long>,
    locals: Locals,
    long_global: i64,
    text_global: String,
    /// In the order of insertion, or of the last sort.
    array: Vec<(i64, i64)>,
    texts: Vec<(i64, String)>,
    statistics: Vec<(i64, Vec<i64>)>,
    out: String,
}

pub(crate) fn run(program: &Program) -> Ran {
    let mut state = State { function: Some(&program.function), ..State::default() };
    state.locals = Locals { longs: [1, 2, 3], texts: [String::new(), "a".into(), "b".into()] };
    let fault = match state.all(&program.body) {
        Err(Stop::Fault(fault)) => Some(fault),
        _ => None,
    };
    let fault = fault.or_else(|| {
        state.finish();
        match state.call(1, String::new()) {
            Ok(12345) => state.out.push('\n'),
            Ok(_) => {}
            Err(Stop::Fault(fault)) => return Some(fault),
            Err(Stop::Break) => {}
        }
        None
    });
    Ran { out: state.out, fault }
}

fn find<V>(entries: &[(i64, V)], key: i64) -> Option<&V> {
    entries.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
}

fn entry<V: Default>(entries: &mut Vec<(i64, V)>, key: i64) -> Option<&mut V> {
    if find(entries, key).is_none() {
        entries.push((key, V::default()));
    }
    entries.iter_mut().find(|(k, _)| *k == key).map(|(_, value)| value)
}

fn cut(mut text: String) -> String {
    text.truncate(MAX_STRING);
    text
}

fn apply(operator: Operator, a: i64, b: i64) -> Step<i64> {
    let shift = (b & 63) as u32;
    Ok(match operator {
        Operator::Add => a.wrapping_add(b),
        Operator::Subtract => a.wrapping_sub(b),
        Operator::Multiply => a.wrapping_mul(b),
        Operator::Divide | Operator::Modulo if b == 0 => return Err(Stop::Fault("division by 0")),
        Operator::Divide => a.wrapping_div(b),
        Operator::Modulo => a.wrapping_rem(b),
        Operator::And => a & b,
        Operator::Or => a | b,
        Operator::Xor => a ^ b,
        Operator::ShiftLeft => a << shift,
        Operator::ShiftRight => a >> shift,
        Operator::ShiftRightUnsigned => (a as u64 >> shift) as i64,
    })
}

fn compare<T: PartialOrd>(operator: usize, a: &T, b: &T) -> i64 {
    i64::from(match operator {
        0 => a == b,
        1 => a != b,
        2 => a < b,
        3 => a <= b,
        4 => a > b,
        _ => a >= b,
    })
}

impl State<'_> {
    fn finish(&mut self) {
        let _ = writeln!(self.out, "{}\n{}|", self.long_global, self.text_global);
        for n in 0..LOCALS {
            let _ = writeln!(self.out, "{}\n{}|", self.locals.longs[n], self.locals.texts[n]);
        }
    }

    fn long_place(&mut self, variable: Variable) -> &mut i64 {
        match variable {
            Variable::Local(n) => &mut self.locals.longs[n],
            Variable::Global => &mut self.long_global,
        }
    }

    fn text_place(&mut self, variable: Variable) -> &mut String {
        match variable {
            Variable::Local(n) => &mut self.locals.texts[n],
            Variable::Global => &mut self.text_global,
        }
    }

    fn call(&mut self, long: i64, text: String) -> Step<i64> {
        let Some(function) = self.function else { return Ok(0) };
        let inner = Locals { longs: [long, long, 3], texts: [text.clone(), text, "x".into()] };
        let outer = std::mem::replace(&mut self.locals, inner);
        let result = self.long(function);
        self.locals = outer;
        result
    }

    fn long(&mut self, e: &Long) -> Step<i64> {
        Ok(match e {
            Long::Number(n) => *n,
            Long::Variable(v) => *self.long_place(*v),
            Long::Negate(e) => self.long(e)?.wrapping_neg(),
            Long::BitNot(e) => !self.long(e)?,
            Long::Not(e) => i64::from(self.long(e)? == 0),
            Long::Binary(operator, a, b) => {
                let (a, b) = (self.long(a)?, self.long(b)?);
                apply(*operator, a, b)?
            }
            Long::Compare(operator, a, b) => {
                let (a, b) = (self.long(a)?, self.long(b)?);
                compare(*operator, &a, &b)
            }
            Long::CompareText(operator, a, b) => {
                let (a, b) = (self.text(a)?, self.text(b)?);
                compare(*operator, &a, &b)
            }
            Long::Both(a, b) => i64::from(self.long(a)? != 0 && self.long(b)? != 0),
            Long::Either(a, b) => i64::from(self.long(a)? != 0 || self.long(b)? != 0),
            Long::Choose(c, a, b) => {
                if self.long(c)? != 0 {
                    self.long(a)?
                } else {
                    self.long(b)?
                }
            }
            Long::Element(key) => {
                let key = self.long(key)?;
                find(&self.array, key).copied().unwrap_or(0)
            }
            Long::In(key) => {
                let key = self.long(key)?;
                find(&self.array, key).is_some().into()
            }
            Long::Length(text) => self.text(text)?.len() as i64,
            Long::Contains(text, needle) => {
                let (text, needle) = (self.text(text)?, self.text(needle)?);
                text.contains(&needle).into()
            }
            Long::Step { variable, up, before } => {
                let place = self.long_place(*variable);
                let old = *place;
                *place = old.wrapping_add(if *up { 1 } else { -1 });
                if *before { *place } else { old }
            }
            Long::Assign(variable, operator, e) => {
                let value = self.long(e)?;
                let old = *self.long_place(*variable);
                let value = match operator {
                    None => value,
                    Some(operator) => apply(operator.of_assignment(), old, value)?,
                };
                *self.long_place(*variable) = value;
                value
            }
            Long::Aggregate(n, key) => {
                let key = self.long(key)?;
                let values = find(&self.statistics, key).cloned().unwrap_or_default();
                aggregate(*n, &values)?
            }
            Long::Call(long, text) => {
                let (long, text) = (self.long(long)?, self.text(text)?);
                self.call(long, text)?
            }
        })
    }

    fn text(&mut self, e: &Text) -> Step<String> {
        Ok(match e {
            Text::Literal(text) => text.clone(),
            Text::Variable(v) => self.text_place(*v).clone(),
            Text::Concatenate(a, b) => {
                let (a, b) = (self.text(a)?, self.text(b)?);
                cut(a + &b)
            }
            Text::Number(e) => self.long(e)?.to_string(),
            Text::Choose(c, a, b) => {
                if self.long(c)? != 0 {
                    self.text(a)?
                } else {
                    self.text(b)?
                }
            }
            Text::Part(text, from, length) => {
                let (text, from) = (self.text(text)?, self.long(from)?);
                let length = self.long(length)?;
                let rest = usize::try_from(from).ok().and_then(|from| text.get(from..));
                let rest = rest.unwrap_or_default();
                let length = usize::try_from(length).unwrap_or(0).min(rest.len());
                rest[..length].to_owned()
            }
            Text::Element(key) => {
                let key = self.long(key)?;
                find(&self.texts, key).cloned().unwrap_or_default()
            }
        })
    }

    fn all(&mut self, statements: &[Statement]) -> Step<()> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Step<()> {
        match statement {
            Statement::AssignLong(variable, operator, e) => {
                let value = self.long(e)?;
                let old = *self.long_place(*variable);
                *self.long_place(*variable) = match operator {
                    None => value,
                    Some(operator) => apply(operator.of_assignment(), old, value)?,
                };
            }
            Statement::AssignText(variable, e) => *self.text_place(*variable) = self.text(e)?,
            Statement::Append(variable, e) => {
                let more = self.text(e)?;
                let place = self.text_place(*variable);
                *place = cut(std::mem::take(place) + &more);
            }
            Statement::SetElement(key, operator, e) => {
                let (key, value) = (self.long(key)?, self.long(e)?);
                let old = find(&self.array, key).copied().unwrap_or(0);
                let value = match operator {
                    None => value,
                    Some(operator) => apply(operator.of_assignment(), old, value)?,
                };
                if let Some(place) = entry(&mut self.array, key) {
                    *place = value;
                }
            }
            Statement::SetText(key, e) => {
                let (key, text) = (self.long(key)?, self.text(e)?);
                if let Some(place) = entry(&mut self.texts, key) {
                    *place = text;
                }
            }
            Statement::Delete(key) => {
                let key = self.long(key)?;
                self.array.retain(|(k, _)| *k != key);
            }
            Statement::Clear => self.array.clear(),
            Statement::Accumulate(key, e) => {
                let (key, value) = (self.long(key)?, self.long(e)?);
                if let Some(values) = entry(&mut self.statistics, key) {
                    values.push(value);
                }
            }
            Statement::PrintLong(e) => {
                let value = self.long(e)?;
                let _ = writeln!(self.out, "{value}");
            }
            Statement::PrintText(e) => {
                let text = self.text(e)?;
                let _ = writeln!(self.out, "{text}");
            }
            Statement::If(condition, then, otherwise) => {
                let chosen = if self.long(condition)? != 0 { then } else { otherwise };
                self.all(chosen)?;
            }
            Statement::Repeat(_, rounds, body) => {
                for _ in 0..*rounds {
                    match self.all(body) {
                        Err(Stop::Break) => break,
                        other => other?,
                    }
                }
            }
            Statement::Break(condition) => {
                if self.long(condition)? != 0 {
                    return Err(Stop::Break);
                }
            }
            Statement::Foreach(sort, limit) => self.foreach(*sort, *limit),
            Statement::Try(body) => match self.all(body) {
                Err(Stop::Fault(fault)) => {
                    let _ = writeln!(self.out, "{fault}");
                }
                other => other?,
            },
        }
        Ok(())
    }

    fn foreach(&mut self, sort: Sort, limit: Option<u8>) {
        match sort {
            Sort::None => {}
            Sort::Key { descending: false } => self.array.sort_by_key(|(key, _)| *key),
            Sort::Key { descending: true } => {
                self.array.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
            }
            Sort::Value { descending: false } => self.array.sort_by_key(|(_, value)| *value),
            Sort::Value { descending: true } => {
                self.array.sort_by_key(|(_, value)| std::cmp::Reverse(*value));
            }
        }
        let most = limit.map_or(usize::MAX, usize::from);
        for (key, value) in self.array.iter().take(most) {
            let _ = writeln!(self.out, "{key}:{value}");
        }
    }
}

fn aggregate(n: usize, values: &[i64]) -> Step<i64> {
    let sum = values.iter().fold(0i64, |sum, value| sum.wrapping_add(*value));
    let nothing = Stop::Fault("empty aggregate");
    Ok(match n {
        0 => values.len() as i64,
        1 => sum,
        2 => values.iter().copied().min().ok_or(nothing)?,
        3 => values.iter().copied().max().ok_or(nothing)?,
        _ => sum.checked_div(values.len() as i64).ok_or(nothing)?,
    })
}

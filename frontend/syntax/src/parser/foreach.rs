// SPDX-License-Identifier: GPL-2.0-or-later
//! `foreach (value = [key+, key] in array[slice, *] @sum- limit n) body`

use super::{Parse, Parser, Tall};
use crate::ast::*;
use crate::token::TokenKind;

type Sort = Option<(SortBy, Direction)>;

impl Parser {
    pub(super) fn foreach(&mut self) -> Parse<Tall<StatementKind>> {
        self.bump();
        let open = self.expect("(")?;
        let mut sort = None;
        let (value, keys) = self.foreach_variables(&mut sort)?;
        if !self.eat_word("in") {
            return self.expected("'in'");
        }
        let array = self.foreach_array()?;
        let slice = self.foreach_slice(&array.node)?;
        self.foreach_order(&mut sort)?;
        let limit = if self.eat_word("limit") { Some(self.expression()?) } else { None };
        self.expect_close(")", open)?;
        let body = self.statement()?;
        let limited = limit.as_ref().map_or(0, |limit| limit.height);
        let height = self.above(&[array.height, slice.height, limited, body.height])?;
        let foreach = Foreach {
            value,
            keys,
            array: array.node,
            slice: slice.node,
            sort,
            limit: limit.map(|limit| limit.node),
            body: Box::new(body.node),
        };
        Ok(Tall { node: StatementKind::Foreach(foreach), height })
    }

    /// What is between the parenthesis and `in`.
    fn foreach_variables(&mut self, sort: &mut Sort) -> Parse<(Option<Name>, Vec<Name>)> {
        if self.is("[") {
            return Ok((None, self.foreach_keys(sort)?));
        }
        let name = self.name()?;
        let direction = self.direction();
        if self.eat("=") {
            if let Some(direction) = direction {
                self.sorted(sort, SortBy::Value, direction)?;
            }
            return Ok((Some(name), self.foreach_keys(sort)?));
        }
        if let Some(direction) = direction {
            self.sorted(sort, SortBy::Key(0), direction)?;
        }
        Ok((None, vec![name]))
    }

    /// `[a, b+]` or `a`
    fn foreach_keys(&mut self, sort: &mut Sort) -> Parse<Vec<Name>> {
        let mut keys = Vec::new();
        let bracket = if self.is("[") { Some(self.bump()) } else { None };
        loop {
            keys.push(self.name()?);
            if let Some(direction) = self.direction() {
                self.sorted(sort, SortBy::Key(keys.len() - 1), direction)?;
            }
            if bracket.is_none() {
                return Ok(keys);
            }
            if self.eat("]") {
                return Ok(keys);
            }
            if !self.eat(",") {
                return self.expected("',' or ']'");
            }
        }
    }

    fn foreach_array(&mut self) -> Parse<Tall<Expression>> {
        if let Some(histogram) = self.histogram()? {
            return Ok(histogram);
        }
        let name = self.name()?;
        let kind = ExpressionKind::Variable(name.text);
        let array = Expression { kind, span: name.span, token: name.span };
        Ok(Tall { node: array, height: 1 })
    }

    fn foreach_slice(&mut self, array: &Expression) -> Parse<Tall<Option<Keys>>> {
        if !self.is("[") || !matches!(array.kind, ExpressionKind::Variable(_)) {
            return Ok(Tall { node: None, height: 0 });
        }
        Ok(self.keys()?.map(Some))
    }

    /// `+`, `-`, `@sum+` and so on behind the array.
    fn foreach_order(&mut self, sort: &mut Sort) -> Parse<()> {
        let TokenKind::At(name) = self.kind() else {
            return match self.sort_direction() {
                Some(direction) => self.sorted_here(sort, SortBy::Value, direction),
                None => Ok(()),
            };
        };
        let operation = match aggregate(name) {
            Some(operation) => operation,
            None => return self.expected("statistical operation"),
        };
        self.bump();
        let Some(direction) = self.sort_direction() else {
            return self.expected("sort directive");
        };
        self.sorted_here(sort, SortBy::Aggregate(operation), direction)
    }

    fn sort_direction(&self) -> Option<Direction> {
        match self.kind() {
            TokenKind::Symbol("+") => Some(Direction::Ascending),
            TokenKind::Symbol("-") => Some(Direction::Descending),
            _ => None,
        }
    }

    fn direction(&mut self) -> Option<Direction> {
        let direction = self.sort_direction()?;
        self.bump();
        Some(direction)
    }

    fn sorted_here(&mut self, sort: &mut Sort, by: SortBy, direction: Direction) -> Parse<()> {
        if sort.is_some() {
            let twice = self.unexpected("multiple sort directives");
            return self.fail(twice);
        }
        self.bump();
        *sort = Some((by, direction));
        Ok(())
    }

    fn sorted(&mut self, sort: &mut Sort, by: SortBy, direction: Direction) -> Parse<()> {
        match sort.replace((by, direction)) {
            None => Ok(()),
            Some(_) => self.error_at("multiple sort directives", self.last_span()),
        }
    }
}

/// Keys of an array; `None` stands for `*`.
pub(super) type Keys = Vec<Option<Expression>>;

/// The aggregate number behind an `@`.
pub(super) fn aggregate(name: &str) -> Option<Aggregate> {
    Some(match name {
        "count" => Aggregate::Count,
        "sum" => Aggregate::Sum,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "avg" => Aggregate::Average,
        "variance" => Aggregate::Variance,
        _ => return None,
    })
}

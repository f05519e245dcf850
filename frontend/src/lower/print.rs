// SPDX-License-Identifier: GPL-2.0-or-later
//! Printing: format strings and lists of things to formats of the image.

use super::body::Body;
use crate::format_string::{self, Part};
use crate::program::Type;
use crate::types::calls::Printing;
use frontend_syntax::Span;
use frontend_syntax::ast::{Expression, ExpressionKind};
use vm_spec::format::{Conversion, Measure, Piece};
use vm_spec::ids::StrReg;
use vm_spec::image::ValueKind;
use vm_spec::isa::asm;

impl<'p> Body<'_, 'p> {
    /// A printing function; with `to`, its text goes there instead.
    pub(super) fn print(
        &mut self,
        how: Printing,
        to: Option<StrReg>,
        arguments: &'p [Expression],
        token: Span,
    ) {
        if let [Expression { kind: ExpressionKind::Histogram { target, .. }, .. }] = arguments {
            if let Some((map, longs, strings)) = self.aggregate(target) {
                self.emit(asm::phist(longs, strings, map), token);
            }
            if how == Printing::Line {
                self.print_parts(&[Part::Literal(b"\n".to_vec())], &[], None, token);
            }
            return;
        }
        let (parts, rest) = match (how, arguments) {
            (Printing::Format, [first, rest @ ..]) => (format_parts(first), rest),
            (Printing::Delimited | Printing::DelimitedLine, [first, rest @ ..]) => {
                let between = match &first.kind {
                    ExpressionKind::Text(text) => text.clone(),
                    _ => Vec::new(),
                };
                (self.listed(rest, &between, how == Printing::DelimitedLine), rest)
            }
            (Printing::Character, rest) => {
                (rest.iter().map(|_| Part::plain(Conversion::Character)).collect(), rest)
            }
            (_, rest) => (self.listed(rest, b"", how == Printing::Line), rest),
        };
        self.print_parts(&parts, rest, to, token);
    }

    /// Parts that print each argument by its type.
    fn listed(&self, arguments: &[Expression], between: &[u8], line: bool) -> Vec<Part> {
        let mut parts = Vec::new();
        for (n, argument) in arguments.iter().enumerate() {
            if n > 0 && !between.is_empty() {
                parts.push(Part::Literal(between.to_vec()));
            }
            parts.push(Part::plain(match self.type_of(argument) {
                Type::Text => Conversion::String,
                _ => Conversion::Signed,
            }));
        }
        if line {
            parts.push(Part::Literal(b"\n".to_vec()));
        }
        parts
    }

    fn print_parts(
        &mut self,
        parts: &[Part],
        arguments: &'p [Expression],
        to: Option<StrReg>,
        token: Span,
    ) {
        let kinds: Vec<ValueKind> = parts.iter().flat_map(Part::arguments).collect();
        let mut folded: Vec<Part> = Vec::new();
        let mut values: Vec<(&'p Expression, ValueKind)> = Vec::new();
        let mut pairs = arguments.iter().zip(kinds);
        for part in parts {
            let own: Vec<(&Expression, ValueKind)> =
                pairs.by_ref().take(part.arguments().len()).collect();
            match constant_part(part, &own) {
                Some(text) => append(&mut folded, &text),
                None => {
                    folded.push(part.clone());
                    values.extend(own);
                }
            }
        }
        let (longs, strings) = self.arguments(&values);
        let pieces: Vec<Piece> = folded.iter().map(|part| self.piece(part)).collect();
        let format = self.context.builder.format(&pieces);
        let insn = match to {
            Some(to) => asm::sprint(to, longs, strings, format),
            None => asm::print(longs, strings, format),
        };
        self.emit(insn, token);
    }

    fn piece(&mut self, part: &Part) -> Piece {
        match part {
            Part::Literal(text) => Piece::literal(self.context.builder.string(text)),
            Part::Directive { conversion, flags, width, precision } => Piece {
                flags: *flags,
                width: *width,
                precision: *precision,
                ..Piece::plain(*conversion)
            },
        }
    }
}

fn format_parts(first: &Expression) -> Vec<Part> {
    match &first.kind {
        // Inference has refused what cannot be parsed.
        ExpressionKind::Text(format) => format_string::parse(format).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The text of a part whose value is known now.
fn constant_part(part: &Part, own: &[(&Expression, ValueKind)]) -> Option<Vec<u8>> {
    let plain = match part {
        Part::Literal(text) => return Some(text.clone()),
        Part::Directive { conversion, flags, width, precision } => {
            let unset = *width == Measure::Unset && *precision == Measure::Unset;
            (flags.0 == 0 && unset).then_some(*conversion)?
        }
    };
    match (plain, own) {
        (Conversion::String, [(Expression { kind: ExpressionKind::Text(text), .. }, _)]) => {
            Some(text.clone())
        }
        (Conversion::Signed, [(Expression { kind: ExpressionKind::Number(n), .. }, _)]) => {
            Some(n.to_string().into_bytes())
        }
        _ => None,
    }
}

/// Neighbouring literals are one.
fn append(parts: &mut Vec<Part>, text: &[u8]) {
    match parts.last_mut() {
        Some(Part::Literal(before)) => before.extend(text),
        _ => parts.push(Part::Literal(text.to_vec())),
    }
}

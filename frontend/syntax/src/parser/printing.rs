// SPDX-License-Identifier: GPL-2.0-or-later
//! `print`, `printf`, `printd` and their kin: ordinary calls in the tree, but with
//! arguments of their own.

use super::expression::node;
use super::{Parse, Parser, Tall};
use crate::ast::*;
use crate::diagnostic::Diagnostic;
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while};
use nom::character::complete::{char, one_of};
use nom::combinator::{all_consuming, opt, recognize, value};
use nom::multi::fold_many0;
use nom::sequence::preceded;
use nom::{IResult, Parser as _};

/// What the first argument of a printing function is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PrintFunction {
    /// A value like the others, or a histogram alone.
    Plain,
    /// A literal that says how to print the others.
    Format,
    /// A literal that goes between the others.
    Delimiter,
}

impl PrintFunction {
    pub(super) fn named(name: &str) -> Option<PrintFunction> {
        let kind = name.strip_prefix('s').unwrap_or(name).strip_prefix("print")?;
        match kind {
            "" | "ln" | "_char" => Some(PrintFunction::Plain),
            "f" => Some(PrintFunction::Format),
            "d" | "dln" => Some(PrintFunction::Delimiter),
            _ => None,
        }
    }
}

impl Parser {
    pub(super) fn print(&mut self, name: Name, function: PrintFunction) -> Parse<Tall<Expression>> {
        let span = name.span;
        let open = self.expect("(")?;
        let mut arguments = Tall { node: Vec::new(), height: 0 };
        let mut more = true;
        if function != PrintFunction::Plain {
            arguments.node.push(self.first_literal(function)?);
            arguments.height = 1;
            more = self.eat(",");
        } else if let Some(histogram) = self.histogram()? {
            let bucket = self.is("[");
            let printed = if bucket { self.bucket_of(histogram)? } else { histogram };
            arguments = printed.map(|printed| vec![printed]);
            // A whole histogram stands alone, a bucket is a value like the others.
            more = bucket && self.eat(",");
        }
        // `println()` ends a line; `print()` would do nothing.
        more &= !(name.text.ends_with("println") && self.is(")"));
        if more {
            let rest = self.print_rest()?;
            arguments.height = arguments.height.max(rest.height);
            arguments.node.extend(rest.node);
        } else if function == PrintFunction::Delimiter {
            return self.expected("literal string or number");
        }
        self.expect_close(")", open)?;
        let height = self.above(&[arguments.height])?;
        let kind = ExpressionKind::Call { function: name, arguments: arguments.node };
        Ok(node(kind, span.to(self.last_span()), span, height))
    }

    fn first_literal(&mut self, function: PrintFunction) -> Parse<Expression> {
        let span = self.span();
        let text = self.text("literal string")?;
        if function == PrintFunction::Format && !is_format(&text) {
            let wrong = Diagnostic::parse("invalid or missing conversion specifier", span);
            return self.fail(wrong.help(
                "a conversion is %[flag][width][.precision][l] and one of b c d i m M o p s u x X; %% prints a %",
            ));
        }
        Ok(Expression { kind: ExpressionKind::Text(text), span, token: span })
    }

    fn print_rest(&mut self) -> Parse<Tall<Vec<Expression>>> {
        let mut rest = Tall { node: Vec::new(), height: 0 };
        loop {
            let argument = self.expression()?;
            rest.height = rest.height.max(argument.height);
            rest.node.push(argument.node);
            if self.is(")") {
                return Ok(rest);
            }
            if !self.eat(",") {
                return self.expected("one of ', )'");
            }
        }
    }
}

/// Is each `%` in it followed by a conversion?
fn is_format(text: &[u8]) -> bool {
    let piece =
        alt((value((), is_not(&b"%"[..])), value((), tag(&b"%%"[..])), value((), conversion)));
    all_consuming(fold_many0(piece, || (), |(), ()| ())).parse(text).is_ok()
}

/// `%[flag][width|*][.precision|.*][l]` and a letter. A `0` for a flag may also be read
/// as the first digit of the width: it means the same.
fn conversion(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let digits = || take_while(|byte: u8| byte.is_ascii_digit());
    let amount = || alt((tag(&b"*"[..]), digits()));
    recognize((
        char('%'),
        opt(one_of("-+ #")),
        amount(),
        opt(preceded(char('.'), amount())),
        opt(char('l')),
        one_of("bcdimMopsuxX"),
    ))
    .parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(PrintFunction::named("print") == Some(PrintFunction::Plain));
        assert!(PrintFunction::named("sprintln") == Some(PrintFunction::Plain));
        assert!(PrintFunction::named("sprintdln") == Some(PrintFunction::Delimiter));
        assert!(PrintFunction::named("printk").is_none());
        assert!(PrintFunction::named("ssprint").is_none());
    }

    #[test]
    fn formats() {
        for good in ["", "a", "%d", "%%", "%-5.3s %.*s %#x%ld", "%2b%c", "%.d"] {
            assert!(is_format(good.as_bytes()), "{good}");
        }
        for bad in ["%-+d", "%", "a%", "%q", "%lld", "%5%", "%n", "%hd"] {
            assert!(!is_format(bad.as_bytes()), "{bad}");
        }
    }
}

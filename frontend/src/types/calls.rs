// SPDX-License-Identifier: GPL-2.0-or-later
//! Types of calls: printing functions, functions of the script, helpers.

use super::{Body, Pass};
use crate::format_string;
use crate::names::similar;
use crate::program::{Known, Type};
use frontend_syntax::ast::{self, Expression, ExpressionKind};
use frontend_syntax::{Diagnostic, Span};
use vm_spec::helper::HelperId;
use vm_spec::image::{ReturnKind, ValueKind};

/// How a printing function makes text of its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Printing {
    /// `printf`: as the first argument says.
    Format,
    /// `print`: one after the other.
    Plain,
    /// `println`: and the end of a line.
    Line,
    /// `printd`: the first argument between the others.
    Delimited,
    /// `printdln`.
    DelimitedLine,
    /// `print_char`: a byte.
    Character,
}

/// The printing function of this name, and whether it gives its text as a string.
pub(crate) fn printing(name: &str) -> Option<(Printing, bool)> {
    let (base, gives) = match name.strip_prefix('s') {
        Some(base) if base.starts_with("print") => (base, true),
        _ => (name, false),
    };
    let how = match base {
        "printf" => Printing::Format,
        "print" => Printing::Plain,
        "println" => Printing::Line,
        "printd" => Printing::Delimited,
        "printdln" => Printing::DelimitedLine,
        "print_char" if !gives => Printing::Character,
        _ => return None,
    };
    Some((how, gives))
}

/// A context word that looks like a function: `int_arg(1)` and its kin.
pub(crate) fn is_context_function(name: &str) -> bool {
    matches!(
        name,
        "int_arg"
            | "uint_arg"
            | "long_arg"
            | "ulong_arg"
            | "longlong_arg"
            | "ulonglong_arg"
            | "pointer_arg"
            | "s32_arg"
            | "u32_arg"
            | "s64_arg"
            | "u64_arg"
            | "returnval"
    )
}

impl Pass<'_> {
    pub(super) fn call(
        &mut self,
        function: &ast::Name,
        arguments: &[Expression],
        want: Known,
        span: Span,
        body: &mut Body,
    ) -> Known {
        let name = function.text.as_str();
        if let Some(n) = self.program.function(name) {
            return self.call_script(n, function, arguments, want, body);
        }
        if let Some((how, gives)) = printing(name) {
            self.print(how, gives, arguments, span, body);
            return Some((if gives { Type::Text } else { Type::Long }, span));
        }
        match name {
            "error" => {
                self.arity(function, arguments, 1);
                for argument in arguments {
                    self.wanted(argument, Type::Text, body);
                }
                return Some((Type::Long, span));
            }
            _ if is_context_function(name) => {
                self.arity(function, arguments, usize::from(name != "returnval"));
                for argument in arguments {
                    if !matches!(argument.kind, ExpressionKind::Number(1..=6)) {
                        let message = format!("{name}() takes a literal number from 1 to 6");
                        self.error(Diagnostic::semantic(message, argument.span));
                    }
                }
                return Some((Type::Long, span));
            }
            _ => {}
        }
        match self.helper(name) {
            Some(helper) => self.call_helper(helper, function, arguments, span, body),
            None => {
                self.unknown_function(function);
                for argument in arguments {
                    self.expression(argument, None, body);
                }
                want
            }
        }
    }

    fn unknown_function(&mut self, function: &ast::Name) {
        let functions = self.program.functions.iter().map(|f| f.name.text.as_str());
        let helpers = HelperId::ALL.iter().map(|id| id.info().name);
        let library = self.program.offered_functions.iter().map(String::as_str);
        let help = similar(&function.text, functions.chain(helpers).chain(library));
        let message = format!("unresolved function '{}'", function.text);
        let mut diagnostic = Diagnostic::semantic(message, function.span);
        if let Some(help) = help {
            diagnostic = diagnostic.help(help);
        }
        self.error(diagnostic);
    }

    fn arity(&mut self, function: &ast::Name, arguments: &[Expression], wanted: usize) {
        if arguments.len() != wanted {
            let message = format!(
                "function '{}' takes {wanted} arguments, not {}",
                function.text,
                arguments.len()
            );
            self.error(Diagnostic::semantic(message, function.span));
        }
    }

    fn call_script(
        &mut self,
        n: usize,
        function: &ast::Name,
        arguments: &[Expression],
        want: Known,
        body: &mut Body,
    ) -> Known {
        let parameters = self.program.functions[n].parameters.clone();
        self.arity(function, arguments, parameters.len());
        for (argument, parameter) in arguments.iter().zip(&parameters) {
            // A function's own scope is on loan while its body is walked.
            let own = body.owner == super::Owner::Function(n);
            let scope = if own { &body.scope } else { &self.program.functions[n].scope };
            let known = scope.locals.get(&parameter.text).copied().flatten();
            let found = self.expression(argument, known, body);
            let known = self.unify(known, found, argument.span);
            let scope = if own { &mut body.scope } else { &mut self.program.functions[n].scope };
            scope.locals.insert(parameter.text.clone(), known);
        }
        let function = &mut self.program.functions[n];
        if function.gives && function.returns.is_none() && want.is_some() {
            function.returns = want;
            self.changed = true;
        }
        self.program.functions[n].returns
    }

    fn call_helper(
        &mut self,
        helper: HelperId,
        function: &ast::Name,
        arguments: &[Expression],
        span: Span,
        body: &mut Body,
    ) -> Known {
        let info = helper.info();
        self.arity(function, arguments, info.arguments.len());
        for (argument, kind) in arguments.iter().zip(info.arguments) {
            self.wanted(argument, type_of(*kind), body);
        }
        match info.result {
            ReturnKind::Str => Some((Type::Text, span)),
            ReturnKind::Long | ReturnKind::Nothing => Some((Type::Long, span)),
        }
    }

    fn print(
        &mut self,
        how: Printing,
        gives: bool,
        arguments: &[Expression],
        span: Span,
        body: &mut Body,
    ) {
        let mut rest = arguments;
        match how {
            Printing::Format => return self.print_format(arguments, span, body),
            Printing::Delimited | Printing::DelimitedLine => {
                let Some((first, others)) = arguments.split_first() else {
                    return self.error(Diagnostic::semantic("expected a delimiter", span));
                };
                if !matches!(first.kind, ExpressionKind::Text(_)) {
                    let message = "expected a literal string as the delimiter";
                    self.error(Diagnostic::semantic(message, first.span));
                }
                rest = others;
            }
            Printing::Character => {
                for argument in arguments {
                    self.wanted(argument, Type::Long, body);
                }
                return;
            }
            Printing::Plain | Printing::Line => {}
        }
        if rest.is_empty() && how != Printing::Line {
            let message = "expected something to print";
            self.error(Diagnostic::semantic(message, span));
        }
        for argument in rest {
            if matches!(argument.kind, ExpressionKind::Histogram { .. }) {
                if gives || arguments.len() > 1 {
                    let message = "a histogram can only be printed alone, by print or println";
                    self.error(Diagnostic::semantic(message, argument.span));
                }
                self.histogram(argument, body);
            } else {
                self.expression(argument, None, body);
            }
        }
    }

    fn print_format(&mut self, arguments: &[Expression], span: Span, body: &mut Body) {
        let Some((Expression { kind: ExpressionKind::Text(format), span: at, .. }, rest)) =
            arguments.split_first()
        else {
            return self.error(Diagnostic::semantic("expected a literal format string", span));
        };
        let parts = match format_string::parse(format) {
            Ok(parts) => parts,
            Err(message) => return self.error(Diagnostic::semantic(message, *at)),
        };
        let kinds: Vec<ValueKind> = parts.iter().flat_map(|part| part.arguments()).collect();
        if kinds.len() != rest.len() {
            let few = if rest.len() < kinds.len() { "few" } else { "many" };
            let message = format!("too {few} arguments for format string");
            let label = format!("it takes {}, not {}", kinds.len(), rest.len());
            self.error(Diagnostic::semantic(message, span).label(label));
        }
        for (argument, kind) in rest.iter().zip(&kinds) {
            self.wanted(argument, type_of(*kind), body);
        }
    }
}

fn type_of(kind: ValueKind) -> Type {
    match kind {
        ValueKind::Long => Type::Long,
        ValueKind::Str => Type::Text,
        ValueKind::Stat => Type::Stat,
    }
}

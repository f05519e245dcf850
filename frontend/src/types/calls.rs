// SPDX-License-Identifier: GPL-2.0-or-later
//! Types of calls: printing functions, functions of the script, helpers.

use super::{Body, Pass, Want};
use crate::elaborate::variables::TRACE_ARGUMENT;
use crate::format_string;
use crate::names::similar;
use crate::program::{Known, Type};
use crate::registers::register;
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

/// Like `error()`, for functions of the library: what fails is the function itself, so that the
/// message says where that stands, as it does for what the machine refuses.
pub(crate) const LIBRARY_FAULT: &str = "__fault";

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
            | "__syscall_number"
            | "register"
            | "u_register"
            | TRACE_ARGUMENT
    )
}

impl Pass<'_> {
    pub(super) fn call(
        &mut self,
        function: &ast::Name,
        arguments: &[Expression],
        want: Want,
        span: Span,
        body: &Body,
    ) -> Known {
        let name = function.text.as_str();
        if let Some((how, gives)) = printing(name) {
            self.print(how, gives, arguments, span, body);
            return Some((if gives { Type::Text } else { Type::Long }, span));
        }
        let overloads = self.program.overloads(name, arguments.len(), function.span);
        if !overloads.is_empty() {
            return self.call_script(&overloads, arguments, want, body);
        }
        // A function of the library may stand beside the machine's of the same name, with
        // other arguments.
        let helper = HelperId::from_name(name)
            .filter(|helper| helper.info().arguments.len() == arguments.len());
        if let Some(&n) = self.program.functions_named(name, function.span).first()
            && helper.is_none()
        {
            let callee = &self.program.functions[n];
            let (takes, declared) = (callee.parameters.len(), callee.name.span);
            self.wrong_arity(function, takes, Some(declared));
            return self.loose(arguments, body);
        }
        match name {
            "error" | LIBRARY_FAULT => {
                if self.arity(function, arguments, 1) {
                    self.expression(&arguments[0], Want::Type(Type::Text), body);
                }
                return want.known(span);
            }
            "register" | "u_register" => {
                self.arity(function, arguments, 1);
                for argument in arguments {
                    let ExpressionKind::Text(text) = &argument.kind else {
                        let message = format!("{name}() takes the literal name of a register");
                        self.error(Diagnostic::semantic(message, argument.span));
                        continue;
                    };
                    let text = String::from_utf8_lossy(text);
                    if register(&text).is_none() {
                        let message = format!("unknown register name '{text}'");
                        self.error(Diagnostic::semantic(message, argument.span));
                    }
                }
                return Some((Type::Long, span));
            }
            TRACE_ARGUMENT => return Some((Type::Long, span)),
            _ if is_context_function(name) => {
                self.arity(
                    function,
                    arguments,
                    usize::from(!matches!(name, "returnval" | "__syscall_number")),
                );
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
        match HelperId::from_name(name) {
            Some(HelperId::Matched | HelperId::MatchedStr | HelperId::Groups)
                if !self.program.asks_for_groups =>
            {
                self.program.asks_for_groups = true;
                self.call(function, arguments, want, span, body)
            }
            Some(helper) => self.call_helper(helper, function, arguments, (want, span), body),
            None => {
                self.unknown_function(function);
                self.loose(arguments, body);
                // One error is enough: whatever is wanted, it would have been.
                want.known(span).or(Some((Type::Long, span)))
            }
        }
    }

    /// Arguments that nobody takes.
    fn loose(&mut self, arguments: &[Expression], body: &Body) -> Known {
        for argument in arguments {
            self.untyped(argument, Want::Nothing, body);
        }
        None
    }

    fn unknown_function(&mut self, function: &ast::Name) {
        let functions = self.program.functions.iter().map(|f| f.name.text.as_str());
        let helpers = HelperId::ALL.iter().map(|id| id.info().name);
        let library = self.program.offered_functions.iter().map(String::as_str);
        let near = similar(&function.text, functions.chain(helpers).chain(library));
        let near = near.map_or(String::new(), |near| format!(" (similar: {near})"));
        let message = format!("unresolved function {}{near}", function.text);
        self.error(Diagnostic::semantic(message, function.span));
    }

    fn arity(&mut self, function: &ast::Name, arguments: &[Expression], wanted: usize) -> bool {
        let fits = arguments.len() == wanted;
        if !fits {
            self.wrong_arity(function, wanted, None);
        }
        fits
    }

    fn wrong_arity(&mut self, function: &ast::Name, wanted: usize, declared: Option<Span>) {
        let message =
            format!("arity mismatch found (function '{}' takes {wanted} args)", function.text);
        let mut diagnostic = Diagnostic::semantic(message, function.span);
        if let Some(declared) = declared {
            diagnostic = diagnostic.also(declared, "declared here");
        }
        self.error(diagnostic);
    }

    /// A call of script functions, each of which may leave it to the next one.
    fn call_script(
        &mut self,
        overloads: &[usize],
        arguments: &[Expression],
        want: Want,
        body: &Body,
    ) -> Known {
        // Each argument is walked once, however many overloads there are.
        for (index, argument) in arguments.iter().enumerate() {
            let known = overloads.iter().find_map(|&n| self.parameter(n, index));
            let found = self.untyped(argument, Want::of(known), body);
            match found {
                None if known.is_none() => self.unresolved(argument, body),
                Some((Type::Stat, _)) => self.invalid_type(Type::Stat, argument.token),
                _ => overloads.iter().for_each(|&n| self.argument(n, index, argument, found)),
            }
        }
        let mut returns = None;
        for &n in overloads {
            if let Some(users) = self.function_users.get_mut(n) {
                users.insert(body.owner);
            }
            let function = &mut self.program.functions[n];
            let wanted = returns.or(want.known(function.name.span));
            if function.returns.is_none() && wanted.is_some() {
                // One without `return` gives 0 or "" if that is wanted.
                function.returns = wanted;
                function.gives = true;
                self.function_learnt(n);
            }
            let found = self.program.functions[n].returns;
            self.same_result(returns, found);
            returns = returns.or(found);
        }
        // Those that came before the first that says what it gives.
        for &n in overloads {
            let function = &mut self.program.functions[n];
            if function.returns.is_none() && returns.is_some() {
                function.returns = returns;
                function.gives = true;
                self.function_learnt(n);
            }
        }
        returns
    }

    /// Overloads give values of one type.
    fn same_result(&mut self, first: Known, found: Known) {
        if let (Some((first, at)), Some((found, here))) = (first, found)
            && first != found
        {
            let message =
                format!("type mismatch: expected {} but found {}", first.text(), found.text());
            let label = format!("an overload of it returns {} here", first.text());
            self.error(Diagnostic::semantic(message, here).also(at, label));
        }
    }

    /// What is known of a function's parameter.
    fn parameter(&self, n: usize, index: usize) -> Known {
        let function = self.program.functions.get(n)?;
        let name = function.parameters.get(index)?;
        function.scope.locals.get(&name.text).copied().flatten()
    }

    /// Puts an argument's type and a parameter's together.
    fn argument(&mut self, n: usize, index: usize, argument: &Expression, found: Known) {
        let Some((kind, _)) = found else { return };
        match self.parameter(n, index) {
            None => {
                let function = &mut self.program.functions[n];
                let Some(name) = function.parameters.get(index) else { return };
                function.scope.locals.insert(name.text.clone(), Some((kind, argument.token)));
                self.function_learnt(n);
            }
            Some((known, first)) if known != kind => {
                let function = &self.program.functions[n];
                let name = function.parameters.get(index);
                if name.is_some_and(|name| function.declared.contains(&name.text)) {
                    self.fits(argument, found, Want::Type(known));
                } else {
                    self.index_mismatch(index, kind, argument.token, known, first);
                }
            }
            Some(_) => {}
        }
    }

    fn call_helper(
        &mut self,
        helper: HelperId,
        function: &ast::Name,
        arguments: &[Expression],
        (want, span): (Want, Span),
        body: &Body,
    ) -> Known {
        let info = helper.info();
        self.arity(function, arguments, info.arguments.len());
        for (argument, kind) in arguments.iter().zip(info.arguments) {
            self.expression(argument, Want::Type(type_of(*kind)), body);
        }
        match info.result {
            ReturnKind::Str => Some((Type::Text, span)),
            ReturnKind::Long => Some((Type::Long, span)),
            // 0 or "", if that is wanted.
            ReturnKind::Nothing => want.known(span),
        }
    }

    fn print(
        &mut self,
        how: Printing,
        gives: bool,
        arguments: &[Expression],
        span: Span,
        body: &Body,
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
                    self.expression(argument, Want::Type(Type::Long), body);
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
                self.expression(argument, Want::Value, body);
            }
        }
    }

    fn print_format(&mut self, arguments: &[Expression], span: Span, body: &Body) {
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
            let message = "Wrong number of args to formatted print operator";
            let label = format!("the format takes {}, not {}", kinds.len(), rest.len());
            self.error(Diagnostic::semantic(message, span).label(label));
        }
        for (argument, kind) in rest.iter().zip(&kinds) {
            self.expression(argument, Want::Type(type_of(*kind)), body);
        }
        for argument in rest.iter().skip(kinds.len()) {
            self.untyped(argument, Want::Nothing, body);
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

// SPDX-License-Identifier: GPL-2.0-or-later
//! `$$vars`, `$$parms`, `$$locals`, `$$return` and `$$name`.

use super::place::{Names, Place};
use super::{Problem, Resolver, types_problem};
use debuginfo::dwarf::{DebugError, Variable};
use debuginfo::{Function, Shape};
use frontend_syntax::Span;
use frontend_syntax::ast::{
    Expression, ExpressionKind, Name, Selector, TargetBase, TargetVariable,
};

/// `sprintf(format, arguments...)`
pub(super) fn sprintf(format: String, arguments: Vec<Expression>, span: Span) -> Expression {
    let text = ExpressionKind::Text(format.into_bytes());
    let mut all = vec![Expression { kind: text, span, token: span }];
    all.extend(arguments);
    let function = Name { text: "sprintf".to_owned(), span };
    let kind = ExpressionKind::Call { function, arguments: all };
    Expression { kind, span, token: span }
}

impl Resolver<'_> {
    pub(super) fn bundle(
        &mut self,
        name: &str,
        selectors: &[Selector],
        token: Span,
        place: &mut Place,
    ) -> Result<Expression, Problem> {
        let text = |text: &str| {
            let kind = ExpressionKind::Text(text.as_bytes().to_vec());
            Expression { kind, span: token, token }
        };
        if name == "name" {
            return match &place.names {
                Names::Trace(tracepoint) => Ok(text(tracepoint)),
                _ => Err(Problem::new("unresolved target-symbol expression", token)),
            };
        }
        let names = match name {
            "vars" | "parms" | "locals" if matches!(place.names, Names::Code(_)) => {
                self.locals(name, token, place)?
            }
            "vars" | "parms" if matches!(place.names, Names::ReturnOf(_)) => {
                self.locals("parms", token, place)?
            }
            "vars" | "parms" => self.parameters(token, place)?,
            "return" if place.at_entry().is_none() => {
                return Err(Problem::new("unable to find local '$return'", token));
            }
            "return" => self.returned(token, place)?,
            // Where the locals of a function are, only debug information tells.
            "locals" => match place.names {
                Names::Entry(_) | Names::Return(_) | Names::ReturnOf(_) => Vec::new(),
                _ => return Err(Problem::new("unresolved target-symbol expression", token)),
            },
            _ => return Err(Problem::new("unresolved target-symbol expression", token)),
        };
        let mut format = String::new();
        let mut arguments = Vec::new();
        for name in names {
            if !format.is_empty() {
                format.push(' ');
            }
            self.bundled(&name, selectors, &mut format, &mut arguments, token, place);
        }
        if format.is_empty() {
            return Ok(text(""));
        }
        Ok(sprintf(format, arguments, token))
    }

    /// `name=value`
    fn bundled(
        &mut self,
        name: &str,
        selectors: &[Selector],
        format: &mut String,
        arguments: &mut Vec<Expression>,
        token: Span,
        place: &mut Place,
    ) {
        let target = TargetVariable {
            base: TargetBase::Name(format!("${name}")),
            selectors: selectors.to_vec(),
            address_of: false,
        };
        let kind = ExpressionKind::Target(target);
        let e = Expression { kind, span: token, token };
        let problems = self.problems.len();
        let value = self.target(&e, place);
        if self.problems.len() > problems {
            self.problems.truncate(problems);
            *format += &format!("{name}=?");
            return;
        }
        match value {
            Ok(value) => {
                let conversion = if selectors.is_empty() { "%#x" } else { "%s" };
                *format += &format!("{name}={conversion}");
                arguments.push(value);
            }
            Err(_) => {
                let composite = self.is_composite(name, token, place);
                *format += &format!("{name}={}", if composite { "{...}" } else { "?" });
            }
        }
    }

    fn prototype(&self, token: Span, place: &Place) -> Result<Option<Function>, Problem> {
        let types = self.types(token)?;
        let module = place.module.as_deref();
        let found = match &place.names {
            Names::Entry(function) | Names::Return(function) => {
                let mut found = types
                    .functions(module, function)
                    .map_err(|error| types_problem(&error, token))?;
                match found.len() {
                    0 => {
                        let message = format!(
                            "no type information about function '{function}' in {}: it does not \
                             exist there, or the compiler changed how it is called",
                            types.name()
                        );
                        return Err(Problem::new(message, token));
                    }
                    1 => found.pop(),
                    _ => {
                        let message = format!(
                            "several functions are named '{function}', and they take different \
                             arguments"
                        );
                        return Err(Problem::new(message, token));
                    }
                }
            }
            Names::Trace(tracepoint) => types
                .tracepoint(module, tracepoint)
                .map_err(|error| types_problem(&error, token))?,
            Names::None | Names::Code(_) | Names::ReturnOf(_) => {
                return Err(Problem::new("unresolved target-symbol expression", token));
            }
        };
        Ok(found)
    }

    /// A tracepoint that the kernel itself does not have is a module's, whose name its own
    /// begins with: `kvm_exit`.
    pub(super) fn find_tracepoint(&self, place: &mut Place) {
        let (Some(types), Names::Trace(name)) = (self.types, &place.names) else { return };
        let Some((module, _)) = name.split_once('_') else { return };
        let known = |module| types.tracepoint(module, name).is_ok_and(|found| found.is_some());
        if !known(None) && known(Some(module)) {
            place.module = Some(module.to_owned());
        }
    }

    /// The variables at a place in the code: all, or those that are parameters or not.
    fn locals(&self, which: &str, token: Span, place: &Place) -> Result<Vec<String>, Problem> {
        let (Names::Code(code) | Names::ReturnOf(code)) = &place.names else {
            return Ok(Vec::new());
        };
        let problem = |error: DebugError| Problem::new(error.to_string(), token);
        let debug = self.types(token)?.debug(code.module.as_deref()).map_err(problem)?;
        let variables = debug.variables(code).map_err(problem)?;
        let is_wanted = |variable: &Variable| match which {
            "parms" => variable.is_parameter,
            "locals" => !variable.is_parameter,
            _ => true,
        };
        Ok(variables.into_iter().filter(is_wanted).map(|variable| variable.name).collect())
    }

    fn parameters(&self, token: Span, place: &Place) -> Result<Vec<String>, Problem> {
        let Some(function) = self.prototype(token, place)? else {
            let Names::Trace(name) = &place.names else { return Ok(Vec::new()) };
            let message = format!("no type information about tracepoint '{name}'");
            return Err(Problem::new(message, token));
        };
        let names = function.arguments.into_iter().enumerate().map(|(n, argument)| {
            if argument.name.is_empty() { format!("arg{}", n + 1) } else { argument.name }
        });
        Ok(names.collect())
    }

    fn returned(&self, token: Span, place: &Place) -> Result<Vec<String>, Problem> {
        let returns = match &place.names {
            Names::Return(_) => self.prototype(token, place)?.map(|function| function.returns),
            Names::ReturnOf(code) => self.type_returned(code, token)?,
            // Others return nothing.
            _ => None,
        };
        let gives = returns.is_some_and(|ty| ty.shape() != Shape::Void);
        Ok(if gives { vec!["return".to_owned()] } else { Vec::new() })
    }

    fn is_composite(&self, name: &str, token: Span, place: &Place) -> bool {
        if let (Names::ReturnOf(code), "return") = (&place.names, name) {
            let returns = self.type_returned(code, token).ok().flatten();
            return returns.is_some_and(|ty| matches!(ty.shape(), Shape::Composite { .. }));
        }
        if let Names::Code(code) | Names::ReturnOf(code) = &place.names {
            let found = self
                .types(token)
                .ok()
                .and_then(|types| types.debug(code.module.as_deref()).ok()?.local(code, name).ok());
            return found.is_some_and(|local| matches!(local.ty.shape(), Shape::Composite { .. }));
        }
        let function = self.prototype(token, place).ok().flatten();
        let ty = function.and_then(|function| match name {
            "return" => Some(function.returns),
            name => function.argument(name).map(|argument| argument.ty.clone()),
        });
        ty.is_some_and(|ty| matches!(ty.shape(), Shape::Composite { .. }))
    }
}

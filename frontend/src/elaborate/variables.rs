// SPDX-License-Identifier: GPL-2.0-or-later
//! `$` variables that belong to a kind of probe and not to a type: they become calls of
//! helpers, so that the passes behind this one know nothing of them.

use super::points::ContextVariables;
use crate::library::called;
use frontend_syntax::Span;
use frontend_syntax::ast::{Block, Expression, ExpressionKind, Name, TargetBase, TargetVariable};
use frontend_syntax::visit::{children_mut, expressions, expressions_mut, within};
use std::collections::BTreeSet;
use vm_spec::probe::ContextWord;

/// Arguments of a tracepoint that can be asked for.
const TRACE_ARGUMENTS: u8 = 12;
/// Arguments of a system call.
const SYSCALL_ARGUMENTS: u8 = 6;
/// In the order in which the kernel's side passes them.
const NETFILTER: [&str; 5] = ["$hooknum", "$skb", "$in", "$out", "$pf"];

/// The function that gives an argument of a tracepoint or hook; its argument is the number,
/// from 1.
pub(crate) const TRACE_ARGUMENT: &str = "__trace_argument";

/// Rewrites a handler's body.
pub(super) fn rewrite(block: &mut Block, variables: ContextVariables, guru: bool) {
    if variables != ContextVariables::None {
        expressions_mut(block, &mut |e| expression(e, variables, guru));
    }
}

/// The function that decides about a packet. Only what stands for `$verdict` calls it.
const SET_VERDICT: &str = "__verdict_set";

/// Calls in a user's script of what only guru mode may do.
pub(crate) fn guru_calls(block: &Block) -> Vec<Span> {
    let mut found = Vec::new();
    expressions(block, &mut |e| {
        within(e, &mut |e| {
            if let ExpressionKind::Call { function, .. } = &e.kind
                && function.text == SET_VERDICT
            {
                found.push(function.span);
            }
        });
    });
    found
}

/// Does a handler call `pn()`?
pub(super) fn asks_for_name(block: &Block) -> bool {
    let mut functions = BTreeSet::new();
    called(block, &mut functions);
    functions.contains("pn")
}

/// Puts the probe's name for calls of `pn()`.
pub(super) fn rewrite_name(block: &mut Block, name: &str) {
    fn within(e: &mut Expression, name: &str) {
        if let ExpressionKind::Call { function, arguments } = &e.kind
            && function.text == "pn"
            && arguments.is_empty()
        {
            e.kind = ExpressionKind::Text(name.as_bytes().to_vec());
            return;
        }
        children_mut(e, &mut |child| within(child, name));
    }
    expressions_mut(block, &mut |e| within(e, name));
}

fn expression(e: &mut Expression, variables: ContextVariables, guru: bool) {
    let nothing = number(0, e);
    if let ExpressionKind::Assign { operator: None, target, value } = &mut e.kind
        && variables == ContextVariables::Netfilter
        && is_named(target, "$verdict")
    {
        expression(value, variables, guru);
        // Else it stays, and is refused as every other write to a target variable.
        if guru {
            let argument = std::mem::replace(&mut **value, nothing);
            e.kind = call(SET_VERDICT, vec![argument], e);
        }
        return;
    }
    if let ExpressionKind::Assign { operator, target, value } = &mut e.kind
        && variables == ContextVariables::Value
        && is_named(target, "$value")
    {
        // `.=` is the only operator for strings.
        let function = if operator.is_some() { "__value_append" } else { "__value_set" };
        expression(value, variables, guru);
        let argument = std::mem::replace(&mut **value, nothing);
        e.kind = call(function, vec![argument], e);
        return;
    }
    if let ExpressionKind::Defined(inner) = &e.kind
        && replacement(inner, variables).is_some()
    {
        e.kind = ExpressionKind::Number(1);
        return;
    }
    if let Some(kind) = replacement(e, variables) {
        e.kind = kind;
        return;
    }
    children_mut(e, &mut |child| expression(child, variables, guru));
}

fn name_of(e: &Expression) -> Option<&str> {
    match &e.kind {
        ExpressionKind::Target(TargetVariable {
            base: TargetBase::Name(name),
            selectors,
            address_of: false,
        }) if selectors.is_empty() => Some(name),
        _ => None,
    }
}

fn is_named(e: &Expression, name: &str) -> bool {
    name_of(e) == Some(name)
}

/// What a variable stands for.
fn replacement(e: &Expression, variables: ContextVariables) -> Option<ExpressionKind> {
    let name = name_of(e)?;
    let argument = match variables {
        ContextVariables::SyscallEntry | ContextVariables::SyscallExit => {
            let entry = variables == ContextVariables::SyscallEntry;
            return match name {
                "$syscall" => Some(call("__syscall_number", Vec::new(), e)),
                "$return" if !entry => Some(call("returnval", Vec::new(), e)),
                _ if entry => {
                    let n: u8 = name.strip_prefix("$arg")?.parse().ok()?;
                    let n = (1..=SYSCALL_ARGUMENTS).contains(&n).then_some(n)?;
                    Some(call("long_arg", vec![number(n.into(), e)], e))
                }
                _ => None,
            };
        }
        ContextVariables::None => return None,
        ContextVariables::Value => {
            return (name == "$value").then(|| call("__value", Vec::new(), e));
        }
        ContextVariables::TraceArguments => {
            let n: u8 = name.strip_prefix("$arg")?.parse().ok()?;
            (1..=TRACE_ARGUMENTS).contains(&n).then_some(n)?
        }
        ContextVariables::Netfilter if name == "$verdict" => {
            return Some(call("__verdict", Vec::new(), e));
        }
        ContextVariables::Netfilter => {
            let at = NETFILTER.iter().position(|known| *known == name)?;
            u8::try_from(at).ok()?.checked_add(1)?
        }
    };
    Some(call(TRACE_ARGUMENT, vec![number(argument.into(), e)], e))
}

/// The word of the context behind [`TRACE_ARGUMENT`].
pub(crate) fn trace_argument(n: i64) -> Option<ContextWord> {
    let n = u8::try_from(n).ok().filter(|n| (1..=TRACE_ARGUMENTS).contains(n))?;
    Some(ContextWord::TraceArgument(n.checked_sub(1)?))
}

fn number(n: i64, at: &Expression) -> Expression {
    Expression { kind: ExpressionKind::Number(n), span: at.span, token: at.token }
}

fn call(function: &str, arguments: Vec<Expression>, at: &Expression) -> ExpressionKind {
    let function = Name { text: function.to_owned(), span: at.token };
    ExpressionKind::Call { function, arguments }
}

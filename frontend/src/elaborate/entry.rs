// SPDX-License-Identifier: GPL-2.0-or-later
//! `@entry` in the return probe of a system call.
//!
//! A system call's return is a probe of its own, so what is to be kept from its entry goes
//! through an array by thread, which a probe of the entry fills. Functions keep theirs with
//! the outstanding return instead.

use super::{Pass, points::Resolved};
use crate::program::{Keeping, Probe, Scope};
use frontend_syntax::ast::{self, Block, Expression, ExpressionKind, Statement, StatementKind};
use frontend_syntax::{Span, visit};
use std::rc::Rc;
use vm_spec::probe::ProbeKind;

/// A body that reads kept values, and the one that keeps them.
pub(super) struct Kept {
    /// The address that the map knows it by stays taken as long as this lives.
    _original: Rc<Block>,
    body: Rc<Block>,
    entry: Rc<Block>,
}

impl Pass<'_, '_, '_> {
    /// The body with its `@entry` replaced; declares the entry probe that they need.
    pub(super) fn kept_from_entry(&mut self, found: &Resolved, body: &Rc<Block>) -> Rc<Block> {
        if found.kind != ProbeKind::SyscallExit || !has_entry(body) {
            return Rc::clone(body);
        }
        let address = Rc::as_ptr(body);
        if !self.entries.contains_key(&address) {
            let kept = self.split(body);
            self.entries.insert(address, kept);
        }
        let Some(kept) = self.entries.get(&address) else { return Rc::clone(body) };
        self.program.probes.push(Probe {
            kind: ProbeKind::SyscallEntry,
            attach: found.attach.clone(),
            optional: true,
            text: found.text.trim_end_matches(".return").to_owned(),
            alias: None,
            bodies: vec![Rc::clone(&kept.entry)],
            condition: None,
            scope: Scope::default(),
            keeping: Keeping::default(),
            code: None,
        });
        Rc::clone(&kept.body)
    }

    fn split(&mut self, original: &Rc<Block>) -> Kept {
        let mut body = (**original).clone();
        let mut statements = Vec::new();
        let first = self.program.globals.len();
        let mut count = 0;
        visit::expressions_mut(&mut body, &mut |expression| {
            visit::within_mut(expression, &mut |e| {
                let ExpressionKind::Entry(inner) = &e.kind else { return };
                let element = element(&format!("__entry_{first}_{count}"), e.span);
                count += 1;
                let assign = ExpressionKind::Assign {
                    operator: None,
                    target: Box::new(element.clone()),
                    value: inner.clone(),
                };
                let kind = StatementKind::Expression(Expression { kind: assign, ..*inner.clone() });
                statements.push(Statement { kind, span: e.span });
                *e = element;
            });
        });
        for n in 0..count {
            self.global(ast::Global {
                name: ast::Name { text: format!("__entry_{first}_{n}"), span: original.span },
                initial: None,
                size: None,
                wrap: true,
                private: false,
            });
        }
        let entry = Rc::new(Block { statements, span: original.span });
        Kept { _original: Rc::clone(original), body: Rc::new(body), entry }
    }
}

fn has_entry(block: &Block) -> bool {
    let mut found = false;
    visit::expressions(block, &mut |expression| {
        visit::within(expression, &mut |e| found |= matches!(e.kind, ExpressionKind::Entry(_)));
    });
    found
}

/// `name[tid()]`
fn element(name: &str, span: Span) -> Expression {
    let tid = ast::Name { text: "tid".to_owned(), span };
    let call = ExpressionKind::Call { function: tid, arguments: Vec::new() };
    let key = Expression { kind: call, span, token: span };
    let array = ast::Name { text: name.to_owned(), span };
    let kind = ExpressionKind::Element { array, keys: vec![Some(key)] };
    Expression { kind, span, token: span }
}

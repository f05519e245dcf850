// SPDX-License-Identifier: GPL-2.0-or-later
//! Calls: script functions with their overloads, printing functions, helpers.

use super::body::Body;
use super::fold::constant;
use crate::elaborate::variables::{TRACE_ARGUMENT, trace_argument};
use crate::registers::register;
use crate::types::calls::{LIBRARY_FAULT, is_context_function, printing};
use frontend_syntax::ast::{self, Expression, ExpressionKind};
use frontend_syntax::{Diagnostic, Span};
use vm_spec::helper::HelperId;
use vm_spec::ids::{Reg, StrReg};
use vm_spec::image::ReturnKind;
use vm_spec::insn::Insn;
use vm_spec::isa::asm;
use vm_spec::probe::{ContextWord, Needs, ProbeKind};

impl<'p> Body<'_, 'p> {
    /// A call whose value is wanted: what gives none gives 0.
    pub(super) fn call_long(
        &mut self,
        function: &'p ast::Name,
        arguments: &'p [Expression],
        e: &'p Expression,
        to: Reg,
    ) {
        self.call(function, arguments, e, to.0);
        if self.gives_nothing(function, arguments) {
            self.emit(asm::ldi(to, 0), e.token);
        }
    }

    /// A call whose text is wanted: what gives none gives "".
    pub(super) fn call_text(
        &mut self,
        function: &'p ast::Name,
        arguments: &'p [Expression],
        e: &'p Expression,
        to: StrReg,
    ) {
        self.call(function, arguments, e, to.0);
        if self.gives_nothing(function, arguments) {
            let nothing = self.context.builder.string(b"");
            self.emit(asm::lds(to, nothing), e.token);
        }
    }

    /// A printing function, or a helper without a result. A function of the script gives
    /// a value if one is wanted anywhere.
    fn gives_nothing(&self, function: &ast::Name, arguments: &[Expression]) -> bool {
        let name = function.text.as_str();
        if let Some((_, gives)) = printing(name) {
            return !gives;
        }
        let nothing = |helper: HelperId| helper.info().result == ReturnKind::Nothing;
        self.context.program.overloads(name, arguments.len(), function.span).is_empty()
            && HelperId::from_name(name).is_some_and(nothing)
    }

    /// A call whose result, if it has one, goes to the register `to` of its kind.
    pub(super) fn call(
        &mut self,
        function: &'p ast::Name,
        arguments: &'p [Expression],
        e: &'p Expression,
        to: u8,
    ) {
        let name = function.text.as_str();
        if let Some((how, gives)) = printing(name) {
            return self.print(how, gives.then_some(StrReg(to)), arguments, e.token);
        }
        let overloads = self.context.program.overloads(name, arguments.len(), function.span);
        if !overloads.is_empty() {
            return self.call_script(&overloads, arguments, e, to);
        }
        if matches!(name, "error" | LIBRARY_FAULT) {
            // Of its own error() a script knows where it stands.
            let at = if name == "error" { e.token.empty() } else { self.function };
            if let [message] = arguments {
                let message = self.text(message);
                self.emit(asm::raise(message), at);
            }
            return;
        }
        if is_context_function(name) {
            return self.context_function(name, arguments, Reg(to), e.token);
        }
        let Some(helper) = HelperId::from_name(name) else { return };
        let info = helper.info();
        let values: Vec<_> = arguments.iter().zip(info.arguments.iter().copied()).collect();
        let (longs, strings) = self.arguments(&values);
        let result = if info.result == ReturnKind::Nothing { 0 } else { to };
        self.needs(info.needs);
        self.emit(asm::help(result, longs, strings, helper), e.token);
    }

    /// Calls the first overload; each that declines (`next`) leaves it to the one after it.
    fn call_script(
        &mut self,
        overloads: &[usize],
        arguments: &'p [Expression],
        e: &'p Expression,
        to: u8,
    ) {
        let program = self.context.program;
        let Some(first) = overloads.first().and_then(|&n| program.functions.get(n)) else { return };
        let kinds = first
            .parameters
            .iter()
            .map(|p| super::value_kind(first.scope.locals.get(&p.text).copied().flatten()));
        let values: Vec<_> = arguments.iter().zip(kinds).collect();
        let (longs, strings) = self.arguments(&values);
        let done = self.label();
        for &n in overloads {
            let Some(callee) = program.functions.get(n) else { continue };
            let id = self.context.functions[n];
            self.calls(id);
            let returns = super::return_kind(callee.gives, callee.returns);
            let result = if returns == ReturnKind::Nothing { 0 } else { to };
            // Too deep nesting is near the function's own name, as in SystemTap.
            self.emit(asm::call(result, longs, strings, id), callee.name.span);
            if !self.context.declines[n] {
                return self.bind(done);
            }
            self.jump(asm::jacc, done, e.token);
        }
        let message = self.constant_text(b"all functions exhausted", e.token);
        self.emit(asm::raise(message), e.token.empty());
        self.bind(done);
    }

    /// `int_arg(1)` and its kin, `returnval()`.
    fn context_function(&mut self, name: &str, arguments: &'p [Expression], to: Reg, token: Span) {
        if name == TRACE_ARGUMENT {
            let word = arguments.first().and_then(constant).and_then(trace_argument);
            let word = word.unwrap_or(ContextWord::TraceArgument(0));
            return self.context_word(name, word, to, token);
        }
        if matches!(name, "register" | "u_register") {
            return self.register_function(name, arguments, to, token);
        }
        let index = match arguments.first().and_then(constant) {
            Some(n @ 1..=6) => n as u8 - 1,
            _ => 0,
        };
        let syscall = matches!(self.kind, Some(ProbeKind::SyscallEntry | ProbeKind::SyscallExit));
        let word = match (name, syscall) {
            ("returnval", true) => ContextWord::SyscallReturn,
            ("returnval", false) => ContextWord::ReturnValue,
            ("__syscall_number", _) => ContextWord::SyscallNumber,
            (_, true) => ContextWord::SyscallArgument(index),
            (_, false) => ContextWord::Argument(index),
        };
        self.context_word(name, word, to, token);
        let extend: Option<fn(Reg, Reg, i32) -> Insn> = match name {
            "int_arg" | "s32_arg" => Some(asm::shri),
            "uint_arg" | "u32_arg" => Some(asm::ushri),
            _ => None,
        };
        if let Some(extend) = extend {
            self.emit(asm::shli(to, to, 32), token);
            self.emit(extend(to, to, 32), token);
        }
    }

    /// A word of the context, if this kind of probe has it.
    fn context_word(&mut self, name: &str, word: ContextWord, to: Reg, token: Span) {
        let provided = self.kind.map_or(Needs::KNOWN, ProbeKind::provides);
        if !word.needs().within(provided) {
            let message = format!("{name}() has no meaning in this kind of probe");
            self.context.diagnostics.push(Diagnostic::semantic(message, token));
        }
        let exit = self.kind == Some(ProbeKind::SyscallExit);
        self.needs(match word {
            // Both ends know it; the verifier wants the one at hand.
            ContextWord::SyscallNumber if exit => Needs::SYSCALL_EXIT,
            ContextWord::SyscallNumber => Needs::SYSCALL_ENTRY,
            word => word.needs(),
        });
        self.emit(asm::ctx(to, word), token);
    }

    /// `register("eax")` extends the sign of what is narrower than a long, `u_register` not.
    fn register_function(&mut self, name: &str, arguments: &'p [Expression], to: Reg, token: Span) {
        let Some(ExpressionKind::Text(text)) = arguments.first().map(|e| &e.kind) else { return };
        let Some(found) = register(&String::from_utf8_lossy(text)) else { return };
        self.context_word(name, ContextWord::Register(found.number), to, token);
        let Some(shift) = 64i32.checked_sub(found.bits.into()).filter(|shift| *shift > 0) else {
            return;
        };
        self.emit(asm::shli(to, to, shift), token);
        let extend = if name == "register" { asm::shri } else { asm::ushri };
        self.emit(extend(to, to, shift), token);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Prototypes, and where the calling convention of x86-64 (System V ABI, 3.2.3) puts
//! arguments.

use crate::btf::{Btf, Kind};
use crate::ty::{Shape, Type};
use std::sync::Arc;

/// Registers that pass integers and addresses.
const REGISTERS: usize = 6;

/// How the functions behind system calls are called.
const SYSTEM_CALLS: [&str; 3] = ["__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_"];

/// Where an argument is when the function is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In argument register n, from 0: rdi, rsi, rdx, rcx, r8, r9.
    Register(u8),
    /// In two registers, this and the next.
    RegisterPair(u8),
    /// On the stack.
    Stack,
}

/// A parameter and what is passed for it.
#[derive(Clone, PartialEq, Debug)]
pub struct Argument {
    /// Its name; empty if it has none.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Where it is.
    pub place: Place,
}

/// A function's prototype.
#[derive(Clone, PartialEq, Debug)]
pub struct Function {
    /// Its parameters.
    pub arguments: Vec<Argument>,
    /// Type of what it returns.
    pub returns: Type,
    /// It takes more arguments than it declares.
    pub variadic: bool,
}

impl Function {
    /// From a function or a prototype.
    pub(crate) fn new(btf: &Arc<Btf>, id: u32) -> Option<Function> {
        let id = match btf.kind(id) {
            Kind::Function(prototype) => prototype,
            _ => id,
        };
        let Kind::Prototype { returns, parameters } = btf.kind(id) else { return None };
        let variadic = parameters.last().is_some_and(|last| last.type_id == 0);
        let mut next = 0;
        let arguments = parameters
            .iter()
            .filter(|parameter| parameter.type_id != 0)
            .map(|parameter| {
                let ty = Type::new(Arc::clone(btf), parameter.type_id);
                let place = place(&ty, &mut next);
                Argument { name: parameter.name.to_owned(), ty, place }
            })
            .collect();
        Some(Function { arguments, returns: Type::new(Arc::clone(btf), returns), variadic })
    }

    /// Of a system call that a kernel can be built without, BTF may tell what the stub is
    /// like that stands in for it, which does not use its parameter. The call itself takes the
    /// registers, like all others.
    pub(crate) fn name_registers(&mut self, name: &str) {
        if SYSTEM_CALLS.iter().any(|prefix| name.starts_with(prefix))
            && let [registers] = self.arguments.as_mut_slice()
            && registers.name == "__unused"
        {
            registers.name = "regs".to_owned();
        }
    }

    /// The parameter of this name.
    pub fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|argument| argument.name == name)
    }
}

/// Where the next argument is; `next` counts the registers in use.
fn place(ty: &Type, next: &mut usize) -> Place {
    let registers = match ty.shape() {
        Shape::Composite { .. } | Shape::Wide => match ty.size() {
            Some(1..=8) => 1,
            Some(9..=16) => 2,
            // Large ones are passed in memory, empty ones and those unknown not at all.
            _ => return Place::Stack,
        },
        // Integers only: the kernel passes no floating-point numbers.
        Shape::Float => return Place::Stack,
        _ => 1,
    };
    let first = *next;
    if first + registers > REGISTERS {
        return Place::Stack;
    }
    *next += registers;
    if registers == 2 { Place::RegisterPair(first as u8) } else { Place::Register(first as u8) }
}

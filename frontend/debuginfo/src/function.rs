// SPDX-License-Identifier: GPL-2.0-or-later
//! Prototypes, and where the calling convention of x86-64 (System V ABI, 3.2.3) puts
//! arguments.
//!
//! The kernel passes no floating-point numbers, so that a struct is in general registers or
//! in memory.

use crate::btf::{Btf, Kind};
use crate::ty::{Layout, Shape, Type};
use std::sync::Arc;

/// Registers that pass integers and addresses.
const REGISTERS: u8 = 6;

/// How the functions behind system calls are called.
const SYSTEM_CALLS: [&str; 3] = ["__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_"];

/// Where an argument is when the function is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In argument register n, from 0: rdi, rsi, rdx, rcx, r8, r9.
    Register(u8),
    /// In two registers, this and the next.
    RegisterPair(u8),
    /// On the stack, so many bytes above the stack pointer at the function's entry.
    Stack(u32),
    /// The type does not tell, or nothing is passed for it.
    Unknown,
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
        let returns = Type::new(Arc::clone(btf), returns);
        let mut next = Next::behind(&returns);
        let arguments = parameters
            .iter()
            .filter(|parameter| parameter.type_id != 0)
            .map(|parameter| {
                let ty = Type::new(Arc::clone(btf), parameter.type_id);
                let place = next.place(&ty);
                Argument { name: parameter.name.to_owned(), ty, place }
            })
            .collect();
        Some(Function { arguments, returns, variadic })
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

/// What passes a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// So many general registers.
    Registers(u8),
    /// Memory, so many bytes.
    Memory(u32),
    /// Nothing: it has no bytes.
    Nothing,
    /// The type does not tell.
    Unknown,
}

impl Class {
    pub(crate) fn of(ty: &Type) -> Class {
        match (ty.shape(), ty.size()) {
            (Shape::Composite { .. }, Some(bytes @ 1..=16)) => match ty.layout() {
                Some(Layout::Aligned) if bytes <= 8 => Class::Registers(1),
                Some(Layout::Aligned) => Class::Registers(2),
                Some(Layout::Packed) => Class::Memory(bytes as u32),
                None => Class::Unknown,
            },
            (Shape::Composite { .. }, Some(bytes @ 17..=MAX_BY_VALUE)) => {
                Class::Memory(bytes as u32)
            }
            (Shape::Composite { .. }, Some(0)) => Class::Nothing,
            (Shape::Wide, Some(16)) => Class::Registers(2),
            (Shape::Composite { .. } | Shape::Wide | Shape::Float | Shape::Incomplete, _) => {
                Class::Unknown
            }
            _ => Class::Registers(1),
        }
    }
}

/// Nobody passes more by value: it is damage.
const MAX_BY_VALUE: u64 = 1 << 16;
/// The return address is below the arguments.
const FIRST_ON_STACK: u32 = 8;

/// Where the next argument is.
struct Next {
    /// Registers in use.
    registers: u8,
    /// The next place on the stack, while it is known.
    stack: Option<u32>,
}

impl Next {
    /// Before the first argument. What is returned in memory takes a register, which says
    /// where.
    fn behind(returns: &Type) -> Next {
        let hidden = matches!(Class::of(returns), Class::Memory(_));
        Next { registers: hidden.into(), stack: Some(FIRST_ON_STACK) }
    }

    fn place(&mut self, ty: &Type) -> Place {
        match Class::of(ty) {
            Class::Registers(count) if self.registers + count <= REGISTERS => {
                let first = self.registers;
                self.registers += count;
                if count == 2 { Place::RegisterPair(first) } else { Place::Register(first) }
            }
            Class::Registers(count) => self.on_stack(ty, 8 * u32::from(count)),
            Class::Memory(bytes) => self.on_stack(ty, bytes),
            Class::Nothing => Place::Unknown,
            // It is not known whether those behind it are at other places for it.
            Class::Unknown => {
                (self.registers, self.stack) = (REGISTERS, None);
                Place::Unknown
            }
        }
    }

    fn on_stack(&mut self, ty: &Type, bytes: u32) -> Place {
        // Types do not tell their alignment; of 16 bytes, it may be more than 8.
        let may_be_moved = bytes.is_multiple_of(16) && self.stack.is_some_and(|at| at % 16 != 8);
        if ty.shape() == Shape::Wide || may_be_moved {
            self.stack = None;
        }
        let Some(at) = self.stack else { return Place::Unknown };
        self.stack = at.checked_add(bytes.next_multiple_of(8));
        Place::Stack(at)
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Variables at a place in the code, as debug symbols tell: formulas over registers and
//! memory become expressions, and what is asked of their types is answered at once, since
//! the place is there in one build only.

use super::chain::{Chain, Value, binary};
use super::operation::Operation;
use super::place::Place;
use super::{Problem, Resolver};
use crate::program::Probe;
use debuginfo::dwarf::{CodePoint, Debug, Formula, Local, Operator};
use debuginfo::{Shape, Type, Walk};
use frontend_syntax::Span;
use frontend_syntax::ast::{BinaryOperator, Expression, ExpressionKind, LogicalOperator};
use std::rc::Rc;
use vm_spec::image::Width;
use vm_spec::relocation::{Path, Question, Root};

/// Registers by their DWARF numbers (rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15), as
/// positions in `struct pt_regs`.
const REGISTERS: [u8; 16] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0];
/// DWARF's number of the stack pointer.
const STACK_POINTER: u8 = 7;

impl Resolver<'_> {
    /// The root of a variable, whose type is known from here on.
    pub(super) fn local_root(
        &self,
        code: &CodePoint,
        name: &str,
        token: Span,
    ) -> Result<Root, Problem> {
        let local = self.local(code, name, token)?;
        let place = format!("{}@{}:{}[{:#x}]", code.function, code.file, code.line, code.pc);
        let root = Root::Local { place, name: name.to_owned() };
        let debug = self.debug_of(code, token)?;
        self.types(token)?.learn(code.module.as_deref(), root.clone(), local.ty, debug.build_id());
        Ok(root)
    }

    /// The root of what a function returns, whose type is known from here on.
    pub(super) fn return_root(&self, code: &CodePoint, token: Span) -> Result<Root, Problem> {
        let Some(ty) = self.type_returned(code, token)? else {
            let message = format!("function {} does not return a value", code.function);
            return Err(Problem::new(message, token));
        };
        let debug = self.debug_of(code, token)?;
        let function = format!("{}@{}:{}", code.function, code.file, code.line);
        let root = Root::Return { function };
        self.types(token)?.learn(code.module.as_deref(), root.clone(), ty, debug.build_id());
        Ok(root)
    }

    /// The type of what a function returns; nothing if it returns nothing.
    pub(super) fn type_returned(
        &self,
        code: &CodePoint,
        token: Span,
    ) -> Result<Option<Type>, Problem> {
        let found = self.debug_of(code, token)?.returns(code);
        found.map_err(|error| Problem::new(error.to_string(), token))
    }

    fn debug_of(&self, code: &CodePoint, token: Span) -> Result<Rc<Debug>, Problem> {
        let debug = self.types(token)?.debug(code.module.as_deref());
        debug.map_err(|error| Problem::new(error.to_string(), token))
    }

    fn local(&self, code: &CodePoint, name: &str, token: Span) -> Result<Local, Problem> {
        let found = self.debug_of(code, token)?.local(code, name);
        found.map_err(|error| Problem::new(error.to_string(), token))
    }

    /// The value of a variable, or its address.
    pub(super) fn local_chain(
        &mut self,
        code: &CodePoint,
        path: Path,
        name: &str,
        token: Span,
        place: &Place,
    ) -> Result<Chain, Problem> {
        let local = self.local(code, name, token)?;
        let formula = self.formula(&local.formula, code, token, place)?;
        let at = Walk::at(local.ty);
        if local.in_memory {
            return Ok(Chain { value: Value::Memory(formula), path, at });
        }
        let value = narrowed(formula, &at.ty, 0, 0, token);
        Ok(Chain { value: Value::AtHand(value), path, at })
    }

    fn formula(
        &mut self,
        formula: &Formula,
        code: &CodePoint,
        token: Span,
        place: &Place,
    ) -> Result<Expression, Problem> {
        Ok(match formula {
            Formula::Constant(n) => number(*n, token),
            Formula::Register(n) => {
                let register = REGISTERS.get(usize::from(*n)).copied().unwrap_or(0);
                self.operation(Operation::Register(register), Vec::new(), token)
            }
            Formula::Image(address) => self.image_address(*address, code, token, place)?,
            Formula::Load(address, bytes) => {
                let address = self.formula(address, code, token, place)?;
                self.operation(Operation::Bytes(*bytes), vec![address], token)
            }
            Formula::Binary(operator, left, right) => {
                let left = self.formula(left, code, token, place)?;
                let right = self.formula(right, code, token, place)?;
                let operator = match operator {
                    Operator::Add => BinaryOperator::Add,
                    Operator::Subtract => BinaryOperator::Subtract,
                    Operator::Multiply => BinaryOperator::Multiply,
                    Operator::And => BinaryOperator::BitAnd,
                    Operator::Or => BinaryOperator::BitOr,
                    Operator::ExclusiveOr => BinaryOperator::BitXor,
                    Operator::ShiftLeft => BinaryOperator::ShiftLeft,
                    Operator::ShiftRight => BinaryOperator::ShiftRight,
                };
                binary(operator, left, right, token)
            }
        })
    }

    /// An address of the object file, as it is where the program runs.
    fn image_address(
        &mut self,
        address: u64,
        code: &CodePoint,
        token: Span,
        place: &Place,
    ) -> Result<Expression, Problem> {
        let debug = self.debug_of(code, token)?;
        let found = debug.place(address, &code.function).ok_or_else(|| {
            Problem::new(format!("address {address:#x} is in no section that is loaded"), token)
        })?;
        let path = Path { root: Root::Image(found), module: None, steps: Vec::new() };
        let slot = self.relocation(Question::Address, path, place);
        Ok(self.operation(Operation::Slot(slot), Vec::new(), token))
    }

    /// A callee's probe is about its caller's calls: the handler looks at where the function
    /// will return to.
    pub(super) fn only_from_callers(&mut self, probe: &mut Probe) {
        let Some(code) = probe.code.clone().filter(|code| !code.returns_to.is_empty()) else {
            return;
        };
        let token = probe.bodies.last().map_or(Span::default(), |body| body.span);
        let place = Place::of_function();
        let mut condition: Option<Expression> = None;
        for &address in &code.returns_to {
            let stack = Formula::Load(Box::new(Formula::Register(STACK_POINTER)), 8);
            let returns = self.formula(&stack, &code, token, &place);
            let wanted = self.image_address(address, &code, token, &place);
            let (returns, wanted) = match (returns, wanted) {
                (Ok(returns), Ok(wanted)) => (returns, wanted),
                (Err(problem), _) | (_, Err(problem)) => return self.problems.push(problem),
            };
            let same = binary(BinaryOperator::Equal, returns, wanted, token);
            condition = Some(match condition {
                None => same,
                Some(before) => logical(LogicalOperator::Or, before, same, token),
            });
        }
        let Some(from_caller) = condition else { return };
        let whole = match &probe.condition {
            None => from_caller,
            Some(own) => logical(LogicalOperator::And, from_caller, (**own).clone(), token),
        };
        probe.condition = Some(Rc::new(whole));
    }
}

fn number(n: i64, token: Span) -> Expression {
    Expression { kind: ExpressionKind::Number(n), span: token, token }
}

fn logical(
    operator: LogicalOperator,
    left: Expression,
    right: Expression,
    span: Span,
) -> Expression {
    let (left, right) = (Box::new(left), Box::new(right));
    Expression { kind: ExpressionKind::Logical { operator, left, right }, span, token: span }
}

/// The bits of a value at hand that are of this type, from bit `first` on; `bits` of them if
/// it is a bit field.
pub(super) fn narrowed(
    value: Expression,
    ty: &Type,
    first: u64,
    bits: u32,
    token: Span,
) -> Expression {
    let width = match ty.shape() {
        Shape::Integer { width, .. } | Shape::Enum { width } => width,
        _ => Width::U64,
    };
    let own = match width {
        Width::U8 | Width::I8 => 8,
        Width::U16 | Width::I16 => 16,
        Width::U32 | Width::I32 => 32,
        Width::U64 => 64,
    };
    let bits = if bits > 0 { i64::from(bits) } else { own };
    let first = i64::try_from(first).unwrap_or(0).clamp(0, 63);
    if bits == 64 && first == 0 {
        return value;
    }
    let left = number((64 - first - bits).clamp(0, 63), token);
    let right = number((64 - bits).clamp(0, 63), token);
    let up = binary(BinaryOperator::ShiftLeft, value, left, token);
    let down = match ty.is_signed() {
        true => BinaryOperator::ShiftRight,
        false => BinaryOperator::ShiftRightUnsigned,
    };
    binary(down, up, right, token)
}

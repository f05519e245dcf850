// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a variable is: DWARF's expressions, which are programs for a stack machine, as
//! formulas over registers, constants and memory.
//!
//! A formula is what the compiler of scripts can translate. What would need more than the
//! registers at hand (values at the entry of the function, thread-local memory) is refused
//! with the reason.

use super::unit::{Entry, Reader, is_signed};
use super::{Reading, Slice};
use gimli::{AttributeValue, CfaRule, DieReference, Expression, Operation, constants};
use std::ops::Range;

/// Parts of one formula, and values on the stack: what is longer is damage.
const MAX_PARTS: usize = 256;
/// Expressions that use others.
const MAX_DEPTH: usize = 4;

/// A number to be computed where a probe hits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Formula {
    /// A number.
    Constant(i64),
    /// A register, by its DWARF number (System V ABI, figure 3.36).
    Register(u8),
    /// An address of the object file: the kernel is moved as a whole.
    Image(u64),
    /// So many bytes of memory, without a sign.
    Load(Box<Formula>, u8),
    /// Two numbers.
    Binary(Operator, Box<Formula>, Box<Formula>),
}

/// How two numbers are joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
    /// Sum, which wraps.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
    /// Bits of both.
    And,
    /// Bits of one.
    Or,
    /// Bits of just one.
    ExclusiveOr,
    /// Shift to the left.
    ShiftLeft,
    /// Shift to the right that copies the sign.
    ShiftRight,
}

impl Formula {
    fn parts(&self) -> usize {
        match self {
            Formula::Constant(_) | Formula::Register(_) | Formula::Image(_) => 1,
            Formula::Load(inner, _) => inner.parts() + 1,
            Formula::Binary(_, left, right) => left.parts() + right.parts() + 1,
        }
    }

    fn binary(operator: Operator, left: Formula, right: Formula) -> Formula {
        match (operator, &left, &right) {
            (Operator::Add | Operator::Subtract, _, Formula::Constant(0)) => left,
            (Operator::Add, Formula::Constant(a), Formula::Constant(b)) => {
                Formula::Constant(a.wrapping_add(*b))
            }
            (Operator::Add, Formula::Image(address), Formula::Constant(n)) => {
                Formula::Image(address.wrapping_add(n.cast_unsigned()))
            }
            _ => Formula::Binary(operator, Box::new(left), Box::new(right)),
        }
    }
}

/// What locations are told against.
pub(super) struct Frame<'d> {
    /// The expression of the frame's base.
    pub(super) base: Option<Vec<u8>>,
    /// Finds the canonical frame address, which takes milliseconds in a kernel.
    pub(super) cfa: Box<dyn Fn() -> Option<CfaRule<usize>> + 'd>,
}

/// What was found of a variable.
pub(super) enum Found {
    /// This is its value.
    Value(Formula),
    /// It is in memory at this address.
    Memory(Formula),
    /// It has no location at all.
    Nowhere,
    /// It has one at other addresses.
    Elsewhere(Vec<Range<u64>>),
    /// It is somewhere, but cannot be read, for this reason.
    Unreadable(&'static str),
}

/// Finds a variable at an instruction; `size` is that of its type.
pub(super) fn find<'a>(
    reader: &Reader<'a>,
    variable: &Entry<'a>,
    pc: u64,
    frame: &Frame<'_>,
    size: Option<u64>,
) -> Reading<Found> {
    if let Some(value) = reader.attribute(variable, constants::DW_AT_const_value) {
        let number = value.sdata_value().or_else(|| value.udata_value().map(u64::cast_signed));
        return Ok(match (number, value) {
            (Some(number), _) => Found::Value(Formula::Constant(number)),
            (None, AttributeValue::Block(bytes)) => implicit(bytes.slice()),
            _ => Found::Unreadable("is a constant that is no number"),
        });
    }
    let Some(location) = reader.attribute(variable, constants::DW_AT_location) else {
        return Ok(Found::Nowhere);
    };
    if let Some(expression) = location.exprloc_value() {
        return evaluate(reader, expression.0, frame, size, 0);
    }
    let mut elsewhere = Vec::new();
    let Some(mut list) = reader.dwarf.attr_locations(&reader.unit, location)? else {
        return Ok(Found::Nowhere);
    };
    while let Some(entry) = list.next()? {
        if (entry.range.begin..entry.range.end).contains(&pc) {
            return evaluate(reader, entry.data.0, frame, size, 0);
        }
        if entry.range.begin < entry.range.end {
            elsewhere.push(entry.range.begin..entry.range.end);
        }
    }
    Ok(if elsewhere.is_empty() { Found::Nowhere } else { Found::Elsewhere(elsewhere) })
}

/// A value that the symbols themselves hold.
fn implicit(bytes: &[u8]) -> Found {
    if bytes.is_empty() || bytes.len() > 8 {
        return Found::Unreadable("is a constant that is no number");
    }
    let number = bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    Found::Value(Formula::Constant(number.cast_signed()))
}

const OUT_OF_STACK: Found = Found::Unreadable("has a location that makes no sense");

/// A stack machine at work.
struct Machine<'r, 'a> {
    reader: &'r Reader<'a>,
    frame: &'r Frame<'r>,
    stack: Vec<Formula>,
    depth: usize,
}

/// What an operation comes to.
enum Step {
    /// The next one.
    On,
    /// A location that is no address.
    Is(Found),
    /// The end, with the reason.
    Fails(Found),
}

fn evaluate(
    reader: &Reader<'_>,
    expression: Slice<'_>,
    frame: &Frame<'_>,
    size: Option<u64>,
    depth: usize,
) -> Reading<Found> {
    if expression.is_empty() {
        return Ok(Found::Nowhere);
    }
    let mut machine = Machine { reader, frame, stack: Vec::new(), depth };
    let mut operations = Expression(expression).operations(reader.unit.encoding());
    let mut here: Option<Found> = None;
    let mut pieces: Vec<(Found, u64)> = Vec::new();
    while let Some(operation) = operations.next()? {
        if machine.stack.len() > MAX_PARTS
            || machine.stack.last().is_some_and(|top| top.parts() > MAX_PARTS)
        {
            return Ok(Found::Unreadable("has a location that is too long"));
        }
        if let Operation::Piece { size_in_bits, .. } = operation {
            let piece = match here.take() {
                Some(found) => found,
                None => machine.stack.pop().map_or(Found::Nowhere, Found::Memory),
            };
            pieces.push((piece, size_in_bits));
            continue;
        }
        match machine.step(&operation)? {
            Step::On => {}
            Step::Is(found) => here = Some(found),
            Step::Fails(found) => return Ok(found),
        }
    }
    if !pieces.is_empty() {
        return Ok(joined(pieces, size));
    }
    Ok(match here {
        Some(found) => found,
        None => machine.stack.pop().map_or(OUT_OF_STACK, Found::Memory),
    })
}

/// A variable in several pieces is a number if all of it is at hand and fits one.
fn joined(mut pieces: Vec<(Found, u64)>, size: Option<u64>) -> Found {
    let total: u64 = pieces.iter().map(|(_, bits)| *bits).fold(0, u64::saturating_add);
    if pieces.len() == 1 && size.is_some_and(|size| size.saturating_mul(8) <= total) {
        return pieces.pop().map_or(Found::Nowhere, |(piece, _)| piece);
    }
    if total > 64 {
        return Found::Unreadable("is a struct in several places");
    }
    let mut value = Formula::Constant(0);
    let mut at = 0u64;
    for (piece, bits) in pieces {
        let part = match piece {
            Found::Value(part) => part,
            Found::Memory(address) if matches!(bits, 8 | 16 | 32 | 64) => {
                Formula::Load(Box::new(address), (bits / 8) as u8)
            }
            Found::Nowhere => return Found::Unreadable("was optimised out in part"),
            _ => return Found::Unreadable("is in several places"),
        };
        let mask = 1u64.checked_shl(bits as u32).map_or(u64::MAX, |bit| bit - 1);
        let part = Formula::binary(Operator::And, part, Formula::Constant(mask.cast_signed()));
        let part = Formula::binary(Operator::ShiftLeft, part, Formula::Constant(at.cast_signed()));
        value = Formula::binary(Operator::Or, value, part);
        at += bits;
    }
    Found::Value(value)
}

impl Machine<'_, '_> {
    fn step(&mut self, operation: &Operation<Slice<'_>>) -> Reading<Step> {
        let on = |own: &mut Self, formula: Formula| {
            own.stack.push(formula);
            Ok(Step::On)
        };
        match operation {
            Operation::Register { register } => Ok(match general(register.0) {
                Some(n) => Step::Is(Found::Value(Formula::Register(n))),
                None => Step::Fails(Found::Unreadable("is in a register that is not saved")),
            }),
            Operation::RegisterOffset { register, offset, .. } => match general(register.0) {
                Some(n) => {
                    let offset = Formula::Constant(*offset);
                    on(self, Formula::binary(Operator::Add, Formula::Register(n), offset))
                }
                None => Ok(Step::Fails(Found::Unreadable("is in a register that is not saved"))),
            },
            Operation::FrameOffset { offset } => match self.frame_base()? {
                Ok(base) => {
                    on(self, Formula::binary(Operator::Add, base, Formula::Constant(*offset)))
                }
                Err(found) => Ok(Step::Fails(found)),
            },
            Operation::CallFrameCFA => match self.cfa() {
                Some(cfa) => on(self, cfa),
                None => Ok(Step::Fails(Found::Unreadable(
                    "is in a frame of which the symbols do not tell where it begins",
                ))),
            },
            Operation::UnsignedConstant { value } => {
                on(self, Formula::Constant(value.cast_signed()))
            }
            Operation::SignedConstant { value } => on(self, Formula::Constant(*value)),
            Operation::Address { address } => on(self, Formula::Image(*address)),
            Operation::AddressIndex { index } => {
                let address = self.reader.dwarf.address(&self.reader.unit, *index)?;
                on(self, Formula::Image(address))
            }
            Operation::PlusConstant { value } => self.with_top(|top| {
                let more = Formula::Constant(value.cast_signed());
                Formula::binary(Operator::Add, top, more)
            }),
            Operation::Deref { size, space: false, .. } if matches!(size, 1 | 2 | 4 | 8) => {
                self.with_top(|top| Formula::Load(Box::new(top), *size))
            }
            Operation::Neg => {
                self.with_top(|top| Formula::binary(Operator::Subtract, Formula::Constant(0), top))
            }
            Operation::Not => self
                .with_top(|top| Formula::binary(Operator::ExclusiveOr, top, Formula::Constant(-1))),
            Operation::Plus => self.join(Operator::Add),
            Operation::Minus => self.join(Operator::Subtract),
            Operation::Mul => self.join(Operator::Multiply),
            Operation::And => self.join(Operator::And),
            Operation::Or => self.join(Operator::Or),
            Operation::Xor => self.join(Operator::ExclusiveOr),
            Operation::Shl => self.join(Operator::ShiftLeft),
            Operation::Shra => self.join(Operator::ShiftRight),
            Operation::Pick { index } => {
                let at = self.stack.len().checked_sub(usize::from(*index) + 1);
                match at.and_then(|at| self.stack.get(at)).cloned() {
                    Some(formula) => on(self, formula),
                    None => Ok(Step::Fails(OUT_OF_STACK)),
                }
            }
            Operation::Swap => match (self.stack.pop(), self.stack.pop()) {
                (Some(top), Some(below)) => {
                    self.stack.extend([top, below]);
                    Ok(Step::On)
                }
                _ => Ok(Step::Fails(OUT_OF_STACK)),
            },
            Operation::Drop => {
                self.stack.pop();
                Ok(Step::On)
            }
            Operation::Nop => Ok(Step::On),
            Operation::StackValue => Ok(match self.stack.pop() {
                Some(formula) => Step::Is(Found::Value(formula)),
                None => Step::Fails(OUT_OF_STACK),
            }),
            Operation::ImplicitValue { data } => Ok(Step::Is(implicit(data.slice()))),
            // The types in expressions are those of numbers as wide as a register, or
            // narrower ones without a sign.
            Operation::Convert { base_type } | Operation::Reinterpret { base_type } => {
                self.convert(base_type.0)
            }
            other => Ok(Step::Fails(Found::Unreadable(reason(other)))),
        }
    }

    fn with_top(&mut self, change: impl FnOnce(Formula) -> Formula) -> Reading<Step> {
        let Some(top) = self.stack.pop() else { return Ok(Step::Fails(OUT_OF_STACK)) };
        self.stack.push(change(top));
        Ok(Step::On)
    }

    fn join(&mut self, operator: Operator) -> Reading<Step> {
        let (Some(right), Some(left)) = (self.stack.pop(), self.stack.pop()) else {
            return Ok(Step::Fails(OUT_OF_STACK));
        };
        self.stack.push(Formula::binary(operator, left, right));
        Ok(Step::On)
    }

    /// To a number of another type: cut to its size, its sign copied if it has one.
    fn convert(&mut self, base_type: usize) -> Reading<Step> {
        if base_type == 0 {
            return Ok(Step::On);
        }
        let entry = self.reader.entry(self.reader.offset.saturating_add(base_type))?;
        let size = self.reader.number(&entry, constants::DW_AT_byte_size).unwrap_or(0);
        let encoding = match entry.attr_value(constants::DW_AT_encoding) {
            Some(AttributeValue::Encoding(encoding)) => encoding,
            _ => return Ok(Step::Fails(OUT_OF_STACK)),
        };
        let bits = match size {
            1 | 2 | 4 => 64 - 8 * size.cast_signed(),
            8 => return Ok(Step::On),
            _ => return Ok(Step::Fails(Found::Unreadable("is no whole number of 8 bytes"))),
        };
        let Some(signed) = is_signed(encoding) else {
            return Ok(Step::Fails(Found::Unreadable("is no whole number of 8 bytes")));
        };
        self.with_top(|top| {
            let shift = || Formula::Constant(bits);
            if signed {
                let up = Formula::binary(Operator::ShiftLeft, top, shift());
                return Formula::binary(Operator::ShiftRight, up, shift());
            }
            let mask = u64::MAX >> bits.clamp(0, 63);
            Formula::binary(Operator::And, top, Formula::Constant(mask.cast_signed()))
        })
    }

    fn cfa(&self) -> Option<Formula> {
        match (self.frame.cfa)()? {
            CfaRule::RegisterAndOffset { register, offset } => {
                let register = Formula::Register(general(register.0)?);
                Some(Formula::binary(Operator::Add, register, Formula::Constant(offset)))
            }
            CfaRule::Expression(_) => None,
        }
    }

    fn frame_base(&self) -> Reading<Result<Formula, Found>> {
        const UNKNOWN: Found =
            Found::Unreadable("is in a frame of which the symbols do not tell where it begins");
        let Some(base) = self.frame.base.as_ref().filter(|_| self.depth < MAX_DEPTH) else {
            return Ok(Err(UNKNOWN));
        };
        let expression = Slice::new(base, gimli::LittleEndian);
        let found = evaluate(self.reader, expression, self.frame, None, self.depth + 1)?;
        Ok(match found {
            Found::Value(formula) | Found::Memory(formula) => Ok(formula),
            _ => Err(UNKNOWN),
        })
    }
}

/// The general registers and the stack pointer are saved where a probe hits.
fn general(register: u16) -> Option<u8> {
    u8::try_from(register).ok().filter(|register| *register < 16)
}

fn reason(operation: &Operation<Slice<'_>>) -> &'static str {
    match operation {
        Operation::EntryValue { .. } | Operation::ParameterRef { .. } => {
            "is only known as it was when the function was entered (DW_OP_entry_value)"
        }
        Operation::ImplicitPointer { .. } => "points to what was optimised out",
        Operation::TLS => "is in thread-local memory",
        Operation::Call { offset: DieReference::UnitRef(_) | DieReference::DebugInfoRef(_) }
        | Operation::VariableValue { .. } => "has a location that depends on another variable",
        Operation::Bra { .. } | Operation::Skip { .. } => "has a location with branches",
        _ => "has a location that cannot be computed here",
    }
}

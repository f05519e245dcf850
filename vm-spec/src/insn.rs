// SPDX-License-Identifier: GPL-2.0-or-later
//! The eight bytes of an instruction.
//!
//! ```text
//!  byte 0    1    2    3    4    5    6    7
//!     +----+----+----+----+----+----+----+----+
//!     | op | a  | b  | c  |       imm         |   little-endian
//!     +----+----+----+----+----+----+----+----+
//!                 '--bc--'  '-- lo --''-- hi -'   (bc signed; lo, hi unsigned)
//! ```
//! Fields that an opcode does not name are zero; the verifier insists.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One instruction as it lies in the image. It may hold anything: only the
/// verifier's word makes its fields mean something.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C, align(8))]
pub struct Insn {
    /// Opcode number, see [`crate::isa::Opcode`].
    pub op: u8,
    /// First operand, most often the destination.
    pub a: u8,
    /// Second operand.
    pub b: u8,
    /// Third operand.
    pub c: u8,
    /// Immediate, jump target or table index.
    pub imm: i32,
}

/// Where in an instruction an operand lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// Byte 1.
    A,
    /// Byte 2.
    B,
    /// Byte 3.
    C,
    /// Bytes 2 and 3 as one signed number.
    Bc,
    /// Bytes 4 to 7, signed.
    Imm,
    /// Bytes 4 and 5, unsigned.
    Lo,
    /// Bytes 6 and 7, unsigned.
    Hi,
}

impl Insn {
    /// Bytes 2 and 3 as one signed number.
    #[inline(always)]
    pub const fn bc(self) -> i16 {
        i16::from_le_bytes([self.b, self.c])
    }

    /// Bytes 4 and 5, unsigned.
    #[inline(always)]
    pub const fn lo(self) -> u16 {
        self.imm as u16
    }

    /// Bytes 6 and 7, unsigned.
    #[inline(always)]
    pub const fn hi(self) -> u16 {
        (self.imm as u32 >> 16) as u16
    }

    /// The operand in a field, widened.
    pub const fn get(self, field: Field) -> i64 {
        match field {
            Field::A => self.a as i64,
            Field::B => self.b as i64,
            Field::C => self.c as i64,
            Field::Bc => self.bc() as i64,
            Field::Imm => self.imm as i64,
            Field::Lo => self.lo() as i64,
            Field::Hi => self.hi() as i64,
        }
    }

    /// The same instruction with a field set to the low bits of `value`.
    #[must_use]
    pub const fn with(mut self, field: Field, value: i64) -> Self {
        match field {
            Field::A => self.a = value as u8,
            Field::B => self.b = value as u8,
            Field::C => self.c = value as u8,
            Field::Bc => [self.b, self.c] = (value as i16).to_le_bytes(),
            Field::Imm => self.imm = value as i32,
            Field::Lo => self.imm = (self.imm & !0xffff) | (value as u16 as i32),
            Field::Hi => self.imm = (self.imm & 0xffff) | ((value as u16 as i32) << 16),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_field_holds_what_was_put_there(v: i64, op: u8, a: u8, b: u8, c: u8, imm: i32) {
            let insn = Insn { op, a, b, c, imm };
            for field in [Field::A, Field::B, Field::C, Field::Lo, Field::Hi] {
                let mask = if matches!(field, Field::Lo | Field::Hi) { 0xffff } else { 0xff };
                prop_assert_eq!(insn.with(field, v).get(field), v & mask);
            }
            prop_assert_eq!(insn.with(Field::Imm, v).get(Field::Imm), i64::from(v as i32));
            prop_assert_eq!(insn.with(Field::Bc, v).get(Field::Bc), i64::from(v as i16));
            prop_assert_eq!(insn.with(Field::Lo, v).hi(), insn.hi());
            prop_assert_eq!(insn.with(Field::Hi, v).lo(), insn.lo());
        }
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! printf formats as the image holds them: a run of pieces.
//!
//! The compiler parses the format string; what is left for the engine that makes
//! text (in the kernel for `sprintf`, in the loader for `printf`, the same code) is
//! a list of pieces, each a literal or one conversion with its flags.

use crate::ids::StrId;
use crate::image::ValueKind;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What one piece prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
#[repr(u8)]
pub enum Conversion {
    /// A string constant as it is.
    Literal = 0,
    /// `%d`, `%i`: signed decimal.
    Signed = 1,
    /// `%u`: unsigned decimal.
    Unsigned = 2,
    /// `%o`: octal.
    Octal = 3,
    /// `%x`: hexadecimal, lower case.
    HexLower = 4,
    /// `%X`: hexadecimal, upper case.
    HexUpper = 5,
    /// `%p`: pointer: `0x` and hexadecimal.
    Pointer = 6,
    /// `%c`: one byte.
    Character = 7,
    /// `%s`: string.
    String = 8,
    /// `%b`: the number's low 1, 2, 4 or 8 bytes (precision) as they are.
    Binary = 9,
    /// `%m`: bytes of kernel memory at the number's address, as they are.
    Memory = 10,
    /// `%M`: bytes of kernel memory at the number's address, in hexadecimal.
    MemoryHex = 11,
}

impl Conversion {
    /// The conversion with this number.
    pub const fn from_number(number: u8) -> Option<Conversion> {
        Some(match number {
            0 => Conversion::Literal,
            1 => Conversion::Signed,
            2 => Conversion::Unsigned,
            3 => Conversion::Octal,
            4 => Conversion::HexLower,
            5 => Conversion::HexUpper,
            6 => Conversion::Pointer,
            7 => Conversion::Character,
            8 => Conversion::String,
            9 => Conversion::Binary,
            10 => Conversion::Memory,
            11 => Conversion::MemoryHex,
            _ => return None,
        })
    }

    /// The kind of the argument it prints, if it takes one.
    pub const fn argument(self) -> Option<ValueKind> {
        match self {
            Conversion::Literal => None,
            Conversion::String => Some(ValueKind::Str),
            _ => Some(ValueKind::Long),
        }
    }
}

/// A width or a precision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub enum Measure {
    /// Not given.
    Unset,
    /// Given in the format.
    Fixed(u16),
    /// `*`: a long argument before the one that is printed.
    Argument,
}

impl Measure {
    const UNSET: i16 = -1;
    const ARGUMENT: i16 = -2;
    /// Largest width and precision that can be written in a format.
    pub const MAX: u16 = i16::MAX as u16;

    /// As a piece holds it.
    pub const fn to_raw(self) -> i16 {
        match self {
            Measure::Unset => Self::UNSET,
            Measure::Argument => Self::ARGUMENT,
            Measure::Fixed(n) if n <= Self::MAX => n as i16,
            Measure::Fixed(_) => i16::MAX,
        }
    }

    /// From what a piece holds.
    pub const fn from_raw(raw: i16) -> Option<Measure> {
        match raw {
            Self::UNSET => Some(Measure::Unset),
            Self::ARGUMENT => Some(Measure::Argument),
            n if n >= 0 => Some(Measure::Fixed(n as u16)),
            _ => None,
        }
    }
}

/// Flags of a conversion. A bit set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Flags(pub u8);

impl Flags {
    /// `-`: pad on the right.
    pub const LEFT: Flags = Flags(1);
    /// `0`: pad with zeros.
    pub const ZERO: Flags = Flags(2);
    /// `+`: a sign before positive numbers too.
    pub const PLUS: Flags = Flags(4);
    /// ` `: a blank where a plus sign would stand.
    pub const SPACE: Flags = Flags(8);
    /// `#`: `0`, `0x` before octal and hexadecimal, C escapes in `%c` and `%s`.
    pub const ALTERNATE: Flags = Flags(16);
    /// All that mean something.
    pub const KNOWN: Flags = Flags(31);

    /// Is the flag set?
    pub const fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// One piece as it lies in the image.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C, align(8))]
pub struct PieceRecord {
    /// [`Conversion`].
    pub conversion: u8,
    /// [`Flags`].
    pub flags: u8,
    /// [`Measure`].
    pub width: i16,
    /// [`Measure`].
    pub precision: i16,
    /// Zero.
    pub reserved: u16,
    /// The string constant of a literal, else 0.
    pub literal: u32,
    /// Zero.
    pub reserved2: u32,
}

impl PieceRecord {
    /// Has it neither flags nor measures? Most have none.
    #[inline]
    pub const fn is_plain(&self) -> bool {
        self.flags == 0 && self.width == Measure::UNSET && self.precision == Measure::UNSET
    }
}

/// One piece, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Piece {
    /// What it prints.
    pub conversion: Conversion,
    /// How.
    pub flags: Flags,
    /// Least number of characters.
    pub width: Measure,
    /// Digits, characters or bytes.
    pub precision: Measure,
    /// The text of a literal.
    pub literal: StrId,
}

impl Piece {
    /// A literal.
    pub const fn literal(text: StrId) -> Piece {
        Piece {
            conversion: Conversion::Literal,
            flags: Flags(0),
            width: Measure::Unset,
            precision: Measure::Unset,
            literal: text,
        }
    }

    /// A conversion with no flags.
    pub const fn plain(conversion: Conversion) -> Piece {
        Piece {
            conversion,
            flags: Flags(0),
            width: Measure::Unset,
            precision: Measure::Unset,
            literal: StrId(0),
        }
    }

    /// As the image holds it.
    pub const fn to_record(self) -> PieceRecord {
        PieceRecord {
            conversion: self.conversion as u8,
            flags: self.flags.0,
            width: self.width.to_raw(),
            precision: self.precision.to_raw(),
            reserved: 0,
            literal: self.literal.0,
            reserved2: 0,
        }
    }

    /// From what the image holds; `None` if any field means nothing.
    pub const fn from_record(record: &PieceRecord) -> Option<Piece> {
        let (Some(conversion), Some(width), Some(precision)) = (
            Conversion::from_number(record.conversion),
            Measure::from_raw(record.width),
            Measure::from_raw(record.precision),
        ) else {
            return None;
        };
        if record.flags & !Flags::KNOWN.0 != 0 || record.reserved != 0 || record.reserved2 != 0 {
            return None;
        }
        if record.literal != 0 && !matches!(conversion, Conversion::Literal) {
            return None;
        }
        Some(Piece {
            conversion,
            flags: Flags(record.flags),
            width,
            precision,
            literal: StrId(record.literal),
        })
    }

    /// The kinds of the arguments it takes, in order.
    pub fn arguments(self) -> impl Iterator<Item = ValueKind> {
        let star = |m: Measure| matches!(m, Measure::Argument).then_some(ValueKind::Long);
        [star(self.width), star(self.precision), self.conversion.argument()].into_iter().flatten()
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The format engine: pieces and arguments in, bytes out. `sprintf` runs it in the
//! kernel, the loader runs it over the records that `printf` left in the ring.
//!
//! The text is SystemTap's, which is C's printf but for: `0` pads beyond a precision,
//! `%#o` and `%#x` always put their prefix, a precision of 0 still prints a 0, and
//! `%0s` appends a NUL byte.
//!
//! # Memory conversions
//! `%m` and `%M` take a long, the address, from the program. In a record, and so in
//! [`Arguments::memory`], the bytes found there take its place, encoded as a string
//! argument (length, bytes), because the reader of a record cannot look them up.

use vm_spec::format::{Conversion, Flags, Measure, Piece, PieceRecord};
use vm_spec::ids::{FormatId, StrId};
use vm_spec::image::Image;

/// Takes the bytes of the text as they come.
pub trait Sink {
    /// Appends bytes; a sink with an end drops what lies behind it.
    fn put(&mut self, bytes: &[u8]);

    /// What comes next is bytes rather than text: NULs may be among them.
    fn expect_bytes(&mut self) {}
}

/// A sink into a slice, which cuts the text off at its end.
#[derive(Debug)]
pub struct SliceSink<'a> {
    out: &'a mut [u8],
    written: usize,
    may_hold_nul: bool,
}

impl<'a> SliceSink<'a> {
    /// A sink that begins at the start of `out`.
    pub fn new(out: &'a mut [u8]) -> Self {
        SliceSink { out, written: 0, may_hold_nul: false }
    }

    /// Bytes written so far.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Bytes before the first NUL.
    pub fn text_length(&self) -> usize {
        if !self.may_hold_nul {
            return self.written;
        }
        let text = self.out.get(..self.written).unwrap_or_default();
        text.iter().position(|byte| *byte == 0).unwrap_or(self.written)
    }
}

impl Sink for SliceSink<'_> {
    fn expect_bytes(&mut self) {
        self.may_hold_nul = true;
    }

    fn put(&mut self, bytes: &[u8]) {
        let Some(rest) = self.out.get_mut(self.written..) else { return };
        // Digits and what is between them, for which a call of memcpy is too much.
        if let ([byte], [slot, ..]) = (bytes, &mut *rest) {
            *slot = *byte;
            self.written = self.written.wrapping_add(1);
            return;
        }
        let count = bytes.len().min(rest.len());
        if let (Some(to), Some(from)) = (rest.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
            self.written = self.written.wrapping_add(count);
        }
    }
}

/// A sink that hands every run of bytes to a function.
#[derive(Debug)]
pub struct CallbackSink<F>(pub F);

impl<F: FnMut(&[u8])> Sink for CallbackSink<F> {
    fn put(&mut self, bytes: &[u8]) {
        (self.0)(bytes);
    }
}

/// Where the arguments come from, in the order of [`Piece::arguments`].
pub trait Arguments {
    /// Why there is no argument.
    type Error;

    /// The next argument, a long.
    ///
    /// # Errors
    /// The source's own.
    fn long(&mut self) -> Result<i64, Self::Error>;

    /// The next argument, a string.
    ///
    /// # Errors
    /// The source's own.
    fn string(&mut self) -> Result<&[u8], Self::Error>;

    /// The bytes that the next argument points to, `length` of them; `user` says in
    /// whose memory. A source that reads a record takes a string instead.
    ///
    /// # Errors
    /// The source's own.
    fn memory(&mut self, length: usize, user: bool) -> Result<&[u8], Self::Error>;
}

/// Largest width and precision of one conversion, in bytes, wherever it came from.
pub const MAX_MEASURE: usize = 8192;

/// Makes the text of a format of a program.
///
/// # Errors
/// Those of `arguments`; what came before has been put.
pub fn format<A: Arguments>(
    image: &Image<'_>,
    id: FormatId,
    arguments: &mut A,
    out: &mut impl Sink,
) -> Result<(), A::Error> {
    for record in image.pieces_of(id) {
        piece(image, record, arguments, out)?;
    }
    Ok(())
}

/// Makes the text of one piece of a format.
///
/// # Errors
/// Those of `arguments`.
pub fn piece<A: Arguments>(
    image: &Image<'_>,
    record: &PieceRecord,
    arguments: &mut A,
    out: &mut impl Sink,
) -> Result<(), A::Error> {
    const LITERAL: u8 = Conversion::Literal as u8;
    const STRING: u8 = Conversion::String as u8;
    const SIGNED: u8 = Conversion::Signed as u8;
    const UNSIGNED: u8 = Conversion::Unsigned as u8;
    const HEX_LOWER: u8 = Conversion::HexLower as u8;
    match record.conversion {
        LITERAL => out.put(image.string(StrId(record.literal))),
        // The usual ones, where there is nothing to arrange.
        STRING if record.is_plain() => out.put(arguments.string()?),
        SIGNED if record.is_plain() => {
            let value = arguments.long()?;
            if value < 0 {
                out.put(b"-");
            }
            out.put(decimal(value.unsigned_abs(), &mut [0; 22]));
        }
        UNSIGNED if record.is_plain() => {
            out.put(decimal(arguments.long()? as u64, &mut [0; 22]));
        }
        HEX_LOWER if record.is_plain() => {
            out.put(hexadecimal(arguments.long()? as u64, 0, &mut [0; 22]));
        }
        _ => {
            if let Some(piece) = Piece::from_record(record) {
                conversion(piece, arguments, out)?;
            }
        }
    }
    Ok(())
}

/// Makes the text of one conversion.
///
/// # Errors
/// Those of `arguments`.
pub fn conversion<A: Arguments>(
    piece: Piece,
    arguments: &mut A,
    out: &mut impl Sink,
) -> Result<(), A::Error> {
    let field = Field::of(piece, arguments)?;
    match piece.conversion {
        Conversion::Literal => {}
        Conversion::String => field.string(arguments.string()?, out),
        Conversion::Memory => {
            let bytes = arguments.memory(field.memory_length(), field.has(Flags::ALTERNATE))?;
            out.expect_bytes();
            field.padded(bytes.len(), out, |out| out.put(bytes));
        }
        Conversion::MemoryHex => {
            let bytes = arguments.memory(field.memory_length(), field.has(Flags::ALTERNATE))?;
            field.padded(bytes.len().saturating_mul(2), out, |out| {
                for &byte in bytes {
                    out.put(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
                }
            });
        }
        Conversion::Character => {
            out.expect_bytes();
            field.character(arguments.long()? as u8, out);
        }
        Conversion::Binary => {
            out.expect_bytes();
            field.binary(arguments.long()?, out);
        }
        Conversion::Signed => field.signed(arguments.long()?, out),
        Conversion::Unsigned => field.number(arguments.long()? as u64, b"", Base::DECIMAL, out),
        Conversion::Octal => field.number(arguments.long()? as u64, b"", Base::OCTAL, out),
        Conversion::HexLower => field.number(arguments.long()? as u64, b"", Base::HEX_LOWER, out),
        Conversion::HexUpper => field.number(arguments.long()? as u64, b"", Base::HEX_UPPER, out),
        Conversion::Pointer => {
            let field = Field { flags: field.flags.union(Flags::ALTERNATE), ..field };
            field.number(arguments.long()? as u64, b"", Base::HEX_LOWER, out);
        }
    }
    Ok(())
}

/// How many bytes a memory conversion reads, given its precision: at least 1.
pub fn memory_length(precision: Option<usize>) -> usize {
    precision.unwrap_or(0).clamp(1, MAX_MEASURE)
}

/// The lower case hexadecimal digit of a number below 16.
pub const fn hex_digit(nibble: u8) -> u8 {
    let nibble = nibble & 15;
    if nibble < 10 { nibble.wrapping_add(b'0') } else { nibble.wrapping_add(b'a' - 10) }
}

/// A width from an argument; a negative one is none, as SystemTap has it.
fn width_of(raw: i64) -> usize {
    // The width argument is an int in C.
    usize::try_from(raw as i32).unwrap_or(0).min(MAX_MEASURE)
}

/// A conversion with its measures looked up.
#[derive(Clone, Copy)]
struct Field {
    flags: Flags,
    width: Option<usize>,
    precision: Option<usize>,
}

/// How digits are written.
#[derive(Clone, Copy)]
struct Base {
    radix: u64,
    prefix: &'static [u8],
    letters: u8,
}

impl Base {
    const DECIMAL: Base = Base { radix: 10, prefix: b"", letters: 0 };
    const OCTAL: Base = Base { radix: 8, prefix: b"0", letters: 0 };
    const HEX_LOWER: Base = Base { radix: 16, prefix: b"0x", letters: 0 };
    const HEX_UPPER: Base = Base { radix: 16, prefix: b"0X", letters: 0x20 };
}

impl Field {
    fn of<A: Arguments>(piece: Piece, arguments: &mut A) -> Result<Field, A::Error> {
        let flags = piece.flags;
        let width = match piece.width {
            Measure::Unset => None,
            Measure::Fixed(n) => Some(usize::from(n).min(MAX_MEASURE)),
            Measure::Argument => Some(width_of(arguments.long()?)),
        };
        let precision = match piece.precision {
            Measure::Unset => None,
            Measure::Fixed(n) => Some(usize::from(n).min(MAX_MEASURE)),
            Measure::Argument => {
                Some((arguments.long()? as i32).clamp(0, MAX_MEASURE as i32) as usize)
            }
        };
        Ok(Field { flags, width, precision })
    }

    fn has(&self, flag: Flags) -> bool {
        self.flags.has(flag)
    }

    fn memory_length(&self) -> usize {
        memory_length(self.precision)
    }

    /// Blanks around something `length` bytes long.
    fn padded<S: Sink>(&self, length: usize, out: &mut S, body: impl FnOnce(&mut S)) {
        let padding = self.width.unwrap_or(0).saturating_sub(length);
        let left = self.has(Flags::LEFT);
        repeat(b' ', if left { 0 } else { padding }, out);
        body(out);
        repeat(b' ', if left { padding } else { 0 }, out);
    }

    fn string(&self, text: &[u8], out: &mut impl Sink) {
        let length = text.len().min(self.precision.unwrap_or(usize::MAX));
        let text = text.get(..length).unwrap_or_default();
        self.padded(length, out, |out| out.put(text));
        if self.has(Flags::ZERO) {
            out.put(&[0]);
        }
    }

    fn character(&self, byte: u8, out: &mut impl Sink) {
        if !self.has(Flags::ALTERNATE) {
            return self.padded(1, out, |out| out.put(&[byte]));
        }
        let escape = Escape::of(byte, b'\'');
        self.padded(escape.bytes().len(), out, |out| out.put(escape.bytes()));
    }

    fn binary(&self, value: i64, out: &mut impl Sink) {
        let allowed = |n: usize| matches!(n, 1 | 2 | 4 | 8);
        let size = self
            .precision
            .filter(|&n| allowed(n))
            .or(self.width.filter(|&n| allowed(n)))
            .unwrap_or(8);
        let padding = self.width.unwrap_or(size).saturating_sub(size);
        let bytes = value.to_le_bytes();
        let left = self.has(Flags::LEFT);
        repeat(0, if left { 0 } else { padding }, out);
        out.put(bytes.get(..size).unwrap_or_default());
        repeat(0, if left { padding } else { 0 }, out);
    }

    fn signed(&self, value: i64, out: &mut impl Sink) {
        let sign: &[u8] = if value < 0 {
            b"-"
        } else if self.has(Flags::PLUS) {
            b"+"
        } else if self.has(Flags::SPACE) {
            b" "
        } else {
            b""
        };
        self.number(value.unsigned_abs(), sign, Base::DECIMAL, out);
    }

    fn number(&self, value: u64, sign: &[u8], base: Base, out: &mut impl Sink) {
        let mut buffer = [0u8; 22];
        let digits = digits(value, base, &mut buffer);
        let prefix = if self.has(Flags::ALTERNATE) { base.prefix } else { b"" };
        let zeros = self.precision.unwrap_or(0).saturating_sub(digits.len());
        let length = digits
            .len()
            .saturating_add(zeros)
            .saturating_add(sign.len())
            .saturating_add(prefix.len());
        let padding = self.width.unwrap_or(0).saturating_sub(length);
        let (before, inside, after) = if self.has(Flags::LEFT) {
            (0, 0, padding)
        } else if self.has(Flags::ZERO) {
            (0, padding, 0)
        } else {
            (padding, 0, 0)
        };
        repeat(b' ', before, out);
        out.put(sign);
        out.put(prefix);
        repeat(b'0', inside.saturating_add(zeros), out);
        out.put(digits);
        repeat(b' ', after, out);
    }
}

/// Digits of a number; 22 of them are enough for 64 bits in base 8.
type Digits = [u8; 22];

fn digits(value: u64, base: Base, buffer: &mut Digits) -> &[u8] {
    match base.radix {
        10 => decimal(value, buffer),
        16 => hexadecimal(value, base.letters, buffer),
        _ => written_backwards(value, buffer, |value| (value as u8 & 7 | b'0', value >> 3)),
    }
}

fn decimal(value: u64, buffer: &mut Digits) -> &[u8] {
    written_backwards(value, buffer, |value| ((value % 10) as u8 | b'0', value / 10))
}

/// `letters` is what the letters' codes are less than those of lower case.
fn hexadecimal(value: u64, letters: u8, buffer: &mut Digits) -> &[u8] {
    written_backwards(value, buffer, |value| {
        let digit = hex_digit(value as u8);
        (if digit >= b'a' { digit.wrapping_sub(letters) } else { digit }, value >> 4)
    })
}

/// What `step` gives of a value and then of its rests, until the rest is 0; the first
/// digit is the last one.
#[inline(always)]
fn written_backwards(
    mut value: u64,
    buffer: &mut Digits,
    step: impl Fn(u64) -> (u8, u64),
) -> &[u8] {
    let mut start = buffer.len();
    for (n, slot) in buffer.iter_mut().enumerate().rev() {
        (*slot, value) = step(value);
        start = n;
        if value == 0 {
            break;
        }
    }
    buffer.get(start..).unwrap_or_default()
}

fn repeat(byte: u8, count: usize, out: &mut impl Sink) {
    let run = [byte; 32];
    let mut left = count;
    while left > 0 {
        let n = left.min(run.len());
        out.put(run.get(..n).unwrap_or_default());
        left = left.wrapping_sub(n);
    }
}

/// A byte as a C character or string literal would have it.
#[derive(Clone, Copy, Debug)]
pub struct Escape {
    bytes: [u8; 4],
    length: u8,
}

impl Escape {
    /// The escape of `byte`; `quote` is escaped, too.
    pub fn of(byte: u8, quote: u8) -> Escape {
        let short = match byte {
            7 => b'a',
            8 => b'b',
            9 => b't',
            10 => b'n',
            11 => b'v',
            12 => b'f',
            13 => b'r',
            b'\\' => b'\\',
            _ if byte == quote => quote,
            0x20..=0x7e => return Escape { bytes: [byte, 0, 0, 0], length: 1 },
            _ => {
                let octal = |shift: u32| byte.wrapping_shr(shift) & 7 | b'0';
                return Escape { bytes: [b'\\', octal(6), octal(3), octal(0)], length: 4 };
            }
        };
        Escape { bytes: [b'\\', short, 0, 0], length: 2 }
    }

    /// Its text.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use core::convert::Infallible;
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec::Vec;
use vm_spec::ids::StrId;

/// Longs and strings in two queues.
struct Given<'a>(&'a [i64], &'a [u8]);

impl Arguments for Given<'_> {
    type Error = Infallible;
    fn long(&mut self) -> Result<i64, Infallible> {
        let (first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        Ok(*first)
    }
    fn string(&mut self) -> Result<&[u8], Infallible> {
        Ok(self.1)
    }
    fn memory(&mut self, length: usize, _: bool) -> Result<&[u8], Infallible> {
        Ok(&self.1[..length.min(self.1.len())])
    }
}

fn text(piece: Piece, longs: &[i64], string: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sink = CallbackSink(|bytes: &[u8]| out.extend_from_slice(bytes));
    conversion(piece, &mut Given(longs, string), &mut sink).unwrap();
    out
}

fn piece(conversion: Conversion, flags: u8, width: Option<u16>, precision: Option<u16>) -> Piece {
    let measure = |m: Option<u16>| m.map_or(Measure::Unset, Measure::Fixed);
    Piece {
        conversion,
        flags: Flags(flags),
        width: measure(width),
        precision: measure(precision),
        literal: StrId(0),
    }
}

fn shown(
    conversion: Conversion,
    flags: u8,
    width: Option<u16>,
    precision: Option<u16>,
    value: i64,
) -> String {
    let bytes = text(piece(conversion, flags, width, precision), &[value], b"");
    String::from_utf8(bytes).unwrap()
}

const LEFT: u8 = 1;
const ZERO: u8 = 2;
const PLUS: u8 = 4;
const SPACE: u8 = 8;
const ALT: u8 = 16;

#[test]
fn numbers() {
    use Conversion::*;
    assert_eq!(shown(Signed, 0, None, None, i64::MIN), "-9223372036854775808");
    assert_eq!(shown(Signed, 0, Some(5), Some(3), 7), "  007");
    assert_eq!(shown(Signed, ZERO, Some(6), None, -42), "-00042");
    assert_eq!(shown(Signed, ZERO | LEFT, Some(6), None, -42), "-42   ");
    assert_eq!(shown(Signed, PLUS, None, None, 42), "+42");
    assert_eq!(shown(Signed, SPACE, None, None, 42), " 42");
    assert_eq!(shown(Signed, 0, None, Some(0), 0), "0");
    assert_eq!(shown(Unsigned, PLUS, None, None, -1), "18446744073709551615");
    assert_eq!(shown(Octal, ALT, None, None, 8), "010");
    assert_eq!(shown(Octal, 0, None, None, -1), "1777777777777777777777");
    assert_eq!(shown(HexLower, ALT | ZERO, Some(8), None, 255), "0x0000ff");
    assert_eq!(shown(HexUpper, ALT, Some(8), None, 255), "    0XFF");
    assert_eq!(shown(Pointer, 0, None, None, 0), "0x0");
}

#[test]
fn characters_and_strings() {
    use Conversion::*;
    assert_eq!(shown(Character, 0, Some(3), None, 65), "  A");
    assert_eq!(shown(Character, ALT, None, None, 10), "\\n");
    assert_eq!(shown(Character, ALT | LEFT, Some(6), None, 1), "\\001  ");
    let string =
        |flags, width, precision, s: &[u8]| text(piece(String, flags, width, precision), &[], s);
    assert_eq!(string(0, Some(5), None, b"abc"), b"  abc");
    assert_eq!(string(LEFT, Some(5), Some(2), b"abc"), b"ab   ");
    assert_eq!(string(ZERO, None, None, b"abc"), b"abc\0");
}

#[test]
fn memory_and_binary() {
    use Conversion::*;
    assert_eq!(text(piece(Binary, 0, None, Some(2)), &[0x1234_5678], b""), [0x78, 0x56]);
    assert_eq!(text(piece(Binary, 0, Some(4), Some(2)), &[0x1234_5678], b""), [0, 0, 0x78, 0x56]);
    assert_eq!(text(piece(Binary, 0, None, None), &[-1], b""), [255; 8]);
    assert_eq!(text(piece(MemoryHex, 0, Some(6), Some(2)), &[0], b"\x0f\xa0\x33"), b"  0fa0");
    assert_eq!(text(piece(Memory, 0, None, None), &[0], b"xyz"), b"x");
}

#[test]
fn measures_from_arguments() {
    let star = Piece { width: Measure::Argument, ..piece(Conversion::Signed, 0, None, None) };
    assert_eq!(text(star, &[4, 7], b""), b"   7");
    assert_eq!(text(star, &[-4, 7], b""), b"7");
    let star = Piece { precision: Measure::Argument, ..piece(Conversion::Signed, 0, None, None) };
    assert_eq!(text(star, &[3, 7], b""), b"007");
    assert_eq!(text(star, &[i64::MIN, 7], b""), b"7");
}

#[test]
fn a_slice_cuts_off() {
    let mut buffer = [0; 3];
    let mut sink = SliceSink::new(&mut buffer);
    sink.put(b"ab");
    sink.put(b"cd");
    sink.put(b"e");
    assert_eq!(sink.written(), 3);
    assert_eq!(&buffer, b"abc");
}

proptest! {
    /// Where Rust's own formatting means the same, it gives the same.
    #[test]
    fn agrees_with_rust(value: i64, width in 0..40u16) {
        let w = usize::from(width);
        let given = |conversion, flags| shown(conversion, flags, Some(width), None, value);
        prop_assert_eq!(given(Conversion::Signed, 0), format!("{value:w$}"));
        prop_assert_eq!(given(Conversion::Signed, LEFT), format!("{value:<w$}"));
        prop_assert_eq!(given(Conversion::Signed, ZERO), format!("{value:0w$}"));
        prop_assert_eq!(given(Conversion::Signed, PLUS | ZERO), format!("{value:+0w$}"));
        prop_assert_eq!(given(Conversion::HexLower, 0), format!("{value:w$x}"));
        prop_assert_eq!(given(Conversion::HexUpper, ZERO), format!("{value:0w$X}"));
        prop_assert_eq!(given(Conversion::HexLower, ALT | ZERO), format!("{value:#0w$x}"));
        prop_assert_eq!(given(Conversion::Octal, 0), format!("{value:w$o}"));
        prop_assert_eq!(given(Conversion::Unsigned, 0), format!("{:w$}", value as u64));
    }

    #[test]
    fn widths_hold(value: i64, flags in 0..32u8, width in 0..60u16, precision in prop::option::of(0..60u16), kind in 1..7u8) {
        let conversion = Conversion::from_number(kind).unwrap();
        let out = shown(conversion, flags, Some(width), precision, value);
        prop_assert!(out.len() >= usize::from(width));
        let digits = out.chars().filter(char::is_ascii_hexdigit).count();
        prop_assert!(digits >= usize::from(precision.unwrap_or(1)));
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Pure string functions.

use crate::format::{Escape, Sink};

/// Where `needle` begins in `text`; an empty one begins at 0.
pub(super) fn position(text: &[u8], needle: &[u8]) -> Option<usize> {
    let Some(&first) = needle.first() else { return Some(0) };
    let mut start = 0usize;
    loop {
        let rest = text.get(start..)?;
        if rest.len() < needle.len() {
            return None;
        }
        let skip = rest.iter().position(|&byte| byte == first)?;
        start = start.wrapping_add(skip);
        if text.get(start..).is_some_and(|rest| rest.starts_with(needle)) {
            return Some(start);
        }
        start = start.wrapping_add(1);
    }
}

/// `length` bytes from `start`; nothing if it starts outside.
pub(super) fn part(text: &[u8], start: i64, length: i64) -> &[u8] {
    let rest = usize::try_from(start).ok().and_then(|start| text.get(start..)).unwrap_or_default();
    let length = usize::try_from(length).unwrap_or(0).min(rest.len());
    rest.get(..length).unwrap_or_default()
}

/// The number that a string begins with, as the kernel's `simple_strtol` reads it:
/// a `-`, then digits of the base; base 0 goes by the prefix, `0x` is taken in base
/// 16, too. Overflow wraps.
pub(super) fn to_long(text: &[u8], base: i64) -> i64 {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let base = base as u32;
    let hexadecimal = matches!(digits, [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit());
    let (base, digits) = match (base, hexadecimal) {
        (0 | 16, true) => (16, digits.get(2..).unwrap_or_default()),
        (0, false) => (if digits.first() == Some(&b'0') { 8 } else { 10 }, digits),
        _ => (base, digits),
    };
    let mut value = 0u64;
    for &byte in digits {
        let digit = match byte {
            b'0'..=b'9' => byte.wrapping_sub(b'0'),
            b'a'..=b'f' => byte.wrapping_sub(b'a' - 10),
            b'A'..=b'F' => byte.wrapping_sub(b'A' - 10),
            _ => break,
        };
        if u32::from(digit) >= base {
            break;
        }
        value = value.wrapping_mul(base.into()).wrapping_add(digit.into());
    }
    if negative { (value as i64).wrapping_neg() } else { value as i64 }
}

/// The text with each `from` replaced, left to right.
pub(super) fn replace(text: &[u8], from: &[u8], to: &[u8], out: &mut impl Sink) {
    let mut rest = text;
    while !from.is_empty() {
        let Some(at) = position(rest, from) else { break };
        out.put(rest.get(..at).unwrap_or_default());
        out.put(to);
        rest = rest.get(at.wrapping_add(from.len())..).unwrap_or_default();
    }
    out.put(rest);
}

/// The position, from `from` on, of the first byte that `wanted` says yes to, or the length.
pub(super) fn find(text: &[u8], from: i64, wanted: impl Fn(u8) -> bool) -> i64 {
    let from = usize::try_from(from).unwrap_or(0).min(text.len());
    let rest = text.get(from..).unwrap_or_default();
    let at = rest.iter().position(|&byte| wanted(byte)).unwrap_or(rest.len());
    from.wrapping_add(at) as i64
}

/// Each byte through a function.
pub(super) fn mapped(text: &[u8], f: impl Fn(u8) -> u8, out: &mut impl Sink) {
    for &byte in text {
        out.put(&[f(byte)]);
    }
}

/// Bytes that are not printable ASCII, quotes and backslashes as C escapes.
pub(super) fn escaped(text: &[u8], out: &mut impl Sink) {
    for &byte in text {
        out.put(Escape::of(byte, b'"').bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::CallbackSink;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    fn collected(f: impl FnOnce(&mut CallbackSink<&mut dyn FnMut(&[u8])>)) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
        f(&mut CallbackSink(&mut put));
        out
    }

    #[test]
    fn parts_stay_inside() {
        assert_eq!(part(b"abcdef", 1, 3), b"bcd");
        assert_eq!(part(b"abc", 1, 99), b"bc");
        assert_eq!(part(b"abc", 3, 1), b"");
        assert_eq!(part(b"abc", -1, 2), b"");
        assert_eq!(part(b"abc", 0, -2), b"");
    }

    #[test]
    fn numbers() {
        for (text, base, value) in [
            ("123abc", 10, 123),
            ("-42", 10, -42),
            ("0x1f", 16, 31),
            ("0x1f", 0, 31),
            ("017", 0, 15),
            ("17", 0, 17),
            ("0xg", 0, 0),
            ("zz", 10, 0),
            ("", 10, 0),
            ("1010", 2, 10),
            ("fF", 16, 255),
        ] {
            assert_eq!(to_long(text.as_bytes(), base), value, "{text} {base}");
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(collected(|out| escaped(b"a\n\"\\\x01\xff'", out)), b"a\\n\\\"\\\\\\001\\377'");
    }

    proptest! {
        #[test]
        fn positions_and_replacements_are_those_of_str(text in "[ab]{0,12}", from in "[ab]{0,3}", to in "[xy]{0,3}") {
            prop_assert_eq!(position(text.as_bytes(), from.as_bytes()), text.find(&from));
            let wanted: String = if from.is_empty() { text.clone() } else { text.replace(&from, &to) };
            let got = collected(|out| replace(text.as_bytes(), from.as_bytes(), to.as_bytes(), out));
            prop_assert_eq!(got, wanted.into_bytes());
        }
    }
}

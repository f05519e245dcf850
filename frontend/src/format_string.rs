// SPDX-License-Identifier: GPL-2.0-or-later
//! printf format strings to pieces.

use vm_spec::format::{Conversion, Flags, Measure};
use vm_spec::image::ValueKind;

/// A part of a format string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Literal(Vec<u8>),
    Directive { conversion: Conversion, flags: Flags, width: Measure, precision: Measure },
}

impl Part {
    /// A conversion with nothing set.
    pub(crate) fn plain(conversion: Conversion) -> Part {
        let (width, precision) = (Measure::Unset, Measure::Unset);
        Part::Directive { conversion, flags: Flags(0), width, precision }
    }

    /// The kinds of the arguments it takes.
    pub(crate) fn arguments(&self) -> Vec<ValueKind> {
        let Part::Directive { conversion, width, precision, .. } = self else { return Vec::new() };
        let star = |m: &Measure| (*m == Measure::Argument).then_some(ValueKind::Long);
        [star(width), star(precision), conversion.argument()].into_iter().flatten().collect()
    }
}

/// Parses a format string.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(format: &[u8]) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = format;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            literal.push(byte);
            continue;
        }
        if let Some((b'%', after)) = rest.split_first() {
            literal.push(b'%');
            rest = after;
            continue;
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        parts.push(directive(&mut rest)?);
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(parts)
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, after) = rest.split_first()?;
    *rest = after;
    Some(byte)
}

fn directive(rest: &mut &[u8]) -> Result<Part, String> {
    // One flag and no more: a `0` behind another belongs to the width, as in SystemTap.
    let given = rest.first().and_then(|byte| flag(*byte));
    let flags = given.unwrap_or(Flags(0));
    if given.is_some() {
        take(rest);
    }
    let width = measure(rest)?;
    let mut precision = Measure::Unset;
    if rest.first() == Some(&b'.') {
        take(rest);
        precision = match measure(rest)? {
            Measure::Unset => Measure::Fixed(0),
            given => given,
        };
    }
    while matches!(rest.first(), Some(b'l' | b'h')) {
        take(rest);
    }
    let Some(letter) = take(rest) else {
        return Err("incomplete conversion at the end of the format string".to_owned());
    };
    let conversion = match letter {
        b'd' | b'i' => Conversion::Signed,
        b'u' => Conversion::Unsigned,
        b'o' => Conversion::Octal,
        b'x' => Conversion::HexLower,
        b'X' => Conversion::HexUpper,
        b'p' => Conversion::Pointer,
        b'c' => Conversion::Character,
        b's' => Conversion::String,
        b'b' => Conversion::Binary,
        b'm' => Conversion::Memory,
        b'M' => Conversion::MemoryHex,
        other => return Err(format!("invalid conversion specifier '%{}'", other.escape_ascii())),
    };
    Ok(Part::Directive { conversion, flags, width, precision })
}

fn flag(byte: u8) -> Option<Flags> {
    Some(match byte {
        b'-' => Flags::LEFT,
        b'0' => Flags::ZERO,
        b'+' => Flags::PLUS,
        b' ' => Flags::SPACE,
        b'#' => Flags::ALTERNATE,
        _ => return None,
    })
}

fn measure(rest: &mut &[u8]) -> Result<Measure, String> {
    if rest.first() == Some(&b'*') {
        take(rest);
        return Ok(Measure::Argument);
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return Ok(Measure::Unset);
    }
    let (number, after) = rest.split_at(digits);
    *rest = after;
    let number: Option<u16> = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
    match number {
        Some(n) if n <= Measure::MAX => Ok(Measure::Fixed(n)),
        _ => Err("width or precision is too large".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_taken_apart() {
        let parts = parse(b"a%%b %-5s %.*x").unwrap();
        assert_eq!(parts[0], Part::Literal(b"a%b ".to_vec()));
        assert_eq!(parts[3].arguments(), [ValueKind::Long, ValueKind::Long]);
        assert!(parse(b"%q").is_err());
        assert!(parse(b"%").is_err());
    }
}

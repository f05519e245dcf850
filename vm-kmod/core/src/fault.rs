// SPDX-License-Identifier: GPL-2.0-or-later
//! Run-time errors, in the words that SystemTap's users know.

use crate::format::{Sink, SliceSink};
use crate::strings::StrRef;

/// Why a handler failed. What follows `near` in the printed message comes from the
/// program counter in the Fault item and the blob's source map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A division or remainder by 0.
    DivisionByZero,
    /// The step budget is used up. Cannot be caught.
    StepsExceeded,
    /// Calls are nested too deep.
    NestingExceeded,
    /// A full map got a new key.
    MapFull,
    /// A full map of this size, which the script has chosen, got a new key.
    MapSize(u32),
    /// A number was asked of an aggregate without values.
    EmptyAggregate,
    /// There is no such bucket.
    HistogramIndex,
    /// Kernel memory at the address cannot be read.
    KernelRead(u64),
    /// Memory of the process at the address cannot be read.
    UserRead(u64),
    /// The kernel string at the address cannot be read.
    KernelString(u64),
    /// The user string at the address cannot be read.
    UserString(u64),
    /// There is no such position in the string.
    StringPosition,
    /// `error()` was called with this message.
    Raised(StrRef),
    /// A cursor does not name an entry of the map (any more).
    StaleCursor,
    /// An output item is longer than the run's whole output buffer.
    OutputTooLong,
    /// This group was asked for, and the last match failed.
    NoMatch(i64),
    /// The number of groups was asked for, and the last match failed.
    NoMatchToCount,
    /// The expression that matched last has no such group.
    NoGroup(i64),
    /// `ctime()` was asked for a time that 32 bits of seconds do not reach.
    FarFuture,
    /// The same, before 1970.
    FarPast,
    /// A packet can be dropped (0) or go on (1), and nothing else.
    Verdict(i64),
    /// Something that the verifier has ruled out. Cannot be caught.
    Impossible,
}

/// Longest message of a fault other than [`Fault::Raised`], in bytes.
pub const MESSAGE_BYTES: usize = 96;

impl Fault {
    /// [`Fault::kind`] of [`Fault::Raised`].
    pub const RAISED: u8 = 12;

    /// The number in the Fault item.
    pub const fn kind(self) -> u8 {
        match self {
            Fault::DivisionByZero => 1,
            Fault::StepsExceeded => 2,
            Fault::NestingExceeded => 3,
            Fault::MapFull => 4,
            Fault::EmptyAggregate => 5,
            Fault::HistogramIndex => 6,
            Fault::KernelRead(_) => 7,
            Fault::UserRead(_) => 8,
            Fault::KernelString(_) => 9,
            Fault::UserString(_) => 10,
            Fault::StringPosition => 11,
            Fault::Raised(_) => Fault::RAISED,
            Fault::StaleCursor => 13,
            Fault::OutputTooLong => 14,
            Fault::Impossible => 15,
            Fault::NoMatch(_) => 16,
            Fault::NoMatchToCount => 17,
            Fault::NoGroup(_) => 18,
            Fault::MapSize(_) => 19,
            Fault::FarFuture => 20,
            Fault::FarPast => 21,
            Fault::Verdict(_) => 22,
        }
    }

    /// May a try block go on after it?
    pub const fn is_catchable(self) -> bool {
        !matches!(self, Fault::StepsExceeded | Fault::Impossible)
    }

    /// Writes the message and returns its length. Of [`Fault::Raised`] it is the
    /// script's own, which the caller looks up.
    pub fn message(self, out: &mut [u8]) -> usize {
        let mut sink = SliceSink::new(out);
        match self {
            Fault::DivisionByZero => sink.put(b"division by 0"),
            Fault::StepsExceeded => sink.put(b"MAXACTION exceeded"),
            Fault::NestingExceeded => sink.put(b"MAXNESTING exceeded"),
            Fault::MapFull => sink.put(b"Array overflow, check MAXMAPENTRIES"),
            Fault::MapSize(size) => {
                sink.put(b"Array overflow, check size limit (");
                decimal(&mut sink, size.into());
                sink.put(b")");
            }
            Fault::EmptyAggregate => sink.put(b"empty aggregate"),
            Fault::HistogramIndex => sink.put(b"histogram index out of range"),
            Fault::KernelRead(at) => {
                address(&mut sink, b"kernel read fault at 0x", at, 16, b" (addr)")
            }
            Fault::UserRead(at) => address(&mut sink, b"user read fault at 0x", at, 16, b" (addr)"),
            Fault::KernelString(at) => {
                address(
                    &mut sink,
                    b"kernel string copy fault at 0x",
                    at,
                    1,
                    b" [man error::fault]",
                );
            }
            Fault::UserString(at) => {
                address(
                    &mut sink,
                    b"user string copy fault -14 at 0x",
                    at,
                    1,
                    b" [man error::fault]",
                );
            }
            Fault::StringPosition => sink.put(b"Position out of bounds"),
            Fault::FarFuture => sink.put(b"Time too far in the future to be converted"),
            Fault::FarPast => sink.put(b"Time too far in the past to be converted"),
            Fault::Raised(_) => {}
            Fault::StaleCursor => sink.put(b"array changed during its iteration"),
            Fault::OutputTooLong => sink.put(b"output item too long"),
            Fault::NoMatch(n) => {
                sink.put(b"Attempted to get subexpression ");
                decimal(&mut sink, n);
                sink.put(b" from failed match");
            }
            Fault::NoMatchToCount => {
                sink.put(b"Attempted to get subexpression count from failed match");
            }
            Fault::NoGroup(n) => {
                sink.put(b"Attempted to get nonexistent subexpression ");
                decimal(&mut sink, n);
            }
            Fault::Verdict(n) => {
                sink.put(b"verdict ");
                decimal(&mut sink, n);
                sink.put(b" is neither 0 (drop) nor 1 (accept)");
            }
            Fault::Impossible => sink.put(b"internal error"),
        }
        sink.written()
    }
}

fn decimal(sink: &mut SliceSink<'_>, n: i64) {
    if n < 0 {
        sink.put(b"-");
    }
    let mut power = 1_000_000_000_000_000_000u64;
    let value = n.unsigned_abs();
    while power > 1 && value < power {
        power /= 10;
    }
    while power > 0 {
        let digit = value.checked_div(power).unwrap_or(0) % 10;
        sink.put(&[digit as u8 | b'0']);
        power /= 10;
    }
}

fn address(sink: &mut SliceSink<'_>, before: &[u8], at: u64, digits: u32, after: &[u8]) {
    sink.put(before);
    let used = 16u32.saturating_sub(at.leading_zeros().wrapping_shr(2)).max(digits);
    let mut n = used;
    while n > 0 {
        n = n.wrapping_sub(1);
        let nibble = at.wrapping_shr(n.wrapping_mul(4)) as u8 & 15;
        sink.put(&[crate::format::hex_digit(nibble)]);
    }
    sink.put(after);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_systemtaps() {
        let text = |fault: Fault| {
            let mut buffer = [0; MESSAGE_BYTES];
            let n = fault.message(&mut buffer);
            std::string::String::from_utf8(buffer[..n].to_vec()).unwrap()
        };
        assert_eq!(text(Fault::KernelRead(0x10)), "kernel read fault at 0x0000000000000010 (addr)");
        assert_eq!(
            text(Fault::UserString(0)),
            "user string copy fault -14 at 0x0 [man error::fault]"
        );
        assert_eq!(
            text(Fault::KernelString(u64::MAX)),
            "kernel string copy fault at 0xffffffffffffffff [man error::fault]"
        );
        assert_eq!(text(Fault::StepsExceeded), "MAXACTION exceeded");
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The verifier: the only maker of [`Verified`].
//!
//! One pass over the records and one over the code, no recursion, no allocation, no
//! panic. Since an operand's register file is its type and frames are cleared on
//! entry, definite assignment and register types hold by construction: what is left
//! to prove is that every operand lies in its table. The rules, by number:
//!
//! 1. **Reserved**: every field that means nothing is zero, every enumeration has a
//!    known number.
//! 2. **Strings**: every string constant lies in the `Bytes` section.
//! 3. **Partition**: the functions' code, lock sets and catch ranges follow each
//!    other in their sections without gap or overlap, and each function has code.
//! 4. **Frame**: at most 256 registers of each file, parameters among them.
//! 5. **Locks**: a lock set is sorted, names each global once, and the globals exist.
//! 6. **Maps**: key count and mask agree, the capacity is in its limits, histogram
//!    bounds make sense, and all maps together fit in memory.
//! 7. **Formats**: every piece is known, literals exist, arguments are few enough.
//! 8. **Probes**: the handler exists, takes and returns nothing, and needs nothing
//!    that the kind does not provide; the step budget is in its limits; only return
//!    probes keep values from the entry, and few enough.
//! 9. **Opcode**: the number is known, and unused fields are zero.
//! 10. **Operand**: every operand lies in its table: registers in the frame, tuples
//!     in the frame as a whole, constants, globals, maps of the right kind, functions,
//!     helpers, formats, context words, relocation slots of the right kind.
//! 11. **Target**: a jump stays in its function; one that goes back (or to itself)
//!     pays, or lands on a `charge`.
//! 12. **Falling through**: the last instruction of a function ends it or jumps.
//! 13. **Access**: a global that an instruction touches is in the function's lock
//!     set, for writing if the opcode writes.
//! 14. **Calls**: the callee's lock set is within the caller's, and so are its needs.
//! 15. **Needs**: a context word or helper needs nothing the function does not declare.
//! 16. **Catches**: a catch range lies in its function, goes on after the range, and
//!     its message register is in the frame.
//! 17. **Returns**: what a return gives is what the function declares; handlers give
//!     nothing.
//! 18. **Work**: lock sets times calls stay within a fixed multiple of the image's
//!     size, so that verification is linear.
//! 19. **Regexes**: the tables of the regular expressions follow each other, and every
//!     class, state, step, thread and slot in them exists.

mod code;
mod tables;

use crate::image::{Image, ImageError};

/// An image that keeps all the rules: the interpreter's only food.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    image: Image<'a>,
}

impl<'a> Verified<'a> {
    /// The image.
    #[inline(always)]
    pub fn image(&self) -> &Image<'a> {
        &self.image
    }
}

/// The rule that a program broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Rule {
    /// Rule 1.
    Reserved = 1,
    /// Rule 2.
    Strings = 2,
    /// Rule 3.
    Partition = 3,
    /// Rule 4.
    Frame = 4,
    /// Rule 5.
    Locks = 5,
    /// Rule 6.
    Maps = 6,
    /// Rule 7.
    Formats = 7,
    /// Rule 8.
    Probes = 8,
    /// Rule 9.
    Opcode = 9,
    /// Rule 10.
    Operand = 10,
    /// Rule 11.
    Target = 11,
    /// Rule 12.
    FallThrough = 12,
    /// Rule 13.
    Access = 13,
    /// Rule 14.
    Calls = 14,
    /// Rule 15.
    Needs = 15,
    /// Rule 16.
    Catches = 16,
    /// Rule 17.
    Returns = 17,
    /// Rule 18.
    Work = 18,
    /// Rule 19.
    Regexes = 19,
}

impl Rule {
    /// All rules by number.
    pub const ALL: [Rule; 19] = [
        Rule::Reserved,
        Rule::Strings,
        Rule::Partition,
        Rule::Frame,
        Rule::Locks,
        Rule::Maps,
        Rule::Formats,
        Rule::Probes,
        Rule::Opcode,
        Rule::Operand,
        Rule::Target,
        Rule::FallThrough,
        Rule::Access,
        Rule::Calls,
        Rule::Needs,
        Rule::Catches,
        Rule::Returns,
        Rule::Work,
        Rule::Regexes,
    ];

    /// The rule with this number.
    pub fn from_number(number: u32) -> Option<Rule> {
        Rule::ALL.into_iter().find(|&rule| rule as u32 == number)
    }

    /// The rule in a few words.
    pub const fn text(self) -> &'static str {
        match self {
            Rule::Reserved => "a reserved field is not zero or a number is unknown",
            Rule::Strings => "a string constant leaves the string bytes",
            Rule::Partition => "functions do not follow each other without gap",
            Rule::Frame => "a frame has too many registers or too few for its parameters",
            Rule::Locks => "a lock set is not sorted or names no global",
            Rule::Maps => "a map's keys, capacity or histogram make no sense",
            Rule::Formats => "a format has an unknown piece or too many arguments",
            Rule::Probes => "a probe's handler, needs or step budget do not fit its kind",
            Rule::Opcode => "unknown opcode, or an unused field is not zero",
            Rule::Operand => "an operand is outside its table",
            Rule::Target => "a jump leaves its function or goes back without paying",
            Rule::FallThrough => "code runs past the end of its function",
            Rule::Access => "a global is touched that is not in the lock set",
            Rule::Calls => "a callee locks or needs more than its caller",
            Rule::Needs => "a context word or helper is used that was not declared",
            Rule::Catches => "a catch range does not fit its function",
            Rule::Returns => "a return does not give what the function declares",
            Rule::Regexes => "a regular expression's tables make no sense",
            Rule::Work => "the program is too tangled to verify in linear time",
        }
    }
}

/// The place that broke a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Site {
    /// The image as a whole.
    Image,
    /// Instruction n of the code section.
    Insn(u32),
    /// String constant n.
    String(u32),
    /// Function n.
    Function(u32),
    /// Map n.
    Map(u32),
    /// Scalar n.
    Scalar(u32),
    /// Probe n.
    Probe(u32),
    /// Format n.
    Format(u32),
    /// Regular expression n.
    Regex(u32),
    /// Relocation n.
    Relocation(u32),
}

impl Site {
    /// Kind and index, as the device interface reports them.
    pub const fn to_raw(self) -> (u32, u32) {
        match self {
            Site::Image => (0, 0),
            Site::Insn(n) => (1, n),
            Site::String(n) => (2, n),
            Site::Function(n) => (3, n),
            Site::Map(n) => (4, n),
            Site::Scalar(n) => (5, n),
            Site::Probe(n) => (6, n),
            Site::Format(n) => (7, n),
            Site::Regex(n) => (8, n),
            Site::Relocation(n) => (9, n),
        }
    }

    /// From what the device interface reported.
    pub const fn from_raw(kind: u32, n: u32) -> Option<Site> {
        Some(match kind {
            0 => Site::Image,
            1 => Site::Insn(n),
            2 => Site::String(n),
            3 => Site::Function(n),
            4 => Site::Map(n),
            5 => Site::Scalar(n),
            6 => Site::Probe(n),
            7 => Site::Format(n),
            8 => Site::Regex(n),
            9 => Site::Relocation(n),
            _ => return None,
        })
    }
}

impl core::fmt::Display for Site {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Site::Image => write!(f, "the image"),
            Site::Insn(n) => write!(f, "instruction {n}"),
            Site::String(n) => write!(f, "string {n}"),
            Site::Function(n) => write!(f, "function {n}"),
            Site::Map(n) => write!(f, "map {n}"),
            Site::Scalar(n) => write!(f, "scalar {n}"),
            Site::Probe(n) => write!(f, "probe {n}"),
            Site::Format(n) => write!(f, "format {n}"),
            Site::Regex(n) => write!(f, "regular expression {n}"),
            Site::Relocation(n) => write!(f, "relocation {n}"),
        }
    }
}

/// Why a program was refused: the rule, the place and the value that broke it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reject {
    /// The rule.
    pub rule: Rule,
    /// Where.
    pub site: Site,
    /// The offending value.
    pub value: u64,
}

impl core::fmt::Display for Reject {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Reject { rule, site, value } = self;
        write!(f, "{site}: {} (rule {}, value {value:#x})", rule.text(), *rule as u32)
    }
}

impl core::error::Error for Reject {}

/// Why words are not a program that may run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerifyError {
    /// They are no image.
    Image(ImageError),
    /// They are, and it breaks a rule.
    Reject(Reject),
}

impl core::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            VerifyError::Image(error) => error.fmt(f),
            VerifyError::Reject(reject) => reject.fmt(f),
        }
    }
}

impl core::error::Error for VerifyError {}

/// Parses and verifies an image.
///
/// # Errors
/// [`VerifyError`] names what is wrong where.
pub fn verify(words: &[u64]) -> Result<Verified<'_>, VerifyError> {
    let image = Image::parse(words).map_err(VerifyError::Image)?;
    check(&image).map_err(VerifyError::Reject)?;
    Ok(Verified { image })
}

fn check(image: &Image<'_>) -> Result<(), Reject> {
    tables::check(image)?;
    code::check(image)
}

const fn reject<T>(rule: Rule, site: Site, value: u64) -> Result<T, Reject> {
    Err(Reject { rule, site, value })
}

/// `Ok` if `holds`, else the refusal.
const fn ensure(holds: bool, rule: Rule, site: Site, value: u64) -> Result<(), Reject> {
    if holds { Ok(()) } else { reject(rule, site, value) }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The kinds of BTF types, and how each is laid out.

use super::{Btf, u32_at};

/// A member of a struct or union.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member<'b> {
    /// Its name; empty for an anonymous struct or union.
    pub name: &'b str,
    /// Its type.
    pub type_id: u32,
    /// Bits from the start.
    pub bit_offset: u32,
    /// Bits of a bit field; 0 for any other member.
    pub bit_size: u32,
}

/// The members of a struct or union: large ones have hundreds, of which one is wanted.
#[derive(Clone, Copy)]
pub struct Members<'b> {
    btf: &'b Btf,
    /// Where the first one begins.
    at: usize,
    count: usize,
    bit_fields: bool,
}

/// Words of a member: its name, its type, its place.
const MEMBER_BYTES: usize = 12;

impl<'b> Members<'b> {
    /// All of them, each decoded when it comes.
    pub fn iter(self) -> impl Iterator<Item = Member<'b>> {
        self.places().map(move |at| self.decode(at))
    }

    /// The one of this name, which is not looked for in anonymous members.
    pub fn named(self, name: &str) -> Option<Member<'b>> {
        let is_named = |at: &usize| {
            let offset = u32_at(&self.btf.bytes, *at).unwrap_or(0);
            self.btf.string_bytes(offset) == name.as_bytes()
        };
        self.places().find(is_named).map(|at| self.decode(at))
    }

    fn places(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |n| self.at + MEMBER_BYTES * n)
    }

    fn decode(self, at: usize) -> Member<'b> {
        let word = |n: usize| u32_at(&self.btf.bytes, at + 4 * n).unwrap_or(0);
        let place = word(2);
        // With the flag, the upper byte is the size of a bit field.
        let (bit_size, bit_offset) =
            if self.bit_fields { (place >> 24, place & 0xff_ffff) } else { (0, place) };
        Member { name: self.btf.string(word(0)), type_id: word(1), bit_offset, bit_size }
    }
}

impl PartialEq for Members<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Members<'_> {}

impl std::fmt::Debug for Members<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A parameter of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter<'b> {
    /// Its name; empty if it has none.
    pub name: &'b str,
    /// Its type; 0 in last place stands for `...`.
    pub type_id: u32,
}

/// A name of an enum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Enumerator<'b> {
    /// The name.
    pub name: &'b str,
    /// Its value.
    pub value: i64,
}

/// What a type is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind<'b> {
    /// No type.
    Void,
    /// A whole number.
    Integer {
        /// Bytes it takes.
        size: u32,
        /// Bits that count, from bit `offset` on.
        bits: u32,
        /// See `bits`: only old BTF describes bit fields so.
        offset: u32,
        /// With a sign.
        signed: bool,
        /// `char`, if the compiler says so; most do not.
        character: bool,
        /// `_Bool`.
        boolean: bool,
    },
    /// A pointer to a type; 0 for `void *`.
    Pointer(u32),
    /// An array.
    Array {
        /// Type of its elements.
        element: u32,
        /// Their number.
        count: u32,
    },
    /// A struct or union.
    Composite {
        /// Whether its members lie on top of each other.
        union: bool,
        /// Bytes.
        size: u32,
        /// Its members.
        members: Members<'b>,
    },
    /// An enum.
    Enum {
        /// Bytes.
        size: u32,
        /// Whether values may be negative.
        signed: bool,
        /// Its names.
        enumerators: Vec<Enumerator<'b>>,
    },
    /// A struct, union or enum of which only the name is known.
    Forward,
    /// Another name for a type.
    Typedef(u32),
    /// `const`, `volatile`, `restrict` or a tag on a type.
    Modifier(u32),
    /// A function; the type is a prototype.
    Function(u32),
    /// Parameters and what is returned.
    Prototype {
        /// Type of what is returned; 0 for nothing.
        returns: u32,
        /// Its parameters.
        parameters: Vec<Parameter<'b>>,
    },
    /// A global variable.
    Variable(u32),
    /// A floating-point number of so many bytes.
    Float(u32),
    /// A section of variables, or a tag on a declaration.
    Other,
}

pub(super) const INT: u8 = 1;
pub(super) const PTR: u8 = 2;
pub(super) const ARRAY: u8 = 3;
pub(super) const STRUCT: u8 = 4;
pub(super) const UNION: u8 = 5;
pub(super) const ENUM: u8 = 6;
pub(super) const FWD: u8 = 7;
pub(super) const TYPEDEF: u8 = 8;
pub(super) const VOLATILE: u8 = 9;
pub(super) const CONST: u8 = 10;
pub(super) const RESTRICT: u8 = 11;
pub(super) const FUNC: u8 = 12;
pub(super) const FUNC_PROTO: u8 = 13;
pub(super) const VAR: u8 = 14;
const DATASEC: u8 = 15;
pub(super) const FLOAT: u8 = 16;
const DECL_TAG: u8 = 17;
pub(super) const TYPE_TAG: u8 = 18;
pub(super) const ENUM64: u8 = 19;

/// The kind's number in a type's second word.
pub(super) fn number(info: u32) -> u8 {
    (info >> 24) as u8 & 0x1f
}

pub(super) fn is_function(info: u32) -> bool {
    number(info) == FUNC
}

pub(super) fn qualifier(info: u32) -> &'static str {
    match number(info) {
        CONST => " const",
        VOLATILE => " volatile",
        RESTRICT => " restrict",
        _ => "",
    }
}

/// How many members, names or parameters there are.
fn count(info: u32) -> usize {
    (info & 0xffff) as usize
}

fn flag(info: u32) -> bool {
    info >> 31 != 0
}

/// Bytes that follow a type's three words; `None` for an unknown kind.
pub(super) fn extra_bytes(info: u32) -> Option<usize> {
    Some(match number(info) {
        INT | VAR | DECL_TAG => 4,
        ARRAY => 12,
        STRUCT | UNION => MEMBER_BYTES * count(info),
        DATASEC | ENUM64 => 12 * count(info),
        ENUM | FUNC_PROTO => 8 * count(info),
        PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => 0,
        _ => return None,
    })
}

/// Decodes a type of which `word` is the third word, and what follows begins at `rest`.
pub(super) fn decode(btf: &Btf, info: u32, word: u32, rest: usize) -> Kind<'_> {
    let at = |n: usize| u32_at(&btf.bytes, rest + 4 * n).unwrap_or(0);
    let each = 0..count(info);
    match number(info) {
        INT => {
            let encoding = at(0) >> 24;
            Kind::Integer {
                size: word,
                bits: at(0) & 0xff,
                offset: at(0) >> 16 & 0xff,
                signed: encoding & 1 != 0,
                character: encoding & 2 != 0,
                boolean: encoding & 4 != 0,
            }
        }
        PTR => Kind::Pointer(word),
        ARRAY => Kind::Array { element: at(0), count: at(2) },
        STRUCT | UNION => {
            let members = Members { btf, at: rest, count: count(info), bit_fields: flag(info) };
            Kind::Composite { union: number(info) == UNION, size: word, members }
        }
        ENUM => {
            let enumerator = |n: usize| {
                let value = at(2 * n + 1);
                let value = if flag(info) { i64::from(value as i32) } else { value.into() };
                Enumerator { name: btf.string(at(2 * n)), value }
            };
            // Before the flag existed, values were taken as signed.
            Kind::Enum {
                size: word,
                signed: flag(info),
                enumerators: each.map(enumerator).collect(),
            }
        }
        ENUM64 => {
            let enumerator = |n: usize| {
                let value = u64::from(at(3 * n + 1)) | u64::from(at(3 * n + 2)) << 32;
                Enumerator { name: btf.string(at(3 * n)), value: value as i64 }
            };
            Kind::Enum {
                size: word,
                signed: flag(info),
                enumerators: each.map(enumerator).collect(),
            }
        }
        FWD => Kind::Forward,
        TYPEDEF => Kind::Typedef(word),
        VOLATILE | CONST | RESTRICT | TYPE_TAG => Kind::Modifier(word),
        FUNC => Kind::Function(word),
        FUNC_PROTO => {
            let parameter =
                |n: usize| Parameter { name: btf.string(at(2 * n)), type_id: at(2 * n + 1) };
            Kind::Prototype { returns: word, parameters: each.map(parameter).collect() }
        }
        VAR => Kind::Variable(word),
        FLOAT => Kind::Float(word),
        _ => Kind::Other,
    }
}

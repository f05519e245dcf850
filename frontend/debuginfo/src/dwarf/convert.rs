// SPDX-License-Identifier: GPL-2.0-or-later
//! Types of the symbols as BTF on top of the kernel's: what has a name and is the same there
//! is the kernel's own, so that little is left to be made.

use super::Reading;
use super::unit::{Entry, Reader, is_signed};
use crate::btf::build::Builder;
use crate::btf::{Btf, Kind};
use crate::ty::Type;
use gimli::{AttributeValue, DwTag, constants};
use std::collections::HashMap;
use std::sync::Arc;

/// Types that one type may need.
const MAX_TYPES: usize = 200_000;

/// A type before it has been written: the numbers of others are those they will have.
enum Made {
    /// Nothing, or something that cannot be had.
    Void,
    Integer {
        name: String,
        bytes: u32,
        signed: bool,
    },
    Pointer(u32),
    Constant(u32),
    Volatile(u32),
    Restricted(u32),
    Typedef {
        name: String,
        of: u32,
    },
    Array {
        element: u32,
        count: u32,
    },
    Composite {
        union: bool,
        name: String,
        bytes: u32,
        members: Vec<(String, u32, u32, u32)>,
    },
    Enumeration {
        name: String,
        values: Vec<(String, i64)>,
        bytes: u32,
    },
    Forward(String),
    Function {
        returns: u32,
        parameters: Vec<u32>,
    },
}

struct Converter<'r, 'a> {
    reader: &'r Reader<'a>,
    base: Option<&'r Arc<Btf>>,
    first: u32,
    /// Numbers of entries.
    numbers: HashMap<usize, u32>,
    made: Vec<Made>,
    /// Entries whose types are still to be made, with their places in `made`.
    waiting: Vec<(usize, usize)>,
}

/// The type at an entry of the reader's unit.
pub(super) fn convert(reader: &Reader<'_>, entry: usize, base: Option<&Arc<Btf>>) -> Reading<Type> {
    let mut builder = base.map_or_else(Builder::default, |base| Builder::on(base));
    let first = builder.next_number();
    let mut converter = Converter {
        reader,
        base,
        first,
        numbers: HashMap::new(),
        made: Vec::new(),
        waiting: Vec::new(),
    };
    let id = converter.number(Some(entry))?;
    while let Some((entry, at)) = converter.waiting.pop() {
        let made = converter.make(entry)?;
        if let Some(slot) = converter.made.get_mut(at) {
            *slot = made;
        }
        if converter.made.len() > MAX_TYPES {
            return Err(gimli::Error::TooManyRegisterRules);
        }
    }
    for made in &converter.made {
        write(&mut builder, made);
    }
    let btf = Btf::new(builder.finish(), base.map(Arc::clone));
    // What the builder writes can be read, unless it is larger than BTF can be.
    let btf = btf.map_err(|_| gimli::Error::TooManyRegisterRules)?;
    Ok(Type::new(Arc::new(btf), id))
}

impl<'a> Converter<'_, 'a> {
    /// The number of the type at an entry; 0 is void.
    fn number(&mut self, entry: Option<usize>) -> Reading<u32> {
        let Some(at) = entry else { return Ok(0) };
        if let Some(number) = self.numbers.get(&at) {
            return Ok(*number);
        }
        let own = self.reader.entry(at)?;
        let number = match self.of_base(&own) {
            Some(number) => number,
            None => {
                let number = self.first.saturating_add(self.made.len() as u32);
                self.waiting.push((at, self.made.len()));
                self.made.push(Made::Void);
                number
            }
        };
        self.numbers.insert(at, number);
        Ok(number)
    }

    fn next(&mut self, made: Made) -> u32 {
        self.made.push(made);
        self.first.saturating_add(self.made.len() as u32 - 1)
    }

    /// The kernel's own type of the same kind, name and size.
    fn of_base(&self, entry: &Entry<'a>) -> Option<u32> {
        let base = self.base?;
        let name = self.text(entry);
        if name.is_empty() {
            return None;
        }
        let size = entry.attr_value(constants::DW_AT_byte_size).and_then(|v| v.udata_value());
        let is_declaration = entry.has_attr(constants::DW_AT_declaration);
        let has_size =
            |bytes: u32| size == Some(bytes.into()) || (size.is_none() && is_declaration);
        let is_same = |id: &u32| match (base.kind(*id), entry.tag()) {
            (Kind::Composite { union: false, size, .. }, constants::DW_TAG_structure_type)
            | (Kind::Composite { union: true, size, .. }, constants::DW_TAG_union_type)
            | (Kind::Enum { size, .. }, constants::DW_TAG_enumeration_type)
            | (Kind::Integer { size, .. }, constants::DW_TAG_base_type) => has_size(size),
            (Kind::Typedef(_), constants::DW_TAG_typedef) => true,
            _ => false,
        };
        base.named(&name).into_iter().find(is_same)
    }

    fn text(&self, entry: &Entry<'a>) -> String {
        self.reader.text(entry.attr_value(constants::DW_AT_name)).unwrap_or_default()
    }

    fn inner(&mut self, entry: &Entry<'a>) -> Reading<u32> {
        let ty = self.reader.reference(entry.attr_value(constants::DW_AT_type));
        self.number(ty)
    }

    fn make(&mut self, at: usize) -> Reading<Made> {
        let entry = self.reader.entry(at)?;
        let name = self.text(&entry);
        let bytes = entry
            .attr_value(constants::DW_AT_byte_size)
            .and_then(|value| u32::try_from(value.udata_value()?).ok());
        Ok(match entry.tag() {
            constants::DW_TAG_base_type => self.number_type(&entry, name, bytes.unwrap_or(0)),
            constants::DW_TAG_pointer_type | constants::DW_TAG_reference_type => {
                Made::Pointer(self.inner(&entry)?)
            }
            constants::DW_TAG_const_type => Made::Constant(self.inner(&entry)?),
            constants::DW_TAG_volatile_type | constants::DW_TAG_atomic_type => {
                Made::Volatile(self.inner(&entry)?)
            }
            constants::DW_TAG_restrict_type => Made::Restricted(self.inner(&entry)?),
            constants::DW_TAG_typedef => Made::Typedef { name, of: self.inner(&entry)? },
            constants::DW_TAG_array_type => self.array(at, &entry)?,
            constants::DW_TAG_structure_type | constants::DW_TAG_union_type
                if entry.has_attr(constants::DW_AT_declaration) =>
            {
                Made::Forward(name)
            }
            constants::DW_TAG_structure_type | constants::DW_TAG_union_type => {
                let union = entry.tag() == constants::DW_TAG_union_type;
                let members = self.members(at)?;
                Made::Composite { union, name, bytes: bytes.unwrap_or(0), members }
            }
            constants::DW_TAG_enumeration_type => {
                Made::Enumeration { name, values: self.values(at)?, bytes: bytes.unwrap_or(4) }
            }
            constants::DW_TAG_subroutine_type => {
                let mut parameters = Vec::new();
                for child in self.children(at, constants::DW_TAG_formal_parameter)? {
                    parameters.push(self.inner(&self.reader.entry(child)?)?);
                }
                // More that are not declared are a parameter of no type.
                if !self.children(at, constants::DW_TAG_unspecified_parameters)?.is_empty() {
                    parameters.push(0);
                }
                Made::Function { returns: self.inner(&entry)?, parameters }
            }
            _ => Made::Void,
        })
    }

    fn number_type(&self, entry: &Entry<'a>, name: String, bytes: u32) -> Made {
        let encoding = match entry.attr_value(constants::DW_AT_encoding) {
            Some(AttributeValue::Encoding(encoding)) => encoding,
            _ => constants::DW_ATE_unsigned,
        };
        match is_signed(encoding) {
            Some(signed) => Made::Integer { name, bytes, signed },
            // Something of that size that nobody can look into.
            None => Made::Composite { union: false, name, bytes, members: Vec::new() },
        }
    }

    /// The children of an entry that have a tag.
    fn children(&self, at: usize, tag: DwTag) -> Reading<Vec<usize>> {
        let within = at.saturating_sub(self.reader.offset);
        let mut tree = self.reader.unit.entries_tree(Some(gimli::UnitOffset(within)))?;
        let mut children = tree.root()?.children();
        let mut found = Vec::new();
        while let Some(child) = children.next()? {
            if child.entry().tag() == tag {
                found.push(self.reader.offset.saturating_add(child.entry().offset().0));
            }
        }
        Ok(found)
    }

    fn members(&mut self, at: usize) -> Reading<Vec<(String, u32, u32, u32)>> {
        let mut members = Vec::new();
        for child in self.children(at, constants::DW_TAG_member)? {
            let entry = self.reader.entry(child)?;
            let ty = self.inner(&entry)?;
            let number = |name| entry.attr_value(name).and_then(|value| value.udata_value());
            let bit_size = number(constants::DW_AT_bit_size).unwrap_or(0);
            let start = number(constants::DW_AT_data_member_location).unwrap_or(0);
            let bits = start.wrapping_mul(8);
            let place = match (
                number(constants::DW_AT_data_bit_offset),
                number(constants::DW_AT_bit_offset),
            ) {
                (Some(offset), _) => bits.wrapping_add(offset),
                // As DWARF 3 has it: from the most significant bit of a unit of storage.
                (None, Some(above)) => {
                    let unit = number(constants::DW_AT_byte_size).unwrap_or(4).wrapping_mul(8);
                    bits.wrapping_add(unit).wrapping_sub(above).wrapping_sub(bit_size)
                }
                (None, None) => bits,
            };
            // BTF has no room for what lies further.
            let Ok(place) = u32::try_from(place) else { continue };
            members.push((self.text(&entry), ty, place, bit_size.min(255) as u32));
        }
        Ok(members)
    }

    fn values(&self, at: usize) -> Reading<Vec<(String, i64)>> {
        let mut values = Vec::new();
        for child in self.children(at, constants::DW_TAG_enumerator)? {
            let entry = self.reader.entry(child)?;
            let value = entry.attr_value(constants::DW_AT_const_value);
            let value = value.and_then(|value| {
                value.sdata_value().or_else(|| value.udata_value().map(u64::cast_signed))
            });
            values.push((self.text(&entry), value.unwrap_or(0)));
        }
        Ok(values)
    }

    /// An array of arrays has a range for each dimension.
    fn array(&mut self, at: usize, entry: &Entry<'a>) -> Reading<Made> {
        let mut counts = Vec::new();
        for child in self.children(at, constants::DW_TAG_subrange_type)? {
            let range = self.reader.entry(child)?;
            let number = |name| range.attr_value(name).and_then(|value| value.udata_value());
            let count = number(constants::DW_AT_count)
                .or_else(|| number(constants::DW_AT_upper_bound).map(|last| last.wrapping_add(1)));
            counts.push(u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX));
        }
        let mut element = self.inner(entry)?;
        let outer = if counts.is_empty() { 0 } else { counts.remove(0) };
        for count in counts.into_iter().rev() {
            element = self.next(Made::Array { element, count });
        }
        Ok(Made::Array { element, count: outer })
    }
}

fn write(builder: &mut Builder, made: &Made) {
    match made {
        Made::Void => builder.typedef("void", 0),
        Made::Integer { name, bytes, signed } => {
            let bytes = if matches!(bytes, 1 | 2 | 4 | 8 | 16) { *bytes } else { 8 };
            builder.integer(name, bytes, *signed)
        }
        Made::Pointer(to) => builder.pointer(*to),
        Made::Constant(of) => builder.constant(*of),
        Made::Volatile(of) => builder.volatile(*of),
        Made::Restricted(of) => builder.restricted(*of),
        Made::Typedef { name, of } => builder.typedef(name, *of),
        Made::Array { element, count } => builder.array(*element, *count),
        Made::Composite { union, name, bytes, members } => {
            // BTF counts members with 16 bits.
            let members: Vec<(&str, u32, u32, u32)> = members
                .iter()
                .take(usize::from(u16::MAX))
                .map(|(name, ty, place, bits)| (name.as_str(), *ty, *place, *bits))
                .collect();
            match union {
                true => builder.union(name, *bytes, &members),
                false => builder.structure(name, *bytes, &members),
            }
        }
        Made::Enumeration { name, values, bytes } => {
            let values = || values.iter().take(usize::from(u16::MAX));
            if *bytes == 8 {
                let values: Vec<(&str, u64)> =
                    values().map(|(name, value)| (name.as_str(), value.cast_unsigned())).collect();
                builder.enumeration64(name, &values);
                return;
            }
            let values: Vec<(&str, i32)> =
                values().map(|(name, value)| (name.as_str(), *value as i32)).collect();
            builder.enumeration_of(name, *bytes, &values)
        }
        Made::Forward(name) => builder.forward(name),
        Made::Function { returns, parameters } => {
            let parameters: Vec<(&str, u32)> =
                parameters.iter().take(usize::from(u16::MAX)).map(|ty| ("", *ty)).collect();
            builder.prototype(*returns, &parameters)
        }
    };
}

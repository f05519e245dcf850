// SPDX-License-Identifier: GPL-2.0-or-later
//! One type.

use crate::btf::{Btf, Kind, Member};
use std::cell::Cell;
use std::sync::Arc;
use vm_spec::image::Width;

/// Typedefs of typedefs, structs in structs: what is deeper is damage.
const MAX_DEPTH: usize = 64;
/// Types within a struct of 16 bytes.
const MAX_PARTS: u32 = 200;
/// Anonymous structs and unions within each other.
const MAX_ANONYMOUS_DEPTH: usize = 16;

/// A type of some BTF.
#[derive(Clone, Debug)]
pub struct Type {
    btf: Arc<Btf>,
    id: u32,
}

impl PartialEq for Type {
    fn eq(&self, other: &Type) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.btf, &other.btf)
    }
}

/// What can be done with a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Nothing.
    Void,
    /// A number that a load gives.
    Integer {
        /// Its width and sign.
        width: Width,
        /// A `char` of either sign.
        character: bool,
    },
    /// A number that has names.
    Enum {
        /// Its width and sign.
        width: Width,
    },
    /// An address.
    Pointer,
    /// So many elements.
    Array {
        /// Their number.
        count: u32,
    },
    /// A struct or a union.
    Composite {
        /// Whether it is a union.
        union: bool,
    },
    /// Code.
    Function,
    /// A floating-point number.
    Float,
    /// A number of an unusual size.
    Wide,
    /// Only its name is known.
    Incomplete,
}

/// How the numbers in a struct lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    /// Each at a multiple of its size.
    Aligned,
    /// Some elsewhere.
    Packed,
}

/// A member where it was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// Its type.
    pub ty: Type,
    /// Bits from the start of the struct that was asked.
    pub bit_offset: u64,
    /// Bits of a bit field; 0 for any other member.
    pub bit_size: u32,
}

/// A member with its name, in the order of the struct.
#[derive(Clone, PartialEq, Debug)]
pub struct Field {
    /// Its name; empty for an anonymous struct or union.
    pub name: String,
    /// Where and what it is.
    pub found: Found,
}

impl Type {
    pub(crate) fn new(btf: Arc<Btf>, id: u32) -> Type {
        Type { btf, id }
    }

    fn with(&self, id: u32) -> Type {
        Type { btf: Arc::clone(&self.btf), id }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn kind(&self) -> Kind<'_> {
        self.btf.kind(self.id)
    }

    /// Its name; empty for what has none.
    pub fn name(&self) -> &str {
        self.btf.name(self.id)
    }

    /// The type behind typedefs, `const` and their like.
    #[must_use]
    pub fn bare(&self) -> Type {
        let mut ty = self.clone();
        for _ in 0..MAX_DEPTH {
            match ty.kind() {
                Kind::Typedef(inner) | Kind::Modifier(inner) => ty.id = inner,
                _ => break,
            }
        }
        ty
    }

    /// What can be done with it.
    pub fn shape(&self) -> Shape {
        let bare = self.bare();
        match bare.kind() {
            Kind::Void => Shape::Void,
            Kind::Integer { size, signed, character, .. } => match width(size, signed) {
                // Compilers do not mark char as such: its name tells.
                Some(width) => {
                    let character = character || (size == 1 && bare.name().ends_with("char"));
                    Shape::Integer { width, character }
                }
                None => Shape::Wide,
            },
            Kind::Enum { size, signed, .. } => match width(size, signed) {
                Some(width) => Shape::Enum { width },
                None => Shape::Wide,
            },
            Kind::Pointer(_) => Shape::Pointer,
            Kind::Array { count, .. } => Shape::Array { count },
            Kind::Composite { union, .. } => Shape::Composite { union },
            Kind::Function(_) | Kind::Prototype { .. } => Shape::Function,
            Kind::Float(_) => Shape::Float,
            Kind::Variable(inner) => bare.with(inner).shape(),
            Kind::Forward | Kind::Typedef(_) | Kind::Modifier(_) | Kind::Other => Shape::Incomplete,
        }
    }

    /// The width that a load of it has, if it is a number or an address.
    pub fn width(&self) -> Option<Width> {
        match self.shape() {
            Shape::Integer { width, .. } | Shape::Enum { width } => Some(width),
            Shape::Pointer => Some(Width::U64),
            _ => None,
        }
    }

    /// Is it a number with a sign?
    pub fn is_signed(&self) -> bool {
        let bare = self.bare();
        matches!(bare.kind(), Kind::Integer { signed: true, .. } | Kind::Enum { signed: true, .. })
    }

    /// What a pointer points to.
    pub fn pointee(&self) -> Option<Type> {
        let bare = self.bare();
        match bare.kind() {
            Kind::Pointer(inner) => Some(bare.with(inner)),
            _ => None,
        }
    }

    /// The type of an array's elements.
    pub fn element(&self) -> Option<Type> {
        let bare = self.bare();
        match bare.kind() {
            Kind::Array { element, .. } => Some(bare.with(element)),
            _ => None,
        }
    }

    /// The struct that a forward declaration means, if another type has its name.
    #[must_use]
    pub fn complete(&self) -> Type {
        let bare = self.bare();
        if bare.kind() != Kind::Forward {
            return bare;
        }
        let complete = |id: &u32| matches!(self.btf.kind(*id), Kind::Composite { .. });
        let found = self.btf.named(bare.name()).into_iter().find(complete);
        found.map_or(bare.clone(), |id| self.with(id))
    }

    /// Bytes that it takes; `None` if that cannot be said.
    pub fn size(&self) -> Option<u64> {
        self.size_within(MAX_DEPTH)
    }

    fn size_within(&self, depth: usize) -> Option<u64> {
        let bare = self.complete();
        match bare.kind() {
            Kind::Integer { size, .. }
            | Kind::Enum { size, .. }
            | Kind::Float(size)
            | Kind::Composite { size, .. } => Some(size.into()),
            Kind::Pointer(_) => Some(8),
            Kind::Array { element, count } => {
                let each = bare.with(element).size_within(depth.checked_sub(1)?)?;
                each.checked_mul(count.into())
            }
            Kind::Variable(inner) => bare.with(inner).size_within(depth.checked_sub(1)?),
            _ => None,
        }
    }

    /// How the numbers in it lie; `None` if some are no integers or addresses, or there are
    /// more than could be in what registers hold.
    pub(crate) fn layout(&self) -> Option<Layout> {
        self.layout_at(0, MAX_ANONYMOUS_DEPTH, &Budget(Cell::new(MAX_PARTS)))
    }

    /// The same, of something at this bit.
    fn layout_at(&self, at: u64, depth: usize, budget: &Budget) -> Option<Layout> {
        budget.pay()?;
        let depth = depth.checked_sub(1)?;
        match self.shape() {
            Shape::Integer { .. } | Shape::Enum { .. } | Shape::Pointer | Shape::Wide => {
                let aligned = at.is_multiple_of(8 * self.size()?.max(1));
                Some(if aligned { Layout::Aligned } else { Layout::Packed })
            }
            // The others lie like the first or the second.
            Shape::Array { count } => {
                let element = self.element()?;
                let mut all = Layout::Aligned;
                for n in 0..u64::from(count.min(2)) {
                    let bits = element.size()?.checked_mul(8 * n)?;
                    let one = element.layout_at(at.checked_add(bits)?, depth, budget)?;
                    all = if one == Layout::Packed { one } else { all };
                }
                Some(all)
            }
            Shape::Composite { .. } => {
                let bare = self.complete();
                let Kind::Composite { members, .. } = bare.kind() else { return None };
                let mut all = Layout::Aligned;
                for member in members.iter() {
                    budget.pay()?;
                    let found = bare.place_of(&member);
                    if found.bit_size > 0 {
                        continue;
                    }
                    let at = at.checked_add(found.bit_offset)?;
                    let one = found.ty.layout_at(at, depth, budget)?;
                    all = if one == Layout::Packed { one } else { all };
                }
                Some(all)
            }
            _ => None,
        }
    }

    /// The members of a struct or union, anonymous ones as they stand; empty for any
    /// other type.
    pub fn fields(&self) -> Vec<Field> {
        let bare = self.complete();
        let Kind::Composite { members, .. } = bare.kind() else { return Vec::new() };
        let field = |member: Member<'_>| Field {
            name: member.name.to_owned(),
            found: bare.place_of(&member),
        };
        members.iter().map(field).collect()
    }

    /// Where a member of it is.
    fn place_of(&self, member: &Member<'_>) -> Found {
        let ty = self.with(member.type_id);
        // Old BTF has the size of a bit field in a type of its own.
        let (mut bit_size, mut bit_offset) = (member.bit_size, u64::from(member.bit_offset));
        if bit_size == 0
            && let Kind::Integer { size, bits, offset, .. } = ty.bare().kind()
            && u64::from(bits) < 8 * u64::from(size)
            && bits > 0
            && ty.name() != "_Bool"
        {
            bit_size = bits;
            bit_offset += u64::from(offset);
        }
        Found { ty, bit_offset, bit_size }
    }

    /// The member of this name, in anonymous members as well.
    pub fn member(&self, name: &str) -> Option<Found> {
        self.member_within(name, MAX_ANONYMOUS_DEPTH, &Budget::default())
    }

    fn member_within(&self, name: &str, depth: usize, budget: &Budget) -> Option<Found> {
        budget.pay()?;
        let bare = self.complete();
        let Kind::Composite { members, .. } = bare.kind() else { return None };
        if let Some(member) = members.named(name) {
            return Some(bare.place_of(&member));
        }
        let depth = depth.checked_sub(1)?;
        members.iter().filter(|member| member.name.is_empty()).find_map(|member| {
            let mut found = bare.with(member.type_id).member_within(name, depth, budget)?;
            found.bit_offset += u64::from(member.bit_offset);
            Some(found)
        })
    }

    /// Names of all members, those of anonymous ones among them.
    pub fn member_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let _ = self.gather_names(&mut names, MAX_ANONYMOUS_DEPTH, &Budget::default());
        names
    }

    /// `None` if there are too many.
    fn gather_names(&self, names: &mut Vec<String>, depth: usize, budget: &Budget) -> Option<()> {
        budget.pay()?;
        for field in self.fields() {
            if !field.name.is_empty() {
                names.push(field.name);
            } else if let Some(depth) = depth.checked_sub(1) {
                field.found.ty.gather_names(names, depth, budget)?;
            }
        }
        Some(())
    }

    /// The value of an enum's name.
    pub fn enumerator(&self, name: &str) -> Option<i64> {
        let bare = self.bare();
        let Kind::Enum { enumerators, .. } = bare.kind() else { return None };
        enumerators.iter().find(|e| e.name == name).map(|e| e.value)
    }

    /// The names of an enum with their values.
    pub fn enumerators(&self) -> Vec<(String, i64)> {
        let bare = self.bare();
        let Kind::Enum { enumerators, .. } = bare.kind() else { return Vec::new() };
        enumerators.iter().map(|e| (e.name.to_owned(), e.value)).collect()
    }

    /// The type as C would have it, in the order that SystemTap prints: `struct file*`,
    /// `char const*`.
    pub fn text(&self) -> String {
        self.text_within(MAX_DEPTH, &Budget::default())
    }

    fn text_within(&self, depth: usize, budget: &Budget) -> String {
        let Some(depth) = depth.checked_sub(1).filter(|_| budget.pay().is_some()) else {
            return "?".to_owned();
        };
        let inner = |id: u32| self.with(id).text_within(depth, budget);
        let named = |what: &str| match self.name() {
            "" => format!("{what} {{...}}"),
            name => format!("{what} {name}"),
        };
        match self.kind() {
            Kind::Void => "void".to_owned(),
            Kind::Pointer(to) => match self.with(to).kind() {
                Kind::Prototype { returns, parameters } => {
                    let parameters: Vec<String> =
                        parameters.iter().map(|parameter| inner(parameter.type_id)).collect();
                    format!("{} (*)({})", inner(returns), parameters.join(", "))
                }
                _ => format!("{}*", inner(to)),
            },
            Kind::Array { element, count } => format!("{}[{count}]", inner(element)),
            Kind::Composite { union: true, .. } => named("union"),
            Kind::Composite { .. } | Kind::Forward => named("struct"),
            Kind::Enum { .. } => named("enum"),
            Kind::Modifier(of) => format!("{}{}", inner(of), self.qualifier()),
            Kind::Prototype { .. } | Kind::Function(_) => "function".to_owned(),
            Kind::Variable(of) => inner(of),
            _ => self.name().to_owned(),
        }
    }

    fn qualifier(&self) -> &'static str {
        self.btf.qualifier(self.id)
    }
}

/// How many types one question may look at: damaged type information may have structs
/// that hold themselves, and then the ways through them are without number.
struct Budget(Cell<u32>);

impl Default for Budget {
    fn default() -> Budget {
        Budget(Cell::new(20_000))
    }
}

impl Budget {
    fn pay(&self) -> Option<()> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(())
    }
}

fn width(size: u32, signed: bool) -> Option<Width> {
    Some(match (size, signed) {
        (1, false) => Width::U8,
        (2, false) => Width::U16,
        (4, false) => Width::U32,
        (1, true) => Width::I8,
        (2, true) => Width::I16,
        (4, true) => Width::I32,
        (8, _) => Width::U64,
        _ => return None,
    })
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! A way through types, walked on a kernel at hand: the answers to relocations.

use crate::function::{Argument, Class, Place};
use crate::near::alternatives;
use crate::ty::{Shape, Type};
use crate::types::{Types, TypesError};
use vm_spec::image::Width;
use vm_spec::relocation::{Path, Placed, Question, Relocation, Root, Step};

/// Why a path leads nowhere.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PathError {
    /// There are no types to walk through.
    #[error(transparent)]
    Types(#[from] TypesError),
    /// No type has the name.
    #[error("type definition '{name}' not found in {where_}")]
    NoType {
        /// The name.
        name: String,
        /// Of which kernel or module.
        where_: String,
    },
    /// No function has the name.
    #[error(
        "no type information about function '{function}' in {where_}: it does not exist there, or the compiler changed how it is called"
    )]
    NoFunction {
        /// The name.
        function: String,
        /// Of which kernel or module.
        where_: String,
    },
    /// Functions of this name take different arguments.
    #[error("several functions are named '{0}', and they take different arguments")]
    AmbiguousFunction(String),
    /// The function has no such parameter.
    #[error("unable to find local '{name}' in function {function}{alternatives}")]
    NoParameter {
        /// The parameter.
        name: String,
        /// The function.
        function: String,
        /// What it has instead.
        alternatives: String,
    },
    /// No tracepoint has the name.
    #[error("no type information about tracepoint '{0}'")]
    NoTracepoint(String),
    /// The tracepoint has no such argument.
    #[error("unable to find tracepoint variable '{name}' of {tracepoint}{alternatives}")]
    NoTraceArgument {
        /// The argument.
        name: String,
        /// The tracepoint.
        tracepoint: String,
        /// What it has instead.
        alternatives: String,
    },
    /// The variable's type is not known.
    #[error("the type of variable '{0}' is not known: BTF does not tell it")]
    NoVariable(String),
    /// The function returns nothing.
    #[error("function {0} does not return a value")]
    ReturnsNothing(String),
    /// The struct has no such member.
    #[error("unable to find member '{name}' for {ty}{alternatives}")]
    NoMember {
        /// The member.
        name: String,
        /// The struct.
        ty: String,
        /// What it has instead.
        alternatives: String,
    },
    /// Only the name of the struct is known.
    #[error("unresolved declaration of {0}: nothing is known of its members")]
    Incomplete(String),
    /// A member of something that has none.
    #[error("invalid access '->{name}' for {ty}: not a struct or union")]
    NotComposite {
        /// The member.
        name: String,
        /// The type.
        ty: String,
    },
    /// An index of something that has no elements.
    #[error("invalid access '[]' for {0}: not an array or pointer")]
    NotArray(String),
    /// A pointer was wanted.
    #[error("cannot dereference a value of type {0}")]
    NotPointer(String),
    /// A number or address was wanted.
    #[error("'{ty}' is being accessed instead of a member")]
    NotScalar {
        /// The type.
        ty: String,
    },
    /// Nobody can tell where the argument is.
    #[error(
        "where argument '{name}' of {function} is passed cannot be told: its type {ty}, or that of one before it, is a floating-point number, an unusually aligned or empty struct, or unknown"
    )]
    Unplaced {
        /// The parameter.
        name: String,
        /// The function.
        function: String,
        /// Its type.
        ty: String,
    },
    /// The argument is in another kind of place than the program looks at.
    #[error("{what} is passed {place} here, which is not where the program looks for it")]
    Elsewhere {
        /// What is looked for.
        what: String,
        /// Where it is.
        place: &'static str,
    },
    /// A struct by value where there should be none, or more of it than can be seen.
    #[error(
        "'{name}' of {function} is a {ty} passed by value in {place}, which cannot be read here"
    )]
    ByValue {
        /// The parameter.
        name: String,
        /// The function.
        function: String,
        /// Its type.
        ty: String,
        /// Where it is.
        place: &'static str,
    },
    /// Something is unusual about sizes.
    #[error("the size of {0} is not known or cannot be handled")]
    Size(String),
    /// The enum has no such name.
    #[error("{ty} has no enumerator '{name}'{alternatives}")]
    NoEnumerator {
        /// The name.
        name: String,
        /// The enum.
        ty: String,
        /// What it has instead.
        alternatives: String,
    },
    /// Only debug symbols tell of it, and they are not asked where programs run.
    #[error("only debug symbols tell of {0}")]
    OnlySymbols(String),
    /// The question does not fit the path: the program is damaged.
    #[error("a relocation makes no sense: {0}")]
    Nonsense(String),
}

/// What offsets count from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// An address.
    Memory,
    /// Words that are passed: this argument or argument register, and those behind it.
    Words(u8),
    /// The stack pointer at the function's entry.
    Stack,
}

/// Where a path leads.
#[derive(Clone, PartialEq, Debug)]
pub struct Walk {
    /// The type there.
    pub ty: Type,
    /// Bits from where offsets count.
    pub bit_offset: u64,
    /// Bits of a bit field; 0 for anything else.
    pub bit_size: u32,
    /// Where offsets count from.
    pub base: Base,
}

impl Walk {
    /// At the start of something of this type.
    pub fn at(ty: Type) -> Walk {
        Walk { ty, bit_offset: 0, bit_size: 0, base: Base::Memory }
    }

    /// One step on.
    ///
    /// # Errors
    /// [`PathError`] if there is no such way.
    pub fn step(&self, step: &Step) -> Result<Walk, PathError> {
        match step {
            Step::Member(name) => self.member(name),
            Step::Element(n) => {
                let element = self.element()?;
                let size = element.size().ok_or_else(|| PathError::Size(element.text()))?;
                let bits = size.checked_mul(8).and_then(|bits| bits.checked_mul(*n));
                let bit_offset = bits.and_then(|bits| bits.checked_add(self.bit_offset));
                let bit_offset = bit_offset.ok_or_else(|| PathError::Size(self.ty.text()))?;
                Ok(Walk { bit_offset, base: self.base, ..Walk::at(element) })
            }
            Step::AnyElement => self.element().map(Walk::at),
            Step::Dereference => match self.ty.pointee() {
                Some(pointee) => Ok(Walk::at(pointee)),
                None => Err(PathError::NotPointer(self.ty.text())),
            },
        }
    }

    fn element(&self) -> Result<Type, PathError> {
        self.ty.element().ok_or_else(|| PathError::NotArray(self.ty.text()))
    }

    fn member(&self, name: &str) -> Result<Walk, PathError> {
        let ty = self.ty.complete();
        match ty.shape() {
            Shape::Composite { .. } => {}
            Shape::Incomplete => return Err(PathError::Incomplete(ty.text())),
            _ => return Err(PathError::NotComposite { name: name.to_owned(), ty: ty.text() }),
        }
        let Some(found) = ty.member(name) else {
            let names = ty.member_names();
            let alternatives = alternatives(name, names.iter().map(String::as_str));
            return Err(PathError::NoMember { name: name.to_owned(), ty: ty.text(), alternatives });
        };
        let bit_offset = self.bit_offset + found.bit_offset;
        Ok(Walk { ty: found.ty, bit_offset, bit_size: found.bit_size, base: self.base })
    }

    fn bytes(&self) -> Result<i32, PathError> {
        let bytes = self.bit_offset / 8;
        let whole = self.bit_offset.is_multiple_of(8);
        i32::try_from(bytes).ok().filter(|_| whole).ok_or_else(|| PathError::Size(self.ty.text()))
    }

    /// Bits of the number there.
    fn bits(&self) -> Result<u64, PathError> {
        if self.bit_size > 0 {
            return Ok(self.bit_size.into());
        }
        self.ty.size().map(|bytes| 8 * bytes).ok_or_else(|| PathError::Size(self.ty.text()))
    }

    /// The word that it is in, and its first bit there.
    fn within_words(&self, first: u8) -> Result<(i32, u64), PathError> {
        let (word, bit) = (self.bit_offset / 64, self.bit_offset % 64);
        let fits = bit + self.bits()? <= 64;
        let word = i32::try_from(word).ok().filter(|_| fits);
        let word = word.ok_or_else(|| PathError::Size(self.ty.text()))?;
        Ok((i32::from(first) + word, bit))
    }

    fn width(&self) -> Result<Width, PathError> {
        self.ty.width().ok_or_else(|| PathError::NotScalar { ty: self.ty.text() })
    }

    /// The storage unit of a bit field: its byte offset, its unsigned width, and the
    /// field's first bit in it.
    fn bit_unit(&self) -> Result<(i32, Width, u32), PathError> {
        let wrong = || PathError::Size(self.ty.text());
        let declared = self.ty.size().ok_or_else(wrong)?;
        // The declared type's own unit first; a packed field may need another.
        for bytes in [declared, 1, 2, 4, 8] {
            let width = match bytes {
                1 => Width::U8,
                2 => Width::U16,
                4 => Width::U32,
                8 => Width::U64,
                _ => continue,
            };
            let aligned = self.bit_offset / (8 * bytes) * bytes;
            let within = self.bit_offset - 8 * aligned;
            if within + u64::from(self.bit_size) <= 8 * bytes {
                let offset = i32::try_from(aligned).map_err(|_| wrong())?;
                return Ok((offset, width, within as u32));
            }
        }
        Err(wrong())
    }
}

/// Where a path begins.
fn root(types: &Types, path: &Path) -> Result<Walk, PathError> {
    let module = path.module.as_deref();
    let where_ = || match module {
        Some(module) => format!("module {module} of {}", types.name()),
        None => types.name(),
    };
    let function = |name: &str| {
        let mut found = types.functions(module, name)?;
        match found.len() {
            0 => Err(PathError::NoFunction { function: name.to_owned(), where_: where_() }),
            1 => Ok(found.remove(0)),
            _ => Err(PathError::AmbiguousFunction(name.to_owned())),
        }
    };
    if let Some((ty, _)) = types.learnt(module, &path.root) {
        return match &path.root {
            Root::Return { function } => returned(ty, function),
            _ => Ok(Walk::at(ty)),
        };
    }
    match &path.root {
        Root::Type(name) => {
            let found = types.named(module, name)?;
            let missing = || PathError::NoType { name: name.clone(), where_: where_() };
            found.map(|(ty, _)| Walk::at(ty)).ok_or_else(missing)
        }
        Root::Parameter { function: name, name: parameter } => {
            let function = function(name)?;
            let Some(argument) = function.argument(parameter) else {
                let names = function.arguments.iter().map(|a| a.name.as_str());
                return Err(PathError::NoParameter {
                    name: parameter.clone(),
                    function: name.clone(),
                    alternatives: alternatives(parameter, names),
                });
            };
            passed(argument, name)
        }
        Root::Return { function: name } => returned(function(name)?.returns, name),
        Root::TraceArgument { tracepoint, name } => {
            let found = types.tracepoint(module, tracepoint)?;
            let found = found.ok_or_else(|| PathError::NoTracepoint(tracepoint.clone()))?;
            let number = name.strip_prefix("arg").and_then(|n| n.parse::<usize>().ok());
            let named = found.arguments.iter().position(|argument| argument.name == *name);
            let index = named.or_else(|| number?.checked_sub(1));
            let Some((argument, index)) = index.and_then(|n| Some((found.arguments.get(n)?, n)))
            else {
                let names = found.arguments.iter().map(|a| a.name.as_str());
                return Err(PathError::NoTraceArgument {
                    name: name.clone(),
                    tracepoint: tracepoint.clone(),
                    alternatives: alternatives(name, names),
                });
            };
            // Structs by value would move the arguments behind them.
            for argument in &found.arguments[..=index] {
                if matches!(argument.ty.shape(), Shape::Composite { .. } | Shape::Wide) {
                    return Err(PathError::ByValue {
                        name: argument.name.clone(),
                        function: tracepoint.clone(),
                        ty: argument.ty.text(),
                        place: "front of others",
                    });
                }
            }
            let index = u8::try_from(index).unwrap_or(u8::MAX);
            Ok(Walk { base: Base::Words(index), ..Walk::at(argument.ty.clone()) })
        }
        Root::Variable(name) => {
            let found = types.variable(module, name)?;
            found.map(Walk::at).ok_or_else(|| PathError::NoVariable(name.clone()))
        }
        Root::Local { .. } | Root::Image(_) => Err(PathError::OnlySymbols(path.to_string())),
    }
}

/// What a function returns, where it is.
fn returned(ty: Type, function: &str) -> Result<Walk, PathError> {
    let place = match (ty.shape(), Class::of(&ty)) {
        (Shape::Void, _) => return Err(PathError::ReturnsNothing(function.to_owned())),
        (_, Class::Memory(_)) => "memory",
        (_, Class::Registers(2)) => "two registers",
        (_, Class::Unknown | Class::Nothing) => "an unknown place",
        _ => return Ok(Walk { base: Base::Words(0), ..Walk::at(ty) }),
    };
    let (name, function) = ("return".to_owned(), function.to_owned());
    Err(PathError::ByValue { name, function, ty: ty.text(), place })
}

/// An argument where it is passed.
fn passed(argument: &Argument, function: &str) -> Result<Walk, PathError> {
    let at = Walk::at(argument.ty.clone());
    match argument.place {
        Place::Register(n) | Place::RegisterPair(n) => Ok(Walk { base: Base::Words(n), ..at }),
        Place::Stack(offset) => {
            Ok(Walk { base: Base::Stack, bit_offset: 8 * u64::from(offset), ..at })
        }
        Place::Unknown => Err(PathError::Unplaced {
            name: argument.name.clone(),
            function: function.to_owned(),
            ty: argument.ty.text(),
        }),
    }
}

/// Walks a whole path.
///
/// # Errors
/// [`PathError`] where it ends.
pub fn walk(types: &Types, path: &Path) -> Result<Walk, PathError> {
    let mut at = root(types, path)?;
    for step in &path.steps {
        at = at.step(step)?;
    }
    Ok(at)
}

/// The number that answers a relocation. Addresses of variables are not known here: they
/// are symbols, not types.
///
/// # Errors
/// [`PathError`] if there is no such thing; a question about existence is answered then.
pub fn answer(types: &Types, relocation: &Relocation) -> Result<i64, PathError> {
    if let Some(known) = &relocation.known {
        return Ok(known.answer);
    }
    let found = walk(types, &relocation.path);
    if relocation.question == Question::Exists {
        return match found {
            Err(PathError::Types(error @ TypesError::Damaged { .. })) => Err(error.into()),
            found => Ok(found.is_ok().into()),
        };
    }
    let at = found?;
    let nonsense = || PathError::Nonsense(relocation.to_string());
    let elsewhere = |place| PathError::Elsewhere { what: relocation.path.to_string(), place };
    if matches!(at.base, Base::Words(_))
        && matches!(relocation.question, Question::Offset | Question::Load | Question::BitUnit)
    {
        return Err(elsewhere("in registers"));
    }
    Ok(match &relocation.question {
        Question::Exists | Question::Address => return Err(nonsense()),
        Question::Offset => at.bytes()?.into(),
        Question::Load => Placed { offset: at.bytes()?, width: at.width()? }.to_raw(),
        Question::BitUnit => {
            let (offset, width, _) = at.bit_unit()?;
            Placed { offset, width }.to_raw()
        }
        Question::BitsAbove | Question::BitsBelow => {
            let (first, bits) = match at.base {
                Base::Words(word) => (at.within_words(word)?.1 as i64, at.bits()? as i64),
                _ if at.bit_size == 0 => return Err(nonsense()),
                _ => (i64::from(at.bit_unit()?.2), i64::from(at.bit_size)),
            };
            if relocation.question == Question::BitsBelow { 64 - bits } else { 64 - first - bits }
        }
        Question::Size => {
            let size = at.ty.size().and_then(|size| i64::try_from(size).ok());
            size.ok_or_else(|| PathError::Size(at.ty.text()))?
        }
        Question::Word => {
            let first = match at.base {
                Base::Words(first) => first,
                Base::Stack => return Err(elsewhere("on the stack")),
                Base::Memory => return Err(nonsense()),
            };
            // Of a struct, the whole word: what is selected of it is shifted out.
            let (offset, width) = match relocation.path.steps.as_slice() {
                // Arrays are passed as addresses.
                [] => (first.into(), at.ty.width().unwrap_or(Width::U64)),
                _ => (at.within_words(first)?.0, Width::U64),
            };
            let placed = Placed { offset, width };
            // Of what is returned in two registers, only one is at hand.
            placed.word(relocation.slot_kind()).ok_or_else(nonsense)?;
            placed.to_raw()
        }
        Question::Enumerator(name) => {
            let names = at.ty.enumerators();
            at.ty.enumerator(name).ok_or_else(|| PathError::NoEnumerator {
                name: name.clone(),
                ty: at.ty.text(),
                alternatives: alternatives(name, names.iter().map(|(name, _)| name.as_str())),
            })?
        }
    })
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! A way through types, walked on a kernel at hand: the answers to relocations.

use crate::function::{Argument, Place};
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
    /// The argument is on the stack.
    #[error("argument '{name}' of {function} is passed on the stack, which cannot be read here")]
    OnStack {
        /// The parameter.
        name: String,
        /// The function.
        function: String,
    },
    /// The argument is a struct in registers.
    #[error(
        "argument '{name}' of {function} is a {ty} passed by value in registers, which cannot be read here"
    )]
    ByValue {
        /// The parameter.
        name: String,
        /// The function.
        function: String,
        /// Its type.
        ty: String,
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

/// Where a path leads.
#[derive(Clone, PartialEq, Debug)]
pub struct Walk {
    /// The type there.
    pub ty: Type,
    /// Bits from where offsets count.
    pub bit_offset: u64,
    /// Bits of a bit field; 0 for anything else.
    pub bit_size: u32,
    /// Position of the argument that a path of no step stands for.
    pub position: Option<u8>,
}

impl Walk {
    /// At the start of something of this type.
    pub fn at(ty: Type) -> Walk {
        Walk { ty, bit_offset: 0, bit_size: 0, position: None }
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
                Ok(Walk { bit_offset, ..Walk::at(element) })
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
        Ok(Walk { ty: found.ty, bit_offset, bit_size: found.bit_size, position: None })
    }

    fn bytes(&self) -> Result<i32, PathError> {
        let bytes = self.bit_offset / 8;
        let whole = self.bit_offset.is_multiple_of(8);
        i32::try_from(bytes).ok().filter(|_| whole).ok_or_else(|| PathError::Size(self.ty.text()))
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
        return Ok(Walk::at(ty));
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
        Root::Return { function: name } => {
            let function = function(name)?;
            match function.returns.shape() {
                Shape::Void => Err(PathError::ReturnsNothing(name.clone())),
                Shape::Composite { .. } | Shape::Wide | Shape::Float => Err(PathError::ByValue {
                    name: "return".to_owned(),
                    function: name.clone(),
                    ty: function.returns.text(),
                }),
                _ => Ok(Walk { position: Some(0), ..Walk::at(function.returns) }),
            }
        }
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
                    });
                }
            }
            Ok(Walk { position: u8::try_from(index).ok(), ..Walk::at(argument.ty.clone()) })
        }
        Root::Variable(name) => {
            let found = types.variable(module, name)?;
            found.map(Walk::at).ok_or_else(|| PathError::NoVariable(name.clone()))
        }
        Root::Local { .. } | Root::Image(_) => Err(PathError::OnlySymbols(path.to_string())),
    }
}

/// An argument in its register.
fn passed(argument: &Argument, function: &str) -> Result<Walk, PathError> {
    let (name, function) = (argument.name.clone(), function.to_owned());
    let ty = || argument.ty.text();
    let composite = matches!(argument.ty.shape(), Shape::Composite { .. } | Shape::Wide);
    match argument.place {
        Place::Stack => Err(PathError::OnStack { name, function }),
        Place::RegisterPair(_) => Err(PathError::ByValue { name, function, ty: ty() }),
        Place::Register(_) if composite => Err(PathError::ByValue { name, function, ty: ty() }),
        Place::Register(n) => Ok(Walk { position: Some(n), ..Walk::at(argument.ty.clone()) }),
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
    Ok(match &relocation.question {
        Question::Exists | Question::Address => return Err(nonsense()),
        Question::Offset => at.bytes()?.into(),
        Question::Load => Placed { offset: at.bytes()?, width: at.width()? }.to_raw(),
        Question::BitUnit => {
            let (offset, width, _) = at.bit_unit()?;
            Placed { offset, width }.to_raw()
        }
        Question::BitsAbove => {
            let (_, _, first) = at.bit_unit()?;
            64 - i64::from(first) - i64::from(at.bit_size)
        }
        Question::BitsBelow => 64 - i64::from(at.bit_size),
        Question::Size => {
            let size = at.ty.size().and_then(|size| i64::try_from(size).ok());
            size.ok_or_else(|| PathError::Size(at.ty.text()))?
        }
        Question::Word => {
            let position = at.position.ok_or_else(nonsense)?;
            // Arrays are passed as addresses.
            let width = at.ty.width().unwrap_or(Width::U64);
            Placed { offset: position.into(), width }.to_raw()
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

// SPDX-License-Identifier: GPL-2.0-or-later
//! What differs between kernels: offsets, sizes, enumerators, positions of arguments.
//!
//! The code never holds such a number. It names a slot; the image tells of each slot
//! what kind of number it takes ([`SlotKind`]); the blob tells what the number stands
//! for ([`Relocation`]); the loader finds it out on the kernel that it runs on and hands
//! the numbers over beside the image, which is not changed. The kernel checks that each
//! makes sense for its kind ([`fits`]), and that is all it must: a wrong number reads a
//! wrong address, and reads are fault-safe.
//!
//! A slot is an `i64`: a plain number, or [`Placed`], the place of a member or argument
//! with its width, since that may differ, too.

use crate::image::{SlotKind, Width};
use crate::probe::{ContextWord, Needs};

/// Where a value is, and its width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Bytes from the object's start; of arguments the position, from 0.
    pub offset: i32,
    /// Width and sign.
    pub width: Width,
}

impl Placed {
    /// The slot's number.
    pub const fn to_raw(self) -> i64 {
        (self.width as i64) << 32 | self.offset as u32 as i64
    }

    /// The place that a slot's number stands for, if it is one.
    pub const fn from_raw(raw: i64) -> Option<Placed> {
        let number = raw >> 32;
        if number < 0 || number > u8::MAX as i64 {
            return None;
        }
        match Width::from_number(number as u8) {
            Some(width) => Some(Placed { offset: raw as i32, width }),
            None => None,
        }
    }

    /// The context word that it stands for in a slot of this kind.
    pub const fn word(self, kind: SlotKind) -> Option<ContextWord> {
        let index = self.offset;
        match kind {
            SlotKind::Argument if index >= 0 && index < 6 => {
                Some(ContextWord::Argument(index as u8))
            }
            SlotKind::TraceArgument if index >= 0 && index < 12 => {
                Some(ContextWord::TraceArgument(index as u8))
            }
            SlotKind::ReturnValue if index == 0 => Some(ContextWord::ReturnValue),
            _ => None,
        }
    }
}

/// May a slot of this kind hold this number?
pub const fn fits(kind: SlotKind, raw: i64) -> bool {
    match (kind, Placed::from_raw(raw)) {
        (SlotKind::Value, _) | (SlotKind::Member, Some(_)) => true,
        (_, Some(placed)) => placed.word(kind).is_some(),
        (_, None) => false,
    }
}

/// What a handler must declare to use a slot with a context word; `None` if the slot
/// has none.
pub const fn needs(kind: SlotKind) -> Option<Needs> {
    match kind {
        SlotKind::Value | SlotKind::Member => None,
        SlotKind::Argument => Some(Needs::ARGUMENTS),
        SlotKind::TraceArgument => Some(Needs::TRACE_ARGUMENTS),
        SlotKind::ReturnValue => Some(Needs::RETURN_VALUE),
    }
}

#[cfg(feature = "std")]
pub use description::*;

#[cfg(feature = "std")]
mod description {
    use super::SlotKind;
    use serde::{Deserialize, Serialize};
    use std::fmt::{self, Display, Formatter};

    /// What a slot's number stands for: a question to the types of the kernel at hand.
    #[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
    pub struct Relocation {
        /// What is asked.
        pub question: Question,
        /// Of what.
        pub path: Path,
        /// When the answer is needed at all: only if all of these hold. Then a place
        /// that does not exist is an error.
        pub guards: Vec<Guard>,
        /// The answer, if it was found when the program was compiled: then it is not looked
        /// for, and the program fits one kernel only.
        pub known: Option<Known>,
    }

    /// A relocation is needed only if another one, about existence, answers this.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
    pub struct Guard {
        /// The other relocation.
        pub relocation: u32,
        /// What it must answer.
        pub exists: bool,
    }

    /// What is asked about the end of a path.
    #[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
    pub enum Question {
        /// Is there such a thing?
        Exists,
        /// Its bytes from the start of the object.
        Offset,
        /// Its place and width, to be loaded from memory.
        Load,
        /// Place and width of the storage unit of a bit field.
        BitUnit,
        /// By how much the storage unit is shifted left to drop the bits above.
        BitsAbove,
        /// By how much it is then shifted right.
        BitsBelow,
        /// Its size in bytes.
        Size,
        /// The position and width of an argument, or the width of what is returned.
        Word,
        /// The value of this enumerator.
        Enumerator(String),
        /// The address of a variable.
        Address,
    }

    /// An answer that the compiler had from debug symbols.
    #[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
    pub struct Known {
        /// The number.
        pub answer: i64,
        /// The only build of a kernel or module for which it holds, in hexadecimal.
        pub build_id: String,
    }

    /// A place in the image of a kernel or module, found by debug symbols: it is there only
    /// in the build with this id.
    #[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
    pub struct ImagePlace {
        /// The build id, in hexadecimal.
        pub build_id: String,
        /// The module; `None` for the kernel.
        pub module: Option<String>,
        /// The module's section; `None` for the kernel, where offsets count from `_stext`.
        pub section: Option<String>,
        /// Bytes from there.
        pub offset: u64,
        /// What is there, for people.
        pub near: String,
    }

    impl Display for ImagePlace {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            let module = self.module.as_deref().map(|module| format!("{module}:"));
            let section = self.section.as_deref().unwrap_or("_stext");
            let offset = self.offset.cast_signed();
            let sign = if offset < 0 { "-" } else { "+" };
            let module = module.unwrap_or_default();
            write!(f, "{module}{section}{sign}{:#x}", offset.unsigned_abs())
        }
    }

    /// A way through types, from something that has a name.
    #[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
    pub struct Path {
        /// Where it begins.
        pub root: Root,
        /// The module whose types are meant; `None` for the kernel itself.
        pub module: Option<String>,
        /// Where it goes on.
        pub steps: Vec<Step>,
    }

    /// Something with a name that has a type.
    #[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
    pub enum Root {
        /// A type, as a script writes it: `task_struct`, `struct file`, `enum pid_type`.
        Type(String),
        /// A parameter of a function.
        Parameter {
            /// The function.
            function: String,
            /// The parameter.
            name: String,
        },
        /// What a function returns.
        Return {
            /// The function.
            function: String,
        },
        /// An argument of a tracepoint: its name, or `arg1` and so on.
        TraceArgument {
            /// The tracepoint.
            tracepoint: String,
            /// The argument.
            name: String,
        },
        /// A global variable.
        Variable(String),
        /// A variable at a place in the code, as debug symbols tell.
        Local {
            /// The place.
            place: String,
            /// The variable.
            name: String,
        },
        /// What lies at a place in the image.
        Image(ImagePlace),
    }

    /// A step from a type to another.
    #[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
    pub enum Step {
        /// To a member of a struct or union, or of an anonymous one within it.
        Member(String),
        /// To element number n of an array.
        Element(u64),
        /// To any element of an array: offsets count from there.
        AnyElement,
        /// To what a pointer points to: offsets count from there.
        Dereference,
    }

    impl Relocation {
        /// The kind of number that answers it.
        pub fn slot_kind(&self) -> SlotKind {
            match self.question {
                Question::Load | Question::BitUnit => SlotKind::Member,
                Question::Word => match self.path.root {
                    Root::TraceArgument { .. } => SlotKind::TraceArgument,
                    Root::Return { .. } => SlotKind::ReturnValue,
                    _ => SlotKind::Argument,
                },
                _ => SlotKind::Value,
            }
        }
    }

    impl Display for Relocation {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            let path = &self.path;
            match &self.question {
                Question::Exists => write!(f, "exists({path})"),
                Question::Offset => write!(f, "offset({path})"),
                Question::Load | Question::Word => write!(f, "{path}"),
                Question::BitUnit => write!(f, "bits({path})"),
                Question::BitsAbove => write!(f, "bits_above({path})"),
                Question::BitsBelow => write!(f, "bits_below({path})"),
                Question::Size => write!(f, "sizeof({path})"),
                Question::Enumerator(name) => write!(f, "{path}::{name}"),
                Question::Address => write!(f, "&{path}"),
            }?;
            match &self.known {
                Some(known) => write!(f, " = {:#x}", known.answer),
                None => Ok(()),
            }
        }
    }

    impl Display for Path {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            if let Some(module) = &self.module {
                write!(f, "{module}:")?;
            }
            write!(f, "{}", self.root)?;
            let mut pointer = false;
            for step in &self.steps {
                let arrow = if std::mem::take(&mut pointer) { "->" } else { "." };
                match step {
                    Step::Member(name) => write!(f, "{arrow}{name}")?,
                    Step::Element(n) => write!(f, "[{n}]")?,
                    Step::AnyElement => write!(f, "[]")?,
                    Step::Dereference => pointer = true,
                }
            }
            if pointer { write!(f, "->") } else { Ok(()) }
        }
    }

    impl Display for Root {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            match self {
                Root::Type(name) | Root::Variable(name) => write!(f, "{name}"),
                Root::Parameter { function, name } => write!(f, "{function}(${name})"),
                Root::Return { function } => write!(f, "{function}($return)"),
                Root::TraceArgument { tracepoint, name } => {
                    write!(f, "trace {tracepoint}(${name})")
                }
                Root::Local { place, name } => write!(f, "{place}(${name})"),
                Root::Image(place) => write!(f, "{place}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn places_round_trip(offset: i32, number in 0..7u8) {
            let width = Width::from_number(number).unwrap();
            let placed = Placed { offset, width };
            prop_assert_eq!(Placed::from_raw(placed.to_raw()), Some(placed));
        }

        #[test]
        fn a_place_has_one_number(raw: i64) {
            if let Some(placed) = Placed::from_raw(raw) {
                prop_assert_eq!(placed.to_raw(), raw);
            }
        }

        #[test]
        fn what_fits_gives_a_word(raw: i64, kind in 2..5u32) {
            let kind = SlotKind::from_number(kind).unwrap();
            let word = Placed::from_raw(raw).and_then(|placed| placed.word(kind));
            prop_assert_eq!(fits(kind, raw), word.is_some());
        }
    }
}

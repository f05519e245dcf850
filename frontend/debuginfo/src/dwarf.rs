// SPDX-License-Identifier: GPL-2.0-or-later
//! Debug symbols (DWARF), for what BTF does not tell: where functions were inlined, which
//! instruction a line became, labels, calls, and where local variables are.
//!
//! ```text
//! image      the object file: its sections, relocated if it is a module
//! index      functions, types and variables by name; made once, kept on disk
//! unit       one compilation unit as a tree
//! points     functions, inlined instances, labels and callees
//! lines      instructions of source lines
//! scope      the variables at an instruction
//! location   where a variable is, as a formula over registers and memory
//! convert    types, as BTF on top of the kernel's
//! ```
//! Addresses are those of the object file; [`Debug::place`] turns one into a place that a
//! loader can find on the kernel with the same build id, and on no other.

mod convert;
mod image;
mod index;
mod lines;
mod location;
mod points;
mod scope;
mod unit;

pub use image::{Bytes, build_id_of_notes};
pub use lines::Lines;
pub use location::{Formula, Operator};
pub use points::{FunctionPattern, Matcher};
pub use scope::{Local, LocalError, Variable};

use crate::btf::Btf;
use image::Image;
use index::Index;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use unit::Unit;
use vm_spec::relocation::ImagePlace;

/// An object file with debug symbols.
pub struct DebugFile {
    /// Its path, for messages.
    pub path: String,
    /// What is in it.
    pub bytes: Bytes,
}

impl std::fmt::Debug for DebugFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DebugFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The build id of a file that has debug symbols.
///
/// # Errors
/// [`DebugError`] if it has none, or cannot be read.
pub fn identify(file: &DebugFile) -> Result<String, DebugError> {
    image::identify(&file.bytes, &file.path)
}

/// Why there are no debug symbols.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DebugError {
    /// No file has them.
    #[error("no debug symbols of {what} are here: {advice}")]
    Missing {
        /// Of which kernel or module.
        what: String,
        /// How to get them.
        advice: String,
    },
    /// It is no ELF file that can be read.
    #[error("{path} is not a readable ELF file: {reason}")]
    NotElf {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It has no debug symbols.
    #[error("{path} has no debug symbols (section .debug_info)")]
    NoSymbols {
        /// The file.
        path: String,
    },
    /// It does not say which build it is of.
    #[error("{path} has no build id, so that nobody can tell which kernel it is of")]
    NoBuildId {
        /// The file.
        path: String,
    },
    /// The symbols make no sense.
    #[error("the debug symbols in {path} are damaged: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// What [`gimli`] says of damaged symbols, before anybody knows of which file.
pub(crate) type Reading<T> = Result<T, gimli::Error>;

/// The bytes of a section.
pub(crate) type Slice<'a> = gimli::EndianSlice<'a, gimli::LittleEndian>;

/// A place in the code and the function, inlined or not, that it belongs to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CodePoint {
    /// The module; `None` for the kernel.
    pub module: Option<String>,
    /// The address in the object file.
    pub pc: u64,
    /// The unit of the function, by its offset.
    pub unit: usize,
    /// The function or its inlined instance, by its offset.
    pub scope: usize,
    /// The function's name.
    pub function: String,
    /// The source file.
    pub file: String,
    /// The line there: of the function, the statement or the label.
    pub line: u64,
    /// The function is inlined here.
    pub inlined: bool,
    /// The name of the label, or of the function that calls.
    pub detail: Option<String>,
    /// Where the calls return to that count; empty if every hit does.
    pub returns_to: Vec<u64>,
}

/// The debug symbols of the kernel or of a module.
pub struct Debug {
    module: Option<String>,
    path: String,
    image: Image,
    index: Index,
    units: RefCell<HashMap<usize, Rc<Unit>>>,
    /// The kernel's own types, which those found here build upon.
    base: Option<Arc<Btf>>,
}

impl std::fmt::Debug for Debug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Debug").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Debug {
    /// Reads an object file. `index` is what was made of a file with this build id before;
    /// the second part of the result is what is to be kept, if it had to be made anew.
    ///
    /// # Errors
    /// [`DebugError`].
    pub fn new(
        module: Option<&str>,
        file: DebugFile,
        base: Option<Arc<Btf>>,
        kept: impl FnOnce(&str) -> Option<Vec<u8>>,
    ) -> Result<(Debug, Option<Vec<u8>>), DebugError> {
        let DebugFile { path, bytes } = file;
        let image = Image::new(bytes, &path)?;
        let old = kept(&image.build_id).and_then(|bytes| Index::read(bytes, &image.build_id));
        let (index, fresh) = match old {
            Some(index) => (index, None),
            None => {
                let made = Index::make(&image).map_err(|error| DebugError::Damaged {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
                let read = Index::read(made.clone(), &image.build_id).unwrap_or_default();
                (read, Some(made))
            }
        };
        let (units, module) = (RefCell::default(), module.map(str::to_owned));
        Ok((Debug { module, path, image, index, units, base }, fresh))
    }

    /// Of the kernel or module that the symbols are of, in hexadecimal.
    pub fn build_id(&self) -> &str {
        &self.image.build_id
    }

    /// The file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where an address of the object file is in a running kernel; `near` says the same
    /// for people.
    pub fn place(&self, address: u64, near: &str) -> Option<ImagePlace> {
        let (section, offset) = self.image.place(address)?;
        Some(ImagePlace {
            build_id: self.image.build_id.clone(),
            module: self.module.clone(),
            section,
            offset,
            near: near.to_owned(),
        })
    }

    /// The place of a code point.
    pub fn place_of(&self, point: &CodePoint) -> Option<ImagePlace> {
        self.place(point.pc, &format!("{}@{}:{}", point.function, point.file, point.line))
    }

    fn damaged(&self, error: gimli::Error) -> DebugError {
        DebugError::Damaged { path: self.path.clone(), reason: error.to_string() }
    }

    /// The unit at an offset.
    fn unit(&self, offset: usize) -> Reading<Rc<Unit>> {
        if let Some(unit) = self.units.borrow().get(&offset) {
            return Ok(Rc::clone(unit));
        }
        let unit = Rc::new(Unit::read(&self.image.dwarf(), offset)?);
        self.units.borrow_mut().insert(offset, Rc::clone(&unit));
        Ok(unit)
    }
}

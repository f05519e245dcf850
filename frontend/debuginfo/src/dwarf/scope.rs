// SPDX-License-Identifier: GPL-2.0-or-later
//! The variables that can be named at an instruction.

use super::location::{Formula, Found, Frame, find};
use super::points::is_function;
use super::unit::{Entry, Reader, Unit};
use super::{CodePoint, Debug, DebugError, Reading, convert};
use crate::near::alternatives;
use crate::ty::Type;
use gimli::constants;
use std::collections::HashSet;

/// A variable of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// It is a parameter.
    pub is_parameter: bool,
    /// Offsets of its unit and entry.
    entry: (usize, usize),
}

/// A variable with where and what it is.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its type.
    pub ty: Type,
    /// Its value, or its address if it is in memory.
    pub formula: Formula,
    /// The formula is the address.
    pub in_memory: bool,
}

/// Why a variable cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LocalError {
    /// The symbols are damaged.
    #[error(transparent)]
    Debug(#[from] DebugError),
    /// No variable here has the name.
    #[error("unable to find local '{name}' in {function} at {pc:#x}{alternatives}")]
    NoSuch {
        /// The name.
        name: String,
        /// The function.
        function: String,
        /// The address.
        pc: u64,
        /// What there is instead.
        alternatives: String,
    },
    /// The compiler has kept it nowhere.
    #[error("'{name}' was optimised out: it has no location in {function}")]
    OptimizedOut {
        /// The variable.
        name: String,
        /// The function.
        function: String,
    },
    /// It is somewhere at other addresses, but not here.
    #[error(
        "not accessible at this address (pc: {pc:#x}): '{name}' of {function}; it is at {elsewhere}"
    )]
    NotHere {
        /// The variable.
        name: String,
        /// The function.
        function: String,
        /// The address.
        pc: u64,
        /// Where it can be read.
        elsewhere: String,
    },
    /// It is in a place that cannot be read.
    #[error("not accessible at this address (pc: {pc:#x}): '{name}' of {function} {reason}")]
    Unreadable {
        /// The variable.
        name: String,
        /// The function.
        function: String,
        /// The address.
        pc: u64,
        /// Where it is.
        reason: String,
    },
}

impl Debug {
    /// The variables that can be named at a point: inner ones hide outer ones of the same
    /// name. Parameters come first.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn variables(&self, point: &CodePoint) -> Result<Vec<Variable>, DebugError> {
        self.variables_at(point).map_err(|error| self.damaged(error))
    }

    fn variables_at(&self, point: &CodePoint) -> Reading<Vec<Variable>> {
        let (unit, reader) = self.both(point)?;
        let Some(at) = unit.position(point.scope) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        gather(&unit, &reader, at, point.pc, &mut found, 0)?;
        // The innermost was found last.
        let mut seen = HashSet::new();
        found.reverse();
        found.retain(|variable| seen.insert(variable.name.clone()));
        found.reverse();
        found.sort_by_key(|variable| !variable.is_parameter);
        Ok(found)
    }

    /// The names and types of a function's parameters, in their order, whether they can be
    /// read or not.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn parameters(&self, function: &CodePoint) -> Result<Vec<(String, String)>, DebugError> {
        self.parameters_of(function).map_err(|error| self.damaged(error))
    }

    /// The type of what a function returns; nothing if it returns nothing.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn returns(&self, function: &CodePoint) -> Result<Option<Type>, DebugError> {
        let read = || {
            let (_, reader) = self.both(function)?;
            self.type_of(&reader, &reader.entry(function.scope)?)
        };
        read().map_err(|error| self.damaged(error))
    }

    fn parameters_of(&self, function: &CodePoint) -> Reading<Vec<(String, String)>> {
        let (unit, reader) = self.both(function)?;
        // Copies have their parameters in any order; what they are copies of has not.
        let mut at = function.scope;
        for _ in 0..MAX_BLOCKS {
            let origin = reader.entry(at)?.attr_value(constants::DW_AT_abstract_origin);
            let Some(origin) = reader.reference(origin) else { break };
            at = origin;
        }
        let Some(position) = unit.position(at) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for n in unit.children(position) {
            let Some(node) = unit.nodes.get(n) else { continue };
            if node.tag == constants::DW_TAG_formal_parameter {
                let entry = reader.entry(node.offset)?;
                let ty = self.type_of(&reader, &entry)?;
                let ty = ty.map_or("void".to_owned(), |ty| ty.text());
                found.push((reader.name(&entry).unwrap_or_default(), ty));
            }
        }
        Ok(found)
    }

    /// Where and what a variable is.
    ///
    /// # Errors
    /// [`LocalError`] says why it cannot be read.
    pub fn local(&self, point: &CodePoint, name: &str) -> Result<Local, LocalError> {
        let variables = self.variables(point)?;
        let entry = match variables.iter().find(|variable| variable.name == name) {
            Some(variable) => variable.entry,
            // One of the file's, or of all.
            None => self.outer(point, name).ok_or_else(|| LocalError::NoSuch {
                name: name.to_owned(),
                function: point.function.clone(),
                pc: point.pc,
                alternatives: alternatives(name, variables.iter().map(|v| v.name.as_str())),
            })?,
        };
        self.located(point, name, entry)
    }

    /// A variable outside functions: of the point's unit, or the only one of the name.
    fn outer(&self, point: &CodePoint, name: &str) -> Option<(usize, usize)> {
        let rows = self.index.variables(name);
        let own = rows.iter().find(|row| row.unit == point.unit);
        let row = own.or(if rows.len() == 1 { rows.first() } else { None })?;
        Some((row.unit, row.entry))
    }

    fn located(
        &self,
        point: &CodePoint,
        name: &str,
        (unit, entry): (usize, usize),
    ) -> Result<Local, LocalError> {
        let damaged = |error: gimli::Error| LocalError::Debug(self.damaged(error));
        let reader = Reader::new(self.image.dwarf(), unit).map_err(damaged)?;
        let entry = reader.entry(entry).map_err(damaged)?;
        let ty = self.type_of(&reader, &entry).map_err(damaged)?;
        let size = ty.as_ref().and_then(Type::size);
        let frame = self.frame(point).map_err(damaged)?;
        let found = find(&reader, &entry, point.pc, &frame, size).map_err(damaged)?;
        let (name, function, pc) = (name.to_owned(), point.function.clone(), point.pc);
        let ty = ty.ok_or_else(|| LocalError::Unreadable {
            name: name.clone(),
            function: function.clone(),
            pc,
            reason: "has no type".to_owned(),
        })?;
        match found {
            Found::Value(formula) => Ok(Local { ty, formula, in_memory: false }),
            Found::Memory(formula) => Ok(Local { ty, formula, in_memory: true }),
            Found::Nowhere => Err(LocalError::OptimizedOut { name, function }),
            Found::Elsewhere(elsewhere) => {
                let list: Vec<String> = elsewhere
                    .iter()
                    .take(5)
                    .map(|range| format!("[{:#x},{:#x}]", range.start, range.end))
                    .collect();
                Err(LocalError::NotHere { name, function, pc, elsewhere: list.join(", ") })
            }
            Found::Unreadable(reason) => {
                Err(LocalError::Unreadable { name, function, pc, reason: reason.to_owned() })
            }
        }
    }

    fn type_of<'a>(&self, reader: &Reader<'a>, entry: &Entry<'a>) -> Reading<Option<Type>> {
        // Instances have it from what they are instances of.
        let ty = reader.reference(reader.attribute(entry, constants::DW_AT_type));
        ty.map(|ty| convert::convert(reader, ty, self.base.as_ref())).transpose()
    }

    /// The type of a name: `struct` and its like are said by the tag.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn named(&self, keyword: Option<&str>, name: &str) -> Result<Option<Type>, DebugError> {
        let rank = |tag: u32| match (gimli::DwTag(tag as u16), keyword) {
            (constants::DW_TAG_typedef | constants::DW_TAG_base_type, None) => Some(0),
            (constants::DW_TAG_structure_type, None | Some("struct")) => Some(1),
            (constants::DW_TAG_union_type, None | Some("union")) => Some(2),
            (constants::DW_TAG_enumeration_type, None | Some("enum")) => Some(3),
            _ => None,
        };
        let rows = self.index.types(name);
        let best =
            rows.iter().filter_map(|row| Some((rank(row.tag)?, row))).min_by_key(|(r, _)| *r);
        let Some((_, row)) = best else { return Ok(None) };
        let convert = || {
            let reader = Reader::new(self.image.dwarf(), row.unit)?;
            convert::convert(&reader, row.entry, self.base.as_ref())
        };
        convert().map(Some).map_err(|error| self.damaged(error))
    }

    /// The type of a variable outside functions; of several of the name, the one whose file
    /// is wanted.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn variable_type(
        &self,
        name: &str,
        has_file: impl Fn(&str) -> bool,
    ) -> Result<Option<Type>, DebugError> {
        let rows = self.index.variables(name);
        let Some(row) = rows.iter().find(|row| has_file(&row.file)) else { return Ok(None) };
        let read = || {
            let reader = Reader::new(self.image.dwarf(), row.unit)?;
            let entry = reader.entry(row.entry)?;
            self.type_of(&reader, &entry)
        };
        read().map_err(|error| self.damaged(error))
    }

    /// What locations at a point are told against: the frame of the function that the code
    /// is really in.
    fn frame(&self, point: &CodePoint) -> Reading<Frame<'_>> {
        let (unit, reader) = self.both(point)?;
        let is_real = |n: &usize| {
            unit.nodes.get(*n).is_some_and(|node| node.tag == constants::DW_TAG_subprogram)
        };
        let at = unit.position(point.scope);
        let function =
            at.and_then(|at| std::iter::once(at).chain(unit.ancestors(at)).find(is_real));
        let base = match function.and_then(|n| unit.nodes.get(n)) {
            Some(node) => reader
                .entry(node.offset)?
                .attr_value(constants::DW_AT_frame_base)
                .and_then(|value| value.exprloc_value())
                .map(|expression| expression.0.slice().to_vec()),
            None => None,
        };
        let pc = point.pc;
        Ok(Frame { base, cfa: Box::new(move || self.cfa(pc)) })
    }

    /// The canonical frame address at an instruction, if the symbols tell it.
    fn cfa(&self, pc: u64) -> Option<gimli::CfaRule<usize>> {
        use gimli::UnwindSection;
        let mut context = gimli::UnwindContext::new();
        let frame = self.image.debug_frame();
        let bases = gimli::BaseAddresses::default();
        let row = frame.unwind_info_for_address(
            &bases,
            &mut context,
            pc,
            gimli::DebugFrame::cie_from_offset,
        );
        if let Ok(row) = row {
            return Some(row.cfa().clone());
        }
        let (frame, bases) = self.image.eh_frame();
        let mut context = gimli::UnwindContext::new();
        let row = frame.unwind_info_for_address(
            &bases,
            &mut context,
            pc,
            gimli::EhFrame::cie_from_offset,
        );
        row.ok().map(|row| row.cfa().clone())
    }
}

/// Blocks within blocks: what is deeper is damage.
const MAX_BLOCKS: usize = 100;

/// The variables of a function or block, and of the blocks in it that the address is in.
fn gather(
    unit: &Unit,
    reader: &Reader<'_>,
    at: usize,
    pc: u64,
    found: &mut Vec<Variable>,
    depth: usize,
) -> Reading<()> {
    if depth > MAX_BLOCKS {
        return Ok(());
    }
    for n in unit.children(at) {
        let Some(node) = unit.nodes.get(n) else { continue };
        if is_function(node.tag) {
            continue;
        }
        let is_parameter = node.tag == constants::DW_TAG_formal_parameter;
        if is_parameter || node.tag == constants::DW_TAG_variable {
            if let Some(name) = reader.name(&reader.entry(node.offset)?) {
                found.push(Variable { name, is_parameter, entry: (unit.offset, node.offset) });
            }
        } else if node.tag == constants::DW_TAG_lexical_block {
            let entry = reader.entry(node.offset)?;
            if reader.ranges(&entry).iter().any(|range| range.contains(&pc)) {
                gather(unit, reader, n, pc, found, depth + 1)?;
            }
        }
    }
    Ok(())
}

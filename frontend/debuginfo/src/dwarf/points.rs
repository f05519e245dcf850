// SPDX-License-Identifier: GPL-2.0-or-later
//! Functions and their copies, labels, and calls.

use super::index::FunctionRow;
use super::lines::Lines;
use super::unit::{Entry, Reader, Unit};
use super::{CodePoint, Debug, DebugError, Reading};
use gimli::{DwTag, constants};

/// Does a pattern match a text?
pub type Matcher = fn(&[u8], &[u8]) -> bool;

/// `name@file:lines`
#[derive(Clone, Debug)]
pub struct FunctionPattern {
    /// Pattern of the function's name.
    pub name: String,
    /// Pattern of the file's path, or of its end.
    pub file: Option<String>,
    /// Lines, if any are given.
    pub lines: Option<Lines>,
    /// What patterns mean.
    pub matcher: Matcher,
}

impl FunctionPattern {
    /// Reads the text in a probe point's parentheses.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, matcher: Matcher) -> Result<FunctionPattern, String> {
        let (name, rest) = match text.split_once('@') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        if name.is_empty() || (rest.is_none() && name.contains(':')) {
            return Err(format!("malformed specification '{text}'"));
        }
        let (file, lines) = match rest {
            None => (None, None),
            Some(rest) => match rest.find([':', '+']) {
                None => (Some(rest.to_owned()), None),
                Some(at) => (Some(rest[..at].to_owned()), Some(Lines::parse(&rest[at..])?)),
            },
        };
        Ok(FunctionPattern { name: name.to_owned(), file, lines, matcher })
    }

    /// Is the name no pattern?
    pub fn is_literal(&self) -> bool {
        !self.name.contains(['*', '?', '['])
    }

    pub(super) fn has_name(&self, name: &str) -> bool {
        self.name == name || (self.matcher)(self.name.as_bytes(), name.as_bytes())
    }

    /// The whole path, or the end of it behind a slash.
    pub(super) fn has_file(&self, path: &str) -> bool {
        let Some(file) = &self.file else { return true };
        let matches = |pattern: &str| (self.matcher)(pattern.as_bytes(), path.as_bytes());
        file == path || matches(file) || matches(&format!("*/{file}"))
    }
}

pub(super) fn is_function(tag: DwTag) -> bool {
    tag == constants::DW_TAG_subprogram || tag == constants::DW_TAG_inlined_subroutine
}

impl Debug {
    /// The functions that a pattern matches, whether they have code or only copies.
    pub(super) fn rows(&self, pattern: &FunctionPattern) -> Vec<FunctionRow> {
        if pattern.is_literal() {
            let mut rows = self.index.functions_named(&pattern.name);
            rows.retain(|row| pattern.has_file(&row.file));
            return rows;
        }
        self.index.functions(|name, file| pattern.has_name(name) && pattern.has_file(file))
    }

    /// Where the functions that a pattern matches begin: the functions themselves, and each
    /// place that they are inlined at.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn functions(&self, pattern: &FunctionPattern) -> Result<Vec<CodePoint>, DebugError> {
        let found = self.copies(&self.rows(pattern)).map_err(|error| self.damaged(error))?;
        Ok(sorted(found))
    }

    /// How many places [`Debug::functions`] would give, at most.
    pub fn count_functions(&self, pattern: &FunctionPattern) -> usize {
        let rows = self.rows(pattern);
        rows.iter().map(|row| 1 + self.index.instances(row.entry).len()).sum()
    }

    fn copies(&self, rows: &[FunctionRow]) -> Reading<Vec<CodePoint>> {
        // Name, unit and entry of each copy; those of one unit are read together.
        let mut wanted: Vec<(usize, usize, bool, &FunctionRow)> = Vec::new();
        for row in rows {
            if row.has_code {
                wanted.push((row.unit, row.entry, false, row));
            }
            let instances = self.index.instances(row.entry);
            wanted.extend(instances.iter().map(|i| (i.unit, i.entry, i.inlined, row)));
        }
        wanted.sort_by_key(|(unit, entry, ..)| (*unit, *entry));
        let mut found = Vec::new();
        let mut open: Option<Reader<'_>> = None;
        for (unit, entry, inlined, row) in wanted {
            if open.as_ref().is_none_or(|reader| reader.offset != unit) {
                open = Some(Reader::new(self.image.dwarf(), unit)?);
            }
            let Some(reader) = &open else { continue };
            // What was optimised away has no code.
            let Some(pc) = reader.entry_pc(&reader.entry(entry)?) else { continue };
            found.push(CodePoint { inlined, ..self.point(row, unit, entry, pc) });
        }
        Ok(found)
    }

    pub(super) fn point(&self, row: &FunctionRow, unit: usize, scope: usize, pc: u64) -> CodePoint {
        CodePoint {
            module: self.module.clone(),
            pc,
            unit,
            scope,
            function: row.name.clone(),
            file: row.file.clone(),
            line: row.line,
            inlined: false,
            detail: None,
            returns_to: Vec::new(),
        }
    }

    /// The labels of functions.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn labels(
        &self,
        pattern: &FunctionPattern,
        label: &str,
    ) -> Result<Vec<CodePoint>, DebugError> {
        let all = self.labels_of(pattern, label).map_err(|error| self.damaged(error))?;
        Ok(sorted(all))
    }

    fn labels_of(&self, pattern: &FunctionPattern, wanted: &str) -> Reading<Vec<CodePoint>> {
        let mut found = Vec::new();
        for function in self.copies(&self.rows(pattern))? {
            let (unit, reader) = self.both(&function)?;
            let Some(at) = unit.position(function.scope) else { continue };
            for n in own_descendants(&unit, at) {
                let Some(node) = unit.nodes.get(n) else { continue };
                if node.tag != constants::DW_TAG_label {
                    continue;
                }
                let entry = reader.entry(node.offset)?;
                let name = reader.name(&entry);
                let is_wanted =
                    |name: &String| (pattern.matcher)(wanted.as_bytes(), name.as_bytes());
                let Some(name) = name.filter(is_wanted) else { continue };
                let Some(pc) = reader.entry_pc(&entry) else { continue };
                let line = reader.number(&entry, constants::DW_AT_decl_line).unwrap_or(0);
                found.push(CodePoint { pc, line, detail: Some(name), ..function.clone() });
            }
        }
        Ok(found)
    }

    /// What functions call, as far as the compiler knew: the callees that were inlined, and
    /// those that return to a place in the function.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn callees(
        &self,
        pattern: &FunctionPattern,
        callee: &FunctionPattern,
    ) -> Result<Vec<CodePoint>, DebugError> {
        let all = self.callees_of(pattern, callee).map_err(|error| self.damaged(error))?;
        Ok(sorted(all))
    }

    fn callees_of(
        &self,
        pattern: &FunctionPattern,
        wanted: &FunctionPattern,
    ) -> Reading<Vec<CodePoint>> {
        let mut found: Vec<CodePoint> = Vec::new();
        for caller in self.copies(&self.rows(pattern))? {
            let (unit, reader) = self.both(&caller)?;
            let Some(at) = unit.position(caller.scope) else { continue };
            let detail = format!("{}@{}:{}", caller.function, caller.file, caller.line);
            for n in own_descendants(&unit, at) {
                let Some(node) = unit.nodes.get(n) else { continue };
                let entry = reader.entry(node.offset)?;
                if node.tag == constants::DW_TAG_inlined_subroutine {
                    let origin =
                        reader.reference(entry.attr_value(constants::DW_AT_abstract_origin));
                    let Some(row) = origin.and_then(|o| row_at(&reader, o)) else { continue };
                    if !(wanted.has_name(&row.name) && wanted.has_file(&row.file)) {
                        continue;
                    }
                    let Some(pc) = reader.entry_pc(&entry) else { continue };
                    let point = self.point(&row, unit.offset, node.offset, pc);
                    found.push(CodePoint { inlined: true, detail: Some(detail.clone()), ..point });
                } else if is_call(node.tag)
                    && let Some(point) = self.called(&reader, &entry, wanted)?
                {
                    let point = CodePoint { detail: Some(detail.clone()), ..point };
                    // Several calls of one function are one point.
                    let same = found.iter_mut().find(|known| {
                        (known.pc, known.scope, &known.detail)
                            == (point.pc, point.scope, &point.detail)
                    });
                    match same {
                        Some(known) => known.returns_to.extend(point.returns_to),
                        None => found.push(point),
                    }
                }
            }
        }
        Ok(found)
    }

    /// The function that a call goes to, with where it returns to.
    fn called<'a>(
        &self,
        reader: &Reader<'a>,
        call: &Entry<'a>,
        wanted: &FunctionPattern,
    ) -> Reading<Option<CodePoint>> {
        let origin = call
            .attr_value(constants::DW_AT_call_origin)
            .or_else(|| call.attr_value(constants::DW_AT_abstract_origin));
        let origin = reader.reference(origin);
        let returns = call
            .attr_value(constants::DW_AT_call_return_pc)
            .or_else(|| call.attr_value(constants::DW_AT_low_pc));
        let returns = match returns {
            Some(gimli::AttributeValue::Addr(address)) => Some(address),
            Some(gimli::AttributeValue::DebugAddrIndex(index)) => {
                Some(reader.dwarf.address(&reader.unit, index)?)
            }
            _ => None,
        };
        let (Some(origin), Some(returns)) = (origin, returns) else { return Ok(None) };
        // The caller jumped, and the callee returns to somebody else.
        if call.has_attr(constants::DW_AT_call_tail_call)
            || call.has_attr(constants::DW_AT_GNU_tail_call)
        {
            return Ok(None);
        }
        let Ok(entry) = reader.entry(origin) else { return Ok(None) };
        let Some(name) = reader.name(&entry).filter(|name| wanted.has_name(name)) else {
            return Ok(None);
        };
        let mut rows = self.index.functions_named(&name);
        rows.retain(|row| wanted.has_file(&row.file));
        // The very function, if it is of this unit; else the only one of the name.
        if rows.iter().any(|row| row.entry == origin) {
            rows.retain(|row| row.entry == origin);
        }
        let mut targets = self.copies(&rows)?;
        targets.retain(|target| !target.inlined);
        match targets.len() {
            1 => Ok(targets.pop().map(|target| CodePoint { returns_to: vec![returns], ..target })),
            _ => Ok(None),
        }
    }

    /// The tree of a point's unit, and what reads its entries.
    pub(super) fn both(&self, point: &CodePoint) -> Reading<(std::rc::Rc<Unit>, Reader<'_>)> {
        Ok((self.unit(point.unit)?, Reader::new(self.image.dwarf(), point.unit)?))
    }
}

fn is_call(tag: DwTag) -> bool {
    tag == constants::DW_TAG_call_site || tag == constants::DW_TAG_GNU_call_site
}

/// The function at an entry of this unit.
pub(super) fn row_at(reader: &Reader<'_>, offset: usize) -> Option<FunctionRow> {
    let entry = reader.entry(offset).ok()?;
    let file = reader.number(&entry, constants::DW_AT_decl_file);
    Some(FunctionRow {
        name: reader.name(&entry)?,
        file: file.and_then(|file| reader.file(file)).unwrap_or_default(),
        line: reader.number(&entry, constants::DW_AT_decl_line).unwrap_or(0),
        unit: reader.offset,
        entry: offset,
        has_code: false,
    })
}

/// The entries within a function that are its own: those of functions that were inlined
/// into it are theirs, but the inlined functions themselves are among them.
fn own_descendants(unit: &Unit, at: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut waiting: Vec<usize> = unit.children(at).collect();
    while let Some(n) = waiting.pop() {
        found.push(n);
        if unit.nodes.get(n).is_some_and(|node| !is_function(node.tag) && !is_call(node.tag)) {
            waiting.extend(unit.children(n));
        }
    }
    found.sort_unstable();
    found
}

/// In the order of names and lines, each place once.
pub(super) fn sorted(mut points: Vec<CodePoint>) -> Vec<CodePoint> {
    points.sort_by(|a, b| {
        let key = |p: &CodePoint| (p.function.clone(), p.file.clone(), p.line, p.pc, p.scope);
        key(a).cmp(&key(b)).then_with(|| a.detail.cmp(&b.detail))
    });
    points.dedup();
    points
}

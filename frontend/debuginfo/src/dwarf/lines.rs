// SPDX-License-Identifier: GPL-2.0-or-later
//! The instructions of source lines.

use super::index::FunctionRow;
use super::points::{FunctionPattern, is_function, row_at, sorted};
use super::unit::{Reader, Unit};
use super::{CodePoint, Debug, DebugError, Reading};
use gimli::constants;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::{Range, RangeInclusive};

/// Lines of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lines {
    /// Every line of the function: `:*`.
    All,
    /// So many lines behind the function's: `+N`.
    Relative(u64),
    /// `:N`, `:N-M` and lists of such.
    Some(Vec<RangeInclusive<u64>>),
}

impl Lines {
    /// Reads what comes behind the file's name.
    pub(super) fn parse(text: &str) -> Result<Lines, String> {
        let wrong = || format!("malformed line specification '{text}'");
        if let Some(relative) = text.strip_prefix('+') {
            return relative.parse().map(Lines::Relative).map_err(|_| wrong());
        }
        let list = text.strip_prefix(':').ok_or_else(wrong)?;
        if list == "*" {
            return Ok(Lines::All);
        }
        let mut ranges = Vec::new();
        for part in list.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(wrong());
            }
            ranges.push(first..=last);
        }
        Ok(Lines::Some(ranges))
    }

    fn contains(&self, line: u64, function_line: u64) -> bool {
        match self {
            Lines::All => true,
            Lines::Relative(n) => function_line.checked_add(*n) == Some(line),
            Lines::Some(ranges) => ranges.iter().any(|range| range.contains(&line)),
        }
    }
}

/// A function or a copy of one, with the addresses that it covers.
struct Covered {
    position: usize,
    ranges: Vec<Range<u64>>,
}

/// A row of the line table within a function that is wanted.
struct Hit {
    pc: u64,
    line: u64,
    /// Position of the function's entry.
    function: usize,
}

impl Debug {
    /// The first instruction of each line in functions that the pattern matches. With
    /// `nearest`, lines that have none stand for the next line that has.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn statements(
        &self,
        pattern: &FunctionPattern,
        nearest: bool,
    ) -> Result<Vec<CodePoint>, DebugError> {
        let Some(lines) = &pattern.lines else {
            return self.functions(pattern);
        };
        let all = self.statements_of(pattern, lines, nearest);
        Ok(sorted(all.map_err(|error| self.damaged(error))?))
    }

    /// The lines nearest to those that are wanted, below and above, which have instructions.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn lines_near(
        &self,
        pattern: &FunctionPattern,
        line: u64,
    ) -> Result<(Option<u64>, Option<u64>), DebugError> {
        let all = self.statements_of(pattern, &Lines::All, false);
        let all = all.map_err(|error| self.damaged(error))?;
        let lines: BTreeSet<u64> = all.iter().map(|point| point.line).collect();
        Ok((lines.range(..line).next_back().copied(), lines.range(line..).next().copied()))
    }

    fn statements_of(
        &self,
        pattern: &FunctionPattern,
        lines: &Lines,
        nearest: bool,
    ) -> Reading<Vec<CodePoint>> {
        let rows = self.rows(pattern);
        let mut units: BTreeSet<usize> = rows.iter().map(|row| row.unit).collect();
        for row in &rows {
            units.extend(self.index.instances(row.entry).iter().map(|instance| instance.unit));
        }
        let mut found = Vec::new();
        for offset in units {
            let unit = self.unit(offset)?;
            let reader = Reader::new(self.image.dwarf(), offset)?;
            found.extend(self.statements_in(&unit, &reader, pattern, lines, nearest)?);
        }
        Ok(found)
    }

    fn statements_in(
        &self,
        unit: &Unit,
        reader: &Reader<'_>,
        pattern: &FunctionPattern,
        lines: &Lines,
        nearest: bool,
    ) -> Reading<Vec<CodePoint>> {
        let covered = covered(unit, reader)?;
        let mut names: HashMap<usize, Option<FunctionRow>> = HashMap::new();
        let mut hits = Vec::new();
        for (pc, line) in table(reader, pattern)? {
            let around = covered.iter().rev().filter(|function| function.has(pc));
            let around: Vec<usize> = around.map(|function| function.position).collect();
            for &function in &around {
                names
                    .entry(function)
                    .or_insert_with(|| row_at(reader, unit.nodes.get(function)?.offset));
            }
            let Some(function) = owner(&around, &names, line, pattern) else { continue };
            let Some(row) = names.get(&function).and_then(Option::as_ref) else { continue };
            if !pattern.has_name(&row.name) || (*lines == Lines::All && line < row.line) {
                continue;
            }
            if nearest || lines.contains(line, row.line) {
                hits.push(Hit { pc, line, function });
            }
        }
        if nearest {
            hits = nearest_of(hits, lines, &names);
        }
        // The lowest address of each line in each copy of a function.
        let mut first: BTreeMap<(u64, usize), u64> = BTreeMap::new();
        for Hit { pc, line, function } in hits {
            let lowest = first.entry((line, function)).or_insert(pc);
            *lowest = pc.min(*lowest);
        }
        let points = first.into_iter().filter_map(|((line, function), pc)| {
            let row = names.get(&function)?.as_ref()?;
            let node = unit.nodes.get(function)?;
            let point = self.point(row, unit.offset, node.offset, pc);
            let inlined = node.tag == constants::DW_TAG_inlined_subroutine;
            Some(CodePoint { line, inlined, ..point })
        });
        Ok(points.collect())
    }

    /// The function or copy that an address is in, with its line.
    ///
    /// # Errors
    /// [`DebugError::Damaged`].
    pub fn at_address(&self, pc: u64) -> Result<Option<CodePoint>, DebugError> {
        self.find_address(pc).map_err(|error| self.damaged(error))
    }

    fn find_address(&self, pc: u64) -> Reading<Option<CodePoint>> {
        let dwarf = self.image.dwarf();
        let mut units = dwarf.units();
        while let Some(header) = units.next()? {
            let Some(offset) = header.debug_info_offset() else { continue };
            let reader = Reader::new(self.image.dwarf(), offset.0)?;
            let root = reader.unit.entry(header.root_offset())?;
            if !reader.ranges(&root).iter().any(|range| range.contains(&pc)) {
                continue;
            }
            let unit = self.unit(offset.0)?;
            let Some(node) = innermost(&covered(&unit, &reader)?, pc)
                .and_then(|function| unit.nodes.get(function).copied())
            else {
                continue;
            };
            let Some(row) = row_at(&reader, node.offset) else { continue };
            let point = self.point(&row, unit.offset, node.offset, pc);
            return Ok(Some(CodePoint {
                inlined: node.tag == constants::DW_TAG_inlined_subroutine,
                ..point
            }));
        }
        Ok(None)
    }
}

/// Address and line of each row of the line table that is of the file.
fn table(reader: &Reader<'_>, pattern: &FunctionPattern) -> Reading<Vec<(u64, u64)>> {
    let Some(program) = reader.unit.line_program.clone() else { return Ok(Vec::new()) };
    let mut is_of_file: HashMap<u64, bool> = HashMap::new();
    let mut found = Vec::new();
    let mut rows = program.rows();
    while let Some((_, row)) = rows.next_row()? {
        let Some(line) = row.line().filter(|_| !row.end_sequence()) else { continue };
        let wanted = is_of_file.entry(row.file_index()).or_insert_with(|| {
            reader.file(row.file_index()).is_some_and(|path| pattern.has_file(&path))
        });
        if *wanted {
            found.push((row.address(), line.get()));
        }
    }
    Ok(found)
}

/// All functions and copies of the unit that have code, outer ones first.
fn covered(unit: &Unit, reader: &Reader<'_>) -> Reading<Vec<Covered>> {
    let mut found = Vec::new();
    for (position, node) in unit.nodes.iter().enumerate() {
        if is_function(node.tag) {
            let ranges = reader.ranges(&reader.entry(node.offset)?);
            if !ranges.is_empty() {
                found.push(Covered { position, ranges });
            }
        }
    }
    Ok(found)
}

impl Covered {
    fn has(&self, pc: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&pc))
    }
}

fn innermost(covered: &[Covered], pc: u64) -> Option<usize> {
    covered.iter().rev().find(|function| function.has(pc)).map(|function| function.position)
}

/// Whose line it is, of the functions around an instruction, the innermost first. Where a
/// function begins that was inlined, there are rows of the line that calls it, too: then
/// the function's text tells, which begins at the last of their lines before this one.
fn owner(
    around: &[usize],
    names: &HashMap<usize, Option<FunctionRow>>,
    line: u64,
    pattern: &FunctionPattern,
) -> Option<usize> {
    let begins = |function: &usize| {
        let row = names.get(function)?.as_ref()?;
        (row.line <= line && pattern.has_file(&row.file)).then_some(row.line)
    };
    let candidates = around.iter().filter_map(|function| Some((begins(function)?, *function)));
    // Of several copies within each other, the innermost, which comes first.
    let best = candidates.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, function)| function).or(around.first().copied())
}

/// Of each wanted line the rows of the line nearest to it, in each function.
fn nearest_of(
    hits: Vec<Hit>,
    lines: &Lines,
    names: &HashMap<usize, Option<FunctionRow>>,
) -> Vec<Hit> {
    let mut kept = BTreeSet::new();
    let functions: BTreeSet<usize> = hits.iter().map(|hit| hit.function).collect();
    for function in functions {
        let own: BTreeSet<u64> =
            hits.iter().filter(|hit| hit.function == function).map(|hit| hit.line).collect();
        let start = names.get(&function).and_then(Option::as_ref).map_or(0, |row| row.line);
        let wanted: Vec<u64> = match lines {
            Lines::All => own.iter().copied().collect(),
            Lines::Relative(n) => vec![start.saturating_add(*n)],
            Lines::Some(ranges) => ranges.iter().cloned().flatten().take(100_000).collect(),
        };
        for line in wanted {
            let below = own.range(..=line).next_back();
            let above = own.range(line..).next();
            let near = match (below, above) {
                (Some(below), Some(above)) if line - below < above - line => Some(below),
                (below, above) => above.or(below),
            };
            kept.extend(near.map(|near| (function, *near)));
        }
    }
    hits.into_iter().filter(|hit| kept.contains(&(hit.function, hit.line))).collect()
}

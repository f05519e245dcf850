// SPDX-License-Identifier: GPL-2.0-or-later
//! The index, made of all units: each thread takes some of them.

use super::{HAS_CODE, HEADER_BYTES, INLINED, MAGIC, TABLES, WIDTHS, id_field, sum};
use crate::dwarf::image::Image;
use crate::dwarf::unit::Reader;
use crate::dwarf::{Reading, Slice};
use gimli::{Abbreviation, AttributeValue, EntriesRaw, constants};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A table before names have offsets: words, where some are numbers of names.
type Rows = Vec<[u32; 6]>;

/// What a thread has found.
#[derive(Default)]
struct Found {
    names: Names,
    functions: Rows,
    instances: Rows,
    types: Rows,
    variables: Rows,
}

/// Names, numbered as they come.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, u32>,
    list: Vec<String>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(n) = self.numbers.get(name) {
            return *n;
        }
        let n = self.list.len() as u32;
        self.numbers.insert(name.to_owned(), n);
        self.list.push(name.to_owned());
        n
    }
}

/// What an entry says of itself.
#[derive(Default)]
struct Facts<'a> {
    name: Option<AttributeValue<Slice<'a>>>,
    file: u64,
    line: u32,
    origin: Option<usize>,
    specification: Option<usize>,
    has_code: bool,
    has_size: bool,
    is_declaration: bool,
    is_inline: bool,
    has_location: bool,
}

pub(super) fn make(image: &Image) -> Reading<Vec<u8>> {
    let dwarf = image.dwarf();
    let mut offsets = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        if let Some(offset) = header.debug_info_offset() {
            offsets.push(offset.0);
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let parts: Vec<Reading<Found>> = std::thread::scope(|scope| {
        let offsets = &offsets;
        let work = |first: usize| {
            let mut found = Found::default();
            for &offset in offsets.iter().skip(first).step_by(threads) {
                found.unit(Reader::new(image.dwarf(), offset)?)?;
            }
            Ok(found)
        };
        let running: Vec<_> = (1..threads).map(|n| scope.spawn(move || work(n))).collect();
        let mut parts = vec![work(0)];
        // A thread that panicked has found nothing; the panic has been told.
        parts.extend(
            running.into_iter().map(|thread| thread.join().unwrap_or(Err(gimli::Error::Io))),
        );
        parts
    });
    let parts: Vec<Found> = parts.into_iter().collect::<Reading<_>>()?;
    Ok(write(parts, &image.build_id))
}

impl Found {
    fn unit(&mut self, reader: Reader<'_>) -> Reading<()> {
        let mut entries = reader.unit.entries_raw(None)?;
        let mut declared: HashMap<usize, u32> = HashMap::new();
        let mut files: HashMap<u64, u32> = HashMap::new();
        while !entries.is_empty() {
            let depth = entries.next_depth();
            let at = reader.offset.saturating_add(entries.next_offset().0);
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            let tag = abbreviation.tag();
            let is_wanted = match tag {
                constants::DW_TAG_subprogram | constants::DW_TAG_inlined_subroutine => true,
                constants::DW_TAG_structure_type
                | constants::DW_TAG_union_type
                | constants::DW_TAG_enumeration_type
                | constants::DW_TAG_typedef
                | constants::DW_TAG_base_type
                | constants::DW_TAG_variable => depth == 1,
                _ => false,
            };
            if !is_wanted {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let facts = facts(&reader, &mut entries, abbreviation)?;
            let (unit, entry) = (reader.offset as u32, at as u32);
            let file = |own: &mut Found, files: &mut HashMap<u64, u32>| {
                *files.entry(facts.file).or_insert_with(|| {
                    own.names.number(&reader.file(facts.file).unwrap_or_default())
                })
            };
            let name = match facts.name {
                Some(value) => {
                    let text = reader.dwarf.attr_string(&reader.unit, value)?;
                    Some(self.names.number(&text.to_string_lossy()))
                }
                None => None,
            };
            match tag {
                constants::DW_TAG_inlined_subroutine => {
                    if let Some(origin) = facts.origin {
                        self.instances.push([origin as u32, unit, entry, INLINED, 0, 0]);
                    }
                }
                constants::DW_TAG_subprogram => match (name, facts.origin) {
                    (_, Some(origin)) => {
                        self.instances.push([origin as u32, unit, entry, 0, 0, 0]);
                    }
                    (Some(name), None) if facts.is_declaration => {
                        declared.insert(at, name);
                    }
                    (name, None) => {
                        let before = facts.specification.and_then(|at| declared.get(&at).copied());
                        if let Some(name) = name.or(before)
                            && (facts.has_code || facts.is_inline)
                        {
                            let file = file(self, &mut files);
                            let flags = if facts.has_code { HAS_CODE } else { 0 };
                            self.functions.push([name, file, facts.line, unit, entry, flags]);
                        }
                    }
                },
                constants::DW_TAG_variable => {
                    let before = facts.specification.and_then(|at| declared.get(&at).copied());
                    if let Some(name) = name.or(before) {
                        if facts.is_declaration {
                            declared.insert(at, name);
                        } else if facts.has_location {
                            let file = file(self, &mut files);
                            self.variables.push([name, unit, entry, file, 0, 0]);
                        }
                    }
                }
                _ => {
                    let is_whole = facts.has_size || tag == constants::DW_TAG_typedef;
                    if let Some(name) = name
                        && is_whole
                        && !facts.is_declaration
                    {
                        self.types.push([name, unit, entry, u32::from(tag.0), 0, 0]);
                    }
                }
            }
        }
        Ok(())
    }
}

fn facts<'a>(
    reader: &Reader<'a>,
    entries: &mut EntriesRaw<'_, Slice<'a>>,
    abbreviation: &Abbreviation,
) -> Reading<Facts<'a>> {
    let mut facts = Facts::default();
    for specification in abbreviation.attributes() {
        let attribute = entries.read_attribute(*specification)?;
        let value = || attribute.value();
        match attribute.name() {
            constants::DW_AT_name => facts.name = Some(value()),
            constants::DW_AT_decl_file => facts.file = attribute.udata_value().unwrap_or(0),
            constants::DW_AT_decl_line => {
                let line = attribute.udata_value().and_then(|line| u32::try_from(line).ok());
                facts.line = line.unwrap_or(0);
            }
            constants::DW_AT_abstract_origin => facts.origin = reader.reference(Some(value())),
            constants::DW_AT_specification => {
                facts.specification = reader.reference(Some(value()));
            }
            constants::DW_AT_low_pc | constants::DW_AT_ranges => facts.has_code = true,
            constants::DW_AT_byte_size => facts.has_size = true,
            constants::DW_AT_location | constants::DW_AT_const_value => facts.has_location = true,
            constants::DW_AT_declaration => {
                facts.is_declaration = value() == AttributeValue::Flag(true);
            }
            constants::DW_AT_inline => facts.is_inline = true,
            _ => {}
        }
    }
    Ok(facts)
}

/// Joins what the threads have found. Names get offsets in their own order, so that rows
/// that are sorted by the offset are sorted by name.
fn write(parts: Vec<Found>, build_id: &str) -> Vec<u8> {
    let all: BTreeMap<&str, ()> = parts
        .iter()
        .flat_map(|found| found.names.list.iter().map(|name| (name.as_str(), ())))
        .collect();
    let mut pool = Vec::new();
    let mut offsets: HashMap<&str, u32> = HashMap::with_capacity(all.len());
    for name in all.into_keys() {
        offsets.insert(name, pool.len() as u32);
        pool.extend(name.bytes());
        pool.push(0);
    }
    let mut tables: [Rows; TABLES] = Default::default();
    for found in &parts {
        let offset = |n: u32| {
            let name = found.names.list.get(n as usize).map_or("", String::as_str);
            offsets.get(name).copied().unwrap_or(0)
        };
        let [functions, instances, types, variables] = &mut tables;
        functions.extend(
            found
                .functions
                .iter()
                .map(|&[name, file, a, b, c, d]| [offset(name), offset(file), a, b, c, d]),
        );
        instances.extend(&found.instances);
        types.extend(found.types.iter().map(|&[name, a, b, c, ..]| [offset(name), a, b, c, 0, 0]));
        variables.extend(
            found
                .variables
                .iter()
                .map(|&[name, a, b, file, ..]| [offset(name), a, b, offset(file), 0, 0]),
        );
    }
    for table in &mut tables {
        table.sort_unstable();
    }
    // Every unit has the types of the headers that it uses: one of each is enough.
    let mut seen = HashSet::new();
    if let Some(types) = tables.get_mut(super::Table::Types as usize) {
        types.retain(|&[name, _, _, tag, ..]| seen.insert((name, tag)));
    }
    let mut body = Vec::new();
    for (table, width) in tables.iter().zip(WIDTHS) {
        for row in table {
            body.extend(row.iter().take(width).flat_map(|word| word.to_le_bytes()));
        }
    }
    body.extend(&pool);
    let mut out = Vec::with_capacity(HEADER_BYTES + body.len());
    out.extend(MAGIC);
    out.extend(id_field(build_id));
    for table in &tables {
        out.extend((table.len() as u32).to_le_bytes());
    }
    out.extend((pool.len() as u32).to_le_bytes());
    out.extend(sum(&body).to_le_bytes());
    out.extend(body);
    out
}

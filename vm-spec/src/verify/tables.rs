// SPDX-License-Identifier: GPL-2.0-or-later
//! Rules 1 to 8, 16 and 19: the records, each on its own.

use super::{Reject, Rule, Site, ensure, reject};
use crate::format::Piece;
use crate::ids::*;
use crate::image::{
    CatchRecord, FunctionRecord, HistogramKind, Image, LockMode, LockRecord, MapRecord, NO_STRING,
    Overflow, ProbeRecord, ReturnKind, SlotKind, ValueKind, linear_buckets,
};
use crate::limits;
use crate::probe::{Needs, ProbeKind};
use crate::regex::Tables;

pub(super) fn check(image: &Image<'_>) -> Result<(), Reject> {
    for n in 0..count(image.strings)? {
        let known = image.try_string(StrId(n)).is_some();
        ensure(known, Rule::Strings, Site::String(n), n.into())?;
    }
    scalars(image)?;
    maps(image)?;
    for n in 0..count(image.formats)? {
        format(image, FormatId(n))?;
    }
    regexes(image)?;
    functions(image)?;
    relocations(image)?;
    for (n, probe) in (0..).zip(image.probes) {
        check_probe(image, Site::Probe(n), probe)?;
    }
    Ok(())
}

/// The length of a table as a `u32`; the image's size keeps it far below.
fn count<T>(table: &[T]) -> Result<u32, Reject> {
    match u32::try_from(table.len()) {
        Ok(n) => Ok(n),
        Err(_) => reject(Rule::Work, Site::Image, table.len() as u64),
    }
}

fn string(image: &Image<'_>, id: u32, site: Site) -> Result<(), Reject> {
    ensure((id as usize) < image.strings.len(), Rule::Strings, site, id.into())
}

fn scalars(image: &Image<'_>) -> Result<(), Reject> {
    let most = usize::from(u16::MAX);
    ensure(image.scalars.len() <= most, Rule::Work, Site::Image, image.scalars.len() as u64)?;
    for (n, scalar) in (0..).zip(image.scalars) {
        let site = Site::Scalar(n);
        string(image, scalar.name, site)?;
        ensure(scalar.reserved == 0, Rule::Reserved, site, scalar.reserved.into())?;
    }
    Ok(())
}

fn maps(image: &Image<'_>) -> Result<(), Reject> {
    // `bc` names maps too and is signed.
    let most = i16::MAX as usize;
    ensure(image.maps.len() <= most, Rule::Work, Site::Image, image.maps.len() as u64)?;
    for (n, map) in (0..).zip(image.maps) {
        check_map(image, Site::Map(n), map)?;
    }
    Ok(())
}

fn check_map(image: &Image<'_>, site: Site, map: &MapRecord) -> Result<(), Reject> {
    string(image, map.name, site)?;
    ensure(map.reserved == 0, Rule::Reserved, site, map.reserved.into())?;
    ensure(map.reserved2 == 0, Rule::Reserved, site, map.reserved2.into())?;
    let overflow = Overflow::from_number(map.overflow);
    ensure(overflow.is_some(), Rule::Reserved, site, map.overflow.into())?;
    let Some(value) = ValueKind::from_number(map.value) else {
        return reject(Rule::Reserved, site, map.value.into());
    };
    let Some(histogram) = HistogramKind::from_number(map.histogram) else {
        return reject(Rule::Reserved, site, map.histogram.into());
    };

    ensure(map.key_count <= limits::MAX_KEYS, Rule::Maps, site, map.key_count.into())?;
    let beyond = u32::from(map.string_keys).checked_shr(map.key_count.into()).unwrap_or(0);
    ensure(beyond == 0, Rule::Maps, site, map.string_keys.into())?;
    let most = if map.key_count == 0 { 1 } else { limits::MAX_MAP_ENTRIES };
    ensure((1..=most).contains(&map.capacity), Rule::Maps, site, map.capacity.into())?;
    if map.initial != NO_STRING {
        string(image, map.initial, site)?;
        let is_string_global = map.key_count == 0 && value == ValueKind::Str;
        ensure(is_string_global, Rule::Maps, site, map.initial.into())?;
    }

    let has_variance = map.variance == 0 || value == ValueKind::Stat;
    let shift_fits = map.variance <= limits::MAX_VARIANCE_SHIFT + 1;
    ensure(has_variance && shift_fits, Rule::Maps, site, map.variance.into())?;

    let bounds = [map.histogram_low, map.histogram_high, map.histogram_step];
    match histogram {
        HistogramKind::Linear => {
            let buckets = linear_buckets(map).unwrap_or(0);
            let fits = buckets > 0 && buckets <= limits::MAX_BUCKETS;
            ensure(fits, Rule::Maps, site, buckets.into())?;
        }
        HistogramKind::None | HistogramKind::Log => {
            ensure(bounds == [0; 3], Rule::Reserved, site, map.histogram_low as u64)?;
        }
    }
    let fits = histogram == HistogramKind::None || value == ValueKind::Stat;
    ensure(fits, Rule::Maps, site, map.histogram.into())
}

fn relocations(image: &Image<'_>) -> Result<(), Reject> {
    let count = image.relocations.len();
    ensure(count <= limits::MAX_RELOCATIONS, Rule::Work, Site::Image, count as u64)?;
    for (n, relocation) in (0..).zip(image.relocations) {
        let site = Site::Relocation(n);
        string(image, relocation.name, site)?;
        let kind = SlotKind::from_number(relocation.kind);
        ensure(kind.is_some(), Rule::Reserved, site, relocation.kind.into())?;
    }
    Ok(())
}

fn format(image: &Image<'_>, id: FormatId) -> Result<(), Reject> {
    let site = Site::Format(id.0);
    let Some(record) = image.formats.get(id.index()) else {
        return reject(Rule::Formats, site, id.0.into());
    };
    let Some(pieces) = crate::image::run(image.pieces, record.first_piece, record.piece_count)
    else {
        return reject(Rule::Formats, site, record.first_piece.into());
    };
    // A piece may serve two formats, so the sum is bounded, too.
    ensure(pieces.len() <= limits::MAX_FORMAT_PIECES, Rule::Formats, site, pieces.len() as u64)?;
    let mut arguments = 0usize;
    for record in pieces {
        let Some(piece) = Piece::from_record(record) else {
            return reject(Rule::Formats, site, record.conversion.into());
        };
        string(image, piece.literal.0, site)?;
        arguments = arguments.saturating_add(piece.arguments().count());
    }
    let few = arguments <= limits::MAX_FORMAT_ARGUMENTS;
    ensure(few, Rule::Formats, site, arguments as u64)
}

/// The expressions' words follow each other, so that each is looked at once.
fn regexes(image: &Image<'_>) -> Result<(), Reject> {
    let mut words = 0u32;
    for n in 0..count(image.regexes)? {
        let site = Site::Regex(n);
        let Some(record) = image.regexes.get(n as usize) else { break };
        string(image, record.pattern, site)?;
        ensure(record.first_word == words, Rule::Regexes, site, record.first_word.into())?;
        words = words.saturating_add(record.word_count);
        let sound = Tables::of(image, RegexId(n)).is_some_and(|tables| tables.are_sound());
        ensure(sound, Rule::Regexes, site, record.word_count.into())?;
    }
    let all = image.regex_words.len() == words as usize;
    ensure(all, Rule::Regexes, Site::Image, words.into())
}

fn functions(image: &Image<'_>) -> Result<(), Reject> {
    let (mut insns, mut locks, mut catches) = (0u32, 0u32, 0u32);
    for (n, function) in (0..).zip(image.functions) {
        let site = Site::Function(n);
        let follows = function.first_insn == insns
            && function.first_lock == locks
            && function.first_catch == catches
            && function.insn_count > 0;
        ensure(follows, Rule::Partition, site, function.first_insn.into())?;
        insns = insns.saturating_add(function.insn_count);
        locks = locks.saturating_add(function.lock_count.into());
        catches = catches.saturating_add(function.catch_count.into());
        frame(image, site, function)?;
    }
    for (have, used) in
        [(image.code.len(), insns), (image.locks.len(), locks), (image.catches.len(), catches)]
    {
        ensure(have == used as usize, Rule::Partition, Site::Image, used.into())?;
    }
    for (n, function) in (0..).zip(image.functions) {
        lock_set(image, Site::Function(n), function)?;
        for record in image.catches_of(function) {
            catch(Site::Function(n), function, record)?;
        }
    }
    Ok(())
}

fn frame(image: &Image<'_>, site: Site, function: &FunctionRecord) -> Result<(), Reject> {
    string(image, function.name, site)?;
    ensure(function.reserved == 0, Rule::Reserved, site, function.reserved.into())?;
    ensure(function.reserved2 == 0, Rule::Reserved, site, function.reserved2.into())?;
    let returns = ReturnKind::from_number(function.returns);
    ensure(returns.is_some(), Rule::Reserved, site, function.returns.into())?;
    let known = Needs(function.needs).within(Needs::KNOWN);
    ensure(known, Rule::Reserved, site, function.needs.into())?;
    for (registers, parameters) in [
        (function.long_registers, function.long_parameters),
        (function.string_registers, function.string_parameters),
    ] {
        let fits =
            usize::from(registers) <= limits::FRAME_REGISTERS && u16::from(parameters) <= registers;
        ensure(fits, Rule::Frame, site, registers.into())?;
    }
    Ok(())
}

fn lock_set(image: &Image<'_>, site: Site, function: &FunctionRecord) -> Result<(), Reject> {
    let mut before: Option<u32> = None;
    for lock in image.locks_of(function) {
        let mode = LockMode::from_number(lock.mode);
        ensure(mode.is_some(), Rule::Reserved, site, lock.mode.into())?;
        ensure(before < Some(lock.global), Rule::Locks, site, lock.global.into())?;
        before = Some(lock.global);
        let index = (lock.global & !LockRecord::MAP) as usize;
        let is_map = lock.global & LockRecord::MAP != 0;
        let table = if is_map { image.maps.len() } else { image.scalars.len() };
        ensure(index < table, Rule::Locks, site, lock.global.into())?;
    }
    Ok(())
}

fn catch(site: Site, function: &FunctionRecord, record: &CatchRecord) -> Result<(), Reject> {
    let end = function.first_insn.saturating_add(function.insn_count);
    let fits = record.start >= function.first_insn
        && record.start < record.end
        && record.end <= record.target
        && record.target < end;
    ensure(fits, Rule::Catches, site, record.start.into())?;
    let message = record.message == CatchRecord::NO_REGISTER
        || record.message < u32::from(function.string_registers);
    ensure(message, Rule::Catches, site, record.message.into())
}

fn check_probe(image: &Image<'_>, site: Site, probe: &ProbeRecord) -> Result<(), Reject> {
    string(image, probe.name, site)?;
    let Some(kind) = ProbeKind::from_number(probe.kind) else {
        return reject(Rule::Reserved, site, probe.kind.into());
    };
    let Some(handler) = image.functions.get(probe.handler as usize) else {
        return reject(Rule::Probes, site, probe.handler.into());
    };
    let is_handler = handler.long_parameters == 0
        && handler.string_parameters == 0
        && handler.returns == ReturnKind::Nothing as u8;
    ensure(is_handler, Rule::Probes, site, probe.handler.into())?;
    let provided = Needs(handler.needs).within(kind.provides());
    ensure(provided, Rule::Probes, site, handler.needs.into())?;
    let steps = (1..=limits::MAX_STEPS).contains(&probe.steps);
    ensure(steps, Rule::Probes, site, probe.steps.into())?;
    for (saved, most) in [
        (probe.saved_longs, limits::MAX_SAVED_LONGS),
        (probe.saved_strings, limits::MAX_SAVED_STRINGS),
    ] {
        let fits = saved == 0 || (kind == ProbeKind::FunctionReturn && saved <= most);
        ensure(fits, Rule::Probes, site, saved.into())?;
    }
    Ok(())
}

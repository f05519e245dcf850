// SPDX-License-Identifier: GPL-2.0-or-later
//! A program under construction: tables that grow, and at the end the image.
//!
//! ```
//! use vm_spec::build::{Builder, FunctionSpec, Limits, ProbeSpec};
//! use vm_spec::{isa::asm, probe::ProbeKind, verify::verify};
//!
//! let mut builder = Builder::new(Limits::default());
//! let handler = builder.declare_function();
//! builder.define_function(handler, FunctionSpec::handler("begin", vec![asm::ret()]));
//! builder.probe(ProbeSpec::new("begin", handler, ProbeKind::Begin));
//! let built = builder.finish().unwrap();
//! assert!(verify(&built.image).is_ok());
//! ```

use crate::format::{Piece, PieceRecord};
use crate::ids::*;
use crate::image::*;
use crate::insn::Insn;
use crate::isa::{Opcode, OperandKind};
use crate::limits;
use crate::probe::{Needs, ProbeKind};
use std::collections::HashMap;
use zerocopy::{Immutable, IntoBytes};

/// The header's limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `MAXSTRINGLEN`.
    pub string_length: u32,
    /// `MAXNESTING`.
    pub call_depth: u32,
    /// `MAXERRORS`.
    pub max_errors: u32,
    /// `MAXSKIPPED`.
    pub max_skipped: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            string_length: limits::DEFAULT_STRING_LENGTH,
            call_depth: limits::DEFAULT_CALL_DEPTH,
            max_errors: 0,
            max_skipped: 100,
        }
    }
}

/// A global, as lock sets name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Global {
    /// A global of type long.
    Scalar(ScalarId),
    /// A map, a string global or a scalar aggregate.
    Map(MapId),
}

impl Global {
    /// As a lock record names it.
    pub fn to_raw(self) -> u32 {
        match self {
            Global::Scalar(id) => id.0.into(),
            Global::Map(id) => u32::from(id.0) | LockRecord::MAP,
        }
    }

    /// From a lock record's `global`.
    pub fn from_raw(raw: u32) -> Global {
        let index = raw as u16;
        if raw & LockRecord::MAP != 0 {
            Global::Map(MapId(index))
        } else {
            Global::Scalar(ScalarId(index))
        }
    }
}

/// The histogram an aggregate keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Histogram {
    /// None.
    #[default]
    None,
    /// A bucket for each power of two.
    Log,
    /// Buckets of equal width.
    Linear {
        /// Lower bound.
        low: i64,
        /// Upper bound.
        high: i64,
        /// Width of a bucket.
        step: i64,
    },
}

/// A map to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapSpec {
    /// Its name in the script.
    pub name: String,
    /// Kinds of its keys; none for a string global or a scalar aggregate.
    pub keys: Vec<ValueKind>,
    /// Kind of its values.
    pub value: ValueKind,
    /// Most entries.
    pub capacity: u32,
    /// What happens beyond.
    pub overflow: Overflow,
    /// The histogram its aggregates keep.
    pub histogram: Histogram,
    /// The bit shift of their variance, if they keep one.
    pub variance: Option<u8>,
    /// Initial value of a string global.
    pub initial: Option<Vec<u8>>,
}

/// A try block; positions count from the function's first instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CatchSpec {
    /// First instruction of the range.
    pub start: u32,
    /// The instruction after the range.
    pub end: u32,
    /// Where the run goes on.
    pub target: u32,
    /// The register that takes the message.
    pub message: Option<StrReg>,
}

/// A regular expression to be: its words as [`crate::regex`] lays them out, and counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RegexSpec {
    /// All its words.
    pub words: Vec<u16>,
    /// Classes of bytes.
    pub class_count: u16,
    /// States of the matcher.
    pub state_count: u16,
    /// Groups that are tracked, the whole match among them; 0 for none.
    pub groups: u16,
    /// States of the tracker.
    pub track_states: u16,
    /// Steps of the tracker.
    pub step_count: u16,
    /// Most threads at a time.
    pub width: u16,
}

/// A function to be. Jump targets in its code count from its first instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionSpec {
    /// Name.
    pub name: String,
    /// Long parameters.
    pub long_parameters: u8,
    /// String parameters.
    pub string_parameters: u8,
    /// What it returns.
    pub returns: ReturnKind,
    /// Long registers of its frame.
    pub long_registers: u16,
    /// String registers of its frame.
    pub string_registers: u16,
    /// What it needs of the probe's context, with all it calls.
    pub needs: Needs,
    /// The globals that it and all it calls touch.
    pub locks: Vec<(Global, LockMode)>,
    /// Instructions.
    pub code: Vec<Insn>,
    /// Try blocks, inner ones first.
    pub catches: Vec<CatchSpec>,
}

impl FunctionSpec {
    /// A handler with no registers.
    pub fn handler(name: &str, code: Vec<Insn>) -> FunctionSpec {
        FunctionSpec {
            name: name.to_owned(),
            long_parameters: 0,
            string_parameters: 0,
            returns: ReturnKind::Nothing,
            long_registers: 0,
            string_registers: 0,
            needs: Needs::NONE,
            locks: Vec::new(),
            code,
            catches: Vec::new(),
        }
    }
}

/// A probe to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeSpec {
    /// The probe point.
    pub name: String,
    /// Its handler.
    pub handler: FunctionId,
    /// What makes it fire.
    pub kind: ProbeKind,
    /// Steps of one run.
    pub steps: u32,
    /// Longs and strings that a return probe finds kept from the function's entry.
    pub saved: (u8, u8),
}

impl ProbeSpec {
    /// A probe with the default budget.
    pub fn new(name: &str, handler: FunctionId, kind: ProbeKind) -> ProbeSpec {
        ProbeSpec {
            name: name.to_owned(),
            handler,
            kind,
            steps: limits::DEFAULT_STEPS,
            saved: (0, 0),
        }
    }
}

/// Why a program cannot be laid out.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BuildError {
    /// A table has more members than its index type can name.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// A declared function was never defined.
    #[error("function {0} is declared but not defined")]
    Undefined(FunctionId),
    /// The image would be larger than the kernel takes.
    #[error("the program takes {0} bytes, {max} is the most", max = limits::MAX_IMAGE_BYTES)]
    TooLarge(usize),
}

/// An image, and where its functions begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The image's words.
    pub image: Vec<u64>,
    /// Position of each function's first instruction in the code section.
    pub function_starts: Vec<u32>,
}

/// A program under construction.
#[derive(Debug)]
pub struct Builder {
    limits: Limits,
    longs: Vec<i64>,
    long_ids: HashMap<i64, LongId>,
    strings: Vec<StringRecord>,
    string_ids: HashMap<Vec<u8>, StrId>,
    bytes: Vec<u8>,
    scalars: Vec<ScalarRecord>,
    maps: Vec<MapRecord>,
    functions: Vec<Option<FunctionSpec>>,
    probes: Vec<ProbeSpec>,
    formats: Vec<FormatRecord>,
    format_ids: HashMap<Vec<[u8; 16]>, FormatId>,
    pieces: Vec<PieceRecord>,
    regexes: Vec<RegexRecord>,
    regex_ids: HashMap<Vec<u8>, RegexId>,
    regex_words: Vec<u16>,
    relocations: Vec<RelocationRecord>,
}

impl Builder {
    /// An empty program. String constant 0 is "".
    pub fn new(limits: Limits) -> Builder {
        let mut builder = Builder {
            limits,
            longs: Vec::new(),
            long_ids: HashMap::new(),
            strings: Vec::new(),
            string_ids: HashMap::new(),
            bytes: Vec::new(),
            scalars: Vec::new(),
            maps: Vec::new(),
            functions: Vec::new(),
            probes: Vec::new(),
            formats: Vec::new(),
            format_ids: HashMap::new(),
            pieces: Vec::new(),
            regexes: Vec::new(),
            regex_ids: HashMap::new(),
            regex_words: Vec::new(),
            relocations: Vec::new(),
        };
        builder.string(b"");
        builder
    }

    /// A string constant; the same bytes give the same id.
    pub fn string(&mut self, text: &[u8]) -> StrId {
        if let Some(&id) = self.string_ids.get(text) {
            return id;
        }
        let id = StrId(self.strings.len() as u32);
        let record = StringRecord { offset: self.bytes.len() as u32, length: text.len() as u32 };
        self.strings.push(record);
        self.bytes.extend_from_slice(text);
        self.string_ids.insert(text.to_vec(), id);
        id
    }

    /// A 64-bit constant; the same value gives the same id.
    pub fn long(&mut self, value: i64) -> LongId {
        let next = LongId(self.longs.len() as u32);
        *self.long_ids.entry(value).or_insert_with(|| {
            self.longs.push(value);
            next
        })
    }

    /// A global of type long.
    pub fn scalar(&mut self, name: &str, initial: i64) -> ScalarId {
        let id = ScalarId(self.scalars.len() as u16);
        let name = self.string(name.as_bytes()).0;
        self.scalars.push(ScalarRecord { initial, name, reserved: 0 });
        id
    }

    /// A map.
    pub fn map(&mut self, spec: MapSpec) -> MapId {
        let id = MapId(self.maps.len() as u16);
        let name = self.string(spec.name.as_bytes()).0;
        let initial = match &spec.initial {
            Some(text) => self.string(text).0,
            None => NO_STRING,
        };
        let is_string = |(n, kind): (usize, &ValueKind)| u16::from(*kind == ValueKind::Str) << n;
        let (histogram, [low, high, step]) = match spec.histogram {
            Histogram::None => (HistogramKind::None, [0; 3]),
            Histogram::Log => (HistogramKind::Log, [0; 3]),
            Histogram::Linear { low, high, step } => (HistogramKind::Linear, [low, high, step]),
        };
        self.maps.push(MapRecord {
            histogram_low: low,
            histogram_high: high,
            histogram_step: step,
            name,
            capacity: if spec.keys.is_empty() { 1 } else { spec.capacity },
            initial,
            string_keys: spec.keys.iter().take(16).enumerate().map(is_string).sum(),
            key_count: spec.keys.len().min(255) as u8,
            value: spec.value as u8,
            histogram: histogram as u8,
            overflow: spec.overflow as u8,
            variance: spec.variance.map_or(0, |shift| shift.saturating_add(1)),
            reserved: 0,
            reserved2: 0,
        });
        id
    }

    /// A regular expression; the same pattern gives the same id.
    pub fn regex(&mut self, pattern: &[u8], spec: &RegexSpec) -> RegexId {
        let next = RegexId(self.regexes.len() as u32);
        let id = *self.regex_ids.entry(pattern.to_vec()).or_insert(next);
        if id == next {
            let pattern = self.string(pattern).0;
            self.regexes.push(RegexRecord {
                pattern,
                first_word: self.regex_words.len() as u32,
                word_count: spec.words.len() as u32,
                class_count: spec.class_count,
                state_count: spec.state_count,
                groups: spec.groups,
                track_states: spec.track_states,
                step_count: spec.step_count,
                width: spec.width,
            });
            self.regex_words.extend(&spec.words);
        }
        id
    }

    /// A format; the same pieces give the same id.
    pub fn format(&mut self, pieces: &[Piece]) -> FormatId {
        let records: Vec<PieceRecord> = pieces.iter().map(|piece| piece.to_record()).collect();
        let key = records.iter().map(|record| zerocopy::transmute!(*record)).collect();
        let next = FormatId(self.formats.len() as u32);
        let id = *self.format_ids.entry(key).or_insert(next);
        if id == next {
            let first_piece = self.pieces.len() as u32;
            self.formats.push(FormatRecord { first_piece, piece_count: records.len() as u32 });
            self.pieces.extend(records);
        }
        id
    }

    /// A function that will be defined later, so that calls can name it.
    pub fn declare_function(&mut self) -> FunctionId {
        self.functions.push(None);
        FunctionId(self.functions.len() as u32 - 1)
    }

    /// What a declared function does. An id of another builder is ignored here and
    /// shows up as [`BuildError::Undefined`].
    pub fn define_function(&mut self, id: FunctionId, spec: FunctionSpec) {
        if let Some(slot) = self.functions.get_mut(id.index()) {
            *slot = Some(spec);
        }
    }

    /// A relocation slot; `name` is for readers.
    pub fn relocation(&mut self, name: &str, kind: SlotKind) -> RelocationId {
        let name = self.string(name.as_bytes()).0;
        self.relocations.push(RelocationRecord { name, kind: kind as u32 });
        RelocationId(self.relocations.len() as u32 - 1)
    }

    /// A probe.
    pub fn probe(&mut self, spec: ProbeSpec) -> ProbeId {
        self.probes.push(spec);
        ProbeId(self.probes.len() as u32 - 1)
    }

    /// Lays the image out.
    ///
    /// # Errors
    /// [`BuildError`]; that the program keeps the verifier's rules is not checked.
    pub fn finish(mut self) -> Result<Built, BuildError> {
        for (count, most, what) in [
            (self.scalars.len(), usize::from(u16::MAX), "globals"),
            (self.maps.len(), i16::MAX as usize, "arrays"),
            (self.bytes.len(), limits::MAX_IMAGE_BYTES as usize, "string constants"),
            (self.relocations.len(), limits::MAX_RELOCATIONS, "relocations"),
        ] {
            if count > most {
                return Err(BuildError::TooMany(what));
            }
        }
        let mut tables = CodeTables::default();
        for (n, spec) in std::mem::take(&mut self.functions).into_iter().enumerate() {
            let spec = spec.ok_or(BuildError::Undefined(FunctionId(n as u32)))?;
            let name = self.string(spec.name.as_bytes()).0;
            tables.add(name, &spec)?;
        }
        let probes: Vec<ProbeRecord> = std::mem::take(&mut self.probes)
            .into_iter()
            .map(|spec| ProbeRecord {
                name: self.string(spec.name.as_bytes()).0,
                handler: spec.handler.0,
                kind: spec.kind as u16,
                saved_longs: spec.saved.0,
                saved_strings: spec.saved.1,
                steps: spec.steps,
            })
            .collect();

        let mut out = Layout::new();
        out.section(Section::Code, &tables.code);
        out.section(Section::Longs, &self.longs);
        out.section(Section::Strings, &self.strings);
        out.section(Section::Bytes, &self.bytes);
        out.section(Section::Functions, &tables.functions);
        out.section(Section::Locks, &tables.locks);
        out.section(Section::Scalars, &self.scalars);
        out.section(Section::Maps, &self.maps);
        out.section(Section::Probes, &probes);
        out.section(Section::Formats, &self.formats);
        out.section(Section::Pieces, &self.pieces);
        out.section(Section::Catches, &tables.catches);
        out.section(Section::Regexes, &self.regexes);
        out.section(Section::RegexWords, &self.regex_words);
        out.section(Section::Relocations, &self.relocations);
        let function_starts = tables.functions.iter().map(|f| f.first_insn).collect();
        Ok(Built { image: out.finish(self.limits)?, function_starts })
    }
}

/// The sections that functions spread over.
#[derive(Default)]
struct CodeTables {
    code: Vec<Insn>,
    functions: Vec<FunctionRecord>,
    locks: Vec<LockRecord>,
    catches: Vec<CatchRecord>,
}

impl CodeTables {
    fn add(&mut self, name: u32, spec: &FunctionSpec) -> Result<(), BuildError> {
        let base = self.code.len() as u32;
        let mut locks: Vec<LockRecord> = spec
            .locks
            .iter()
            .map(|&(global, mode)| LockRecord { global: global.to_raw(), mode: mode as u32 })
            .collect();
        // Writing first, so that a global that is both read and written stays a write.
        locks.sort_by_key(|lock| (lock.global, std::cmp::Reverse(lock.mode)));
        locks.dedup_by_key(|lock| lock.global);
        let small =
            |count: usize, what| u16::try_from(count).map_err(|_| BuildError::TooMany(what));
        self.functions.push(FunctionRecord {
            name,
            first_insn: base,
            insn_count: spec.code.len() as u32,
            first_lock: self.locks.len() as u32,
            first_catch: self.catches.len() as u32,
            lock_count: small(locks.len(), "globals in one handler")?,
            catch_count: small(spec.catches.len(), "try blocks in one function")?,
            long_registers: spec.long_registers,
            string_registers: spec.string_registers,
            long_parameters: spec.long_parameters,
            string_parameters: spec.string_parameters,
            returns: spec.returns as u8,
            reserved: 0,
            needs: spec.needs.0,
            reserved2: 0,
        });
        self.locks.extend(locks);
        self.catches.extend(spec.catches.iter().map(|catch| CatchRecord {
            start: base.saturating_add(catch.start),
            end: base.saturating_add(catch.end),
            target: base.saturating_add(catch.target),
            message: catch.message.map_or(CatchRecord::NO_REGISTER, |register| register.0.into()),
        }));
        self.code.extend(spec.code.iter().map(|&insn| rebase(insn, base)));
        Ok(())
    }
}

/// The instruction with its jump target counted from the start of the code section.
fn rebase(insn: Insn, base: u32) -> Insn {
    let Some(opcode) = Opcode::from_number(insn.op) else { return insn };
    let target = opcode.info().operands.iter().find(|(_, kind)| *kind == OperandKind::Target);
    match target {
        Some(&(field, _)) => insn.with(field, insn.get(field).wrapping_add(base.into())),
        None => insn,
    }
}

/// The image's bytes as they grow.
struct Layout {
    header: Header,
    bytes: Vec<u8>,
}

impl Layout {
    fn new() -> Layout {
        Layout { header: Header::default(), bytes: vec![0; size_of::<Header>()] }
    }

    fn section<T: IntoBytes + Immutable>(&mut self, which: Section, records: &[T]) {
        let range = SectionRange { offset: self.bytes.len() as u32, count: records.len() as u32 };
        if let Some(slot) = self.header.sections.get_mut(which as usize) {
            *slot = range;
        }
        self.bytes.extend_from_slice(records.as_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }

    fn finish(mut self, limits: Limits) -> Result<Vec<u64>, BuildError> {
        let total = self.bytes.len();
        if total > limits::MAX_IMAGE_BYTES as usize {
            return Err(BuildError::TooLarge(total));
        }
        let header = Header {
            magic: MAGIC,
            version: VERSION,
            total_bytes: total as u32,
            string_length: limits.string_length,
            call_depth: limits.call_depth,
            max_errors: limits.max_errors,
            max_skipped: limits.max_skipped,
            sections: self.header.sections,
        };
        if let Some(room) = self.bytes.get_mut(..size_of::<Header>()) {
            room.copy_from_slice(header.as_bytes());
        }
        Ok(self.bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::asm;
    use crate::verify::{Rule, VerifyError, verify};

    fn program(locks: Vec<(Global, LockMode)>, code: Vec<Insn>) -> Vec<u64> {
        let mut b = Builder::new(Limits::default());
        b.scalar("x", 3);
        b.map(MapSpec {
            name: "n".into(),
            keys: vec![ValueKind::Str, ValueKind::Long],
            value: ValueKind::Long,
            capacity: 10,
            overflow: Overflow::Fail,
            histogram: Histogram::None,
            variance: None,
            initial: None,
        });
        let f = b.declare_function();
        let spec = FunctionSpec {
            long_registers: 2,
            string_registers: 1,
            locks,
            ..FunctionSpec::handler("begin", code)
        };
        b.define_function(f, spec);
        b.probe(ProbeSpec::new("begin", f, ProbeKind::Begin));
        b.finish().unwrap().image
    }

    fn rule(words: &[u64]) -> Rule {
        match verify(words) {
            Err(VerifyError::Reject(reject)) => reject.rule,
            other => panic!("not rejected by a rule: {other:?}"),
        }
    }

    #[test]
    fn what_is_built_is_accepted() {
        let (g, m) = (ScalarId(0), MapId(0));
        let locks = vec![(Global::Map(m), LockMode::Write), (Global::Scalar(g), LockMode::Read)];
        let code = vec![
            asm::ldi(Reg(0), 5),
            asm::gld(Reg(1), g),
            asm::maddi(Reg(0), StrReg(0), m, -1),
            asm::iloop(Reg(0), 10, Pc(1)),
            asm::ret(),
        ];
        verify(&program(locks, code)).unwrap();
    }

    #[test]
    fn each_rule_rejects() {
        let (g, m) = (ScalarId(0), MapId(0));
        let write = || vec![(Global::Map(m), LockMode::Write)];
        type Case = (Rule, Vec<(Global, LockMode)>, Vec<Insn>);
        let cases: Vec<Case> = vec![
            (Rule::FallThrough, vec![], vec![asm::ldi(Reg(0), 1)]),
            (Rule::Operand, vec![], vec![asm::ldi(Reg(2), 1), asm::ret()]),
            (Rule::Opcode, vec![], vec![Insn { op: 0xff, ..Insn::default() }]),
            (Rule::Opcode, vec![], vec![Insn { c: 1, ..asm::mov(Reg(0), Reg(1)) }, asm::ret()]),
            (Rule::Target, vec![], vec![asm::jmp(Pc(0))]),
            (Rule::Target, vec![], vec![asm::jmp(Pc(1))]),
            (Rule::Target, vec![], vec![asm::jacc(Pc(0)), asm::ret()]),
            (Rule::Opcode, vec![], vec![Insn { a: 1, ..asm::declin() }]),
            (Rule::Access, vec![], vec![asm::gld(Reg(0), g), asm::ret()]),
            (
                Rule::Access,
                vec![(Global::Scalar(g), LockMode::Read)],
                vec![asm::gst(Reg(0), g), asm::ret()],
            ),
            (Rule::Operand, write(), vec![asm::maddi(Reg(0), StrReg(1), m, 1), asm::ret()]),
            (Rule::Operand, write(), vec![asm::mclr(MapId(1)), asm::ret()]),
            (Rule::Returns, vec![], vec![asm::retl(Reg(0))]),
            (
                Rule::Needs,
                vec![],
                vec![asm::ctx(Reg(0), crate::probe::ContextWord::ReturnValue), asm::ret()],
            ),
            (Rule::Locks, vec![(Global::Map(MapId(9)), LockMode::Read)], vec![asm::ret()]),
        ];
        for (wanted, locks, code) in cases {
            assert_eq!(rule(&program(locks, code.clone())), wanted, "{code:?}");
        }
    }

    proptest::proptest! {
        /// Any damage is either refused or harmless to the verifier itself.
        #[test]
        fn mutated_images_never_panic(at in 0..1000usize, value: u64, cut in 0..64usize) {
            let (g, m) = (ScalarId(0), MapId(0));
            let locks =
                vec![(Global::Map(m), LockMode::Write), (Global::Scalar(g), LockMode::Read)];
            let mut words = program(locks, vec![asm::gld(Reg(1), g), asm::ret()]);
            let length = words.len();
            if let Some(word) = words.get_mut(at % length) {
                *word ^= value;
            }
            words.truncate(length - cut.min(length));
            let _ = verify(&words);
        }
    }
}

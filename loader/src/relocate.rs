// SPDX-License-Identifier: GPL-2.0-or-later
//! The relocations of a program, answered for this kernel.

pub mod places;

use debuginfo::{PathError, Types, answer};
use places::{PlaceError, address, check_build};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use vm_spec::blob::{AttachSpec, Blob};
use vm_spec::relocation::{Question, Relocation, Root};

const KALLSYMS: &str = "/proc/kallsyms";

/// Why a program cannot run on this kernel.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    /// Something that a probe needs is not there.
    #[error("probe {point} needs what this kernel does not have: {reason}")]
    Missing {
        /// The probe point.
        point: String,
        /// What is missing, and what there is instead.
        reason: Reason,
    },
    /// The blob is damaged.
    #[error("the program names relocation {0}, which it does not have")]
    NoRelocation(u32),
}

/// Why a relocation has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Reason {
    /// The types have none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// It holds for another build, or is in a module that is not there.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// No such symbol.
    #[error("no symbol '{0}'")]
    NoSymbol(String),
    /// The symbols cannot be read.
    #[error("cannot read {KALLSYMS}: {0}")]
    Symbols(String),
}

/// A probe point that is left out.
#[derive(Debug)]
pub struct Dropped {
    /// Its position in the blob.
    pub point: usize,
    /// Why.
    pub reason: Reason,
}

/// What the slots hold, and what cannot be attached.
#[derive(Debug, Default)]
pub struct Relocated {
    /// A number for each relocation.
    pub slots: Vec<i64>,
    /// Optional probe points that need what is not there.
    pub dropped: Vec<Dropped>,
}

impl Relocated {
    /// Is the probe point left out?
    pub fn drops(&self, point: usize) -> bool {
        self.dropped.iter().any(|dropped| dropped.point == point)
    }
}

/// Answers what the probes of a program need.
///
/// # Errors
/// [`RelocateError`] names the probe and what it needs.
pub fn relocate(blob: &Blob, types: &Types) -> Result<Relocated, RelocateError> {
    // What symbols told is in the program; where it runs, they have no say.
    types.ignore_symbols();
    let mut answers =
        Answers { relocations: &blob.relocations, types, known: BTreeMap::new(), addresses: None };
    // A slot that nobody needs holds 0, which every kind of slot may hold.
    let mut relocated = Relocated { slots: vec![0; blob.relocations.len()], dropped: Vec::new() };
    for (n, point) in blob.points.iter().enumerate() {
        let mut answered = Vec::new();
        let mut missing = match &point.attach {
            AttachSpec::Code { place, .. } => address(place).err().map(Reason::from),
            _ => None,
        };
        for &relocation in &point.relocations {
            match answers.needed(relocation)? {
                None => {}
                Some(Ok(number)) => answered.push((relocation, number)),
                Some(Err(reason)) => missing = missing.or(Some(reason)),
            }
        }
        match missing {
            None => {
                for (relocation, number) in answered {
                    if let Some(slot) = relocated.slots.get_mut(relocation as usize) {
                        *slot = number;
                    }
                }
            }
            Some(reason) if point.optional => {
                relocated.dropped.push(Dropped { point: n, reason });
            }
            Some(reason) => {
                return Err(RelocateError::Missing { point: point.text.clone(), reason });
            }
        }
    }
    Ok(relocated)
}

/// Answers so far.
struct Answers<'a> {
    relocations: &'a [Relocation],
    types: &'a Types,
    known: BTreeMap<u32, Result<i64, Reason>>,
    /// Addresses of all variables that the program asks for.
    addresses: Option<Result<BTreeMap<String, u64>, String>>,
}

impl Answers<'_> {
    /// The answer, if the relocation's guards hold; they ask for others in turn.
    fn needed(&mut self, n: u32) -> Result<Option<Result<i64, Reason>>, RelocateError> {
        let missing = RelocateError::NoRelocation(n);
        let relocation = self.relocations.get(n as usize).ok_or(missing)?;
        for guard in &relocation.guards {
            // Guards were made before what they guard, so this comes to an end.
            if guard.relocation >= n {
                return Err(RelocateError::NoRelocation(guard.relocation));
            }
            let holds = match self.needed(guard.relocation)? {
                Some(Ok(answer)) => (answer != 0) == guard.exists,
                Some(Err(reason)) => return Ok(Some(Err(reason))),
                None => false,
            };
            if !holds {
                return Ok(None);
            }
        }
        if let Some(known) = self.known.get(&n) {
            return Ok(Some(known.clone()));
        }
        let answer = self.answer(relocation);
        self.known.insert(n, answer.clone());
        Ok(Some(answer))
    }

    fn answer(&mut self, relocation: &Relocation) -> Result<i64, Reason> {
        if let Root::Image(place) = &relocation.path.root {
            return Ok(address(place)?.cast_signed());
        }
        if let Some(known) = &relocation.known {
            check_build(relocation.path.module.as_deref(), &known.build_id)?;
            return Ok(known.answer);
        }
        if let Root::Variable(name) = &relocation.path.root
            && relocation.path.steps.is_empty()
            && matches!(relocation.question, Question::Address | Question::Exists)
        {
            let address = self.address(name);
            return match (&relocation.question, address) {
                (Question::Exists, Err(Reason::NoSymbol(_))) => Ok(0),
                (Question::Exists, Ok(_)) => Ok(1),
                (_, address) => address,
            };
        }
        Ok(answer(self.types, relocation)?)
    }

    fn address(&mut self, name: &str) -> Result<i64, Reason> {
        let wanted = || {
            let roots = self.relocations.iter().map(|relocation| &relocation.path.root);
            roots.filter_map(|root| match root {
                Root::Variable(name) => Some(name.as_str()),
                _ => None,
            })
        };
        let addresses = self
            .addresses
            .get_or_insert_with(|| symbols(&wanted().collect()).map_err(|error| error.to_string()));
        match addresses {
            Ok(addresses) => match addresses.get(name) {
                Some(address) => Ok(*address as i64),
                None => Err(Reason::NoSymbol(name.to_owned())),
            },
            Err(error) => Err(Reason::Symbols(error.clone())),
        }
    }
}

/// Addresses of symbols of the kernel and its modules.
fn symbols(wanted: &BTreeSet<&str>) -> std::io::Result<BTreeMap<String, u64>> {
    let mut file = BufReader::with_capacity(1 << 20, fs::File::open(KALLSYMS)?);
    let mut found = BTreeMap::new();
    let mut line = String::new();
    while file.read_line(&mut line)? > 0 {
        let mut fields = line.split_ascii_whitespace();
        if let (Some(address), Some(_), Some(name)) = (fields.next(), fields.next(), fields.next())
            && wanted.contains(name)
            && let Ok(address) = u64::from_str_radix(address, 16)
        {
            found.entry(name.to_owned()).or_insert(address);
        }
        line.clear();
    }
    Ok(found)
}

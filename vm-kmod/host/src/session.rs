// SPDX-License-Identifier: GPL-2.0-or-later
//! A program with its globals: what an open file of the device is in the kernel.

use crate::world::{World, read};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicI64, Ordering};
use vm_core::{Code, Host, Outcome, RunMemory, RunSizes, Step, map};
use vm_spec::helper::HelperId;
use vm_spec::ids::{MapId, ProbeId, ScalarId, StrId};
use vm_spec::image::{FunctionRecord, LockRecord};
use vm_spec::limits::{MAX_MAP_BYTES, SAVED_STRING_BYTES};
use vm_spec::probe::{ContextWord, Needs};
use vm_spec::verify::{Verified, VerifyError, verify};

/// Why a program cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The verifier refused it.
    #[error(transparent)]
    Verify(VerifyError),
    /// Its maps take more memory than a session may have.
    #[error("the maps take {0} bytes, {max} is the most", max = MAX_MAP_BYTES)]
    Maps(u64),
}

/// What one run did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// How it ended.
    pub outcome: Outcome,
    /// Its output, one record for each flush.
    pub records: Vec<Vec<u8>>,
    /// `exit()` was called.
    pub exit_requested: bool,
    /// What the run asked for and must not, by the verifier's word. Empty for every
    /// program that was verified, or the verifier is wrong.
    pub violations: Vec<String>,
}

/// A loaded program.
#[derive(Debug)]
pub struct Session<'p> {
    verified: Verified<'p>,
    sizes: RunSizes,
    scalars: Vec<AtomicI64>,
    maps: Vec<Vec<u64>>,
    memory: Vec<u64>,
    relocations: Vec<i64>,
    saved: Saved,
    /// What handlers see.
    pub world: World,
}

impl<'p> Session<'p> {
    /// Verifies an image and gives its globals their initial values.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(image: &'p [u64], world: World) -> Result<Session<'p>, LoadError> {
        let verified = verify(image).map_err(LoadError::Verify)?;
        Session::new(verified, world)
    }

    /// A session of a program that was verified before.
    ///
    /// # Errors
    /// [`LoadError::Maps`].
    pub fn new(verified: Verified<'p>, world: World) -> Result<Session<'p>, LoadError> {
        let image = *verified.image();
        let bytes = map::storage_words_needed(&image).saturating_mul(8);
        if bytes > MAX_MAP_BYTES {
            return Err(LoadError::Maps(bytes));
        }
        let length = image.header.string_length;
        let maps = image.maps.iter().map(|record| {
            let mut words = vec![0; map::words_needed(record, length) as usize];
            let initial = image.try_string(StrId(record.initial)).unwrap_or_default();
            map::initialise(&mut words, record, length, initial, seed());
            words
        });
        let sizes = RunSizes::of(&image);
        Ok(Session {
            verified,
            sizes,
            scalars: image.scalars.iter().map(|s| AtomicI64::new(s.initial)).collect(),
            maps: maps.collect(),
            // What a run finds in its memory must not matter.
            memory: vec![0xa5a5_a5a5_a5a5_a5a5; sizes.words()],
            relocations: Vec::new(),
            saved: Saved::default(),
            world,
        })
    }

    /// The program.
    pub fn verified(&self) -> &Verified<'p> {
        &self.verified
    }

    /// The value of a global; 0 if the program has no such global.
    pub fn scalar(&self, id: ScalarId) -> i64 {
        self.scalars.get(id.index()).map_or(0, |scalar| scalar.load(Ordering::Relaxed))
    }

    /// Changes a global; `false` if the program has none of this id.
    pub fn set_scalar(&mut self, id: ScalarId, value: i64) -> bool {
        let scalar = self.scalars.get(id.index());
        scalar.map(|scalar| scalar.store(value, Ordering::Relaxed)).is_some()
    }

    /// Changes a string global; `false` if the program has none of this id.
    pub fn set_string(&mut self, id: MapId, text: &[u8]) -> bool {
        self.maps.get_mut(id.index()).is_some_and(|words| map::override_string(words, text))
    }

    /// What the program's relocation slots hold.
    pub fn set_relocations(&mut self, slots: Vec<i64>) {
        self.relocations = slots;
    }

    /// Runs a probe's handler once.
    pub fn run(&mut self, probe: ProbeId) -> Run {
        let image = *self.verified.image();
        let record = image.probes.get(probe.index());
        let handler = record.and_then(|probe| image.functions.get(probe.handler as usize));
        let mut host = SessionHost {
            world: &mut self.world,
            maps: &mut self.maps,
            saved: &mut self.saved,
            handler,
            locks: handler.map_or(&[], |handler| image.locks_of(handler)),
            run: Run {
                outcome: Outcome::Finished,
                records: Vec::new(),
                exit_requested: false,
                violations: Vec::new(),
            },
        };
        // The steps refer to each other, so a session cannot keep them.
        let steps: Vec<Step<'_>> = image.code.iter().map(Step::of).collect();
        let code = Code::link(&self.verified, &steps);
        // The sizes are the program's own, so the memory always suffices.
        let memory = RunMemory::carve(&mut self.memory, &self.sizes);
        if let (Some(code), Some(memory)) = (code, memory) {
            let (scalars, slots) = (&self.scalars, &self.relocations);
            let outcome =
                vm_core::run(&self.verified, code, probe, scalars, slots, memory, &mut host);
            host.run.outcome = outcome;
        }
        host.run
    }
}

/// A number that nobody can guess; std's hashers are made with such numbers.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// What an entry handler keeps for the return's.
#[derive(Debug, Default)]
struct Saved {
    longs: BTreeMap<u8, i64>,
    strings: BTreeMap<u8, Vec<u8>>,
}

/// The host of one run, which notes what a verified program cannot ask for.
struct SessionHost<'r> {
    world: &'r mut World,
    maps: &'r mut [Vec<u64>],
    saved: &'r mut Saved,
    handler: Option<&'r FunctionRecord>,
    locks: &'r [LockRecord],
    run: Run,
}

impl SessionHost<'_> {
    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.run.violations.push(what());
        }
    }

    fn needs(&self) -> Needs {
        Needs(self.handler.map_or(0, |handler| handler.needs))
    }
}

impl Host for SessionHost<'_> {
    fn helper_long(&mut self, id: HelperId, arguments: [i64; 2]) -> i64 {
        let declared = id.info().needs.within(self.needs());
        self.check(declared, || format!("helper {id:?} without its needs"));
        self.world.helper_long(id, arguments)
    }

    fn helper_string(&mut self, id: HelperId, arguments: [i64; 2], out: &mut [u8]) -> usize {
        let declared = id.info().needs.within(self.needs());
        self.check(declared, || format!("helper {id:?} without its needs"));
        self.world.helper_string(id, arguments, out)
    }

    fn context_word(&mut self, word: ContextWord) -> i64 {
        let declared = word.needs().within(self.needs());
        self.check(declared, || format!("context word {word:?} without its needs"));
        self.world.context.get(&word.to_raw()).copied().unwrap_or(0)
    }

    fn read_kernel(&mut self, address: u64, out: &mut [u8]) -> bool {
        read(&self.world.kernel_memory, address, out)
    }

    fn read_user(&mut self, address: u64, out: &mut [u8]) -> bool {
        read(&self.world.user_memory, address, out)
    }

    fn save_long(&mut self, number: u8, value: i64) {
        self.saved.longs.insert(number, value);
    }

    fn saved_long(&mut self, number: u8) -> i64 {
        self.saved.longs.get(&number).copied().unwrap_or(0)
    }

    fn save_string(&mut self, number: u8, text: &[u8]) {
        let length = text.len().min(SAVED_STRING_BYTES);
        self.saved.strings.insert(number, text[..length].to_vec());
    }

    fn saved_string(&mut self, number: u8, out: &mut [u8]) -> usize {
        let text = self.saved.strings.get(&number).map(Vec::as_slice).unwrap_or_default();
        let length = text.len().min(out.len());
        out[..length].copy_from_slice(&text[..length]);
        length
    }

    fn emit(&mut self, record: &[u8]) {
        self.run.records.push(record.to_vec());
    }

    fn request_exit(&mut self) {
        self.run.exit_requested = true;
    }

    fn map(&mut self, id: MapId) -> &mut [u64] {
        let global = u32::from(id.0) | LockRecord::MAP;
        let held = self.locks.iter().any(|lock| lock.global == global);
        self.check(held, || format!("map {id} without its lock"));
        self.maps.get_mut(id.index()).map(Vec::as_mut_slice).unwrap_or_default()
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! A verified program with its globals, as the glue holds it.
//!
//! ```text
//! storage   scalars: i64 each | a MapSlot for each map | a Step for each instruction
//!           | the words of each map
//! ```
//! The glue allocates the storage; [`stapvm_vm_load`] says how much.

use crate::abi::{Layout, Refusal};
use crate::run::CONTEXT_BYTES;
use core::ffi::c_int;
use core::sync::atomic::{AtomicI64, Ordering};
use vm_core::{Code, RunSizes, Step, map};
use vm_spec::device;
use vm_spec::ids::{MapId, StrId};
use vm_spec::image::{Image, ImageError, LockRecord, MapRecord, SlotKind, ValueKind};
use vm_spec::probe::Needs;
use vm_spec::relocation;
use vm_spec::verify::{Verified, VerifyError, verify};

/// `struct stapvm_vm_program`. Made in two steps: by load, and complete after bind.
pub(crate) struct Program {
    pub(crate) verified: Verified<'static>,
    pub(crate) run_sizes: RunSizes,
    scalars: *const AtomicI64,
    relocations: *const i64,
    maps: *mut MapSlot,
    /// The linked code; `None` before bind.
    pub(crate) code: Option<Code<'static>>,
}

/// Where a map's words are.
#[repr(C)]
#[derive(Clone, Copy)]
struct MapSlot {
    words: *mut u64,
    count: usize,
}

const WORD: u64 = size_of::<u64>() as u64;
const SLOT_WORDS: u64 = size_of::<MapSlot>() as u64 / WORD;

const STEP_WORDS: u64 = size_of::<Step<'static>>() as u64 / WORD;

const _: () = {
    assert!(size_of::<MapSlot>().is_multiple_of(size_of::<u64>()));
    assert!(size_of::<Step<'static>>().is_multiple_of(size_of::<u64>()));
    assert!(align_of::<Step<'static>>() == align_of::<u64>());
};

impl Program {
    /// The globals of type long.
    #[inline(always)]
    pub(crate) fn scalars(&self) -> &[AtomicI64] {
        let count = self.verified.image().scalars.len();
        // SAFETY: bind pointed this at `count` zeroed words of the storage, which live
        // as long as the program and are only ever used as atomics.
        unsafe { core::slice::from_raw_parts(self.scalars, count) }
    }

    /// What the relocation slots hold; nothing before the glue has handed it over.
    #[inline(always)]
    pub(crate) fn relocations(&self) -> &[i64] {
        if self.relocations.is_null() {
            return &[];
        }
        let count = self.verified.image().relocations.len();
        // SAFETY: the glue promised `count` words that stay as they are as long as the
        // program (stapvm_vm_set_relocations).
        unsafe { core::slice::from_raw_parts(self.relocations, count) }
    }

    /// The storage of a map; empty if there is no such map.
    ///
    /// # Safety
    /// The caller holds the map's lock, or nobody runs the program yet, and no other
    /// slice of the same map is alive.
    #[expect(clippy::mut_from_ref, reason = "the map's lock makes the slice the only one")]
    #[inline(always)]
    pub(crate) unsafe fn map(&self, id: MapId) -> &mut [u64] {
        if id.index() >= self.verified.image().maps.len() {
            return &mut [];
        }
        // SAFETY: bind wrote a slot for each map of the image, and the index was checked.
        let slot = unsafe { *self.maps.add(id.index()) };
        // SAFETY: the slot holds words of the storage that belong to this map alone;
        // the caller vouches that nobody else uses them now.
        unsafe { core::slice::from_raw_parts_mut(slot.words, slot.count) }
    }

    fn string_length(&self) -> u32 {
        self.verified.image().header.string_length
    }

    fn map_record(&self, index: u32) -> Option<(MapId, &MapRecord)> {
        let id = MapId(u16::try_from(index).ok()?);
        self.verified.image().maps.get(id.index()).map(|record| (id, record))
    }
}

fn map_words(image: &Image<'_>, record: &MapRecord) -> u64 {
    map::words_needed(record, image.header.string_length)
}

/// Words of storage that a program needs; saturates, so that a sum that overflows is
/// larger than any limit.
fn storage_words(image: &Image<'_>) -> u64 {
    let fixed = image.scalars.len() as u64
        + image.maps.len() as u64 * SLOT_WORDS
        + image.code.len() as u64 * STEP_WORDS;
    image.maps.iter().fold(fixed, |sum, record| sum.saturating_add(map_words(image, record)))
}

/// Number and offending value of an image error, as STAGE_IMAGE reports them.
fn image_refusal(error: ImageError) -> Refusal {
    let (rule, index, value) = match error {
        ImageError::Truncated { needed, have: _ } => (1, 0, needed),
        ImageError::BadMagic(word) => (2, 0, word),
        ImageError::BadVersion(version) => (3, 0, version.into()),
        ImageError::TooLarge(bytes) => (4, 0, bytes),
        ImageError::Misaligned(section) => (5, section as u32, 0),
        ImageError::OutOfBounds(section) => (6, section as u32, 0),
        ImageError::BadLimit(value) => (7, 0, value.into()),
    };
    Refusal { stage: device::STAGE_IMAGE, rule, site: 0, index, value }
}

fn refusal(error: VerifyError) -> Refusal {
    match error {
        VerifyError::Image(error) => image_refusal(error),
        VerifyError::Reject(reject) => {
            let (site, index) = reject.site.to_raw();
            let rule = reject.rule as u32;
            Refusal { stage: device::STAGE_VERIFY, rule, site, index, value: reject.value }
        }
    }
}

/// Bytes of a `struct stapvm_vm_program`.
#[unsafe(no_mangle)]
extern "C" fn stapvm_vm_program_bytes() -> usize {
    size_of::<Program>()
}

/// Verifies an image and makes a program of it.
///
/// # Safety
/// `program` has room for a [`Program`]; `words` are `count` words that stay as they
/// are as long as the program; `layout` and `out` can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_load(
    program: *mut Program,
    words: *const u64,
    count: usize,
    layout: *mut Layout,
    out: *mut Refusal,
) -> c_int {
    // SAFETY: the caller's promise about `words`; the lifetime is the program's, which
    // 'static stands for since the owner of both is C.
    let words: &'static [u64] = unsafe { core::slice::from_raw_parts(words, count) };
    let verified = match verify(words) {
        Ok(verified) => verified,
        Err(error) => {
            // SAFETY: the caller's promise about `out`.
            unsafe { out.write(refusal(error)) };
            return -1;
        }
    };
    let image = *verified.image();
    let run_sizes = RunSizes::of(&image);
    // The verifier bounds every count by the size of the image, which fits a u32.
    let needs = Layout {
        storage_bytes: storage_words(&image).saturating_mul(WORD),
        context_bytes: (run_sizes.words() as u64)
            .saturating_mul(WORD)
            .saturating_add(CONTEXT_BYTES as u64),
        scalar_count: image.scalars.len() as u32,
        map_count: image.maps.len() as u32,
        probe_count: image.probes.len() as u32,
        max_errors: image.header.max_errors,
        max_skipped: image.header.max_skipped,
        relocation_count: image.relocations.len() as u32,
    };
    let made = Program {
        verified,
        run_sizes,
        scalars: core::ptr::null(),
        relocations: core::ptr::null(),
        maps: core::ptr::null_mut(),
        code: None,
    };
    // SAFETY: the caller's promises about `program` and `layout`.
    unsafe {
        program.write(made);
        layout.write(needs);
    }
    0
}

/// Lays the globals out and gives the scalars their initial values.
///
/// # Safety
/// `program` was made by load and nobody uses it; `storage` is zeroed memory of the
/// size that load asked for and lives as long as the program.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_bind(program: *mut Program, storage: *mut u64) {
    // SAFETY: the caller's promise; nobody else uses the program.
    let program = unsafe { &mut *program };
    let image = *program.verified.image();
    // SAFETY: the storage has room for scalars, slots, steps and maps: storage_words added
    // up the very counts that are walked here, in the same order. Nobody else writes to
    // the steps, which are not moved and live as long as the program.
    let steps = unsafe {
        program.scalars = storage.cast();
        program.maps = storage.add(image.scalars.len()).cast();
        let steps = program.maps.add(image.maps.len()).cast::<Step<'static>>();
        for (index, insn) in image.code.iter().enumerate() {
            steps.add(index).write(Step::of(insn));
        }
        let mut words = steps.add(image.code.len()).cast::<u64>();
        for (index, record) in image.maps.iter().enumerate() {
            let count = map_words(&image, record) as usize;
            program.maps.add(index).write(MapSlot { words, count });
            words = words.add(count);
        }
        core::slice::from_raw_parts(steps, image.code.len())
    };
    program.code = Code::link(&program.verified, steps);
    for (scalar, record) in program.scalars().iter().zip(image.scalars) {
        scalar.store(record.initial, Ordering::Relaxed);
    }
}

/// Gives a map its initial contents; its hashes depend on the seed.
///
/// # Safety
/// `program` is bound and nobody runs it.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_init_map(program: *mut Program, index: u32, seed: u64) {
    // SAFETY: the caller's promise.
    let program = unsafe { &*program };
    let Some((id, record)) = program.map_record(index) else { return };
    // NO_STRING names no string, which reads as an empty one.
    let initial = program.verified.image().string(StrId(record.initial));
    // SAFETY: nobody runs the program, and no other slice of the map is alive.
    let words = unsafe { program.map(id) };
    map::initialise(words, record, program.string_length(), initial, seed);
}

/// Replaces the initial value of a scalar.
///
/// # Safety
/// `program` is bound and nobody runs it.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_override_scalar(
    program: *mut Program,
    index: u32,
    value: i64,
) -> c_int {
    // SAFETY: the caller's promise.
    let program = unsafe { &*program };
    let Some(scalar) = program.scalars().get(index as usize) else { return -1 };
    scalar.store(value, Ordering::Relaxed);
    0
}

/// Replaces the initial value of a string global.
///
/// # Safety
/// `program` is bound and nobody runs it; `text` has `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_override_string(
    program: *mut Program,
    index: u32,
    text: *const u8,
    length: usize,
) -> c_int {
    // SAFETY: the caller's promise.
    let program = unsafe { &*program };
    let Some((id, record)) = program.map_record(index) else { return -1 };
    let is_string = record.key_count == 0 && record.value == ValueKind::Str as u8;
    if !is_string {
        return -1;
    }
    let text = match length {
        0 => &[],
        // SAFETY: the caller's promise about `text`.
        _ => unsafe { core::slice::from_raw_parts(text, length) },
    };
    // SAFETY: nobody runs the program, and no other slice of the map is alive.
    let words = unsafe { program.map(id) };
    // It has one entry and no key: nothing to hash.
    map::initialise(words, record, program.string_length(), text, 0);
    0
}

/// Takes what the relocation slots hold. Returns -1, or the first slot whose number makes
/// no sense, and then takes nothing.
///
/// # Safety
/// `program` was made by load and nobody runs it; `slots` are as many words as the image
/// has relocations, which stay as they are as long as the program.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_set_relocations(program: *mut Program, slots: *const i64) -> i64 {
    // SAFETY: the caller's promise.
    let program = unsafe { &mut *program };
    let records = program.verified.image().relocations;
    // SAFETY: the caller's promise about `slots`.
    let words = unsafe { core::slice::from_raw_parts(slots, records.len()) };
    for (n, (record, word)) in (0..).zip(records.iter().zip(words)) {
        // The verifier knows every kind.
        let kind = SlotKind::from_number(record.kind).unwrap_or(SlotKind::Value);
        if !relocation::fits(kind, *word) {
            return n;
        }
    }
    program.relocations = slots;
    -1
}

/// How many longs (low byte) and strings (next byte) a probe finds kept from the
/// function's entry.
///
/// # Safety
/// `program` was made by load.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_probe_saved(program: *const Program, probe: u32) -> u32 {
    // SAFETY: the caller's promise.
    let image = unsafe { &*program }.verified.image();
    let record = image.probes.get(probe as usize);
    record.map_or(0, |record| u32::from(record.saved_longs) | u32::from(record.saved_strings) << 8)
}

/// The kind of a probe, 0 if there is no such probe.
///
/// # Safety
/// `program` was made by load.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_probe_kind(program: *const Program, probe: u32) -> u32 {
    // SAFETY: the caller's promise.
    let image = unsafe { &*program }.verified.image();
    image.probes.get(probe as usize).map_or(0, |record| record.kind.into())
}

/// Does a probe's handler, or what it calls, read registers other than those of
/// arguments?
///
/// # Safety
/// `program` was made by load.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_probe_needs_registers(program: *const Program, probe: u32) -> c_int {
    // SAFETY: the caller's promise.
    let image = unsafe { &*program }.verified.image();
    let handler = image.probes.get(probe as usize).map(|record| record.handler as usize);
    let function = handler.and_then(|handler| image.functions.get(handler));
    // The verifier has proved that a function declares what its callees need.
    let needs = function.map_or(Needs::KNOWN, |function| Needs(function.needs));
    c_int::from(Needs::REGISTERS.within(needs))
}

/// The name of a probe; its bytes live as long as the image.
///
/// # Safety
/// `program` was made by load; `length` can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_probe_name(
    program: *const Program,
    probe: u32,
    length: *mut usize,
) -> *const u8 {
    // SAFETY: the caller's promise.
    let image = unsafe { &*program }.verified.image();
    let name = image.probes.get(probe as usize).map_or(&[][..], |p| image.string(StrId(p.name)));
    // SAFETY: the caller's promise.
    unsafe { length.write(name.len()) };
    name.as_ptr()
}

/// The lock set of a probe's handler; the records live as long as the image.
///
/// # Safety
/// `program` was made by load; `count` can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_probe_locks(
    program: *const Program,
    probe: u32,
    count: *mut u32,
) -> *const LockRecord {
    // SAFETY: the caller's promise.
    let image = unsafe { &*program }.verified.image();
    let handler = image.probes.get(probe as usize).map(|record| record.handler as usize);
    let function = handler.and_then(|handler| image.functions.get(handler));
    let locks = function.map_or(&[][..], |function| image.locks_of(function));
    // SAFETY: the caller's promise. A lock count is a u16 in the image.
    unsafe { count.write(locks.len() as u32) };
    locks.as_ptr()
}

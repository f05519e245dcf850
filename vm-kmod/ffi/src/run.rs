// SPDX-License-Identifier: GPL-2.0-or-later
//! One handler run: takes a context's memory, and answers the interpreter's
//! questions by asking the glue.

use crate::abi::{self, Hit};
use crate::program::Program;
use core::ffi::c_int;
use vm_core::{Host, Outcome, RunMemory};
use vm_spec::helper::HelperId;
use vm_spec::ids::{MapId, ProbeId};
use vm_spec::probe::ContextWord;

/// The kernel, as a handler sees it.
struct KernelHost<'a> {
    program: &'a Program,
    hit: *mut Hit,
}

impl Host for KernelHost<'_> {
    fn helper_long(&mut self, id: HelperId, [a, b]: [i64; 2]) -> i64 {
        // SAFETY: `hit` is what the glue gave to this very run.
        unsafe { abi::stapvm_glue_helper_long(self.hit, id as u32, a, b) }
    }

    fn helper_string(&mut self, id: HelperId, out: &mut [u8]) -> usize {
        // SAFETY: as above; the glue writes at most `out.len()` bytes.
        let length = unsafe {
            abi::stapvm_glue_helper_string(self.hit, id as u32, out.as_mut_ptr(), out.len())
        };
        length.min(out.len())
    }

    #[inline]
    fn context_word(&mut self, word: ContextWord) -> i64 {
        // SAFETY: as above.
        unsafe { abi::stapvm_glue_context_word(self.hit, word.to_raw() as u32) }
    }

    fn read_kernel(&mut self, address: u64, out: &mut [u8]) -> bool {
        // SAFETY: the glue writes at most `out.len()` bytes and takes any address.
        unsafe { abi::stapvm_glue_read_kernel(address, out.as_mut_ptr(), out.len()) != 0 }
    }

    fn read_user(&mut self, address: u64, out: &mut [u8]) -> bool {
        // SAFETY: as above.
        unsafe { abi::stapvm_glue_read_user(address, out.as_mut_ptr(), out.len()) != 0 }
    }

    fn save_long(&mut self, number: u8, value: i64) {
        // SAFETY: `hit` is what the glue gave to this very run; it checks the number.
        unsafe { abi::stapvm_glue_save_long(self.hit, number.into(), value) }
    }

    fn saved_long(&mut self, number: u8) -> i64 {
        // SAFETY: as above.
        unsafe { abi::stapvm_glue_saved_long(self.hit, number.into()) }
    }

    fn save_string(&mut self, number: u8, text: &[u8]) {
        // SAFETY: as above; the glue reads at most `text.len()` bytes.
        unsafe {
            abi::stapvm_glue_save_string(self.hit, number.into(), text.as_ptr(), text.len());
        }
    }

    fn saved_string(&mut self, number: u8, out: &mut [u8]) -> usize {
        // SAFETY: as above; the glue writes at most `out.len()` bytes.
        let length = unsafe {
            abi::stapvm_glue_saved_string(self.hit, number.into(), out.as_mut_ptr(), out.len())
        };
        length.min(out.len())
    }

    fn emit(&mut self, record: &[u8]) {
        // SAFETY: the glue reads `record.len()` bytes.
        unsafe { abi::stapvm_glue_emit(self.hit, record.as_ptr(), record.len()) }
    }

    fn request_exit(&mut self) {
        // SAFETY: `hit` is what the glue gave to this very run.
        unsafe { abi::stapvm_glue_request_exit(self.hit) }
    }

    #[inline]
    fn map(&mut self, id: MapId) -> &mut [u64] {
        // SAFETY: the glue took the handler's lock set before this run, the verifier has
        // proved that the handler touches nothing else, and the slice borrows this host,
        // so that there is one at a time.
        unsafe { self.program.map(id) }
    }
}

/// Runs a probe's handler. Returns 0, or 1 if it ended in a fault.
///
/// # Safety
/// `program` is bound and its maps have their contents; the caller holds the locks of
/// the probe's handler; `memory` has the bytes that load asked for, aligned to 8 and
/// initialised, and is this run's alone; `hit` is what the glue's callbacks expect.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_run(
    program: *const Program,
    probe: u32,
    memory: *mut u64,
    hit: *mut Hit,
) -> c_int {
    // SAFETY: the caller's promise.
    let program = unsafe { &*program };
    // SAFETY: the caller's promise: load asked for this many words.
    let words = unsafe { core::slice::from_raw_parts_mut(memory, program.run_sizes.words()) };
    let Some(mut memory) = RunMemory::carve(words, &program.run_sizes) else { return 1 };
    let mut host = KernelHost { program, hit };
    let outcome = vm_core::run(
        &program.verified,
        ProbeId(probe),
        program.scalars(),
        program.relocations(),
        &mut memory,
        &mut host,
    );
    match outcome {
        Outcome::Finished => 0,
        Outcome::Fault => 1,
    }
}

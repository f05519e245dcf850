// SPDX-License-Identifier: GPL-2.0-or-later
//! Handler runs: a context's memory with the interpreter in it, and the host that
//! answers its questions by asking the glue.
//!
//! ```text
//! context   a Context: hit, host, runner | the words that the runner works in
//! ```

use crate::abi::{self, Hit};
use crate::program::Program;
use core::cell::Cell;
use core::ffi::c_int;
use vm_core::{Host, Outcome, RunMemory, Runner, Task};
use vm_spec::helper::HelperId;
use vm_spec::ids::{MapId, ProbeId};
use vm_spec::probe::ContextWord;

/// The kernel, as a handler sees it.
struct KernelHost<'a> {
    program: &'a Program,
    hit: &'a Cell<*mut Hit>,
}

/// What a context's memory begins with. The runner refers to the host, and the host to
/// the hit, so the three are only ever borrowed one by one.
struct Context {
    hit: Cell<*mut Hit>,
    host: KernelHost<'static>,
    runner: Runner<'static>,
}

/// Bytes of a context's memory before the words of its runs.
pub(crate) const CONTEXT_BYTES: usize = size_of::<Context>();

const _: () = assert!(align_of::<Context>() == align_of::<u64>());

impl Host for KernelHost<'_> {
    fn helper_long(&mut self, id: HelperId, [a, b]: [i64; 2]) -> i64 {
        // SAFETY: `hit` is what the glue gave to this very run.
        unsafe { abi::stapvm_glue_helper_long(self.hit.get(), id as u32, a, b) }
    }

    fn helper_string(&mut self, id: HelperId, [a, b]: [i64; 2], out: &mut [u8]) -> usize {
        let (bytes, room) = (out.as_mut_ptr(), out.len());
        // SAFETY: as above; the glue writes at most `room` bytes.
        let length =
            unsafe { abi::stapvm_glue_helper_string(self.hit.get(), id as u32, a, b, bytes, room) };
        length.min(room)
    }

    fn helper_put(&mut self, id: HelperId, text: &[u8]) {
        // SAFETY: as above; the glue reads `text.len()` bytes.
        unsafe { abi::stapvm_glue_helper_put(self.hit.get(), id as u32, text.as_ptr(), text.len()) }
    }

    #[inline]
    fn context_word(&mut self, word: ContextWord) -> i64 {
        // SAFETY: as above.
        unsafe { abi::stapvm_glue_context_word(self.hit.get(), word.to_raw() as u32) }
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
        unsafe { abi::stapvm_glue_save_long(self.hit.get(), number.into(), value) }
    }

    fn saved_long(&mut self, number: u8) -> i64 {
        // SAFETY: as above.
        unsafe { abi::stapvm_glue_saved_long(self.hit.get(), number.into()) }
    }

    fn save_string(&mut self, number: u8, text: &[u8]) {
        // SAFETY: as above; the glue reads at most `text.len()` bytes.
        unsafe {
            abi::stapvm_glue_save_string(self.hit.get(), number.into(), text.as_ptr(), text.len());
        }
    }

    fn saved_string(&mut self, number: u8, out: &mut [u8]) -> usize {
        // SAFETY: as above; the glue writes at most `out.len()` bytes.
        let length = unsafe {
            abi::stapvm_glue_saved_string(
                self.hit.get(),
                number.into(),
                out.as_mut_ptr(),
                out.len(),
            )
        };
        length.min(out.len())
    }

    fn emit(&mut self, record: &[u8]) {
        // SAFETY: the glue reads `record.len()` bytes.
        unsafe { abi::stapvm_glue_emit(self.hit.get(), record.as_ptr(), record.len()) }
    }

    fn request_exit(&mut self) {
        // SAFETY: `hit` is what the glue gave to this very run.
        unsafe { abi::stapvm_glue_request_exit(self.hit.get()) }
    }

    #[inline]
    fn map(&mut self, id: MapId) -> &mut [u64] {
        // SAFETY: the glue took the handler's lock set before this run, the verifier has
        // proved that the handler touches nothing else, and the slice borrows this host,
        // so that there is one at a time.
        unsafe { self.program.map(id) }
    }
}

/// Makes the interpreter of a context. Returns 0, or -1 if its memory is too short.
///
/// # Safety
/// `program` is bound and stays where it is as long as the context; `context` is memory
/// of the bytes that load asked for, aligned to 8 and initialised, and is this
/// context's alone.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_prepare(program: *const Program, context: *mut u8) -> c_int {
    // SAFETY: the caller's promise; the context, which 'static stands for, does not
    // outlive the program.
    let program: &'static Program = unsafe { &*program };
    let context = context.cast::<Context>();
    // SAFETY: load asked for a Context and then this many words, and Context leaves the
    // memory behind it aligned.
    let words = unsafe {
        core::slice::from_raw_parts_mut(context.add(1).cast::<u64>(), program.run_sizes.words())
    };
    let Some(memory) = RunMemory::carve(words, &program.run_sizes) else { return -1 };
    let Some(code) = program.code else { return -1 };
    // SAFETY: the memory is there and aligned, and nobody else refers to it. Each part is
    // written before the next one refers to it, and is never moved.
    unsafe {
        (&raw mut (*context).hit).write(Cell::new(core::ptr::null_mut()));
        let host = KernelHost { program, hit: &*(&raw const (*context).hit) };
        (&raw mut (*context).host).write(host);
        let host: &'static mut KernelHost<'static> = &mut *(&raw mut (*context).host);
        let (scalars, relocations) = (program.scalars(), program.relocations());
        let runner = Runner::new(&program.verified, code, scalars, relocations, memory, host);
        (&raw mut (*context).runner).write(runner);
    }
    0
}

/// Runs a probe's handler. Returns 0, or 1 if it ended in a fault.
///
/// # Safety
/// `context` was prepared, nobody else uses it, and the maps of its program have their
/// contents; the caller holds the locks of the probe's handler; `hit` is what the
/// glue's callbacks expect.
#[unsafe(no_mangle)]
unsafe extern "C" fn stapvm_vm_run(
    context: *mut u8,
    probe: u32,
    hit: *mut Hit,
    pid: i32,
    tid: i32,
) -> c_int {
    let context = context.cast::<Context>();
    // SAFETY: prepare made a Context there; hit and runner do not overlap.
    let (cell, runner) = unsafe { (&(*context).hit, &mut *(&raw mut (*context).runner)) };
    cell.set(hit);
    match runner.run(ProbeId(probe), Task { pid, tid }) {
        Outcome::Finished => 0,
        Outcome::Fault => 1,
    }
}

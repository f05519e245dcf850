// SPDX-License-Identifier: GPL-2.0-or-later
//! The C structures and the callbacks of `glue/vmcore.h`, where each is explained.

use core::ffi::{c_int, c_void};

/// `struct stapvm_vm_refusal`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) stage: u32,
    pub(crate) rule: u32,
    pub(crate) site: u32,
    pub(crate) index: u32,
    pub(crate) value: u64,
}

/// `struct stapvm_vm_layout`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) storage_bytes: u64,
    pub(crate) context_bytes: u64,
    pub(crate) scalar_count: u32,
    pub(crate) map_count: u32,
    pub(crate) probe_count: u32,
    pub(crate) max_errors: u32,
    pub(crate) max_skipped: u32,
    pub(crate) relocation_count: u32,
}

const _: () = {
    assert!(size_of::<Refusal>() == 24);
    assert!(size_of::<Layout>() == 40);
};

/// `struct stapvm_hit`, which only the glue looks into.
pub(crate) type Hit = c_void;

unsafe extern "C" {
    pub(crate) fn stapvm_glue_helper_long(hit: *mut Hit, helper: u32, a: i64, b: i64) -> i64;
    pub(crate) fn stapvm_glue_helper_string(
        hit: *mut Hit,
        helper: u32,
        a: i64,
        b: i64,
        out: *mut u8,
        room: usize,
    ) -> usize;
    pub(crate) fn stapvm_glue_helper_put(
        hit: *mut Hit,
        helper: u32,
        text: *const u8,
        length: usize,
    );
    pub(crate) fn stapvm_glue_context_word(hit: *mut Hit, word: u32) -> i64;
    pub(crate) fn stapvm_glue_read_kernel(address: u64, out: *mut u8, length: usize) -> c_int;
    pub(crate) fn stapvm_glue_read_user(address: u64, out: *mut u8, length: usize) -> c_int;
    pub(crate) fn stapvm_glue_save_long(hit: *mut Hit, number: u32, value: i64);
    pub(crate) fn stapvm_glue_saved_long(hit: *mut Hit, number: u32) -> i64;
    pub(crate) fn stapvm_glue_save_string(
        hit: *mut Hit,
        number: u32,
        text: *const u8,
        length: usize,
    );
    pub(crate) fn stapvm_glue_saved_string(
        hit: *mut Hit,
        number: u32,
        out: *mut u8,
        room: usize,
    ) -> usize;
    pub(crate) fn stapvm_glue_emit(hit: *mut Hit, record: *const u8, length: usize);
    pub(crate) fn stapvm_glue_request_exit(hit: *mut Hit);
}

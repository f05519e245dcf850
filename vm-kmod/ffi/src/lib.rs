// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel module's Rust side: [`vm_core`] behind a C interface.
//!
//! ```text
//! abi       the C structures and the callbacks of the glue (glue/vmcore.h)
//! program   a verified program with its globals: load, bind, override, ask
//! run       one handler run: its memory, and the host that calls the glue
//! ```
//! All `unsafe` code of the kernel side of ours is here. It rests on two things: the
//! promises in `glue/vmcore.h` about who owns which memory for how long, and sizes
//! that this crate computed itself.
//!
//! # No panic
//! The panic handler calls a function that does not exist. The linker drops both if
//! no panic path is left, and scripts/check-vmcore.sh fails the build otherwise.
#![no_std]

mod abi;
mod program;
mod run;

use core::panic::PanicInfo;

unsafe extern "C" {
    fn stapvm_a_panic_path_is_left() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: never executed: an object with this call does not pass the link check.
    unsafe { stapvm_a_panic_path_is_left() }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! What a program *is*: the one crate that everybody else agrees on.
//!
//! ```text
//! isa        the instruction table: every opcode once, with its operands' roles
//! insn       the eight bytes of an instruction
//! helper     the functions a program may ask the host for
//! regex      regular expressions as tables
//! probe      kinds of probe and what a handler may read of its context
//! image      the fixed layout the kernel reads, and the checked reader over it
//! verify     the rules; the only maker of `Verified`
//! disasm     instructions as text
//! relocation  slots for what differs between kernels; (std) what they stand for
//! record     what a handler run writes into the ring
//! device     the ioctl and mmap interface of /dev/stapvm
//! build      (std) a program under construction -> image words
//! blob       (std) the .sbc file: image + probe points + source map
//! ```
//!
//! # The trust boundary
//! Bytes become an [`image::Image`] by [`image::Image::parse`], which checks every
//! length before use, and an image becomes a [`verify::Verified`] by
//! [`verify::verify`], which proves the numbered rules in that module. Nothing else
//! makes a `Verified`, and the interpreter takes nothing else. Both run again in
//! the kernel, since the kernel trusts no file and no process.
//!
//! # What this crate must not know
//! Scripts, probe point syntax, files, processes, and how anything is executed.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
pub mod blob;
#[cfg(feature = "std")]
pub mod build;
pub mod device;
pub mod disasm;
pub mod format;
pub mod helper;
pub mod ids;
pub mod image;
pub mod insn;
pub mod isa;
pub mod limits;
pub mod probe;
pub mod record;
pub mod regex;
pub mod relocation;
pub mod verify;

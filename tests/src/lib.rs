// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs programs inside real Debian kernels under QEMU's software emulation.
//!
//! ```text
//! kernel     which kernels there are, and where `make setup` put them
//! initramfs  the file system a guest boots from: busybox, our binaries, the module
//! protocol   frames between host and guest over the guest's second serial port
//! guest      a running guest: boot it, run commands, look at its kernel log
//! host       `stap --runtime=user` on this machine, with no guest
//! golden     scripts with the output they must give
//! broken     images with one thing wrong
//! mutate     images with random damage
//! bench      what hits, start-up and arming cost
//! examples   the example scripts of Debian's systemtap-doc
//! bin/guest-agent   the guest's first process: serves the protocol
//! bin/guest         `make guest`, `make demo`
//! bin/raw-device    in a guest: goes to the device past the loader
//! bin/bench         `make bench`; bin/bench-load is its load in the guest
//! bin/example-scripts      `make examples`; bin/example-runs is its second half
//! strace            lines of strace against lines of the tapset
//! example_runs      examples run in a guest, with what they must print
//! tests/guest       the test program: every golden script on every kernel
//! tests/language    the test program: the language's scripts on this machine
//! ```
//! One boot serves many commands. A guest that dies fails the command that ran and
//! all that were to come; nothing is ever skipped.

pub mod bench;
pub mod broken;
pub mod example_runs;
pub mod examples;
pub mod golden;
pub mod guest;
pub mod host;
pub mod initramfs;
pub mod kernel;
pub mod mutate;
pub mod protocol;
pub mod strace;

// SPDX-License-Identifier: GPL-2.0-or-later
//! The device without the loader's care: any fields, any order, any offsets. For tests
//! of what the kernel makes of that; whatever is passed, the worst that can happen to
//! the caller is an error.

use super::{PATH, ioctl};
use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use vm_spec::device::*;

/// More than any ioctl's argument: its size has 14 bits.
const ARGUMENT_BYTES: usize = 1 << 14;

/// Not 0, so that it is not put among what can be written.
static READ_ONLY: [u8; ARGUMENT_BYTES] = [1; ARGUMENT_BYTES];

/// What an ioctl is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Argument {
    /// A null pointer.
    Null,
    /// The address of memory that is not mapped.
    Unmapped,
    /// An address of the kernel's own.
    Kernel,
    /// Memory that can be read but not written.
    ReadOnly,
    /// Memory full of this byte.
    Filled(u8),
}

/// An open device.
#[derive(Debug)]
pub struct RawDevice {
    file: File,
}

impl RawDevice {
    /// Opens it.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open() -> io::Result<RawDevice> {
        Ok(RawDevice { file: OpenOptions::new().read(true).write(true).open(PATH)? })
    }

    /// LOAD as it is: the kernel only reads where its fields point.
    ///
    /// # Errors
    /// The kernel's.
    pub fn load(&self, load: &mut Load) -> Result<(), Errno> {
        // SAFETY: `load` is a Load that outlives the call; the addresses in it are only
        // read, by copies that fail where nothing is mapped.
        unsafe { ioctl::load(self.file.as_raw_fd(), load) }.map(|_| ())
    }

    /// START.
    ///
    /// # Errors
    /// The kernel's.
    pub fn start(&self) -> Result<Start, Errno> {
        let mut start = Start::default();
        // SAFETY: `start` is a Start that outlives the call.
        unsafe { ioctl::start(self.file.as_raw_fd(), &raw mut start) }.map(|_| start)
    }

    /// STOP.
    ///
    /// # Errors
    /// The kernel's.
    pub fn stop(&self) -> Result<(), Errno> {
        // SAFETY: STOP takes no argument.
        unsafe { ioctl::stop(self.file.as_raw_fd()) }.map(|_| ())
    }

    /// STATUS.
    ///
    /// # Errors
    /// The kernel's.
    pub fn status(&self) -> Result<Status, Errno> {
        let mut status = Status::default();
        // SAFETY: `status` is a Status that outlives the call.
        unsafe { ioctl::status(self.file.as_raw_fd(), &raw mut status) }.map(|_| status)
    }

    /// Any ioctl with any argument.
    ///
    /// # Errors
    /// The kernel's.
    pub fn call(&self, command: u32, argument: Argument) -> Result<(), Errno> {
        let mut buffer = vec![0_u8; ARGUMENT_BYTES];
        let pointer = match argument {
            Argument::Null => std::ptr::null_mut(),
            Argument::Unmapped => std::ptr::without_provenance_mut(0x1000),
            Argument::Kernel => std::ptr::without_provenance_mut(0xffff_ffff_8100_0000),
            Argument::ReadOnly => READ_ONLY.as_ptr().cast_mut(),
            Argument::Filled(byte) => {
                buffer.fill(byte);
                buffer.as_mut_ptr()
            }
        };
        // SAFETY: the kernel writes no more than the command's size says, which the
        // buffer has; the other addresses cannot be written by this process, so that
        // a write to them fails.
        let result = unsafe { libc::ioctl(self.file.as_raw_fd(), command.into(), pointer) };
        Errno::result(result).map(|_| ())
    }

    /// Maps a part of the rings.
    ///
    /// # Errors
    /// The kernel's.
    pub fn map(
        &self,
        offset: i64,
        length: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> Result<Mapping, Errno> {
        let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let flags = flags.difference(MapFlags::MAP_FIXED);
        // SAFETY: no address is asked for, so the mapping overlaps nothing of ours.
        let memory = unsafe { mmap(None, size, protection, flags, &self.file, offset) }?;
        Ok(Mapping { memory, length })
    }
}

/// A mapped part of the rings.
#[derive(Debug)]
pub struct Mapping {
    memory: NonNull<std::ffi::c_void>,
    length: usize,
}

// SAFETY: the memory is only touched through atomics.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Fills a writable mapping with a word, over whatever the kernel has there.
    pub fn scribble(&self, word: u64) {
        for n in 0..self.length / size_of::<u64>() {
            // SAFETY: within the mapping, aligned since it starts at a page; the kernel
            // takes any value there.
            unsafe { self.memory.cast::<AtomicU64>().add(n).as_ref() }
                .store(word, Ordering::Relaxed);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and of this length.
        let _ = unsafe { munmap(self.memory, self.length) };
    }
}

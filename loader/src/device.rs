// SPDX-License-Identifier: GPL-2.0-or-later
//! /dev/stapvm. All `unsafe` of the loader is here: ioctls and ring memory.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use vm_spec::blob::RuntimeLimits;
use vm_spec::device::*;
use vm_spec::verify::{Rule, Site};
use zerocopy::FromBytes;

pub mod missing;
pub mod raw;

const PATH: &str = "/dev/stapvm";

mod ioctl {
    use vm_spec::device::*;
    nix::ioctl_readwrite!(load, IOCTL_TYPE, IOCTL_LOAD, Load);
    nix::ioctl_readwrite!(start, IOCTL_TYPE, IOCTL_START, Start);
    nix::ioctl_none!(stop, IOCTL_TYPE, IOCTL_STOP);
    nix::ioctl_read!(status, IOCTL_TYPE, IOCTL_STATUS, Status);
    nix::ioctl_write_ptr!(table, IOCTL_TYPE, IOCTL_TABLE, Table);
    nix::ioctl_write_ptr!(input, IOCTL_TYPE, IOCTL_INPUT, Input);
}

/// Why the module does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// There is no device, or it may not be opened.
    #[error(transparent)]
    Unavailable(#[from] missing::Unavailable),
    /// The kernel's own checks refused the program.
    #[error("the kernel refuses the program: {0}")]
    Refused(String),
    /// LOAD failed.
    #[error("the kernel cannot load the program: {0}")]
    Load(Errno),
    /// A probe could not be attached.
    #[error("attachment {index}: {error}")]
    Attach {
        /// Position in the attach list.
        index: u32,
        /// Why.
        error: Errno,
    },
    /// START failed otherwise.
    #[error("the kernel cannot start the session: {0}")]
    Start(Errno),
    /// A ring cannot be mapped.
    #[error("cannot map the output rings: {0}")]
    Map(Errno),
    /// Another call failed.
    #[error("{0}")]
    Other(Errno),
}

/// An open session.
#[derive(Debug)]
pub struct Device {
    file: File,
    rings: Vec<Ring>,
}

/// What LOAD gets.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The image.
    pub image: &'a [u64],
    /// The attach list.
    pub attachments: &'a [AttachRecord],
    /// What names in it point into.
    pub names: &'a [u8],
    /// Start values of globals.
    pub overrides: &'a [OverrideRecord],
    /// What its relocation slots hold.
    pub relocations: &'a [i64],
    /// What target() answers.
    pub target: i32,
    /// Bytes of each CPU's ring.
    pub ring_bytes: u32,
    /// Limits of a hit.
    pub limits: RuntimeLimits,
    /// Offset and length of the session's name in the names.
    pub session: (u32, u32),
    /// Measure handlers.
    pub timing: bool,
}

impl Device {
    /// Opens the device; loads the module if it is installed and not loaded.
    ///
    /// # Errors
    /// [`DeviceError`] says what is missing.
    pub fn open() -> Result<Device, DeviceError> {
        let mut modprobe = None;
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Without root it would only say so.
                if nix::unistd::geteuid().is_root() {
                    modprobe = missing::modprobe();
                }
                open()
            }
            result => result,
        };
        let file = file.map_err(|error| missing::Unavailable {
            facts: missing::Facts::gather(&release(), modprobe),
            error,
        })?;
        Ok(Device { file, rings: Vec::new() })
    }

    /// Loads a program and maps the rings.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn load(&mut self, program: &Program<'_>) -> Result<(), DeviceError> {
        let mut load = Load {
            abi_version: ABI_VERSION,
            ring_bytes: program.ring_bytes,
            image: program.image.as_ptr().addr() as u64,
            image_bytes: size_of_val(program.image) as u32,
            attachment_count: program.attachments.len() as u32,
            attachments: program.attachments.as_ptr().addr() as u64,
            names: program.names.as_ptr().addr() as u64,
            names_bytes: program.names.len() as u32,
            override_count: program.overrides.len() as u32,
            overrides: program.overrides.as_ptr().addr() as u64,
            relocations: program.relocations.as_ptr().addr() as u64,
            relocation_count: program.relocations.len() as u32,
            target: program.target,
            flags: if program.timing { LOAD_TIMING } else { 0 },
            overload_interval: program.limits.overload_interval,
            overload_threshold: program.limits.overload_threshold,
            lock_attempts: program.limits.lock_attempts,
            lock_pause_us: program.limits.lock_pause_us,
            session_offset: program.session.0,
            session_length: program.session.1,
            ..Load::default()
        };
        // SAFETY: the descriptor is open, `load` is a Load that outlives the call, and its
        // addresses and lengths are those of slices borrowed for the call.
        let result = unsafe { ioctl::load(self.file.as_raw_fd(), &raw mut load) };
        if let Err(errno) = result {
            return Err(match refusal(&load) {
                Some(reason) => DeviceError::Refused(reason),
                None => DeviceError::Load(errno),
            });
        }
        for n in 0..load.ring_count {
            self.rings.push(Ring::map(&self.file, n, load.ring_stride, program.ring_bytes)?);
        }
        Ok(())
    }

    /// Arms everything and runs the begin probes.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn start(&self) -> Result<Start, DeviceError> {
        let mut start = Start::default();
        // SAFETY: the descriptor is open and `start` is a Start that outlives the call.
        let result = unsafe { ioctl::start(self.file.as_raw_fd(), &raw mut start) };
        match result {
            Ok(_) => Ok(start),
            Err(_) if start.error != 0 => Err(DeviceError::Attach {
                index: start.failed_attachment,
                error: Errno::from_raw(start.error.saturating_neg()),
            }),
            Err(errno) => Err(DeviceError::Start(errno)),
        }
    }

    /// Disarms everything and runs the end or error probes; all of them, whatever signals
    /// come meanwhile, unless the handler of one ends the process.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn stop(&self) -> Result<(), DeviceError> {
        loop {
            // SAFETY: the descriptor is open; STOP takes no argument.
            let result = unsafe { ioctl::stop(self.file.as_raw_fd()) };
            match result {
                Err(Errno::EINTR) => {}
                result => return result.map(|_| ()).map_err(DeviceError::Other),
            }
        }
    }

    /// The session's counters.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn status(&self) -> Result<Status, DeviceError> {
        let mut status = Status::default();
        // SAFETY: the descriptor is open and `status` is a Status that outlives the call.
        let result = unsafe { ioctl::status(self.file.as_raw_fd(), &raw mut status) };
        result.map(|_| status).map_err(DeviceError::Other)
    }

    /// One of the session's tables, TABLE_*, with as many elements as are asked for; what
    /// the kernel does not have stays as [`Default`] makes it.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn table<T: TableElement>(&self, length: usize) -> Result<Vec<T>, DeviceError> {
        let mut elements = vec![T::default(); length];
        let table = Table {
            address: elements.as_mut_ptr().addr() as u64,
            count: length as u32,
            kind: T::KIND,
        };
        // SAFETY: the descriptor is open, and the kernel writes at most `count` elements of
        // the kind's type, which any bytes are a value of, into the vector.
        let result = unsafe { ioctl::table(self.file.as_raw_fd(), &raw const table) };
        result.map(|_| elements).map_err(DeviceError::Other)
    }

    /// Another handle of the session, for its input.
    ///
    /// # Errors
    /// Those of dup(2).
    pub fn input(&self) -> io::Result<InputHandle> {
        Ok(InputHandle(self.file.try_clone()?))
    }

    /// Waits until there is something to read, the session wants to end, a signal came
    /// or the time is up.
    pub fn wait(&self, timeout: Duration) {
        self.poll(PollFlags::POLLIN, timeout);
    }

    /// Waits while records gather: until a ring fills up, the session wants to end, a
    /// signal came or the time is up.
    pub fn gather(&self, timeout: Duration) {
        self.poll(PollFlags::POLLPRI, timeout);
    }

    fn poll(&self, events: PollFlags, timeout: Duration) {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(self.file.as_fd(), events)];
        // Whatever woke us, the caller looks at everything.
        let _ = poll(&mut descriptors, timeout);
    }

    /// The rings, one for each CPU.
    pub fn rings(&self) -> &[Ring] {
        &self.rings
    }
}

/// What a table of the session is made of.
pub trait TableElement: Copy + Default + FromBytes {
    /// TABLE_*
    const KIND: u32;
}

/// Hits that a global's lock cost, scalars first.
#[derive(Clone, Copy, Debug, Default, FromBytes)]
#[repr(transparent)]
pub struct LockSkips(pub u64);

impl TableElement for LockSkips {
    const KIND: u32 = TABLE_LOCKS;
}

/// Hits of an attachment that the kernel missed.
#[derive(Clone, Copy, Debug, Default, FromBytes)]
#[repr(transparent)]
pub struct Missed(pub u64);

impl TableElement for Missed {
    const KIND: u32 = TABLE_MISSED;
}

impl TableElement for Times {
    const KIND: u32 = TABLE_TIMES;
}

/// A session's way in for what its user types.
#[derive(Debug)]
pub struct InputHandle(File);

impl InputHandle {
    /// Gives text to the probes that wait for it. `EAGAIN` before they are armed.
    ///
    /// # Errors
    /// The kernel's word.
    pub fn send(&self, text: &[u8]) -> Result<(), Errno> {
        let input =
            Input { address: text.as_ptr().addr() as u64, length: text.len() as u32, reserved: 0 };
        // SAFETY: the descriptor is open, and the kernel reads the text's bytes only.
        let result = unsafe { ioctl::input(self.0.as_raw_fd(), &raw const input) };
        result.map(|_| ())
    }
}

fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(PATH)
}

fn release() -> String {
    let name = nix::sys::utsname::uname();
    name.map_or_else(|_| "unknown".into(), |name| name.release().to_string_lossy().into_owned())
}

/// The reason that the kernel gave.
fn refusal(load: &Load) -> Option<String> {
    Some(match load.stage {
        STAGE_IMAGE => format!("not a valid image (error {}, value {})", load.rule, load.value),
        STAGE_VERIFY => {
            let rule = Rule::from_number(load.rule).map_or("unknown rule", Rule::text);
            let site = Site::from_raw(load.site, load.index).unwrap_or(Site::Image);
            format!("{site}: {rule} (rule {}, value {:#x})", load.rule, load.value)
        }
        STAGE_MEMORY => "its arrays need too much memory".to_owned(),
        STAGE_ATTACH => format!("attach record {} is wrong", load.index),
        STAGE_RELOCATION => format!("relocation {} is wrong ({:#x})", load.index, load.value),
        STAGE_OVERRIDE => format!("global variable override {} is wrong", load.index),
        _ => return None,
    })
}

/// One CPU's ring, mapped.
#[derive(Debug)]
pub struct Ring {
    memory: NonNull<u8>,
    length: usize,
    data_bytes: u64,
}

/// Offset of the data in the mapping.
const CONTROL_BYTES: usize = 4096;

impl Ring {
    fn map(file: &File, n: u32, stride: u32, data_bytes: u32) -> Result<Ring, DeviceError> {
        let length = stride as usize;
        let bad = || DeviceError::Map(Errno::EINVAL);
        let size = NonZeroUsize::new(length).ok_or_else(bad)?;
        if length < CONTROL_BYTES + data_bytes as usize || !data_bytes.is_power_of_two() {
            return Err(bad());
        }
        let offset = i64::from(n).checked_mul(stride.into()).ok_or_else(bad)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: no address is asked for, so the mapping overlaps nothing of ours.
        let memory = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, file, offset) };
        let memory = memory.map_err(DeviceError::Map)?.cast();
        Ok(Ring { memory, length, data_bytes: data_bytes.into() })
    }

    /// Bytes of data.
    pub fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: `offset` is that of a field of RingControl, within the first page, which
        // is mapped and aligned; the kernel writes it only as a whole word.
        unsafe { self.memory.add(offset).cast::<AtomicU64>().as_ref() }
    }

    /// Where the kernel writes next; what lies before it can be read.
    pub fn head(&self) -> u64 {
        self.position(0).load(Ordering::Acquire)
    }

    /// Tells the kernel how far has been read.
    pub fn advance(&self, tail: u64) {
        self.position(8).store(tail, Ordering::Release);
    }

    /// The word of the data at a position, which is taken modulo the ring's size.
    pub fn word(&self, position: u64) -> u32 {
        let offset = (position & (self.data_bytes - 1) & !3) as usize;
        // SAFETY: the mask keeps the offset within the data and aligned; the length of the
        // mapping was checked when it was made.
        let word = unsafe { self.memory.add(CONTROL_BYTES + offset).cast::<AtomicU32>().as_ref() };
        word.load(Ordering::Acquire)
    }

    /// Appends the bytes from a position on to `to`; a copy goes round the ring's end.
    pub fn copy(&self, position: u64, length: usize, to: &mut Vec<u8>) {
        let size = self.data_bytes as usize;
        let length = length.min(size);
        let offset = (position & (self.data_bytes - 1)) as usize;
        let first = length.min(size - offset);
        // SAFETY: the data is `size` bytes from CONTROL_BYTES on, and both pieces lie in it:
        // offset + first is at most size, and so is length. The kernel writes no byte of a
        // record between publishing it and being told that it was read, and the slices are
        // gone before that.
        let (until_end, from_start) = unsafe {
            let data = self.memory.as_ptr().add(CONTROL_BYTES);
            let until_end = std::slice::from_raw_parts(data.add(offset), first);
            (until_end, std::slice::from_raw_parts(data, length - first))
        };
        to.extend_from_slice(until_end);
        to.extend_from_slice(from_start);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and no reference into it outlives
        // the ring.
        let _ = unsafe { munmap(self.memory.cast(), self.length) };
    }
}

/// Ends the process, whatever it is doing. Safe in a signal handler.
pub(crate) fn exit_at_once() -> ! {
    // SAFETY: _exit(2) runs no code of this process and is safe at any moment
    // (signal-safety(7)).
    unsafe { nix::libc::_exit(1) }
}

/// Installs a handler for a signal.
///
/// # Errors
/// Those of sigaction(2).
pub fn handle_signal(
    signal: nix::sys::signal::Signal,
    action: &nix::sys::signal::SigAction,
) -> io::Result<()> {
    // SAFETY: the handlers that are given store to atomics, or end the process by _exit(2),
    // which is safe at any moment (signal-safety(7)).
    unsafe { nix::sys::signal::sigaction(signal, action) }?;
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Files that are mapped instead of read: debug symbols have hundreds of megabytes, of
//! which few pages are looked at.

use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::path::Path;

/// Maps a file.
///
/// # Errors
/// Those of opening and mapping it.
pub(crate) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the mapping is private and only read. Files of kernels, modules and debug
    // symbols are replaced, not rewritten; one that is cut short while it is mapped ends this
    // process by a signal and harms no other.
    unsafe { Mmap::map(&file) }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Programs in files. What a file is called does not matter, only what is in it.

use std::fs::File;
use std::io::{self, Read};
use vm_spec::blob::{Blob, BlobError};

/// The largest file that is read: far more than the largest program.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Why a file is not a program that can be run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// It is a kernel module or another object.
    #[error(
        "{path} is an ELF object, not a program of 'stap -p4'. A module that SystemTap itself \
         has compiled runs with SystemTap's own staprun; compile the script again for this one."
    )]
    Elf {
        /// The file.
        path: String,
    },
    /// It is a script.
    #[error("{path} is a script, not a program of 'stap -p4'. Run it with stap.")]
    Script {
        /// The file.
        path: String,
    },
    /// It is larger than any program.
    #[error("{path} is larger than a program can be")]
    Large {
        /// The file.
        path: String,
    },
    /// It is damaged, or something else.
    #[error("{path}: {error}")]
    Blob {
        /// The file.
        path: String,
        /// What is wrong.
        error: BlobError,
    },
}

/// Reads a program.
///
/// # Errors
/// [`ProgramError`] says what the file is instead.
pub fn read_program(path: &str) -> Result<Blob, ProgramError> {
    let unreadable = |error| ProgramError::Unreadable { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let path = path.to_owned();
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ProgramError::Large { path });
    }
    Blob::decode(&bytes).map_err(|error| {
        if bytes.starts_with(b"\x7fELF") {
            ProgramError::Elf { path }
        } else if bytes.starts_with(b"#!") || looks_like_script(&bytes) {
            ProgramError::Script { path }
        } else {
            ProgramError::Blob { path, error }
        }
    })
}

/// Text with a probe in it.
fn looks_like_script(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| text.lines().any(|line| line.split_whitespace().next() == Some("probe")))
}

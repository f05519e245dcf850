// SPDX-License-Identifier: GPL-2.0-or-later
//! BTF in ELF files: kernels and modules as the build leaves them.

use object::{Object, ObjectSection};

/// Why a file has no BTF.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ElfError {
    /// It is no ELF file that can be read.
    #[error("not a readable ELF file: {0}")]
    Unreadable(String),
    /// It has no section of that name.
    #[error("no section .BTF in it")]
    NoBtf,
}

/// The BTF of a file that is BTF itself or an ELF file with a `.BTF` section.
///
/// # Errors
/// [`ElfError`].
pub fn btf_of(file: &[u8]) -> Result<&[u8], ElfError> {
    if !file.starts_with(b"\x7fELF") {
        // The reader of BTF says what is wrong with anything else.
        return Ok(file);
    }
    let unreadable = |error: object::Error| ElfError::Unreadable(error.to_string());
    let elf = object::File::parse(file).map_err(unreadable)?;
    let section = elf.section_by_name(".BTF").ok_or(ElfError::NoBtf)?;
    section.data().map_err(unreadable)
}

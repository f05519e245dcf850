// SPDX-License-Identifier: GPL-2.0-or-later
//! Places in the kernel's image that debug symbols have told of, as addresses of this
//! kernel. They are there in one build only: in another the same offset is another
//! instruction, so build ids are compared first.

use crate::kallsyms::Entry;
use crate::types::symbols::running_build_id;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::OnceLock;
use vm_spec::relocation::ImagePlace;

const KALLSYMS: &str = "/proc/kallsyms";
/// From where offsets in the kernel count.
const ANCHOR: &str = "_stext";

/// The running kernel's build id.
static KERNEL: OnceLock<Option<String>> = OnceLock::new();
/// Its address of [`ANCHOR`].
static BASE: OnceLock<Result<u64, PlaceError>> = OnceLock::new();

/// Why a place is not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlaceError {
    /// It is in another kernel or module.
    #[error(
        "it was found in the debug symbols of {what} with build id {wanted}, and fits no other; \
         this one has build id {have}: compile the script for it"
    )]
    OtherBuild {
        /// The kernel or a module.
        what: String,
        /// What it was compiled for.
        wanted: String,
        /// What is here.
        have: String,
    },
    /// Nobody knows what build this is.
    #[error("it fits {what} with build id {wanted} only, and this one's build id cannot be read")]
    NoBuildId {
        /// The kernel or a module.
        what: String,
        /// What it was compiled for.
        wanted: String,
    },
    /// The module is not here.
    #[error("module {0} is not loaded")]
    NotLoaded(String),
    /// Addresses cannot be had.
    #[error(
        "the address of {what} cannot be read from {path}: run as root, with kernel.kptr_restrict below 2"
    )]
    Hidden {
        /// A symbol or section.
        what: String,
        /// Where it should be.
        path: String,
    },
}

/// Does this kernel, or its module, have the build id?
///
/// # Errors
/// [`PlaceError`] with both.
pub fn check_build(module: Option<&str>, wanted: &str) -> Result<(), PlaceError> {
    let what = module.map_or("a kernel".to_owned(), |module| format!("a module {module}"));
    if let Some(module) = module
        && !Path::new("/sys/module").join(module).exists()
    {
        return Err(PlaceError::NotLoaded(module.to_owned()));
    }
    let have = match module {
        // It does not change as long as we run.
        None => KERNEL.get_or_init(|| running_build_id(None)).clone(),
        Some(_) => running_build_id(module),
    };
    match have {
        Some(have) if have == wanted => Ok(()),
        Some(have) => Err(PlaceError::OtherBuild { what, wanted: wanted.to_owned(), have }),
        None => Err(PlaceError::NoBuildId { what, wanted: wanted.to_owned() }),
    }
}

/// The address of a place on this kernel.
///
/// # Errors
/// [`PlaceError`].
pub fn address(place: &ImagePlace) -> Result<u64, PlaceError> {
    let module = place.module.as_deref();
    check_build(module, &place.build_id)?;
    let base = match (module, place.section.as_deref()) {
        (Some(module), Some(section)) => section_address(module, section)?,
        _ => BASE.get_or_init(anchor).clone()?,
    };
    Ok(base.wrapping_add(place.offset))
}

fn section_address(module: &str, section: &str) -> Result<u64, PlaceError> {
    let path = Path::new("/sys/module").join(module).join("sections").join(section);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let number = u64::from_str_radix(text.trim().trim_start_matches("0x"), 16);
    number.ok().filter(|address| *address != 0).ok_or_else(|| PlaceError::Hidden {
        what: format!("section {section} of module {module}"),
        path: path.display().to_string(),
    })
}

fn anchor() -> Result<u64, PlaceError> {
    let hidden = || PlaceError::Hidden { what: ANCHOR.to_owned(), path: KALLSYMS.to_owned() };
    let file = File::open(KALLSYMS).map_err(|_| hidden())?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut line = String::new();
    while file.read_line(&mut line).map_err(|_| hidden())? > 0 {
        if let Some(entry) = Entry::parse(line.trim_end()).filter(|entry| entry.name == ANCHOR) {
            return entry.address().filter(|address| *address != 0).ok_or_else(hidden);
        }
        line.clear();
    }
    Err(hidden())
}

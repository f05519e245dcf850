// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the types of a kernel are, and its debug symbols.

mod mapped;
pub mod symbols;

use crate::attach::EVENTS;
use debuginfo::dwarf::{DebugError, DebugFile};
use debuginfo::{Source, Types, elf};
use mapped::map;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// The folder with the types of the running kernel and its modules.
const RUNNING: &str = "/sys/kernel/btf";

/// Which kernel's types are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kernel {
    /// The one that runs.
    Running,
    /// One of this release, as far as its files are here.
    Release(String),
    /// The one that this file is of: BTF, or an ELF file with BTF in it.
    File(PathBuf),
}

impl Source for Kernel {
    fn btf(&self, module: Option<&str>) -> io::Result<Vec<u8>> {
        let file = match (self, module) {
            // Files of sysfs cannot be mapped.
            (Kernel::Running, module) => {
                return std::fs::read(Path::new(RUNNING).join(module.unwrap_or("vmlinux")));
            }
            (Kernel::Release(release), None) => first(&kernel_files(release)),
            (Kernel::Release(release), Some(module)) => first(&module_files(release, module)),
            (Kernel::File(path), None) => map(path),
            // The types of modules lie beside those of the kernel.
            (Kernel::File(path), Some(module)) => map(&path.with_file_name(module)),
        }?;
        let found = elf::btf_of(&file).map(<[u8]>::to_vec);
        found.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn name(&self) -> String {
        match self {
            Kernel::Running => "the running kernel".to_owned(),
            Kernel::Release(release) => format!("kernel {release}"),
            Kernel::File(path) => path.display().to_string(),
        }
    }

    /// Those of the running kernel, which others most likely have, too. Those that are no
    /// events have none, as have all if tracefs is not there.
    fn systems(&self) -> HashMap<String, String> {
        let text = EVENTS.iter().find_map(|path| std::fs::read_to_string(path).ok());
        let pairs = text.as_deref().unwrap_or_default().lines();
        let pairs = pairs.filter_map(|line| line.split_once(':'));
        pairs.map(|(system, name)| (name.to_owned(), system.to_owned())).collect()
    }

    fn debug(&self, module: Option<&str>) -> Result<DebugFile, DebugError> {
        symbols::find(self, module)
    }

    fn index(&self, build_id: &str) -> Option<Vec<u8>> {
        symbols::index(build_id)
    }

    fn keep_index(&self, build_id: &str, index: &[u8]) {
        symbols::keep_index(build_id, index);
    }
}

impl Kernel {
    /// Its types; nothing is read before somebody asks.
    pub fn types(self) -> Types {
        Types::new(Box::new(self))
    }
}

fn kernel_files(release: &str) -> Vec<PathBuf> {
    let mut files = symbols::kernels(release);
    files.extend(
        [
            format!("/boot/vmlinux-{release}"),
            format!("/lib/modules/{release}/vmlinux"),
            format!("/lib/modules/{release}/build/vmlinux"),
        ]
        .map(PathBuf::from),
    );
    files
}

fn module_files(release: &str, module: &str) -> Vec<PathBuf> {
    let mut files =
        symbols::modules_below(&PathBuf::from(format!("/lib/modules/{release}/kernel")), module);
    files.extend(symbols::modules(release, module));
    files
}

/// The first of the files that is there.
fn first(files: &[PathBuf]) -> io::Result<memmap2::Mmap> {
    for file in files {
        match map(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
    }
    let text = "none of the files that could have it is here";
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

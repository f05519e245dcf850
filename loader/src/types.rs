// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the types of a kernel are.

use debuginfo::{Source, Types, elf};
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
            (Kernel::Running, module) => {
                std::fs::read(Path::new(RUNNING).join(module.unwrap_or("vmlinux")))
            }
            (Kernel::Release(release), None) => first(&kernel_files(release)),
            (Kernel::Release(release), Some(module)) => first(&module_files(release, module)),
            (Kernel::File(path), None) => std::fs::read(path),
            // The types of modules lie beside those of the kernel.
            (Kernel::File(path), Some(module)) => std::fs::read(path.with_file_name(module)),
        };
        elf::btf_of(file?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn name(&self) -> String {
        match self {
            Kernel::Running => "the running kernel".to_owned(),
            Kernel::Release(release) => format!("kernel {release}"),
            Kernel::File(path) => path.display().to_string(),
        }
    }
}

impl Kernel {
    /// Its types; nothing is read before somebody asks.
    pub fn types(self) -> Types {
        Types::new(Box::new(self))
    }
}

fn kernel_files(release: &str) -> Vec<PathBuf> {
    [
        format!("/usr/lib/debug/boot/vmlinux-{release}"),
        format!("/usr/lib/debug/lib/modules/{release}/vmlinux"),
        format!("/boot/vmlinux-{release}"),
        format!("/lib/modules/{release}/vmlinux"),
        format!("/lib/modules/{release}/build/vmlinux"),
    ]
    .map(PathBuf::from)
    .to_vec()
}

fn module_files(release: &str, module: &str) -> Vec<PathBuf> {
    // Files may have dashes where names have underscores.
    let spellings = [module.to_owned(), module.replace('_', "-")];
    let mut folders = vec![PathBuf::from(format!("/lib/modules/{release}/kernel"))];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "ko")
                && path.file_stem().is_some_and(|stem| spellings.iter().any(|s| **s == *stem))
            {
                found.push(path);
            }
        }
    }
    found
}

/// The first of the files that is there.
fn first(files: &[PathBuf]) -> io::Result<Vec<u8>> {
    for file in files {
        match std::fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
    }
    let text = "none of the files that could have it is here";
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

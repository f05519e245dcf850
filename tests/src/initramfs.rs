// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest's file system: a cpio archive in the "newc" format that the kernel unpacks
//! at boot (Documentation/driver-api/early-userspace/buffer-format.rst).

use crate::kernel::{Series, binaries, root};
use std::io;
use std::path::{Path, PathBuf};

/// What kind of file an entry is, with its permissions.
const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const SYMLINK: u32 = 0o120_777;

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.inode += 1;
        let links = 1;
        let fields = [
            self.inode,
            mode,
            0, // uid
            0, // gid
            links,
            0, // mtime
            data.len() as u32,
            0,
            0,
            0,
            0,
            name.len() as u32 + 1,
            0, // check
        ];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(data);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// A directory; its parents must be there.
    pub fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY, &[]);
    }

    /// An executable file.
    pub fn program(&mut self, name: &str, data: &[u8]) {
        self.entry(name, PROGRAM, data);
    }

    /// A symbolic link.
    pub fn symlink(&mut self, name: &str, to: &str) {
        self.entry(name, SYMLINK, to.as_bytes());
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

/// A file that a guest needs is not there.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error} (run `make setup build`)", path = path.display())]
pub struct MissingFile {
    path: PathBuf,
    error: io::Error,
}

fn read(path: &Path) -> Result<Vec<u8>, MissingFile> {
    std::fs::read(path).map_err(|error| MissingFile { path: path.to_owned(), error })
}

/// The shared libraries of a program, and what loads them, as ldd(1) lists them.
pub fn libraries(program: &str) -> Vec<String> {
    let Ok(output) = std::process::Command::new("ldd").arg(program).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned);
    text.lines().filter_map(path).collect()
}

/// The file system of a guest of this series.
///
/// # Errors
/// [`MissingFile`] names what was not built or installed.
pub fn build(series: Series) -> Result<Vec<u8>, MissingFile> {
    let mut archive = Archive::default();
    for name in ["bin", "sbin", "usr", "usr/bin", "dev", "proc", "sys", "tmp", "root", "etc"] {
        archive.directory(name);
    }
    archive.program("bin/busybox", &read(Path::new("/bin/busybox"))?);
    for applet in ["bin/sh", "sbin/modprobe", "sbin/insmod", "sbin/rmmod"] {
        archive.symlink(applet, "/bin/busybox");
    }
    let binaries = binaries();
    archive.program("init", &read(&binaries.join("guest-agent"))?);
    for name in ["stap", "staprun", "stap-disasm", "raw-device"] {
        archive.program(&format!("usr/bin/{name}"), &read(&binaries.join(name))?);
    }
    archive.program("bin/bench-load", &read(&binaries.join("bench-load"))?);
    archive.program("bin/types-load", &read(&binaries.join("types-load"))?);
    archive.program("bin/strace-calls", &read(&binaries.join("strace-calls"))?);
    archive.program("usr/bin/strace", &read(Path::new("/usr/bin/strace"))?);
    let folder = series.folder(root());
    archive.program("stapvm.ko", &read(&folder.join("stapvm.ko"))?);
    archive.program("brd.ko", &read(&folder.join("brd.ko"))?);
    // Where the loader looks for modules that are not loaded.
    let release = String::from_utf8_lossy(&read(&folder.join("release"))?).trim().to_owned();
    let modules = format!("lib/modules/{release}");
    // How the kernel was configured, where scripts' conditions look for it.
    let config = format!("/usr/src/linux-headers-{release}/.config");
    archive.directory("boot");
    archive.program(&format!("boot/config-{release}"), &read(Path::new(&config))?);
    for name in ["lib", "lib64", "lib/x86_64-linux-gnu", "lib/modules", &modules] {
        archive.directory(name);
    }
    for library in libraries("/usr/bin/strace") {
        let name = library.trim_start_matches('/').to_owned();
        archive.program(&name, &read(Path::new(&library))?);
    }
    let test_module = read(&folder.join("test-module/stapvm_test.ko"))?;
    archive.program(&format!("{modules}/stapvm_test.ko"), &test_module);
    archive.symlink("stapvm_test.ko", &format!("/{modules}/stapvm_test.ko"));
    // Built by `make chaos` only.
    if let Ok(faults) = std::fs::read(folder.join("faults/stapvm.ko")) {
        archive.program("stapvm-faults.ko", &faults);
    }
    Ok(archive.finish())
}

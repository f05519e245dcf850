// SPDX-License-Identifier: GPL-2.0-or-later
//! Where output goes: standard output or files that follow one another, by their size
//! (`-S`) or when SIGUSR2 asks for it; with `-b` a row of files for each CPU.

mod bulk;

pub use bulk::{Bulk, Naming, online};

use crate::options::names::Rotation;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 16;

/// How often SIGUSR2 has come.
static SWITCHES: AtomicU32 = AtomicU32::new(0);

/// The next write goes to the next file. Safe in a signal handler.
pub(crate) fn ask_for_switch() {
    SWITCHES.fetch_add(1, Ordering::Relaxed);
}

/// What records are written to.
pub trait Output: Write {
    /// A record of a CPU has been written whole.
    ///
    /// # Errors
    /// Those of the stream.
    fn end_record(&mut self, _cpu: usize) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write + ?Sized> Output for BufWriter<W> {}
impl Output for &mut Vec<u8> {}

impl<W: Output + ?Sized> Output for Box<W> {
    fn end_record(&mut self, cpu: usize) -> io::Result<()> {
        (**self).end_record(cpu)
    }
}

/// Files `NAME`, `NAME.1`, `NAME.2`...; with `-S` the first is `NAME.0`.
#[derive(Debug)]
pub struct Files {
    first: PathBuf,
    /// Of those that follow, without their numbers.
    base: PathBuf,
    rotation: Option<Rotation>,
    number: u32,
    file: File,
    written: u64,
    /// Requests to switch that have been followed.
    switches: u32,
}

/// Opens what the output of all CPUs goes to.
///
/// # Errors
/// The file cannot be made.
pub fn open(output: Option<&str>, rotation: Option<Rotation>) -> io::Result<Box<dyn Output>> {
    Ok(match output {
        Some(name) => Box::new(buffered(Files::create(name.as_ref(), name.as_ref(), rotation)?)),
        None => Box::new(buffered(io::stdout())),
    })
}

fn buffered<W: Write>(to: W) -> BufWriter<W> {
    BufWriter::with_capacity(BUFFER, to)
}

impl Files {
    /// The first file is called `first` unless files are rotated, the others go by `base`.
    fn create(first: &Path, base: &Path, rotation: Option<Rotation>) -> io::Result<Files> {
        let first = if rotation.is_some() { numbered(base, 0) } else { first.to_owned() };
        let file = File::create(&first)?;
        let switches = SWITCHES.load(Ordering::Relaxed);
        Ok(Files { first, base: base.to_owned(), rotation, number: 0, file, written: 0, switches })
    }

    fn is_full(&self) -> bool {
        let most = self.rotation.map(|rotation| u64::from(rotation.megabytes) << 20);
        most.is_some_and(|most| self.written >= most)
    }

    fn switch(&mut self) -> io::Result<()> {
        self.number += 1;
        self.file = File::create(numbered(&self.base, self.number))?;
        self.written = 0;
        let kept = self.rotation.and_then(|rotation| rotation.files);
        if let Some(oldest) = kept.and_then(|kept| self.number.checked_sub(kept)) {
            let oldest =
                if oldest == 0 { self.first.clone() } else { numbered(&self.base, oldest) };
            // Somebody else may have removed it.
            let _ = fs::remove_file(oldest);
        }
        Ok(())
    }
}

fn numbered(base: &Path, number: u32) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

impl Write for Files {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let asked = SWITCHES.load(Ordering::Relaxed);
        if asked != self.switches || self.is_full() {
            self.switches = asked;
            self.switch()?;
        }
        // All of it, so that what belongs together is in one file.
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("stapvm-sink-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder is there").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn full_files_are_followed_by_others_and_the_oldest_go() {
        let folder = folder("size");
        let base = folder.join("out");
        let rotation = Rotation { megabytes: 1, files: Some(2) };
        let mut files = Files::create(&base, &base, Some(rotation)).expect("a file");
        for _ in 0..5 {
            files.write_all(&vec![b'x'; 1 << 20]).expect("written");
        }
        assert_eq!(names(&folder), ["out.3", "out.4"]);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_switch_opens_the_next_file() {
        let folder = folder("switch");
        let base = folder.join("out");
        let mut files = Files::create(&base, &base, None).expect("a file");
        files.write_all(b"first").expect("written");
        files.switch().expect("switched");
        files.write_all(b"second").expect("written");
        assert_eq!(names(&folder), ["out", "out.1"]);
        assert_eq!(fs::read(folder.join("out.1")).expect("read"), b"second");
        fs::remove_dir_all(folder).expect("removed");
    }
}

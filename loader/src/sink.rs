// SPDX-License-Identifier: GPL-2.0-or-later
//! Where output goes: standard output or files that follow one another, by their size
//! (`-S`) or when SIGUSR2 asks for it.

use crate::options::names::Rotation;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

static SWITCH: AtomicBool = AtomicBool::new(false);

/// The next write goes to the next file. Safe in a signal handler.
pub(crate) fn ask_for_switch() {
    SWITCH.store(true, Ordering::Relaxed);
}

/// Files `NAME`, `NAME.1`, `NAME.2`...; with `-S` the first is `NAME.0`.
#[derive(Debug)]
pub struct Files {
    base: PathBuf,
    rotation: Option<Rotation>,
    number: u32,
    file: File,
    written: u64,
}

/// Opens what output goes to.
///
/// # Errors
/// The file cannot be made.
pub fn open(output: Option<&str>, rotation: Option<Rotation>) -> io::Result<Box<dyn Write>> {
    Ok(match output {
        Some(name) => Box::new(Files::create(Path::new(name), rotation)?),
        None => Box::new(io::stdout()),
    })
}

impl Files {
    fn create(base: &Path, rotation: Option<Rotation>) -> io::Result<Files> {
        let first = if rotation.is_some() { numbered(base, 0) } else { base.to_owned() };
        let file = File::create(first)?;
        Ok(Files { base: base.to_owned(), rotation, number: 0, file, written: 0 })
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
            // Somebody else may have removed it.
            let _ = fs::remove_file(numbered(&self.base, oldest));
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
        if SWITCH.swap(false, Ordering::Relaxed) || self.is_full() {
            self.switch()?;
        }
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        Ok(written)
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
        let rotation = Rotation { megabytes: 1, files: Some(2) };
        let mut files = Files::create(&folder.join("out"), Some(rotation)).expect("a file");
        for _ in 0..5 {
            files.write_all(&vec![b'x'; 1 << 20]).expect("written");
        }
        assert_eq!(names(&folder), ["out.3", "out.4"]);
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_switch_opens_the_next_file() {
        let folder = folder("switch");
        let mut files = Files::create(&folder.join("out"), None).expect("a file");
        files.write_all(b"first").expect("written");
        files.switch().expect("switched");
        files.write_all(b"second").expect("written");
        assert_eq!(names(&folder), ["out", "out.1"]);
        assert_eq!(fs::read(folder.join("out.1")).expect("read"), b"second");
        fs::remove_dir_all(folder).expect("removed");
    }
}

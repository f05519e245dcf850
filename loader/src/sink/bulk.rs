// SPDX-License-Identifier: GPL-2.0-or-later
//! Bulk mode (`-b`): a file for each CPU, which `stap-merge` puts together again.
//!
//! A file is a sequence of records: a number, a length (4 bytes each, of this machine's byte
//! order), and as many bytes of text. Numbers go through all files, from 1 on without gaps:
//! `stap-merge` takes 0 for a file's end and tells of gaps as dropped records. A record without
//! text would end it, too, so there is none.

use super::{Files, Output, buffered};
use crate::options::names::Rotation;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;

/// Where a CPU's output goes when no file is named.
const NAMELESS: &str = "stpd_cpu";

/// How the files are called.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    /// `-o`.
    pub output: Option<String>,
    /// `-S`.
    pub rotation: Option<Rotation>,
    /// The session runs in the background.
    pub background: bool,
}

impl Naming {
    /// `NAME_0`, in the background `NAME_cpu0`, followed by `NAME_cpu0.1`...; or `stpd_cpu0`.
    fn files(&self, cpu: usize) -> io::Result<Files> {
        let Some(name) = self.output.as_deref() else {
            let name = PathBuf::from(format!("{NAMELESS}{cpu}"));
            return Files::create(&name, &name, self.rotation);
        };
        if name == "/dev/null" {
            // It would be another file with a number.
            return Files::create(name.as_ref(), name.as_ref(), None);
        }
        let base = PathBuf::from(format!("{name}_cpu{cpu}"));
        let first = if self.background { base.clone() } else { format!("{name}_{cpu}").into() };
        Files::create(&first, &base, self.rotation)
    }
}

/// Files of all CPUs.
#[derive(Debug)]
pub struct Bulk {
    naming: Naming,
    /// By CPU. One that comes later gets its file with its first record.
    files: BTreeMap<usize, BufWriter<Files>>,
    /// The text of the record at hand.
    text: Vec<u8>,
    number: NonZeroU32,
}

impl Bulk {
    /// Makes the files of these CPUs.
    ///
    /// # Errors
    /// A file cannot be made.
    pub fn create(naming: Naming, cpus: &[usize]) -> io::Result<Bulk> {
        let (files, text, number) = (BTreeMap::new(), Vec::new(), NonZeroU32::MIN);
        let mut bulk = Bulk { naming, files, text, number };
        for &cpu in cpus {
            bulk.file(cpu)?;
        }
        Ok(bulk)
    }

    fn file(&mut self, cpu: usize) -> io::Result<&mut BufWriter<Files>> {
        Ok(match self.files.entry(cpu) {
            Entry::Occupied(file) => file.into_mut(),
            Entry::Vacant(place) => place.insert(buffered(self.naming.files(cpu)?)),
        })
    }
}

impl Write for Bulk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Writes what is whole; the record at hand may still grow.
    fn flush(&mut self) -> io::Result<()> {
        self.files.values_mut().try_for_each(Write::flush)
    }
}

impl Output for Bulk {
    fn end_record(&mut self, cpu: usize) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.text);
        let length = u32::try_from(text.len()).map_err(io::Error::other)?;
        let number = self.number;
        // After four thousand million records the numbers begin again.
        self.number = number.checked_add(1).unwrap_or(NonZeroU32::MIN);
        let mut record = Vec::with_capacity(8 + text.len());
        record.extend(number.get().to_ne_bytes());
        record.extend(length.to_ne_bytes());
        record.extend(&text);
        // As one piece: files change between records only.
        self.file(cpu)?.write_all(&record)?;
        self.text = text;
        self.text.clear();
        Ok(())
    }
}

/// The CPUs that are there now, of a list such as `0-3,8`.
///
/// # Errors
/// Without sysfs(5), or if it has another form.
pub fn online() -> io::Result<Vec<usize>> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    ranges(text.trim()).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, text))
}

fn ranges(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a file.
    fn records(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut records = Vec::new();
        while let Some((number, rest)) = bytes.split_first_chunk::<4>() {
            let (length, rest) = rest.split_first_chunk::<4>().expect("a length");
            let (text, rest) = rest.split_at(u32::from_ne_bytes(*length) as usize);
            records.push((u32::from_ne_bytes(*number), text.to_vec()));
            bytes = rest;
        }
        records
    }

    #[test]
    fn records_are_numbered_through_all_files() {
        let folder = std::env::temp_dir().join(format!("stapvm-bulk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        let name = folder.join("out");
        let output = Some(name.to_str().expect("a name in UTF-8").to_owned());
        let naming = Naming { output, ..Naming::default() };
        let mut bulk = Bulk::create(naming, &[0, 1]).expect("files");
        for (cpu, text) in [(0, "a"), (1, "bc"), (1, ""), (4, "d"), (0, "")] {
            // In pieces, as formats and texts come.
            text.bytes().for_each(|byte| bulk.write_all(&[byte]).expect("written"));
            bulk.flush().expect("written");
            bulk.end_record(cpu).expect("written");
        }
        bulk.flush().expect("written");
        let read = |n: u32| std::fs::read(folder.join(format!("out_{n}"))).expect("a file");
        assert_eq!(records(&read(0)), [(1, b"a".to_vec())]);
        assert_eq!(records(&read(1)), [(2, b"bc".to_vec())]);
        assert_eq!(records(&read(4)), [(3, b"d".to_vec())]);
        assert!(!folder.join("out_2").exists());
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn lists_of_cpus() {
        assert_eq!(ranges("0"), Some(vec![0]));
        assert_eq!(ranges("0-2,5,7-8"), Some(vec![0, 1, 2, 5, 7, 8]));
        assert_eq!(ranges(""), None);
        assert_eq!(ranges("0-x"), None);
    }
}

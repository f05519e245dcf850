// SPDX-License-Identifier: GPL-2.0-or-later
//! Library files on disk: `-I` folders, then `SYSTEMTAP_TAPSET` or the installed folder.
//!
//! The tapset that the program was built with is embedded in it, so an installed file
//! matters only if somebody has changed it or put another beside it.

use frontend::{LibraryFile, embedded_files};
use std::path::{Path, PathBuf};

/// Subfolders of a library folder that SystemTap looks into for this machine.
const SUBFOLDERS: [&str; 4] = ["", "x86_64", "linux", "linux/x86_64"];

/// Reads the library files beside the embedded ones, in order of precedence.
///
/// # Errors
/// A folder of `-I` that cannot be read.
pub fn read(include: &[String]) -> Result<Vec<LibraryFile>, String> {
    let mut files = Vec::new();
    for folder in include {
        let path = Path::new(folder);
        std::fs::read_dir(path).map_err(|error| format!("{folder}: {error}"))?;
        read_folder(path, &mut files);
    }
    if let Some(folder) = installed() {
        read_folder(&folder, &mut files);
    }
    Ok(files)
}

/// The folder that the administrator may add to.
fn installed() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("SYSTEMTAP_TAPSET") {
        return Some(folder.into());
    }
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("share/stapvm/tapset"))
}

fn read_folder(root: &Path, files: &mut Vec<LibraryFile>) {
    for subfolder in SUBFOLDERS {
        let Ok(entries) = std::fs::read_dir(root.join(subfolder)) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| {
            path.extension().is_some_and(|ending| ending == "stp" || ending == "stpm")
        });
        paths.sort();
        for path in paths {
            let Ok(text) = std::fs::read(&path) else { continue };
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
            let same = |(known, held): &(&str, &str)| *known == name && held.as_bytes() == text;
            if !embedded_files().iter().any(same) {
                files.push(LibraryFile { name: path.display().to_string(), text });
            }
        }
    }
}

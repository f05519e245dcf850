// SPDX-License-Identifier: GPL-2.0-or-later
//! Where debug symbols are, and where the index that is made of them is kept.

use super::Kernel;
use super::mapped::map;
use debuginfo::dwarf::{DebugError, DebugFile, build_id_of_notes};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where distributions put them.
const FOLDER: &str = "/usr/lib/debug";

/// The build id of the running kernel, or of a module that is loaded.
pub fn running_build_id(module: Option<&str>) -> Option<String> {
    let notes = match module {
        None => PathBuf::from("/sys/kernel/notes"),
        Some(module) => Path::new("/sys/module").join(module).join("notes/.note.gnu.build-id"),
    };
    build_id_of_notes(&fs::read(notes).ok()?)
}

/// The folders that may have symbols: those of `$SYSTEMTAP_DEBUGINFO_PATH`, and the usual one.
fn folders() -> Vec<PathBuf> {
    let given = std::env::var("SYSTEMTAP_DEBUGINFO_PATH").unwrap_or_default();
    // A sign says whether checksums are compared; build ids are, in any case.
    let words = given.split(':').map(|word| word.trim_start_matches(['+', '-']));
    let mut folders: Vec<PathBuf> =
        words.filter(|word| word.starts_with('/')).map(PathBuf::from).collect();
    folders.push(PathBuf::from(FOLDER));
    folders
}

/// Files that may have the symbols of a kernel or module.
fn candidates(kernel: &Kernel, module: Option<&str>, build_id: Option<&str>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let (Some((first, rest)), folders) =
        (build_id.and_then(|id| id.split_at_checked(2)), folders())
    {
        found.extend(folders.iter().map(|f| f.join(format!(".build-id/{first}/{rest}.debug"))));
    }
    match (kernel, module) {
        (Kernel::File(path), None) => found.push(path.clone()),
        (Kernel::File(path), Some(module)) => {
            found.push(path.with_file_name(module));
            found.push(path.with_file_name(format!("{module}.ko")));
            // Beside the kernel of a package with symbols.
            for folder in path.ancestors().skip(1).take(3) {
                found.extend(modules_below(&folder.join("kernel"), module));
                for release in
                    fs::read_dir(folder.join("lib/modules")).into_iter().flatten().flatten()
                {
                    found.extend(modules_below(&release.path().join("kernel"), module));
                }
            }
        }
        (Kernel::Running | Kernel::Release(_), module) => {
            let release = match kernel {
                Kernel::Release(release) => release.clone(),
                _ => crate::compile::running_release(),
            };
            match module {
                None => found.extend(kernels(&release)),
                Some(module) => found.extend(modules(&release, module)),
            }
            match module {
                None => found.push(PathBuf::from(format!("/lib/modules/{release}/build/vmlinux"))),
                Some(module) => {
                    let folder = PathBuf::from(format!("/lib/modules/{release}"));
                    found.extend(modules_below(&folder, module));
                }
            }
        }
    }
    found
}

/// Kernels with symbols.
pub(crate) fn kernels(release: &str) -> Vec<PathBuf> {
    let of = |folder: PathBuf| {
        [
            folder.join("lib/modules").join(release).join("vmlinux"),
            folder.join(format!("boot/vmlinux-{release}")),
            folder.join(format!("vmlinux-{release}")),
        ]
    };
    folders().into_iter().flat_map(of).collect()
}

/// Files of a module with symbols.
pub(crate) fn modules(release: &str, module: &str) -> Vec<PathBuf> {
    let of = |folder: PathBuf| modules_below(&folder.join("lib/modules").join(release), module);
    folders().into_iter().flat_map(of).collect()
}

/// Object files of a module.
pub(crate) fn modules_below(folder: &Path, module: &str) -> Vec<PathBuf> {
    let is_it = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().replace('-', "_"));
        name.is_some_and(|name| {
            name.strip_prefix(module).is_some_and(|end| end == ".ko" || end == ".ko.debug")
        })
    };
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // Links lead to the sources of the kernel.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(path);
            } else if is_it(&path) {
                found.push(path);
            }
        }
    }
    found
}

/// The debug symbols of a kernel or of one of its modules.
///
/// # Errors
/// [`DebugError::Missing`] says which package has them.
pub fn find(kernel: &Kernel, module: Option<&str>) -> Result<DebugFile, DebugError> {
    let module = module.map(|module| module.replace('-', "_"));
    let module = module.as_deref();
    let running = matches!(kernel, Kernel::Running).then(|| running_build_id(module)).flatten();
    let mut other = None;
    let mut empty = None;
    for path in candidates(kernel, module, running.as_deref()) {
        let Ok(bytes) = map(&path) else { continue };
        let file = DebugFile { path: path.display().to_string(), bytes: Arc::new(bytes) };
        match debuginfo::dwarf::identify(&file) {
            Ok(id) if running.as_ref().is_none_or(|running| *running == id) => return Ok(file),
            Ok(_) => other = other.or(Some(file.path)),
            Err(error) => empty = empty.or(Some(error)),
        }
    }
    if let (Kernel::File(_), Some(error)) = (kernel, empty) {
        return Err(error);
    }
    Err(missing(kernel, module, other))
}

fn missing(kernel: &Kernel, module: Option<&str>, other: Option<String>) -> DebugError {
    use debuginfo::Source;
    let what = match module {
        Some(module) => format!("module {module} of {}", kernel.name()),
        None => kernel.name(),
    };
    let release = match kernel {
        Kernel::Release(release) => release.clone(),
        _ => crate::compile::running_release(),
    };
    let advice = match (kernel, other) {
        (Kernel::File(_), _) => "give -r a file that has them (vmlinux)".to_owned(),
        (_, Some(path)) => format!("{path} is of another build"),
        (_, None) => format!("install the package linux-image-{release}-dbg"),
    };
    DebugError::Missing { what, advice }
}

/// Where the index of a build is kept.
fn kept(build_id: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SYSTEMTAP_DIR")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".systemtap")))?;
    Some(folder.join("cache/symbols").join(format!("{build_id}.index")))
}

/// The index of a build, if it has been kept.
pub fn index(build_id: &str) -> Option<Vec<u8>> {
    fs::read(kept(build_id)?).ok()
}

/// Keeps the index of a build; where that cannot be, it is made again the next time.
pub fn keep_index(build_id: &str, index: &[u8]) {
    let Some(path) = kept(build_id) else { return };
    let Some(folder) = path.parent() else { return };
    let unfinished = folder.join(format!("{build_id}.{}", std::process::id()));
    let written = fs::create_dir_all(folder)
        .and_then(|()| fs::write(&unfinished, index))
        .and_then(|()| fs::rename(&unfinished, &path));
    if written.is_err() {
        // Half an index would be found out by its sum, but takes room.
        let _ = fs::remove_file(unfinished);
    }
}

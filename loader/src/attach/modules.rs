// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules that are not loaded: their functions are those of their files, and are armed
//! when the module comes.

use super::matches;
use super::symbols::{EXPORT, Symbol, is_function_name};
use object::{Object as _, ObjectSymbol as _, SymbolKind};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 12;

/// A module's name as the kernel has it.
pub(super) fn normal(name: &str) -> String {
    name.replace('-', "_")
}

/// The functions of each module, by its name, that is of this pattern, in the folder of the
/// running kernel's modules, and not loaded.
pub(super) fn functions_on_disk(
    pattern: &str,
    is_loaded: impl Fn(&str) -> bool,
) -> Vec<(String, Vec<Symbol>)> {
    let Ok(host) = nix::sys::utsname::uname() else { return Vec::new() };
    let folder = Path::new("/lib/modules").join(host.release());
    let mut files = Vec::new();
    find(&folder, &normal(pattern), MAX_DEPTH, &mut files);
    files.retain(|(name, _)| !is_loaded(name));
    let read = |(name, file): (String, PathBuf)| Some((name.clone(), functions(&name, &file)?));
    files.into_iter().filter_map(read).collect()
}

fn find(folder: &Path, pattern: &str, depth: usize, found: &mut Vec<(String, PathBuf)>) {
    // A folder that cannot be read holds no module that could be loaded.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth > 0 {
            find(&path, pattern, depth - 1, found);
        } else if let Some(name) =
            path.file_name().and_then(|name| name.to_str()?.strip_suffix(".ko"))
            && matches(pattern, &normal(name))
        {
            found.push((normal(name), path));
        }
    }
}

/// The functions of a module's file; nothing if it is not one.
fn functions(module: &str, path: &Path) -> Option<Vec<Symbol>> {
    let bytes = fs::read(path).ok()?;
    let file = object::File::parse(&*bytes).ok()?;
    let named = || file.symbols().filter_map(|symbol| Some((symbol.name().ok()?, symbol)));
    let exported: HashSet<&str> =
        named().filter_map(|(name, _)| name.strip_prefix(EXPORT)).collect();
    let functions = named()
        .filter(|(_, symbol)| symbol.kind() == SymbolKind::Text && symbol.is_definition())
        .filter(|(name, _)| is_function_name(name))
        .map(|(name, _)| Symbol {
            address: 0,
            name: name.to_owned(),
            module: Some(module.to_owned()),
            exported: exported.contains(name),
        });
    Some(functions.collect())
}

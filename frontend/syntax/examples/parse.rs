// SPDX-License-Identifier: GPL-2.0-or-later
//! Parses each script that standard input names, one path a line, and prints `accept`
//! or `reject` and the path. With `--print` it prints the tree as text, and with
//! `--errors` what is wrong, rendered. `oracle.sh` compares this with `stap -p1`.

use frontend_syntax::diagnostic::Diagnostic;
use frontend_syntax::{
    Environment, MacroLibrary, ParseOptions, SourceMap, parse_with_macros, printer, render,
};
use std::io::BufRead;

/// The kernel that `oracle.sh` tells `stap` to compile for.
struct Kernel;

impl Environment for Kernel {
    fn kernel_release(&self) -> &str {
        "6.12.117+deb12-cloud-amd64"
    }

    fn config(&self, name: &str) -> Option<String> {
        let set = [("CONFIG_SMP", "y"), ("CONFIG_HZ", "250"), ("CONFIG_KPROBES", "y")];
        set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }
}

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_on = |flag: &str| words.iter().any(|word| word == flag);
    let arguments: Vec<String> = words.iter().filter(|w| !w.starts_with("--")).cloned().collect();
    let options =
        ParseOptions { arguments: &arguments, environment: &Kernel, guru: is_on("--guru") };
    let mut map = SourceMap::new();
    let mut library = MacroLibrary::default();
    for line in std::io::stdin().lock().lines() {
        let path = line?;
        let file = map.add(path.as_str(), &std::fs::read(&path)?);
        if path.ends_with(".stpm") {
            let diagnostics = library.read(&map, file, &options);
            for diagnostic in diagnostics.iter().filter(|_| is_on("--errors")) {
                println!("{}", render::render(&map, diagnostic));
            }
            continue;
        }
        let parsed = parse_with_macros(&map, file, &options, &library);
        if is_on("--print") {
            print!("{}", printer::print(&parsed.script));
            continue;
        }
        let rejected =
            parsed.diagnostics.iter().any(Diagnostic::is_error) || parsed.script.items.is_empty();
        println!("{} {path}", if rejected { "reject" } else { "accept" });
        for diagnostic in parsed.diagnostics.iter().filter(|_| is_on("--errors")) {
            println!("{}\n", render::render(&map, diagnostic));
        }
    }
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! The tapset: library files, and which of them defines what.
//!
//! Our own files are embedded in the program with an index made when it is built;
//! further ones come in with the [request](crate::Request) and are indexed by a quick
//! [scan]. A file is parsed only when a script uses a name that it defines. A name that
//! several files define is taken from the first: those of the request before ours.

#[cfg(test)]
mod constants;
pub mod listing;
mod names;
mod scan;

mod embedded {
    use super::Kind;
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

use frontend_syntax::ast::{self, Item};
use frontend_syntax::{Diagnostic, MacroLibrary, ParseOptions, SourceMap, parse_with_macros};
pub(crate) use names::{called, called_in, rename, used_variables, variables_in};
use scan::Kind;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// A library file that the caller has read: tapset scripts end in `.stp`, macros in
/// `.stpm`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LibraryFile {
    /// The name that messages show.
    pub name: String,
    /// What it holds.
    pub text: Vec<u8>,
}

/// Names and texts of the embedded files, for those who print documentation.
pub fn embedded_files() -> &'static [(&'static str, &'static str)] {
    embedded::FILES
}

/// A file: the request's come first, then ours.
type FileNumber = usize;

/// What is left of a parsed file, for those who ask.
#[derive(Debug, Default)]
struct Loaded {
    functions: HashMap<String, Vec<ast::Function>>,
    globals: HashMap<String, ast::Global>,
    aliases: Vec<ast::Alias>,
    probes: Vec<ast::Probe>,
}

/// The library during one compilation.
#[derive(Debug)]
pub(crate) struct Library<'a> {
    given: &'a [LibraryFile],
    /// Of the given files; sorted.
    given_names: Vec<(Kind, String, FileNumber)>,
    loaded: HashMap<FileNumber, Loaded>,
    macros: MacroLibrary,
    macro_files: HashSet<FileNumber>,
    /// Aliases and probes of files that were loaded since somebody asked.
    fresh: Vec<FileNumber>,
    diagnostics: Vec<Diagnostic>,
}

/// What reading a file takes.
pub(crate) struct Reader<'m, 'o> {
    pub(crate) map: &'m mut SourceMap,
    pub(crate) options: ParseOptions<'o>,
}

impl<'a> Library<'a> {
    /// Indexes the given files.
    pub(crate) fn new(given: &'a [LibraryFile]) -> Library<'a> {
        let mut given_names = Vec::new();
        for (number, file) in given.iter().enumerate() {
            for definition in scan::scan(&file.text) {
                given_names.push((definition.kind, definition.name, number));
            }
        }
        given_names.sort();
        given_names.dedup();
        Library {
            given,
            given_names,
            loaded: HashMap::new(),
            macros: MacroLibrary::default(),
            macro_files: HashSet::new(),
            fresh: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    /// How many files there are.
    pub(crate) fn size(&self) -> usize {
        self.given.len() + embedded::FILES.len()
    }

    /// Errors and warnings of files that were read.
    pub(crate) fn take_diagnostics(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.diagnostics)
    }

    fn file(&self, number: FileNumber) -> Option<(Cow<'a, str>, &'a [u8])> {
        if let Some(file) = self.given.get(number) {
            return Some((Cow::Borrowed(&file.name), &file.text));
        }
        let (name, text) = embedded::FILES.get(number - self.given.len())?;
        Some((Cow::Owned(format!("tapset/{name}")), text.as_bytes()))
    }

    fn is_macro_file(&self, number: FileNumber) -> bool {
        self.file(number).is_some_and(|(name, _)| name.ends_with(".stpm"))
    }

    /// The names of a kind, with the file of each; the given files' first.
    fn names(&self, kind: Kind) -> impl Iterator<Item = (&str, FileNumber)> {
        let given = self.given_names.iter().filter(move |(k, ..)| *k == kind);
        let start = embedded::NAMES.partition_point(|(k, ..)| *k < kind);
        let ours = embedded::NAMES.iter().skip(start).take_while(move |(k, ..)| *k == kind);
        let shift = self.given.len();
        given
            .map(|(_, name, number)| (name.as_str(), *number))
            .chain(ours.map(move |(_, name, number)| (*name, usize::from(*number) + shift)))
    }

    /// The files that define a name, in order of precedence.
    fn files(&self, kind: Kind, name: &str) -> Vec<FileNumber> {
        let start = self.given_names.partition_point(|(k, n, _)| (*k, n.as_str()) < (kind, name));
        let given = self.given_names.iter().skip(start);
        let given = given.take_while(|(k, n, _)| (*k, n.as_str()) == (kind, name));
        let start = embedded::NAMES.partition_point(|(k, n, _)| (*k, *n) < (kind, name));
        let ours = embedded::NAMES.iter().skip(start);
        let ours = ours.take_while(|(k, n, _)| (*k, *n) == (kind, name));
        let shift = self.given.len();
        given
            .map(|(.., number)| *number)
            .chain(ours.map(|(.., number)| usize::from(*number) + shift))
            .collect()
    }

    /// Every function's name.
    pub(crate) fn function_names(&self) -> impl Iterator<Item = &str> {
        self.names(Kind::Function).map(|(name, _)| name)
    }

    /// Every alias's name.
    pub(crate) fn alias_names(&self) -> impl Iterator<Item = &str> {
        self.names(Kind::Alias).map(|(name, _)| name)
    }

    /// Is there a global of this name?
    pub(crate) fn has_global(&self, name: &str) -> bool {
        names::private_file(name).is_some() || !self.files(Kind::Global, name).is_empty()
    }

    /// The macros that a text may use; read once.
    pub(crate) fn macros_for(&mut self, text: &[u8], reader: &mut Reader<'_, '_>) -> &MacroLibrary {
        let mut texts = vec![text];
        while let Some(text) = texts.pop() {
            for word in names::macro_calls(text) {
                for number in self.files(Kind::Macro, word) {
                    if !self.is_macro_file(number) || !self.macro_files.insert(number) {
                        continue;
                    }
                    let Some((name, text)) = self.file(number) else { continue };
                    let file = reader.map.add(name, text);
                    let found = self.macros.read(reader.map, file, &reader.options);
                    self.diagnostics.extend(found);
                    texts.push(text);
                }
            }
        }
        &self.macros
    }

    /// The functions (overloads) of a name, once.
    pub(crate) fn functions(
        &mut self,
        name: &str,
        reader: &mut Reader<'_, '_>,
    ) -> Vec<ast::Function> {
        for number in self.holders(Kind::Function, name) {
            self.load(number, reader);
            let loaded = self.loaded.get_mut(&number);
            if let Some(found) = loaded.and_then(|loaded| loaded.functions.remove(name)) {
                return found;
            }
        }
        Vec::new()
    }

    /// The global of a name, once.
    pub(crate) fn global(
        &mut self,
        name: &str,
        reader: &mut Reader<'_, '_>,
    ) -> Option<ast::Global> {
        for number in self.holders(Kind::Global, name) {
            self.load(number, reader);
            let loaded = self.loaded.get_mut(&number);
            if let Some(found) = loaded.and_then(|loaded| loaded.globals.remove(name)) {
                return Some(found);
            }
        }
        None
    }

    fn holders(&self, kind: Kind, name: &str) -> Vec<FileNumber> {
        match names::private_file(name) {
            Some(number) => vec![number],
            None => self.files(kind, name),
        }
    }

    /// Loads the files with an alias that `wanted` says yes to.
    pub(crate) fn load_aliases(
        &mut self,
        wanted: impl Fn(&str) -> bool,
        reader: &mut Reader<'_, '_>,
    ) {
        let named = self.names(Kind::Alias).filter(|(name, _)| wanted(name));
        let mut numbers: Vec<FileNumber> = named.map(|(_, number)| number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            self.load(number, reader);
        }
    }

    /// Aliases and probes of the files that were loaded since the last call.
    pub(crate) fn take_fresh(&mut self) -> (Vec<ast::Alias>, Vec<ast::Probe>) {
        let (mut aliases, mut probes) = (Vec::new(), Vec::new());
        for number in std::mem::take(&mut self.fresh) {
            if let Some(loaded) = self.loaded.get_mut(&number) {
                aliases.append(&mut loaded.aliases);
                probes.append(&mut loaded.probes);
            }
        }
        (aliases, probes)
    }

    /// Parses text of ours that no file holds: the bodies of many probes at once.
    pub(crate) fn bodies(
        &mut self,
        name: &str,
        texts: &[String],
        reader: &mut Reader<'_, '_>,
    ) -> Vec<ast::Block> {
        let mut text = String::new();
        for body in texts {
            text.push_str("probe never {\n");
            text.push_str(body);
            text.push_str("\n}\n");
        }
        let file = reader.map.add(name, text.as_bytes());
        let options = ParseOptions { arguments: &[], guru: true, ..reader.options };
        let parsed = parse_with_macros(reader.map, file, &options, &self.macros);
        self.diagnostics.extend(parsed.diagnostics);
        let body = |item| match item {
            Item::Probe(probe) => Some(probe.body),
            _ => None,
        };
        parsed.script.items.into_iter().filter_map(body).collect()
    }

    fn load(&mut self, number: FileNumber, reader: &mut Reader<'_, '_>) {
        if self.loaded.contains_key(&number) || self.is_macro_file(number) {
            return;
        }
        let Some((name, text)) = self.file(number) else { return };
        self.macros_for(text, reader);
        let file = reader.map.add(name, text);
        // A library may hold what a script must not: it is the administrator's.
        let options = ParseOptions { guru: true, ..reader.options };
        let parsed = parse_with_macros(reader.map, file, &options, &self.macros);
        self.diagnostics.extend(parsed.diagnostics);
        let mut script = parsed.script;
        names::mark_private(&mut script, number);
        let mut loaded = Loaded::default();
        for item in script.items {
            match item {
                Item::Function(function) => {
                    let same = loaded.functions.entry(function.name.text.clone()).or_default();
                    same.push(function);
                }
                Item::Global(global) => {
                    loaded.globals.insert(global.name.text.clone(), global);
                }
                Item::Alias(alias) => loaded.aliases.push(alias),
                Item::Probe(probe) => loaded.probes.push(probe),
                // What needs it says so itself.
                Item::EmbeddedC(_) => {}
            }
        }
        self.loaded.insert(number, loaded);
        self.fresh.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::scan::{Definition, scan};
    use super::*;

    fn found(text: &str) -> Vec<(Kind, String)> {
        let pair = |d: Definition| (d.kind, d.name);
        scan(text.as_bytes()).into_iter().map(pair).collect()
    }

    #[test]
    fn definitions_are_found_without_a_parser() {
        let text = r#"
            /* function no() */ // function no()
            # global no
            global a, b[10] = 3, c = "x,y" global d%[5]
            private global p
            function f:long (x) { if (x) { function_like(x) } return "}" }
            private function q() { }
            function g() %{ function no() %}
            probe s.a.b(1), s.c = kernel.function("x") { global_like = 1 }
            probe t.d += s.c ? { }
            probe begin { }
            @define m(x) %( function %)
            function h() { }
        "#;
        let name = |kind, names: &[&str]| {
            names.iter().map(|n| (kind, (*n).to_owned())).collect::<Vec<_>>()
        };
        let mut wanted = name(Kind::Global, &["a", "b", "c", "d"]);
        wanted.extend(name(Kind::Function, &["f", "g"]));
        wanted.extend(name(Kind::Alias, &["s.a.b(1)", "s.c", "t.d"]));
        wanted.extend(name(Kind::Macro, &["m"]));
        wanted.extend(name(Kind::Function, &["h"]));
        let mut found = found(text);
        found.retain(|(_, name)| name != "_");
        assert_eq!(found, wanted);
    }

    #[test]
    fn tables_of_words_become_functions() {
        let table = "# words\nenum e A=-1 B C=010\nflags f [3: =0 R=1 \\\n  W] X=0x40 XY=0xc0";
        let made = constants::functions(table).expect("the table is right");
        let names: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["e", "f"]);
        for line in ["value == -1) return \"A\"", "value == 0) return \"B\"", "value == 8) return"]
        {
            assert!(made[0].1.contains(line), "{}", made[0].1);
        }
        for line in ["value & 3) == 2", "value & 64)", "(value & 192) == 192"] {
            assert!(made[1].1.contains(line), "{}", made[1].1);
        }
        assert!(constants::functions("enum e A=x").is_err());
        let names = constants::syscall_names("# calls\n- send: s int\n0 read: fd int\n1 write:\n");
        assert!(
            names.contains("value == 0) return \"read\"") && !names.contains("send"),
            "{names}"
        );
    }

    #[test]
    fn every_embedded_file_parses_and_holds_what_the_index_says() {
        struct Kernel;
        impl frontend_syntax::Environment for Kernel {
            fn kernel_release(&self) -> &'static str {
                "6.12.0"
            }
            fn config(&self, _: &str) -> Option<String> {
                None
            }
        }
        let mut library = Library::new(&[]);
        let mut map = SourceMap::new();
        let options = ParseOptions { arguments: &[], environment: &Kernel, guru: true };
        let mut reader = Reader { map: &mut map, options };
        let names: Vec<(Kind, &str, u16)> = embedded::NAMES.to_vec();
        for (kind, name, _) in names {
            match kind {
                Kind::Function => {
                    assert!(!library.functions(name, &mut reader).is_empty(), "{name}")
                }
                Kind::Global => assert!(library.global(name, &mut reader).is_some(), "{name}"),
                Kind::Alias | Kind::Macro => {}
            }
        }
        library.load_aliases(|_| true, &mut reader);
        let errors = library.take_diagnostics();
        let text: Vec<String> =
            errors.iter().map(|e| frontend_syntax::render::render(&map, e)).collect();
        assert!(text.is_empty(), "{}", text.join("\n"));
    }
}

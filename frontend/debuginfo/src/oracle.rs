// SPDX-License-Identifier: GPL-2.0-or-later
//! What must hold of any bytes that are taken for types: tests and fuzzers call it.

use crate::btf::build::Builder;
use crate::dwarf::{Debug, DebugFile, FunctionPattern, Lines};
use crate::path::answer;
use crate::types::{Source, Types};
use vm_spec::relocation::{Path, Question, Relocation, Root, Step};

/// Bytes as the types of a kernel without modules.
struct Bytes(Vec<u8>);

impl Source for Bytes {
    fn btf(&self, module: Option<&str>) -> std::io::Result<Vec<u8>> {
        match module {
            None => Ok(self.0.clone()),
            Some(_) => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    fn name(&self) -> String {
        "these bytes".to_owned()
    }
}

/// A struct with what structs can have, and functions that take it.
pub fn sample() -> Builder {
    let mut b = Builder::default();
    let int = b.integer("int", 4, true);
    let unsigned = b.integer("unsigned int", 4, false);
    let long = b.integer("long", 8, true);
    let character = b.integer("char", 1, false);
    let short = b.integer("short", 2, true);
    let name = b.array(character, 16);
    let inner = b.structure("inner", 8, &[("x", int, 0, 0), ("y", short, 32, 0)]);
    let inners = b.array(inner, 3);
    let to_inner = b.pointer(inner);
    let to_to_inner = b.pointer(to_inner);
    let anonymous = b.structure("", 8, &[("left", int, 0, 0), ("right", int, 32, 0)]);
    let either = b.union("", 8, &[("", anonymous, 0, 0), ("whole", long, 0, 0)]);
    let color = b.enumeration("color", &[("RED", 0), ("GREEN", 5), ("NONE", -1)]);
    let outer = b.structure(
        "outer",
        112,
        &[
            ("number", int, 0, 0),
            ("low", unsigned, 32, 3),
            ("high", int, 35, 5),
            ("inner", inner, 64, 0),
            ("pointer", to_inner, 128, 0),
            ("pointers", to_to_inner, 192, 0),
            ("name", name, 256, 0),
            ("inners", inners, 384, 0),
            ("", either, 576, 0),
            ("color", color, 640, 0),
        ],
    );
    let named = b.typedef("outer_t", outer);
    let fixed = b.constant(named);
    let to_outer = b.pointer(fixed);
    let pair = b.structure("pair", 16, &[("a", long, 0, 0), ("b", long, 64, 0)]);
    let large = b.structure("large", 24, &[("a", long, 0, 0)]);
    b.function("plain", int, &[("o", to_outer), ("n", int), ("c", character)]);
    b.function("nothing", 0, &[]);
    b.function("by_value", pair, &[("small", inner), ("pair", pair), ("large", large), ("n", int)]);
    b.function(
        "many",
        int,
        &[("a", int), ("b", int), ("c", int), ("d", int), ("e", int), ("f", int), ("g", int)],
    );
    b.function("twice", int, &[("a", int)]);
    b.function("twice", int, &[("b", int)]);
    let hidden = [("a", int), ("pair", pair), ("n", int), ("late", pair), ("last", int)];
    b.function("returns_large", large, &hidden);
    b.function("returns_small", inner, &[("a", int)]);
    let packed = b.structure("packed", 12, &[("x", int, 0, 0), ("y", long, 32, 0)]);
    b.function("takes_packed", int, &[("p", packed), ("n", int), ("large", large), ("o", packed)]);
    let wide = b.integer("__int128", 16, true);
    let double = b.float("double", 8);
    let empty = b.structure("empty", 0, &[]);
    b.function("takes_wide", int, &[("a", int), ("w", wide), ("nothing", empty), ("b", int)]);
    b.function("takes_double", int, &[("a", int), ("d", double), ("b", int)]);
    let floating = b.structure("floating", 8, &[("d", double, 0, 0)]);
    b.function("takes_floating", int, &[("a", int), ("s", floating), ("b", int)]);
    let aligned = b.structure("line", 32, &[("a", long, 0, 0)]);
    b.function("takes_line", int, &[("large", large), ("n", int), ("l", aligned), ("o", large)]);
    let names: Vec<String> = (0..20).map(|n| format!("m{n}")).collect();
    let member = |(n, name): (usize, _)| -> (&str, u32, u32, u32) {
        (name, if n == 15 { aligned } else { int }, 32 * n as u32, 0)
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let members: Vec<_> = names.iter().copied().enumerate().map(member).collect();
    let inside = b.structure("inside", 80, &members);
    let crowd = b.structure("crowd", 160, &[("a", inside, 0, 0), ("b", inside, 640, 0)]);
    let to_crowd = b.pointer(crowd);
    b.function("takes_crowd", int, &[("c", to_crowd)]);
    b.function("prints", int, &[("format", to_outer), ("", 0)]);
    b.function("__traceiter_event", int, &[("__data", to_outer), ("o", to_outer), ("flag", int)]);
    b.variable("counter", long);
    b.forward("later");
    b.enumeration64("wide", &[("BIG", 1 << 40)]);
    b
}

fn paths() -> Vec<Path> {
    let path = |root: Root, words: &[&str]| {
        let steps = words.iter().map(|word| match (*word, word.parse()) {
            ("*", _) => Step::Dereference,
            ("[]", _) => Step::AnyElement,
            (_, Ok(n)) => Step::Element(n),
            (name, Err(_)) => Step::Member(name.to_owned()),
        });
        Path { root, module: None, steps: steps.collect() }
    };
    let outer = || Root::Type("outer".to_owned());
    let parameter = |function: &str, name: &str| Root::Parameter {
        function: function.to_owned(),
        name: name.to_owned(),
    };
    let event = Root::TraceArgument { tracepoint: "event".to_owned(), name: "flag".to_owned() };
    vec![
        path(outer(), &["inners", "2", "y"]),
        path(outer(), &["inners", "[]"]),
        path(outer(), &["pointers", "*", "*", "x"]),
        path(outer(), &["left"]),
        path(outer(), &["high"]),
        path(outer(), &["color"]),
        path(parameter("plain", "o"), &["*", "name", "3"]),
        path(parameter("by_value", "n"), &[]),
        path(parameter("by_value", "small"), &["y"]),
        path(parameter("by_value", "pair"), &["b"]),
        path(parameter("by_value", "large"), &["a"]),
        path(parameter("many", "g"), &[]),
        path(parameter("takes_wide", "w"), &[]),
        path(Root::Return { function: "by_value".to_owned() }, &["b"]),
        path(Root::Return { function: "returns_small".to_owned() }, &["y"]),
        path(Root::Return { function: "plain".to_owned() }, &[]),
        path(event, &[]),
        path(Root::Variable("counter".to_owned()), &[]),
        path(Root::Type("wide".to_owned()), &[]),
    ]
}

/// Asks all that can be asked of [`sample`], damaged or not, and of all functions.
///
/// # Panics
/// If an answer does not fit its slot: then the kernel would refuse the program.
pub fn ask_everything(bytes: Vec<u8>) {
    let types = Types::new(Box::new(Bytes(bytes)));
    for path in paths() {
        let questions = [
            Question::Exists,
            Question::Load,
            Question::Offset,
            Question::Size,
            Question::BitUnit,
            Question::BitsAbove,
            Question::BitsBelow,
            Question::Word,
            Question::Enumerator("RED".to_owned()),
        ];
        for question in questions {
            let relocation =
                Relocation { question, path: path.clone(), guards: Vec::new(), known: None };
            if let Ok(number) = answer(&types, &relocation) {
                let kind = relocation.slot_kind();
                assert!(vm_spec::relocation::fits(kind, number), "{relocation}: {number:#x}");
            }
        }
    }
    for name in types.function_names(None).unwrap_or_default() {
        for function in types.functions(None, &name).unwrap_or_default() {
            function.arguments.iter().for_each(|argument| drop(argument.ty.text()));
        }
    }
}

/// Places in the code that are asked about.
const MAX_POINTS: usize = 200;

/// Asks debug symbols, damaged or not, what scripts ask.
pub fn ask_symbols(bytes: Vec<u8>) {
    let file = DebugFile { path: "these bytes".to_owned(), bytes: std::sync::Arc::new(bytes) };
    let Ok((debug, _)) = Debug::new(Some("these"), file, None, |_| None) else { return };
    let all =
        FunctionPattern { name: "*".to_owned(), file: None, lines: None, matcher: |_, _| true };
    let points = debug.functions(&all).unwrap_or_default();
    let lines = FunctionPattern { lines: Some(Lines::All), ..all.clone() };
    let statements = debug.statements(&lines, false).unwrap_or_default();
    for point in points.iter().chain(&statements).take(MAX_POINTS) {
        let _ = (debug.place_of(point), debug.parameters(point), debug.at_address(point.pc));
        for variable in debug.variables(point).unwrap_or_default() {
            if let Ok(local) = debug.local(point, &variable.name) {
                let _ = (local.ty.text(), local.ty.size(), local.ty.member_names());
            }
        }
    }
    let near = FunctionPattern { lines: Some(Lines::Relative(1)), ..all.clone() };
    let _ = (debug.statements(&near, true), debug.labels(&all, "*"), debug.callees(&all, &all));
    let _ = (debug.named(None, "own"), debug.variable_type("counter", |_| true));
}

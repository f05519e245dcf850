// SPDX-License-Identifier: GPL-2.0-or-later
//! Types made by hand, asked what scripts ask.

use debuginfo::btf::build::Builder;
use debuginfo::btf::{Btf, BtfError};
use debuginfo::oracle::{ask_everything, sample};
use debuginfo::{PathError, Place, Source, Types, answer, walk};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use vm_spec::image::Width;
use vm_spec::relocation::{Path, Placed, Question, Relocation, Root, Step};

/// BTF by module; the kernel's has no name.
struct Bytes(BTreeMap<Option<&'static str>, Vec<u8>>);

impl Source for Bytes {
    fn btf(&self, module: Option<&str>) -> io::Result<Vec<u8>> {
        let found = self.0.iter().find(|(name, _)| name.as_deref() == module);
        found.map(|(_, bytes)| bytes.clone()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn name(&self) -> String {
        "the kernel of this test".to_owned()
    }
}

fn types() -> Types {
    types_of(sample().finish())
}

fn types_of(bytes: Vec<u8>) -> Types {
    Types::new(Box::new(Bytes(BTreeMap::from([(None, bytes)]))))
}

fn path(root: Root, text: &str) -> Path {
    let steps = text.split_terminator('.').map(|word| match (word, word.parse()) {
        ("*", _) => Step::Dereference,
        ("[]", _) => Step::AnyElement,
        (_, Ok(n)) => Step::Element(n),
        (name, Err(_)) => Step::Member(name.to_owned()),
    });
    Path { root, module: None, steps: steps.collect() }
}

fn of_type(name: &str, text: &str) -> Path {
    path(Root::Type(name.to_owned()), text)
}

fn parameter(function: &str, name: &str, text: &str) -> Path {
    path(Root::Parameter { function: function.to_owned(), name: name.to_owned() }, text)
}

fn ask(question: Question, path: Path) -> Result<i64, PathError> {
    answer(&types(), &Relocation { question, path, guards: Vec::new(), known: None })
}

fn placed(path: Path) -> Result<(i32, Width), PathError> {
    let raw = ask(Question::Load, path)?;
    let Placed { offset, width } = Placed::from_raw(raw).unwrap();
    Ok((offset, width))
}

#[test]
fn members_are_found_at_their_offsets() {
    assert_eq!(placed(of_type("outer", "number")), Ok((0, Width::I32)));
    assert_eq!(placed(of_type("struct outer", "inner.y")), Ok((12, Width::I16)));
    assert_eq!(placed(of_type("outer_t", "pointer")), Ok((16, Width::U64)));
    // Offsets count from the last pointer.
    assert_eq!(placed(of_type("outer", "pointer.*.y")), Ok((4, Width::I16)));
    assert_eq!(placed(of_type("outer", "pointers.*.*.x")), Ok((0, Width::I32)));
    assert_eq!(placed(of_type("outer", "name.3")), Ok((35, Width::U8)));
    assert_eq!(placed(of_type("outer", "inners.2.y")), Ok((48 + 16 + 4, Width::I16)));
    assert_eq!(placed(of_type("outer", "inners.[].y")), Ok((4, Width::I16)));
    // By way of anonymous structs and unions.
    assert_eq!(placed(of_type("outer", "right")), Ok((76, Width::I32)));
    assert_eq!(placed(of_type("outer", "whole")), Ok((72, Width::U64)));
    assert_eq!(placed(of_type("outer", "color")), Ok((80, Width::I32)));
    assert_eq!(ask(Question::Offset, of_type("outer", "inners")), Ok(48));
    assert_eq!(ask(Question::Size, of_type("outer", "inners.[]")), Ok(8));
    assert_eq!(ask(Question::Size, of_type("outer", "")), Ok(112));
}

#[test]
fn bit_fields_come_out_of_their_unit() {
    let value: u32 = (0b10110 << 3) | 0b101;
    for (name, signed, wanted) in [("low", false, 0b101), ("high", true, 0b10110 - 32)] {
        let of = || of_type("outer", name);
        let unit = Placed::from_raw(ask(Question::BitUnit, of()).unwrap()).unwrap();
        assert_eq!(unit, Placed { offset: 4, width: Width::U32 });
        let above = ask(Question::BitsAbove, of()).unwrap();
        let below = ask(Question::BitsBelow, of()).unwrap();
        let shifted = i64::from(value) << above;
        let got = if signed { shifted >> below } else { (shifted as u64 >> below) as i64 };
        assert_eq!(got, wanted, "{name}");
    }
}

#[test]
fn arguments_are_where_the_convention_puts_them() {
    let word = |function, name| {
        let raw = ask(Question::Word, parameter(function, name, ""))?;
        Ok(Placed::from_raw(raw).map(|placed| (placed.offset, placed.width)).unwrap())
    };
    assert_eq!(word("plain", "o"), Ok((0, Width::U64)));
    assert_eq!(word("plain", "n"), Ok((1, Width::I32)));
    assert_eq!(word("plain", "c"), Ok((2, Width::U8)));
    assert_eq!(word("many", "f"), Ok((5, Width::I32)));
    // Behind the return address.
    assert!(matches!(word("many", "g"), Err(PathError::Elsewhere { place: "on the stack", .. })));
    assert_eq!(placed(parameter("many", "g", "")), Ok((8, Width::I32)));
    assert_eq!(ask(Question::Offset, parameter("many", "g", "")), Ok(8));
    // What a pointer in a register points to is no longer there.
    assert_eq!(placed(parameter("plain", "o", "*.number")), Ok((0, Width::I32)));
    assert!(placed(parameter("plain", "n", "")).is_err());
    // One register, two registers, memory: then the next is the fourth.
    assert_eq!(word("by_value", "n"), Ok((3, Width::I32)));
    assert_eq!(placed(parameter("by_value", "large", "a")), Ok((8, Width::U64)));
    assert_eq!(word("prints", "format"), Ok((0, Width::U64)));
    let unplaced = |function, name| match word(function, name) {
        Err(PathError::Unplaced { .. }) => {}
        other => panic!("{function} {name}: {other:?}"),
    };
    unplaced("takes_double", "d");
    unplaced("takes_floating", "s");
    unplaced("takes_double", "b");
    unplaced("takes_wide", "nothing");
    // Its alignment decides whether it is 8 bytes on.
    unplaced("takes_line", "l");
    unplaced("takes_line", "o");
    let refused = ask(Question::Word, parameter("takes_double", "d", "")).unwrap_err();
    assert!(refused.to_string().contains("cannot be told"), "{refused}");
}

#[test]
fn places_are_those_of_the_calling_convention() {
    use Place::{Register, RegisterPair, Stack, Unknown};
    for (name, wanted) in [
        (
            "many",
            &[
                Register(0),
                Register(1),
                Register(2),
                Register(3),
                Register(4),
                Register(5),
                Stack(8),
            ][..],
        ),
        ("by_value", &[Register(0), RegisterPair(1), Stack(8), Register(3)]),
        // The first register says where the result goes; the pair that does not fit leaves one.
        ("returns_large", &[Register(1), RegisterPair(2), Register(4), Stack(8), Register(5)]),
        ("returns_small", &[Register(0)]),
        ("takes_packed", &[Stack(8), Register(0), Stack(24), Stack(48)]),
        ("takes_wide", &[Register(0), RegisterPair(1), Unknown, Register(3)]),
        ("takes_line", &[Stack(8), Register(0), Unknown, Unknown]),
    ] {
        let function = types().functions(None, name).unwrap().remove(0);
        let places: Vec<Place> = function.arguments.iter().map(|argument| argument.place).collect();
        assert_eq!(places, wanted, "{name}");
    }
}

/// The register of a member of a struct in registers, and the shifts to it.
#[test]
fn members_of_structs_in_registers_are_shifted_out() {
    let of = |root: Root, member: &str| {
        let all = [Question::Word, Question::BitsAbove, Question::BitsBelow];
        let [word, above, below] = all.map(|question| ask(question, path(root.clone(), member)));
        let word = Placed::from_raw(word?).unwrap();
        assert_eq!(word.width, Width::U64);
        Ok::<_, PathError>((word.offset, above?, below?))
    };
    let parameter =
        |name: &str| Root::Parameter { function: "by_value".to_owned(), name: name.to_owned() };
    let returned = |name: &str| Root::Return { function: name.to_owned() };
    assert_eq!(of(parameter("small"), "x"), Ok((0, 32, 32)));
    assert_eq!(of(parameter("small"), "y"), Ok((0, 16, 48)));
    assert_eq!(of(parameter("pair"), "a"), Ok((1, 0, 0)));
    assert_eq!(of(parameter("pair"), "b"), Ok((2, 0, 0)));
    assert_eq!(of(returned("returns_small"), "y"), Ok((0, 16, 48)));
    for function in ["by_value", "returns_large"] {
        let refused = of(returned(function), "b");
        assert!(matches!(refused, Err(PathError::ByValue { .. })), "{refused:?}");
    }
    // Such a struct has no address.
    for question in [Question::Load, Question::Offset] {
        let path = path(parameter("small"), "y");
        let refused = ask(question, path);
        assert!(matches!(refused, Err(PathError::Elsewhere { place: "in registers", .. })));
    }
}

#[test]
fn tracepoints_have_names() {
    let argument = |name: &str| {
        let root = Root::TraceArgument { tracepoint: "event".to_owned(), name: name.to_owned() };
        ask(Question::Word, path(root, "")).map(|raw| Placed::from_raw(raw).unwrap().offset)
    };
    assert_eq!(argument("o"), Ok(0));
    assert_eq!(argument("flag"), Ok(1));
    assert_eq!(argument("arg2"), Ok(1));
    assert!(matches!(argument("arg3"), Err(PathError::NoTraceArgument { .. })));
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let told = |path| walk(&types(), &path).unwrap_err().to_string();
    assert_eq!(
        told(of_type("inner", "z")),
        "unable to find member 'z' for struct inner (alternatives: x, y)"
    );
    assert!(told(of_type("outer", "lef")).contains("alternatives: left"));
    assert_eq!(
        told(of_type("nosuch", "")),
        "type definition 'nosuch' not found in the kernel of this test"
    );
    assert_eq!(
        told(parameter("plain", "x", "")),
        "unable to find local 'x' in function plain (alternatives: c, n, o)"
    );
    assert!(matches!(
        walk(&types(), &parameter("twice", "a", "")),
        Err(PathError::AmbiguousFunction(_))
    ));
    let returns = |function: &str| path(Root::Return { function: function.to_owned() }, "");
    assert!(matches!(walk(&types(), &returns("nothing")), Err(PathError::ReturnsNothing(_))));
    assert!(matches!(walk(&types(), &returns("by_value")), Err(PathError::ByValue { .. })));
    assert!(matches!(walk(&types(), &of_type("later", "x")), Err(PathError::Incomplete(_))));
    assert_eq!(ask(Question::Exists, of_type("inner", "z")), Ok(0));
    assert_eq!(ask(Question::Exists, of_type("inner", "y")), Ok(1));
}

#[test]
fn enumerators_have_values() {
    let value = |ty, name: &str| ask(Question::Enumerator(name.to_owned()), of_type(ty, ""));
    assert_eq!(value("enum color", "GREEN"), Ok(5));
    assert_eq!(value("color", "NONE"), Ok(-1));
    assert_eq!(value("wide", "BIG"), Ok(1 << 40));
    let missing = value("color", "GREE").unwrap_err().to_string();
    assert_eq!(missing, "enum color has no enumerator 'GREE' (alternatives: GREEN, RED, NONE)");
}

#[test]
fn names_of_types_are_systemtaps() {
    let function = types().functions(None, "plain").unwrap().remove(0);
    let texts: Vec<String> = function.arguments.iter().map(|a| a.ty.text()).collect();
    assert_eq!(texts, ["outer_t const*", "int", "char"]);
}

#[test]
fn modules_build_upon_the_kernel() {
    let kernel = sample().finish();
    let base = Arc::new(Btf::new(kernel.clone(), None).unwrap());
    let mut b = Builder::on(&base);
    let outer = base.named("outer")[0];
    let to_outer = b.pointer(outer);
    b.structure("own", 8, &[("outer", to_outer, 0, 0)]);
    b.function("of_module", 0, &[("o", to_outer)]);
    let all = BTreeMap::from([(None, kernel), (Some("extra"), b.finish())]);
    let types = Types::new(Box::new(Bytes(all)));
    let own = Path { module: Some("extra".to_owned()), ..of_type("own", "outer.*.inner.y") };
    let found = walk(&types, &own).unwrap();
    assert_eq!((found.bit_offset, found.ty.text()), (96, "short".to_owned()));
    // The kernel's own types are the module's, too.
    let base = Path { module: Some("extra".to_owned()), ..of_type("inner", "y") };
    assert!(walk(&types, &base).is_ok());
    assert_eq!(types.function_names(Some("extra")).unwrap(), ["of_module"]);
    assert!(walk(&types, &of_type("own", "outer")).is_err());
    assert!(types.btf(Some("other")).is_err());
}

proptest! {
    #[test]
    fn damaged_types_are_refused_or_answered(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = sample().finish();
        for (at, value) in damage {
            let length = bytes.len();
            bytes[at.index(length)] ^= value;
        }
        ask_everything(bytes);
    }

    #[test]
    fn truncated_types_are_refused(cut in 1..2000usize) {
        let mut bytes = sample().finish();
        let length = bytes.len();
        bytes.truncate(length.saturating_sub(cut));
        let refused = matches!(Btf::new(bytes, None), Err(BtfError::Truncated { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes: Vec<u8>, with_magic: bool) {
        if with_magic {
            bytes.splice(0..0, [0x9f, 0xeb, 1, 0]);
        }
        ask_everything(bytes.clone());
        let _ = debuginfo::elf::btf_of(&bytes);
    }
}

/// After many searches an index is used; it finds the same.
#[test]
fn the_index_of_names_finds_what_a_search_finds() {
    let names = ["outer", "inner", "int", "plain", "color", "outer_t", "uter", "nobody", "", "x"];
    let fresh = || Btf::new(sample().finish(), None).unwrap();
    let searched: Vec<Vec<u32>> = names.iter().map(|name| fresh().named(name)).collect();
    assert_eq!(searched[0].len(), 1);
    let btf = fresh();
    for _ in 0..10 {
        for (name, found) in names.iter().zip(&searched) {
            assert_eq!(&btf.named(name), found, "{name}");
        }
    }
}

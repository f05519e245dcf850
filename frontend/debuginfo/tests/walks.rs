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
    assert!(matches!(word("many", "g"), Err(PathError::OnStack { .. })));
    // One register, two registers, memory: then the next is the fourth.
    assert!(matches!(word("by_value", "small"), Err(PathError::ByValue { .. })));
    assert!(matches!(word("by_value", "pair"), Err(PathError::ByValue { .. })));
    assert!(matches!(word("by_value", "large"), Err(PathError::OnStack { .. })));
    assert_eq!(word("by_value", "n"), Ok((3, Width::I32)));
    let function = types().functions(None, "by_value").unwrap().remove(0);
    let places: Vec<Place> = function.arguments.iter().map(|argument| argument.place).collect();
    let wanted = [Place::Register(0), Place::RegisterPair(1), Place::Stack, Place::Register(3)];
    assert_eq!(places, wanted);
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

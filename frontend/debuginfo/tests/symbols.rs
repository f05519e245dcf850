// SPDX-License-Identifier: GPL-2.0-or-later
//! Debug symbols of an object that the compiler makes for this test, as it makes a module's
//! (relocatable) and as it makes a kernel's (with addresses).

use debuginfo::dwarf::{
    CodePoint, Debug, DebugError, DebugFile, Formula, FunctionPattern, LocalError, Matcher,
};
use proptest::prelude::*;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// Tests know its lines; the fuzz target `dwarf` begins with it, too.
const SOURCE: &str = include_str!("objects/own.c");
#[derive(Clone, Copy)]
enum Kind {
    Module,
    Kernel,
}

fn object(kind: Kind) -> Vec<u8> {
    static MODULE: OnceLock<Vec<u8>> = OnceLock::new();
    static KERNEL: OnceLock<Vec<u8>> = OnceLock::new();
    let (cell, name, how) = match kind {
        Kind::Module => (&MODULE, "module", ["-r", "-nostdlib", "-g"]),
        Kind::Kernel => (&KERNEL, "kernel", ["-shared", "-nostdlib", "-gdwarf-4"]),
    };
    cell.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("own.c"), SOURCE).unwrap();
        let status = Command::new("gcc")
            .args(["-O2", "-fno-pie", "-mcmodel=large", "-Wl,--build-id", "own.c", "-o", "out"])
            .args(how)
            .current_dir(&folder)
            .status()
            .expect("gcc runs");
        assert!(status.success());
        std::fs::read(folder.join("out")).unwrap()
    })
    .clone()
}

fn open(bytes: Vec<u8>) -> Result<Debug, DebugError> {
    let file = DebugFile { path: "own".to_owned(), bytes: Arc::new(bytes) };
    Debug::new(Some("own"), file, None, |_| None).map(|(debug, _)| debug)
}

/// `*` at the start or at the end, which is all that these tests need.
const GLOB: Matcher = |pattern, text| match pattern {
    [b'*', rest @ ..] => text.ends_with(rest),
    [rest @ .., b'*'] => text.starts_with(rest),
    _ => pattern == text,
};

fn pattern(text: &str) -> FunctionPattern {
    FunctionPattern::parse(text, GLOB).unwrap()
}

fn statement(debug: &Debug, text: &str) -> CodePoint {
    let mut found = debug.statements(&pattern(text), false).unwrap();
    assert_eq!(found.len(), 1, "{text}: {found:?}");
    found.remove(0)
}

fn both(check: impl Fn(&Debug)) {
    for kind in [Kind::Module, Kind::Kernel] {
        check(&open(object(kind)).unwrap());
    }
}

#[test]
fn functions_and_their_copies_are_found() {
    both(|debug| {
        let functions = |text| debug.functions(&pattern(text)).unwrap();
        let outer = functions("outer");
        assert_eq!(outer.len(), 1);
        assert_eq!((outer[0].line, outer[0].inlined), (24, false));
        assert!(outer[0].file.ends_with("own.c"));
        let twice = functions("twice");
        assert!(!twice.is_empty() && twice.iter().all(|point| point.inlined));
        assert_eq!(functions("*").len(), 2 + twice.len());
        assert!(functions("nosuch").is_empty() && functions("outer@other.c").is_empty());
        assert_eq!(functions("outer@own.c"), outer);
        let place = debug.place_of(&outer[0]).unwrap();
        assert_eq!(place.build_id, debug.build_id());
        assert_eq!(debug.at_address(outer[0].pc).unwrap().unwrap().function, "outer");
    });
    // A module's sections have places of their own.
    let module = open(object(Kind::Module)).unwrap();
    let leaf = module.functions(&pattern("leaf")).unwrap().remove(0);
    assert_eq!(module.place_of(&leaf).unwrap().section.as_deref(), Some(".text"));
}

#[test]
fn lines_have_instructions() {
    both(|debug| {
        assert_eq!(statement(debug, "outer@own.c:30").line, 30);
        assert_eq!(statement(debug, "outer@own.c+6"), statement(debug, "outer@own.c:30"));
        let lines = |text| {
            let found = debug.statements(&pattern(text), false).unwrap();
            found.iter().map(|point| point.line).collect::<Vec<u64>>()
        };
        assert!(lines("outer@own.c:29-31").contains(&30));
        assert!(lines("outer@own.c:*").iter().all(|line| (24..40).contains(line)));
        assert!(lines("outer@own.c:1").is_empty());
        let near = debug.statements(&pattern("outer@own.c:36"), true).unwrap();
        assert!(near.iter().all(|point| (35..38).contains(&point.line)) && !near.is_empty());
    });
    assert!(FunctionPattern::parse("outer@own.c:x", GLOB).is_err());
    assert!(FunctionPattern::parse("outer:3", GLOB).is_err());
    assert!(FunctionPattern::parse("outer@own.c:5-3", GLOB).is_err());
}

#[test]
fn labels_and_callees_are_found() {
    both(|debug| {
        let labels = debug.labels(&pattern("outer"), "d*").unwrap();
        assert_eq!(labels.len(), 1);
        assert_eq!((labels[0].detail.as_deref(), labels[0].line), (Some("done"), 36));
        let callees = debug.callees(&pattern("outer"), &pattern("*")).unwrap();
        let called = callees.iter().find(|point| point.function == "leaf").unwrap();
        assert_eq!((called.returns_to.len(), called.inlined), (1, false));
        assert!(callees.iter().any(|point| point.function == "twice" && point.inlined));
        assert!(debug.callees(&pattern("leaf"), &pattern("*")).unwrap().is_empty());
    });
}

#[test]
fn variables_have_places_and_types() {
    both(|debug| {
        let point = statement(debug, "outer@own.c:30");
        let variables = debug.variables(&point).unwrap();
        let names: Vec<&str> = variables.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["given", "count", "kept", "total", "i"]);
        assert!(variables[0].is_parameter && !variables[2].is_parameter);
        let local = |name: &str| debug.local(&point, name).unwrap();
        // The struct is on the stack, below where the frame begins.
        let kept = local("kept");
        assert!(kept.in_memory && matches!(kept.formula, Formula::Binary(..)), "{kept:?}");
        assert_eq!(kept.ty.text(), "struct own");
        let member = |name: &str| kept.ty.member(name).map(|m| (m.bit_offset, m.bit_size));
        assert_eq!(member("low"), Some((32, 3)));
        assert_eq!(member("high"), Some((35, 5)));
        assert_eq!(member("right"), Some((96, 0)));
        assert_eq!(member("name"), Some((128, 0)));
        assert_eq!(kept.ty.member("next").unwrap().ty.text(), "struct own*");
        assert_eq!(kept.ty.member("color").unwrap().ty.enumerator("GREEN"), Some(6));
        assert_eq!(kept.ty.size(), Some(40));
        assert!(matches!(local("total").formula, Formula::Register(_)));
        assert_eq!(local("i").ty.text(), "long int");
        // A variable of the file.
        let counter = local("counter");
        assert!(matches!(counter.formula, Formula::Image(_)) && counter.in_memory);
        let missing = debug.local(&point, "nosuch").unwrap_err().to_string();
        assert!(missing.contains("unable to find local 'nosuch' in outer"), "{missing}");
    });
}

#[test]
fn what_cannot_be_read_says_why() {
    both(|debug| {
        let start = debug.functions(&pattern("outer")).unwrap().remove(0);
        let reason = debug.local(&start, "total").unwrap_err();
        assert!(
            matches!(reason, LocalError::NotHere { .. } | LocalError::NoSuch { .. })
                || reason.to_string().contains("optimised out"),
            "{reason}"
        );
    });
}

#[test]
fn types_and_variables_have_names() {
    both(|debug| {
        let own = debug.named(Some("struct"), "own").unwrap().unwrap();
        assert_eq!(own.member("a").map(|member| member.bit_offset), Some(0));
        assert!(debug.named(Some("union"), "own").unwrap().is_none());
        let counter = debug.variable_type("counter", |file| file.ends_with("own.c")).unwrap();
        assert_eq!(counter.unwrap().text(), "int");
    });
}

#[test]
fn an_index_is_kept_for_its_build_only() {
    let file = || DebugFile { path: "own".to_owned(), bytes: Arc::new(object(Kind::Kernel)) };
    let (debug, index) = Debug::new(None, file(), None, |_| None).unwrap();
    let index = index.unwrap();
    let id = debug.build_id().to_owned();
    let reread = |index: Vec<u8>| Debug::new(None, file(), None, |_| Some(index)).unwrap();
    let (again, fresh) = reread(index.clone());
    assert!(fresh.is_none());
    assert_eq!(again.functions(&pattern("*")).unwrap(), debug.functions(&pattern("*")).unwrap());
    for at in [9, index.len() / 2, index.len() - 1] {
        let mut damaged = index.clone();
        damaged[at] ^= 1;
        assert!(reread(damaged).1.is_some(), "damage at {at} of the index of {id}");
    }
}

#[test]
fn other_files_are_refused() {
    assert!(matches!(open(b"text".to_vec()), Err(DebugError::NotElf { .. })));
    let mut none = object(Kind::Kernel);
    none.truncate(64);
    assert!(matches!(open(none), Err(DebugError::NotElf { .. } | DebugError::NoSymbols { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_symbols_are_refused_or_answered(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..32),
        is_module: bool,
    ) {
        let mut bytes = object(if is_module { Kind::Module } else { Kind::Kernel });
        for (at, value) in damage {
            let length = bytes.len();
            bytes[at.index(length)] ^= value;
        }
        debuginfo::oracle::ask_symbols(bytes);
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Whatever the verifier accepts runs to an end: no panic, no endless loop, nothing
//! asked of the host that was not declared.

use proptest::prelude::*;
use vm_core::Outcome;
use vm_host::{LoadError, Session, World};
use vm_spec::build::*;
use vm_spec::format::{Conversion, Flags, Measure, Piece};
use vm_spec::ids::*;
use vm_spec::image::*;
use vm_spec::insn::{Field, Insn};
use vm_spec::isa::{Opcode, OperandKind, asm};
use vm_spec::probe::{Needs, ProbeKind};
use vm_spec::relocation::Placed;

const MAPS: u16 = 5;
const REGISTERS: u16 = 8;

fn maps() -> Vec<MapSpec> {
    use ValueKind::*;
    let map = |keys: &[ValueKind], value, overflow, histogram| MapSpec {
        name: "m".into(),
        keys: keys.to_vec(),
        value,
        capacity: 5,
        overflow,
        histogram,
        variance: (value == Stat).then_some(0),
        initial: None,
    };
    vec![
        map(&[Long], Long, Overflow::Fail, Histogram::None),
        map(&[Str, Long], Str, Overflow::DropOldest, Histogram::None),
        map(&[Long, Long], Stat, Overflow::DropOldest, Histogram::Log),
        map(&[], Stat, Overflow::Fail, Histogram::Linear { low: 0, high: 10, step: 2 }),
        map(&[], Str, Overflow::Fail, Histogram::None),
    ]
}

/// Every opcode with operands that are mostly in range.
fn insn(length: usize) -> impl Strategy<Value = Insn> {
    (prop::sample::select(Opcode::ALL), prop::array::uniform8(any::<u16>())).prop_map(
        move |(opcode, noise)| {
            let start = Insn { op: opcode as u8, ..Insn::default() };
            opcode.info().operands.iter().zip(noise).fold(start, |insn, (&(field, kind), noise)| {
                let n = i64::from(noise);
                let value = match kind {
                    OperandKind::Int => [n - 32768, n % 4, -1, 1][noise as usize % 4],
                    OperandKind::Steps => n % 5 + 1,
                    OperandKind::Target => n % length as i64,
                    OperandKind::MapOfLong => 0,
                    OperandKind::MapOfStr => [1, 4][noise as usize % 2],
                    OperandKind::MapOfStat => [2, 3][noise as usize % 2],
                    OperandKind::AnyMap | OperandKind::WideMap => n % i64::from(MAPS),
                    OperandKind::Sort => [0, 1, 0x20, 0x121, 0x40, 0x144][noise as usize % 6],
                    OperandKind::Stat => n % 6,
                    OperandKind::LongKey | OperandKind::StrKey => n % 2,
                    OperandKind::Function => n % 3,
                    OperandKind::Helper => n % 80,
                    OperandKind::Format | OperandKind::Scalar => n % 2,
                    OperandKind::LongConst | OperandKind::StrConst => n % 3,
                    OperandKind::ValueSlot | OperandKind::Regex => 0,
                    OperandKind::MemberSlot => n % 3,
                    OperandKind::WordSlot => n % 4,
                    OperandKind::Word => n % 6,
                    OperandKind::MemoryWidth => n % 7,
                    OperandKind::TupleLongs | OperandKind::TupleStrs | OperandKind::TupleResult => {
                        n % 2
                    }
                    _ => n % i64::from(REGISTERS),
                };
                insn.with(field, value)
            })
        },
    )
}

/// `a`, anywhere: one state, which stays until it sees one.
fn regex() -> RegexSpec {
    let classes = (0..256).map(|byte| u16::from(byte == i32::from(b'a')));
    let row = [0, vm_spec::regex::ACCEPT, 0];
    RegexSpec {
        words: classes.chain(row).collect(),
        class_count: 2,
        state_count: 1,
        ..RegexSpec::default()
    }
}

fn build(bodies: &[Vec<Insn>]) -> Vec<u64> {
    let mut b = Builder::new(Limits { string_length: 24, call_depth: 3, ..Limits::default() });
    for text in [&b"abc"[..], b"a much longer text than fits"] {
        b.string(text);
    }
    for n in [7, -1, i64::MIN] {
        b.long(n);
    }
    for kind in [SlotKind::Value, SlotKind::Member, SlotKind::Member, SlotKind::Argument] {
        b.relocation("slot", kind);
    }
    b.regex(b"a", &regex());
    b.scalar("x", 1);
    b.scalar("y", 2);
    maps().into_iter().for_each(|map| {
        b.map(map);
    });
    let wide =
        Piece { width: Measure::Argument, flags: Flags::LEFT, ..Piece::plain(Conversion::Signed) };
    b.format(&[Piece::plain(Conversion::String), wide]);
    b.format(&[Piece::plain(Conversion::MemoryHex), Piece::literal(StrId(1))]);
    let globals = [0, 1].map(|n| Global::Scalar(ScalarId(n))).into_iter();
    let globals = globals.chain((0..MAPS).map(|n| Global::Map(MapId(n))));
    let locks: Vec<_> = globals.map(|global| (global, LockMode::Write)).collect();
    let ids: Vec<_> = bodies.iter().map(|_| b.declare_function()).collect();
    let returns = [ReturnKind::Nothing, ReturnKind::Long, ReturnKind::Str];
    for ((&id, body), returns) in ids.iter().zip(bodies).zip(returns) {
        let end = match returns {
            ReturnKind::Nothing => asm::ret(),
            ReturnKind::Long => asm::retl(Reg(1)),
            ReturnKind::Str => asm::rets(StrReg(1)),
        };
        let mut code = body.clone();
        code.push(end);
        let catches = vec![CatchSpec {
            start: 0,
            end: code.len() as u32 / 2,
            target: code.len() as u32 - 1,
            message: Some(StrReg(2)),
        }];
        b.define_function(
            id,
            FunctionSpec {
                returns,
                long_registers: REGISTERS,
                string_registers: REGISTERS,
                needs: Needs::ARGUMENTS.union(Needs::PROCESS),
                locks: locks.clone(),
                catches: if code.len() > 1 { catches } else { vec![] },
                ..FunctionSpec::handler("f", code)
            },
        );
    }
    b.probe(ProbeSpec { steps: 500, ..ProbeSpec::new("p", ids[0], ProbeKind::FunctionEntry) });
    b.finish().unwrap().image
}

/// Takes out what the verifier refuses, until it accepts; gives the image.
fn accepted(mut bodies: Vec<Vec<Insn>>) -> Vec<u64> {
    loop {
        let words = build(&bodies);
        let Err(vm_spec::verify::VerifyError::Reject(reject)) = vm_spec::verify::verify(&words)
        else {
            return words;
        };
        let vm_spec::verify::Site::Insn(pc) = reject.site else { panic!("{reject}") };
        let mut at = pc as usize;
        for body in &mut bodies {
            if at < body.len() {
                // A no-op of the same length keeps all targets.
                body[at] = asm::mov(Reg(0), Reg(0));
                break;
            }
            at -= body.len() + 1;
        }
    }
}

fn run(words: &[u64]) -> Result<(), TestCaseError> {
    let mut world = World::fixed();
    world.kernel_memory.insert(0, vec![b'k'; 4]);
    world.user_memory.insert(0, vec![b'u'; 100]);
    let mut session = match Session::load(words, world) {
        Ok(session) => session,
        Err(LoadError::Maps(_) | LoadError::Verify(_)) => return Ok(()),
    };
    // Slots that the kernel's check accepts, one of them to memory that is not there.
    let far = Placed { offset: i32::MIN, width: Width::I16 };
    let near = Placed { offset: 1, width: Width::U8 };
    session.set_relocations(vec![-5, near.to_raw(), far.to_raw(), near.to_raw()]);
    let probes = session.verified().image().probes.len().min(4) as u32;
    for _ in 0..3 {
        for probe in 0..probes {
            let run = session.run(ProbeId(probe));
            prop_assert_eq!(&run.violations, &Vec::<String>::new());
            if run.outcome == Outcome::Fault {
                prop_assert!(!run.records.is_empty());
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn accepted_programs_run(bodies in prop::collection::vec(prop::collection::vec(insn(20), 20), 3)) {
        run(&accepted(bodies))?;
    }

    #[test]
    fn damaged_images_run_or_are_refused(
        bodies in prop::collection::vec(prop::collection::vec(insn(8), 8), 3),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..8u32), 1..4),
    ) {
        let mut words = accepted(bodies);
        for (at, value, byte) in damage {
            let length = words.len();
            // Steps and map sizes may grow to what would take minutes; small damage does.
            words[at.index(length)] ^= u64::from(value & 7) << (8 * byte);
        }
        run(&words)?;
    }
}

/// Most of what the generator makes must survive, or the test says nothing.
#[test]
fn the_generator_makes_real_programs() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        let strategy = prop::collection::vec(prop::collection::vec(insn(20), 20), 3);
        let words = accepted(strategy.new_tree(&mut runner).unwrap().current());
        let verified = vm_spec::verify::verify(&words).unwrap();
        seen.extend(verified.image().code.iter().map(|insn| insn.op));
        assert!(verified.image().code.iter().all(|insn| insn.get(Field::A) < 256));
    }
    let missing: Vec<_> = Opcode::ALL.iter().filter(|&&op| !seen.contains(&(op as u8))).collect();
    assert!(missing.is_empty(), "never accepted: {missing:?}");
}

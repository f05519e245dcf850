// SPDX-License-Identifier: GPL-2.0-or-later
//! Small programs, written with the encoder, and what they do.

use vm_core::{Code, Host, Outcome, RunMemory, RunSizes, Runner, Step, Task};
use vm_host::{Session, World};
use vm_spec::build::*;
use vm_spec::format::{Conversion, Measure, Piece};
use vm_spec::helper::HelperId;
use vm_spec::ids::*;
use vm_spec::image::*;
use vm_spec::insn::Insn;
use vm_spec::isa::asm;
use vm_spec::probe::{ContextWord, Needs, ProbeKind};
use vm_spec::record::{Reader, Tag};

const R: [Reg; 6] = [Reg(0), Reg(1), Reg(2), Reg(3), Reg(4), Reg(5)];
const S: [StrReg; 4] = [StrReg(0), StrReg(1), StrReg(2), StrReg(3)];
const G: ScalarId = ScalarId(0);
const M: MapId = MapId(0);
const TEXT: MapId = MapId(1);
const STAT: MapId = MapId(2);

struct Program {
    builder: Builder,
    function: FunctionSpec,
    id: FunctionId,
    steps: u32,
}

/// A scalar, a map of longs by long with 4 entries, a string global, a statistic by
/// string, all held for writing.
fn program(limits: Limits) -> Program {
    let mut builder = Builder::new(limits);
    builder.scalar("g", 0);
    let map = |name: &str, keys, value, capacity, histogram| MapSpec {
        name: name.into(),
        keys,
        value,
        capacity,
        overflow: Overflow::Fail,
        histogram,
        variance: (value == ValueKind::Stat).then_some(0),
        initial: None,
    };
    builder.map(map("m", vec![ValueKind::Long], ValueKind::Long, 4, Histogram::None));
    builder.map(map("t", vec![], ValueKind::Str, 1, Histogram::None));
    builder.map(map("s", vec![ValueKind::Str], ValueKind::Stat, 8, Histogram::Log));
    let id = builder.declare_function();
    let locks = [Global::Scalar(G), Global::Map(M), Global::Map(TEXT), Global::Map(STAT)];
    let function = FunctionSpec {
        long_registers: 6,
        string_registers: 4,
        needs: Needs::ARGUMENTS,
        locks: locks.map(|global| (global, LockMode::Write)).to_vec(),
        ..FunctionSpec::handler("function", vec![])
    };
    Program { builder, function, id, steps: 10_000 }
}

struct Ran {
    global: i64,
    outcome: Outcome,
    record: Vec<u8>,
    exit: bool,
}

impl Program {
    fn run(mut self, code: Vec<Insn>) -> Ran {
        self.function.code = code;
        self.builder.define_function(self.id, self.function);
        let probe = ProbeSpec::new("f", self.id, ProbeKind::FunctionEntry);
        self.builder.probe(ProbeSpec { steps: self.steps, ..probe });
        let built = self.builder.finish().unwrap();
        let mut world = World::fixed();
        world.set_context(ContextWord::Argument(1), 77);
        world.kernel_memory.insert(0x1000, b"hello\0\xff\xff\xff".to_vec());
        world.task.pid = 42;
        world.task.execname = b"cat".to_vec();
        let mut session = Session::load(&built.image, world).unwrap();
        let run = session.run(ProbeId(0));
        assert_eq!(run.violations, Vec::<String>::new());
        Ran {
            global: session.scalar(G),
            outcome: run.outcome,
            record: run.records.concat(),
            exit: run.exit_requested,
        }
    }
}

fn global(code: Vec<Insn>) -> i64 {
    let ran = program(Limits::default()).run(code);
    assert_eq!(ran.outcome, Outcome::Finished, "{:?}", fault(&ran));
    ran.global
}

fn fault(ran: &Ran) -> Option<(u32, String)> {
    let mut reader = Reader::new(&ran.record);
    if reader.tag() != Ok(Tag::Fault) {
        return None;
    }
    let pc = reader.u32().ok()?;
    reader.u8().ok()?;
    Some((pc, String::from_utf8_lossy(reader.string().ok()?).into_owned()))
}

fn failure(code: Vec<Insn>) -> (u32, String) {
    let ran = program(Limits::default()).run(code);
    assert_eq!(ran.outcome, Outcome::Fault);
    fault(&ran).unwrap()
}

#[test]
fn arithmetic() {
    let two = |op: fn(Reg, Reg, Reg) -> Insn, x: i32, y: i32| {
        global(vec![
            asm::ldi(R[0], x),
            asm::ldi(R[1], y),
            op(R[2], R[0], R[1]),
            asm::gst(R[2], G),
            asm::ret(),
        ])
    };
    assert_eq!(two(asm::sub, 3, 10), -7);
    assert_eq!(two(asm::div, -7, 2), -3);
    assert_eq!(two(asm::rem, -7, 2), -1);
    assert_eq!(two(asm::shr, -8, 65), -4);
    assert_eq!(two(asm::ushr, -1, 60), 15);
    assert_eq!(two(asm::le, 3, 3), 1);
    let rsubi = vec![asm::ldi(R[0], 3), asm::rsubi(R[1], R[0], 10), asm::gst(R[1], G), asm::ret()];
    assert_eq!(global(rsubi), 7);
}

#[test]
fn division_by_zero_says_where() {
    assert_eq!(
        failure(vec![asm::ldi(R[0], 1), asm::div(R[0], R[0], R[1]), asm::ret()]),
        (1, "division by 0".into())
    );
}

#[test]
fn loops_run_and_pay() {
    let count = || vec![asm::gaddi(1, G), asm::iloop(R[0], 100, Pc(0)), asm::ret()];
    assert_eq!(global(count()), 100);
    let mut short = program(Limits::default());
    short.steps = 50;
    let ran = short.run(count());
    assert_eq!(fault(&ran), Some((1, "MAXACTION exceeded".into())));
    assert_eq!(ran.global, 51);
}

#[test]
fn maps_and_foreach() {
    let mut code = vec![];
    for (key, value) in [(5, 1), (3, 9), (8, 4)] {
        code.extend([asm::ldi(R[0], key), asm::maddi(R[0], S[0], M, value)]);
    }
    let order = SortOrder { subject: SortSubject::Value, descending: true };
    // g := g * 10 + key, by descending value
    code.extend([
        asm::ifirst(R[1], M, order),
        asm::jz(R[1], Pc(14)),
        asm::ikey(R[2], R[1], M, 0),
        asm::gld(R[3], G),
        asm::muli(R[3], R[3], 10),
        asm::add(R[3], R[3], R[2]),
        asm::gst(R[3], G),
        asm::inext(R[1], M, Pc(8)),
        asm::ret(),
    ]);
    assert_eq!(global(code), 385);
}

#[test]
fn a_full_map_fails() {
    let code = vec![asm::maddi(R[0], S[0], M, 1), asm::iloop(R[0], 5, Pc(0)), asm::ret()];
    assert_eq!(failure(code), (0, "Array overflow, check MAXMAPENTRIES".into()));
}

#[test]
fn try_catches_and_goes_on() {
    let mut p = program(Limits::default());
    p.function.catches = vec![CatchSpec { start: 0, end: 1, target: 2, message: Some(S[1]) }];
    let code = vec![
        asm::div(R[0], R[0], R[0]),
        asm::finish(),
        asm::help(R[1].0, R[0], S[1], HelperId::Strlen),
        asm::gst(R[1], G),
        asm::ret(),
    ];
    let ran = p.run(code);
    assert_eq!((ran.outcome, ran.global), (Outcome::Finished, "division by 0".len() as i64));
}

#[test]
fn recursion_is_bounded_and_returns() {
    // f(n) = n == 0 ? 0 : n + f(n - 1)
    let sum = |n: i32, depth: u32| {
        let mut p = program(Limits { call_depth: depth, ..Limits::default() });
        let f = p.builder.declare_function();
        let code = vec![
            asm::jz(R[0], Pc(4)),
            asm::addi(R[1], R[0], -1),
            asm::call(R[2].0, R[1], S[0], f),
            asm::add(R[2], R[2], R[0]),
            asm::retl(R[2]),
        ];
        p.builder.define_function(
            f,
            FunctionSpec {
                long_parameters: 1,
                long_registers: 3,
                returns: ReturnKind::Long,
                ..FunctionSpec::handler("f", code)
            },
        );
        p.run(vec![
            asm::ldi(R[4], n),
            asm::call(R[5].0, R[4], S[0], f),
            asm::gst(R[5], G),
            asm::ret(),
        ])
    };
    assert_eq!(sum(9, 10).global, 45);
    let deep = sum(10, 10);
    assert_eq!(fault(&deep).unwrap().1, "MAXNESTING exceeded");
}

#[test]
fn endless_concatenation_never_runs_out() {
    let mut p = program(Limits { string_length: 64, ..Limits::default() });
    let word = p.builder.string(b"abc");
    let code = vec![
        asm::lds(S[0], word),
        asm::cat(S[1], S[1], S[0]),
        asm::cat(S[2], S[0], S[1]),
        asm::iloop(R[0], 3000, Pc(1)),
        asm::help(R[1].0, R[0], S[2], HelperId::Strlen),
        asm::gst(R[1], G),
        asm::ret(),
    ];
    let mut p2 = p;
    p2.steps = 1_000_000;
    assert_eq!(p2.run(code).global, 63);
}

#[test]
fn memory_faults_name_the_address() {
    let code = vec![asm::ldi(R[0], 0x20), asm::ldm(R[1], R[0], Width::U64, -16), asm::ret()];
    assert_eq!(failure(code).1, "kernel read fault at 0x0000000000000010 (addr)");
    let code = vec![
        asm::ldi(R[0], 0x1000),
        asm::ldm(R[1], R[0], Width::I8, 6),
        asm::gst(R[1], G),
        asm::ret(),
    ];
    assert_eq!(global(code), -1);
}

#[test]
fn aggregates() {
    let add = |value| [asm::ldi(R[0], value), asm::sadd(R[0], R[0], S[0], STAT)];
    let ask = |operation| {
        let field = StatField { operation, shift: 0 };
        global(
            [add(1), add(2), add(6)]
                .concat()
                .into_iter()
                .chain([asm::sget(R[1], R[0], S[0], STAT, field), asm::gst(R[1], G), asm::ret()])
                .collect(),
        )
    };
    assert_eq!(ask(StatOperation::Average), 3);
    assert_eq!(ask(StatOperation::Max), 6);
    assert_eq!(ask(StatOperation::Variance), 10);
    let none = StatField { operation: StatOperation::Min, shift: 0 };
    assert_eq!(
        failure(vec![asm::sget(R[1], R[0], S[0], STAT, none), asm::ret()]).1,
        "empty aggregate"
    );
}

#[test]
fn printf_ships_and_sprintf_prints() {
    let mut p = program(Limits::default());
    let at = p.builder.string(b" at ");
    let memory = Piece { precision: Measure::Fixed(2), ..Piece::plain(Conversion::Memory) };
    let format = p.builder.format(&[
        Piece::plain(Conversion::String),
        Piece::literal(at),
        Piece::plain(Conversion::Signed),
        memory,
    ]);
    let code = vec![
        asm::help(S[0].0, R[0], S[0], HelperId::Execname),
        asm::ctx(R[0], ContextWord::Argument(1)),
        asm::ldi(R[1], 0x1001),
        asm::print(R[0], S[0], format),
        asm::sprint(S[1], R[0], S[0], format),
        asm::help(0, R[0], S[1], HelperId::Log),
        asm::help(0, R[0], S[0], HelperId::Exit),
        asm::ret(),
    ];
    let ran = p.run(code);
    assert!(ran.exit);
    let mut r = Reader::new(&ran.record);
    assert_eq!((r.tag(), r.u32()), (Ok(Tag::Format), Ok(format.0)));
    assert_eq!((r.string(), r.long(), r.string()), (Ok(&b"cat"[..]), Ok(77), Ok(&b"el"[..])));
    assert_eq!((r.tag(), r.u32()), (Ok(Tag::Text), Ok(12)));
    assert_eq!(r.bytes(12), Ok(&b"cat at 77el\n"[..]));
    assert_eq!(r.tag(), Ok(Tag::Exit));
    assert!(r.is_empty());
}

/// Two overloads: the first declines 1, the second 2.
fn overloads(argument: i32) -> i64 {
    let Program { mut builder, mut function, id, steps } = program(Limits::default());
    let declines = |builder: &mut Builder, what: i32, result: i32| {
        let id = builder.declare_function();
        let code = vec![
            asm::jnei(R[0], what, Pc(2)),
            asm::declin(),
            asm::ldi(R[1], result),
            asm::retl(R[1]),
        ];
        let spec = FunctionSpec {
            long_parameters: 1,
            long_registers: 2,
            returns: ReturnKind::Long,
            ..FunctionSpec::handler("f", code)
        };
        builder.define_function(id, spec);
        id
    };
    let (first, second) = (declines(&mut builder, 1, 10), declines(&mut builder, 2, 20));
    // `declin` gives 0 to the register that waits for the result.
    function.code = vec![
        asm::ldi(R[0], argument),
        asm::ldi(R[1], 77),
        asm::call(1, R[0], S[0], first),
        asm::jacc(Pc(7)),
        asm::call(1, R[0], S[0], second),
        asm::jacc(Pc(7)),
        asm::addi(R[1], R[1], -1),
        asm::gst(R[1], G),
        asm::ret(),
    ];
    builder.define_function(id, function);
    builder.probe(ProbeSpec { steps, ..ProbeSpec::new("f", id, ProbeKind::FunctionEntry) });
    let built = builder.finish().unwrap();
    let mut session = Session::load(&built.image, World::fixed()).unwrap();
    assert_eq!(session.run(ProbeId(0)).outcome, Outcome::Finished);
    session.scalar(G)
}

#[test]
fn overloads_decline_in_turn() {
    assert_eq!([overloads(3), overloads(1), overloads(2)], [10, 20, 10]);
}

#[test]
fn a_handler_may_decline_for_nobody() {
    assert_eq!(global(vec![asm::ldi(R[0], 5), asm::gst(R[0], G), asm::declin()]), 5);
    // Nothing declined, so the jump is taken.
    let code = vec![asm::jacc(Pc(2)), asm::ldi(R[0], 1), asm::gst(R[0], G), asm::ret()];
    assert_eq!(global(code), 0);
}

/// A world in which nothing is but an output.
struct Nothing(Vec<u8>);

impl Host for Nothing {
    fn helper_long(&mut self, _: HelperId, _: [i64; 2]) -> i64 {
        0
    }
    fn helper_string(&mut self, _: HelperId, _: [i64; 2], out: &mut [u8]) -> usize {
        out[..4].copy_from_slice(b"text");
        4
    }
    fn context_word(&mut self, _: ContextWord) -> i64 {
        0
    }
    fn read_kernel(&mut self, _: u64, _: &mut [u8]) -> bool {
        false
    }
    fn read_user(&mut self, _: u64, _: &mut [u8]) -> bool {
        false
    }
    fn save_long(&mut self, _: u8, _: i64) {}
    fn saved_long(&mut self, _: u8) -> i64 {
        0
    }
    fn save_string(&mut self, _: u8, _: &[u8]) {}
    fn saved_string(&mut self, _: u8, _: &mut [u8]) -> usize {
        0
    }
    fn emit(&mut self, record: &[u8]) {
        self.0.extend(record);
    }
    fn request_exit(&mut self) {}
    fn map(&mut self, _: MapId) -> &mut [u64] {
        &mut []
    }
}

/// What a run leaves behind, whether it fails or not, the next one must not see.
#[test]
fn a_runner_begins_each_run_afresh() {
    for registers in [6, 40] {
        let mut builder = Builder::new(Limits::default());
        let format =
            builder.format(&[Piece::plain(Conversion::Signed), Piece::plain(Conversion::String)]);
        let function = builder.declare_function();
        let (long, string) = (Reg(registers - 1), StrReg(registers - 1));
        let code = vec![
            asm::print(long, string, format),
            asm::ldi(long, 7),
            asm::help(0, Reg(0), StrReg(0), HelperId::Execname),
            asm::movs(string, StrReg(0)),
            asm::print(long, string, format),
            asm::help(1, Reg(0), StrReg(0), HelperId::Pid),
            asm::div(Reg(0), long, Reg(1)),
            asm::ret(),
        ];
        let spec = FunctionSpec {
            long_registers: registers.into(),
            string_registers: registers.into(),
            ..FunctionSpec::handler("function", code)
        };
        builder.define_function(function, spec);
        let spec = ProbeSpec::new("f", function, ProbeKind::FunctionEntry);
        builder.probe(ProbeSpec { steps: 100, ..spec });
        let built = builder.finish().unwrap();
        let verified = vm_spec::verify::verify(&built.image).unwrap();
        let sizes = RunSizes::of(verified.image());
        let run = |pids: &[i32]| {
            let mut words = vec![u64::MAX; sizes.words()];
            let mut host = Nothing(Vec::new());
            let steps: Vec<Step<'_>> = verified.image().code.iter().map(Step::of).collect();
            let code = Code::link(&verified, &steps).unwrap();
            let memory = RunMemory::carve(&mut words, &sizes).unwrap();
            let mut runner = Runner::new(&verified, code, &[], &[], memory, &mut host);
            let run = |&pid| runner.run(ProbeId(0), Task { pid, tid: 0 });
            let outcomes: Vec<Outcome> = pids.iter().map(run).collect();
            (outcomes, host.0)
        };
        let (outcomes, records) = run(&[1, 0, 1]);
        assert_eq!(outcomes, [Outcome::Finished, Outcome::Fault, Outcome::Finished]);
        let once = run(&[1]).1;
        assert!(records.starts_with(&once) && records.ends_with(&once), "{registers}");
    }
}

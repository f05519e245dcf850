// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs a loop of one sort of instruction, for counting machine instructions:
//! `valgrind --tool=none` or `perf stat -e instructions:u` over two counts of rounds.
//!
//!     cost add|map|gadd|print|string ROUNDS

use vm_host::{Session, World};
use vm_spec::build::*;
use vm_spec::format::{Conversion, Piece};
use vm_spec::ids::*;
use vm_spec::image::*;
use vm_spec::isa::asm;
use vm_spec::probe::ProbeKind;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let which = arguments.next().unwrap_or_default();
    let rounds: i32 = arguments.next().unwrap_or_default().parse()?;
    let mut b = Builder::new(Limits::default());
    b.scalar("g", 0);
    b.map(MapSpec {
        name: "m".into(),
        keys: vec![ValueKind::Long],
        value: ValueKind::Long,
        capacity: 2048,
        overflow: Overflow::Fail,
        histogram: Histogram::None,
        variance: None,
        initial: None,
    });
    let word = b.string(b"word");
    let format = b.format(&[Piece::plain(Conversion::Signed), Piece::literal(word)]);
    let body = match which.as_str() {
        "add" => asm::add(Reg(2), Reg(3), Reg(0)),
        "gadd" => asm::gaddi(1, ScalarId(0)),
        "map" => asm::maddi(Reg(4), StrReg(0), MapId(0), 1),
        "print" => asm::print(Reg(0), StrReg(0), format),
        "string" => asm::cat(StrReg(1), StrReg(0), StrReg(0)),
        _ => return Err("cost add|gadd|map|print|string ROUNDS".into()),
    };
    let mut code = vec![asm::lds(StrReg(0), word), asm::ldi(Reg(1), rounds)];
    code.extend([body; 8]);
    code.extend([asm::iloopr(Reg(0), Reg(1), Pc(2)), asm::ret()]);
    let handler = b.declare_function();
    let spec = FunctionSpec {
        long_registers: 5,
        string_registers: 2,
        locks: vec![
            (Global::Scalar(ScalarId(0)), LockMode::Write),
            (Global::Map(MapId(0)), LockMode::Write),
        ],
        ..FunctionSpec::handler("begin", code)
    };
    b.define_function(handler, spec);
    let probe = ProbeSpec::new("begin", handler, ProbeKind::Begin);
    b.probe(ProbeSpec { steps: 10_000_000, ..probe });
    let built = b.finish()?;
    let run = Session::load(&built.image, World::fixed())?.run(ProbeId(0));
    println!("{:?}, {} records", run.outcome, run.records.len());
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! How many instructions one run can take at most, where that can be known beforehand:
//! in code that never jumps back and calls nothing that does, or that comes back to it.
//! Everything else is bounded by its step budget while it runs.

use vm_spec::image::{FunctionRecord, Image};
use vm_spec::insn::Insn;
use vm_spec::isa::{Opcode, OperandKind};

/// The longest way through each function, its callees' included; none if there is a loop
/// or recursion.
pub(crate) fn longest_runs(image: &Image<'_>) -> Vec<Option<u64>> {
    let mut known = vec![None; image.functions.len()];
    // Callees first: each round settles those whose callees are settled. Whatever is in a
    // circle of calls, or calls a function with a loop, never is.
    loop {
        let mut progress = false;
        for (n, function) in image.functions.iter().enumerate() {
            if known[n].is_none() {
                known[n] = longest_run(image, function, &known);
                progress |= known[n].is_some();
            }
        }
        if !progress {
            return known;
        }
    }
}

/// From the last instruction to the first: of each, the longest way from it to the end.
/// Every way leads forward, so what comes after it is known.
fn longest_run(image: &Image<'_>, function: &FunctionRecord, known: &[Option<u64>]) -> Option<u64> {
    let first = function.first_insn as usize;
    let code = image.code.get(first..first.checked_add(function.insn_count as usize)?)?;
    let mut longest = vec![0_u64; code.len()];
    for (at, insn) in code.iter().enumerate().rev() {
        let info = Opcode::from_number(insn.op)?.info();
        let mut rest = 0;
        if !info.ends {
            rest = longest.get(at + 1).copied().unwrap_or(0);
        }
        if let Some(target) = operand(insn, OperandKind::Target) {
            let target = usize::try_from(target).ok()?.checked_sub(first)?;
            if target <= at {
                return None;
            }
            rest = rest.max(*longest.get(target)?);
        }
        // An instruction that fails in a try block goes on in its catch block.
        if info.fails {
            let here = function.first_insn + at as u32;
            for catch in image.catches_of(function) {
                if (catch.start..catch.end).contains(&here) {
                    let target = (catch.target as usize).checked_sub(first)?;
                    rest = rest.max(*longest.get(target)?);
                }
            }
        }
        let called = match operand(insn, OperandKind::Function) {
            Some(callee) => (*known.get(usize::try_from(callee).ok()?)?)?,
            None => 0,
        };
        longest[at] = rest.saturating_add(called).saturating_add(1);
    }
    longest.first().copied()
}

fn operand(insn: &Insn, wanted: OperandKind) -> Option<i64> {
    let operands = Opcode::from_number(insn.op)?.info().operands;
    let &(field, _) = operands.iter().find(|(_, kind)| *kind == wanted)?;
    Some(insn.get(field))
}

#[cfg(test)]
mod tests {
    use super::longest_runs;
    use vm_spec::build::{Builder, FunctionSpec, Limits, ProbeSpec};
    use vm_spec::ids::{Pc, Reg, StrReg};
    use vm_spec::insn::Insn;
    use vm_spec::isa::asm;
    use vm_spec::probe::ProbeKind;
    use vm_spec::verify::verify;

    fn bound(code: Vec<Insn>) -> Option<u64> {
        let mut builder = Builder::new(Limits::default());
        let callee = builder.declare_function();
        let leaf = FunctionSpec::handler("leaf", vec![asm::ldi(Reg(0), 1), asm::ret()]);
        builder.define_function(callee, FunctionSpec { long_registers: 1, ..leaf });
        let handler = builder.declare_function();
        let spec = FunctionSpec::handler("begin", code);
        let spec = FunctionSpec { long_registers: 2, string_registers: 1, ..spec };
        builder.define_function(handler, spec);
        builder.probe(ProbeSpec::new("begin", handler, ProbeKind::Begin));
        let image = builder.finish().unwrap().image;
        longest_runs(verify(&image).unwrap().image())[1]
    }

    #[test]
    fn the_longer_branch_counts() {
        // Two ways: jump and return, or two moves and return.
        let code =
            vec![asm::jz(Reg(0), Pc(3)), asm::ldi(Reg(0), 1), asm::ldi(Reg(1), 1), asm::ret()];
        assert_eq!(bound(code), Some(4));
    }

    #[test]
    fn calls_count_with_what_they_call() {
        let call = asm::call(0, Reg(0), StrReg(0), vm_spec::ids::FunctionId(0));
        assert_eq!(bound(vec![call, call, asm::ret()]), Some(7));
    }

    #[test]
    fn loops_have_no_bound() {
        assert_eq!(bound(vec![asm::iloop(Reg(0), 10, Pc(0)), asm::ret()]), None);
    }
}

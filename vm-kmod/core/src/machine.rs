// SPDX-License-Identifier: GPL-2.0-or-later
//! The running handler.
//!
//! # Dispatch
//! Every opcode is a function with the same three arguments ([`crate::step::Op`]), and
//! ends in a call of the next one's, which LLVM makes a jump: a `match` in a loop would be
//! a tree of compares, since the kernel's retpolines forbid jump tables. What cannot be
//! done without leaving the frame's window (calls, returns, faults) comes back to
//! [`Runner::run`] as a [`Stop`].
//!
//! For the jump to stay a jump, an op must not let the address of a local escape:
//! work that needs locals is in functions of its own that are not inlined.
//!
//! # Frames
//! Long registers lie on one stack; a frame's window is the 256 of them that begin
//! at its base, whatever it declares, so that a `u8` needs no bounds check. The next
//! frame's window begins behind the registers that this one declares.

use crate::fault::{Fault, MESSAGE_BYTES};
use crate::host::Task;
use crate::memory::Frame;
use crate::step::{Code, Step};
use crate::strings::{StrRef, Strings};
use crate::{Host, Outcome, RunMemory};
use core::sync::atomic::AtomicI64;
use vm_spec::ids::{Pc, ProbeId, RegexId, StrReg};
use vm_spec::image::{CatchRecord, FunctionRecord, Image, ReturnKind};
use vm_spec::limits::FRAME_REGISTERS;
use vm_spec::record::{Full, Writer};
use vm_spec::verify::Verified;

/// The long registers of a frame.
pub(crate) type Window = [i64; FRAME_REGISTERS];

/// Why the ops came back; `Machine::pc` says where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// A call.
    Call,
    /// A return; the value is in the machine.
    Return,
    /// The run is over.
    Finish,
    /// `Machine::fault` says what happened.
    Fault,
}

/// Longest message that an uncaught `error()` sends.
const MAX_FAULT_MESSAGE: usize = 4096;

/// A handler run.
pub(crate) struct Machine<'a> {
    pub(crate) image: &'a Image<'a>,
    pub(crate) code: Code<'a>,
    pub(crate) scalars: &'a [AtomicI64],
    /// What the relocation slots hold.
    pub(crate) relocations: &'a [i64],
    pub(crate) strings: Strings<'a>,
    pub(crate) output: Writer<'a>,
    pub(crate) host: &'a mut dyn Host,
    pub(crate) task: Task,
    /// Steps left.
    pub(crate) steps: u32,
    /// Where the ops stopped.
    pub(crate) pc: usize,
    /// Why, if it was a fault.
    pub(crate) fault: Fault,
    /// What a function returns, if it is a long.
    pub(crate) long_result: i64,
    /// What a function returns, if it is a string.
    pub(crate) string_result: StrRef,
    /// The regular expression that matched last, if the last one did.
    pub(crate) last_match: Option<RegexId>,
    /// Where regular expressions track their groups.
    pub(crate) tracker: &'a mut [u16],
    /// The last function returned by `declin`.
    pub(crate) declined: bool,
}

impl Machine<'_> {
    /// Takes steps off the budget.
    #[inline(always)]
    pub(crate) fn pay(&mut self, steps: u32) -> Result<(), Fault> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(Fault::StepsExceeded)
            }
        }
    }

    /// Pays for work on `bytes` bytes of strings, and for compactions. Strings of the
    /// default length cost nothing beyond their instruction.
    pub(crate) fn pay_for_bytes(&mut self, bytes: usize) -> Result<(), Fault> {
        let debt = self.strings.take_debt();
        self.pay(((bytes >> 9) as u32).saturating_add(debt))
    }

    /// Appends output items, flushing the buffer first if it is too full for them.
    pub(crate) fn print(
        &mut self,
        mut items: impl FnMut(&mut Writer<'_>, &Strings<'_>, &mut dyn Host) -> Result<(), PrintError>,
    ) -> Result<(), Fault> {
        let before = self.output.position();
        for last in [false, true] {
            match items(&mut self.output, &self.strings, self.host) {
                Ok(()) => return Ok(()),
                Err(PrintError::Fault(fault)) => {
                    self.output.rewind(before);
                    return Err(fault);
                }
                Err(PrintError::Full) if last || before == 0 => {
                    self.output.rewind(before);
                    return Err(Fault::OutputTooLong);
                }
                Err(PrintError::Full) => {
                    self.output.rewind(before);
                    self.flush();
                }
            }
        }
        Ok(())
    }

    /// Hands the output so far to the host.
    #[inline(always)]
    pub(crate) fn flush(&mut self) {
        if self.output.position() > 0 {
            self.host.emit(self.output.written());
            self.output.clear();
        }
    }
}

/// Why an item was not written.
pub(crate) enum PrintError {
    /// It did not fit.
    Full,
    /// Its contents could not be had.
    Fault(Fault),
}

impl From<Full> for PrintError {
    fn from(_: Full) -> Self {
        PrintError::Full
    }
}

/// Goes on with what follows a step.
#[inline(always)]
pub(crate) fn next<'a>(machine: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    go_to(machine, window, step.following())
}

/// Goes on with a step's target.
#[inline(always)]
pub(crate) fn jump<'a>(machine: &mut Machine<'a>, window: &mut Window, step: &'a Step<'a>) -> Stop {
    go_to(machine, window, step.target())
}

/// Goes on with a step.
#[inline(always)]
pub(crate) fn go_to<'a>(
    machine: &mut Machine<'a>,
    window: &mut Window,
    step: Option<&'a Step<'a>>,
) -> Stop {
    match step {
        Some(step) => step.op()(machine, window, step),
        None => machine.lost(),
    }
}

impl<'a> Machine<'a> {
    /// Ends the run for a reason that the verifier has ruled out.
    #[cold]
    #[inline(never)]
    pub(crate) fn lost(&mut self) -> Stop {
        self.fail(Fault::Impossible)
    }

    /// Ends the run, or a try block, for a reason.
    #[inline(always)]
    pub(crate) fn fail(&mut self, fault: Fault) -> Stop {
        self.fault = fault;
        // If the compiler knew it, the ops would return it themselves instead of leaving
        // with a jump to `lost` or `failed`, and need a frame just for that.
        core::hint::black_box(Stop::Fault)
    }

    /// Notes where the ops stopped.
    #[inline]
    pub(crate) fn stopped_at(&mut self, step: &'a Step<'a>) {
        self.pc = self.code.position(step);
    }
}

/// The interpreter with memory to work in, ready for one run after another.
///
/// Making one divides the memory; a run then only resets what the last one left, so
/// the kernel keeps a runner for each of its contexts.
pub struct Runner<'a> {
    machine: Machine<'a>,
    stack: Stack<'a>,
}

impl<'a> Runner<'a> {
    /// A runner of this program, whose code `code` is. `scalars` are the globals of type long, in their order;
    /// fewer than the program has read as 0 and take nothing. `relocations` are what the
    /// program's slots hold; one that is missing ends a run. `memory` is of this program
    /// ([`crate::RunSizes::of`]).
    pub fn new(
        verified: &'a Verified<'a>,
        code: Code<'a>,
        scalars: &'a [AtomicI64],
        relocations: &'a [i64],
        memory: RunMemory<'a>,
        host: &'a mut dyn Host,
    ) -> Runner<'a> {
        let image = verified.image();
        let RunMemory { longs, strings, order, frames, arena, output, tracker } = memory;
        let machine = Machine {
            image,
            code,
            scalars,
            relocations,
            strings: Strings::new(image, strings, order, arena),
            output: Writer::new(output),
            host,
            task: Task::default(),
            steps: 0,
            pc: 0,
            fault: Fault::Impossible,
            long_result: 0,
            string_result: StrRef::EMPTY,
            last_match: None,
            tracker,
            declined: false,
        };
        Runner { machine, stack: Stack { longs, frames, depth: 0, function: 0, base: 0 } }
    }

    /// Runs a probe's handler, whose locks the caller holds. A probe that the program
    /// does not have finishes at once.
    #[inline]
    pub fn run(&mut self, probe: ProbeId, task: Task) -> Outcome {
        let Runner { machine, stack } = self;
        let Some(record) = machine.image.probes.get(probe.index()) else {
            return Outcome::Finished;
        };
        let Some(handler) = machine.image.functions.get(record.handler as usize) else {
            return Outcome::Fault;
        };
        machine.task = task;
        machine.steps = record.steps;
        machine.declined = false;
        machine.last_match = None;
        machine.output.clear();
        machine.strings.reset(handler.string_registers.into());
        stack.reset(record.handler, handler);
        let stop = match stack.longs.first_chunk_mut() {
            Some(window) => go_to(machine, window, machine.code.at(handler.first_insn as usize)),
            None => machine.lost(),
        };
        // Most handlers call no function.
        let outcome = match stop {
            Stop::Return | Stop::Finish => Outcome::Finished,
            Stop::Call | Stop::Fault => go_on(machine, stack, stop),
        };
        machine.flush();
        outcome
    }
}

impl core::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

/// The frames.
struct Stack<'s> {
    longs: &'s mut [i64],
    frames: &'s mut [Frame],
    /// Callers that wait.
    depth: usize,
    /// The running function.
    function: u32,
    /// First register of its window.
    base: usize,
}

/// Runs a handler, which has stopped for a call or a fault, to its end.
#[inline(never)]
fn go_on(machine: &mut Machine<'_>, stack: &mut Stack<'_>, first: Stop) -> Outcome {
    let mut stop = first;
    loop {
        let next = match stop {
            Stop::Finish => return Outcome::Finished,
            Stop::Call => stack.call(machine),
            Stop::Return if stack.depth == 0 => return Outcome::Finished,
            Stop::Return => Ok(stack.leave(machine)),
            Stop::Fault => Err(machine.fault),
        };
        let pc = match next {
            Ok(next) => next,
            Err(fault) => {
                machine.fault = fault;
                match stack.catch(machine) {
                    Some(target) => target,
                    None => {
                        report(machine);
                        return Outcome::Fault;
                    }
                }
            }
        };
        let window = stack.longs.get_mut(stack.base..).and_then(|rest| rest.first_chunk_mut());
        stop = match window {
            Some(window) => go_to(machine, window, machine.code.at(pc)),
            None => machine.lost(),
        };
    }
}

/// Registers that are cleared without counting: most handlers have fewer.
const FEW: usize = 8;

impl Stack<'_> {
    /// Makes a handler the running function, its frame the only one, and clears it.
    #[inline(always)]
    fn reset(&mut self, number: u32, handler: &FunctionRecord) {
        self.depth = 0;
        self.function = number;
        self.base = 0;
        // A few stores are cheaper than a call of memset. The windows of frames are 256
        // registers long, so there are always that many.
        match self.longs.first_chunk_mut() {
            Some(few) if usize::from(handler.long_registers) <= FEW => *few = [0; FEW],
            _ => self.clear(handler),
        }
    }

    #[cold]
    #[inline(never)]
    fn clear(&mut self, handler: &FunctionRecord) {
        self.begin(handler, 0, 0);
    }

    /// Clears the running frame, with `arguments` registers from `from` as its first.
    fn begin(&mut self, function: &FunctionRecord, from: usize, arguments: usize) {
        let (base, registers) = (self.base, usize::from(function.long_registers));
        for n in 0..arguments {
            let value = self.longs.get(from.wrapping_add(n)).copied().unwrap_or(0);
            if let Some(slot) = self.longs.get_mut(base.wrapping_add(n)) {
                *slot = value;
            }
        }
        let rest = base.wrapping_add(arguments)..base.wrapping_add(registers);
        if let Some(rest) = self.longs.get_mut(rest) {
            rest.fill(0);
        }
    }

    /// Enters the function that the instruction at `machine.pc` calls.
    fn call(&mut self, machine: &mut Machine<'_>) -> Result<usize, Fault> {
        let image = machine.image;
        let Some(&insn) = image.code.get(machine.pc) else { return Err(Fault::Impossible) };
        let callee = image.functions.get(insn.imm as u32 as usize).ok_or(Fault::Impossible)?;
        let caller = image.functions.get(self.function as usize).ok_or(Fault::Impossible)?;
        let frame = Frame {
            function: self.function,
            pc: machine.pc as u32,
            longs: self.base as u32,
            strings: machine.strings.base() as u32,
        };
        machine.pay(1)?;
        if self.depth >= image.header.call_depth as usize {
            return Err(Fault::NestingExceeded);
        }
        *self.frames.get_mut(self.depth).ok_or(Fault::NestingExceeded)? = frame;
        self.depth = self.depth.wrapping_add(1);
        self.function = insn.imm as u32;

        let from = self.base.wrapping_add(insn.b.into());
        self.base = self.base.wrapping_add(caller.long_registers.into());
        self.begin(callee, from, callee.long_parameters.into());

        let strings = machine.strings.base();
        let base = strings.wrapping_add(caller.string_registers.into());
        machine.strings.enter(base, callee.string_registers.into());
        machine.strings.begin(strings.wrapping_add(insn.c.into()), callee.string_parameters.into());
        Ok(callee.first_insn as usize)
    }

    /// Goes back to the caller; gives the position of its call.
    fn pop(&mut self, machine: &mut Machine<'_>) -> usize {
        self.depth = self.depth.saturating_sub(1);
        let frame = self.frames.get(self.depth).copied().unwrap_or_default();
        self.function = frame.function;
        self.base = frame.longs as usize;
        let registers = machine.image.functions.get(frame.function as usize);
        let strings = registers.map_or(0, |f| f.string_registers.into());
        machine.strings.enter(frame.strings as usize, strings);
        frame.pc as usize
    }

    /// Returns to the caller and gives it the result.
    fn leave(&mut self, machine: &mut Machine<'_>) -> usize {
        let callee = machine.image.functions.get(self.function as usize);
        let returns = callee.and_then(|f| ReturnKind::from_number(f.returns));
        let pc = self.pop(machine);
        let into = machine.image.code.get(pc).map_or(0, |insn| insn.a);
        match returns {
            Some(ReturnKind::Long) => {
                if let Some(slot) = self.longs.get_mut(self.base.wrapping_add(into.into())) {
                    *slot = machine.long_result;
                }
            }
            Some(ReturnKind::Str) => machine.strings.set(into, machine.string_result),
            _ => {}
        }
        pc.wrapping_add(1)
    }

    /// Finds the try block that the fault at `machine.pc` lies in, and leaves frames
    /// for it. The position of the fault stays in the machine if there is none.
    fn catch(&mut self, machine: &mut Machine<'_>) -> Option<usize> {
        if !machine.fault.is_catchable() {
            return None;
        }
        let mut at = machine.pc;
        loop {
            if let Some(function) = machine.image.functions.get(self.function as usize) {
                let catches = machine.image.catches_of(function).iter();
                let range = |c: &CatchRecord| c.start as usize..c.end as usize;
                if let Some(catch) = catches.clone().find(|c| range(c).contains(&at)) {
                    take_message(machine, catch);
                    return Some(catch.target as usize);
                }
            }
            if self.depth == 0 {
                return None;
            }
            at = self.pop(machine);
        }
    }
}

/// Puts the fault's message where the try block wants it.
fn take_message(machine: &mut Machine<'_>, catch: &CatchRecord) {
    let Ok(register) = u8::try_from(catch.message) else { return };
    let message = match machine.fault {
        Fault::Raised(message) => message,
        fault => {
            let mut text = [0; MESSAGE_BYTES];
            let length = fault.message(&mut text);
            machine.strings.store(text.get(..length).unwrap_or_default())
        }
    };
    machine.strings.set(StrReg(register).0, message);
}

/// Writes the Fault item of an uncaught fault.
#[cold]
#[inline(never)]
fn report(machine: &mut Machine<'_>) {
    let (fault, pc) = (machine.fault, Pc(machine.pc as u32));
    let mut text = [0; MESSAGE_BYTES];
    let length = fault.message(&mut text);
    let written = machine.print(|output, strings, _| {
        let message = match fault {
            Fault::Raised(message) => strings.bytes(message),
            _ => text.get(..length).unwrap_or_default(),
        };
        let message = message.get(..MAX_FAULT_MESSAGE).unwrap_or(message);
        Ok(output.fault(pc, fault.kind(), message)?)
    });
    // The output buffer holds the longest message; with a smaller one the outcome
    // still says that there was a fault.
    let _ = written;
}

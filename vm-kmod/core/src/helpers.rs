// SPDX-License-Identifier: GPL-2.0-or-later
//! Helpers: the pure ones and those about memory and output are here, the others
//! are the host's.

mod calendar;
mod groups;
mod quoted;
mod symbols;
mod text;

use crate::fault::Fault;
use crate::format::{Sink, SliceSink};
use crate::machine::{Machine, Window};
use crate::step::Word;
use quoted::{End, Extent};
use vm_spec::helper::HelperId;
use vm_spec::record::Tag;

/// A chunk of a string read from memory ends at a multiple of this many bytes, so
/// that it never reaches into a page that the string does not.
const CHUNK: u64 = 64;

#[derive(Clone, Copy)]
enum Space {
    Kernel,
    User,
}

/// The helper with this number, if it does nothing but give a long of the host's and
/// scripts like it. The others take the longer way of [`call`].
pub(crate) fn asks_host(number: i32) -> Option<HelperId> {
    use HelperId as H;
    let id = u16::try_from(number).ok().and_then(H::from_number)?;
    let quick = matches!(
        id,
        H::Ppid
            | H::Uid
            | H::Euid
            | H::Gid
            | H::Egid
            | H::TaskCurrent
            | H::RealtimeNs
            | H::RealtimeUs
            | H::RealtimeMs
            | H::RealtimeS
            | H::MonotonicNs
            | H::Cycles
            | H::Jiffies
            | H::Cpu
            | H::Randint
    );
    quick.then_some(id)
}

/// Calls helper `insn.imm()`; its arguments begin at `insn.b()` and `insn.c()`, its result
/// goes to `insn.a()`.
pub(crate) fn call(m: &mut Machine<'_>, window: &mut Window, insn: &Word) -> Result<(), Fault> {
    use HelperId as H;
    let id = u16::try_from(insn.imm()).ok().and_then(H::from_number).ok_or(Fault::Impossible)?;
    let argument = |n: u8| {
        let register = usize::from(insn.b()).wrapping_add(n.into());
        window.get(register).copied().unwrap_or(0)
    };
    let (x, y) = (argument(0), argument(1));
    let string = |n: u8| m.strings.bytes(m.strings.get(insn.c().wrapping_add(n)));
    let long = match id {
        H::Exit => {
            m.host.request_exit();
            return m.print(|output, _, _| Ok(output.exit()?));
        }
        H::Log => return log(m, insn.c()),
        H::Warn => return message(m, Tag::Warning, insn.c()),
        H::System => return message(m, Tag::Command, insn.c()),
        H::Execname
        | H::ParentExecname
        | H::ProbePoint
        | H::ProbeFunction
        | H::Value
        | H::Backtrace
        | H::SymbolName
        | H::SymbolData
        | H::UserBacktrace
        | H::HitFunction
        | H::HitModule
        | H::ModuleOf
        | H::SessionName => {
            let length = m.host.helper_string(id, [x, y], m.strings.room().bytes);
            return give(m, insn, length);
        }
        H::SetValue | H::AppendValue => {
            m.host.helper_put(id, string(0));
            return Ok(());
        }
        H::SetVerdict if !matches!(x, 0 | 1) => return Err(Fault::Verdict(x)),
        H::PrintSymbols => return message(m, Tag::Symbols, insn.c()),
        H::SprintSymbols => {
            let length = symbols::sprint(m, insn.c());
            return give(m, insn, length);
        }
        H::KernelString => return memory_string(m, insn, Space::Kernel, x as u64, i64::MAX),
        H::KernelStringN => return memory_string(m, insn, Space::Kernel, x as u64, y),
        H::UserString => return memory_string(m, insn, Space::User, x as u64, i64::MAX),
        H::UserStringN => return memory_string(m, insn, Space::User, x as u64, y),
        H::Substr
        | H::StrReplace
        | H::ToUpper
        | H::ToLower
        | H::TextStr
        | H::Ctime
        | H::StringQuoted => {
            return make_string(m, insn, id, x, y);
        }
        H::KernelQuoted | H::UserQuoted | H::UserQuotedN => {
            let space = if id == H::KernelQuoted { Space::Kernel } else { Space::User };
            let most = if id == H::UserQuotedN { y } else { i64::MAX };
            let (address, length) = (x as u64, i64::MAX);
            return quoted::memory(m, insn, Extent { space, address, length, most, end: End::Nul });
        }
        H::KernelBufferQuoted | H::UserBufferQuoted => {
            let space = if id == H::KernelBufferQuoted { Space::Kernel } else { Space::User };
            let (address, most) = (x as u64, argument(2));
            let extent = Extent { space, address, length: y, most, end: End::Length };
            return quoted::memory(m, insn, extent);
        }
        H::ReadKernel => quoted::number(m.host, Space::Kernel, x as u64, y)?,
        H::ReadUser => quoted::number(m.host, Space::User, x as u64, y)?,
        H::FindAny => text::find(string(0), x, |byte| string(1).contains(&byte)),
        H::FindOther => text::find(string(0), x, |byte| !string(1).contains(&byte)),
        H::Matched => return groups::group(m, insn, x),
        H::MatchedStr => return groups::group(m, insn, 0),
        H::Groups => groups::count(m)?,
        H::Strlen => m.strings.get(insn.c()).length() as i64,
        H::IsInStr => text::position(string(0), string(1)).is_some().into(),
        H::Strpos => text::position(string(0), string(1)).map_or(-1, |at| at as i64),
        H::StringAt => {
            let byte = usize::try_from(x).ok().and_then(|at| string(0).get(at));
            // A C char: bytes above 127 are negative.
            i64::from(*byte.ok_or(Fault::StringPosition)? as i8)
        }
        H::Strtol => text::to_long(string(0), x),
        H::IsDigit => string(0).first().is_some_and(u8::is_ascii_digit).into(),
        _ => m.host.helper_long(id, [x, y]),
    };
    if id.info().result == vm_spec::image::ReturnKind::Long
        && let Some(slot) = window.get_mut(usize::from(insn.a()))
    {
        *slot = long;
    }
    Ok(())
}

/// `execname()`, which is asked for more than the others.
pub(crate) fn execname(m: &mut Machine<'_>, insn: &Word) -> Result<(), Fault> {
    let length = m.host.helper_string(HelperId::Execname, [0; 2], m.strings.room().bytes);
    give(m, insn, length)
}

/// Makes the first bytes of the room the result.
fn give(m: &mut Machine<'_>, insn: &Word, length: usize) -> Result<(), Fault> {
    let string = m.strings.commit(length);
    m.strings.set(insn.a(), string);
    m.pay_for_bytes(length)
}

fn make_string(
    m: &mut Machine<'_>,
    insn: &Word,
    id: HelperId,
    x: i64,
    y: i64,
) -> Result<(), Fault> {
    let room = m.strings.room();
    let string = |n: u8| room.string(insn.c().wrapping_add(n));
    let (first, second, third) = match id {
        HelperId::Ctime => (&[][..], &[][..], &[][..]),
        HelperId::StrReplace => (string(0), string(1), string(2)),
        _ => (string(0), &[][..], &[][..]),
    };
    let limit = room.bytes.len();
    let mut sink = SliceSink::new(room.bytes);
    match id {
        HelperId::StringQuoted => quoted::text(first, &mut sink, limit),
        HelperId::Substr => sink.put(text::part(first, x, y)),
        HelperId::StrReplace => text::replace(first, second, third, &mut sink),
        HelperId::ToUpper => text::mapped(first, |byte| byte.to_ascii_uppercase(), &mut sink),
        HelperId::ToLower => text::mapped(first, |byte| byte.to_ascii_lowercase(), &mut sink),
        HelperId::TextStr => text::escaped(first, &mut sink),
        _ => calendar::time_of_day(x, &mut sink)?,
    }
    let length = sink.written();
    give(m, insn, length)
}

fn log(m: &mut Machine<'_>, register: u8) -> Result<(), Fault> {
    let text = m.strings.get(register);
    m.print(|output, strings, _| {
        let bytes = strings.bytes(text);
        output.bytes(&[Tag::Text as u8])?;
        output.bytes(&(bytes.len() as u32).wrapping_add(1).to_le_bytes())?;
        output.bytes(bytes)?;
        Ok(output.bytes(b"\n")?)
    })
}

fn message(m: &mut Machine<'_>, tag: Tag, register: u8) -> Result<(), Fault> {
    let text = m.strings.get(register);
    m.print(|output, strings, _| Ok(output.message(tag, strings.bytes(text))?))
}

/// The string at an address, up to its NUL, at most `most` bytes.
fn memory_string(
    m: &mut Machine<'_>,
    insn: &Word,
    space: Space,
    address: u64,
    most: i64,
) -> Result<(), Fault> {
    let room = m.strings.room().bytes;
    let most = usize::try_from(most).unwrap_or(0).min(room.len());
    let mut length = 0usize;
    while length < most {
        let at = address.wrapping_add(length as u64);
        let chunk = CHUNK.wrapping_sub(at & (CHUNK - 1)) as usize;
        let end = length.saturating_add(chunk).min(most);
        let Some(out) = room.get_mut(length..end) else { break };
        let (done, fault) = match space {
            Space::Kernel => (m.host.read_kernel(at, out), Fault::KernelString(address)),
            Space::User => (m.host.read_user(at, out), Fault::UserString(address)),
        };
        if !done {
            return Err(fault);
        }
        if let Some(nul) = out.iter().position(|&byte| byte == 0) {
            length = length.wrapping_add(nul);
            break;
        }
        length = end;
    }
    give(m, insn, length)
}

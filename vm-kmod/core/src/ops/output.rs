// SPDX-License-Identifier: GPL-2.0-or-later
//! `printf`, which ships its arguments, `sprintf`, which makes the text here, and
//! histograms, which are drawn by the loader.

use super::{longs, outlined_ops};
use crate::Host;
use crate::fault::Fault;
use crate::format::{self, Arguments, SliceSink, memory_length};
use crate::machine::{Machine, PrintError, Stop, Window, next};
use crate::map::Map;
use crate::stat;
use crate::step::{Step, Word};
use crate::strings::{Keys, Strings};
use vm_spec::format::{Conversion, Flags, Measure, PieceRecord};
use vm_spec::ids::{FormatId, MapId};
use vm_spec::image::StatOperation;
use vm_spec::record::{Full, Writer};
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

const LITERAL: u8 = Conversion::Literal as u8;
const STRING: u8 = Conversion::String as u8;
const MEMORY: u8 = Conversion::Memory as u8;
const MEMORY_HEX: u8 = Conversion::MemoryHex as u8;
const ARGUMENT: i16 = Measure::Argument.to_raw();

/// A tuple that is read from its start.
struct Tuple<'t> {
    keys: Keys<'t>,
    long: usize,
    string: usize,
}

impl<'t> Tuple<'t> {
    fn new(keys: Keys<'t>) -> Self {
        Tuple { keys, long: 0, string: 0 }
    }

    fn next_long(&mut self) -> i64 {
        let n = self.long;
        self.long = n.wrapping_add(1);
        self.keys.long(n)
    }

    fn next_string(&mut self) -> &'t [u8] {
        let n = self.string;
        self.string = n.wrapping_add(1);
        self.keys.string(n)
    }
}

/// Reads memory for `%m` and `%M`, in the length that the format asks for.
fn read(host: &mut dyn Host, address: u64, user: bool, out: &mut [u8]) -> Result<(), Fault> {
    let (done, fault) = if user {
        (host.read_user(address, out), Fault::UserRead(address))
    } else {
        (host.read_kernel(address, out), Fault::KernelRead(address))
    };
    if done { Ok(()) } else { Err(fault) }
}

fn write_arguments(
    pieces: &[PieceRecord],
    mut tuple: Tuple<'_>,
    output: &mut Writer<'_>,
    host: &mut dyn Host,
) -> Result<(), PrintError> {
    for piece in pieces {
        if piece.conversion == LITERAL {
            continue;
        }
        if piece.width == ARGUMENT {
            output.long(tuple.next_long())?;
        }
        let mut precision = i64::from(piece.precision);
        if piece.precision == ARGUMENT {
            precision = tuple.next_long();
            output.long(precision)?;
        }
        match piece.conversion {
            STRING => output.string(tuple.next_string())?,
            MEMORY | MEMORY_HEX => {
                let length = memory_length(usize::try_from(precision as i32).ok());
                let user = Flags(piece.flags).has(Flags::ALTERNATE);
                output.bytes(&(length as u16).to_le_bytes())?;
                let room = output.reserve(length)?;
                let address = tuple.next_long() as u64;
                read(host, address, user, room).map_err(PrintError::Fault)?;
            }
            _ => output.long(tuple.next_long())?,
        }
    }
    Ok(())
}

/// `sprintf`'s arguments. What `%m` reads lies in the output's buffer, which is flushed
/// before.
struct Direct<'d, 'o> {
    tuple: Tuple<'d>,
    host: &'d mut dyn Host,
    output: &'d mut Writer<'o>,
    /// The buffer holds what `%m` has read.
    lent: bool,
}

impl Arguments for Direct<'_, '_> {
    type Error = PrintError;

    fn long(&mut self) -> Result<i64, PrintError> {
        Ok(self.tuple.next_long())
    }

    fn string(&mut self) -> Result<&[u8], PrintError> {
        Ok(self.tuple.next_string())
    }

    fn memory(&mut self, length: usize, user: bool) -> Result<&[u8], PrintError> {
        let address = self.tuple.next_long() as u64;
        if !self.lent && self.output.position() > 0 {
            self.host.emit(self.output.written());
        }
        self.lent = true;
        self.output.clear();
        let room = self.output.reserve(length)?;
        read(self.host, address, user, room).map_err(PrintError::Fault)?;
        Ok(room)
    }
}

outlined_ops! {
    print(m, window, insn) {
        let (image, id) = (m.image, FormatId(insn.imm() as u32));
        let pieces = image.pieces_of(id);
        m.print(|output, strings: &Strings<'_>, host| {
            output.format(id)?;
            let tuple = Tuple::new(strings.keys(longs(window, insn.b()), insn.c()));
            write_arguments(pieces, tuple, output, host)
        })
    }
    sprint(m, window, insn) {
        let image = m.image;
        let (keys, bytes) = m.strings.room().into_tuple(longs(window, insn.b()), insn.c());
        let tuple = Tuple::new(keys);
        let mut arguments =
            Direct { tuple, host: &mut *m.host, output: &mut m.output, lent: false };
        let mut sink = SliceSink::new(bytes);
        let result = format::format(image, FormatId(insn.imm() as u32), &mut arguments, &mut sink);
        // What is printed may hold NULs; a string ends at the first.
        let length = sink.text_length();
        if arguments.lent {
            m.output.clear();
        }
        match result {
            Ok(()) => {}
            Err(PrintError::Full) => return Err(Fault::OutputTooLong),
            Err(PrintError::Fault(fault)) => return Err(fault),
        }
        let string = m.strings.commit(length);
        m.strings.set(insn.a(), string);
        m.pay_for_bytes(length)
    }
    phist(m, window, insn) {
        let id = MapId(insn.lo());
        m.print(|output, strings: &Strings<'_>, host| {
            let map = Map::open(host.map(id)).ok_or(PrintError::Fault(Fault::Impossible))?;
            let entry = map.find(&strings.keys(longs(window, insn.b()), insn.c()));
            let words = entry.map(|entry| map.stat(entry)).unwrap_or_default();
            let number = |operation| map.stat_number(words, operation).ok_or(PrintError::Fault(Fault::EmptyAggregate));
            let numbers = [
                number(StatOperation::Count)?,
                number(StatOperation::Sum)?,
                number(StatOperation::Min)?,
                number(StatOperation::Max)?,
            ];
            let buckets = words.get(stat::WORDS..).unwrap_or_default().as_bytes();
            let buckets = <[i64]>::ref_from_bytes(buckets).map_err(|_| Full)?;
            Ok(output.histogram(id, numbers, buckets)?)
        })
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
//! Items of a record to text: what handlers printed, warned of and failed with.

use crate::histogram;
use crate::kallsyms::Kallsyms;
use crate::sink::Output;
use std::io::{self, Write};
use std::process::Command;
use vm_core::format::{Arguments, CallbackSink, format};
use vm_spec::blob::HistogramStyle;
use vm_spec::blob::SourceMap;
use vm_spec::ids::FormatId;
use vm_spec::image::Image;
use vm_spec::record::{Reader, RecordError, Tag};

/// Prints records.
#[derive(Debug)]
pub struct Printer<'a, W, E> {
    image: &'a Image<'a>,
    source: &'a SourceMap,
    out: W,
    err: E,
    symbols: Kallsyms,
    /// What a format came to; kept for its memory.
    text: Vec<u8>,
    histograms: HistogramStyle,
    /// Records that were printed.
    pub printed: u64,
    /// The script asked to end.
    pub exit: bool,
    /// Records that made no sense.
    pub damaged: u64,
}

impl<'a, W: Output, E: Write> Printer<'a, W, E> {
    /// Prints what a program writes to two streams.
    pub fn new(image: &'a Image<'a>, source: &'a SourceMap, out: W, err: E) -> Self {
        let symbols = Kallsyms::default();
        let text = Vec::new();
        let histograms = HistogramStyle::default();
        let (printed, exit, damaged) = (0, false, 0);
        Printer { image, source, out, err, symbols, text, histograms, printed, exit, damaged }
    }

    /// The same, with histograms that look otherwise.
    #[must_use]
    pub fn with_histograms(self, histograms: HistogramStyle) -> Self {
        Printer { histograms, ..self }
    }

    /// Prints a record of a CPU.
    ///
    /// # Errors
    /// Those of the streams.
    pub fn record(&mut self, cpu: usize, payload: &[u8]) -> io::Result<()> {
        self.printed += 1;
        let mut reader = Reader::new(payload);
        while !reader.is_empty() {
            if self.item(&mut reader)?.is_err() {
                self.damaged += 1;
                break;
            }
        }
        self.out.end_record(cpu)
    }

    /// Gives what has been printed to the readers.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Text on the output, as if a handler on the first CPU had printed it.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.end_record(0)?;
        self.out.flush()
    }

    /// A line on the error stream.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn complain(&mut self, line: &str) -> io::Result<()> {
        self.out.flush()?;
        writeln!(self.err, "{line}")
    }

    fn item(&mut self, reader: &mut Reader<'_>) -> io::Result<Result<(), RecordError>> {
        match self.try_item(reader) {
            Ok(()) => Ok(Ok(())),
            Err(Trouble::Record(error)) => Ok(Err(error)),
            Err(Trouble::Stream(error)) => Err(error),
        }
    }

    fn try_item(&mut self, reader: &mut Reader<'_>) -> Result<(), Trouble> {
        match reader.tag()? {
            Tag::Format => self.formatted(reader)?,
            Tag::Text => {
                let length = reader.u32()?;
                self.out.write_all(reader.bytes(length as usize)?)?;
            }
            Tag::Fault => {
                let (pc, _kind, message) = (reader.u32()?, reader.u8()?, reader.string()?);
                let message = String::from_utf8_lossy(message).into_owned();
                let near = self.near(pc);
                self.complain(&format!("ERROR: {message}{near}"))?;
            }
            Tag::Warning => {
                let message = String::from_utf8_lossy(reader.string()?).into_owned();
                self.complain(&format!("WARNING: {message}"))?;
            }
            Tag::Histogram => self.histogram(reader)?,
            Tag::Exit => self.exit = true,
            Tag::Symbols => {
                let stack = String::from_utf8_lossy(reader.string()?).into_owned();
                self.out.write_all(self.symbols.lines(&stack).as_bytes())?;
            }
            Tag::Command => {
                let command = String::from_utf8_lossy(reader.string()?).into_owned();
                self.out.flush()?;
                // As system(3) does: its failure is the script's business, who cannot know.
                let _ = Command::new("/bin/sh").args(["-c", &command]).spawn();
            }
        }
        Ok(())
    }

    /// ` near identifier 'x' at FILE:L:C`; nothing for the script's own error().
    fn near(&self, pc: u32) -> String {
        let entry = self.source.lookup(pc).filter(|entry| !entry.token.is_empty());
        entry.map_or_else(String::new, |entry| {
            let file = self.source.file(entry.file);
            format!(" near {} at {file}:{}:{}", entry.token, entry.line, entry.column)
        })
    }

    fn formatted(&mut self, reader: &mut Reader<'_>) -> Result<(), Trouble> {
        let id = FormatId(reader.u32()?);
        let text = &mut self.text;
        text.clear();
        let mut sink = CallbackSink(|bytes: &[u8]| text.extend_from_slice(bytes));
        format(self.image, id, &mut FromRecord(reader), &mut sink)?;
        self.out.write_all(&self.text)?;
        Ok(())
    }

    fn histogram(&mut self, reader: &mut Reader<'_>) -> Result<(), Trouble> {
        let map = reader.u16()?;
        for _ in 0..4 {
            reader.long()?;
        }
        let count = reader.u32()?;
        let mut buckets = Vec::new();
        for _ in 0..count {
            buckets.push(reader.long()?);
        }
        if let Some(map) = self.image.maps.get(usize::from(map)) {
            self.out.write_all(histogram::draw(map, self.histograms, &buckets).as_bytes())?;
        }
        Ok(())
    }
}

/// A record or a stream went wrong.
enum Trouble {
    Record(RecordError),
    Stream(io::Error),
}

impl From<RecordError> for Trouble {
    fn from(error: RecordError) -> Self {
        Trouble::Record(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Stream(error)
    }
}

/// A format's arguments as they lie in a record.
struct FromRecord<'a, 'b>(&'a mut Reader<'b>);

impl Arguments for FromRecord<'_, '_> {
    type Error = RecordError;

    fn long(&mut self) -> Result<i64, RecordError> {
        self.0.long()
    }

    fn string(&mut self) -> Result<&[u8], RecordError> {
        self.0.string()
    }

    fn memory(&mut self, _length: usize, _user: bool) -> Result<&[u8], RecordError> {
        self.0.string()
    }
}

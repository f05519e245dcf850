// SPDX-License-Identifier: GPL-2.0-or-later
//! What a handler run writes, and the loader prints.
//!
//! All output of one run goes out as one ring record (more, if it is longer than
//! [`crate::limits::RUN_OUTPUT_BYTES`]), so the lines of one handler stay together
//! whatever other CPUs print. The record's payload is a sequence of items:
//!
//! ```text
//! tag:u8  ...                            little-endian, unaligned
//! 1 Format     format:u32, then for each argument
//!              a long: 8 bytes    a string: length:u16, bytes
//! 2 Text       length:u32, bytes
//! 3 Fault      pc:u32, kind:u8, length:u16, message bytes
//! 4 Warning    length:u16, bytes
//! 5 Histogram  map:u16, count,sum,min,max: i64, buckets:u32, i64 each
//! 6 Exit
//! 7 Command    length:u16, bytes          (system())
//! 8 Symbols    length:u16, bytes          (addresses in hexadecimal, to be named)
//! ```
//! The arguments of a format are as many and of the kinds its pieces say.

use crate::ids::{FormatId, MapId, Pc};

/// Item tags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Tag {
    /// A format and its arguments.
    Format = 1,
    /// Text as it is.
    Text = 2,
    /// The run ended in a fault.
    Fault = 3,
    /// A warning of the script.
    Warning = 4,
    /// A histogram to draw.
    Histogram = 5,
    /// The script asked to end the session.
    Exit = 6,
    /// A shell command.
    Command = 7,
    /// Addresses of a stack, which the loader names and prints a line each.
    Symbols = 8,
}

impl Tag {
    /// The tag with this number.
    pub const fn from_number(number: u8) -> Option<Tag> {
        Some(match number {
            1 => Tag::Format,
            2 => Tag::Text,
            3 => Tag::Fault,
            4 => Tag::Warning,
            5 => Tag::Histogram,
            6 => Tag::Exit,
            7 => Tag::Command,
            8 => Tag::Symbols,
            _ => return None,
        })
    }
}

/// The item did not fit; nothing was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Writes items into a run's buffer. An item is written whole or not at all.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// A writer over an empty buffer.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Writer { buffer, length: 0 }
    }

    /// What has been written.
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// Forgets what has been written.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Where the next byte goes; give it to [`Writer::rewind`] to take an unfinished
    /// item back.
    pub fn position(&self) -> usize {
        self.length
    }

    /// Forgets everything from `position` on.
    pub fn rewind(&mut self, position: usize) {
        self.length = self.length.min(position);
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`Full`] if they do not fit.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.length.checked_add(bytes.len()).ok_or(Full)?;
        let room = self.buffer.get_mut(self.length..end).ok_or(Full)?;
        room.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    /// Room for `count` bytes that the caller fills in.
    ///
    /// # Errors
    /// [`Full`] if they do not fit.
    pub fn reserve(&mut self, count: usize) -> Result<&mut [u8], Full> {
        let start = self.length;
        let end = start.checked_add(count).ok_or(Full)?;
        let room = self.buffer.get_mut(start..end).ok_or(Full)?;
        self.length = end;
        Ok(room)
    }

    /// Begins a Format item; the arguments follow by [`Writer::long`] and
    /// [`Writer::string`].
    ///
    /// # Errors
    /// [`Full`].
    #[inline]
    pub fn format(&mut self, format: FormatId) -> Result<(), Full> {
        let [a, b, c, d] = format.0.to_le_bytes();
        self.bytes(&[Tag::Format as u8, a, b, c, d])
    }

    /// A long argument.
    ///
    /// # Errors
    /// [`Full`].
    #[inline]
    pub fn long(&mut self, value: i64) -> Result<(), Full> {
        self.bytes(&value.to_le_bytes())
    }

    /// A string argument, cut at 65535 bytes.
    ///
    /// # Errors
    /// [`Full`].
    #[inline]
    pub fn string(&mut self, value: &[u8]) -> Result<(), Full> {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        self.bytes(&length.to_le_bytes())?;
        self.bytes(value.get(..usize::from(length)).unwrap_or_default())
    }

    fn whole(&mut self, item: impl FnOnce(&mut Self) -> Result<(), Full>) -> Result<(), Full> {
        let start = self.position();
        item(self).inspect_err(|_| self.rewind(start))
    }

    /// A Text item.
    ///
    /// # Errors
    /// [`Full`].
    pub fn text(&mut self, text: &[u8]) -> Result<(), Full> {
        let length = u32::try_from(text.len()).map_err(|_| Full)?;
        self.whole(|w| {
            w.bytes(&[Tag::Text as u8])?;
            w.bytes(&length.to_le_bytes())?;
            w.bytes(text)
        })
    }

    /// A Fault item.
    ///
    /// # Errors
    /// [`Full`].
    pub fn fault(&mut self, pc: Pc, kind: u8, message: &[u8]) -> Result<(), Full> {
        self.whole(|w| {
            w.bytes(&[Tag::Fault as u8])?;
            w.bytes(&pc.0.to_le_bytes())?;
            w.bytes(&[kind])?;
            w.string(message)
        })
    }

    /// A Warning or Command item.
    ///
    /// # Errors
    /// [`Full`].
    pub fn message(&mut self, tag: Tag, message: &[u8]) -> Result<(), Full> {
        self.whole(|w| {
            w.bytes(&[tag as u8])?;
            w.string(message)
        })
    }

    /// A Histogram item.
    ///
    /// # Errors
    /// [`Full`].
    pub fn histogram(
        &mut self,
        map: MapId,
        [count, sum, min, max]: [i64; 4],
        buckets: &[i64],
    ) -> Result<(), Full> {
        let bucket_count = u32::try_from(buckets.len()).map_err(|_| Full)?;
        self.whole(|w| {
            w.bytes(&[Tag::Histogram as u8])?;
            w.bytes(&map.0.to_le_bytes())?;
            for value in [count, sum, min, max] {
                w.long(value)?;
            }
            w.bytes(&bucket_count.to_le_bytes())?;
            buckets.iter().try_for_each(|&value| w.long(value))
        })
    }

    /// An Exit item.
    ///
    /// # Errors
    /// [`Full`].
    pub fn exit(&mut self) -> Result<(), Full> {
        self.bytes(&[Tag::Exit as u8])
    }
}

/// Why a payload cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordError {
    /// No item has this tag.
    BadTag(u8),
    /// The payload ends inside an item.
    Truncated,
}

impl core::fmt::Display for RecordError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            RecordError::BadTag(tag) => write!(f, "unknown output item {tag}"),
            RecordError::Truncated => write!(f, "output record ends inside an item"),
        }
    }
}

impl core::error::Error for RecordError {}

/// Reads a payload piece by piece. The caller, who knows the formats, asks for the
/// arguments of a Format item himself.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over a whole payload.
    pub fn new(payload: &'a [u8]) -> Self {
        Reader { rest: payload }
    }

    /// Has everything been read?
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`RecordError::Truncated`].
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(RecordError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    /// The tag of the next item.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn tag(&mut self) -> Result<Tag, RecordError> {
        let [tag] = self.array()?;
        Tag::from_number(tag).ok_or(RecordError::BadTag(tag))
    }

    /// A byte.
    ///
    /// # Errors
    /// [`RecordError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, RecordError> {
        self.array().map(u8::from_le_bytes)
    }

    /// A 16-bit number.
    ///
    /// # Errors
    /// [`RecordError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, RecordError> {
        self.array().map(u16::from_le_bytes)
    }

    /// A 32-bit number.
    ///
    /// # Errors
    /// [`RecordError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A long.
    ///
    /// # Errors
    /// [`RecordError::Truncated`].
    pub fn long(&mut self) -> Result<i64, RecordError> {
        self.array().map(i64::from_le_bytes)
    }

    /// A string with its 16-bit length.
    ///
    /// # Errors
    /// [`RecordError::Truncated`].
    pub fn string(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.u16()?;
        self.bytes(length.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(n: i64, s: Vec<u8>, pc: u32, buckets: Vec<i64>) {
            let mut buffer = vec![0; 1 << 16];
            let mut w = Writer::new(&mut buffer);
            w.format(FormatId(7)).unwrap();
            w.long(n).unwrap();
            w.string(&s).unwrap();
            w.fault(Pc(pc), 3, &s).unwrap();
            w.histogram(MapId(4), [1, 2, 3, n], &buckets).unwrap();
            w.exit().unwrap();
            let mut r = Reader::new(w.written());
            prop_assert_eq!(r.tag(), Ok(Tag::Format));
            prop_assert_eq!(r.u32(), Ok(7));
            prop_assert_eq!(r.long(), Ok(n));
            prop_assert_eq!(r.string(), Ok(&s[..]));
            prop_assert_eq!(r.tag(), Ok(Tag::Fault));
            prop_assert_eq!((r.u32(), r.u8(), r.string()), (Ok(pc), Ok(3), Ok(&s[..])));
            prop_assert_eq!(r.tag(), Ok(Tag::Histogram));
            prop_assert_eq!((r.u16(), r.long(), r.long()), (Ok(4), Ok(1), Ok(2)));
            prop_assert_eq!((r.long(), r.long()), (Ok(3), Ok(n)));
            prop_assert_eq!(r.u32(), Ok(buckets.len() as u32));
            for b in &buckets {
                prop_assert_eq!(r.long(), Ok(*b));
            }
            prop_assert_eq!(r.tag(), Ok(Tag::Exit));
            prop_assert!(r.is_empty());
        }

        #[test]
        fn an_item_is_whole_or_absent(room in 0..64usize, s: Vec<u8>) {
            let mut buffer = vec![0; room];
            let mut w = Writer::new(&mut buffer);
            match w.text(&s) {
                Ok(()) => prop_assert_eq!(w.position(), s.len() + 5),
                Err(Full) => prop_assert_eq!(w.position(), 0),
            }
        }

        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>) {
            let mut r = Reader::new(&bytes);
            while !r.is_empty() {
                if r.tag().is_err() || r.string().is_err() {
                    break;
                }
            }
        }
    }
}

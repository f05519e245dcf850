// SPDX-License-Identifier: GPL-2.0-or-later
//! Frames between host and guest: `length:u32 kind:u8 payload`, little-endian. The
//! length counts kind and payload.

use std::io::{self, Read, Write};

/// Largest frame that is believed.
const MAX_FRAME: u32 = 64 << 20;

/// One frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Guest: ready for commands.
    Ready,
    /// Host: write a file.
    File {
        /// Absolute path.
        path: String,
        /// Contents.
        bytes: Vec<u8>,
    },
    /// Host: run a shell command; ends with an Exit.
    Run {
        /// For `sh -c`.
        command: String,
        /// Milliseconds after which it is killed.
        timeout_ms: u64,
    },
    /// Host: send a signal to the process group of the running command.
    Signal(i32),
    /// Guest: what the command wrote.
    Output {
        /// 1 or 2.
        stream: u8,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Guest: the command ended.
    Exit {
        /// Exit status, or 128 and the signal, as a shell says it.
        status: i32,
        /// It was killed since its time was up.
        timed_out: bool,
    },
    /// Host: power off.
    Halt,
}

impl Frame {
    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        match self {
            Frame::Ready => body.push(0),
            Frame::File { path, bytes } => {
                body.push(1);
                body.extend((path.len() as u32).to_le_bytes());
                body.extend(path.bytes());
                body.extend(bytes);
            }
            Frame::Run { command, timeout_ms } => {
                body.push(2);
                body.extend(timeout_ms.to_le_bytes());
                body.extend(command.bytes());
            }
            Frame::Signal(number) => {
                body.push(3);
                body.extend(number.to_le_bytes());
            }
            Frame::Output { stream, bytes } => {
                body.extend([4, *stream]);
                body.extend(bytes);
            }
            Frame::Exit { status, timed_out } => {
                body.push(5);
                body.extend(status.to_le_bytes());
                body.push(u8::from(*timed_out));
            }
            Frame::Halt => body.push(6),
        }
        let mut frame = (body.len() as u32).to_le_bytes().to_vec();
        frame.extend(body);
        frame
    }

    fn decode(body: &[u8]) -> Option<Frame> {
        let (&kind, rest) = body.split_first()?;
        Some(match kind {
            0 => Frame::Ready,
            1 => {
                let (length, rest) = rest.split_first_chunk::<4>()?;
                let (path, bytes) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                Frame::File { path: String::from_utf8(path.to_vec()).ok()?, bytes: bytes.to_vec() }
            }
            2 => {
                let (timeout, command) = rest.split_first_chunk::<8>()?;
                Frame::Run {
                    command: String::from_utf8(command.to_vec()).ok()?,
                    timeout_ms: u64::from_le_bytes(*timeout),
                }
            }
            3 => Frame::Signal(i32::from_le_bytes(rest.try_into().ok()?)),
            4 => {
                let (&stream, bytes) = rest.split_first()?;
                Frame::Output { stream, bytes: bytes.to_vec() }
            }
            5 => {
                let (status, timed_out) = rest.split_first_chunk::<4>()?;
                Frame::Exit { status: i32::from_le_bytes(*status), timed_out: timed_out == [1] }
            }
            6 => Frame::Halt,
            _ => return None,
        })
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// Those of `from`; `InvalidData` for a frame that makes no sense.
    pub fn read(from: &mut impl Read) -> io::Result<Frame> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > MAX_FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too long"));
        }
        let mut body = vec![0; length as usize];
        from.read_exact(&mut body)?;
        Frame::decode(&body)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown frame"))
    }

    /// Writes the frame.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.encode())?;
        to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames() -> impl Strategy<Value = Frame> {
        prop_oneof![
            Just(Frame::Ready),
            Just(Frame::Halt),
            any::<i32>().prop_map(Frame::Signal),
            (any::<String>(), any::<Vec<u8>>())
                .prop_map(|(path, bytes)| Frame::File { path, bytes }),
            (any::<String>(), any::<u64>())
                .prop_map(|(command, timeout_ms)| Frame::Run { command, timeout_ms }),
            (any::<u8>(), any::<Vec<u8>>())
                .prop_map(|(stream, bytes)| Frame::Output { stream, bytes }),
            (any::<i32>(), any::<bool>())
                .prop_map(|(status, timed_out)| Frame::Exit { status, timed_out }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(frame in frames()) {
            prop_assert_eq!(Frame::read(&mut &frame.encode()[..]).unwrap(), frame);
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>) {
            let _ = Frame::read(&mut &bytes[..]);
        }
    }
}

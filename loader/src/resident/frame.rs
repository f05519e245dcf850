// SPDX-License-Identifier: GPL-2.0-or-later
//! What a left session says to whoever is attached: a byte that tells what it is, the
//! number of bytes that follow (4 bytes, little-endian), and those.

use super::ResidentError;
use std::io::{self, Read, Write};

/// Most bytes of a frame.
const MAX_BYTES: u32 = 1 << 20;

/// One thing said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Frame {
    /// For standard output.
    Out(Vec<u8>),
    /// For standard error.
    Err(Vec<u8>),
    /// The session is over; its exit status.
    End(u8),
}

/// What is asked of a session, a byte each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Request {
    /// Say what there is and will be.
    Attach,
    /// End, as if interrupted.
    Stop,
    /// End, and keep nothing.
    Delete,
}

impl Frame {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (tag, bytes) = match self {
            Frame::Out(bytes) => (1, bytes.as_slice()),
            Frame::Err(bytes) => (2, bytes.as_slice()),
            Frame::End(status) => (3, std::slice::from_ref(status)),
        };
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let [a, b, c, d] = length.to_le_bytes();
        to.write_all(&[tag, a, b, c, d])?;
        to.write_all(bytes)
    }

    /// The next frame; `None` if the other end is gone.
    pub(super) fn read(from: &mut impl Read) -> Result<Option<Frame>, ResidentError> {
        let mut head = [0; 5];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        let [tag, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        if length > MAX_BYTES {
            return Err(ResidentError::Garbled);
        }
        let mut bytes = vec![0; length as usize];
        from.read_exact(&mut bytes)?;
        match (tag, bytes.as_slice()) {
            (1, _) => Ok(Some(Frame::Out(bytes))),
            (2, _) => Ok(Some(Frame::Err(bytes))),
            (3, &[status]) => Ok(Some(Frame::End(status))),
            _ => Err(ResidentError::Garbled),
        }
    }

    /// Bytes that it has to say.
    pub(super) fn len(&self) -> usize {
        match self {
            Frame::Out(bytes) | Frame::Err(bytes) => bytes.len(),
            Frame::End(_) => 1,
        }
    }
}

impl Request {
    pub(super) fn byte(self) -> u8 {
        match self {
            Request::Attach => b'a',
            Request::Stop => b's',
            Request::Delete => b'd',
        }
    }

    pub(super) fn of(byte: u8) -> Option<Request> {
        match byte {
            b'a' => Some(Request::Attach),
            b's' => Some(Request::Stop),
            b'd' => Some(Request::Delete),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Frame;
    use proptest::prelude::*;

    fn frame() -> impl Strategy<Value = Frame> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..64);
        prop_oneof![
            bytes.clone().prop_map(Frame::Out),
            bytes.prop_map(Frame::Err),
            any::<u8>().prop_map(Frame::End),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(frames in proptest::collection::vec(frame(), 0..8)) {
            let mut bytes = Vec::new();
            for frame in &frames {
                frame.write(&mut bytes).unwrap();
            }
            let mut from = bytes.as_slice();
            for frame in frames {
                prop_assert_eq!(Frame::read(&mut from).unwrap(), Some(frame));
            }
            prop_assert_eq!(Frame::read(&mut from).unwrap(), None);
        }

        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes: Vec<u8>) {
            let _ = Frame::read(&mut bytes.as_slice());
        }
    }
}

//! Cuts a stream into segments. Used by `seal` and `open`. Holds at most one segment and what was pushed last.

use bytes::{Bytes, BytesMut};

use crate::Error;

/// Plaintext bytes of a segment; only the last may have fewer.
pub(crate) const SEGMENT: usize = 64 * 1024;

/// How much longer a segment is when it is encrypted.
pub(crate) const OVERHEAD: usize = 16;

/// Bytes that wait to become a segment.
pub(crate) struct Segments {
    size: usize,
    waiting: BytesMut,
    next: Option<u32>,
}

/// One segment.
pub(crate) struct Segment {
    pub(crate) bytes: BytesMut,
    pub(crate) number: u32,
    pub(crate) last: bool,
}

impl Segments {
    /// Segments of `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self { size, waiting: BytesMut::new(), next: Some(0) }
    }

    pub(crate) fn push(&mut self, piece: &Bytes) {
        self.waiting.extend_from_slice(piece);
    }

    /// A full segment that is not the last: there is at least one byte behind it.
    pub(crate) fn next(&mut self) -> Result<Option<Segment>, Error> {
        if self.waiting.len() <= self.size {
            return Ok(None);
        }
        let bytes = self.waiting.split_to(self.size);
        Ok(Some(Segment { bytes, number: self.number()?, last: false }))
    }

    /// What is left, once all full segments are taken; `None` if the stream was empty.
    pub(crate) fn last(mut self) -> Result<Option<Segment>, Error> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        let number = self.number()?;
        Ok(Some(Segment { bytes: self.waiting, number, last: true }))
    }

    fn number(&mut self) -> Result<u32, Error> {
        let number = self.next.ok_or(Error::TooLarge)?;
        self.next = number.checked_add(1);
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_segments_than_can_be_numbered_are_refused() {
        let mut segments = Segments::new(1);
        segments.next = Some(u32::MAX);
        segments.push(&Bytes::from_static(b"abc"));
        assert_eq!(segments.next().unwrap().unwrap().number, u32::MAX);
        assert!(matches!(segments.next(), Err(Error::TooLarge)));
    }
}

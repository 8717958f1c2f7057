//! Decrypts a document segment by segment. Made by `header`, called by the cryptography block. Not one byte comes out
//! of a segment that is not as it was written, in its place.

use aws_lc_rs::aead::Aad;
use bytes::Bytes;

use crate::Error;
use crate::file_key::SegmentKey;
use crate::segments::{OVERHEAD, SEGMENT, Segment, Segments};

/// Decrypts the segments of one document.
pub struct Opener {
    key: SegmentKey,
    segments: Segments,
}

impl Opener {
    pub(crate) fn new(key: SegmentKey) -> Self {
        Self { key, segments: Segments::new(SEGMENT + OVERHEAD) }
    }

    /// Takes more of the document. Ask [`Opener::segment`] until it has no more, or memory grows.
    pub fn push(&mut self, piece: &Bytes) {
        self.segments.push(piece);
    }

    /// The plaintext of the next segment, if it is there and not the last.
    ///
    /// # Errors
    /// `Segment`, after which nothing may be asked any more; `TooLarge`.
    pub fn segment(&mut self) -> Result<Option<Bytes>, Error> {
        let segment = self.segments.next()?;
        segment.map(|segment| decrypt(&self.key, segment)).transpose()
    }

    /// The plaintext of the last segment, after the last byte of the document; an empty one has none. Only when it
    /// answers is the document known to be whole.
    ///
    /// # Errors
    /// `Segment`, `TooLarge`.
    pub fn finish(self) -> Result<Option<Bytes>, Error> {
        let segment = self.segments.last()?;
        segment.map(|segment| decrypt(&self.key, segment)).transpose()
    }
}

fn decrypt(key: &SegmentKey, segment: Segment) -> Result<Bytes, Error> {
    let Segment { mut bytes, number, last } = segment;
    let opened = key.key.open_in_place(key.nonce(number, last), Aad::empty(), &mut bytes);
    let length = opened.map_err(|_| Error::Segment(number))?.len();
    bytes.truncate(length);
    Ok(bytes.freeze())
}

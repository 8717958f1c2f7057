//! Makes a document: its header, then one encrypted segment after the other. Called by the cryptography block.

use aws_lc_rs::aead::Aad;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::file_key::{NONCE_PREFIX, SegmentKey};
use crate::header::{MAX_HEADER, signed_part};
use crate::manifest::Manifest;
use crate::segments::{OVERHEAD, SEGMENT, Segment, Segments};
use crate::{Cipher, Error, FileKey, KeyAlgorithm};

/// Encrypts the segments of one document.
pub struct Sealer {
    key: SegmentKey,
    segments: Segments,
}

/// Starts a document: its header, and what encrypts the rest. `wrapped_key` is `key`, wrapped by the key that
/// `key_name` names (which may be empty). A file key must be used for one document only.
///
/// # Errors
/// `HeaderTooLong`, `Library`.
pub fn seal(
    key: &FileKey,
    algorithm: KeyAlgorithm,
    wrapped_key: Vec<u8>,
    cipher: Cipher,
    key_name: &str,
) -> Result<(Bytes, Sealer), Error> {
    let mut nonce_prefix = [0; NONCE_PREFIX];
    aws_lc_rs::rand::fill(&mut nonce_prefix).map_err(|_| Error::Library)?;
    begin(key, &Manifest { key_name: key_name.to_owned(), algorithm, wrapped_key, cipher, nonce_prefix })
}

/// Starts the document of a manifest. The same manifest and key make the same document, so that no two plaintexts may
/// share them.
pub(crate) fn begin(key: &FileKey, manifest: &Manifest) -> Result<(Bytes, Sealer), Error> {
    let mut header = signed_part(manifest.write()?.as_bytes());
    let code = hmac::sign(&key.header_key()?, &header);
    header.extend_from_slice(STANDARD.encode(code).as_bytes());
    header.push(b'\n');
    if header.len() > MAX_HEADER {
        return Err(Error::HeaderTooLong);
    }
    let sealer =
        Sealer { key: key.segment_key(manifest.cipher, manifest.nonce_prefix)?, segments: Segments::new(SEGMENT) };
    Ok((header.into(), sealer))
}

impl Sealer {
    /// Takes plaintext. Ask [`Sealer::segment`] until it has no more, or memory grows.
    pub fn push(&mut self, plaintext: &Bytes) {
        self.segments.push(plaintext);
    }

    /// The next encrypted segment, if there is enough plaintext for one.
    ///
    /// # Errors
    /// `TooLarge`, `Library`.
    pub fn segment(&mut self) -> Result<Option<Bytes>, Error> {
        let segment = self.segments.next()?;
        segment.map(|segment| encrypt(&self.key, segment)).transpose()
    }

    /// The last segment, after the last byte of plaintext; an empty document has none.
    ///
    /// # Errors
    /// `TooLarge`, `Library`.
    pub fn finish(self) -> Result<Option<Bytes>, Error> {
        let segment = self.segments.last()?;
        segment.map(|segment| encrypt(&self.key, segment)).transpose()
    }
}

fn encrypt(key: &SegmentKey, segment: Segment) -> Result<Bytes, Error> {
    let mut out = BytesMut::with_capacity(segment.bytes.len() + OVERHEAD);
    out.extend_from_slice(&segment.bytes);
    let nonce = key.nonce(segment.number, segment.last);
    key.key.seal_in_place_append_tag(nonce, Aad::empty(), &mut out).map_err(|_| Error::Library)?;
    Ok(out.freeze())
}

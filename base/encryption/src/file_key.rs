//! The key of one document, and the two keys that are derived from it. Used by `seal` and `header`; it must not leave
//! the process but wrapped.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{self, HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::{Cipher, Error};

/// Length of a file key, in bytes.
pub(crate) const FILE_KEY: usize = 32;

/// How many bytes of a segment's nonce are those of its document.
pub(crate) const NONCE_PREFIX: usize = 7;

/// The key of one document.
pub struct FileKey(Zeroizing<[u8; FILE_KEY]>);

impl fmt::Debug for FileKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FileKey")
    }
}

impl FileKey {
    /// A new key, for one document only.
    ///
    /// # Errors
    /// `Library` if there is no randomness.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; FILE_KEY]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| Error::Library)?;
        Ok(Self(bytes))
    }

    /// A key that was unwrapped. One of the wrong length becomes a key that opens nothing, so that it cannot be told
    /// from a wrong one.
    pub fn unwrapped(bytes: &[u8]) -> Self {
        let mut own = Zeroizing::new([0; FILE_KEY]);
        if bytes.len() == FILE_KEY {
            own.copy_from_slice(bytes);
        }
        Self(own)
    }

    /// The key itself, to be wrapped.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The key of the header's code.
    pub(crate) fn header_key(&self) -> Result<hmac::Key, Error> {
        Ok(hmac::Key::new(hmac::HMAC_SHA256, self.derive(&[], b"header")?.as_slice()))
    }

    /// What encrypts the segments.
    pub(crate) fn segment_key(&self, cipher: Cipher, prefix: [u8; NONCE_PREFIX]) -> Result<SegmentKey, Error> {
        let algorithm = match cipher {
            Cipher::AesGcm => &AES_256_GCM,
            Cipher::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(algorithm, self.derive(&prefix, b"payload")?.as_slice());
        Ok(SegmentKey { key: LessSafeKey::new(key.map_err(|_| Error::Library)?), prefix })
    }

    fn derive(&self, salt: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; FILE_KEY]>, Error> {
        let mut out = Zeroizing::new([0; FILE_KEY]);
        let extracted = Salt::new(HKDF_SHA256, salt).extract(self.bytes());
        let infos = [info];
        let expanded = extracted.expand(&infos, Length).map_err(|_| Error::Library)?;
        expanded.fill(out.as_mut_slice()).map_err(|_| Error::Library)?;
        Ok(out)
    }
}

/// The length of a derived key, as the library asks for it.
struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        FILE_KEY
    }
}

/// What encrypts and decrypts the segments of one document.
pub(crate) struct SegmentKey {
    pub(crate) key: LessSafeKey,
    prefix: [u8; NONCE_PREFIX],
}

impl SegmentKey {
    /// The nonce of a segment: no two of a document are the same, and the last is unlike all others.
    pub(crate) fn nonce(&self, number: u32, last: bool) -> Nonce {
        let [a, b, c, d] = number.to_be_bytes();
        let [p, q, r, s, t, u, v] = self.prefix;
        let nonce: [u8; NONCE_LEN] = [p, q, r, s, t, u, v, a, b, c, d, u8::from(last)];
        Nonce::assume_unique_for_key(nonce)
    }
}

//! Reads the header of a document, and proves that it belongs to a file key. Called by the cryptography block.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

use crate::manifest::Manifest;
use crate::open::Opener;
use crate::{Error, FileKey, KeyAlgorithm};

/// First line of every document.
const SCHEME: &[u8] = b"dapr.io/enc/v1";

/// The longest header there may be, in bytes, its last line end included.
pub const MAX_HEADER: usize = 64 * 1024;

/// Waits for the end of a header.
#[derive(Default)]
pub struct HeaderReader {
    waiting: BytesMut,
    /// Where the lines that were found end.
    ends: Vec<usize>,
    searched: usize,
}

/// A document whose header was read, and is not yet believed.
#[derive(Debug)]
pub struct Sealed {
    manifest: Manifest,
    signed: Vec<u8>,
    code: Vec<u8>,
    /// What came behind the header.
    rest: Bytes,
}

/// The part of a header that its code covers.
pub(crate) fn signed_part(manifest: &[u8]) -> Vec<u8> {
    let mut signed = Vec::with_capacity(SCHEME.len() + manifest.len() + 2);
    signed.extend_from_slice(SCHEME);
    signed.push(b'\n');
    signed.extend_from_slice(manifest);
    signed.push(b'\n');
    signed
}

impl HeaderReader {
    /// Waits for a header.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes more of the document; the document once its header is whole.
    ///
    /// # Errors
    /// `Header`.
    pub fn push(&mut self, piece: &Bytes) -> Result<Option<Sealed>, Error> {
        self.waiting.extend_from_slice(piece);
        let searched = std::mem::replace(&mut self.searched, self.waiting.len().min(MAX_HEADER));
        let fresh = self.waiting.get(searched..self.searched).unwrap_or_default();
        let found: Vec<usize> =
            fresh.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        for at in found {
            self.line(searched + at)?;
            if let [scheme, manifest, code] = *self.ends.as_slice() {
                return self.document(scheme, manifest, code).map(Some);
            }
        }
        if self.searched == MAX_HEADER { Err(self.missing()) } else { Ok(None) }
    }

    /// What is missing, where the document ends before its header does.
    pub fn missing(&self) -> Error {
        Error::Header(match self.ends.len() {
            0 => "scheme name not found",
            1 => "manifest not found",
            _ => "message authentication code not found",
        })
    }

    fn line(&mut self, end: usize) -> Result<(), Error> {
        let start = self.ends.last().map_or(0, |end| end + 1);
        if start == end {
            return Err(Error::Header("invalid format"));
        }
        if self.ends.is_empty() && self.waiting.get(..end) != Some(SCHEME) {
            return Err(Error::Header("unsupported scheme"));
        }
        self.ends.push(end);
        Ok(())
    }

    fn document(&mut self, scheme: usize, manifest: usize, code: usize) -> Result<Sealed, Error> {
        let bytes = std::mem::take(&mut self.waiting).freeze();
        let line = bytes.slice(scheme + 1..manifest);
        Ok(Sealed {
            manifest: Manifest::read(&line)?,
            signed: signed_part(&line),
            code: bytes.slice(manifest + 1..code).to_vec(),
            rest: bytes.slice(code + 1..),
        })
    }
}

impl Sealed {
    /// Name of the key that opens the document: the one the caller gives, or the one in the header.
    ///
    /// # Errors
    /// `KeyNameMissing`.
    pub fn key_name<'a>(&'a self, given: &'a str) -> Result<&'a str, Error> {
        let name = if given.is_empty() { self.manifest.key_name.as_str() } else { given };
        if name.is_empty() { Err(Error::KeyNameMissing) } else { Ok(name) }
    }

    /// How the file key is wrapped.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.manifest.algorithm
    }

    /// The wrapped file key.
    pub fn wrapped_key(&self) -> &[u8] {
        &self.manifest.wrapped_key
    }

    /// What decrypts the document, if the file key is the right one. What was read behind the header is pushed already.
    ///
    /// # Errors
    /// `Header`, `Signature`, `Library`.
    pub fn open(self, key: &FileKey) -> Result<Opener, Error> {
        let code = STANDARD.decode(&self.code).map_err(|_| Error::Signature)?;
        hmac::verify(&key.header_key()?, &self.signed, &code).map_err(|_| Error::Signature)?;
        let mut opener = Opener::new(key.segment_key(self.manifest.cipher, self.manifest.nonce_prefix)?);
        opener.push(&self.rest);
        Ok(opener)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = r#"{"k":"mykey","kw":1,"wfk":"d3JhcHBlZA==","cph":1,"np":"Y3J5cHRvIQ=="}"#;

    fn read(document: &[u8]) -> Result<Sealed, Error> {
        let mut reader = HeaderReader::new();
        match reader.push(&Bytes::copy_from_slice(document))? {
            Some(sealed) => Ok(sealed),
            None => Err(reader.missing()),
        }
    }

    fn fault(document: &[u8]) -> String {
        read(document).unwrap_err().to_string()
    }

    /// Texts and their order were recorded from the target.
    #[test]
    fn a_header_that_is_not_one_is_refused_as_the_target_does() {
        assert_eq!(fault(b""), "invalid header: scheme name not found");
        assert_eq!(fault(b"foo"), "invalid header: scheme name not found");
        assert_eq!(fault(b"\n"), "invalid header: invalid format");
        assert_eq!(fault(b"dapr.io/enc/v2\n\nx\n"), "invalid header: unsupported scheme");
        assert_eq!(fault(b"dapr.io/enc/v1\n"), "invalid header: manifest not found");
        assert_eq!(fault(b"dapr.io/enc/v1\n\nx\n"), "invalid header: invalid format");
        assert_eq!(fault(b"dapr.io/enc/v1\n{}\n"), "invalid header: message authentication code not found");
        assert_eq!(fault(b"dapr.io/enc/v1\n{}\n\n"), "invalid header: invalid format");
        assert_eq!(fault(b"dapr.io/enc/v1\n{}\nx\n"), "invalid header: invalid manifest");
    }

    #[test]
    fn a_header_without_an_end_is_refused_at_its_limit() {
        let endless = |length: usize| [b"dapr.io/enc/v1\n".to_vec(), vec![b'x'; length]].concat();
        let mut reader = HeaderReader::new();
        assert!(reader.push(&endless(MAX_HEADER - 16).into()).unwrap().is_none());
        let error = reader.push(&Bytes::from_static(b"x")).unwrap_err();
        assert_eq!(error.to_string(), "invalid header: manifest not found");
        assert_eq!(fault(&endless(10 * MAX_HEADER)), "invalid header: manifest not found");
    }

    #[test]
    fn a_header_is_read_however_it_is_cut() {
        let document = format!("dapr.io/enc/v1\n{LINE}\ncode\nrest\nmore");
        for size in 1..document.len() {
            let mut reader = HeaderReader::new();
            let mut pieces = document.as_bytes().chunks(size);
            let sealed = pieces.find_map(|piece| reader.push(&Bytes::copy_from_slice(piece)).unwrap()).unwrap();
            let rest: Vec<u8> = sealed.rest.iter().copied().chain(pieces.flatten().copied()).collect();
            assert_eq!((sealed.key_name(""), rest.as_slice()), (Ok("mykey"), b"rest\nmore".as_slice()));
        }
    }

    #[test]
    fn the_callers_key_name_counts_before_that_of_the_document() {
        let sealed = read(format!("dapr.io/enc/v1\n{LINE}\ncode\n").as_bytes()).unwrap();
        assert_eq!((sealed.key_name(""), sealed.key_name("other")), (Ok("mykey"), Ok("other")));
        let line = LINE.replace(r#""k":"mykey","#, "");
        let sealed = read(format!("dapr.io/enc/v1\n{line}\ncode\n").as_bytes()).unwrap();
        assert_eq!((sealed.key_name(""), sealed.key_name("other")), (Err(Error::KeyNameMissing), Ok("other")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            let _ = read(&[b"dapr.io/enc/v1\n".as_slice(), &bytes].concat());
            let _ = read(&[b"dapr.io/enc/v1\n", LINE.as_bytes(), b"\n", &bytes].concat());
        }
    }
}

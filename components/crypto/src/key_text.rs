//! Reads keys as the target reads them: JSON Web Keys, PEM, or the bytes of a symmetric key, also in base64. Called by
//! the providers, and for keys that are to be wrapped.

use std::fmt;

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::key::{Key, Material};
use crate::{json_key, pem_key};

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Pem,
    /// To be found out from the content.
    Any,
}

/// A key cannot be read. Its text quotes nothing of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) String);

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Reads one key.
pub(crate) fn read(content: &[u8], form: Form) -> Result<Key, Unreadable> {
    if content.is_empty() {
        return Err(Unreadable::new("key is empty"));
    }
    let symmetric_length = matches!(content.len(), 16 | 24 | 32);
    match form {
        Form::Json => json_key::read(content),
        Form::Pem => pem_key::read(content),
        Form::Any if content.starts_with(b"{") && !symmetric_length => json_key::read(content),
        Form::Any if content.starts_with(b"-----") && content.len() > 10 => pem_key::read(content),
        Form::Any => symmetric(content),
    }
}

fn symmetric(content: &[u8]) -> Result<Key, Unreadable> {
    let trimmed = content.strip_suffix_all(b"\n=");
    let decoded = [STANDARD, URL_SAFE].into_iter().find_map(|alphabet| lenient(trimmed, &alphabet));
    let bytes = decoded.unwrap_or_else(|| Zeroizing::new(content.to_vec()));
    if bytes.is_empty() {
        return Err(Unreadable::new("key is empty"));
    }
    Ok(Key::plain(Material::Symmetric(bytes)))
}

/// Decodes base64 without padding as the target's decoder does: line ends count for nothing, bits left over neither.
pub(crate) fn lenient(text: &[u8], alphabet: &Alphabet) -> Option<Zeroizing<Vec<u8>>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    let letters: Zeroizing<Vec<u8>> =
        Zeroizing::new(text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect());
    GeneralPurpose::new(alphabet, config).decode(letters.as_slice()).ok().map(Zeroizing::new)
}

trait Trim {
    fn strip_suffix_all(&self, letters: &[u8]) -> &[u8];
}

impl Trim for [u8] {
    fn strip_suffix_all(&self, letters: &[u8]) -> &[u8] {
        let end = self.iter().rposition(|byte| !letters.contains(byte)).map_or(0, |last| last + 1);
        self.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &[u8]) -> Vec<u8> {
        read(content, Form::Any).unwrap().symmetric().unwrap().to_vec()
    }

    #[test]
    fn a_symmetric_key_is_read_raw_or_in_either_base64() {
        assert_eq!(bytes(&[1, 2, 3]), [1, 2, 3]);
        assert_eq!(bytes(b"//79AQ==\n"), [0xff, 0xfe, 0xfd, 1]);
        assert_eq!(bytes(b"__79AQ"), [0xff, 0xfe, 0xfd, 1]);
        assert_eq!(bytes(b"not base64!"), b"not base64!");
        assert_eq!(bytes(b"{23456789012345!"), b"{23456789012345!");
    }

    /// A surprise of the target: 32 letters that could be base64 are base64, and 24 bytes.
    #[test]
    fn letters_that_could_be_base64_are_base64() {
        assert_eq!(bytes(b"0123456789abcdef0123456789abcdef").len(), 24);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for content in [b"".as_slice(), b"\n", b"==", b"{\"kty\":1}", b"----- nothing -----"] {
            assert!(read(content, Form::Any).is_err(), "{content:?}");
        }
    }
}

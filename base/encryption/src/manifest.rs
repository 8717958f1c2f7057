//! The second line of a header: which key, how its file key is wrapped, which cipher. Written by `seal`, read by `header`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::file_key::NONCE_PREFIX;

/// How a file key may be wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// `A256KW`, also called `AES`.
    Aes256Kw,
    /// `A128CBC-NOPAD`.
    Aes128Cbc,
    /// `A192CBC-NOPAD`.
    Aes192Cbc,
    /// `A256CBC-NOPAD`.
    Aes256Cbc,
    /// `RSA-OAEP-256`, also called `RSA`.
    RsaOaep256,
}

impl KeyAlgorithm {
    const ALL: [Self; 5] = [Self::Aes256Kw, Self::Aes128Cbc, Self::Aes192Cbc, Self::Aes256Cbc, Self::RsaOaep256];

    /// The algorithm of a name or alias, in any case.
    ///
    /// # Errors
    /// `Algorithm` if the format has none of that name.
    pub fn named(name: &str) -> Result<Self, Error> {
        let name = name.to_uppercase();
        match name.as_str() {
            "AES" => Ok(Self::Aes256Kw),
            "RSA" => Ok(Self::RsaOaep256),
            _ => Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(Error::Algorithm(name)),
        }
    }

    /// The name that components know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Kw => "A256KW",
            Self::Aes128Cbc => "A128CBC-NOPAD",
            Self::Aes192Cbc => "A192CBC-NOPAD",
            Self::Aes256Cbc => "A256CBC-NOPAD",
            Self::RsaOaep256 => "RSA-OAEP-256",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Aes256Kw => 1,
            Self::Aes128Cbc => 2,
            Self::Aes192Cbc => 3,
            Self::Aes256Cbc => 4,
            Self::RsaOaep256 => 5,
        }
    }
}

/// How the segments of a document are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cipher {
    /// `AES-GCM`.
    #[default]
    AesGcm,
    /// `CHACHA20-POLY1305`.
    ChaCha20Poly1305,
}

impl Cipher {
    /// The cipher of a name, in any case; the usual one if the name is empty.
    ///
    /// # Errors
    /// `Cipher` if the format has none of that name.
    pub fn named(name: &str) -> Result<Self, Error> {
        match name.to_uppercase().as_str() {
            "" | "AES-GCM" => Ok(Self::AesGcm),
            "CHACHA20-POLY1305" => Ok(Self::ChaCha20Poly1305),
            other => Err(Error::Cipher(other.to_owned())),
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::AesGcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }
}

/// A manifest that makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Empty if the document does not name its key.
    pub(crate) key_name: String,
    pub(crate) algorithm: KeyAlgorithm,
    pub(crate) wrapped_key: Vec<u8>,
    pub(crate) cipher: Cipher,
    pub(crate) nonce_prefix: [u8; NONCE_PREFIX],
}

/// A manifest as it is written: the order of the fields is the target's.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(rename = "k", default, skip_serializing_if = "String::is_empty")]
    key_name: String,
    #[serde(rename = "kw")]
    algorithm: u8,
    #[serde(rename = "wfk")]
    wrapped_key: String,
    #[serde(rename = "cph")]
    cipher: u8,
    #[serde(rename = "np")]
    nonce_prefix: String,
}

impl Manifest {
    /// The line, without its end.
    pub(crate) fn write(&self) -> Result<String, Error> {
        let written = Written {
            key_name: self.key_name.clone(),
            algorithm: self.algorithm.number(),
            wrapped_key: STANDARD.encode(&self.wrapped_key),
            cipher: self.cipher.number(),
            nonce_prefix: STANDARD.encode(self.nonce_prefix),
        };
        let json = serde_json::to_string(&written).map_err(|_| Error::Library)?;
        Ok(without_markup(&json))
    }

    /// Reads a line. What exactly is wrong with it is nobody's business, as in the target.
    pub(crate) fn read(line: &[u8]) -> Result<Self, Error> {
        Self::parse(line).ok_or(Error::Header("invalid manifest"))
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(line).ok()?;
        let wrapped_key = STANDARD.decode(written.wrapped_key).ok().filter(|key| !key.is_empty())?;
        Some(Self {
            key_name: written.key_name,
            algorithm: KeyAlgorithm::ALL.into_iter().find(|known| known.number() == written.algorithm)?,
            wrapped_key,
            cipher: [Cipher::AesGcm, Cipher::ChaCha20Poly1305]
                .into_iter()
                .find(|known| known.number() == written.cipher)?,
            nonce_prefix: STANDARD.decode(written.nonce_prefix).ok()?.try_into().ok()?,
        })
    }
}

/// Escapes what HTML would read as markup, as the target's encoder does.
fn without_markup(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(key_name: &str) -> Manifest {
        Manifest {
            key_name: key_name.to_owned(),
            algorithm: KeyAlgorithm::Aes256Kw,
            wrapped_key: b"wrapped".to_vec(),
            cipher: Cipher::AesGcm,
            nonce_prefix: *b"crypto!",
        }
    }

    #[test]
    fn a_manifest_is_written_as_the_target_writes_it() {
        let line = r#"{"k":"mykey","kw":1,"wfk":"d3JhcHBlZA==","cph":1,"np":"Y3J5cHRvIQ=="}"#;
        assert_eq!(manifest("mykey").write().unwrap(), line);
        assert_eq!(manifest("").write().unwrap(), line.replace(r#""k":"mykey","#, ""));
        assert!(manifest("a\n<&>\u{2028}").write().unwrap().contains(r#""k":"a\n\u003c\u0026\u003e\u2028""#));
    }

    #[test]
    fn what_is_written_is_read() {
        for name in ["", "mykey", "a\n<&>\u{2028}\"", "key/version"] {
            assert_eq!(Manifest::read(manifest(name).write().unwrap().as_bytes()), Ok(manifest(name)));
        }
    }

    #[test]
    fn a_manifest_without_sense_is_refused_without_saying_why() {
        let whole = manifest("k").write().unwrap();
        for (from, to) in [
            (r#""kw":1"#, r#""kw":6"#),
            (r#""kw":1"#, r#""kw":"1""#),
            (r#""kw":1,"#, ""),
            (r#""cph":1"#, r#""cph":0"#),
            ("d3JhcHBlZA==", ""),
            ("d3JhcHBlZA==", "d3JhcHBlZA"),
            ("Y3J5cHRvIQ==", "Y3J5cHRv"),
            ("{", "["),
        ] {
            assert_ne!(whole.replace(from, to), whole);
            assert_eq!(Manifest::read(whole.replace(from, to).as_bytes()), Err(Error::Header("invalid manifest")));
        }
    }

    #[test]
    fn names_are_read_in_any_case_with_their_aliases() {
        assert_eq!(KeyAlgorithm::named("aes"), Ok(KeyAlgorithm::Aes256Kw));
        assert_eq!(KeyAlgorithm::named("Rsa"), Ok(KeyAlgorithm::RsaOaep256));
        for known in KeyAlgorithm::ALL {
            assert_eq!(KeyAlgorithm::named(&known.name().to_lowercase()), Ok(known));
        }
        assert_eq!(
            KeyAlgorithm::named("foo").unwrap_err().to_string(),
            "option Algorithm is not valid: algorithm FOO is not supported"
        );
        assert_eq!(Cipher::named(""), Ok(Cipher::AesGcm));
        assert_eq!(Cipher::named("chacha20-poly1305"), Ok(Cipher::ChaCha20Poly1305));
        assert_eq!(
            Cipher::named("x").unwrap_err().to_string(),
            "option Cipher is not valid: cipher X is not supported"
        );
    }
}

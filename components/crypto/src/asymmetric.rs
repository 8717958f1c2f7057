//! Encryption with RSA keys (RFC 7518 sections 4.2 and 4.3). Called by `algorithm`.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use zeroize::Zeroizing;

use crate::Fault;
use crate::key::{Key, Material, RsaKey};

/// An algorithm for RSA keys.
#[derive(Clone, Copy)]
pub(crate) enum Asymmetric {
    /// PKCS#1 v1.5.
    Pkcs1,
    Oaep(&'static OaepAlgorithm),
}

impl Asymmetric {
    /// The algorithm of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RSA1_5" => Self::Pkcs1,
            "RSA-OAEP" => Self::Oaep(&OAEP_SHA1_MGF1SHA1),
            "RSA-OAEP-256" => Self::Oaep(&OAEP_SHA256_MGF1SHA256),
            "RSA-OAEP-384" => Self::Oaep(&OAEP_SHA384_MGF1SHA384),
            "RSA-OAEP-512" => Self::Oaep(&OAEP_SHA512_MGF1SHA512),
            _ => return None,
        })
    }

    /// Encrypts with the public part of a key.
    pub(crate) fn encrypt(self, key: &Key, label: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
        rsa(key)?;
        let public = PublicEncryptingKey::from_der(&key.public_der()?).map_err(|_| Fault::KeyTypeMismatch)?;
        let mut out = vec![0; public.key_size_bytes()];
        let encrypted = match self {
            Self::Pkcs1 => Pkcs1PublicEncryptingKey::new(public)
                .and_then(|key| key.encrypt(plaintext, &mut out).map(|written| written.len())),
            Self::Oaep(algorithm) => OaepPublicEncryptingKey::new(public)
                .and_then(|key| key.encrypt(algorithm, plaintext, &mut out, some(label)).map(|written| written.len())),
        };
        let length = encrypted.map_err(|_| Fault::InvalidPlaintextLength)?;
        out.truncate(length);
        Ok(out)
    }

    /// Decrypts with a private key.
    pub(crate) fn decrypt(self, key: &Key, label: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let pair = rsa(key)?.private.as_ref().ok_or(Fault::KeyTypeMismatch)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| Fault::Failed)?;
        let private = PrivateDecryptingKey::from_pkcs8(der.as_ref()).map_err(|_| Fault::KeyTypeMismatch)?;
        let mut out = Zeroizing::new(vec![0; private.key_size_bytes()]);
        let decrypted = match self {
            Self::Pkcs1 => Pkcs1PrivateDecryptingKey::new(private)
                .and_then(|key| key.decrypt(ciphertext, &mut out).map(|written| written.len())),
            Self::Oaep(algorithm) => OaepPrivateDecryptingKey::new(private)
                .and_then(|key| key.decrypt(algorithm, ciphertext, &mut out, some(label)).map(|written| written.len())),
        };
        let length = decrypted.map_err(|_| Fault::Failed)?;
        out.truncate(length);
        Ok(out)
    }
}

fn rsa(key: &Key) -> Result<&RsaKey, Fault> {
    match &key.material {
        Material::Rsa(key) => Ok(key),
        _ => Err(Fault::KeyTypeMismatch),
    }
}

fn some(label: &[u8]) -> Option<&[u8]> {
    Some(label).filter(|label| !label.is_empty())
}

//! Symmetric algorithms (RFC 7518, 3394, 8439, and the target's extensions): which algorithm a name means, and doing it.
//! Called by `algorithm`.

use aes::{Aes128, Aes192, Aes256};
use aes_kw::AesKw;
use aes_kw::cipher::KeyInit as _;
use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, Algorithm as AeadAlgorithm, CHACHA20_POLY1305, LessSafeKey, Nonce,
    UnboundKey,
};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead as _, Payload};
use component::crypto::Encrypted;
use zeroize::Zeroizing;

use crate::cbc::{self, Width};
use crate::{Fault, cbc_hmac};

/// What has tags is tagged with this many bytes, but for CBC with HMAC.
const TAG: usize = 16;
const X_NONCE: usize = 24;

/// A symmetric algorithm.
#[derive(Clone, Copy)]
pub(crate) enum Symmetric {
    Cbc { width: Width, padded: bool },
    Gcm(&'static AeadAlgorithm),
    CbcHmac(Width),
    KeyWrap(Width),
    ChaCha,
    XChaCha,
}

/// What is beside the message.
#[derive(Clone, Copy)]
pub(crate) struct Beside<'a> {
    pub(crate) nonce: &'a [u8],
    pub(crate) associated_data: &'a [u8],
}

impl Symmetric {
    /// The algorithm of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        use Width::{W128, W192, W256};
        Some(match name {
            "A128CBC" => Self::Cbc { width: W128, padded: true },
            "A192CBC" => Self::Cbc { width: W192, padded: true },
            "A256CBC" => Self::Cbc { width: W256, padded: true },
            "A128CBC-NOPAD" => Self::Cbc { width: W128, padded: false },
            "A192CBC-NOPAD" => Self::Cbc { width: W192, padded: false },
            "A256CBC-NOPAD" => Self::Cbc { width: W256, padded: false },
            "A128GCM" | "A128GCMKW" => Self::Gcm(&AES_128_GCM),
            "A192GCM" | "A192GCMKW" => Self::Gcm(&AES_192_GCM),
            "A256GCM" | "A256GCMKW" => Self::Gcm(&AES_256_GCM),
            "A128CBC-HS256" => Self::CbcHmac(W128),
            "A192CBC-HS384" => Self::CbcHmac(W192),
            "A256CBC-HS512" => Self::CbcHmac(W256),
            "A128KW" => Self::KeyWrap(W128),
            "A192KW" => Self::KeyWrap(W192),
            "A256KW" => Self::KeyWrap(W256),
            "C20P" | "C20PKW" => Self::ChaCha,
            "XC20P" | "XC20PKW" => Self::XChaCha,
            _ => return None,
        })
    }

    /// Encrypts a message.
    pub(crate) fn encrypt(self, key: &[u8], beside: Beside<'_>, plaintext: &[u8]) -> Result<Encrypted, Fault> {
        match self {
            Self::Cbc { width, padded } => untagged(cbc::encrypt(width, padded, key, beside.nonce, plaintext)?),
            Self::CbcHmac(width) => cbc_hmac::encrypt(width, key, beside, plaintext),
            Self::KeyWrap(width) => untagged(wrap(width, key, plaintext)?),
            Self::Gcm(algorithm) => seal(algorithm, key, beside, plaintext),
            Self::ChaCha => seal(&CHACHA20_POLY1305, key, beside, plaintext),
            Self::XChaCha => {
                let (cipher, nonce) = (x_cipher(key)?, x_nonce(beside.nonce)?);
                let payload = Payload { msg: plaintext, aad: beside.associated_data };
                split(cipher.encrypt(&nonce.into(), payload).map_err(|_| Fault::Failed)?, TAG)
            }
        }
    }

    /// Decrypts a message.
    pub(crate) fn decrypt(
        self,
        key: &[u8],
        beside: Beside<'_>,
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        match self {
            Self::Cbc { width, padded } => cbc::decrypt(width, padded, key, beside.nonce, ciphertext),
            Self::CbcHmac(width) => cbc_hmac::decrypt(width, key, beside, ciphertext, tag),
            Self::KeyWrap(width) => unwrap(width, key, ciphertext),
            Self::Gcm(algorithm) => open(algorithm, key, beside, &tagged(ciphertext, tag)?),
            Self::ChaCha => open(&CHACHA20_POLY1305, key, beside, &tagged(ciphertext, tag)?),
            Self::XChaCha => {
                let (cipher, nonce) = (x_cipher(key)?, x_nonce(beside.nonce)?);
                let whole = tagged(ciphertext, tag)?;
                let payload = Payload { msg: whole.as_slice(), aad: beside.associated_data };
                cipher.decrypt(&nonce.into(), payload).map(Zeroizing::new).map_err(|_| Fault::Failed)
            }
        }
    }
}

fn untagged(ciphertext: Vec<u8>) -> Result<Encrypted, Fault> {
    Ok(Encrypted { ciphertext: ciphertext.into(), ..Encrypted::default() })
}

/// Takes the tag from the end of what was sealed.
pub(crate) fn split(mut sealed: Vec<u8>, tag: usize) -> Result<Encrypted, Fault> {
    let start = sealed.len().checked_sub(tag).ok_or(Fault::Failed)?;
    let tag = sealed.split_off(start);
    Ok(Encrypted { ciphertext: sealed.into(), tag: tag.into() })
}

fn tagged(ciphertext: &[u8], tag: &[u8]) -> Result<Vec<u8>, Fault> {
    if tag.len() == TAG { Ok([ciphertext, tag].concat()) } else { Err(Fault::InvalidTag) }
}

fn aead(algorithm: &'static AeadAlgorithm, key: &[u8]) -> Result<LessSafeKey, Fault> {
    UnboundKey::new(algorithm, key).map(LessSafeKey::new).map_err(|_| Fault::KeyTypeMismatch)
}

fn nonce(beside: Beside<'_>) -> Result<Nonce, Fault> {
    Nonce::try_assume_unique_for_key(beside.nonce).map_err(|_| Fault::InvalidNonce)
}

fn seal(
    algorithm: &'static AeadAlgorithm,
    key: &[u8],
    beside: Beside<'_>,
    plaintext: &[u8],
) -> Result<Encrypted, Fault> {
    let (key, nonce) = (aead(algorithm, key)?, nonce(beside)?);
    let mut out = plaintext.to_vec();
    let sealed = key.seal_in_place_append_tag(nonce, Aad::from(beside.associated_data), &mut out);
    sealed.map_err(|_| Fault::Failed)?;
    split(out, TAG)
}

fn open(
    algorithm: &'static AeadAlgorithm,
    key: &[u8],
    beside: Beside<'_>,
    whole: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let (key, nonce) = (aead(algorithm, key)?, nonce(beside)?);
    let mut out = Zeroizing::new(whole.to_vec());
    let opened = key.open_in_place(nonce, Aad::from(beside.associated_data), &mut out);
    let length = opened.map_err(|_| Fault::Failed)?.len();
    out.truncate(length);
    Ok(out)
}

fn x_cipher(key: &[u8]) -> Result<XChaCha20Poly1305, Fault> {
    XChaCha20Poly1305::new_from_slice(key).map_err(|_| Fault::KeyTypeMismatch)
}

fn x_nonce(nonce: &[u8]) -> Result<[u8; X_NONCE], Fault> {
    nonce.try_into().map_err(|_| Fault::InvalidNonce)
}

fn wrap(width: Width, key: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
    if plaintext.is_empty() || !plaintext.len().is_multiple_of(aes_kw::IV_LEN) {
        return Err(Fault::InvalidPlaintextLength);
    }
    let mut out = vec![0; plaintext.len() + aes_kw::IV_LEN];
    let wrapped = match width {
        Width::W128 => wrapping::<Aes128>(key)?.wrap_key(plaintext, &mut out).map(<[u8]>::len),
        Width::W192 => wrapping::<Aes192>(key)?.wrap_key(plaintext, &mut out).map(<[u8]>::len),
        Width::W256 => wrapping::<Aes256>(key)?.wrap_key(plaintext, &mut out).map(<[u8]>::len),
    };
    wrapped.map_err(|_| Fault::Failed)?;
    Ok(out)
}

fn unwrap(width: Width, key: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let length = ciphertext
        .len()
        .checked_sub(aes_kw::IV_LEN)
        .filter(|length| *length > 0 && length.is_multiple_of(aes_kw::IV_LEN));
    let mut out = Zeroizing::new(vec![0; length.ok_or(Fault::InvalidCiphertextLength)?]);
    let unwrapped = match width {
        Width::W128 => wrapping::<Aes128>(key)?.unwrap_key(ciphertext, &mut out).map(<[u8]>::len),
        Width::W192 => wrapping::<Aes192>(key)?.unwrap_key(ciphertext, &mut out).map(<[u8]>::len),
        Width::W256 => wrapping::<Aes256>(key)?.unwrap_key(ciphertext, &mut out).map(<[u8]>::len),
    };
    unwrapped.map_err(|_| Fault::Failed)?;
    Ok(out)
}

fn wrapping<C>(key: &[u8]) -> Result<AesKw<C>, Fault>
where
    AesKw<C>: aes_kw::KeyInit,
{
    AesKw::<C>::new_from_slice(key).map_err(|_| Fault::KeyTypeMismatch)
}

//! AES in CBC mode, with PKCS#7 padding or without. Called by `symmetric` and `cbc_hmac`. It proves nothing: whoever
//! calls it for a stranger must not tell one failure from another.

use aes::cipher::block_padding::{NoPadding, Pkcs7};
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use aes::{Aes128, Aes192, Aes256};
use cbc::{Decryptor, Encryptor};
use zeroize::Zeroizing;

use crate::Fault;

const BLOCK: usize = 16;

/// Length of an AES key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    W128,
    W192,
    W256,
}

impl Width {
    /// In bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::W128 => 16,
            Self::W192 => 24,
            Self::W256 => 32,
        }
    }
}

/// Encrypts; a message without padding must be of whole blocks.
pub(crate) fn encrypt(width: Width, padded: bool, key: &[u8], iv: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
    check(width, key, iv)?;
    if !padded && !plaintext.len().is_multiple_of(BLOCK) {
        return Err(Fault::InvalidPlaintextLength);
    }
    macro_rules! with {
        ($cipher:ty) => {{
            let cipher = Encryptor::<$cipher>::new_from_slices(key, iv).map_err(|_| Fault::KeyTypeMismatch)?;
            match padded {
                true => cipher.encrypt_padded_vec::<Pkcs7>(plaintext),
                false => cipher.encrypt_padded_vec::<NoPadding>(plaintext),
            }
        }};
    }
    Ok(match width {
        Width::W128 => with!(Aes128),
        Width::W192 => with!(Aes192),
        Width::W256 => with!(Aes256),
    })
}

/// Decrypts.
pub(crate) fn decrypt(
    width: Width,
    padded: bool,
    key: &[u8],
    iv: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    check(width, key, iv)?;
    if !ciphertext.len().is_multiple_of(BLOCK) {
        return Err(Fault::InvalidCiphertextLength);
    }
    macro_rules! with {
        ($cipher:ty) => {{
            let cipher = Decryptor::<$cipher>::new_from_slices(key, iv).map_err(|_| Fault::KeyTypeMismatch)?;
            match padded {
                true => cipher.decrypt_padded_vec::<Pkcs7>(ciphertext),
                false => cipher.decrypt_padded_vec::<NoPadding>(ciphertext),
            }
        }};
    }
    let plaintext = match width {
        Width::W128 => with!(Aes128),
        Width::W192 => with!(Aes192),
        Width::W256 => with!(Aes256),
    };
    plaintext.map(Zeroizing::new).map_err(|_| Fault::Failed)
}

fn check(width: Width, key: &[u8], iv: &[u8]) -> Result<(), Fault> {
    match (key.len() == width.bytes(), iv.len() == BLOCK) {
        (false, _) => Err(Fault::KeyTypeMismatch),
        (true, false) => Err(Fault::InvalidNonce),
        (true, true) => Ok(()),
    }
}

//! AES-CBC with HMAC-SHA2 (RFC 7518 section 5.2). Called by `symmetric`.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use component::crypto::Encrypted;
use zeroize::Zeroizing;

use crate::Fault;
use crate::cbc::{self, Width};
use crate::symmetric::Beside;

/// Encrypts and proves. The first half of the key proves, the second encrypts.
pub(crate) fn encrypt(width: Width, key: &[u8], beside: Beside<'_>, plaintext: &[u8]) -> Result<Encrypted, Fault> {
    let (proving, encrypting) = halves(width, key)?;
    let ciphertext = cbc::encrypt(width, true, encrypting, beside.nonce, plaintext)?;
    let tag = tag(width, proving, beside, &ciphertext);
    Ok(Encrypted { ciphertext: ciphertext.into(), tag: tag.into() })
}

/// Decrypts what is proven.
pub(crate) fn decrypt(
    width: Width,
    key: &[u8],
    beside: Beside<'_>,
    ciphertext: &[u8],
    given: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let (proving, encrypting) = halves(width, key)?;
    if given.len() != width.bytes() {
        return Err(Fault::InvalidTag);
    }
    verify_slices_are_equal(&tag(width, proving, beside, ciphertext), given).map_err(|_| Fault::Failed)?;
    cbc::decrypt(width, true, encrypting, beside.nonce, ciphertext)
}

fn halves(width: Width, key: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let halves = key.split_at_checked(width.bytes()).filter(|(_, second)| second.len() == width.bytes());
    halves.ok_or(Fault::KeyTypeMismatch)
}

fn tag(width: Width, key: &[u8], beside: Beside<'_>, ciphertext: &[u8]) -> Vec<u8> {
    let algorithm = match width {
        Width::W128 => hmac::HMAC_SHA256,
        Width::W192 => hmac::HMAC_SHA384,
        Width::W256 => hmac::HMAC_SHA512,
    };
    let bits = u64::try_from(beside.associated_data.len()).unwrap_or(u64::MAX).wrapping_mul(8);
    let mut running = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    for part in [beside.associated_data, beside.nonce, ciphertext, &bits.to_be_bytes()] {
        running.update(part);
    }
    running.sign().as_ref().iter().copied().take(width.bytes()).collect()
}

//! Encrypts, decrypts, signs and verifies with a key and the name of an algorithm. Called by `local_keys`.

use component::crypto::Encrypted;
use zeroize::Zeroizing;

use crate::Fault;
use crate::asymmetric::Asymmetric;
use crate::key::Key;
use crate::signature::Signing;
use crate::symmetric::{Beside, Symmetric};

/// Encrypts. Asymmetric algorithms use the associated data as their label, if they have one.
pub(crate) fn encrypt(key: &Key, algorithm: &str, beside: Beside<'_>, plaintext: &[u8]) -> Result<Encrypted, Fault> {
    if let Some(symmetric) = Symmetric::named(algorithm) {
        return symmetric.encrypt(key.symmetric()?, beside, plaintext);
    }
    let asymmetric = Asymmetric::named(algorithm).ok_or(Fault::UnsupportedAlgorithm)?;
    let ciphertext = asymmetric.encrypt(key, beside.associated_data, plaintext)?;
    Ok(Encrypted { ciphertext: ciphertext.into(), ..Encrypted::default() })
}

/// Decrypts.
pub(crate) fn decrypt(
    key: &Key,
    algorithm: &str,
    beside: Beside<'_>,
    ciphertext: &[u8],
    tag: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    if let Some(symmetric) = Symmetric::named(algorithm) {
        return symmetric.decrypt(key.symmetric()?, beside, ciphertext, tag);
    }
    let asymmetric = Asymmetric::named(algorithm).ok_or(Fault::UnsupportedAlgorithm)?;
    asymmetric.decrypt(key, beside.associated_data, ciphertext)
}

/// Signs a digest, with EdDSA a message.
pub(crate) fn sign(key: &Key, algorithm: &str, digest: &[u8]) -> Result<Vec<u8>, Fault> {
    Signing::named(algorithm).ok_or(Fault::UnsupportedAlgorithm)?.sign(key, digest)
}

/// Whether a signature is that of a digest, with EdDSA of a message.
pub(crate) fn verify(key: &Key, algorithm: &str, digest: &[u8], signature: &[u8]) -> Result<bool, Fault> {
    Signing::named(algorithm).ok_or(Fault::UnsupportedAlgorithm)?.verify(key, digest, signature)
}

//! Why an algorithm cannot do what it is asked. The texts are those of the target. The block shows them to nobody but
//! the log where they could help an attacker.

use std::fmt;

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    UnsupportedAlgorithm,
    KeyTypeMismatch,
    InvalidNonce,
    InvalidTag,
    InvalidPlaintextLength,
    InvalidCiphertextLength,
    /// A digest whose length is not that of the algorithm's hash.
    InvalidDigestLength,
    /// What was to be decrypted is not what was encrypted with this key, or the library failed.
    Failed,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UnsupportedAlgorithm => "unsupported algorithm",
            Self::KeyTypeMismatch => "key type mismatch",
            Self::InvalidNonce => "invalid nonce",
            Self::InvalidTag => "invalid tag",
            Self::InvalidPlaintextLength => "invalid plaintext length",
            Self::InvalidCiphertextLength => "invalid ciphertext length",
            Self::InvalidDigestLength => "the digest has not the length of the algorithm's hash",
            Self::Failed => "the operation failed",
        })
    }
}

impl std::error::Error for Fault {}

//! Why a document cannot be sealed or opened. Made by every file of this crate; the texts are those of the target.

use std::fmt;

/// What is wrong with a document, or with how it was to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The algorithm that was to wrap the file key is not one of the format.
    Algorithm(String),
    /// The cipher that was to be used is not one of the format.
    Cipher(String),
    /// Name and wrapped key are so long that the header would not be read again.
    HeaderTooLong,
    /// The document does not begin like one, or its header is longer than [`crate::MAX_HEADER`].
    Header(&'static str),
    /// Neither the document nor the caller names the key.
    KeyNameMissing,
    /// The header's code is not that of the file key. A key that cannot be had looks the same on purpose.
    Signature,
    /// A segment was changed, cut, moved or repeated.
    Segment(u32),
    /// There are more segments than the format can number.
    TooLarge,
    /// The cryptographic library failed.
    Library,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algorithm(name) => {
                write!(formatter, "option Algorithm is not valid: algorithm {name} is not supported")
            }
            Self::Cipher(name) => write!(formatter, "option Cipher is not valid: cipher {name} is not supported"),
            Self::HeaderTooLong => formatter.write_str("failed to sign header: header is too long"),
            Self::Header(fault) => write!(formatter, "invalid header: {fault}"),
            Self::KeyNameMissing => {
                formatter.write_str("document's manifest does not contain a key name, and no key name was provided")
            }
            Self::Signature => formatter.write_str("failed to validate the document's signature"),
            Self::Segment(number) => {
                write!(formatter, "error processing segment {number}: failed to decrypt segment")
            }
            Self::TooLarge => formatter.write_str("input stream is too large"),
            Self::Library => formatter.write_str("the cryptographic library failed"),
        }
    }
}

impl std::error::Error for Error {}

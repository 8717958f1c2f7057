//! The format of encrypted streams (`dapr.io/enc/v1`), byte-compatible with the target in both directions: sealing and
//! opening documents piece by piece. Pure: bytes in, bytes out.
//!
//! What the format cannot tell: a document from which every segment is cut off, its header left, is a valid empty one.

mod error;
mod file_key;
mod header;
mod manifest;
mod open;
mod seal;
mod segments;

pub use error::Error;
pub use file_key::FileKey;
pub use header::{HeaderReader, MAX_HEADER, Sealed};
pub use manifest::{Cipher, KeyAlgorithm};
pub use open::Opener;
pub use seal::{Sealer, seal};

#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod tests;

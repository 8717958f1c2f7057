//! What the cryptography API means, whatever door it comes through. Called by `front`; it knows no status codes.
//!
//! Encrypting and decrypting work on streams of any length, a segment at a time (`document`); the subtle API on short
//! messages (`subtle`). No key and no plaintext reaches a log or an error.

mod document;
mod subtle;

use std::fmt;

use component::crypto::{CryptoProvider, KeyToWrap, Using};
use component::{CallContext, Family};
use encryption::{Cipher, FileKey, HeaderReader, KeyAlgorithm};
use loaded::{LoadedComponents, Pinned};
use telemetry::metrics::Operations;

pub use component::crypto::{Encrypted, KeyFormat};
pub use document::{Document, Input, InputFault};
pub use subtle::Subtle;

use document::Work;

/// The feature of a Configuration that turns the subtle API on. The target's builds that have it say so by this name.
pub const SUBTLE_FEATURE: &str = "_SubtleCrypto";

/// What every operation with a key is counted as.
const OPERATION: &str = "crypto_op";

/// The cryptography API of one app.
#[derive(Clone)]
pub struct Crypto {
    components: LoadedComponents,
    subtle: bool,
    counts: Operations,
}

/// A provider of cryptography, for one request.
pub struct Provider {
    pinned: Pinned<dyn CryptoProvider>,
    name: String,
    counts: Operations,
}

/// How a document is to be encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encrypt {
    /// Name of the key that wraps the file key.
    pub key: String,
    /// How the file key is wrapped, in any case.
    pub algorithm: String,
    /// How the segments are encrypted, in any case; empty for the usual way.
    pub cipher: String,
    /// Whether the document names no key.
    pub omit_decryption_key: bool,
    /// The key that the document names in place of `key`, if not empty.
    pub decryption_key: String,
}

/// Why a request of the cryptography API failed. Its text is the message the target answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There is no provider at all.
    NotConfigured,
    /// The request names no provider.
    NameEmpty,
    /// There is no provider of this name.
    NotFound {
        /// The provider asked for.
        provider: String,
    },
    /// The subtle API is not turned on.
    SubtleOff,
    /// The operation failed before anything was answered.
    Operation {
        /// Why.
        message: String,
    },
    /// A document broke off, or was found wrong, on the way.
    Document {
        /// Why.
        message: String,
    },
    /// A public key cannot be had.
    PublicKey {
        /// Name of the key.
        key: String,
        /// Why.
        message: String,
    },
}

impl Crypto {
    /// The cryptography API over `components`; with the subtle API or without.
    pub fn new(components: LoadedComponents, subtle: bool) -> Self {
        Self { components, subtle, counts: Operations::default() }
    }

    /// Counts what providers are asked.
    #[must_use]
    pub fn counted(self, counts: Operations) -> Self {
        Self { counts, ..self }
    }

    /// The provider of a name.
    ///
    /// # Errors
    /// `NotConfigured`, `NameEmpty`, `NotFound`.
    pub fn provider(&self, name: &str) -> Result<Provider, Error> {
        let found = self.components.crypto_provider(name).and_then(|provider| provider.pin().ok());
        match found {
            Some(pinned) => Ok(Provider { pinned, name: name.to_owned(), counts: self.counts.clone() }),
            None if !self.components.has_any(Family::Crypto) => Err(Error::NotConfigured),
            None if name.is_empty() => Err(Error::NameEmpty),
            None => Err(Error::NotFound { provider: name.to_owned() }),
        }
    }
}

impl Provider {
    /// Starts to encrypt a document.
    ///
    /// # Errors
    /// `Operation`.
    pub async fn encrypt(
        &self,
        context: &CallContext,
        wanted: &Encrypt,
        input: Box<dyn Input>,
    ) -> Result<Document, Error> {
        let algorithm = KeyAlgorithm::named(&wanted.algorithm)?;
        let cipher = Cipher::named(&wanted.cipher)?;
        let key = FileKey::random()?;
        let using = using(&wanted.key, algorithm);
        let wrapping = |provider| wrap(provider, context, using, &key);
        let wrapped = self
            .counts
            .watch(&self.name, OPERATION, self.pinned.call(context, "wrap key", wrapping))
            .await
            .map_err(|error| Error::Operation { message: format!("failed to wrap the file key: {error}") })?;
        let key_name = match (wanted.omit_decryption_key, wanted.decryption_key.as_str()) {
            (true, _) => "",
            (false, "") => &wanted.key,
            (false, other) => other,
        };
        let (header, sealer) = encryption::seal(&key, algorithm, wrapped.ciphertext.to_vec(), cipher, key_name)?;
        Ok(Document::new(input, Some(header), Work::Seal(sealer)))
    }

    /// Starts to decrypt a document: reads its header and proves it. `key` is used in place of the key that the document
    /// names, if not empty.
    ///
    /// # Errors
    /// `Operation`. A key that cannot be had looks like one that does not fit, as in the target.
    pub async fn decrypt(
        &self,
        context: &CallContext,
        key: &str,
        mut input: Box<dyn Input>,
    ) -> Result<Document, Error> {
        let mut reader = HeaderReader::new();
        let sealed = loop {
            let piece = match input.next().await {
                Some(piece) => piece.map_err(|fault| Error::Operation { message: fault.to_string() })?,
                None => return Err(reader.missing().into()),
            };
            if let Some(sealed) = reader.push(&piece)? {
                break sealed;
            }
        };
        let using = using(sealed.key_name(key)?, sealed.algorithm());
        let unwrapping = |provider| unwrap(provider, context, using, sealed.wrapped_key());
        let unwrapped = self.pinned.call(context, "unwrap key", unwrapping);
        let file_key = match self.counts.watch(&self.name, OPERATION, unwrapped).await {
            Ok(bytes) => FileKey::unwrapped(&bytes),
            Err(error) => {
                tracing::debug!(target: "dapr.runtime", "failed to unwrap the file key: {error}");
                FileKey::unwrapped(&[])
            }
        };
        let opener = sealed.open(&file_key)?;
        Ok(Document::new(input, None, Work::Open(opener)))
    }
}

fn using(key: &str, algorithm: KeyAlgorithm) -> Using<'_> {
    Using { key, algorithm: algorithm.name(), nonce: &[], associated_data: &[] }
}

async fn wrap(
    provider: &dyn CryptoProvider,
    context: &CallContext,
    using: Using<'_>,
    key: &FileKey,
) -> Result<Encrypted, component::Error> {
    provider.wrap_key(context, using, KeyToWrap::Raw(key.bytes())).await
}

async fn unwrap(
    provider: &dyn CryptoProvider,
    context: &CallContext,
    using: Using<'_>,
    wrapped: &[u8],
) -> Result<bytes::Bytes, component::Error> {
    provider.unwrap_key(context, using, wrapped, &[]).await
}

impl From<encryption::Error> for Error {
    fn from(error: encryption::Error) -> Self {
        Self::Operation { message: error.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => formatter.write_str("crypto providers not configured"),
            Self::NameEmpty => formatter.write_str("missing component name"),
            Self::NotFound { provider } => write!(formatter, "crypto provider {provider} not found"),
            Self::SubtleOff => formatter.write_str("this API is currently not implemented"),
            Self::Operation { message } => write!(formatter, "failed to perform operation: {message}"),
            Self::Document { message } => formatter.write_str(message),
            Self::PublicKey { key, message } => write!(formatter, "failed to retrieve key {key}: {message}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;

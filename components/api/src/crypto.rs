//! What a provider of cryptography offers. Implemented by backends, called through `loaded` by the cryptography block.
//!
//! Algorithms go by their names of RFC 7518 (JWA) and its extensions, such as `A256KW` or `RSA-OAEP-256`. Keys go by
//! their name in the provider, which may be `name/version`. No key may reach an error or a log line.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Backend, CallContext, Error};

/// How a public key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// PKIX in PEM.
    Pem,
    /// A JSON Web Key.
    Json,
}

/// What an operation is done with.
#[derive(Debug, Clone, Copy)]
pub struct Using<'a> {
    /// Name of the key in the provider.
    pub key: &'a str,
    /// Name of the algorithm.
    pub algorithm: &'a str,
    /// Nonce or initialization vector; empty if there is none. Asymmetric algorithms ignore it.
    pub nonce: &'a [u8],
    /// What is authenticated besides; the label of RSA-OAEP. Empty if there is none.
    pub associated_data: &'a [u8],
}

/// A key that is to be wrapped.
#[derive(Clone, Copy)]
pub enum KeyToWrap<'a> {
    /// The bytes of a symmetric key.
    Raw(&'a [u8]),
    /// A key as somebody wrote it: JSON Web Key, PEM, or the bytes of a symmetric key, also in base64.
    Written(&'a [u8]),
}

/// What was encrypted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Encrypted {
    /// The ciphertext, or the wrapped key.
    pub ciphertext: Bytes,
    /// What proves it; empty where the algorithm has no such thing.
    pub tag: Bytes,
}

/// A holder of keys that works with them.
#[async_trait]
pub trait CryptoProvider: Backend {
    /// The public part of an asymmetric key. A symmetric one is `NotFound`.
    async fn public_key(&self, context: &CallContext, key: &str, format: KeyFormat) -> Result<String, Error>;

    /// Encrypts a short message.
    async fn encrypt(&self, context: &CallContext, using: Using<'_>, plaintext: &[u8]) -> Result<Encrypted, Error>;

    /// Decrypts a short message; `tag` is empty where the algorithm has none.
    async fn decrypt(
        &self,
        context: &CallContext,
        using: Using<'_>,
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Bytes, Error>;

    /// Encrypts a key. One that cannot be read is `InvalidArgument`.
    async fn wrap_key(&self, context: &CallContext, using: Using<'_>, key: KeyToWrap<'_>) -> Result<Encrypted, Error>;

    /// Decrypts a key: the bytes of a symmetric one, DER of any other.
    async fn unwrap_key(
        &self,
        context: &CallContext,
        using: Using<'_>,
        wrapped_key: &[u8],
        tag: &[u8],
    ) -> Result<Bytes, Error>;

    /// Signs a digest, with `EdDSA` the message itself.
    async fn sign(&self, context: &CallContext, using: Using<'_>, digest: &[u8]) -> Result<Bytes, Error>;

    /// Whether a signature is that of a digest, with `EdDSA` of the message itself.
    async fn verify(
        &self,
        context: &CallContext,
        using: Using<'_>,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, Error>;
}

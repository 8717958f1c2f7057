//! The subtle API: single operations on short messages. Called by `front`. What exactly went wrong is told to the log
//! only, as in the target: it could help an attacker.

use bytes::Bytes;
use component::CallContext;
use component::crypto::{Encrypted, KeyFormat, KeyToWrap, Using};

use super::{Crypto, Error, Provider};

/// What a subtle operation is done with, as the caller says it.
#[derive(Debug, Clone, Copy)]
pub struct Subtle<'a> {
    /// Name of the key.
    pub key: &'a str,
    /// Name of the algorithm.
    pub algorithm: &'a str,
    /// Nonce or initialization vector.
    pub nonce: &'a [u8],
    /// What is authenticated besides.
    pub associated_data: &'a [u8],
}

impl<'a> Subtle<'a> {
    fn using(self) -> Using<'a> {
        let Self { key, algorithm, nonce, associated_data } = self;
        Using { key, algorithm, nonce, associated_data }
    }
}

impl Crypto {
    /// The provider of a name, if the subtle API is turned on.
    ///
    /// # Errors
    /// `SubtleOff`, and those of [`Crypto::provider`].
    pub fn subtle(&self, name: &str) -> Result<Provider, Error> {
        if self.subtle { self.provider(name) } else { Err(Error::SubtleOff) }
    }
}

/// A failure of which the caller learns nothing but what failed.
fn withheld(what: &'static str) -> impl Fn(component::Error) -> Error {
    move |error| {
        tracing::debug!(target: "dapr.runtime", "failed to perform operation: {error}");
        Error::Operation { message: what.to_owned() }
    }
}

impl Provider {
    /// The public part of an asymmetric key.
    ///
    /// # Errors
    /// `PublicKey`.
    pub async fn public_key(&self, context: &CallContext, key: &str, format: KeyFormat) -> Result<String, Error> {
        let got = self.pinned.call(context, "get key", |backend| backend.public_key(context, key, format));
        let got = self.counts.watch(&self.name, "get", got).await;
        got.map_err(|error: component::Error| Error::PublicKey { key: key.to_owned(), message: error.to_string() })
    }

    /// Encrypts a short message.
    ///
    /// # Errors
    /// `Operation`.
    pub async fn subtle_encrypt(
        &self,
        context: &CallContext,
        subtle: Subtle<'_>,
        plaintext: &[u8],
    ) -> Result<Encrypted, Error> {
        let using = subtle.using();
        let made = self.pinned.call(context, "encrypt", |backend| backend.encrypt(context, using, plaintext));
        let made = self.counts.watch(&self.name, super::OPERATION, made).await;
        made.map_err(withheld("failed to encrypt"))
    }

    /// Decrypts a short message.
    ///
    /// # Errors
    /// `Operation`.
    pub async fn subtle_decrypt(
        &self,
        context: &CallContext,
        subtle: Subtle<'_>,
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Bytes, Error> {
        let using = subtle.using();
        let work = |backend| decrypt(backend, context, using, (ciphertext, tag));
        let done = self.pinned.call(context, "decrypt", work);
        self.counts.watch(&self.name, super::OPERATION, done).await.map_err(withheld("failed to decrypt"))
    }

    /// Wraps a key, written in any way that keys are.
    ///
    /// # Errors
    /// `Operation`.
    pub async fn subtle_wrap(&self, context: &CallContext, subtle: Subtle<'_>, key: &[u8]) -> Result<Encrypted, Error> {
        let (using, key) = (subtle.using(), KeyToWrap::Written(key));
        let made = self.pinned.call(context, "wrap key", |backend| backend.wrap_key(context, using, key));
        let made = self.counts.watch(&self.name, super::OPERATION, made).await;
        made.map_err(withheld("failed to wrap key"))
    }

    /// Unwraps a key.
    ///
    /// # Errors
    /// `Operation`.
    pub async fn subtle_unwrap(
        &self,
        context: &CallContext,
        subtle: Subtle<'_>,
        wrapped_key: &[u8],
        tag: &[u8],
    ) -> Result<Bytes, Error> {
        let using = subtle.using();
        let work = |backend| unwrap(backend, context, using, (wrapped_key, tag));
        let done = self.pinned.call(context, "unwrap key", work);
        self.counts.watch(&self.name, super::OPERATION, done).await.map_err(withheld("failed to unwrap key"))
    }

    /// Signs a digest.
    ///
    /// # Errors
    /// `Operation`.
    pub async fn subtle_sign(&self, context: &CallContext, subtle: Subtle<'_>, digest: &[u8]) -> Result<Bytes, Error> {
        let using = subtle.using();
        let made = self.pinned.call(context, "sign", |backend| backend.sign(context, using, digest));
        let made = self.counts.watch(&self.name, super::OPERATION, made).await;
        made.map_err(withheld("failed to sign"))
    }

    /// Whether a signature is that of a digest.
    ///
    /// # Errors
    /// `Operation`.
    pub async fn subtle_verify(
        &self,
        context: &CallContext,
        subtle: Subtle<'_>,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, Error> {
        let using = subtle.using();
        let work = |backend| verify(backend, context, using, (digest, signature));
        let done = self.pinned.call(context, "verify", work);
        self.counts.watch(&self.name, super::OPERATION, done).await.map_err(withheld("failed to verify signature"))
    }
}

type Backend = dyn component::crypto::CryptoProvider;

async fn decrypt(
    backend: &Backend,
    context: &CallContext,
    using: Using<'_>,
    (ciphertext, tag): (&[u8], &[u8]),
) -> Result<Bytes, component::Error> {
    backend.decrypt(context, using, ciphertext, tag).await
}

async fn unwrap(
    backend: &Backend,
    context: &CallContext,
    using: Using<'_>,
    (wrapped_key, tag): (&[u8], &[u8]),
) -> Result<Bytes, component::Error> {
    backend.unwrap_key(context, using, wrapped_key, tag).await
}

async fn verify(
    backend: &Backend,
    context: &CallContext,
    using: Using<'_>,
    (digest, signature): (&[u8], &[u8]),
) -> Result<bool, component::Error> {
    backend.verify(context, using, digest, signature).await
}

//! A provider over any source of keys that the sidecar can hold itself. Used by both providers of this crate; texts and
//! the order of checks are those of the target.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use component::crypto::{CryptoProvider, Encrypted, KeyFormat, KeyToWrap, Using};
use component::{Backend, CallContext, Error, ErrorKind};
use zeroize::Zeroizing;

use crate::key::{Key, Material, Use};
use crate::key_text::{self, Form};
use crate::symmetric::Beside;
use crate::{Fault, algorithm, json_key};

/// Where keys come from.
#[async_trait]
pub(crate) trait KeySource: Send + Sync + 'static {
    /// The key of a name.
    async fn key(&self, name: &str) -> Result<Arc<Key>, Error>;

    /// Gives back what the source holds.
    fn close(&self) {}
}

/// Works with the keys of a source.
pub(crate) struct LocalKeys<S>(pub(crate) S);

/// What a key that is not there is called.
pub(crate) fn not_found() -> Error {
    Error::new(ErrorKind::NotFound, "key not found")
}

fn refused(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

fn faulty(what: &'static str) -> impl Fn(Fault) -> Error {
    move |fault| refused(format!("{what}: {fault}"))
}

fn beside<'a>(using: &Using<'a>) -> Beside<'a> {
    Beside { nonce: using.nonce, associated_data: using.associated_data }
}

impl<S: KeySource> LocalKeys<S> {
    /// The key, if it may be used so.
    async fn key_for(&self, operation: Use, using: &Using<'_>) -> Result<Arc<Key>, Error> {
        let what = match operation {
            Use::WrapKey | Use::UnwrapKey => "failed to retrieve the key encryption key",
            Use::Encrypt | Use::Decrypt | Use::Sign | Use::Verify => "failed to retrieve the key",
        };
        let key = self.0.key(using.key).await;
        let key = key.map_err(|error| Error::new(error.kind(), what).with_retry(error.retry()).caused_by(error))?;
        if !key.purpose.allows(operation) {
            return Err(refused(format!("key cannot perform the '{}' operation", operation.name())));
        }
        if !key.purpose.allows_algorithm(using.algorithm) {
            return Err(refused(format!("key cannot be used with algorithm '{}'", using.algorithm)));
        }
        Ok(key)
    }
}

#[async_trait]
impl<S: KeySource> Backend for LocalKeys<S> {
    async fn close(&self) -> Result<(), Error> {
        self.0.close();
        Ok(())
    }
}

#[async_trait]
impl<S: KeySource> CryptoProvider for LocalKeys<S> {
    async fn public_key(&self, _: &CallContext, key: &str, format: KeyFormat) -> Result<String, Error> {
        let key = self.0.key(key).await?;
        if matches!(key.material, Material::Symmetric(_)) {
            return Err(not_found());
        }
        match format {
            KeyFormat::Json => json_key::write_public(&key),
            KeyFormat::Pem => key.public_der().map(|der| {
                let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
                pem::encode_config(&pem::Pem::new("PUBLIC KEY", der), lines)
            }),
        }
        .map_err(faulty("failed to obtain public key"))
    }

    async fn encrypt(&self, _: &CallContext, using: Using<'_>, plaintext: &[u8]) -> Result<Encrypted, Error> {
        let key = self.key_for(Use::Encrypt, &using).await?;
        algorithm::encrypt(&key, using.algorithm, beside(&using), plaintext).map_err(faulty("failed to encrypt data"))
    }

    async fn decrypt(&self, _: &CallContext, using: Using<'_>, ciphertext: &[u8], tag: &[u8]) -> Result<Bytes, Error> {
        let key = self.key_for(Use::Decrypt, &using).await?;
        let plaintext = algorithm::decrypt(&key, using.algorithm, beside(&using), ciphertext, tag);
        plaintext.map(secret).map_err(faulty("failed to decrypt data"))
    }

    async fn wrap_key(&self, _: &CallContext, using: Using<'_>, key: KeyToWrap<'_>) -> Result<Encrypted, Error> {
        let plaintext = match key {
            KeyToWrap::Raw(bytes) => Zeroizing::new(bytes.to_vec()),
            KeyToWrap::Written(text) => key_text::read(text, Form::Any)
                .map_err(|error| refused(format!("failed to parse plaintext key: {error}")))?
                .serialized()
                .map_err(faulty("cannot serialize key"))?,
        };
        let key = self.key_for(Use::WrapKey, &using).await?;
        algorithm::encrypt(&key, using.algorithm, beside(&using), &plaintext).map_err(faulty("failed to encrypt data"))
    }

    async fn unwrap_key(
        &self,
        _: &CallContext,
        using: Using<'_>,
        wrapped_key: &[u8],
        tag: &[u8],
    ) -> Result<Bytes, Error> {
        let key = self.key_for(Use::UnwrapKey, &using).await?;
        let plaintext = algorithm::decrypt(&key, using.algorithm, beside(&using), wrapped_key, tag);
        plaintext.map(secret).map_err(faulty("failed to decrypt data"))
    }

    async fn sign(&self, _: &CallContext, using: Using<'_>, digest: &[u8]) -> Result<Bytes, Error> {
        let key = self.key_for(Use::Sign, &using).await?;
        let signature = algorithm::sign(&key, using.algorithm, digest);
        signature.map(Bytes::from).map_err(faulty("failed to sign message"))
    }

    async fn verify(&self, _: &CallContext, using: Using<'_>, digest: &[u8], signature: &[u8]) -> Result<bool, Error> {
        let key = self.key_for(Use::Verify, &using).await?;
        let verified = algorithm::verify(&key, using.algorithm, digest, signature);
        verified.map_err(faulty("failed to validate the signature"))
    }
}

/// Bytes that are wiped when the last holder lets go of them.
fn secret(plaintext: Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(plaintext)
}

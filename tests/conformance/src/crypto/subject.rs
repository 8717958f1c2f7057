//! One provider of cryptography in one check, and the algorithms with what they need.

use std::sync::Arc;

use component::crypto::{CryptoProvider, Encrypted, Using};
use component::{CallContext, Constructor, Error};

use super::CryptoProviders;
use crate::host::{construction_failed, registration};
use crate::{Apparatus, Backend, Ground};

/// Its length is a multiple of no block.
pub(super) const MESSAGE: &[u8] = b"Quel ramo del lago di Como";

/// Something done with a symmetric key: algorithm, key, length of the nonce, whether it proves what it encrypts.
pub(super) struct Symmetric(pub(super) &'static str, pub(super) &'static str, pub(super) usize, pub(super) bool);

/// Algorithms for messages.
pub(super) const CIPHERS: &[Symmetric] = &[
    Symmetric("A128CBC", "symmetric-128", 16, false),
    Symmetric("A192CBC", "symmetric-192", 16, false),
    Symmetric("A256CBC", "symmetric-256", 16, false),
    Symmetric("A128GCM", "symmetric-128", 12, true),
    Symmetric("A192GCM", "symmetric-192", 12, true),
    Symmetric("A256GCM", "symmetric-256", 12, true),
    Symmetric("A128CBC-HS256", "symmetric-256", 16, true),
    Symmetric("A192CBC-HS384", "symmetric-384", 16, true),
    Symmetric("A256CBC-HS512", "symmetric-512", 16, true),
    Symmetric("C20P", "symmetric-256", 12, true),
    Symmetric("XC20P", "symmetric-256", 24, true),
];

/// Algorithms for keys.
pub(super) const WRAPPINGS: &[Symmetric] = &[
    Symmetric("A128KW", "symmetric-128", 0, false),
    Symmetric("A192KW", "symmetric-192", 0, false),
    Symmetric("A256KW", "symmetric-256", 0, false),
    Symmetric("A128GCMKW", "symmetric-128", 12, true),
    Symmetric("A256GCMKW", "symmetric-256", 12, true),
    Symmetric("C20PKW", "symmetric-256", 12, true),
    Symmetric("XC20PKW", "symmetric-256", 24, true),
];

/// Algorithms of RSA for messages and keys.
pub(super) const RSA: &[&str] = &["RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"];

/// Algorithms for signatures: their key, and the length of the digest; EdDSA takes a message of any.
pub(super) const SIGNATURES: &[(&str, &str, usize)] = &[
    ("RS256", "rsa", 32),
    ("RS384", "rsa", 48),
    ("RS512", "rsa", 64),
    ("PS256", "rsa", 32),
    ("PS384", "rsa", 48),
    ("PS512", "rsa", 64),
    ("ES256", "p256", 32),
    ("ES384", "p384", 48),
    ("ES512", "p521", 64),
    ("EdDSA", "ed25519", 77),
];

/// A provider under test.
#[derive(Clone)]
pub struct Subject {
    pub(super) provider: Arc<dyn CryptoProvider>,
    apparatus: Apparatus,
    /// Holds the files as long as the provider is used.
    _ground: Arc<dyn Ground>,
}

impl Subject {
    pub(super) async fn open(backend: &'static Backend<CryptoProviders>, ground: Arc<dyn Ground>) -> Self {
        let Constructor::CryptoProvider(construct) = registration(backend.component_type, backend.version).constructor
        else {
            panic!("{} is no provider of cryptography", backend.component_type);
        };
        let apparatus = Apparatus::default();
        let made = construct(apparatus.setup(ground.properties().into_iter().collect())).await;
        let provider = made.unwrap_or_else(|error| construction_failed(backend.component_type, &error));
        Self { provider, apparatus, _ground: ground }
    }

    pub(super) async fn close(self) {
        self.provider.close().await.unwrap_or_else(|error| panic!("close: {error}"));
        self.apparatus.all_tasks_ended().await;
    }

    pub(super) async fn encrypt(&self, using: Using<'_>) -> Encrypted {
        let encrypted = self.provider.encrypt(&CallContext::default(), using, MESSAGE).await;
        let encrypted = encrypted.unwrap_or_else(|error| panic!("encrypt {using:?}: {error}"));
        assert_ne!(&encrypted.ciphertext[..], MESSAGE, "{using:?}");
        encrypted
    }

    pub(super) async fn decrypt(&self, using: Using<'_>, ciphertext: &[u8], tag: &[u8]) -> Result<Vec<u8>, Error> {
        self.provider.decrypt(&CallContext::default(), using, ciphertext, tag).await.map(|plain| plain.to_vec())
    }

    pub(super) async fn sign(&self, using: Using<'_>, digest: &[u8]) -> Result<Vec<u8>, Error> {
        self.provider.sign(&CallContext::default(), using, digest).await.map(|signature| signature.to_vec())
    }

    pub(super) async fn verify(&self, using: Using<'_>, digest: &[u8], signature: &[u8]) -> Result<bool, Error> {
        self.provider.verify(&CallContext::default(), using, digest, signature).await
    }
}

/// A key with an algorithm, and nothing besides.
pub(super) fn using<'a>(key: &'a str, algorithm: &'a str) -> Using<'a> {
    Using { key, algorithm, nonce: &[], associated_data: &[] }
}

/// So many random bytes.
pub(super) fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::new().fill(&mut bytes);
    bytes
}

/// The bytes with one bit turned.
pub(super) fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes
}

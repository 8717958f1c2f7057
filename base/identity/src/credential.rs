//! What a process proves itself with: a certificate chain, its private key, and the tokens that came with them. Made by
//! `provider` from sentry's answer, and by sentry for itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use security::SpiffeId;
use security::certificate::{self, CertificateError, Validity, Workload};

use crate::Jwt;

/// Why key and certificates make no credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialError {
    /// The key could not be made or used.
    Key(String),
    /// The certificates cannot be read, or are no workload's.
    Certificate(CertificateError),
    /// The certificate is of another key.
    OtherKey,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(reason) => write!(formatter, "private key: {reason}"),
            Self::Certificate(reason) => reason.fmt(formatter),
            Self::OtherKey => formatter.write_str("the certificate is of another private key"),
        }
    }
}

impl std::error::Error for CredentialError {}

/// The algorithm of a private key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519.
    #[default]
    Ed25519,
    /// RSA of 2048 bits, for what the API server of Kubernetes calls.
    Rsa,
}

/// A private key that nobody else has seen, and the request to certify it.
pub struct NewKey {
    pair: KeyPair,
    /// The certificate signing request, DER. It names nobody: who the key belongs to is for the authority to find out.
    pub request: Vec<u8>,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NewKey")
    }
}

impl NewKey {
    /// Makes a key.
    ///
    /// # Errors
    /// [`CredentialError::Key`] when the system gives no randomness.
    pub fn generate(kind: KeyKind) -> Result<Self, CredentialError> {
        let failed = |error: rcgen::Error| CredentialError::Key(error.to_string());
        let pair = match kind {
            KeyKind::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
            KeyKind::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        };
        let pair = pair.map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&pair).map_err(failed)?;
        Ok(Self { request: request.der().to_vec(), pair })
    }

    /// The public half, as rcgen wants it when it signs.
    #[must_use]
    pub fn public(&self) -> &KeyPair {
        &self.pair
    }

    /// The credential that a chain of certificates makes of this key, leaf first.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn certified(&self, chain: Vec<CertificateDer<'static>>) -> Result<Credential, CredentialError> {
        Credential::new(chain, self.pair.serialize_der())
    }
}

/// What a process proves itself with.
pub struct Credential {
    /// Who it is.
    pub id: SpiffeId,
    /// From when until when.
    pub validity: Validity,
    /// The certificates, leaf first, without the trust anchor.
    pub chain: Vec<CertificateDer<'static>>,
    /// A token for the audience of the own trust domain, if the authority gives any.
    pub jwt: Option<Jwt>,
    /// Tokens by audience.
    pub jwts: BTreeMap<String, Jwt>,
    key: Vec<u8>,
    certified: Arc<CertifiedKey>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credential")
            .field("id", &self.id)
            .field("validity", &self.validity)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// Of certificates, leaf first, and the PKCS#8 private key of the leaf.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn new(chain: Vec<CertificateDer<'static>>, key: Vec<u8>) -> Result<Self, CredentialError> {
        let leaf = chain.first().ok_or(CredentialError::Certificate(CertificateError::Empty))?;
        let Workload { id, validity } = certificate::workload(leaf).map_err(CredentialError::Certificate)?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.clone()));
        let signing = provider().key_provider.load_private_key(private);
        let certified =
            CertifiedKey::new(chain.clone(), signing.map_err(|error| CredentialError::Key(error.to_string()))?);
        certified.keys_match().map_err(|_| CredentialError::OtherKey)?;
        Ok(Self { id, validity, chain, jwt: None, jwts: BTreeMap::new(), key, certified: Arc::new(certified) })
    }

    /// The private key, PKCS#8 DER.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

/// The one provider of cryptography; made once, since it holds no state.
pub(crate) fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

//! TLS settings of outgoing connections, always with this build's one crypto provider and never a global one.
//! Called by the app channel and by calls to HTTP endpoints, which keep the configuration they get.

mod unverified;

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why TLS settings cannot be used; the sentence names the part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// PEM texts of a client's TLS settings (`clientTLS` of an HTTPEndpoint). Its debug form shows no content.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// Certificates to trust instead of the system's.
    pub root_ca: Option<String>,
    /// The certificate chain to show, first our own.
    pub certificate: Option<String>,
    /// The private key of that certificate.
    pub private_key: Option<String>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientTls")
            .field("root_ca", &self.root_ca.is_some())
            .field("certificate", &self.certificate.is_some())
            .field("private_key", &self.private_key.is_some())
            .finish()
    }
}

/// The provider of cryptography.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificates that this machine trusts, read when first needed. One per role; a clone shares what was read.
#[derive(Clone, Debug, Default)]
pub struct SystemRoots {
    loaded: Arc<OnceLock<Arc<RootCertStore>>>,
}

impl SystemRoots {
    /// The certificates; those that cannot be read are left out with a warning. Reads files when called first.
    #[must_use]
    pub fn get(&self) -> Arc<RootCertStore> {
        Arc::clone(self.loaded.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(target: "dapr.runtime", "a trusted certificate of the system cannot be read: {error}");
            }
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(found.certs);
            Arc::new(store)
        }))
    }
}

/// For apps that speak TLS: the target encrypts to its own app and does not verify who answers. `alpn` lists protocols
/// in order of preference, for example `h2`.
///
/// # Errors
/// When the provider lacks TLS 1.2 and 1.3, which this build's does not.
pub fn app_channel(alpn: &[&[u8]]) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = Arc::new(unverified::AnyServer::new(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// For servers that are verified: by the given root certificates, else by those of the system; with a client
/// certificate if one is given.
///
/// # Errors
/// [`TlsError`] when a PEM text cannot be read, or certificate and key do not belong together.
pub fn client(settings: &ClientTls, system: &SystemRoots, alpn: &[&[u8]]) -> Result<ClientConfig, TlsError> {
    let roots = match &settings.root_ca {
        Some(pem) => Arc::new(root_store(pem)?),
        None => system.get(),
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots);
    let mut config = match (&settings.certificate, &settings.private_key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "client certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                .map_err(|error| TlsError(format!("the private key is not PEM: {error}")))?;
            let refused = |error| TlsError(format!("the client certificate and its key cannot be used: {error}"));
            builder.with_client_auth_cert(chain, key).map_err(refused)?
        }
        (Some(_), None) => return Err(TlsError("a client certificate is given without its private key".into())),
        (None, Some(_)) => return Err(TlsError("a private key is given without its client certificate".into())),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

fn root_store(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, "root CA")? {
        store.add(certificate).map_err(|error| TlsError(format!("the root CA cannot be trusted: {error}")))?;
    }
    Ok(store)
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let parsed = parsed.map_err(|error| TlsError(format!("the {what} is not PEM: {error}")))?;
    if parsed.is_empty() {
        return Err(TlsError(format!("the {what} holds no PEM certificate")));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests;

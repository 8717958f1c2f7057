//! TLS client configurations, on one provider (aws-lc-rs) that is passed, never installed for the process.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

/// Why a TLS client cannot be made.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

fn failed(what: &str, error: impl fmt::Display) -> TlsError {
    TlsError(format!("{what}: {error}"))
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn builder() -> Result<(Builder, Arc<CryptoProvider>), TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    Ok((builder.map_err(|error| failed("TLS versions", error))?, provider))
}

fn offering(mut config: ClientConfig, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// A client that takes any certificate: for the app behind the sidecar, as in the target. Never for anything else.
///
/// # Errors
/// [`TlsError`] when the provider cannot be configured.
pub fn insecure(protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let (builder, provider) = builder()?;
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)));
    Ok(offering(config.with_no_client_auth(), protocols))
}

/// A client that trusts the system's root certificates. Reads them from disk.
///
/// # Errors
/// [`TlsError`] when there are none.
pub fn with_system_roots(protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
    let (builder, _) = builder()?;
    Ok(offering(builder.with_root_certificates(system_roots()?).with_no_client_auth(), protocols))
}

/// A client with its own roots and certificate, both PEM; without roots it trusts the system's.
///
/// # Errors
/// [`TlsError`] when the PEM text holds no certificate or key, or they do not belong together.
pub fn with_material(
    roots: Option<&str>,
    identity: Option<(&str, &str)>,
    protocols: &[&[u8]],
) -> Result<Arc<ClientConfig>, TlsError> {
    let (builder, _) = builder()?;
    let store = match roots {
        Some(pem) => own_roots(pem)?,
        None => system_roots()?,
    };
    let builder = builder.with_root_certificates(store);
    let config = match identity {
        Some((certificate, key)) => {
            let key =
                PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| failed("client private key", error))?;
            builder
                .with_client_auth_cert(certificates(certificate, "client certificate")?, key)
                .map_err(|error| failed("client certificate and key", error))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(offering(config, protocols))
}

fn certificates(pem: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let read = read.map_err(|error| failed(what, error))?;
    if read.is_empty() {
        return Err(TlsError(format!("{what}: the text holds no PEM certificate")));
    }
    Ok(read)
}

fn own_roots(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem, "root certificates")? {
        store.add(certificate).map_err(|error| failed("root certificates", error))?;
    }
    Ok(store)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let reasons: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
        return Err(TlsError(format!("the system has no root certificates: {}", reasons.join("; "))));
    }
    Ok(store)
}

/// Takes any certificate, but still checks that the peer holds its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

//! What `sslmode` and its companions mean: which certificates of the server are accepted, and which one of ours is shown.
//! Called by `options`.

use std::sync::Arc;

use component::{Error, ErrorKind};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::connection_string::Parameters;

/// How much of the server's certificate is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Encrypted, whoever the server is.
    None,
    /// Signed by a root we know, whatever its name.
    Chain,
    /// Signed by a root we know, and made out to the host we called.
    Full,
}

/// How connections are encrypted.
pub(crate) struct Tls {
    /// Whether they are at all.
    pub(crate) mode: tokio_postgres::config::SslMode,
    /// By which rules.
    pub(crate) config: ClientConfig,
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("failed to configure TLS: {}", message.into()))
}

/// Takes the TLS parameters out, by the rules of the target's driver.
pub(crate) fn take(parameters: &mut Parameters) -> Result<Tls, Error> {
    use tokio_postgres::config::SslMode;

    let root = parameters.take("sslrootcert");
    let word = parameters.take("sslmode").unwrap_or_else(|| "prefer".to_owned());
    let direct = parameters.take("sslnegotiation").is_some_and(|word| word == "direct");
    let (mode, proof) = match word.as_str() {
        _ if root.as_deref() == Some("system") => (SslMode::Require, Proof::Full),
        "disable" => (SslMode::Disable, Proof::None),
        "allow" | "prefer" if direct => (SslMode::Require, Proof::None),
        "allow" | "prefer" => (SslMode::Prefer, Proof::None),
        "require" if root.is_none() => (SslMode::Require, Proof::None),
        "require" | "verify-ca" => (SslMode::Require, Proof::Chain),
        "verify-full" => (SslMode::Require, Proof::Full),
        _ => return Err(refuse("sslmode is invalid")),
    };
    if parameters.take("sslpassword").is_some() {
        return Err(refuse("sslpassword is not built: give sslkey a key that is not encrypted"));
    }
    let mut config = client(proof, root.as_deref(), own_certificate(parameters)?)?;
    config.enable_sni = parameters.take("sslsni").is_none_or(|word| word != "0");
    if direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        parameters.replace("sslnegotiation", "direct");
    }
    Ok(Tls { mode, config })
}

type OwnCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn own_certificate(parameters: &mut Parameters) -> Result<Option<OwnCertificate>, Error> {
    let (certificate, key) = match (parameters.take("sslcert"), parameters.take("sslkey")) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => return Err(refuse("both \"sslcert\" and \"sslkey\" are required")),
    };
    let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| refuse(format!("unable to read sslkey: {error}")))?;
    Ok(Some((certificates(&certificate, "unable to read cert")?, key)))
}

fn certificates(path: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(refuse(format!("{what}: {path} has no certificate"))),
        Err(error) => Err(refuse(format!("{what}: {path}: {error}"))),
    }
}

fn client(proof: Proof, root: Option<&str>, own: Option<OwnCertificate>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match proof {
        Proof::None => Arc::new(Judge { chain: None, provider: Arc::clone(&provider) }),
        Proof::Chain => Arc::new(Judge { chain: Some(chain(root, &provider)?), provider: Arc::clone(&provider) }),
        Proof::Full => chain(root, &provider)?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match own {
        None => Ok(builder.with_no_client_auth()),
        Some((certificates, key)) => builder
            .with_client_auth_cert(certificates, key)
            .map_err(|error| refuse(format!("unable to load cert: {error}"))),
    }
}

fn chain(root: Option<&str>, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    match root.filter(|root| *root != "system") {
        Some(path) => {
            let found = certificates(path, "unable to read CA file")?;
            if roots.add_parsable_certificates(found).0 == 0 {
                return Err(refuse("unable to add CA to cert pool"));
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| refuse(error.to_string()))
}

/// Judges a chain without its name, or nothing at all but that the server holds its key.
#[derive(Debug)]
struct Judge {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(certificate, intermediates, name, response, now) {
            // The name is looked at last, behind the chain and its dates.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    fn mode(text: &str) -> SslMode {
        take(&mut Parameters::parse(text).unwrap()).unwrap().mode
    }

    fn why(text: &str) -> String {
        take(&mut Parameters::parse(text).unwrap()).err().unwrap().to_string()
    }

    #[test]
    fn modes_are_read() {
        assert_eq!(mode(""), SslMode::Prefer);
        assert_eq!(mode("sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("sslmode=require"), SslMode::Require);
        assert_eq!(mode("sslmode=prefer sslnegotiation=direct"), SslMode::Require);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert_eq!(why("sslmode=sometimes"), "failed to configure TLS: sslmode is invalid");
        assert_eq!(why("sslcert=/c"), "failed to configure TLS: both \"sslcert\" and \"sslkey\" are required");
        assert!(why("sslmode=verify-full sslrootcert=/nowhere/root.pem").contains("unable to read CA file"));
        assert!(why("sslpassword=secret").contains("not built"));
    }
}

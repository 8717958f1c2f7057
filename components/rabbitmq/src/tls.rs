//! Which certificates of the server are believed, and which one of ours is shown. Called by `place`.

use std::sync::Arc;

use component::{Error, ErrorKind};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// PEM texts; empty where none is given.
#[derive(Clone, Copy)]
pub(crate) struct Pem<'settings> {
    pub(crate) authority: &'settings str,
    pub(crate) certificate: &'settings str,
    pub(crate) key: &'settings str,
}

/// TLS by these texts; without an authority the system's are believed.
///
/// # Errors
/// What cannot be read; a key is never shown.
pub(crate) fn configure(pem: Pem<'_>) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse(&error.to_string()))?
        .with_root_certificates(roots(pem.authority)?);
    let config = match (pem.certificate.is_empty(), pem.key.is_empty()) {
        (true, true) => builder.with_no_client_auth(),
        (false, false) => {
            let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).map_err(|_| refuse("invalid clientKey"))?;
            builder
                .with_client_auth_cert(certificates(pem.certificate, "clientCert")?, key)
                .map_err(|error| refuse(&format!("unable to load client certificate and key pair: {error}")))?
        }
        _ => return Err(refuse("clientCert and clientKey belong together: one is missing")),
    };
    Ok(Arc::new(config))
}

fn roots(authority: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let given = match authority {
        "" => rustls_native_certs::load_native_certs().certs,
        text => certificates(text, "caCert")?,
    };
    let (usable, _) = roots.add_parsable_certificates(given);
    if usable == 0 && !authority.is_empty() {
        return Err(refuse("unable to load CA certificate"));
    }
    Ok(roots)
}

fn certificates(text: &str, name: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    read.ok().filter(|found| !found.is_empty()).ok_or_else(|| refuse(&format!("invalid {name}")))
}

fn refuse(why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("invalid TLS configuration: {why}"))
}

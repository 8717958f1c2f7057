//! TLS as the target's settings give it: the roots that may vouch for etcd, and our own certificate, as PEM texts.

use std::sync::Arc;

use component::{Error, ErrorKind};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

fn refuse(what: &str, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("tls authentication error: {what}: {error}"))
}

/// The configuration of a client. Errors show nothing of the texts.
pub(crate) fn client(roots: &str, certificate: &str, key: &str) -> Result<Arc<ClientConfig>, Error> {
    let mut store = RootCertStore::empty();
    if store.add_parsable_certificates(certificates("ca", roots)?).0 == 0 {
        return Err(refuse("ca", "no certificate can be used"));
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| refuse("key", error))?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refuse("versions", error))?
        .with_root_certificates(store)
        .with_client_auth_cert(certificates("cert", certificate)?, key)
        .map_err(|error| refuse("cert and key", error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(field: &str, text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let found = read.map_err(|error| refuse(field, error))?;
    if found.is_empty() { Err(refuse(field, "no certificate found")) } else { Ok(found) }
}

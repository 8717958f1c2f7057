//! A certificate authority made for one test: a server certificate for 127.0.0.1 and localhost, and a client certificate.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority, and what it signed.
pub struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    /// A new authority.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(rcgen::DnType::CommonName, "testkit authority");
        let key = KeyPair::generate().expect("a key can be made");
        Self { authority: CertifiedIssuer::self_signed(params, key).expect("it can sign itself") }
    }

    /// The authority's certificate in PEM.
    #[must_use]
    pub fn authority(&self) -> String {
        self.authority.pem()
    }

    /// A certificate and key in PEM, for a client or a server on this machine.
    #[must_use]
    pub fn issue(&self) -> (String, String) {
        let (certificate, key) = self.signed();
        (certificate.pem(), key.serialize_pem())
    }

    fn signed(&self) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key can be made");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("the names are names");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.authority).expect("the authority can sign");
        (certificate, key)
    }

    /// What a TLS server needs; with `ask_client` only clients with a certificate of this authority get in.
    pub(crate) fn server(&self, ask_client: bool, protocols: &[&str]) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (certificate, key) = self.signed();
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3");
        let builder = if ask_client {
            let mut roots = RootCertStore::empty();
            roots.add(self.authority.der().clone()).expect("the authority is a certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("there is a root"))
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config =
            builder.with_single_cert(vec![certificate.der().clone()], key).expect("key and certificate fit");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

//! Who certifies sidecars in a test: the service of sentry on a real port, for any id; and clients with a certificate of the
//! same authority, so that a test can be any peer, also one that lies.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::{Response, Status};
use tower_service::Service as _;
use wire::sentry::ca_server::{Ca, CaServer};
use wire::sentry::{SignCertificateRequest, SignCertificateResponse};

use crate::channel::Channel;
use crate::runtime;

const LIFE: Duration = Duration::from_secs(3600);

/// A running authority; it ends when dropped.
pub struct Authority {
    issuer: Issuer,
    port: u16,
    accepting: JoinHandle<()>,
}

/// A client could not connect: the other end wanted another certificate, or none came.
#[derive(Debug)]
pub struct TurnedAway(pub String);

#[derive(Clone)]
struct Issuer(Arc<CertifiedIssuer<'static, KeyPair>>);

impl Authority {
    /// Opens its port.
    pub async fn start() -> Self {
        let issuer = Issuer::new();
        let (chain, key) = issuer.identity("spiffe://localhost/ns/default/dapr-sentry");
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.expect("the provider knows TLS 1.3").with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key).expect("key and certificate fit");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listening = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        listening.set_nonblocking(true).expect("a socket option");
        let port = listening.local_addr().expect("it is bound").port();
        let accepting = runtime::spawn(accept(listening, TlsAcceptor::from(Arc::new(config)), issuer.clone()));
        Self { issuer, port, accepting }
    }

    /// Where it is, for `--sentry-address`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its root certificate, PEM.
    #[must_use]
    pub fn anchors(&self) -> String {
        self.issuer.0.pem()
    }

    /// Connects to the port of a sidecar for other sidecars, as this id (`spiffe://...`) or as nobody.
    ///
    /// # Errors
    /// When the other end ends the connection.
    pub async fn connect(&self, port: u16, id: Option<&str>) -> Result<Channel, TurnedAway> {
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.expect("the provider knows TLS 1.3").dangerous();
        let builder = builder.with_custom_certificate_verifier(Arc::new(Anybody(provider())));
        let mut config = match id.map(|id| self.issuer.identity(id)) {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).expect("key and certificate fit"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let turned_away = |error: std::io::Error| TurnedAway(error.to_string());
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(turned_away)?;
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(turned_away)?;
        let channel = Channel::over(stream, format!("127.0.0.1:{port}")).await;
        channel.map_err(|error| TurnedAway(error.to_string()))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Issuer {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "testkit sentry");
        let key = KeyPair::generate().expect("a key can be made");
        Self(Arc::new(CertifiedIssuer::self_signed(params, key).expect("it can sign itself")))
    }

    fn certify(&self, id: &str, key: &impl PublicKeyData) -> rcgen::Certificate {
        let now = SystemTime::now();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(id.try_into().expect("an id is ASCII"))];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = (now - LIFE).into();
        params.not_after = (now + LIFE).into();
        params.signed_by(key, &self.0).expect("the authority can sign")
    }

    fn identity(&self, id: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = self.certify(id, &key).der().clone();
        (vec![certificate], PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())))
    }
}

#[tonic::async_trait]
impl Ca for Issuer {
    async fn sign_certificate(
        &self,
        request: tonic::Request<SignCertificateRequest>,
    ) -> Result<Response<SignCertificateResponse>, Status> {
        let SignCertificateRequest { id, namespace, certificate_signing_request, .. } = request.into_inner();
        let invalid = |error: &dyn std::fmt::Display| Status::invalid_argument(error.to_string());
        let text = std::str::from_utf8(&certificate_signing_request).map_err(|error| invalid(&error))?;
        let asked = CertificateSigningRequestParams::from_pem(text).map_err(|error| invalid(&error))?;
        let leaf = self.certify(&format!("spiffe://public/ns/{namespace}/{id}"), &asked.public_key);
        Ok(Response::new(SignCertificateResponse {
            workload_certificate: leaf.pem().into_bytes().into(),
            trust_chain_certificates: vec![self.0.pem().into_bytes().into()],
            valid_until: Some((SystemTime::now() + LIFE).into()),
            ..SignCertificateResponse::default()
        }))
    }
}

async fn accept(listening: std::net::TcpListener, acceptor: TlsAcceptor, issuer: Issuer) {
    let listener = TcpListener::from_std(listening).expect("a listening socket");
    // Connections end with the authority: what is in the set is aborted when the set is dropped.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let (acceptor, stub) = (acceptor.clone(), CaServer::new(issuer.clone()));
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(move |request: Request<Incoming>| stub.clone().call(request));
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Takes any certificate of the server: it is the test's own.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
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

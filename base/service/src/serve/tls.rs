//! TLS of accepted connections: the handshake, who the client proved to be, and until when the connection may take requests.
//! Called by `connection` alone. Which certificates count is the configuration's matter.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use security::{Peer, certificate};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::Stream;

/// How a server proves itself, and what it asks of clients.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<rustls::ServerConfig>,
    until: Option<Arc<dyn Fn() -> SystemTime + Send + Sync>>,
}

impl ServerTls {
    /// With this configuration.
    #[must_use]
    pub fn new(config: Arc<rustls::ServerConfig>) -> Self {
        Self { config, until: None }
    }

    /// `until` says when the certificate that is shown now ends: a connection takes no new requests after that, nor after
    /// the end of the client's own certificate. What runs on it goes on.
    #[must_use]
    pub fn ending(self, until: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { until: Some(Arc::new(until)), ..self }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServerTls")
    }
}

/// What a handshake came to.
pub(super) struct Proof {
    /// Who the client is.
    pub(super) peer: Peer,
    /// From when on it has to prove that again, if ever.
    until: Option<SystemTime>,
}

/// The stream as requests are read from it. The handshake may take as long as `limit`.
///
/// # Errors
/// When the handshake fails or takes too long.
pub(super) async fn secure(tls: &ServerTls, limit: Duration, tcp: TcpStream) -> io::Result<(Stream, Proof)> {
    // Read before the handshake: a certificate that is replaced meanwhile may or may not be the one that was shown.
    let own = tls.until.as_ref().map(|until| until());
    // Boxed: 9 KB that the connection would carry to its end.
    let handshake = Box::pin(TlsAcceptor::from(Arc::clone(&tls.config)).accept(tcp));
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "it took too long");
    let stream = tokio::time::timeout(limit, handshake).await.map_err(late)??;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let workload = shown.map(certificate::workload).transpose().map_err(io::Error::other)?;
    let theirs = workload.as_ref().map(|workload| workload.validity.until);
    let until = own.into_iter().chain(theirs).min().filter(|_| tls.until.is_some());
    let peer = workload.map_or(Peer::Unauthenticated, |workload| Peer::Authenticated(workload.id));
    Ok((Stream::Tls(Box::new(stream.into())), Proof { peer, until }))
}

/// Waits until a connection has to be proven again; for ever where it need not be.
pub(super) async fn end(proof: Option<&Proof>) {
    match proof.and_then(|proof| proof.until) {
        Some(until) => tokio::time::sleep(until.duration_since(SystemTime::now()).unwrap_or_default()).await,
        None => std::future::pending().await,
    }
}

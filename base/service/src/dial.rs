//! Opening connections to apps, other sidecars, the control plane and endpoints: TCP with TCP_NODELAY, TLS when asked. Used by
//! the HTTP client and the gRPC connection pool. It decides nothing about reuse or retries.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Stream;

/// How long opening one connection may take, TLS handshake included (the target's value for apps).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Where to connect, and who has to prove itself there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint<'a> {
    /// `host:port`.
    pub address: &'a str,
    /// What the certificate there must name, in the terms of the dialer's [`Credentials`]; empty where no id is asked for.
    pub peer: &'a str,
}

impl<'a> From<&'a str> for Endpoint<'a> {
    fn from(address: &'a str) -> Self {
        Self { address, peer: "" }
    }
}

/// How this process proves itself where it connects, and what it asks of the other end. Certificates change while the
/// process runs: every connection is made with those of that moment.
pub trait Credentials: Send + Sync + 'static {
    /// The TLS configuration towards `peer`.
    ///
    /// # Errors
    /// Why no connection may be made now: an own certificate that has expired, for example.
    fn client(&self, peer: &str) -> io::Result<Arc<rustls::ClientConfig>>;

    /// Counts the replacements of the own certificate: a connection made under another count takes no new requests.
    fn generation(&self) -> u64;

    /// When the own certificate ends.
    fn until(&self) -> SystemTime;
}

/// Opens connections, with TLS for `https` when a configuration was given.
#[derive(Clone)]
pub struct Dialer {
    tls: Tls,
    timeout: Duration,
    /// What servers are called in their certificates, where that is not the host.
    name: Option<Arc<str>>,
}

/// Makes a configuration when it is first needed.
type Configure = dyn Fn() -> io::Result<Arc<rustls::ClientConfig>> + Send + Sync;

#[derive(Clone)]
enum Tls {
    Refused,
    Same(Arc<Configure>),
    Proven(Arc<dyn Credentials>),
}

impl Dialer {
    /// Plain TCP only; `https` is refused.
    #[must_use]
    pub fn plain() -> Self {
        Self { tls: Tls::Refused, timeout: CONNECT_TIMEOUT, name: None }
    }

    /// TCP, and TLS in which both ends prove who they are.
    #[must_use]
    pub fn with_credentials(credentials: Arc<dyn Credentials>) -> Self {
        Self { tls: Tls::Proven(credentials), timeout: CONNECT_TIMEOUT, name: None }
    }

    /// What this process proves itself with.
    pub(crate) fn credentials(&self) -> Option<&dyn Credentials> {
        match &self.tls {
            Tls::Proven(credentials) => Some(credentials.as_ref()),
            Tls::Refused | Tls::Same(_) => None,
        }
    }

    /// TCP, and TLS for `https`. The configuration is made at the first TLS connection, so that a role that never
    /// speaks TLS does not load root certificates.
    #[must_use]
    pub fn with_tls(config: impl Fn() -> io::Result<Arc<rustls::ClientConfig>> + Send + Sync + 'static) -> Self {
        let made = std::sync::OnceLock::new();
        let lazy = move || {
            if let Some(config) = made.get() {
                return Ok(Arc::clone(config));
            }
            let config = config()?;
            Ok(Arc::clone(made.get_or_init(|| config)))
        };
        Self { tls: Tls::Same(Arc::new(lazy)), timeout: CONNECT_TIMEOUT, name: None }
    }

    /// Expects this name in the certificates of servers, in place of the host that is connected to.
    #[must_use]
    pub fn expecting_name(self, name: &str) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Connects to `host:port`, with TLS for the name `host` if `secure`.
    ///
    /// # Errors
    /// When the address cannot be resolved or reached in time, or the handshake fails.
    pub async fn connect(&self, host: &str, port: u16, secure: bool) -> io::Result<Stream> {
        self.connect_to(host, port, secure.then_some("")).await
    }

    /// Connects to `host:port`; with TLS to whoever proves to be `peer` unless that is `None`.
    ///
    /// # Errors
    /// As [`Dialer::connect`].
    pub async fn connect_to(&self, host: &str, port: u16, peer: Option<&str>) -> io::Result<Stream> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("connecting to {host}:{port} took too long"));
        tokio::time::timeout(self.timeout, self.open(host, port, peer)).await.map_err(|_| late())?
    }

    fn configuration(&self, peer: &str) -> io::Result<Arc<rustls::ClientConfig>> {
        match &self.tls {
            Tls::Refused => Err(io::Error::new(io::ErrorKind::Unsupported, "TLS is not configured for this client")),
            Tls::Same(make) => make(),
            Tls::Proven(credentials) => credentials.client(peer),
        }
    }

    async fn open(&self, host: &str, port: u16, peer: Option<&str>) -> io::Result<Stream> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let configuration = peer.map(|peer| self.configuration(peer)).transpose()?;
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        let Some(configuration) = configuration else { return Ok(Stream::Plain(tcp)) };
        let name = self.name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is not a server name: {error}"))
        })?;
        let stream = TlsConnector::from(configuration).connect(name, tcp).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }
}

/// A [`Stream`] as hyper's pooling client takes it.
pub struct Pooled(TokioIo<Stream>);

impl Connection for Pooled {
    fn connected(&self) -> Connected {
        match self.0.inner() {
            Stream::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            _ => Connected::new(),
        }
    }
}

impl hyper::rt::Read for Pooled {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Pooled {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(context, slices)
    }
}

impl tower_service::Service<http::Uri> for Dialer {
    type Response = Pooled;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Pooled>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
            let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
            let Some(host) = uri.host() else {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the address has no host"));
            };
            let stream = dialer.connect(host, port, secure).await?;
            Ok(Pooled(TokioIo::new(stream)))
        })
    }
}

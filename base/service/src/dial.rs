//! Opening connections to apps, other sidecars and endpoints: TCP with TCP_NODELAY, TLS when asked. Used by the HTTP client
//! and the gRPC connection pool. It decides nothing about reuse or retries.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Stream;

/// How long opening one connection may take, TLS handshake included (the target's value for apps).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Opens connections, with TLS for `https` when a configuration was given.
#[derive(Clone)]
pub struct Dialer {
    tls: Option<Arc<dyn Fn() -> io::Result<Arc<rustls::ClientConfig>> + Send + Sync>>,
    timeout: Duration,
}

impl Dialer {
    /// Plain TCP only; `https` is refused.
    #[must_use]
    pub fn plain() -> Self {
        Self { tls: None, timeout: CONNECT_TIMEOUT }
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
        Self { tls: Some(Arc::new(lazy)), timeout: CONNECT_TIMEOUT }
    }

    /// Connects to `host:port`, with TLS for the name `host` if `secure`.
    ///
    /// # Errors
    /// When the address cannot be resolved or reached in time, or the handshake fails.
    pub async fn connect(&self, host: &str, port: u16, secure: bool) -> io::Result<Stream> {
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("connecting to {host}:{port} took too long"));
        tokio::time::timeout(self.timeout, self.open(host, port, secure)).await.map_err(|_| late())?
    }

    async fn open(&self, host: &str, port: u16, secure: bool) -> io::Result<Stream> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        if !secure {
            return Ok(Stream::Plain(tcp));
        }
        let Some(tls) = &self.tls else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "TLS is not configured for this client"));
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{host} is not a server name: {error}"))
        })?;
        let stream = TlsConnector::from(tls()?).connect(name, tcp).await?;
        Ok(Stream::Tls(Box::new(stream)))
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

//! One HTTP/2 connection to a member of etcd, as tonic wants it. Opened and replaced by `client`; it decides nothing about
//! retries.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use component::Tasks;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::body::Body;
use tower_service::Service;

use crate::endpoints::Endpoint;

/// Not more often than etcd allows (`--grpc-keepalive-min-time`).
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(6);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(4);
const WINDOW: u32 = 4 << 20;

/// An open connection. A clone is the same; it closes with the last one.
#[derive(Clone)]
pub(crate) struct Channel {
    sender: SendRequest<Body>,
    pub(crate) origin: Uri,
    open: Arc<DropGuard>,
}

#[derive(Clone)]
struct Executor(Tasks);

impl<Work> hyper::rt::Executor<Work> for Executor
where
    Work: Future + Send + 'static,
    Work::Output: Send,
{
    fn execute(&self, work: Work) {
        self.0.spawn("etcd stream", async move {
            drop(work.await);
        });
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Channel {
    /// Connects. There is no limit of time in it.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        tls: Option<Arc<ClientConfig>>,
        tasks: &Tasks,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
        tcp.set_nodelay(true)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = ServerName::try_from(endpoint.host.clone())
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                Box::new(TlsConnector::from(config).connect(name, tcp).await?)
            }
        };
        let (sender, driver) = http2::Builder::new(Executor(tasks.clone()))
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(stream))
            .await?;
        let closing = CancellationToken::new();
        let closed = closing.clone();
        tasks.spawn("etcd connection", async move {
            tokio::select! {
                () = closed.cancelled() => {}
                ended = driver => {
                    if let Err(error) = ended {
                        tracing::debug!(target: "dapr.contrib", "a connection to etcd ended: {error}");
                    }
                }
            }
        });
        let bracketed =
            if endpoint.host.contains(':') { format!("[{}]", endpoint.host) } else { endpoint.host.clone() };
        let origin = format!("{scheme}://{bracketed}:{}", endpoint.port).parse()?;
        Ok(Self { sender, origin, open: Arc::new(closing.drop_guard()) })
    }

    /// Whether requests can be sent; waits for a place. Nothing was sent when this fails.
    pub(crate) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Whether both are one connection.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.open, &other.open)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

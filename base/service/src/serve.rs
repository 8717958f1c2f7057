//! The one accept loop: HTTP/1.1 and HTTP/2 on one socket, TLS when asked, limits, and a stop that lets work finish.
//! Called for every HTTP and gRPC port of every role. It knows connections, not routes: what a request means is the
//! service's matter.

mod answer;
mod connection;
mod gate;
mod header_timer;
mod http1;
mod http2;
mod pressure;
mod quiet;
mod tls;
mod upgrade;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, TryFutureExt as _};
use http::{Request, Response};
use hyper::service::Service;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Body, BoxError, Listener, Shutdown, Stream, Tasks};
use connection::Connection;

pub use tls::ServerTls;

/// What a server accepts and holds. The defaults fit every port of a sidecar.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Bytes of the request line and the header fields; more is answered with 431. As in the target's language, 4096
    /// bytes of slack are added, so 4 KiB refuses from 8 KiB on. Default 4096.
    pub max_header_bytes: usize,
    /// The same limit for HTTP/2, counted as RFC 9113 6.5.2 says; `None` is `max_header_bytes` with the slack.
    pub http2_header_list_bytes: Option<u32>,
    /// How long a client may take from the first byte of a request head to its last. Waiting between requests is not
    /// limited. Default 10 s.
    pub header_read_timeout: Duration,
    /// Whether HTTP/1.1 is spoken. Default true.
    pub http1: bool,
    /// Whether HTTP/2 is spoken: with prior knowledge, and with HTTP/1.1 also after `Upgrade: h2c`. Default true.
    pub http2: bool,
    /// Open connections; more wait in the kernel's queue. Default 16384.
    pub max_connections: u32,
    /// Concurrent HTTP/2 requests of one connection. Default 10000, since a gRPC client puts all its streams on one.
    pub max_concurrent_streams: u32,
    /// Bytes a stream of an HTTP/2 connection may send ahead of its reader. Default 256 KiB.
    pub stream_window: u32,
    /// Bytes all streams of an HTTP/2 connection may send ahead: enough for as many stuck readers as a peer has calls on
    /// one connection, or they would hold up the others. Default 512 MiB.
    pub connection_window: u32,
    /// Pings on idle HTTP/2 connections; `None` (the default) costs nothing while idle.
    pub http2_keepalive: Option<Http2Keepalive>,
    /// How long open requests may go on after a stop was requested. Default 10 s.
    pub drain: Duration,
    /// Whether requests of HTTP/1.1 of this path are answered at once, while others wait for those that came before them.
    /// `None` (the default): none is.
    pub urgent: Option<fn(&str) -> bool>,
    /// Whether requests carry a [`ConnectionInfo`], which costs each three allocations. Default true.
    pub tells_connection: bool,
    /// TLS on TCP connections, and nothing else on them. `None` (the default) is without TLS.
    pub tls: Option<ServerTls>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_header_bytes: 4096,
            http2_header_list_bytes: None,
            header_read_timeout: Duration::from_secs(10),
            http1: true,
            http2: true,
            max_connections: 16 * 1024,
            max_concurrent_streams: 10_000,
            stream_window: 256 << 10,
            connection_window: 512 << 20,
            http2_keepalive: None,
            drain: Duration::from_secs(10),
            urgent: None,
            tells_connection: true,
            tls: None,
        }
    }
}

/// When to ping a quiet HTTP/2 connection, and when to give it up.
#[derive(Clone, Copy, Debug)]
pub struct Http2Keepalive {
    /// Quiet time before a ping.
    pub interval: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// Where a request came from. Every request carries it among its extensions, unless its port tells nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The other end; `None` for unix domain sockets.
    pub peer: Option<SocketAddr>,
    /// Our end; `None` for unix domain sockets.
    pub local: Option<SocketAddr>,
    /// Whether it came through a unix domain socket.
    pub is_unix: bool,
    /// The number of the user at the other end of a unix domain socket.
    pub user: Option<u32>,
}

/// Accepts and serves until a stop is requested, then closes the socket, lets requests in flight finish (HTTP/2
/// connections get a GOAWAY) for at most `options.drain`, and returns when no connection is left. A request whose
/// service panics or fails is answered with 500 or a gRPC status 13; its connection lives.
pub async fn serve<S>(listener: Listener, service: S, options: ServeOptions, shutdown: Shutdown, tasks: Tasks)
where
    S: Service<Request<Body>, Response = Response<Body>> + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    // The future of a request is moved once: not into an async block that awaits it.
    let handler: Handler = Box::new(move |request| Box::pin(service.call(request).err_into()));
    accept_and_serve(listener, handler, options, shutdown, tasks).await;
}

/// The service of a port behind one type: what serves connections is compiled once, not once for each kind of port, and
/// here, with the care for speed that this crate gets.
type Handler = Box<dyn Fn(Request<Body>) -> Answer + Send + Sync>;
/// The answer to one request on its way.
type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

async fn accept_and_serve(
    listener: Listener,
    handler: Handler,
    options: ServeOptions,
    shutdown: Shutdown,
    tasks: Tasks,
) {
    let slots = Arc::new(Semaphore::new(usize::try_from(options.max_connections).unwrap_or(Semaphore::MAX_PERMITS)));
    let all_slots = options.max_connections;
    let gate = gate::Gate::new(tasks.clone());
    let shared = connection::Shared { handler, options, shutdown: shutdown.clone(), tasks: tasks.clone(), gate };
    let shared = Arc::new(shared);
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, info, slot)) => {
                // Not an async block, which would hold what it awaits twice: an idle connection is little more than its task.
                let connection = Connection::run(Arc::clone(&shared), info, stream);
                tasks.spawn("connection", connection.map(move |()| drop(slot)));
            }
            Err(error) => pause_after(&error).await,
        }
    }
    drop(listener);
    // Every connection holds a slot until it ends, and each ends by the drain limit.
    let _ = slots.acquire_many(all_slots).await;
}

async fn accept(
    listener: &Listener,
    slots: &Arc<Semaphore>,
) -> io::Result<(Stream, ConnectionInfo, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    match listener {
        Listener::Tcp(listener, _) => {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let info = ConnectionInfo { peer: Some(peer), local: stream.local_addr().ok(), is_unix: false, user: None };
            Ok((Stream::Plain(stream), info, slot))
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            let user = stream.peer_cred().ok().map(|peer| peer.uid());
            Ok((Stream::Unix(stream), ConnectionInfo { peer: None, local: None, is_unix: true, user }, slot))
        }
    }
}

/// A connection that broke before it was accepted costs nothing. Anything else, such as too many open files, passes
/// only with time: accepting at once again would spin.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected};
    // InvalidInput is what setting an option on a reset socket gives on some systems.
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected | InvalidInput) {
        return;
    }
    tracing::warn!(target: "dapr.runtime", "accepting a connection failed, trying again in 100 ms: {error}");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[cfg(test)]
mod tests;

//! One accepted connection: its handshake, which protocol it speaks, its limits, its requests, its end.
//! Called by the accept loop. It must not outlive the drain limit after a stop.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::Either;
use http::Request;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

use super::answer;
use super::gate::Gate;
use super::header_timer::Counted;
use super::http2::{Heads, Http2};
use super::tls::{self, Proof, ServerTls};
use super::upgrade;
use super::{Answer, ConnectionInfo, Handler, ServeOptions};
use crate::gather::gather;
use crate::woken::WhenWoken;
use crate::{Body, Shutdown, Stream, Tasks};

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What the target's language adds to the header limit before it refuses.
pub(super) const HEADER_SLACK: usize = 4096;

/// What all connections of a server share.
pub(super) struct Shared {
    pub(super) handler: Handler,
    pub(super) options: ServeOptions,
    pub(super) shutdown: Shutdown,
    pub(super) tasks: Tasks,
    pub(super) gate: Arc<Gate>,
}

/// One accepted connection.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) info: ConnectionInfo,
    pub(super) proof: Option<Proof>,
}

impl Connection {
    /// Serves the connection to its end.
    pub(super) fn run(shared: Arc<Shared>, info: ConnectionInfo, stream: Stream) -> impl Future<Output = ()> + Send {
        match (shared.options.tls.clone(), stream) {
            // Boxed: what a handshake needs is not carried by a connection without TLS.
            (Some(tls), Stream::Plain(tcp)) => Either::Left(Box::pin(Self::secured(shared, info, (tls, tcp)))),
            (_, stream) => Either::Right(Arc::new(Self { shared, info, proof: None }).speak(stream)),
        }
    }

    async fn secured(shared: Arc<Shared>, info: ConnectionInfo, (tls, tcp): (ServerTls, TcpStream)) {
        let limit = shared.options.header_read_timeout;
        let secured = tokio::select! {
            () = shared.shutdown.requested() => return,
            secured = tls::secure(&tls, limit, tcp) => secured,
        };
        match secured {
            Ok((stream, proof)) => Box::pin(Arc::new(Self { shared, info, proof: Some(proof) }).speak(stream)).await,
            Err(error) => tracing::debug!(target: "dapr.runtime", "a TLS handshake failed: {error}"),
        }
    }

    /// Finds out which protocol the client speaks, and serves it.
    async fn speak(self: Arc<Self>, mut stream: Stream) {
        let Some(start) = self.start(&mut stream).await else { return };
        let options = &self.shared.options;
        // A port that speaks HTTP/2 alone says so in HTTP/2, whatever the client began with.
        let is_http2 = start.starts_with(PREFACE) || !options.http1;
        if (is_http2 && !options.http2) || start.is_empty() {
            return;
        }
        // Boxed, so that the task of an idle connection is small.
        if is_http2 { Box::pin(self.http2(stream, start)).await } else { self.http1(stream, start).await }
    }

    /// The first bytes, with which it is clear what the client speaks; none when it takes too long or left.
    async fn start(&self, stream: &mut Stream) -> Option<Bytes> {
        let limit = self.shared.options.header_read_timeout;
        tokio::select! {
            () = self.shared.shutdown.requested() => None,
            start = tokio::time::timeout(limit, read_start(stream)) => start.ok()?.ok(),
        }
    }

    /// Serves the rest of a connection that was told 101, beginning with the request that asked for it.
    pub(super) async fn upgraded(self: Arc<Self>, (stream, unread): (Stream, Bytes), request: Bytes) {
        let (mut stream, _) = Counted::new(stream, unread);
        let first = upgrade::first_bytes(&mut stream, &request);
        let limit = self.shared.options.header_read_timeout;
        let first = tokio::select! {
            () = self.shared.shutdown.requested() => return,
            first = tokio::time::timeout(limit, first) => first,
        };
        match first {
            Ok(Ok(start)) => {
                let (stream, unread) = stream.into_parts();
                self.http2(stream, joined(start, unread)).await;
            }
            Ok(Err(error)) => tracing::debug!(target: "dapr.runtime", "an upgraded connection ended early: {error}"),
            Err(_) => {}
        }
    }

    async fn http2(self: Arc<Self>, stream: Stream, start: Bytes) {
        let (io, arrivals) = Counted::new(stream, start);
        let (io, begun) = Heads::new(io);
        let (io, gathering) = gather(io);
        let connection = gathering.drive(Http2::new(&self, io, (arrivals, begun)));
        self.until_done(connection, |driven| driven.get_mut().connection().graceful_shutdown()).await;
    }

    /// Drives a connection to its end, and tells what came of it unless it broke; after a stop was requested, for at most the
    /// drain limit.
    pub(super) async fn until_done<C, T, E>(&self, connection: C, finish: impl FnOnce(Pin<&mut C>)) -> Option<T>
    where
        C: Future<Output = Result<T, E>>,
        E: std::fmt::Display,
    {
        let mut connection = pin!(connection);
        let (shutdown, drain) = (&self.shared.shutdown, self.shared.options.drain);
        // Asked for when it was woken itself, and not with every wake of a busy connection.
        let stopped = pin!(self.stopped());
        let mut stopped = WhenWoken::new(stopped);
        let mut ended = tokio::select! {
            biased;
            ended = &mut connection => Some(ended),
            () = &mut stopped => None,
        };
        if ended.is_none() {
            finish(connection.as_mut());
            ended = tokio::select! {
                ended = &mut connection => Some(ended),
                () = shutdown.requested() => tokio::time::timeout(drain, &mut connection).await.ok(),
            };
        }
        match ended? {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                tracing::debug!(target: "dapr.runtime", "a connection ended early: {error}");
                None
            }
        }
    }

    /// Waits until the connection has to end: a stop is requested, or it has to be proven again.
    async fn stopped(&self) {
        tokio::select! {
            () = self.shared.shutdown.requested() => {}
            () = tls::end(self.proof.as_ref()) => {}
        }
    }

    /// Begins the answer to one request, whatever the service does.
    pub(super) fn begin(&self, request: Request<Body>) -> Answer {
        answer::begin(&self.shared.handler, self.told(request))
    }

    /// The request, which tells where it came from.
    pub(super) fn told(&self, mut request: Request<Body>) -> Request<Body> {
        if self.shared.options.connection_info {
            request.extensions_mut().insert(self.info);
        }
        if let Some(proof) = &self.proof {
            request.extensions_mut().insert(proof.peer.clone());
        }
        request
    }
}

/// Reads until it is clear whether the client speaks HTTP/2; empty when it left.
async fn read_start<T: AsyncRead + Unpin>(stream: &mut T) -> std::io::Result<Bytes> {
    let mut start = BytesMut::with_capacity(PREFACE.len());
    while start.len() < PREFACE.len() && PREFACE.starts_with(&start) {
        let mut rest = [0_u8; 24];
        let missing = PREFACE.len() - start.len();
        let Some(space) = rest.get_mut(..missing) else { break };
        let count = stream.read(space).await?;
        if count == 0 {
            break;
        }
        start.extend_from_slice(space.get(..count).unwrap_or_default());
    }
    Ok(start.freeze())
}

pub(super) fn joined(first: Bytes, second: Bytes) -> Bytes {
    if second.is_empty() { first } else { [first, second].concat().into() }
}

//! A pool of HTTP/2 connections by address and expected peer, for gRPC between processes and to gRPC apps.
//!
//! A connection is shared by up to `MAX_LEASES` calls, kept while any call holds a lease, collected when idle for too
//! long, and replaced when broken. A request that a connection provably did not process is sent once more, over another
//! connection. An error says whether the request can have been processed: only the caller knows what that allows. While no
//! connection is open, nothing runs. A connection that was proven with certificates takes no new request
//! once one of them has ended or the own one was replaced; what runs on it goes on.

mod cause;
mod heard;
mod lent;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::cause::{describe, gave_up, is_refused};
use self::heard::Heard;
use crate::dial::{CONNECT_TIMEOUT, Dialer, Endpoint};
use crate::{Body, Executor, Stream, Tasks};

/// Calls that share one connection before another is opened (the target's cap).
const MAX_LEASES: usize = 2048;
/// Bytes of one answer that may wait here for its reader.
const STREAM_WINDOW: u32 = 256 << 10;
/// Enough for all answers together: readers that stop must not hold up the others. Half of it is also what h2 lets small
/// frames cost that nobody has read yet, before it gives the connection up.
const CONNECTION_WINDOW: u32 = 2048 * STREAM_WINDOW;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long connections live.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Age of idleness at which a connection is closed.
    pub idle: Duration,
    /// How often idle connections are looked for, while there are any.
    pub sweep: Duration,
    /// How many header bytes an answer may have.
    pub max_headers: u32,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { idle: Duration::from_secs(180), sweep: Duration::from_secs(45), max_headers: 64 << 10 }
    }
}

/// Why a request got no answer.
#[derive(Debug)]
pub enum SendError {
    /// The peer provably did not process it; here it is back, so that it can be sent again.
    NotSent {
        /// The request, with its whole body.
        request: Box<Request<Body>>,
        /// What went wrong, in words.
        reason: String,
    },
    /// It may have been processed.
    Broken {
        /// What went wrong, in words.
        reason: String,
    },
}

impl SendError {
    /// What went wrong, in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::NotSent { reason, .. } | Self::Broken { reason } => reason,
        }
    }
}

/// The pool. A clone is the same pool.
#[derive(Clone)]
pub struct Connections {
    inner: Arc<Inner>,
}

struct Inner {
    dialer: Dialer,
    secure: bool,
    lifetimes: Lifetimes,
    tasks: Tasks,
    slots: Mutex<HashMap<Arc<str>, Peers>>,
    sweeping: AtomicBool,
    /// Ends the collector with the pool: it must not keep a stop waiting for its next round.
    dropped: DropGuard,
}

/// The slots of one address, by expected peer. There is one, but where an address changed hands.
type Peers = Vec<(Arc<str>, Arc<Slot>)>;

#[derive(Default)]
struct Slot {
    entries: Mutex<Vec<Arc<Entry>>>,
    dialing: tokio::sync::Mutex<()>,
}

struct Entry {
    sender: SendRequest<Body>,
    leases: AtomicUsize,
    idle_since: Mutex<Instant>,
    proof: Option<Proof>,
}

/// How long a connection may take new requests, where certificates proved it.
#[derive(Clone, Copy)]
struct Proof {
    generation: u64,
    until: SystemTime,
}

impl Inner {
    /// Whether what proved the connection still holds.
    fn is_proven(&self, entry: &Entry) -> bool {
        let (Some(proof), Some(credentials)) = (entry.proof, self.dialer.credentials()) else { return true };
        proof.generation == credentials.generation() && SystemTime::now() <= proof.until
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to use a connection; it is not collected while a lease lives.
struct Lease(Arc<Entry>);

impl Drop for Lease {
    fn drop(&mut self) {
        if self.0.leases.fetch_sub(1, Ordering::AcqRel) == 1 {
            *lock(&self.0.idle_since) = Instant::now();
        }
    }
}

impl Slot {
    /// The right to use a connection, other than `besides`.
    fn share(&self, pool: &Inner, besides: Option<&Arc<Entry>>) -> Option<Lease> {
        let mut entries = lock(&self.entries);
        entries.retain(|entry| !entry.sender.is_closed() && pool.is_proven(entry));
        for entry in entries.iter().filter(|entry| besides.is_none_or(|besides| !Arc::ptr_eq(entry, besides))) {
            if entry.leases.load(Ordering::Acquire) == 0 && lock(&entry.idle_since).elapsed() > pool.lifetimes.idle {
                continue;
            }
            if entry.leases.fetch_add(1, Ordering::AcqRel) < MAX_LEASES {
                return Some(Lease(Arc::clone(entry)));
            }
            entry.leases.fetch_sub(1, Ordering::AcqRel);
        }
        None
    }
}

impl Connections {
    /// An empty pool. `secure` connections use TLS with the dialer's configuration.
    #[must_use]
    pub fn new(dialer: Dialer, secure: bool, lifetimes: Lifetimes, tasks: Tasks) -> Self {
        let inner = Inner {
            dialer,
            secure,
            lifetimes,
            tasks,
            slots: Mutex::default(),
            sweeping: AtomicBool::new(false),
            dropped: CancellationToken::new().drop_guard(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Sends a request and waits for the head of the answer. The answer's body holds the connection until it is read to its
    /// end or dropped.
    ///
    /// # Errors
    /// [`SendError`], which says whether the peer can have seen the request.
    pub async fn send(&self, to: Endpoint<'_>, request: Request<Body>) -> Result<Response<Body>, SendError> {
        let mut request = Box::new(request);
        let mut refused: Option<Arc<Entry>> = None;
        loop {
            let lease = match self.lease(to, refused.as_ref()).await {
                Ok(lease) => lease,
                Err(reason) => return Err(SendError::NotSent { request, reason }),
            };
            let (kept, given) = lent::lend(*request);
            let mut sender = lease.0.sender.clone();
            let mut failed = match sender.try_send_request(given).await {
                Ok(response) => return Ok(response.map(|body| crate::body::boxed(Leased { body, _lease: lease }))),
                Err(failed) => failed,
            };
            let reason = describe(failed.error());
            let untouched = failed.take_message().is_some() || is_refused(failed.error());
            let Some(back) = untouched.then(|| kept.take_back()).flatten() else {
                return Err(SendError::Broken { reason });
            };
            request = Box::new(back);
            // A connection that ended is replaced once; another one that refuses too is an answer.
            if refused.replace(Arc::clone(&lease.0)).is_some() {
                return Err(SendError::NotSent { request, reason });
            }
        }
    }

    /// Makes sure that a connection exists.
    ///
    /// # Errors
    /// Why none can be opened, in words.
    pub async fn ready(&self, to: Endpoint<'_>) -> Result<(), String> {
        self.lease(to, None).await.map(drop)
    }

    async fn lease(&self, to: Endpoint<'_>, besides: Option<&Arc<Entry>>) -> Result<Lease, String> {
        let slot = self.slot(to);
        if let Some(lease) = slot.share(&self.inner, besides) {
            return Ok(lease);
        }
        let _one_at_a_time = slot.dialing.lock().await;
        if let Some(lease) = slot.share(&self.inner, besides) {
            return Ok(lease);
        }
        let (sender, proof) = self.dial(to).await?;
        let (leases, idle_since) = (AtomicUsize::new(1), Mutex::new(Instant::now()));
        let entry = Arc::new(Entry { sender, leases, idle_since, proof });
        lock(&slot.entries).push(Arc::clone(&entry));
        self.sweep_while_open();
        Ok(Lease(entry))
    }

    fn slot(&self, to: Endpoint<'_>) -> Arc<Slot> {
        let mut slots = lock(&self.inner.slots);
        if !slots.contains_key(to.address) {
            slots.insert(Arc::from(to.address), Peers::new());
        }
        let Some(peers) = slots.get_mut(to.address) else { return Arc::default() };
        if let Some((_, slot)) = peers.iter().find(|(peer, _)| **peer == *to.peer) {
            return Arc::clone(slot);
        }
        let slot = Arc::<Slot>::default();
        peers.push((Arc::from(to.peer), Arc::clone(&slot)));
        slot
    }

    async fn dial(&self, to: Endpoint<'_>) -> Result<(SendRequest<Body>, Option<Proof>), String> {
        let address = to.address;
        let (host, port) = split(address)?;
        // Read before dialling: a certificate that is replaced meanwhile may or may not be the one that was shown.
        let own = self.inner.dialer.credentials().map(|own| Proof { generation: own.generation(), until: own.until() });
        let stream = self.inner.dialer.connect_to(host, port, self.inner.secure.then_some(to.peer)).await;
        let stream = stream.map_err(|error| format!("connection error: dial tcp {address}: {error}"))?;
        let proof = own.map(|own| Proof { until: own.until.min(end_of_peer(&stream)), ..own });
        Ok((self.open(address, stream).await?, proof))
    }

    /// Begins HTTP/2 on a stream, and waits until the other end has spoken.
    async fn open(&self, address: &str, stream: Stream) -> Result<SendRequest<Body>, String> {
        let (stream, heard) = Heard::new(stream);
        let (sender, connection) = http2::Builder::new(Executor::new(self.inner.tasks.clone()))
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(false)
            .max_header_list_size(self.inner.lifetimes.max_headers)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("connection error: handshake with {address}: {}", describe(&error)))?;
        let (ended, end) = oneshot::channel();
        let peer = address.to_owned();
        self.inner.tasks.spawn("http2 connection", async move {
            if let Err(error) = connection.await {
                let reason = describe(&error);
                // Calls that ran on it only see that it ended; why, the peer has said here.
                if gave_up(&error) {
                    tracing::warn!(target: "dapr.runtime.grpc.manager", "{peer} gave a connection up: {reason}");
                } else {
                    tracing::debug!(target: "dapr.runtime.grpc.manager", "connection to {peer} ended: {reason}");
                }
                // Only whoever dialled asks, and only while the other end has not spoken.
                let _ = ended.send(reason);
            }
        });
        let failed = |reason: &str| format!("connection error: handshake with {address}: {reason}");
        match tokio::time::timeout(CONNECT_TIMEOUT, heard).await {
            Ok(Ok(())) => Ok(sender),
            Ok(Err(_)) => Err(failed(&end.await.unwrap_or_else(|_| "it closed the connection at once".to_owned()))),
            Err(_) => Err(failed("it said nothing in time")),
        }
    }

    /// Closes idle connections from time to time, as long as there are connections.
    fn sweep_while_open(&self) {
        if self.inner.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let weak = Arc::downgrade(&self.inner);
        let pause = self.inner.lifetimes.sweep;
        let dropped = self.inner.dropped.token().clone();
        self.inner.tasks.spawn("connection collector", async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = dropped.cancelled() => return,
                }
                let Some(inner) = weak.upgrade() else { return };
                if !inner.sweep() {
                    return;
                }
            }
        });
    }

    /// Closes every connection; calls in flight end with an error.
    pub fn close(&self) {
        lock(&self.inner.slots).clear();
    }
}

impl Inner {
    /// Drops what is idle; false when nothing is left (and the collector has said so to the next dial).
    fn sweep(&self) -> bool {
        let mut slots = lock(&self.slots);
        slots.retain(|address, peers| {
            peers.retain(|(_, slot)| {
                let purged = self.purge(slot);
                if purged > 0 {
                    tracing::debug!(
                        target: "dapr.runtime.grpc.manager",
                        "Purged {purged} expired gRPC connection(s) to {address}"
                    );
                }
                !lock(&slot.entries).is_empty() || Arc::strong_count(slot) > 1
            });
            !peers.is_empty()
        });
        if slots.is_empty() {
            self.sweeping.store(false, Ordering::Release);
        }
        !slots.is_empty()
    }

    /// Drops what is idle for too long, or whose proof has ended; how many those were.
    fn purge(&self, slot: &Slot) -> usize {
        let mut entries = lock(&slot.entries);
        let before = entries.len();
        entries.retain(|entry| {
            let idle = entry.leases.load(Ordering::Acquire) == 0;
            let expired = idle && lock(&entry.idle_since).elapsed() > self.lifetimes.idle;
            !(entry.sender.is_closed() || expired || !self.is_proven(entry))
        });
        before - entries.len()
    }
}

/// When the certificate that the other end showed ends; at once where it showed none that can be read.
fn end_of_peer(stream: &Stream) -> SystemTime {
    let Stream::Tls(tls) = stream else { return SystemTime::UNIX_EPOCH };
    let shown = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let validity = shown.and_then(|certificate| security::certificate::validity(certificate).ok());
    validity.map_or(SystemTime::UNIX_EPOCH, |validity| validity.until)
}

fn split(address: &str) -> Result<(&str, u16), String> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.ok_or_else(|| format!("{address:?} is not host:port"))
}

/// A body that keeps its connection from being collected.
struct Leased {
    body: Incoming,
    _lease: Lease,
}

impl http_body::Body for Leased {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// One endpoint of a pool, as a gRPC client stub takes it.
#[derive(Clone)]
pub struct Channel {
    connections: Connections,
    address: Arc<str>,
    peer: Arc<str>,
}

impl Channel {
    /// The address `host:port` through this pool.
    #[must_use]
    pub fn new(connections: Connections, address: impl Into<Arc<str>>) -> Self {
        Self::expecting(connections, address, "")
    }

    /// The address `host:port` through this pool, where `peer` has to prove itself.
    #[must_use]
    pub fn expecting(connections: Connections, address: impl Into<Arc<str>>, peer: impl Into<Arc<str>>) -> Self {
        Self { connections, address: address.into(), peer: peer.into() }
    }

    /// Sends one request; its URI gets the address of this channel.
    ///
    /// # Errors
    /// [`SendFailure`].
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, SendFailure> {
        let failed = |reason: String| SendFailure { unsent: true, reason };
        let (mut parts, body) = request.into_parts();
        let scheme = if self.connections.inner.secure { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP };
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
        let uri = http::Uri::builder().scheme(scheme).authority(&*self.address).path_and_query(path).build();
        parts.uri = uri.map_err(|error| failed(format!("{} is not an address: {error}", self.address)))?;
        parts.version = http::Version::HTTP_2;
        let to = Endpoint { address: &self.address, peer: &self.peer };
        let sent = self.connections.send(to, Request::from_parts(parts, body)).await;
        sent.map_err(|error| SendFailure {
            unsent: matches!(error, SendError::NotSent { .. }),
            reason: error.reason().to_owned(),
        })
    }
}

/// A request that got no answer, as an error.
#[derive(Debug, Clone)]
pub struct SendFailure {
    /// Whether it provably did not reach the peer.
    pub unsent: bool,
    /// What went wrong, in words.
    pub reason: String,
}

impl std::fmt::Display for SendFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for SendFailure {}

impl<B> tower_service::Service<Request<B>> for Channel
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<crate::BoxError>,
{
    type Response = Response<Body>;
    type Error = SendFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, SendFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let channel = self.clone();
        Box::pin(async move { channel.send(request.map(crate::body::boxed)).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dropped_pool_leaves_no_task_behind() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tasks = Tasks::new();
        let pool = Connections::new(Dialer::plain(), false, Lifetimes::default(), tasks.clone());
        let speaking = async {
            let (mut peer, _) = listener.accept().await.unwrap();
            let empty_settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
            tokio::io::AsyncWriteExt::write_all(&mut peer, &empty_settings).await.unwrap();
            peer
        };
        let (ready, _peer) = tokio::join!(pool.ready(address.as_str().into()), speaking);
        ready.unwrap();
        assert!(tasks.count() > 1);
        drop(pool);
        tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.unwrap();
    }
}

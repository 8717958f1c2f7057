//! A pool of HTTP/2 connections by address and expected peer, for gRPC between processes and to gRPC apps.
//!
//! A connection is shared by up to `MAX_LEASES` calls, kept while any call holds a lease, collected when idle for too
//! long, and replaced when broken. A request that a connection provably did not process is sent once more, over another
//! connection. An error says whether the request can have been processed: only the caller knows what that allows. While no
//! connection is open, nothing runs. A connection that was proven with certificates takes no new request
//! once one of them has ended or the own one was replaced; what runs on it goes on.

mod cause;
mod channel;
mod exchange;
mod heard;
mod line;
mod sent;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::uri::Authority;
use http::{Request, Response};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::exchange::Refusal;
use self::line::Line;
use crate::dial::{Dialer, Endpoint};
use crate::{Body, Stream, Tasks};

pub use channel::{Channel, SendFailure};

/// Calls that share one connection before another is opened (the target's cap).
const MAX_LEASES: usize = 2048;
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
    line: Line,
    /// What requests call the other end.
    authority: Authority,
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

/// An open connection, kept for one request.
pub struct Reserved(Lease);

impl Drop for Lease {
    fn drop(&mut self) {
        if self.0.line.leave() {
            *lock(&self.0.idle_since) = Instant::now();
        }
    }
}

impl Slot {
    /// The right to use a connection, other than `besides`.
    fn share(&self, pool: &Inner, besides: Option<&Arc<Entry>>) -> Option<Lease> {
        let mut entries = lock(&self.entries);
        entries.retain(|entry| !entry.line.is_closed() && pool.is_proven(entry));
        for entry in entries.iter().filter(|entry| besides.is_none_or(|besides| !Arc::ptr_eq(entry, besides))) {
            if entry.line.calls() == 0 && lock(&entry.idle_since).elapsed() > pool.lifetimes.idle {
                continue;
            }
            if entry.line.enter() < MAX_LEASES {
                return Some(Lease(Arc::clone(entry)));
            }
            entry.line.leave();
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
        let reserved = self.reserve(to).await;
        self.send_over(to, reserved, request).await
    }

    /// As [`Connections::send`], beginning with a connection that was reserved there, or why there is none.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_over(
        &self,
        to: Endpoint<'_>,
        reserved: Result<Reserved, String>,
        request: Request<Body>,
    ) -> Result<Response<Body>, SendError> {
        let mut request = request;
        let mut leased = reserved.map(|Reserved(lease)| lease);
        let mut refused: Option<Arc<Entry>> = None;
        loop {
            let lease = match leased {
                Ok(lease) => lease,
                Err(reason) => return Err(SendError::NotSent { request: Box::new(request), reason }),
            };
            let entry = Arc::clone(&lease.0);
            let sent = exchange::exchange(lease, request, self.inner.secure, &self.inner.tasks).await;
            let Refusal { reason, back } = match sent {
                Ok(response) => return Ok(response),
                Err(refusal) => refusal,
            };
            let Some(back) = back else { return Err(SendError::Broken { reason }) };
            request = back;
            // A connection that ended is replaced once; another one that refuses too is an answer.
            if refused.replace(entry).is_some() {
                return Err(SendError::NotSent { request: Box::new(request), reason });
            }
            leased = self.lease(to, refused.as_ref()).await;
        }
    }

    /// Keeps an open connection for one request.
    ///
    /// # Errors
    /// Why none can be opened, in words.
    pub async fn reserve(&self, to: Endpoint<'_>) -> Result<Reserved, String> {
        self.lease(to, None).await.map(Reserved)
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
        let (line, proof) = self.dial(to).await?;
        line.enter();
        let authority = to.address.parse().map_err(|error| format!("{} is not an address: {error}", to.address))?;
        let entry = Arc::new(Entry { line, authority, idle_since: Mutex::new(Instant::now()), proof });
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

    async fn dial(&self, to: Endpoint<'_>) -> Result<(Line, Option<Proof>), String> {
        let address = to.address;
        let (host, port) = split(address)?;
        // Read before dialling: a certificate that is replaced meanwhile may or may not be the one that was shown.
        let own = self.inner.dialer.credentials().map(|own| Proof { generation: own.generation(), until: own.until() });
        let stream = self.inner.dialer.connect_to(host, port, self.inner.secure.then_some(to.peer)).await;
        let stream = stream.map_err(|error| format!("connection error: dial tcp {address}: {error}"))?;
        let proof = own.map(|own| Proof { until: own.until.min(end_of_peer(&stream)), ..own });
        Ok((Line::open(address, stream, self.inner.lifetimes.max_headers, &self.inner.tasks).await?, proof))
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
            let idle = entry.line.calls() == 0;
            let expired = idle && lock(&entry.idle_since).elapsed() > self.lifetimes.idle;
            !(entry.line.is_closed() || expired || !self.is_proven(entry))
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
        let (ready, _peer) = tokio::join!(pool.reserve(address.as_str().into()), speaking);
        ready.unwrap();
        assert!(tasks.count() > 1);
        drop(pool);
        tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.unwrap();
    }
}

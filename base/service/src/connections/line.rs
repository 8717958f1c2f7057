//! One HTTP/2 connection to a peer: opened, driven, kept alive while calls run on it, and known when it has ended.
//! Opened by the pool. It must not decide who uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use tokio::sync::{Notify, oneshot};

use super::cause::{describe, gave_up};
use super::heard::Heard;
use crate::dial::CONNECT_TIMEOUT;
use crate::gather::gather;
use crate::woken::WhenWoken;
use crate::{Stream, Tasks};

/// Bytes of one answer that may wait here for its reader.
const STREAM_WINDOW: u32 = 256 << 10;
/// Enough for all answers together: readers that stop must not hold up the others. Half of it is also what h2 lets small
/// frames cost that nobody has read yet, before it gives the connection up.
const CONNECTION_WINDOW: u32 = 2048 * STREAM_WINDOW;
/// Outgoing bytes that the connection may hold of each stream.
const SEND_BUFFER: usize = 1 << 20;
/// Two of these without a byte from the other end, while calls run, and it is asked whether it is there.
const QUIET: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// An open connection. It ends when this and all its streams are dropped.
pub(super) struct Line {
    sender: SendRequest<Bytes>,
    activity: Arc<Activity>,
}

/// What happens on a connection.
#[derive(Default)]
pub(super) struct Activity {
    calls: AtomicUsize,
    /// Told when the first of some calls begins.
    began: Notify,
    arrivals: AtomicU64,
    ended: AtomicBool,
}

impl Activity {
    /// Bytes have come.
    pub(super) fn arrived(&self) {
        self.arrivals.fetch_add(1, Ordering::Relaxed);
    }
}

impl Line {
    /// Begins HTTP/2 on a stream, and waits until the other end has spoken. An answer may have `max_headers` bytes of headers.
    ///
    /// # Errors
    /// Why there is no connection, in words.
    pub(super) async fn open(address: &str, stream: Stream, max_headers: u32, tasks: &Tasks) -> Result<Self, String> {
        let failed = |reason: &str| format!("connection error: handshake with {address}: {reason}");
        let activity = Arc::new(Activity::default());
        let (stream, heard) = Heard::new(stream, Arc::clone(&activity));
        let (stream, gathering) = gather(stream);
        let handshake = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(max_headers)
            .max_send_buffer_size(SEND_BUFFER)
            .enable_push(false)
            .handshake(stream)
            .await;
        let (sender, mut connection) = handshake.map_err(|error| failed(&describe(&error)))?;
        let pings = connection.ping_pong();
        let connection = gathering.drive(WhenWoken::new(connection));
        let (ended, end) = oneshot::channel();
        let (peer, seen) = (address.to_owned(), Arc::clone(&activity));
        tasks.spawn("http2 connection", async move {
            let reason = tokio::select! {
                finished = connection => finished.err().map(|error| (describe(&error), gave_up(&error))),
                () = keep_alive(pings, &seen) => Some(("keep-alive timed out".to_owned(), false)),
            };
            seen.ended.store(true, Ordering::Release);
            let Some((reason, gave_up)) = reason else { return };
            // Calls that ran on it only see that it ended; why, the peer has said here.
            if gave_up {
                tracing::warn!(target: "dapr.runtime.grpc.manager", "{peer} gave a connection up: {reason}");
            } else {
                tracing::debug!(target: "dapr.runtime.grpc.manager", "connection to {peer} ended: {reason}");
            }
            // Only whoever dialled asks, and only while the other end has not spoken.
            let _ = ended.send(reason);
        });
        match tokio::time::timeout(CONNECT_TIMEOUT, heard).await {
            Ok(Ok(())) => Ok(Self { sender, activity }),
            Ok(Err(_)) => Err(failed(&end.await.unwrap_or_else(|_| "it closed the connection at once".to_owned()))),
            Err(_) => Err(failed("it said nothing in time")),
        }
    }

    /// What sends one request.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.sender.clone()
    }

    /// Counts a call that begins; how many there were before.
    pub(super) fn enter(&self) -> usize {
        let before = self.activity.calls.fetch_add(1, Ordering::AcqRel);
        if before == 0 {
            self.activity.began.notify_one();
        }
        before
    }

    /// Counts a call that is over; whether it was the last.
    pub(super) fn leave(&self) -> bool {
        self.activity.calls.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// How many calls run.
    pub(super) fn calls(&self) -> usize {
        self.activity.calls.load(Ordering::Acquire)
    }

    /// Whether it takes no more requests.
    pub(super) fn is_closed(&self) -> bool {
        self.activity.ended.load(Ordering::Acquire)
    }

    /// Gives it no more requests: it has refused one, and those that run go on.
    pub(super) fn retire(&self) {
        self.activity.ended.store(true, Ordering::Release);
    }
}

/// Asks the other end whether it is there when calls run and nothing comes; returns when it does not answer. While no
/// call runs, it sleeps.
async fn keep_alive(pings: Option<PingPong>, activity: &Activity) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    let mut quiet = 0;
    let mut before = activity.arrivals.load(Ordering::Relaxed);
    loop {
        while activity.calls.load(Ordering::Acquire) == 0 {
            activity.began.notified().await;
            quiet = 0;
        }
        tokio::time::sleep(QUIET).await;
        let now = activity.arrivals.load(Ordering::Relaxed);
        quiet = if now == before { quiet + 1 } else { 0 };
        before = now;
        if quiet < 2 || activity.calls.load(Ordering::Acquire) == 0 {
            continue;
        }
        match tokio::time::timeout(KEEP_ALIVE_TIMEOUT, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => quiet = 0,
            // The connection ends by itself.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => return,
        }
    }
}

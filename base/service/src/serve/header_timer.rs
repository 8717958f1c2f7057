//! Closes connections that send a request head too slowly, and leaves those alone that only wait between requests.
//! hyper's own timer starts when the wait for a request begins, so that it would close every idle keep-alive
//! connection; this one is armed by the first byte of a head instead, as in the target's language. Used by
//! the connections of `serve`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Counts the reads of a connection that brought something, and knows whether it is between two requests. Only the task of the
/// connection looks at it.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    count: AtomicU64,
    /// hyper asked for a head of which nothing has come.
    awaits_head: AtomicBool,
    /// Something was written, or could not be, since the last whole flush.
    is_unflushed: AtomicBool,
}

impl Arrivals {
    /// Reads so far that brought something.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether no request is under way and every answer is with the kernel.
    pub(super) fn is_between_requests(&self) -> bool {
        self.awaits_head.load(Ordering::Relaxed) && !self.is_unflushed.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.awaits_head.store(false, Ordering::Relaxed);
    }

    fn writes(&self) {
        self.is_unflushed.store(true, Ordering::Relaxed);
    }
}

/// A socket, what was read of it while guessing the protocol, and the count of its arrivals.
#[derive(Debug)]
pub(super) struct Counted<T> {
    inner: T,
    prefix: Bytes,
    arrivals: Arc<Arrivals>,
}

impl<T> Counted<T> {
    pub(super) fn new(inner: T, prefix: Bytes) -> (Self, Arc<Arrivals>) {
        let arrivals = Arc::new(Arrivals::default());
        (Self { inner, prefix, arrivals: Arc::clone(&arrivals) }, arrivals)
    }

    /// The socket, and what was put before it and is not read yet.
    pub(super) fn into_parts(self) -> (T, Bytes) {
        (self.inner, self.prefix)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.prefix.is_empty() {
            let length = self.prefix.len().min(buffer.remaining());
            buffer.put_slice(&self.prefix.slice(..length));
            self.prefix.advance(length);
            self.arrivals.add();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.arrivals.add();
        }
        result
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.arrivals.writes();
        Pin::new(&mut self.inner).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.arrivals.writes();
        Pin::new(&mut self.inner).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.arrivals.is_unflushed.store(false, Ordering::Relaxed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Makes the sleeps that hyper polls while it waits for a request head.
#[derive(Debug)]
pub(super) struct HeaderTimer {
    pub(super) arrivals: Arc<Arrivals>,
}

impl Timer for HeaderTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HeaderSleep {
            arrivals: Arc::clone(&self.arrivals),
            seen: self.arrivals.count(),
            limit: duration,
            running: None,
        })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

/// Sleeps for `limit` from the first arrival after it was made. hyper polls it after every incomplete read.
struct HeaderSleep {
    arrivals: Arc<Arrivals>,
    seen: u64,
    limit: Duration,
    running: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Sleep for HeaderSleep {}

impl Future for HeaderSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.running.is_none() {
            if self.arrivals.count() == self.seen {
                self.arrivals.awaits_head.store(true, Ordering::Relaxed);
                return Poll::Pending;
            }
            self.running = Some(Box::pin(tokio::time::sleep(self.limit)));
        }
        match &mut self.running {
            Some(running) => running.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

//! Writes of an HTTP/2 connection, gathered: what one turn of the scheduler brings leaves in one write. h2 itself writes
//! after every frame of data, so that a call would cost two writes here and two wake-ups at the other end. Reads are `ahead`'s.
//! Used by `connections` and `serve` around their connections. It knows nothing of frames.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::ahead::Ahead;

/// Bytes that wait for the end of a turn; more are written at once.
const MOST: usize = 64 << 10;
/// What a buffer grows by that has become longer than is kept.
const LONG: usize = 24 << 10;
/// A buffer of more than this is not kept while nothing waits.
const KEPT: usize = 8 << 10;

/// The stream that a connection is given: its flushes wait for [`Driven`].
pub(crate) struct Gathered<T>(Arc<Mutex<Inner<T>>>);

struct Inner<T> {
    stream: T,
    ahead: Ahead,
    waiting: BytesMut,
    /// Written, but perhaps kept by the stream.
    unflushed: bool,
    /// A write was refused because too much waits.
    blocked: bool,
    /// Why nothing can be written any more.
    broken: Option<io::ErrorKind>,
    /// Who writes.
    writer: Option<Waker>,
}

/// Drives a connection over a [`Gathered`] stream, and writes what it has gathered.
pub(crate) struct Driven<C, T> {
    connection: Pin<Box<C>>,
    written: Arc<Mutex<Inner<T>>>,
    /// Whether others had their turn since something waits.
    has_yielded: bool,
}

/// A stream for a connection, and what has to drive it.
pub(crate) fn gather<T>(stream: T) -> (Gathered<T>, Gathering<T>) {
    let inner = Inner {
        stream,
        ahead: Ahead::default(),
        waiting: BytesMut::new(),
        unflushed: false,
        blocked: false,
        broken: None,
        writer: None,
    };
    let inner = Arc::new(Mutex::new(inner));
    (Gathered(Arc::clone(&inner)), Gathering(inner))
}

/// The other half of a [`Gathered`] stream, until its connection is there.
pub(crate) struct Gathering<T>(Arc<Mutex<Inner<T>>>);

impl<T> Gathering<T> {
    /// Drives this connection, which has the other half.
    pub(crate) fn drive<C: Future>(self, connection: C) -> Driven<C, T> {
        Driven { connection: Box::pin(connection), written: self.0, has_yielded: false }
    }
}

impl<C, T> Driven<C, T> {
    /// The connection itself, to tell it to end.
    pub(crate) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }
}

/// Nothing here panics with the lock held; and the bytes are whole between any two statements.
fn lock<T>(inner: &Mutex<Inner<T>>) -> MutexGuard<'_, Inner<T>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: AsyncWrite + Unpin> Inner<T> {
    /// Writes everything that waits.
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.waiting));
            let count = self.noted(written)?;
            self.waiting.advance(count);
        }
        if self.waiting.capacity() > KEPT {
            self.waiting = BytesMut::new();
        } else {
            self.waiting.clear();
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))
                .inspect_err(|error| self.broken = Some(error.kind()))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Remembers who has to be woken once there is room, or nothing can be written any more.
    fn written_by(&mut self, context: &Context<'_>) {
        match &mut self.writer {
            Some(writer) => writer.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
    }

    fn check(&self) -> io::Result<()> {
        self.broken.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// The count of a write; that nothing more can be written is remembered.
    fn noted(&mut self, written: io::Result<usize>) -> io::Result<usize> {
        let written =
            written.and_then(|count| if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) });
        self.unflushed = true;
        written.inspect_err(|error| self.broken = Some(error.kind()))
    }

    /// Takes bytes: they wait, or where too much would, are written behind what waits.
    fn take(&mut self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.check()?;
        self.written_by(context);
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if self.waiting.len() + length <= MOST {
            if self.waiting.capacity() - self.waiting.len() < length {
                // What is not kept anyway grows once, not in steps of which each copies all.
                let is_long = self.waiting.len() + length > KEPT;
                self.waiting.reserve(if is_long { length.max(LONG) } else { length });
            }
            slices.iter().for_each(|slice| self.waiting.extend_from_slice(slice));
            return Poll::Ready(Ok(length));
        }
        loop {
            let mut all = Vec::with_capacity(slices.len() + 1);
            if !self.waiting.is_empty() {
                all.push(IoSlice::new(&self.waiting));
            }
            all.extend(slices.iter().map(|slice| IoSlice::new(slice)));
            let written = match Pin::new(&mut self.stream).poll_write_vectored(context, &all) {
                Poll::Ready(written) => written,
                Poll::Pending => {
                    self.blocked = true;
                    return Poll::Pending;
                }
            };
            let count = self.noted(written)?;
            let before = self.waiting.len().min(count);
            self.waiting.advance(before);
            if count > before {
                return Poll::Ready(Ok(count - before));
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gathered<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.0);
        let inner = &mut *inner;
        let before = buffer.filled().len();
        match inner.ahead.poll_read(&mut inner.stream, context, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => Poll::Ready(Ok(())),
            // What the other end said before is read first.
            other => inner.broken.map_or(other, |kind| Poll::Ready(Err(kind.into()))),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gathered<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).take(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).take(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(lock(&self.0).check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = lock(&self.0);
        ready!(inner.drain(context))?;
        Pin::new(&mut inner.stream).poll_shutdown(context)
    }
}

impl<C: Future, T: AsyncWrite + Unpin> Future for Driven<C, T> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        let this = &mut *self;
        loop {
            let progress = this.connection.as_mut().poll(context);
            let mut inner = lock(&this.written);
            if progress.is_ready() {
                // A last word (GOAWAY) leaves if the socket takes it; nobody waits for one that does not.
                let _ = inner.drain(context);
                return progress;
            }
            if inner.waiting.is_empty() && !inner.unflushed {
                this.has_yielded = false;
                return Poll::Pending;
            }
            if !this.has_yielded && !inner.blocked {
                // Whoever is ready now adds to the same write.
                this.has_yielded = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            match inner.drain(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(drained) => {
                    this.has_yielded = false;
                    // One that waited for room, or has to learn that its stream is broken, goes on at once.
                    if !std::mem::take(&mut inner.blocked) && drained.is_ok() {
                        return Poll::Pending;
                    }
                    if let Some(writer) = &inner.writer {
                        writer.wake_by_ref();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;

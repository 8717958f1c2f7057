//! Whether the other end of a connection has spoken. An HTTP/2 server speaks first (RFC 9113 3.4): until it does, no request
//! is given to the connection, so that one which is closed right after it was accepted has taken none. Used when dialling.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use super::line::Activity;

/// A stream that tells once when its first byte arrives.
pub(super) struct Heard<T> {
    stream: T,
    first: Option<oneshot::Sender<()>>,
    activity: Arc<Activity>,
}

impl<T> Heard<T> {
    /// The stream, which tells of what comes, and what completes with its first byte, or fails when it ends without one.
    pub(super) fn new(stream: T, activity: Arc<Activity>) -> (Self, oneshot::Receiver<()>) {
        let (first, heard) = oneshot::channel();
        (Self { stream, first: Some(first), activity }, heard)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Heard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        if buffer.filled().len() > before {
            self.activity.arrived();
            if let Some(first) = self.first.take() {
                // Whoever dialled may have given up.
                let _ = first.send(());
            }
        }
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Heard<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}

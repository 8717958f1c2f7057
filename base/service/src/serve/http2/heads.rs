//! Counts the requests that a client of HTTP/2 begins, by the frames that pass: whether some may wait in `h2` is known without asking it,
//! which costs a poll of the whole connection. Used around the stream of a connection. What it cannot tell counts too often, never too
//! rarely: then `h2` is asked.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::connection::PREFACE;

/// Bytes in front of each frame (RFC 9113 4.1).
const PREFIX: usize = 9;
const HEADERS: u8 = 1;

/// How many requests began; only the task of the connection looks at it.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Begun(Arc<AtomicU64>);

impl Begun {
    /// Requests so far, whole or not.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream whose frames are followed, from the client's preface on.
pub(in super::super) struct Heads<T> {
    stream: T,
    begun: Begun,
    follower: Follower,
}

impl<T> Heads<T> {
    pub(in super::super) fn new(stream: T) -> (Self, Begun) {
        let begun = Begun::default();
        (Self { stream, begun: begun.clone(), follower: Follower::new() }, begun)
    }
}

/// Where in a frame the bytes stand.
struct Follower {
    /// What of the prefix of a frame has come, and how much that is.
    prefix: [u8; PREFIX],
    prefixed: usize,
    /// Bytes of the frame, or of the preface, that are to come.
    left: usize,
    /// The stream that was begun last.
    last: u32,
}

impl Follower {
    fn new() -> Self {
        Self { prefix: [0; PREFIX], prefixed: 0, left: PREFACE.len(), last: 0 }
    }

    /// Follows the frames through some bytes; how many streams begin in them.
    fn follow(&mut self, mut bytes: &[u8]) -> u64 {
        let mut begun = 0;
        loop {
            let inside = self.left.min(bytes.len());
            self.left -= inside;
            bytes = bytes.get(inside..).unwrap_or_default();
            let space = self.prefix.get_mut(self.prefixed..).unwrap_or_default();
            let here = space.len().min(bytes.len());
            if here == 0 {
                return begun;
            }
            let (head, rest) = bytes.split_at(here);
            if let Some(space) = space.get_mut(..here) {
                space.copy_from_slice(head);
            }
            bytes = rest;
            self.prefixed += here;
            if self.prefixed == PREFIX {
                let [high, middle, low, kind, _, stream @ ..] = self.prefix;
                self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.prefixed = 0;
                // The first bit is reserved. Trailers come on a stream that was begun before.
                let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
                if kind == HEADERS && stream > self.last {
                    self.last = stream;
                    begun += 1;
                }
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Heads<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut this.stream).poll_read(context, buffer));
        let begun = this.follower.follow(buffer.filled().get(before..).unwrap_or_default());
        if begun > 0 {
            this.begun.0.fetch_add(begun, Ordering::Relaxed);
        }
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Heads<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(length: u8, kind: u8, stream: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, 4, 0x80, 0, 0, stream];
        bytes.extend(std::iter::repeat_n(HEADERS, usize::from(length)));
        bytes
    }

    proptest! {
        #[test]
        fn each_stream_counts_once_however_the_bytes_are_cut(
            frames in proptest::collection::vec((0u8..40, 0u8..3, 0u8..9), 0..12),
            size in 1usize..30,
        ) {
            let mut bytes = PREFACE.to_vec();
            bytes.extend(frames.iter().flat_map(|(length, kind, stream)| frame(*length, *kind, *stream)));
            let (mut last, mut expected) = (0, 0);
            for (_, kind, stream) in frames {
                if kind == HEADERS && stream > last {
                    (last, expected) = (stream, expected + 1);
                }
            }
            let mut follower = Follower::new();
            let counted: u64 = bytes.chunks(size).map(|piece| follower.follow(piece)).sum();
            prop_assert_eq!(counted, expected);
        }
    }
}

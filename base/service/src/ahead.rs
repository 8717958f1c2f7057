//! Reads of an HTTP/2 connection, ahead: h2 reads what is left of 8 KB at a time, so that the frames of several calls, or one of 16 KB, would
//! take many system calls. Used by `gather`. A connection that gets little at a time never comes here with more than a flag.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that are read at once where more than was asked for may have come.
const MOST: usize = 32 << 10;

thread_local! {
    /// Where a thread reads to before it is known how much came: one for all connections, from when it is needed.
    static SPACE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What was read of a stream and not asked for yet.
#[derive(Default)]
pub(crate) struct Ahead {
    bytes: Bytes,
    /// The last read found all it had room for.
    is_more_likely: bool,
}

impl Ahead {
    /// Reads what was read ahead, else from the stream.
    pub(crate) fn poll_read<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.bytes.is_empty() {
            if self.is_more_likely && buffer.remaining() < MOST {
                return SPACE.with_borrow_mut(|space| self.read_more(stream, context, (space, buffer)));
            }
            let before = buffer.filled().len();
            ready!(Pin::new(stream).poll_read(context, buffer))?;
            self.is_more_likely = buffer.remaining() == 0 && buffer.filled().len() > before;
            return Poll::Ready(Ok(()));
        }
        self.give(buffer);
        Poll::Ready(Ok(()))
    }

    fn read_more<T: AsyncRead + Unpin>(
        &mut self,
        stream: &mut T,
        context: &mut Context<'_>,
        (space, buffer): (&mut Vec<u8>, &mut ReadBuf<'_>),
    ) -> Poll<io::Result<()>> {
        space.resize(MOST, 0);
        let mut read = ReadBuf::new(space);
        ready!(Pin::new(stream).poll_read(context, &mut read))?;
        self.is_more_likely = read.remaining() == 0;
        let (now, later) = read.filled().split_at(read.filled().len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.bytes = Bytes::copy_from_slice(later);
        Poll::Ready(Ok(()))
    }

    fn give(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.bytes.len().min(buffer.remaining());
        buffer.put_slice(self.bytes.get(..length).unwrap_or_default());
        self.bytes.advance(length);
        if self.bytes.is_empty() {
            self.bytes = Bytes::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Counts its reads, and is read ahead.
    struct Counting {
        stream: tokio::io::DuplexStream,
        ahead: Ahead,
        reads: Vec<usize>,
    }

    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let this = &mut *self;
            let mut told = Told(&mut this.stream, &mut this.reads);
            this.ahead.poll_read(&mut told, context, buffer)
        }
    }

    struct Told<'a>(&'a mut tokio::io::DuplexStream, &'a mut Vec<usize>);

    impl AsyncRead for Told<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut *self.0).poll_read(context, buffer))?;
            let count = buffer.filled().len() - before;
            self.1.push(count);
            Poll::Ready(Ok(()))
        }
    }

    async fn reading(bytes: &[u8], room: usize) -> Vec<usize> {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        far.write_all(bytes).await.unwrap();
        drop(far);
        let mut counting = Counting { stream: near, ahead: Ahead::default(), reads: Vec::new() };
        let (mut all, mut piece) = (Vec::new(), vec![0; room]);
        loop {
            let count = counting.read(&mut piece).await.unwrap();
            if count == 0 {
                break;
            }
            all.extend_from_slice(&piece[..count]);
        }
        assert_eq!(all, bytes);
        counting.reads
    }

    #[tokio::test]
    async fn everything_comes_in_order_and_much_at_once_where_there_is_much() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| number.to_be_bytes()[3]).collect();
        assert_eq!(reading(&bytes, 8000).await, [8000, MOST, MOST, 100_000 - 8000 - 2 * MOST, 0]);
        assert_eq!(reading(&bytes[..9000], 8000).await, [8000, 1000, 0]);
        assert_eq!(reading(&bytes[..700], 8000).await, [700, 0], "what is little is read as asked");
        assert_eq!(reading(&bytes[..700], 3).await, [3, 697, 0]);
    }
}

//! Gathered writes against a stream that tells each write, takes as much as it is let, and breaks when told.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::Tasks;

/// A stream in memory that counts writes.
struct Counting {
    stream: tokio::io::DuplexStream,
    writes: Arc<AtomicUsize>,
    broken: bool,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn pair(room: usize) -> (Counting, tokio::io::DuplexStream, Arc<AtomicUsize>) {
    let (near, far) = tokio::io::duplex(room);
    let writes = Arc::new(AtomicUsize::new(0));
    (Counting { stream: near, writes: Arc::clone(&writes), broken: false }, far, writes)
}

#[tokio::test]
async fn what_one_turn_brings_is_one_write() {
    let (stream, mut far, writes) = pair(1 << 20);
    let (mut gathered, gathering) = gather(stream);
    let connection = async move {
        for piece in ["one ", "two ", "three"] {
            gathered.write_all(piece.as_bytes()).await.unwrap();
            gathered.flush().await.unwrap();
        }
        // It lives on: nothing but its driver writes.
        std::future::pending::<()>().await;
    };
    let driving = Tasks::new().spawn("server", gathering.drive(connection));
    let mut read = [0; 13];
    far.read_exact(&mut read).await.unwrap();
    assert_eq!((&read, writes.load(Ordering::SeqCst)), (b"one two three", 1));
    driving.abort();
}

#[tokio::test]
async fn everything_arrives_in_order_through_a_narrow_stream() {
    let (stream, mut far, _) = pair(1000);
    let (mut gathered, gathering) = gather(stream);
    let sent: Vec<u8> = (0..300_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    let expected = sent.clone();
    let connection = async move {
        for (turn, piece) in sent.chunks(7001).enumerate() {
            gathered.write_all(piece).await.unwrap();
            if turn % 3 == 0 {
                tokio::task::yield_now().await;
            }
        }
        gathered.shutdown().await.unwrap();
    };
    Tasks::new().spawn("server", gathering.drive(connection));
    let mut read = Vec::new();
    far.read_to_end(&mut read).await.unwrap();
    assert!(read == expected);
}

#[tokio::test]
async fn what_was_written_last_leaves_before_the_end() {
    let (stream, mut far, _) = pair(1000);
    let (mut gathered, gathering) = gather(stream);
    gathering.drive(async move { gathered.write_all(b"last").await.unwrap() }).await;
    let mut read = String::new();
    far.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "last");
}

#[tokio::test]
async fn a_broken_stream_is_told_to_the_connection_after_what_was_said_before() {
    let (mut stream, mut far, _) = pair(1000);
    stream.broken = true;
    far.write_all(b"goodbye").await.unwrap();
    let (mut gathered, gathering) = gather(stream);
    let told = gathering
        .drive(async move {
            gathered.write_all(b"hello").await.unwrap();
            let mut heard = [0; 7];
            gathered.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"goodbye");
            gathered.read_u8().await.unwrap_err().kind()
        })
        .await;
    assert_eq!(told, io::ErrorKind::BrokenPipe);
}

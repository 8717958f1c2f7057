//! The body of a message that comes over HTTP/2: of a request in `serve`, of an answer in `connections`. Room in the window is
//! given back as the body is read, and pieces that are here together are given on together. It must not decide what a broken body means.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Frame, SizeHint};

use crate::BoxError;

/// Pieces that are here together are joined up to this length, that of the longest frame everybody takes: a frame costs each end that it
/// passes more than the copy.
const JOINED: usize = 16 * 1024;

/// A body as its stream brings it.
pub(crate) struct Received {
    stream: RecvStream,
    /// What is to come, where the head said so. That it comes so is checked by `h2`.
    length: Option<u64>,
    /// What was found behind the piece before and is no part of it.
    next: Option<Result<Bytes, h2::Error>>,
    data_ended: bool,
}

impl Received {
    /// The body of the message with this head.
    pub(crate) fn new(stream: RecvStream, head: &HeaderMap) -> Self {
        let length = head.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Self { stream, length, next: None, data_ended: false }
    }

    fn poll_stream(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.next.is_some() || !self.data_ended {
            let piece = match self.next.take() {
                Some(next) => Some(next),
                None => ready!(self.stream.poll_data(context)),
            };
            match piece {
                Some(Ok(first)) => {
                    let data = self.with_what_is_here(first, context);
                    // Fails for a stream that is over, which needs no room.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.length = self.length.map(|length| length.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Self::broken(error)),
                None => self.data_ended = true,
            }
        }
        match ready!(self.stream.poll_trailers(context)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) => Poll::Ready(Self::broken(error)),
        }
    }

    /// This piece, and those behind it that have come already.
    fn with_what_is_here(&mut self, first: Bytes, context: &mut Context<'_>) -> Bytes {
        let mut joined = BytesMut::new();
        while self.next.is_none() && !self.data_ended && first.len().max(joined.len()) < JOINED {
            // Nothing is behind the end, which is asked for more cheaply.
            if self.stream.is_end_stream() {
                break;
            }
            match self.stream.poll_data(context) {
                Poll::Ready(Some(Ok(more))) if first.len().max(joined.len()) + more.len() <= JOINED => {
                    if joined.is_empty() {
                        joined.reserve((2 * (first.len() + more.len())).min(JOINED));
                        joined.extend_from_slice(&first);
                    }
                    joined.extend_from_slice(&more);
                }
                Poll::Ready(Some(next)) => self.next = Some(next),
                Poll::Ready(None) => self.data_ended = true,
                Poll::Pending => break,
            }
        }
        if joined.is_empty() { first } else { joined.freeze() }
    }

    /// A stream that is reset without an error has only ended (RFC 9113 8.1).
    fn broken(error: h2::Error) -> Option<Result<Frame<Bytes>, h2::Error>> {
        (error.reason() != Some(Reason::NO_ERROR)).then_some(Err(error))
    }
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.poll_stream(context).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_end_stream() {
            return SizeHint::with_exact(0);
        }
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::Tasks;

    /// A request with pieces of these lengths and trailers, all of which have come.
    async fn received(lengths: &[usize], tasks: &Tasks) -> Received {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (sender, connection) = h2::client::handshake(theirs).await.unwrap();
        tasks.spawn("a test", connection);
        let (_, mut stream) = sender.ready().await.unwrap().send_request(http::Request::new(()), false).unwrap();
        for length in lengths {
            stream.send_data(Bytes::from(vec![b'x'; *length]), false).unwrap();
        }
        stream.send_trailers(HeaderMap::new()).unwrap();
        let mut connection = h2::server::handshake(ours).await.unwrap();
        let (request, respond) = connection.accept().await.unwrap().unwrap();
        tasks.spawn("a test", async move {
            let _open = respond;
            while connection.accept().await.is_some() {}
        });
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let (head, stream) = request.into_parts();
        Received::new(stream, &head.headers)
    }

    async fn frames(mut body: Received) -> Vec<Option<usize>> {
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            assert!(!http_body::Body::is_end_stream(&body) || frame.as_ref().unwrap().is_trailers());
            frames.push(frame.unwrap().data_ref().map(Bytes::len));
        }
        frames
    }

    #[tokio::test]
    async fn what_is_here_together_is_given_on_together_and_no_longer_than_a_frame() {
        let tasks = Tasks::new();
        for (sent, given) in [
            (&[5][..], &[Some(5), None][..]),
            (&[1, 2, 3], &[Some(6), None]),
            (&[JOINED - 1, 1, 1], &[Some(JOINED), Some(1), None]),
            (&[JOINED, 1], &[Some(JOINED), Some(1), None]),
            (&[JOINED - 1, 2, 3], &[Some(JOINED - 1), Some(5), None]),
            (&[0, 7], &[Some(7), None]),
        ] {
            assert_eq!(frames(received(sent, &tasks).await).await, given, "{sent:?}");
        }
    }
}

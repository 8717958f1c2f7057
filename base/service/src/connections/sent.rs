//! What was sent of the body of a request, as far as it is little: with it, a request can be taken back from a connection that did not
//! process it. Used by `exchange` until the answer begins. It does not judge whether a request may be sent again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{Body, BoxError};

/// Bytes of a sent body that are kept; a longer one cannot be taken back.
const KEPT: usize = 64 << 10;

/// The bytes of a body that were sent, as far as they are kept. They are shared with the connection, not copied.
#[derive(Default)]
pub(super) struct Sent {
    /// What was sent first, which is mostly all.
    first: Option<Bytes>,
    later: VecDeque<Bytes>,
    length: usize,
    /// It was too much, or what cannot be sent twice.
    is_gone: bool,
}

impl Sent {
    /// Remembers what is sent now; trailers and errors end it: such a request is not sent again.
    pub(super) fn keep(&mut self, frame: &Result<Frame<Bytes>, BoxError>) {
        let data = frame.as_ref().ok().and_then(Frame::data_ref);
        self.length = self.length.saturating_add(data.map_or(usize::MAX, Bytes::len));
        match data.filter(|_| !self.is_gone && self.length <= KEPT) {
            Some(data) if self.first.is_none() => self.first = Some(data.clone()),
            Some(data) => self.later.push_back(data.clone()),
            None => {
                self.is_gone = true;
                self.first = None;
                self.later = VecDeque::new();
            }
        }
    }

    /// Whether more can be sent and kept.
    pub(super) fn has_room(&self) -> bool {
        self.length < KEPT
    }

    /// The body as it was before this was sent of it; none if that is not known any more.
    pub(super) fn before(self, rest: Body) -> Option<Body> {
        if self.is_gone {
            return None;
        }
        let Some(first) = self.first else { return Some(rest) };
        let mut sent = self.later;
        sent.push_front(first);
        Some(crate::body::boxed(Again { sent, rest }))
    }
}

/// What was sent once, and what was not sent yet.
struct Again {
    sent: VecDeque<Bytes>,
    rest: Body,
}

impl http_body::Body for Again {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.sent.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sent.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let sent: u64 = self.sent.iter().map(|data| data.len() as u64).sum();
        let mut hint = self.rest.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(sent));
        }
        hint.set_lower(hint.lower().saturating_add(sent));
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;

    fn pieces(lengths: &[usize]) -> Body {
        let frames: VecDeque<Bytes> = lengths.iter().map(|length| Bytes::from(vec![b'x'; *length])).collect();
        crate::body::boxed(Again { sent: frames, rest: crate::body::full("end") })
    }

    /// Reads so many frames of a body as one that is sent, and gives what is left.
    async fn sent(mut body: Body, frames: usize) -> (Sent, Body) {
        let mut sent = Sent::default();
        for _ in 0..frames {
            sent.keep(&body.frame().await.unwrap());
        }
        (sent, body)
    }

    async fn read(body: Body) -> usize {
        body.collect().await.unwrap().to_bytes().len()
    }

    #[tokio::test]
    async fn a_body_comes_back_whole_wherever_it_stood() {
        for frames in 0..4 {
            let (sent, rest) = sent(pieces(&[1, 2]), frames).await;
            assert!(sent.has_room());
            let back = sent.before(rest).unwrap();
            assert_eq!(back.size_hint().exact(), Some(6));
            assert!(!back.is_end_stream());
            assert_eq!(read(back).await, 6);
        }
    }

    #[tokio::test]
    async fn a_long_body_is_not_kept() {
        let (sent, rest) = sent(pieces(&[KEPT, 1]), 2).await;
        assert!(!sent.has_room());
        assert!(sent.first.is_none() && sent.later.is_empty());
        assert!(sent.before(rest).is_none());
    }

    #[tokio::test]
    async fn a_body_with_trailers_is_not_sent_again() {
        let trailers = futures_util::future::ready(Some(Ok(http::HeaderMap::new())));
        let body = crate::body::boxed(http_body_util::Full::new(Bytes::from_static(b"x")).with_trailers(trailers));
        let (sent, rest) = sent(body, 2).await;
        assert!(sent.before(rest).is_none());
    }
}

//! A request that can be taken back from a connection that did not process it: its head is kept, and of its body the bytes
//! that were sent, as far as they are few. Used by the pool for each request until its answer begins. It does not judge
//! whether a request may be sent again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use http_body::{Frame, SizeHint};

use super::lock;
use crate::{Body, BoxError};

/// Bytes of a sent body that are kept; a longer one cannot be taken back.
const KEPT: usize = 64 << 10;

/// What stays here of a request that was given to a connection.
pub(super) struct Kept {
    parts: Parts,
    rest: Rest,
}

enum Rest {
    /// All of its body was sent.
    Whole(Sent),
    /// Its body is still being sent.
    Lent(Arc<Mutex<Lent>>),
}

struct Lent {
    /// None once it was taken back.
    body: Option<Body>,
    sent: Sent,
}

/// The bytes of a body that were sent, as far as they are kept.
pub(super) struct Sent {
    /// None once it is too much, or not needed any more.
    pieces: Option<VecDeque<Bytes>>,
    length: usize,
}

impl Default for Sent {
    fn default() -> Self {
        Self { pieces: Some(VecDeque::new()), length: 0 }
    }
}

impl Sent {
    /// Remembers what is sent now; trailers and errors end it: such a request is not sent again.
    pub(super) fn keep(&mut self, frame: &Result<Frame<Bytes>, BoxError>) {
        let Some(pieces) = &mut self.pieces else { return };
        let data = frame.as_ref().ok().and_then(Frame::data_ref);
        self.length = self.length.saturating_add(data.map_or(usize::MAX, Bytes::len));
        match data {
            Some(data) if self.length <= KEPT => pieces.push_back(data.clone()),
            _ => self.pieces = None,
        }
    }

    /// Whether more can be sent and kept.
    pub(super) fn has_room(&self) -> bool {
        self.length < KEPT
    }
}

/// Splits a request of whose body something was sent: what stays, and the rest of the body, which a connection is given.
pub(super) fn lend(parts: Parts, body: Body, sent: Sent) -> (Kept, Body) {
    let lent = Arc::new(Mutex::new(Lent { body: Some(body), sent }));
    let given = crate::body::boxed(Given(Arc::clone(&lent)));
    (Kept { parts, rest: Rest::Lent(lent) }, given)
}

impl Kept {
    /// What stays of a request that was sent whole.
    pub(super) fn whole(parts: Parts, sent: Sent) -> Self {
        Self { parts, rest: Rest::Whole(sent) }
    }

    /// The request as it was before, whatever was sent of its body; none if that was too much. The connection that still
    /// holds the other half finds it broken.
    pub(super) fn take_back(mut self) -> Option<Request<Body>> {
        let (pieces, rest) = match &mut self.rest {
            Rest::Whole(sent) => (sent.pieces.take()?, crate::body::empty()),
            Rest::Lent(lent) => {
                let mut lent = lock(lent);
                (lent.sent.pieces.take()?, lent.body.take()?)
            }
        };
        let body = if pieces.is_empty() { rest } else { crate::body::boxed(Again { sent: pieces, rest }) };
        Some(Request::from_parts(self.parts.clone(), body))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The answer has begun: the rest of the body streams without being kept.
        if let Rest::Lent(lent) = &self.rest {
            lock(lent).sent.pieces = None;
        }
    }
}

/// The body that a connection has.
struct Given(Arc<Mutex<Lent>>);

impl http_body::Body for Given {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut lent = lock(&self.0);
        let Some(body) = &mut lent.body else {
            return Poll::Ready(Some(Err("the request was taken back".into())));
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if let Some(frame) = &frame {
            lent.sent.keep(frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).body.as_ref().is_some_and(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).body.as_ref().map_or_else(SizeHint::default, http_body::Body::size_hint)
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

    async fn read(body: Body) -> usize {
        body.collect().await.unwrap().to_bytes().len()
    }

    #[tokio::test]
    async fn a_request_comes_back_whole_wherever_its_body_stood() {
        for polled in 0..4 {
            let request = Request::builder().header("x-own", "1").body(pieces(&[1, 2])).unwrap();
            let (parts, body) = request.into_parts();
            let (kept, mut given) = lend(parts, body, Sent::default());
            assert_eq!(given.size_hint().exact(), Some(6));
            for _ in 0..polled {
                given.frame().await.unwrap().unwrap();
            }
            let back = kept.take_back().unwrap();
            assert_eq!(back.headers()["x-own"], "1");
            assert_eq!(back.size_hint().exact(), Some(6));
            assert!(!back.is_end_stream());
            assert_eq!(read(back.into_body()).await, 6);
            assert!(given.frame().await.unwrap().is_err(), "the other half is broken");
        }
    }

    #[tokio::test]
    async fn a_long_body_is_not_kept() {
        let (parts, body) = Request::new(pieces(&[KEPT, 1])).into_parts();
        let (kept, mut given) = lend(parts, body, Sent::default());
        given.frame().await.unwrap().unwrap();
        given.frame().await.unwrap().unwrap();
        assert!(kept.take_back().is_none());
        assert_eq!(read(given).await, 3, "it streams on");
    }

    #[tokio::test]
    async fn nothing_is_kept_once_the_answer_has_begun() {
        let (parts, body) = Request::new(pieces(&[1, 2])).into_parts();
        let (kept, mut given) = lend(parts, body, Sent::default());
        let Rest::Lent(lent) = &kept.rest else { panic!("it is lent") };
        let lent = Arc::clone(lent);
        given.frame().await.unwrap().unwrap();
        drop(kept);
        given.frame().await.unwrap().unwrap();
        assert!(lock(&lent).sent.pieces.is_none());
    }

    #[tokio::test]
    async fn a_request_that_was_sent_whole_comes_back_whole() {
        let (parts, mut body) = Request::new(pieces(&[1, 2])).into_parts();
        let mut sent = Sent::default();
        while let Some(frame) = body.frame().await {
            sent.keep(&frame);
        }
        let back = Kept::whole(parts, sent).take_back().unwrap();
        assert_eq!(read(back.into_body()).await, 6);
    }
}

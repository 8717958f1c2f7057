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
    lent: Arc<Mutex<Lent>>,
}

struct Lent {
    /// None once it was taken back.
    body: Option<Body>,
    /// What was sent; none once it is too much, or not needed any more.
    sent: Option<VecDeque<Bytes>>,
    length: usize,
}

/// Splits a request: what stays, and what a connection is given.
pub(super) fn lend(request: Request<Body>) -> (Kept, Request<Body>) {
    let (parts, body) = request.into_parts();
    let lent = Arc::new(Mutex::new(Lent { body: Some(body), sent: Some(VecDeque::new()), length: 0 }));
    let given = crate::body::boxed(Given(Arc::clone(&lent)));
    (Kept { parts: parts.clone(), lent }, Request::from_parts(parts, given))
}

impl Kept {
    /// The request as it was before, whatever was sent of its body; none if that was too much. The connection that still
    /// holds the other half finds it broken.
    pub(super) fn take_back(self) -> Option<Request<Body>> {
        let mut lent = lock(&self.lent);
        let sent = lent.sent.take()?;
        let rest = lent.body.take()?;
        drop(lent);
        let body = if sent.is_empty() { rest } else { crate::body::boxed(Again { sent, rest }) };
        Some(Request::from_parts(self.parts.clone(), body))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The answer has begun: the rest of the body streams without being kept.
        lock(&self.lent).sent = None;
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
        match &frame {
            Some(Ok(frame)) => lent.keep(frame.data_ref()),
            Some(Err(_)) => lent.sent = None,
            None => {}
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

impl Lent {
    /// Remembers what was sent; trailers end it, since no request here has any.
    fn keep(&mut self, data: Option<&Bytes>) {
        let Some(sent) = &mut self.sent else { return };
        self.length = self.length.saturating_add(data.map_or(usize::MAX, Bytes::len));
        match data {
            Some(data) if self.length <= KEPT => sent.push_back(data.clone()),
            _ => self.sent = None,
        }
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
            let (kept, mut given) = lend(request);
            assert_eq!(given.size_hint().exact(), Some(6));
            for _ in 0..polled {
                given.body_mut().frame().await.unwrap().unwrap();
            }
            let back = kept.take_back().unwrap();
            assert_eq!(back.headers()["x-own"], "1");
            assert_eq!(back.size_hint().exact(), Some(6));
            assert!(!back.is_end_stream());
            assert_eq!(read(back.into_body()).await, 6);
            assert!(given.body_mut().frame().await.unwrap().is_err(), "the other half is broken");
        }
    }

    #[tokio::test]
    async fn a_long_body_is_not_kept() {
        let (kept, mut given) = lend(Request::new(pieces(&[KEPT, 1])));
        given.body_mut().frame().await.unwrap().unwrap();
        given.body_mut().frame().await.unwrap().unwrap();
        assert!(kept.take_back().is_none());
        assert_eq!(read(given.into_body()).await, 3, "it streams on");
    }

    #[tokio::test]
    async fn nothing_is_kept_once_the_answer_has_begun() {
        let (kept, mut given) = lend(Request::new(pieces(&[1, 2])));
        let lent = Arc::clone(&kept.lent);
        given.body_mut().frame().await.unwrap().unwrap();
        drop(kept);
        given.body_mut().frame().await.unwrap().unwrap();
        assert!(lock(&lent).sent.is_none());
    }
}

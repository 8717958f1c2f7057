//! One request and its answer over one HTTP/2 connection. Called by the pool. A body that is at hand leaves together with
//! its head; one that is not is sent by a task of its own. It must not judge whether a request may be sent again beyond
//! what the connection proves.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Extensions, Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::cause::{describe, is_refused};
use super::lent::{Kept, Sent};
use super::{Lease, lent};
use crate::received::Received;
use crate::{Body, BoxError, Tasks};

/// Why there is no answer.
pub(super) struct Refusal {
    /// In words.
    pub(super) reason: String,
    /// The request, where the peer provably did not process it and it can be sent again.
    pub(super) back: Option<Request<Body>>,
}

/// Sends a request and waits for the head of its answer.
///
/// # Errors
/// [`Refusal`].
pub(super) async fn exchange(
    lease: Lease,
    request: Request<Body>,
    is_secure: bool,
    tasks: &Tasks,
) -> Result<Response<Body>, Refusal> {
    let (mut parts, mut body) = request.into_parts();
    // A table that was only emptied would be copied.
    parts.extensions = Extensions::new();
    let mut uri = parts.uri.clone().into_parts();
    uri.scheme = Some(if is_secure { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(lease.0.authority.clone());
    uri.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    let mut head = Request::from_parts(parts.clone(), ());
    // All three parts are there, which is all that can be wrong.
    *head.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    let (answer, mut stream) = match lease.0.line.sender().send_request(head, body.is_end_stream()) {
        Ok(begun) => begun,
        Err(error) => {
            lease.0.line.retire();
            return Err(Refusal { reason: describe(&error), back: Some(Request::from_parts(parts, body)) });
        }
    };
    let mut sent = Sent::default();
    let whole = std::future::poll_fn(|context| Poll::Ready(start(&mut body, &mut stream, &mut sent, context))).await;
    let (kept, pumping) = if whole {
        (Kept::whole(parts, sent), None)
    } else {
        let (kept, given) = lent::lend(parts, body, sent);
        let pumping = CancellationToken::new();
        let stopped = pumping.clone();
        tasks.spawn("http2 request body", async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = pump(given, stream) => {}
            }
        });
        (kept, Some(pumping.drop_guard()))
    };
    match answer.await {
        Ok(response) => {
            let (parts, stream) = response.into_parts();
            let answer = Answer { body: Received::new(stream, &parts.headers), lease: Some(lease), pumping };
            Ok(Response::from_parts(parts, answer.boxed_unsync()))
        }
        Err(error) => {
            let untouched = is_refused(&error);
            if untouched && error.is_go_away() {
                lease.0.line.retire();
            }
            Err(Refusal { reason: describe(&error), back: untouched.then(|| kept.take_back()).flatten() })
        }
    }
}

/// Sends what the body has at hand; whether that was all, or the stream is over. What has no room yet waits in the connection, so this
/// stops at the bound of what is kept.
fn start(body: &mut Body, stream: &mut SendStream<Bytes>, sent: &mut Sent, context: &mut Context<'_>) -> bool {
    if body.is_end_stream() {
        return true;
    }
    while sent.has_room() {
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) else { return false };
        if let Some(frame) = &frame {
            sent.keep(frame);
        }
        if pass(frame, body.is_end_stream(), stream).is_none() {
            return true;
        }
    }
    false
}

/// Gives one frame to the stream; `None` when that was the last, or the stream is over.
fn pass(frame: Option<Result<Frame<Bytes>, BoxError>>, is_last: bool, stream: &mut SendStream<Bytes>) -> Option<()> {
    let frame = match frame {
        None => {
            // A stream that is over already says so to whoever waits for its answer.
            let _ = stream.send_data(Bytes::new(), true);
            return None;
        }
        Some(Ok(frame)) => frame,
        Some(Err(error)) => {
            let reason = error.downcast_ref::<h2::Error>().and_then(h2::Error::reason);
            stream.send_reset(reason.unwrap_or(Reason::INTERNAL_ERROR));
            return None;
        }
    };
    match frame.into_data() {
        Ok(data) => stream.send_data(data, is_last).ok().filter(|()| !is_last),
        Err(frame) => {
            if let Ok(trailers) = frame.into_trailers() {
                let _ = stream.send_trailers(trailers);
            }
            None
        }
    }
}

/// Sends the rest of a body as the other end takes it.
async fn pump(mut body: Body, mut stream: SendStream<Bytes>) {
    loop {
        stream.reserve_capacity(1);
        let frame = std::future::poll_fn(|context| {
            // The other end wants no more of it.
            if stream.poll_reset(context).is_ready() {
                return Poll::Ready(None);
            }
            while stream.capacity() == 0 {
                match ready!(stream.poll_capacity(context)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(None),
                }
            }
            Pin::new(&mut body).poll_frame(context).map(Some)
        });
        let Some(frame) = frame.await else { return };
        if pass(frame, body.is_end_stream(), &mut stream).is_none() {
            return;
        }
    }
}

/// The body of an answer. It keeps its connection from being collected until it has ended; dropped before, it ends the whole
/// exchange.
struct Answer {
    body: Received,
    lease: Option<Lease>,
    pumping: Option<DropGuard>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.lease = None;
            // What is still sent of the request goes on: the answer came whole.
            if let Some(pumping) = self.pumping.take() {
                pumping.disarm();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

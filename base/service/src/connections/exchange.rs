//! One request and its answer over one HTTP/2 connection. Called by the pool. Until the answer begins, whoever waits for it sends the
//! body too; what is left of it then is sent by a task of its own. It must not judge whether a request may be sent again beyond what the
//! connection proves.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, SendStream};
use http::request::Parts;
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Extensions, Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Lease;
use super::cause::{describe, is_refused};
use super::sent::Sent;
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
    let (mut parts, body) = request.into_parts();
    // A table that was only emptied would be copied.
    parts.extensions = Extensions::new();
    let head = head(&parts, &lease, is_secure);
    let is_over = body.is_end_stream();
    let (answer, stream) = match lease.0.line.sender().send_request(head, is_over) {
        Ok(begun) => begun,
        Err(error) => {
            lease.0.line.retire();
            return Err(Refusal { reason: describe(&error), back: Some(Request::from_parts(parts, body)) });
        }
    };
    let mut sending = Sending { body, stream, sent: Sent::default(), is_over };
    match sending.answered(answer).await {
        Ok(response) => {
            let (parts, stream) = response.into_parts();
            let pumping = sending.go_on(tasks);
            let answer = Answer { body: Received::new(stream, &parts.headers), lease: Some(lease), pumping };
            Ok(Response::from_parts(parts, answer.boxed_unsync()))
        }
        Err(error) => {
            let untouched = is_refused(&error);
            if untouched && error.is_go_away() {
                lease.0.line.retire();
            }
            let body = if untouched { sending.take_back() } else { None };
            Err(Refusal { reason: describe(&error), back: body.map(|body| Request::from_parts(parts, body)) })
        }
    }
}

/// The head as this connection sends it.
fn head(parts: &Parts, lease: &Lease, is_secure: bool) -> Request<()> {
    let mut uri = parts.uri.clone().into_parts();
    uri.scheme = Some(if is_secure { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(lease.0.authority.clone());
    uri.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
    let mut head = Request::new(());
    *head.method_mut() = parts.method.clone();
    // All three parts are there, which is all that can be wrong.
    *head.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    *head.headers_mut() = parts.headers.clone();
    head
}

/// The body of a request whose answer has not begun.
struct Sending {
    body: Body,
    stream: SendStream<Bytes>,
    sent: Sent,
    is_over: bool,
}

impl Sending {
    /// Sends until the answer begins.
    async fn answered(&mut self, mut answer: ResponseFuture) -> Result<Response<h2::RecvStream>, h2::Error> {
        std::future::poll_fn(|context| {
            if !self.is_over {
                self.is_over = self.poll(context).is_ready();
            }
            Pin::new(&mut answer).poll(context)
        })
        .await
    }

    /// Sends what the body has at hand; ready when that was all, or the stream is over. So much as is kept is given to the connection without
    /// asking for room, and waits there; then the other end has to have room.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            if !self.sent.has_room() && ready!(poll_room(&mut self.stream, context)).is_none() {
                return Poll::Ready(());
            }
            let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
            if let Some(frame) = &frame {
                self.sent.keep(frame);
            }
            if pass(frame, self.body.is_end_stream(), &mut self.stream).is_none() {
                return Poll::Ready(());
            }
        }
    }

    /// The body as it was before, whatever was sent of it; none if that was too much.
    fn take_back(self) -> Option<Body> {
        self.sent.before(self.body)
    }

    /// Has a task send what is left, until what is returned is dropped.
    fn go_on(self, tasks: &Tasks) -> Option<DropGuard> {
        if self.is_over {
            return None;
        }
        let pumping = CancellationToken::new();
        let stopped = pumping.clone();
        tasks.spawn("http2 request body", async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = pump(self.body, self.stream) => {}
            }
        });
        Some(pumping.drop_guard())
    }
}

/// Waits until the stream takes something; none when it is over.
fn poll_room(stream: &mut SendStream<Bytes>, context: &mut Context<'_>) -> Poll<Option<()>> {
    stream.reserve_capacity(1);
    while stream.capacity() == 0 {
        match ready!(stream.poll_capacity(context)) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Poll::Ready(None),
        }
    }
    Poll::Ready(Some(()))
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
        let frame = std::future::poll_fn(|context| {
            // The other end wants no more of it.
            if stream.poll_reset(context).is_ready() || ready!(poll_room(&mut stream, context)).is_none() {
                return Poll::Ready(None);
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

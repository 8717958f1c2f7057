//! One request and its answer over one HTTP/2 connection. Called by the pool. A body that is at hand leaves together with
//! its head; one that is not is sent by a task of its own. It must not judge whether a request may be sent again beyond
//! what the connection proves.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_LENGTH;
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::cause::{describe, is_refused};
use super::lent::{Kept, Sent};
use super::{Lease, lent};
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
    parts.extensions.clear();
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
            let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
            let answer = Answer { stream, length, data_ended: false, lease: Some(lease), pumping };
            Ok(Response::from_parts(parts, crate::body::boxed(answer)))
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
    stream: RecvStream,
    length: Option<u64>,
    data_ended: bool,
    lease: Option<Lease>,
    pumping: Option<DropGuard>,
}

impl Answer {
    fn poll_stream(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_ended {
            match ready!(self.stream.poll_data(context)) {
                Some(Ok(data)) => {
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

    /// A stream that is reset without an error has only ended (RFC 9113 8.1).
    fn broken(error: h2::Error) -> Option<Result<Frame<Bytes>, h2::Error>> {
        (error.reason() != Some(Reason::NO_ERROR)).then_some(Err(error))
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let frame = ready!(self.poll_stream(context));
        if !matches!(frame, Some(Ok(_))) || self.stream.is_end_stream() {
            self.lease = None;
            // What is still sent of the request goes on: the answer came whole.
            if let Some(pumping) = self.pumping.take() {
                pumping.disarm();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.stream.is_end_stream() {
            return SizeHint::with_exact(0);
        }
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

//! The time a gRPC caller gives (`grpc-timeout`): a proxied call ends with `DeadlineExceeded` when it is over, whatever the
//! app does with the header.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use service::{Body, BoxError};
use tokio::time::{Instant, Sleep};
use tonic::{Code, Status};

/// When a call must be over; a call without `grpc-timeout` has all the time.
#[derive(Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// The deadline that a request's headers set. One that cannot be read is none: the door of our app
    /// has refused it before.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let left = call::timeout(headers).ok().flatten();
        Self(left.and_then(|left| Instant::now().checked_add(left)))
    }

    /// Whether the time is over.
    pub(super) fn is_over(self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }

    /// Runs a call within its time, the body of its answer included.
    pub(super) async fn keep(self, call: impl Future<Output = Response<Body>>) -> Response<Body> {
        let Some(at) = self.0 else { return call.await };
        match tokio::time::timeout_at(at, call).await {
            Ok(response) => response.map(|body| {
                service::body::boxed(Limited { body, expiry: Box::pin(tokio::time::sleep_until(at)), over: false })
            }),
            Err(_) => exceeded().into_http(),
        }
    }
}

fn exceeded() -> Status {
    Status::new(Code::DeadlineExceeded, "context deadline exceeded")
}

/// An answer that ends with the deadline's status when the time is over.
struct Limited {
    body: Body,
    expiry: Pin<Box<Sleep>>,
    over: bool,
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if self.expiry.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.over = true;
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from(Code::DeadlineExceeded as i32));
        trailers.insert("grpc-message", HeaderValue::from_static("context deadline exceeded"));
        self.body = service::body::empty();
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }
}

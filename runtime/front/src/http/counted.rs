//! What is counted of requests to the API. Called by the door, around each request; it decides nothing.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use ::http::header::CONTENT_LENGTH;
use ::http::uri::PathAndQuery;
use ::http::{Method, Request, Response};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use security::path;
use service::{Body, BoxError};
use telemetry::metrics::HttpServer;

/// A request that is being answered.
pub(super) struct Counting {
    counts: Arc<HttpServer>,
    method: Method,
    path: PathAndQuery,
    request_bytes: u64,
    started: Instant,
}

impl Counting {
    /// Begins with a request, if requests are counted.
    pub(super) fn begin(counts: &Arc<HttpServer>, request: &Request<Body>) -> Option<Self> {
        if !counts.is_on() {
            return None;
        }
        let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Some(Self {
            counts: Arc::clone(counts),
            method: request.method().clone(),
            path: request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
            request_bytes: length.unwrap_or_default(),
            started: Instant::now(),
        })
    }

    /// Counts the answer: at once where its length is known, otherwise when its body has ended.
    pub(super) fn end(self, response: Response<Body>) -> Response<Body> {
        let status = response.status().as_u16();
        match response.body().size_hint().exact() {
            Some(length) => {
                self.count(status, length);
                response
            }
            None => response.map(|body| {
                let counting = Some(self);
                service::body::boxed(Counted { body, counting, status, length: 0 })
            }),
        }
    }

    fn count(self, status: u16, response_bytes: u64) {
        let path = self.path.path();
        let decoded = path::decode(path).unwrap_or(Cow::Borrowed(path));
        let place = (self.method.as_str(), &*path::clean(&decoded));
        self.counts.answered(place, status, (self.request_bytes, response_bytes), self.started.elapsed());
    }
}

/// A body that is counted when it has ended, or was given up.
struct Counted {
    body: Body,
    counting: Option<Counting>,
    status: u16,
    length: u64,
}

impl Counted {
    fn ended(&mut self) {
        if let Some(counting) = self.counting.take() {
            counting.count(self.status, self.length);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.ended();
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => self.length += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(_)) | None => self.ended(),
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

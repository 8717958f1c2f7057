//! What is counted of requests to an HTTP app. Called by the channel, around each request; it sends nothing.

use std::borrow::Cow;
use std::time::Instant;

use ::http::uri::PathAndQuery;
use ::http::{Method, Request, StatusCode};
use http_body::Body as _;
use service::Body;
use telemetry::metrics::HttpClient;

/// A request on its way. Without metrics it is none.
pub(super) struct Sent<'a>(Option<Counting<'a>>);

struct Counting<'a> {
    counts: &'a HttpClient,
    method: Method,
    path: PathAndQuery,
    started: Instant,
}

impl Counting<'_> {
    /// The path as the app decodes it.
    fn decoded(&self) -> Cow<'_, str> {
        let path = self.path.path();
        security::path::decode(path).unwrap_or(Cow::Borrowed(path))
    }
}

impl<'a> Sent<'a> {
    /// Counts a request that goes to the app now.
    pub(super) fn count(counts: &'a HttpClient, request: &Request<Body>) -> Self {
        if !counts.is_on() {
            return Self(None);
        }
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let counting = Counting { counts, method: request.method().clone(), path, started: Instant::now() };
        let bytes = request.body().size_hint().exact().unwrap_or_default();
        counts.sent((counting.method.as_str(), &counting.decoded()), bytes);
        Self(Some(counting))
    }

    /// Counts what became of it: the app's status, if it gave one, and the bytes that it announced.
    pub(super) fn answered(self, status: Option<u16>, bytes: Option<u64>) {
        let Some(counting) = self.0 else { return };
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR.as_u16());
        let place = (counting.method.as_str(), &*counting.decoded());
        counting.counts.answered(place, status, bytes.unwrap_or_default(), counting.started.elapsed());
    }
}

//! What service invocation counts. Called by every way that a call goes; it decides nothing.

use std::time::Instant;

use call::{Answer, Failure};
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response};
use security::Peer;
use service::{Body, Watch};
use telemetry::Metrics;
use telemetry::metrics::{GrpcServer, Invocations};
use tonic::Code;

use super::deadline::Deadline;

/// Where calls are counted. Without metrics, nowhere.
#[derive(Clone, Default)]
pub(super) struct Counts {
    pub(super) invocations: Invocations,
    server: GrpcServer,
}

impl Counts {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self { invocations: Invocations::new(metrics), server: GrpcServer::new(metrics) }
    }

    /// Counts a call that goes out now.
    pub(super) fn sent(&self, target: &str) -> Option<Instant> {
        let started = self.invocations.is_on().then(Instant::now);
        self.invocations.sent(target, false);
        started
    }

    /// Counts its answer, if there is one.
    pub(super) fn answer(&self, target: &str, started: Option<Instant>, answer: &Result<Answer, Failure>) {
        if let (Some(started), Ok(answer)) = (started, answer) {
            self.invocations.answer(target, answer.status.code, started.elapsed());
        }
    }

    /// Counts the response to a request that was passed on, if there is one.
    pub(super) fn response(&self, target: &str, started: Option<Instant>, response: &Result<Response<Body>, Failure>) {
        if let (Some(started), Ok(response)) = (started, response) {
            self.invocations.answer(target, i32::from(response.status().as_u16()), started.elapsed());
        }
    }

    /// Counts what the access control list said.
    pub(super) fn judged(&self, peer: &Peer, (is_allowed, by_policy): (bool, bool)) {
        let caller = peer.id().map_or(["", "", ""], |id| [id.app_id(), id.namespace(), id.trust_domain()]);
        self.invocations.judged(caller, by_policy, is_allowed);
    }

    /// Watches a request of our app that names another app, if it is counted.
    pub(super) fn proxied(&self, request: &Request<Body>, deadline: Deadline) -> Option<Proxied> {
        if !self.server.is_on() || !request.headers().contains_key(&super::proxy::TARGET) {
            return None;
        }
        let method = request.uri().path_and_query()?.clone();
        Some(Proxied { counts: self.clone(), method, deadline, started: Instant::now(), hop: None })
    }
}

/// Whether the app says that a call is a stream.
pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    headers.contains_key("dapr-stream")
}

/// A proxied call, until it ends.
pub(super) struct Proxied {
    counts: Counts,
    method: PathAndQuery,
    deadline: Deadline,
    started: Instant,
    hop: Option<Hop>,
}

/// The way of a call to another sidecar.
pub(super) struct Hop {
    pub(super) app: String,
    pub(super) started: Instant,
    pub(super) is_stream: bool,
}

impl Proxied {
    /// It went to another sidecar.
    pub(super) fn by(&mut self, hop: Option<Hop>) {
        self.hop = hop;
    }
}

impl Watch for Proxied {
    fn ended(self, code: i32, _: u64) {
        let is_late = code == Code::Cancelled as i32 && self.deadline.is_over();
        let code = if is_late { Code::DeadlineExceeded as i32 } else { code };
        self.counts.server.answered(self.method.path(), code, None, self.started.elapsed());
        if let Some(hop) = self.hop.filter(|hop| !hop.is_stream) {
            self.counts.invocations.answer(&hop.app, code, hop.started.elapsed());
        }
    }
}

//! What is counted of calls to the gRPC API. Called by the door, around each call of the Dapr service; calls that pass through are
//! counted by `blocks::invoke`. Streams are not counted, as in the target.

use std::error::Error as _;
use std::time::Instant;

use errors::ApiError;
use http::uri::PathAndQuery;
use http::{Request, Response};
use service::{Body, Excess, Watch};
use telemetry::metrics::{ErrorCodes, GrpcServer};
use tonic::Status;

use crate::noted::Noted;

/// Methods of more than one message.
pub(super) const STREAMS: [&str; 5] = [
    "SubscribeConfigurationAlpha1",
    "SubscribeConfiguration",
    "SubscribeTopicEventsAlpha1",
    "EncryptAlpha1",
    "DecryptAlpha1",
];

/// A call that is being answered.
pub(super) struct Counting {
    counts: GrpcServer,
    method: PathAndQuery,
    excess: Excess,
    started: Instant,
}

impl Counting {
    /// Begins with a call, if it is counted. `excess` is that of its messages.
    pub(super) fn begin(counts: &GrpcServer, request: &Request<Body>, excess: &Excess) -> Option<Self> {
        let method = request.uri().path_and_query().filter(|_| counts.is_on())?;
        let name = method.path().rsplit('/').next().unwrap_or_default();
        if STREAMS.contains(&name) {
            return None;
        }
        Some(Self { counts: counts.clone(), method: method.clone(), excess: excess.clone(), started: Instant::now() })
    }
}

/// Counts the error that an answer is, if it is one of the catalogue.
pub(super) fn error(error_codes: &ErrorCodes, answer: &Response<Body>) {
    if !error_codes.is_on() {
        return;
    }
    let status = answer.extensions().get::<Status>();
    let error = status.and_then(|status| status.source()?.downcast_ref::<ApiError>());
    match error.and_then(ApiError::metric) {
        Some((code, category)) => error_codes.count(code, category.label()),
        None => Noted::count(answer.extensions(), error_codes),
    }
}

impl Watch for Counting {
    fn ended(self, code: i32, sent: u64) {
        let bytes = Some((self.excess.carried(), sent));
        self.counts.answered(self.method.path(), code, bytes, self.started.elapsed());
    }
}

//! What every call to a backend carries beside its request. Built by blocks for each call, so it must stay cheap: an
//! empty one allocates nothing.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// W3C trace context as it came in, not interpreted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// `traceparent`, empty if there is none.
    pub parent: String,
    /// `tracestate`, empty if there is none.
    pub state: String,
    /// `baggage`, empty if there is none.
    pub baggage: String,
}

/// How long a call may take, who may end it, and on whose behalf it is made.
///
/// `loaded` enforces `deadline` and `cancel` for every call by dropping the backend's future; a backend only reads them
/// to tell its server.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// Cancelled when the caller goes away.
    pub cancel: Option<CancellationToken>,
    /// Trace context to pass on.
    pub trace: Option<Arc<Trace>>,
    /// SPIFFE id of an authenticated caller; never something the caller says of itself.
    pub identity: Option<Arc<str>>,
}

//! What every call to a backend carries beside its request. Built by blocks for each call, so it must stay cheap: an
//! empty one allocates nothing.

use std::sync::{Arc, OnceLock};

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

/// Whether the caller has gone away. Most calls are over before anybody asks, so the token is made when somebody does; a clone is of
/// the same caller.
#[derive(Debug, Default)]
pub struct Cancel {
    /// Whether the caller can go away.
    can: bool,
    token: OnceLock<CancellationToken>,
}

impl Cancel {
    /// Of a caller that can go away: whoever makes this cancels it then.
    #[must_use]
    pub fn possible() -> Self {
        Self { can: true, token: OnceLock::new() }
    }

    /// The token, which is made now if nobody asked before; `None` for a caller that cannot go away.
    pub fn token(&self) -> Option<&CancellationToken> {
        self.can.then(|| self.token.get_or_init(CancellationToken::new))
    }

    /// The caller went away: tells whoever asked.
    pub fn cancel(&self) {
        if let Some(token) = self.token.get() {
            token.cancel();
        }
    }

    /// Whether a caller can go away.
    pub fn is_possible(&self) -> bool {
        self.can
    }

    /// Whether the caller has gone away.
    pub fn is_cancelled(&self) -> bool {
        self.token.get().is_some_and(CancellationToken::is_cancelled)
    }
}

impl Clone for Cancel {
    fn clone(&self) -> Self {
        Self { can: self.can, token: self.token().cloned().map(OnceLock::from).unwrap_or_default() }
    }
}

impl From<CancellationToken> for Cancel {
    fn from(token: CancellationToken) -> Self {
        Self { can: true, token: token.into() }
    }
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
    pub cancel: Cancel,
    /// Trace context to pass on.
    pub trace: Option<Arc<Trace>>,
    /// SPIFFE id of an authenticated caller; never something the caller says of itself.
    pub identity: Option<Arc<str>>,
}

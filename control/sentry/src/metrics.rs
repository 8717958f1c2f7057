//! What sentry counts, under the target's names. Handles are made once.

use std::time::SystemTime;

use telemetry::metrics::names;
use telemetry::{Counter, Gauge, Metrics};

/// The counters of a sentry.
#[derive(Clone)]
pub(crate) struct Counts {
    metrics: Metrics,
    pub(crate) received: Counter,
    pub(crate) signed: Counter,
    pub(crate) changed: Counter,
    expiry: Gauge,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            received: metrics.counter(&names::SENTRY_SIGN_REQUESTS, &[]),
            signed: metrics.counter(&names::SENTRY_SIGN_SUCCESSES, &[]),
            changed: metrics.counter(&names::SENTRY_ISSUER_CHANGES, &[]),
            expiry: metrics.gauge(&names::SENTRY_ISSUER_EXPIRY, &[]),
            metrics: metrics.clone(),
        }
    }

    /// A request was refused.
    pub(crate) fn refused(&self, reason: &str) {
        self.metrics.counter(&names::SENTRY_SIGN_FAILURES, &[reason]).add(1);
    }

    /// The own certificate could not be made.
    pub(crate) fn own_failed(&self, reason: &str) {
        self.metrics.counter(&names::SENTRY_OWN_FAILURES, &[reason]).add(1);
    }

    /// When the issuer ends.
    pub(crate) fn expires(&self, until: SystemTime) {
        let since = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.expiry.set(since.as_secs_f64().floor());
    }
}

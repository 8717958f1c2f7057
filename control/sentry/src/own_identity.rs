//! Sentry's own identity: a certificate that it signs for itself, half way through its life and whenever the bundle changes.
//! Its server shows it; nobody is asked for one in return.

use std::time::{Duration, SystemTime};

use identity::{Credential, Held, KeyKind, NewKey};
use security::SpiffeId;
use service::{HealthTarget, Shutdown};

use crate::authority::{Authority, Lifetimes, Subject, date};
use crate::metrics::Counts;

const TARGET: &str = "dapr.runtime.security";
/// Before another attempt.
const RETRY: Duration = Duration::from_secs(10);
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait before looking at the clock again, which somebody may move.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Makes sentry's own certificates.
pub(crate) struct OwnIdentity {
    pub(crate) id: SpiffeId,
    pub(crate) authority: Authority,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) counts: Counts,
}

impl OwnIdentity {
    /// The first certificate.
    ///
    /// # Errors
    /// A sentence: nothing can be signed.
    pub(crate) fn first(&self) -> Result<Held, String> {
        tracing::info!(target: TARGET, "Fetching initial identity");
        let credential = self.certify().map_err(|error| format!("failed to retrieve the initial identity: {error}"))?;
        tracing::info!(target: TARGET, "Security is initialized successfully");
        Ok(Held::new(credential))
    }

    fn certify(&self) -> Result<Credential, String> {
        let key = NewKey::generate(KeyKind::Ed25519).map_err(|error| error.to_string())?;
        let subject = Subject { id: &self.id, dns_names: &[], images: &[] };
        let current = self.authority.current();
        let signed = current.sign(&subject, key.public(), self.lifetimes, SystemTime::now()).map_err(|error| {
            self.counts.own_failed("ca_error");
            error.to_string()
        })?;
        key.certified(signed.chain).map_err(|error| error.to_string())
    }

    /// Renews it until a stop is requested.
    pub(crate) async fn keep(self, held: Held, health: HealthTarget, shutdown: Shutdown) {
        health.ready();
        let mut changes = self.authority.subscribe();
        let mut due = renewal(&held.current());
        tracing::info!(
            target: TARGET,
            "Starting workload identity expiry watcher; cert expires on: {}, renewal at: {}",
            date(held.current().validity.until),
            date(due)
        );
        loop {
            let wait = due.duration_since(SystemTime::now()).unwrap_or_default().min(LONGEST_WAIT);
            let is_changed = tokio::select! {
                () = shutdown.requested() => break,
                () = tokio::time::sleep(wait) => false,
                changed = changes.changed() => changed.is_ok(),
            };
            if !is_changed && SystemTime::now() < due {
                continue;
            }
            match self.certify() {
                Ok(credential) => {
                    due = renewal(&credential);
                    tracing::info!(
                        target: TARGET,
                        "Successfully renewed workload identity; cert expires on: {}, renewal at: {}",
                        date(credential.validity.until),
                        date(due)
                    );
                    held.replace(credential);
                }
                Err(reason) => {
                    tracing::error!(
                        target: TARGET,
                        "Error renewing identity, trying again in {} seconds: {reason}",
                        RETRY.as_secs()
                    );
                    due = SystemTime::now() + RETRY;
                }
            }
        }
        health.not_ready();
    }
}

/// Half way through what is left of a certificate's life, counted from now: it began in the past, by what clocks may differ.
fn renewal(credential: &Credential) -> SystemTime {
    let now = SystemTime::now();
    let left = credential.validity.until.duration_since(now).unwrap_or_default();
    now + (left / 2).max(SHORTEST_WAIT)
}

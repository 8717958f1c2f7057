//! A subscription to changes of configuration, pulled by whoever holds it. Dropping it ends it.

use component::configuration::{Changes, Items};
use tokio_util::sync::CancellationToken;

use super::Configuration;

/// Changes of some keys of one store, from the time it was made.
pub struct Subscription {
    id: String,
    changes: Changes,
    owner: Configuration,
    stop: CancellationToken,
}

/// What comes out of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Keys with their new values; a value is empty where its key was removed.
    Items(Items),
    /// The app or the sidecar ended it.
    Ended,
    /// The store was closed, or can never go on.
    Lost,
}

impl Subscription {
    pub(super) fn new(id: String, changes: Changes, owner: Configuration, stop: CancellationToken) -> Self {
        Self { id, changes, owner, stop }
    }

    /// Its id, unique in all sidecars.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits for the next change. After `Ended` or `Lost` there is none. May be dropped at any time without losing one.
    pub async fn next(&mut self) -> Change {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Change::Ended,
            () = self.owner.intake.requested() => Change::Ended,
            items = self.changes.recv() => items.map_or(Change::Lost, Change::Items),
        }
    }

    /// Completes when the app or the sidecar ended it.
    pub(super) async fn ended(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.owner.intake.requested() => {}
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.owner.lock().remove(&self.id);
    }
}

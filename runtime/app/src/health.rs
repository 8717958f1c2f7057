//! Whether the app is well: probes at an interval, counts failures, tells whoever watches.
//!
//! Without probes the app counts as well for ever. With probes it counts as unwell until the first one succeeds, as in the
//! target.

use std::sync::Arc;
use std::time::Duration;

use service::{Shutdown, Tasks};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::Channel;

/// How the app is probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthOptions {
    /// Between two probes.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// Failures in a row after which the app counts as unwell.
    pub threshold: u32,
}

/// The app's health as everyone sees it. A clone sees the same app.
#[derive(Clone)]
pub struct Health {
    sender: Option<Arc<watch::Sender<bool>>>,
}

impl Health {
    /// An app that is not probed: always well.
    pub fn always() -> Self {
        Self { sender: None }
    }

    /// An app that will be probed: unwell until a probe succeeds.
    pub fn probed() -> Self {
        Self { sender: Some(Arc::new(watch::Sender::new(false))) }
    }

    /// Whether calls may pass to the app.
    pub fn is_healthy(&self) -> bool {
        self.sender.as_ref().is_none_or(|sender| *sender.borrow())
    }

    /// Resolves when the app is well (at once when it is not probed).
    pub async fn healthy(&self) {
        if let Some(sender) = &self.sender {
            // The sender lives in `self`, so waiting cannot fail.
            let _ = sender.subscribe().wait_for(|healthy| *healthy).await;
        }
    }

    /// Resolves when the app is unwell; never for an app that is not probed.
    pub async fn unhealthy(&self) {
        match &self.sender {
            // The sender lives in `self`, so waiting cannot fail.
            Some(sender) => drop(sender.subscribe().wait_for(|healthy| !*healthy).await),
            None => std::future::pending().await,
        }
    }

    /// Starts the probes; they end with `shutdown`. Does nothing for an app that is not probed.
    pub fn start(&self, options: HealthOptions, channel: Channel, shutdown: Shutdown, tasks: &Tasks) {
        let Some(sender) = self.sender.clone() else { return };
        tasks.spawn("app health", async move {
            tracing::info!(target: "dapr.apphealth", "App health probes starting");
            let mut ticker = tokio::time::interval(options.interval);
            ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut failures = options.threshold;
            loop {
                tokio::select! {
                    () = shutdown.requested() => break,
                    _ = ticker.tick() => {}
                }
                let result = tokio::select! {
                    () = shutdown.requested() => break,
                    result = channel.probe(options.timeout) => result,
                };
                failures = judge(&sender, result, failures, options.threshold);
            }
            tracing::info!(target: "dapr.apphealth", "App health probes stopping");
        });
    }
}

/// Takes one probe's result into account; returns the failures in a row.
fn judge(sender: &watch::Sender<bool>, result: Result<(), String>, failures: u32, threshold: u32) -> u32 {
    match result {
        Ok(()) => {
            if failures >= threshold {
                tracing::info!(target: "dapr.apphealth", "App entered healthy status");
                sender.send_replace(true);
            }
            0
        }
        Err(reason) => {
            let failures = failures.saturating_add(1);
            if failures == threshold {
                tracing::warn!(target: "dapr.apphealth", "App entered un-healthy status: {reason}");
                sender.send_replace(false);
            }
            failures
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_is_unwell_only_after_the_threshold_and_well_after_one_success() {
        let sender = watch::Sender::new(false);
        let mut failures = judge(&sender, Ok(()), 3, 3);
        assert!(*sender.borrow());
        failures = judge(&sender, Err("a".into()), failures, 3);
        failures = judge(&sender, Err("b".into()), failures, 3);
        assert!(*sender.borrow());
        failures = judge(&sender, Err("c".into()), failures, 3);
        assert!(!*sender.borrow());
        assert_eq!(judge(&sender, Ok(()), failures, 3), 0);
        assert!(*sender.borrow());
    }
}

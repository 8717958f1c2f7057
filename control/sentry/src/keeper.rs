//! Keeps the bundle: loads it or makes the first one, follows changes of the texts, and rotates it in time. A bundle that
//! cannot be used after a change changes nothing: sentry goes on with the one it has, and says so.

mod clock;
mod loading;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use service::{Shutdown, Tasks};
use tokio::sync::Notify;

pub(crate) use loading::Loading;

use crate::authority::{Authority, counts, date};
use crate::issuing::Unverified;
use crate::metrics::Counts;
use crate::rotation::{Decision, Step, decide};
use crate::store::{Contents, Part, Store, StoreError};
use clock::WatchedClock;

const TARGET: &str = "dapr.sentry.ca";
/// Changes that come within this time are taken together, as in the target: files are replaced one by one.
const BATCH: Duration = Duration::from_secs(2);
/// The longest wait before looking at the clock again, which somebody may move.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// The shortest wait before another attempt at a step that failed.
const RETRY: Duration = Duration::from_secs(5);
/// Steps that can follow each other at once; more is a mistake that must not spin.
const MOST_STEPS: u32 = 8;

/// Keeps a bundle in a store.
pub(crate) struct Keeper {
    store: Arc<dyn Store>,
    loading: Arc<Loading>,
    metrics: Counts,
    clock: WatchedClock,
    last: Contents,
    /// What is in use and not public yet.
    unpublished: Option<Contents>,
    warned: Option<SystemTime>,
}

impl Keeper {
    /// Loads the bundle of a store, or makes the first one there.
    ///
    /// # Errors
    /// A sentence: the bundle cannot be used, or does not count now and is not to be replaced.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        loading: Loading,
        metrics: Counts,
    ) -> Result<(Self, Authority), String> {
        let loading = Arc::new(loading);
        let found = store.load().await.map_err(|error| format!("failed to get CA bundle: {error}"))?;
        let completing = Arc::clone(&loading);
        let contents = store
            .update(Box::new(move |contents| completing.complete(contents, SystemTime::now()).map_err(told)))
            .await
            .map_err(|error| format!("failed to store CA bundle: {error}"))?;
        if contents == found {
            tracing::info!(target: TARGET, "Root and issuer certs found: using credentials from store");
        } else {
            tracing::info!(target: TARGET, "Self-signed certs and JWT root key generated and persisted successfully");
            metrics.changed.add(1);
        }
        let current = loading.read(&contents).map_err(|error| format!("failed to verify CA bundle: {error}"))?;
        if let Some(tokens) = &current.tokens {
            tracing::info!(target: TARGET, "JWT issuing enabled");
            tracing::info!(target: TARGET, "Using JWT kid: {}", tokens.key_id());
        }
        store.publish(&contents).await.map_err(|error| format!("failed to store CA bundle: {error}"))?;
        let authority = Authority::new(current);
        let clock = WatchedClock::new();
        let mut keeper = Self { store, loading, metrics, clock, last: contents, unpublished: None, warned: None };
        keeper.metrics.expires(authority.current().issuing.issuer_until());
        keeper.advance(&authority).await;
        let (life, now) = (authority.current().issuing.life(), SystemTime::now());
        if let Err(reason) = counts(life, now) {
            let place = keeper.store.place(Part::IssuerCertificate);
            if now > life.until {
                return Err(format!("{reason}: replace {place}, its key and its root"));
            }
            tracing::error!(target: TARGET, "Nothing is signed by {place} yet: {reason}; is the clock right?");
        }
        Ok((keeper, authority))
    }

    /// Follows the texts and the time until a stop is requested.
    pub(crate) async fn keep(mut self, authority: Authority, shutdown: Shutdown, tasks: &Tasks) {
        let changed = Arc::new(Notify::new());
        let (store, told, stop) = (Arc::clone(&self.store), Arc::clone(&changed), shutdown.clone());
        tasks.spawn("bundle changes", async move {
            tokio::select! {
                () = stop.requested() => {}
                () = async { loop { store.changed().await; told.notify_one(); } } => {}
            }
        });
        let mut due = self.advance(&authority).await;
        loop {
            let wait = due.duration_since(SystemTime::now()).unwrap_or_default().min(LONGEST_WAIT);
            tokio::select! {
                () = shutdown.requested() => return,
                () = tokio::time::sleep(wait) => {}
                () = changed.notified() => {
                    tracing::debug!(target: "dapr.sentry", "Received issuer credentials changed signal");
                    tokio::select! {
                        () = shutdown.requested() => return,
                        () = tokio::time::sleep(BATCH) => self.reload(&authority).await,
                    }
                }
            }
            due = self.advance(&authority).await;
        }
    }

    /// Looks at the texts again.
    async fn reload(&mut self, authority: &Authority) {
        match self.store.load().await {
            Ok(contents) if contents == self.last => {}
            Ok(contents) => {
                tracing::warn!(target: "dapr.sentry", "Issuer credentials changed; reloading");
                self.take(authority, contents);
            }
            Err(error) => tracing::error!(target: TARGET, "{error}; sentry goes on with the bundle it has"),
        }
    }

    /// Puts texts to use, if they are a bundle.
    fn take(&mut self, authority: &Authority, contents: Contents) {
        let next = match self.loading.read(&contents) {
            Ok(next) => next,
            Err(error) => {
                let place = self.store.place(Part::IssuerCertificate);
                tracing::error!(
                    target: TARGET,
                    "The bundle of {place} cannot be used: {error}; sentry goes on with the one it has"
                );
                // Told once; the next change is looked at again.
                self.last = contents;
                return;
            }
        };
        let (old, new) = (authority.current(), &next.issuing);
        if let Err(reason) = counts(new.life(), SystemTime::now())
            && counts(old.issuing.life(), SystemTime::now()).is_ok()
        {
            tracing::error!(target: TARGET, "The bundle was changed, and {reason}; sentry goes on with the one it has");
            self.last = contents;
            return;
        }
        if old.issuing.chain() != new.chain() {
            self.metrics.changed.add(1);
        }
        self.metrics.expires(new.issuer_until());
        authority.replace(next);
        self.unpublished = Some(contents.clone());
        self.last = contents;
    }

    /// Does what is to be done now; when to look again.
    async fn advance(&mut self, authority: &Authority) -> SystemTime {
        for _ in 0..MOST_STEPS {
            let now = SystemTime::now();
            if let Some(until) = self.clock.moved(now) {
                return until;
            }
            // What is not public yet must not be built upon: whoever trusts the roots of before would be left behind.
            if let Err(error) = self.publish().await {
                tracing::error!(target: TARGET, "The bundle in use is not public, and this is tried again: {error}");
                return now + RETRY;
            }
            let state = match self.loading.state(&self.last, &authority.current().issuing) {
                Ok(state) => state,
                Err(error) => {
                    tracing::error!(target: TARGET, "The bundle is not rotated: {error}");
                    return now + LONGEST_WAIT;
                }
            };
            match decide(now, &state, &self.loading.policy, self.warned) {
                Decision::Later(due) => return due,
                Decision::Now(Step::Warn(until)) => {
                    self.warned = Some(now);
                    self.warn(until);
                }
                Decision::Now(step) => {
                    if let Err(error) = self.step(authority).await {
                        let end = date(state.current.life.until);
                        tracing::error!(
                            target: TARGET,
                            "{} failed, and is tried again: {error}; the present issuer ends at {end}",
                            told_step(&step)
                        );
                        return now + retry(now, state.current.life.until);
                    }
                }
            }
        }
        SystemTime::now() + RETRY
    }

    /// Takes the next step of a rotation, on the texts as they are by then.
    async fn step(&mut self, authority: &Authority) -> Result<(), String> {
        let loading = Arc::clone(&self.loading);
        let contents = self.store.update(Box::new(move |contents| loading.step(contents).map_err(told))).await;
        let contents = contents.map_err(|error| error.to_string())?;
        if contents == self.last {
            return Err("the texts of the bundle are not those that were loaded".to_owned());
        }
        self.take(authority, contents);
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), StoreError> {
        if let Some(contents) = &self.unpublished {
            self.store.publish(contents).await?;
            self.unpublished = None;
        }
        Ok(())
    }

    fn warn(&self, until: SystemTime) {
        let place = self.store.place(Part::IssuerCertificate);
        let why = if self.loading.policy.enabled {
            "sentry has not made it and does not replace it"
        } else {
            "rotation is switched off (--rotation=false)"
        };
        tracing::warn!(
            target: TARGET,
            "The issuer certificate {place} or its root ends at {}, and nothing is signed after that: {why}",
            date(until)
        );
    }
}

/// A twentieth of the time that is left, within limits.
fn retry(now: SystemTime, end: SystemTime) -> Duration {
    (end.duration_since(now).unwrap_or_default() / 20).clamp(RETRY, LONGEST_WAIT)
}

fn told(error: Unverified) -> String {
    error.to_string()
}

fn told_step(step: &Step) -> &'static str {
    match step {
        Step::Distribute => "Making and distributing the next root",
        Step::Sign => "Changing to the next issuer",
        Step::Retire(_) => "Retiring an old root",
        Step::Discard => "Discarding an unusable successor",
        Step::Replace => "Replacing the expired issuer",
        Step::Warn(_) => "Warning",
    }
}

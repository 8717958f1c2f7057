//! Whether the sidecar is ready, and if not: what is missing, why, and since when. Fed by whoever starts a part, read by the
//! health APIs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The parts that must be ready. A clone is the same set.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    targets: Arc<Mutex<Vec<State>>>,
}

#[derive(Debug)]
struct State {
    name: &'static str,
    missing: Option<(String, Instant)>,
}

/// A part that is not ready.
#[derive(Debug, Clone)]
pub struct Missing {
    /// Its name.
    pub name: &'static str,
    /// Why it is not ready.
    pub reason: String,
    /// Since when.
    pub since: Instant,
}

/// One part, reported by its owner.
#[derive(Clone, Debug)]
pub struct Target {
    readiness: Readiness,
    index: usize,
}

impl Readiness {
    /// No parts yet. Without any part nothing is ready, as in the target.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<State>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a part that is not ready yet.
    pub fn target(&self, name: &'static str) -> Target {
        let mut targets = self.lock();
        targets.push(State { name, missing: Some(("starting".to_owned(), Instant::now())) });
        Target { readiness: self.clone(), index: targets.len() - 1 }
    }

    /// The parts that are not ready, in the order in which they were added.
    pub fn missing(&self) -> Vec<Missing> {
        let targets = self.lock();
        if targets.is_empty() {
            return vec![Missing { name: "runtime", reason: "starting".to_owned(), since: Instant::now() }];
        }
        let missing = targets.iter().filter_map(|state| Some((state.name, state.missing.clone()?)));
        missing.map(|(name, (reason, since))| Missing { name, reason, since }).collect()
    }
}

impl Target {
    fn set(&self, missing: Option<(String, Instant)>) {
        if let Some(state) = self.readiness.lock().get_mut(self.index) {
            state.missing = missing;
        }
    }

    /// This part is ready.
    pub fn ready(&self) {
        self.set(None);
    }

    /// This part is not ready any more.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(Some((reason.into(), Instant::now())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_must_be_ready_and_what_is_not_says_why() {
        let readiness = Readiness::new();
        assert_eq!(readiness.missing().len(), 1);
        let (first, second) = (readiness.target("first"), readiness.target("second"));
        first.ready();
        assert_eq!(readiness.missing()[0].name, "second");
        second.ready();
        assert!(readiness.missing().is_empty());
        first.not_ready("shutting down");
        assert_eq!(readiness.missing()[0].reason, "shutting down");
    }
}

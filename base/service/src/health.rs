//! Whether a role is well: each of its parts is a target that says so, and the role is well when all are.
//! Called by the parts of a role, and by the healthz port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The health of a role. A clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Health {
    targets: Arc<Mutex<BTreeMap<&'static str, bool>>>,
}

impl Health {
    /// A role without parts, which is not well.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A part that is not ready yet.
    #[must_use]
    pub fn target(&self, name: &'static str) -> HealthTarget {
        self.set(name, false);
        HealthTarget { name, health: self.clone() }
    }

    /// Whether there are parts and all of them are ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        !targets.is_empty() && targets.values().all(|ready| *ready)
    }

    /// The parts that are not ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets.iter().filter(|(_, ready)| !**ready).map(|(name, _)| *name).collect()
    }

    fn set(&self, name: &'static str, ready: bool) {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).insert(name, ready);
    }
}

/// One part of a role. What it said last stays when it is dropped.
#[derive(Debug)]
pub struct HealthTarget {
    name: &'static str,
    health: Health,
}

impl HealthTarget {
    /// The part does what it should.
    pub fn ready(&self) {
        self.health.set(self.name, true);
    }

    /// The part cannot do what it should.
    pub fn not_ready(&self) {
        self.health.set(self.name, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_well_when_every_part_is() {
        let health = Health::new();
        assert!(!health.is_ready(), "nothing is there yet");
        let (first, second) = (health.target("first"), health.target("second"));
        first.ready();
        assert_eq!((health.is_ready(), health.missing()), (false, vec!["second"]));
        second.ready();
        assert!(health.is_ready());
        first.not_ready();
        assert_eq!(health.missing(), ["first"]);
    }
}

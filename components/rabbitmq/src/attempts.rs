//! How often a message has failed here, so that its next try can wait longer: a classic queue does not count. Used by
//! receipts. Messages are told apart by a hash; two that are the same only wait a little longer.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lapin::message::Delivery;

/// How many failing messages are remembered.
const REMEMBERED: usize = 4096;

/// The failures of the messages of one subscription.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    hasher: RandomState,
    failed: Mutex<HashMap<u64, u32>>,
}

impl Attempts {
    /// What tells a message from others.
    pub(crate) fn mark(&self, delivery: &Delivery) -> u64 {
        let identity = delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned());
        self.hasher.hash_one((&delivery.data, identity))
    }

    /// Counts a failure and answers how many there were before.
    pub(crate) fn failed(&self, mark: u64) -> u32 {
        let mut failed = self.lock();
        if failed.len() >= REMEMBERED && !failed.contains_key(&mark) {
            failed.clear();
        }
        let count = failed.entry(mark).or_insert(0);
        *count = count.saturating_add(1);
        *count - 1
    }

    /// The message is done with.
    pub(crate) fn forget(&self, mark: u64) {
        self.lock().remove(&mark);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_until_forgotten_and_never_too_many() {
        let attempts = Attempts::default();
        assert_eq!([attempts.failed(1), attempts.failed(1), attempts.failed(2)], [0, 1, 0]);
        attempts.forget(1);
        assert_eq!(attempts.failed(1), 0);
        for mark in 0..20_000 {
            attempts.failed(mark);
        }
        assert!(attempts.lock().len() <= REMEMBERED);
    }
}

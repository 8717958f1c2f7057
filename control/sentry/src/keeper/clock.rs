//! Notices that somebody moved the clock of this machine, or that it slept. What rotation does cannot be undone, so that it
//! waits a while and sees whether the new time stays.

use std::time::{Duration, Instant, SystemTime};

/// A move is more than this.
const MOVE: Duration = Duration::from_secs(3600);
/// How long a new time must stay.
const TRUST: Duration = Duration::from_secs(15 * 60);

/// The two clocks of a machine, compared.
#[derive(Debug)]
pub(super) struct WatchedClock {
    seen: (Instant, SystemTime),
    suspect: Option<Instant>,
}

impl WatchedClock {
    pub(super) fn new() -> Self {
        Self { seen: (Instant::now(), SystemTime::now()), suspect: None }
    }

    /// Until when nothing should be decided by this time; `None` when it can be trusted.
    pub(super) fn moved(&mut self, now: SystemTime) -> Option<SystemTime> {
        self.moved_at(Instant::now(), now)
    }

    fn moved_at(&mut self, steady: Instant, now: SystemTime) -> Option<SystemTime> {
        let (last_steady, last) = self.seen;
        self.seen = (steady, now);
        let expected = last + steady.duration_since(last_steady);
        let distance = now.duration_since(expected).unwrap_or_else(|error| error.duration());
        if distance > MOVE {
            tracing::warn!(
                target: super::TARGET,
                "The clock has moved by {} seconds; rotation waits {} minutes to see whether that stays",
                distance.as_secs(),
                TRUST.as_secs() / 60
            );
            self.suspect = Some(steady);
        }
        let left = TRUST.checked_sub(steady.duration_since(self.suspect?)).filter(|left| !left.is_zero());
        if left.is_none() {
            self.suspect = None;
        }
        left.map(|left| now + left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_clock_that_runs_is_trusted_and_one_that_was_moved_after_a_while() {
        let mut clock = WatchedClock::new();
        let (steady, now) = clock.seen;
        assert_eq!(clock.moved_at(steady + 300 * MINUTE, now + 310 * MINUTE), None);
        let moved = now + 310 * MINUTE + 5000 * MINUTE;
        assert_eq!(clock.moved_at(steady + 300 * MINUTE, moved), Some(moved + 15 * MINUTE));
        assert_eq!(clock.moved_at(steady + 310 * MINUTE, moved + 10 * MINUTE), Some(moved + 15 * MINUTE));
        assert_eq!(clock.moved_at(steady + 315 * MINUTE, moved + 15 * MINUTE), None);
    }

    #[test]
    fn a_clock_that_was_moved_back_is_suspect_too() {
        let mut clock = WatchedClock::new();
        let (steady, now) = clock.seen;
        let moved = now - 100 * MINUTE;
        assert_eq!(clock.moved_at(steady + MINUTE, moved), Some(moved + 15 * MINUTE));
    }
}

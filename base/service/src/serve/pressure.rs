//! How many requests at the same time give the most answers: found by trying. Pure: told of what is done and of the time.
//! Called by `gate`, only while requests wait.
//!
//! Where the processor is busy, more at the same time give fewer answers, because each finds the caches cold. Where requests wait
//! for an app, twice as many give twice as many answers. The limit follows the answers and knows nothing of either.

use std::time::{Duration, Instant};

/// The limit is never lower: with so many, a processor always has something to do.
const LEAST: usize = 64;
/// A window of less says little.
const WINDOW: Duration = Duration::from_millis(50);
/// Nor does one of more say more.
const LONGEST: Duration = Duration::from_secs(1);
/// Between two trials that brought nothing.
const REST: Duration = Duration::from_secs(1);
/// A greater limit stays when it brings so many times as many answers.
const GAIN: f64 = 1.15;
/// A smaller one when it does not cost more than this.
const NO_LOSS: f64 = 0.97;

/// The limit, and what is known of it.
#[derive(Debug)]
pub(super) struct Pressure {
    limit: usize,
    /// Done since the window began.
    done: usize,
    /// Done ever, and when it was last looked.
    total: u64,
    seen: u64,
    began: Option<Instant>,
    /// The limit before the one that is tried, and its answers a second.
    trial: Option<(usize, f64)>,
    /// Nothing is tried before.
    rests_until: Option<Instant>,
    /// Whether the next trial is of a smaller limit.
    down: bool,
}

impl Default for Pressure {
    fn default() -> Self {
        Self { limit: LEAST, done: 0, total: 0, seen: 0, began: None, trial: None, rests_until: None, down: false }
    }
}

impl Pressure {
    /// How many requests may be worked on.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Requests begin to wait.
    pub(super) fn begin(&mut self, now: Instant) {
        // One with which nobody waited any more was good.
        self.trial = None;
        self.seen = self.total;
        self.restart(now);
    }

    /// A request is done while others wait. The clock is asked now and then.
    pub(super) fn done(&mut self, now: impl FnOnce() -> Instant) {
        self.done += 1;
        self.total += 1;
        if !self.done.is_multiple_of(LEAST) {
            return;
        }
        let now = now();
        let Some(began) = self.began else { return self.restart(now) };
        let took = now.saturating_duration_since(began);
        // Each of those that are worked on should have been seen twice.
        if took >= WINDOW && (self.done >= self.limit.saturating_mul(2) || took >= LONGEST) {
            let rate = self.done as f64 / took.as_secs_f64();
            self.judge(rate, now);
            self.restart(now);
        }
    }

    /// From time to time: when nothing was done since the last look, twice as many may go.
    pub(super) fn look(&mut self, now: Instant) {
        if std::mem::replace(&mut self.seen, self.total) == self.total {
            self.limit = self.limit.saturating_mul(2);
            (self.trial, self.rests_until, self.down) = (None, None, true);
            self.restart(now);
        }
    }

    fn restart(&mut self, now: Instant) {
        (self.done, self.began) = (0, Some(now));
    }

    fn judge(&mut self, rate: f64, now: Instant) {
        match self.trial.take() {
            Some((before, rate_before)) => {
                let is_better = rate >= rate_before * if self.limit > before { GAIN } else { NO_LOSS };
                if is_better {
                    self.try_another(rate, now);
                } else {
                    self.limit = before;
                    self.rests_until = Some(now + REST);
                    self.down = !self.down;
                }
            }
            None if self.rests_until.is_some_and(|until| now < until) => {}
            None => self.try_another(rate, now),
        }
    }

    fn try_another(&mut self, rate: f64, now: Instant) {
        if self.down && self.limit / 2 < LEAST {
            self.down = false;
            self.rests_until = Some(now + REST);
            return;
        }
        self.trial = Some((self.limit, rate));
        self.limit = if self.down { self.limit / 2 } else { self.limit.saturating_mul(2) };
    }
}

#[cfg(test)]
#[path = "pressure_tests.rs"]
mod tests;

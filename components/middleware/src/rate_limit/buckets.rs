//! Buckets of tokens that fill at one rate. A full bucket is as good as a new one, so that the table can forget it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// Buckets that are kept at the same time.
const MOST: usize = 16_384;

/// The buckets by the hash of their key, so that long keys take no memory.
pub(super) struct Buckets {
    rate: f64,
    burst: f64,
    hasher: RandomState,
    buckets: HashMap<u64, Bucket>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Buckets {
    /// No buckets yet. A bucket holds one second's worth of tokens, one at least.
    pub(super) fn new(rate: f64) -> Self {
        Self { rate, burst: rate.max(1.0).floor(), hasher: RandomState::new(), buckets: HashMap::new() }
    }

    /// Takes a token and says how many whole ones are left; `None` where there is none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and rounded down on purpose"
    )]
    pub(super) fn take(&mut self, key: &str, now: Instant) -> Option<u64> {
        let key = self.hasher.hash_one(key);
        if self.buckets.len() >= MOST && !self.buckets.contains_key(&key) {
            self.make_room(now);
        }
        let (rate, burst) = (self.rate, self.burst);
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: burst, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + gained).min(burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return None;
        }
        bucket.tokens -= 1.0;
        Some(bucket.tokens as u64)
    }

    /// Forgets the full buckets, and where that is not enough, the half that has been quiet for longest.
    fn make_room(&mut self, now: Instant) {
        let (rate, burst) = (self.rate, self.burst);
        self.buckets
            .retain(|_, bucket| bucket.tokens + now.saturating_duration_since(bucket.at).as_secs_f64() * rate < burst);
        if self.buckets.len() < MOST / 2 {
            return;
        }
        let mut ages: Vec<Duration> =
            self.buckets.values().map(|bucket| now.saturating_duration_since(bucket.at)).collect();
        let middle = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(middle);
        let median = *median;
        let mut room = middle;
        self.buckets.retain(|_, bucket| {
            let goes = room > 0 && now.saturating_duration_since(bucket.at) >= median;
            room -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_worth_the_rate_and_no_more_is_saved() {
        let start = Instant::now();
        let mut buckets = Buckets::new(3.0);
        let mut take = |after: u64| buckets.take("a", start + Duration::from_millis(after));
        assert_eq!([take(0), take(0), take(0), take(0)], [Some(2), Some(1), Some(0), None]);
        assert_eq!([take(334), take(334)], [Some(0), None]);
        assert_eq!([take(60_000), take(60_000), take(60_000), take(60_000)], [Some(2), Some(1), Some(0), None]);
    }

    #[test]
    fn a_rate_below_one_lets_one_pass_at_a_time() {
        let start = Instant::now();
        let mut buckets = Buckets::new(0.5);
        let mut take = |after: u64| buckets.take("a", start + Duration::from_secs(after));
        assert_eq!([take(0), take(1), take(2), take(3)], [Some(0), None, Some(0), None]);
    }

    #[test]
    fn one_client_does_not_use_up_the_tokens_of_another() {
        let now = Instant::now();
        let mut buckets = Buckets::new(1.0);
        assert_eq!(buckets.take("a", now), Some(0));
        assert_eq!(buckets.take("b", now), Some(0));
        assert_eq!(buckets.take("a", now), None);
    }

    #[test]
    fn the_table_stays_bounded_and_the_latest_stay_limited() {
        let start = Instant::now();
        let mut buckets = Buckets::new(1.0);
        for number in 0..MOST * 2 {
            let now = start + Duration::from_nanos(number as u64);
            assert_eq!(buckets.take(&number.to_string(), now), Some(0));
            assert!(buckets.buckets.len() <= MOST);
        }
        let now = start + Duration::from_micros(100);
        assert_eq!(buckets.take(&(MOST * 2 - 1).to_string(), now), None);
    }
}

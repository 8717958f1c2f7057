//! How long to wait before another try: twice as long each time, up to a limit, and never quite the same, so that many
//! sidecars do not come back at the same moment. Used by backends that try again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

/// The wait before try number `attempt` (the first repetition is 0).
pub fn wait(attempt: u32, shortest: Duration, longest: Duration) -> Duration {
    let grown = shortest.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(longest);
    // Between half and the whole.
    grown / 2 + (grown / 2).mul_f64(fraction())
}

/// A number from 0 to 1; the standard library seeds every hasher differently.
fn fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    let bits = u32::try_from(bits).unwrap_or(u32::MAX);
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_stay_above_half_of_it() {
        let (shortest, longest) = (Duration::from_millis(10), Duration::from_millis(100));
        for attempt in 0..70 {
            let full = shortest.saturating_mul(2_u32.saturating_pow(attempt)).min(longest);
            let wait = wait(attempt, shortest, longest);
            assert!(wait >= full / 2 && wait <= full, "{attempt}: {wait:?}");
        }
        assert_eq!(wait(3, Duration::ZERO, Duration::ZERO), Duration::ZERO);
    }
}

//! How long to wait before the API is asked again: longer each time, and never in step with others.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// The pauses of one task.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    failures: u32,
}

impl Pauses {
    /// The next one: between three quarters and five quarters of half a second, doubled with each failure up to half a minute.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST).mul_f64(0.75 + chance() / 2.0)
    }

    /// All is well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A number from 0 to 1.
pub(crate) fn chance() -> f64 {
    let mut bytes = [0_u8; 4];
    // Without randomness everybody is in step, which is slow but not wrong.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute_and_start_over() {
        let mut pauses = Pauses::default();
        assert!(pauses.next() <= Duration::from_millis(625));
        for _ in 0..100 {
            assert!(pauses.next() <= LONGEST.mul_f64(1.25));
        }
        assert!(pauses.next() >= LONGEST.mul_f64(0.75));
        pauses.reset();
        assert!(pauses.next() <= Duration::from_millis(625));
    }
}

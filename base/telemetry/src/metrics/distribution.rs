//! One distribution: a number for each bucket and a sum, so that recording is two additions and memory is fixed.
//! Called through `Histogram`. A bound is outside its bucket, as in the target.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bounds of a family, and what one unit of its label is worth in recorded numbers.
#[derive(Debug)]
pub(super) struct Bounds {
    /// As they are shown.
    pub(super) shown: Vec<f64>,
    recorded: Vec<u64>,
    /// Recorded numbers in one unit that is shown: nanoseconds in a millisecond, 1 for bytes.
    scale: f64,
}

impl Bounds {
    /// Bounds above zero.
    pub(super) fn new(bounds: &[f64], scale: f64) -> Self {
        let mut shown: Vec<f64> = bounds.iter().copied().filter(|bound| *bound > 0.0).collect();
        shown.sort_unstable_by(f64::total_cmp);
        shown.dedup();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounds are positive; a cast saturates"
        )]
        let recorded = shown.iter().map(|bound| (bound * scale) as u64).collect();
        Self { shown, recorded, scale }
    }
}

#[derive(Debug)]
pub(super) struct Distribution {
    pub(super) bounds: Arc<Bounds>,
    /// One more than there are bounds.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Distribution {
    pub(super) fn new(bounds: Arc<Bounds>) -> Self {
        let counts = (0..=bounds.shown.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    pub(super) fn record(&self, value: u64) {
        let bucket = self.bounds.recorded.partition_point(|bound| *bound <= value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// How much is in each bucket; the last has no bound.
    pub(super) fn counts(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed))
    }

    /// The sum, in the unit that is shown.
    pub(super) fn sum(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "what a scrape shows has the precision of a float anyway")]
        let sum = self.sum.load(Ordering::Relaxed) as f64;
        sum / self.bounds.scale
    }
}

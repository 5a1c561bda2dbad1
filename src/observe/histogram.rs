//! How long things took, counted in buckets.

use std::time::Duration;

/// Upper bounds in seconds; one more bucket has no bound.
pub const BOUNDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    pub fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
        self.counts[bucket.unwrap_or(BOUNDS.len())] += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// How many are in each bucket, and in no bucket before it.
    #[must_use]
    pub fn counts(&self) -> [u64; BOUNDS.len() + 1] {
        self.counts
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        for millis in [1, 2, 2_500, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let counted = histogram.counts();
        assert_eq!(counted, [1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!(histogram.count(), 4);
        assert_eq!(histogram.sum(), Duration::from_millis(62_503));
    }
}

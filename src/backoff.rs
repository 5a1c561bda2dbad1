//! Capped exponential back-off with jitter. It only computes delays; sleeping is the driver's job.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

use std::time::Duration;

/// A sequence of growing delays: each lies between half of its step and the whole of it.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    step: u32,
    rng: fastrand::Rng,
}

impl Backoff {
    /// `first` doubles with each delay up to `cap`; the same `seed` gives the same delays.
    #[must_use]
    pub fn new(first: Duration, cap: Duration, seed: u64) -> Self {
        Self {
            first,
            cap,
            step: 0,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// The next delay to wait for.
    pub fn delay(&mut self) -> Duration {
        let factor = 2_u32.saturating_pow(self.step);
        self.step = self.step.saturating_add(1);
        let whole = self.first.saturating_mul(factor).min(self.cap);
        whole / 2 + (whole / 2).mul_f64(self.rng.f64())
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.step = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_up_to_the_cap_and_starts_over_after_a_reset() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350), 7);
        for whole in [100, 200, 350, 350] {
            let delay = backoff.delay();
            let whole = Duration::from_millis(whole);
            assert!(
                delay >= whole / 2 && delay <= whole,
                "{delay:?} of {whole:?}"
            );
        }
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_millis(100));
    }

    proptest! {
        #[test]
        fn no_delay_passes_the_cap(seed: u64, first in 1_u64..10_000, cap in 1_u64..10_000, tries in 1..100) {
            let cap = Duration::from_millis(cap);
            let mut backoff = Backoff::new(Duration::from_millis(first), cap, seed);
            for _ in 0..tries {
                prop_assert!(backoff.delay() <= cap);
            }
        }
    }
}

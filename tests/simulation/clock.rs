//! Virtual time: that of the paused runtime.

use std::time::Duration;

use tokio::time::Instant;

/// Milliseconds since the schedule began.
pub type Time = u64;

pub const NEVER: Time = Time::MAX;

#[derive(Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(self) -> Time {
        millis(self.0.elapsed())
    }

    pub fn at(self, time: Time) -> Instant {
        self.0 + ms(time)
    }
}

pub const fn ms(time: Time) -> Duration {
    Duration::from_millis(time)
}

pub fn millis(duration: Duration) -> Time {
    Time::try_from(duration.as_millis()).unwrap_or(NEVER)
}

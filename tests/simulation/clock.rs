//! Virtual time.

use std::time::{Duration, Instant};

/// Milliseconds since the schedule began.
pub type Time = u64;

pub const NEVER: Time = Time::MAX;

/// Turns virtual times into what the cores take. Only differences between instants matter.
#[derive(Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    pub fn new() -> Self {
        Self(Instant::now())
    }

    pub fn at(self, time: Time) -> Instant {
        self.0 + Duration::from_millis(time)
    }

    /// The first millisecond that is not before `instant`.
    pub fn time_of(self, instant: Instant) -> Time {
        let nanos = instant.saturating_duration_since(self.0).as_nanos();
        Time::try_from(nanos.div_ceil(1_000_000)).unwrap_or(NEVER)
    }

    pub fn time_of_some(self, instant: Option<Instant>) -> Time {
        instant.map_or(NEVER, |instant| self.time_of(instant))
    }
}

pub const fn ms(time: Time) -> Duration {
    Duration::from_millis(time)
}

pub fn millis(duration: Duration) -> Time {
    Time::try_from(duration.as_millis()).unwrap_or(NEVER)
}

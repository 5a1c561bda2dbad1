//! Times and spans, as short as they are of use.

use std::time::{Duration, Instant, SystemTime};

use humantime::format_rfc3339_seconds;

use super::super::json::Clock;

pub(super) struct Times {
    pub(super) now: Instant,
    clock: Clock,
}

impl Times {
    pub(super) fn new(now: Instant, wall: SystemTime) -> Self {
        Self {
            now,
            clock: Clock::new(now, wall),
        }
    }

    /// How long ago, with the time of day for who wants to know.
    pub(super) fn since(&self, then: Instant) -> String {
        let span = match self.now.saturating_duration_since(then) {
            span if span < Duration::from_secs(1) => "under 1s".to_owned(),
            span => short(span),
        };
        format!("<time title=\"{}\">{span}</time>", self.text(then))
    }

    pub(super) fn left(&self, then: Instant) -> Duration {
        then.saturating_duration_since(self.now)
    }

    /// `2026-01-02 12:00:00 UTC`
    pub(super) fn of_day(&self, then: Instant) -> String {
        let text = self.text(then);
        format!("<time datetime=\"{}\">{text}</time>", self.machine(then))
    }

    fn text(&self, then: Instant) -> String {
        self.machine(then).replace('T', " ").replace('Z', " UTC")
    }

    fn machine(&self, then: Instant) -> String {
        format_rfc3339_seconds(self.clock.wall(then)).to_string()
    }
}

/// `3d 4h`, `20m`, `14s`, `2.4ms`
pub(super) fn short(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0 => format!("{:.1}ms", span.as_secs_f64() * 1_000.0),
        1..60 => format!("{seconds}s"),
        60..3_600 => two((minutes, "m"), (seconds % 60, "s")),
        3_600..86_400 => two((hours, "h"), (minutes % 60, "m")),
        _ => two((days, "d"), (hours % 24, "h")),
    }
}

fn two((first, unit): (u64, &str), (rest, part): (u64, &str)) -> String {
    match rest {
        0 => format!("{first}{unit}"),
        rest => format!("{first}{unit} {rest}{part}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        let table = [
            (0.000_35, "0.3ms"),
            (0.002_411, "2.4ms"),
            (1.9, "1s"),
            (60.0, "1m"),
            (134.0, "2m 14s"),
            (12_000.0, "3h 20m"),
            (86_400.0, "1d"),
            (274_000.0, "3d 4h"),
        ];
        for (seconds, shown) in table {
            assert_eq!(short(Duration::from_secs_f64(seconds)), shown);
        }
    }
}

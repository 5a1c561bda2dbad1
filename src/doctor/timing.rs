//! How long something took, for people.

use std::time::Duration;

use humantime::FormattedDuration;

/// `2ms 411us`.
pub(super) fn timing(took: Duration) -> FormattedDuration {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_micros(micros))
}

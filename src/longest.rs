//! How long is longest. A year is more than anybody means, and still a time that clocks can take.

use std::time::Duration;

/// What may be given: `1year`, as people write it, is 365¼ days.
pub const GIVEN: Duration = Duration::from_secs(31_557_600);

/// What may be waited. It stands for any longer wait: adding those to an [`std::time::Instant`] could
/// overflow it.
pub const WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

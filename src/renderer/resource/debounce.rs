//! How changes are gathered before a resource is brought in step: `50ms:500ms`.

use std::time::Duration;

use super::duration;

/// Why a text says nothing of it.
pub(super) const FAULT: &str = "is not QUIET[:MAX], as in \"50ms:500ms\": durations up to 24h, of which MAX is not the shorter";

/// Without a longest wait, it is so many times the quiet.
const MAX_OF_QUIET: u32 = 10;

/// After a first change, others are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// Until nothing has changed for so long.
    pub quiet: Duration,
    /// No longer than this.
    pub max: Duration,
}

pub(super) fn parse(text: &str) -> Option<Gathering> {
    let (quiet, max) = match text.split_once(':') {
        Some((quiet, max)) => (parse_one(quiet)?, Some(parse_one(max)?)),
        None => (parse_one(text)?, None),
    };
    let max = max.unwrap_or(quiet * MAX_OF_QUIET);
    (max >= quiet).then_some(Gathering { quiet, max })
}

/// Nothing is a duration, too.
fn parse_one(text: &str) -> Option<Duration> {
    match text.trim() {
        "0" | "0ms" | "0s" => Some(Duration::ZERO),
        text => duration::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_is_ten_times_the_quiet_unless_it_is_given() {
        let millis =
            |text| parse(text).map(|Gathering { quiet, max }| (quiet.as_millis(), max.as_millis()));
        assert_eq!(millis("50ms:500ms"), Some((50, 500)));
        assert_eq!(millis("1s"), Some((1_000, 10_000)));
        assert_eq!(millis("0s"), Some((0, 0)));
        assert_eq!(millis("0s:1s"), Some((0, 1_000)));
        for odd in ["", "1s:20ms", "soon", "1s:", ":1s", "25h", "1s:2s:3s"] {
            assert_eq!(millis(odd), None, "{odd}");
        }
    }
}

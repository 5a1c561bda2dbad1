//! How things are put to people.

use std::time::Duration;

use humantime::FormattedDuration;

/// A limit or a time that somebody waited: `1s 250ms`.
#[must_use]
pub fn duration(duration: Duration) -> FormattedDuration {
    humantime::format_duration(whole_millis(duration))
}

/// Without what is less than a millisecond.
#[must_use]
pub fn whole_millis(duration: Duration) -> Duration {
    duration - Duration::from_nanos(u64::from(duration.subsec_nanos() % 1_000_000))
}

/// Others' text: a control character must not reach the terminal.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// A URL without the user and password that it may hold, well-formed or not.
#[must_use]
pub fn masked(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    match url.rfind('@') {
        Some(end) if end >= start => format!("{}***{}", &url[..start], &url[end..]),
        Some(_) | None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_end_at_the_millisecond() {
        let third = Duration::from_secs(5) / 6;
        assert_eq!(duration(third).to_string(), "833ms");
        assert_eq!(duration(Duration::from_secs(90)).to_string(), "1m 30s");
    }

    #[test]
    fn user_and_password_are_masked_wherever_they_stand() {
        assert_eq!(masked("http://u:p@h:80/x"), "http://***@h:80/x");
        assert_eq!(masked("http://u:p/q@r@h"), "http://***@h");
        assert_eq!(masked("u:p@h"), "***@h");
        assert_eq!(masked("http://h:80/"), "http://h:80/");
    }
}

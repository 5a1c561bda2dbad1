//! Durations as people write them: `30s`, `1m 30s`, `250ms`.

use std::time::Duration;

/// Whoever writes more has mistaken the unit.
const MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a text is no duration.
pub(super) const FAULT: &str = "is not a duration from 1ms to 24h; write it like \"30s\"";

pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, after) = split(rest, |letter| letter.is_ascii_digit());
        let (unit, after) = split(after.trim_start(), |letter| letter.is_ascii_alphabetic());
        total = total.checked_add(unit_of(unit)?.checked_mul(number.parse().ok()?)?)?;
        rest = after.trim_start();
    }
    check(total)
}

pub(super) fn seconds(number: i64) -> Option<Duration> {
    check(Duration::from_secs(number.try_into().ok()?))
}

fn check(duration: Duration) -> Option<Duration> {
    (!duration.is_zero() && duration <= MAX).then_some(duration)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|letter| !belongs(letter)).unwrap_or(text.len());
    text.split_at(end)
}

fn unit_of(name: &str) -> Option<Duration> {
    Some(match name {
        "ms" | "msec" => Duration::from_millis(1),
        "s" | "sec" | "second" | "seconds" => Duration::from_secs(1),
        "m" | "min" | "minute" | "minutes" => Duration::from_secs(60),
        "h" | "hr" | "hour" | "hours" => Duration::from_secs(60 * 60),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_with_units_add_up() {
        let millis = |text| parse(text).map(|duration| duration.as_millis());
        assert_eq!(millis("30s"), Some(30_000));
        assert_eq!(millis(" 1m 30s "), Some(90_000));
        assert_eq!(millis("1m30s"), Some(90_000));
        assert_eq!(millis("2 min"), Some(120_000));
        assert_eq!(millis("250ms"), Some(250));
        assert_eq!(millis("24h"), Some(86_400_000));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "30",
            "s",
            "30x",
            "-1s",
            "1.5s",
            "0s",
            "25h",
            "1s,",
            "99999999999h",
            "9e9s",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(seconds(0), None);
        assert_eq!(seconds(-1), None);
        assert_eq!(seconds(7), Some(Duration::from_secs(7)));
    }
}

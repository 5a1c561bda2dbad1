//! Times of day in a status, as people ask for them: how long ago.

use std::time::Duration;

use humantime::{format_duration, parse_rfc3339};
use serde_json::Value;

/// How long before `at` it was; a dash where it is not known.
pub(super) fn ago(then: &Value, at: &Value) -> String {
    let time = |value: &Value| parse_rfc3339(value.as_str()?).ok();
    let ago = time(then).zip(time(at)).map(|(then, at)| {
        let ago = at.duration_since(then).unwrap_or_default();
        shortened(ago)
    });
    ago.unwrap_or_else(|| "-".to_owned())
}

/// The two largest units: who asks does not count seconds of a day.
pub(super) fn shortened(span: Duration) -> String {
    let text = format_duration(Duration::from_secs(span.as_secs())).to_string();
    let units: Vec<_> = text.split(' ').take(2).collect();
    units.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn two_units_are_enough() {
        let at = json!("2026-01-02T12:00:00.500Z");
        let table = [
            ("2026-01-02T12:00:00.400Z", "0s"),
            ("2026-01-02T11:59:00.500Z", "1m"),
            ("2026-01-01T10:58:57Z", "1day 1h"),
            ("2026-01-02T13:00:00Z", "0s"),
        ];
        for (then, told) in table {
            assert_eq!(ago(&json!(then), &at), told);
        }
        assert_eq!(ago(&Value::Null, &at), "-");
    }
}

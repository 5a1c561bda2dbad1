//! How things are put to people.

use std::fmt::Write as _;
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

/// Others' text: what the terminal would act on, or not show, is written out.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        if is_hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same in JSON, whose own escapes leave each text what it is.
#[must_use]
pub fn printable_json(value: &serde_json::Value) -> String {
    let text = value.to_string();
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Control characters, line and paragraph separators, and what a reader does not see: overrides of
/// direction, joiners, fillers, tags and their like. These are Unicode 16's category Cf and its
/// property `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt).
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
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

/// What somebody may have meant by `word`: the most alike of `known`, if it is alike enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > LONGEST_WORD {
        return None;
    }
    let far = length.div_ceil(3);
    let distances = known
        .into_iter()
        .filter(|name| name.chars().count() <= LONGEST_WORD)
        .map(|name| (distance(word, name), name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= far).then_some(name)
}

/// Beyond it, nobody mistypes a single letter.
const LONGEST_WORD: usize = 200;

/// How many letters have to be put in, taken out, changed or swapped with the next.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<_> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let changed = row[j] + usize::from(from != to);
            let mut least = changed.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
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
    fn what_a_reader_would_not_see_is_written_out_and_scripts_are_left_alone() {
        let hidden = "\u{1b} \u{7f} \u{85} \u{ad} \u{200b} \u{200d} \u{2028} \u{202e} \u{2066} \u{feff} \u{e0041}";
        let shown = printable(hidden.as_bytes());
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(printable("a\u{202e}b\n".as_bytes()), "a\\u{202e}b\\n");
        for text in ["grün", "e\u{301}", "हिन्दी", "日本", "שלום", "a b"] {
            assert_eq!(printable(text.as_bytes()), text);
        }
        let value = serde_json::json!({ "k": hidden });
        let json = printable_json(&value);
        assert!(json.is_ascii(), "{json}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&json).ok(),
            Some(value)
        );
    }

    #[test]
    fn what_was_meant_is_what_is_most_alike() {
        let known = [
            "ttl",
            "timeout",
            "interval",
            "fast_interval",
            "stop_timeout",
        ];
        let table = [
            ("tll", Some("ttl")),
            ("time_out", Some("timeout")),
            ("fastinterval", Some("fast_interval")),
            ("Interval", Some("interval")),
            ("stop-timeout", Some("stop_timeout")),
            ("weight", None),
            ("", None),
        ];
        for (word, meant) in table {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"t".repeat(1_000_000), known), None);
    }

    #[test]
    fn user_and_password_are_masked_wherever_they_stand() {
        assert_eq!(masked("http://u:p@h:80/x"), "http://***@h:80/x");
        assert_eq!(masked("http://u:p/q@r@h"), "http://***@h");
        assert_eq!(masked("u:p@h"), "***@h");
        assert_eq!(masked("http://h:80/"), "http://h:80/");
    }
}

//! Which HTTP statuses pass: `200`, `2xx`, `200-299,401`.

use std::ops::RangeInclusive;
use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    pub(super) fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl Default for Statuses {
    /// As `curl -f`.
    fn default() -> Self {
        Self(vec![200..=399])
    }
}

impl FromStr for Statuses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(|part| {
                range(part.trim())
                    .ok_or_else(|| format!("{part:?} is no status; write 200, 2xx or 200-299,401"))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    if let Some(class) = text.strip_suffix("xx") {
        let first = class
            .parse::<u16>()
            .ok()
            .filter(|class| (1..=5).contains(class))?
            * 100;
        return Some(first..=first + 99);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (status(first)?, status(last)?);
    (first <= last).then_some(first..=last)
}

fn status(text: &str) -> Option<u16> {
    text.parse()
        .ok()
        .filter(|status| (100..=599).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_single_statuses_classes_and_ranges() {
        let statuses: Statuses = "200-299, 401,5xx".parse().expect("statuses");
        let passing: Vec<_> = [199, 200, 299, 300, 401, 402, 500, 599]
            .into_iter()
            .filter(|status| statuses.contain(*status))
            .collect();
        assert_eq!(passing, [200, 299, 401, 500, 599]);
    }

    #[test]
    fn refuses_what_is_no_status() {
        for text in [
            "", "20", "9xx", "xx", "299-200", "200-", "abc", "600", "200,,201",
        ] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }
}

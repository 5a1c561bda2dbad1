use std::collections::BTreeSet;

use regex_lite::Regex;

use super::{document, promtool, read, succeeded};

const RULES: &str = "docs/observability/alerts.yml";
const TESTS: &str = "docs/observability/alerts.test.yml";

pub fn names() -> BTreeSet<String> {
    let alerts = Regex::new(r"(?m)^ *- alert: (\w+)$").unwrap();
    let rules = read(RULES);
    let found = alerts.captures_iter(&rules);
    found.map(|one| one[1].to_owned()).collect()
}

#[test]
fn promtool_takes_the_rules() {
    let root = env!("CARGO_MANIFEST_DIR");
    succeeded(promtool().current_dir(root).args(["check", "rules", RULES]));
}

#[test]
fn they_fire_when_they_should_and_only_then() {
    let root = env!("CARGO_MANIFEST_DIR");
    succeeded(promtool().current_dir(root).args(["test", "rules", TESTS]));
}

#[test]
fn each_of_them_has_fired_in_a_test() {
    let tests = read(TESTS);
    for name in names() {
        let by_name = tests.contains(&format!("alertname: {name}\n"));
        let by_series = tests.contains(&format!("alertname=\"{name}\", alertstate=\"firing\""));
        assert!(by_name || by_series, "{name}");
    }
}

#[test]
fn they_look_at_metrics_that_there_are() {
    let metric = Regex::new(r"\bregister_\w+").unwrap();
    let emitted = document::emitted();
    for text in [RULES, TESTS].map(read) {
        for found in metric.find_iter(&text) {
            assert!(emitted.contains_key(found.as_str()), "{}", found.as_str());
        }
    }
}

use std::collections::{BTreeMap, BTreeSet};

use regex_lite::Regex;
use register::observe::metrics;

use super::{alerts, read, samples};

const DOCUMENT: &str = "docs/observability.md";

/// What there is of one name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Family {
    kind: String,
    labels: BTreeSet<String>,
}

/// By name, as Prometheus has it.
pub fn emitted() -> BTreeMap<String, Family> {
    let mut families = BTreeMap::new();
    for report in [samples::agent(), samples::proxy()] {
        let text = metrics::prometheus_text(&report, 0);
        families.append(&mut families_of(&text));
    }
    families
}

fn families_of(text: &str) -> BTreeMap<String, Family> {
    let label = Regex::new(r#"[{,](\w+)=""#).unwrap();
    let mut families = BTreeMap::<String, Family>::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let (name, kind) = head.split_once(' ').unwrap();
            name.clone_into(&mut current);
            families.entry(current.clone()).or_default().kind = kind.to_owned();
        } else if !line.starts_with('#') {
            let labels = label.captures_iter(line).map(|found| found[1].to_owned());
            let family = families.get_mut(&current).unwrap();
            family.labels.extend(labels.filter(|name| name != "le"));
        }
    }
    families
}

/// The cells of each row that begins with a name in code.
fn rows(start: &str) -> Vec<Vec<String>> {
    let document = read(DOCUMENT);
    let rows = document
        .lines()
        .filter(|line| line.starts_with(&format!("| `{start}")));
    rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

fn in_code(cell: &str) -> BTreeSet<String> {
    let code = cell.split('`').skip(1).step_by(2);
    code.map(str::to_owned).collect()
}

#[test]
fn the_tables_have_each_metric_with_its_type_and_labels() {
    let listed: BTreeMap<_, _> = rows("register_")
        .iter()
        .map(|row| {
            let family = Family {
                kind: row[2].clone(),
                labels: in_code(&row[3]),
            };
            (row[1].trim_matches('`').to_owned(), family)
        })
        .collect();
    assert_eq!(listed, emitted());
}

#[test]
fn the_table_of_alerts_has_each() {
    let listed: BTreeSet<_> = rows("Register")
        .iter()
        .map(|row| row[1].trim_matches('`').to_owned())
        .collect();
    assert_eq!(listed, alerts::names());
}

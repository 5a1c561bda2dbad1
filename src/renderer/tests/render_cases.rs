//! What confd makes of templates: each case of `tests/conformance/render-cases.jsonl` is a template
//! with the keys that it sees and confd's output or error.

use std::collections::BTreeMap;
use std::path::Path;

use gotemplate::Value;
use gotemplate::{Delims, Options, Template};
use renderer::functions::FUNCTIONS;
use renderer::snapshot::Snapshot;
use renderer::store::Store;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    template: String,
    store: BTreeMap<String, String>,
    output: Option<String>,
    confd_error: Option<String>,
}

#[test]
fn answers_are_confds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("tests/conformance/render-cases.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Case> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!cases.is_empty());

    let faults: Vec<String> = cases.iter().filter_map(fault).collect();
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        cases.len(),
        faults.join("\n")
    );
}

/// What is wrong with our answer to a case.
fn fault(case: &Case) -> Option<String> {
    let given = answer(case);
    let wanted = match (&case.output, &case.confd_error) {
        (Some(output), _) => Ok(output.clone()),
        (None, error) => Err(error.clone().unwrap_or_default()),
    };
    let Case { name, template, .. } = case;
    (given != wanted)
        .then(|| format!("{name}: {template:.200}\n  wanted: {wanted:?}\n  given:  {given:?}"))
}

fn answer(case: &Case) -> Result<String, String> {
    let entries = case
        .store
        .iter()
        .map(|(key, value)| (key.clone().into(), value.clone().into()));
    let snapshot = Snapshot {
        entries: entries.collect(),
        revision: 1,
    };
    let store = Store::select(&snapshot, "", &["/".to_owned()]);
    let template = Template::parse(
        "t.tmpl",
        case.template.clone(),
        &Delims::default(),
        FUNCTIONS,
    )
    .map_err(|error| error.to_string())?;
    template
        .execute(&Value::Nil, &store, &Options::default())
        .map(|output| String::from_utf8_lossy(&output).into_owned())
        .map_err(|error| error.to_string())
}

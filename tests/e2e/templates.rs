use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::harness::running::outcome;
use crate::harness::{Confdir, register};

const CASES: &str = include_str!("../conformance/render-cases.jsonl");

/// What confd made of a template.
struct Case {
    name: String,
    template: String,
    /// Or confd's error.
    output: Result<String, String>,
}

/// The cases with the same keys go into one confdir.
fn cases_by_keys() -> BTreeMap<String, Vec<Case>> {
    let mut cases: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in CASES.lines() {
        let data: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| data[name].as_str().map(str::to_owned);
        let output = text("output").ok_or_else(|| text("confd_error").unwrap());
        let case = Case {
            name: text("name").unwrap(),
            template: text("template").unwrap(),
            output,
        };
        let keys = data["store"].to_string();
        cases.entry(keys).or_default().push(case);
    }
    cases
}

/// A resource for each case; templates are called as the recorded ones were.
fn confdir(keys: &str, cases: &[Case]) -> Confdir {
    let confdir = Confdir::new();
    confdir.write("data.json", keys);
    for (number, case) in cases.iter().enumerate() {
        fs::create_dir(confdir.path(&format!("templates/{number}"))).unwrap();
        confdir.write(&format!("templates/{number}/t.tmpl"), &case.template);
        let dest = confdir.dest(&number.to_string()).display().to_string();
        confdir.write(
            &format!("conf.d/{number}.toml"),
            &format!("[template]\nsrc = \"{number}/t.tmpl\"\ndest = \"{dest}\"\nkeys = [\"/\"]\n"),
        );
    }
    confdir
}

#[test]
fn recorded_templates_come_out_as_confds() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (keys, cases) in cases_by_keys() {
        let confdir = confdir(&keys, &cases);
        let data = confdir.path("data.json").display().to_string();
        let flags = ["render", "--confdir", &confdir.flag(), "--data", &data];
        let (_, _, stderr) = outcome(register().args(flags).env("CT_E", ""));
        for (number, case) in cases.iter().enumerate() {
            count += 1;
            let file = confdir.read(&number.to_string());
            let equal = match &case.output {
                Ok(output) => file.as_ref() == Some(output),
                Err(error) => file.is_none() && stderr.contains(error.as_str()),
            };
            if !equal {
                wrong.push(format!("{}: {file:?}, not {:?}", case.name, case.output));
            }
        }
    }
    assert_eq!(count, 230);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

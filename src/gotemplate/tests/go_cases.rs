//! What Go 1.19 makes of templates: each line of a file is a template with its data and Go's output or
//! error. `GO_TEMPLATE_CASES` names another file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use gotemplate::{Delims, MissingKey, Options, Template, Value};
use serde::Deserialize;

/// Data that nests deeper than this test's JSON reader goes. `templates_nest_deeply` stands in.
const UNREAD: &[&str] = &["go-misc/044", "go-misc/045"];

#[derive(Deserialize)]
struct Case {
    id: String,
    template: String,
    data: serde_json::Value,
    expect: Expect,
    expect_newer_go: Option<Expect>,
    missingkey: Option<String>,
    delims: Option<[String; 2]>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Expect {
    #[serde(default)]
    output: String,
    /// Instead of `output`, when that is not UTF-8.
    output_b64: Option<String>,
    error: Option<String>,
}

#[test]
fn answers_are_gos() {
    let path = file();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.is_empty(), "no cases in {}", path.display());

    let faults: Vec<String> = text.lines().filter_map(fault).collect();
    let (count, all) = (faults.len(), text.lines().count());
    assert!(
        faults.is_empty(),
        "{count} of {all}:\n{}",
        faults.join("\n")
    );
}

/// What is wrong with our answer to a case.
fn fault(line: &str) -> Option<String> {
    let Ok(case) = serde_json::from_str::<Case>(line) else {
        let is_known = UNREAD
            .iter()
            .any(|id| line.contains(&format!("\"id\": \"{id}\"")));
        return (!is_known).then(|| format!("not read: {line:.200}"));
    };
    let given = answer(&case);
    let is_right = given == case.expect || Some(&given) == case.expect_newer_go.as_ref();
    let Case {
        id,
        template,
        expect,
        ..
    } = &case;
    (!is_right).then(|| format!("{id}: {template:.200}\n  Go:   {expect:?}\n  ours: {given:?}"))
}

fn file() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let ours = || root.join("tests/conformance/go-template-cases.jsonl");
    std::env::var_os("GO_TEMPLATE_CASES").map_or_else(ours, PathBuf::from)
}

/// Output and error of one case. Of a template that stops Go shows what it wrote until then; we show
/// nothing.
fn answer(case: &Case) -> Expect {
    let delims = case
        .delims
        .clone()
        .map_or_else(Delims::default, |[left, right]| Delims { left, right });
    let options = Options {
        missing_key: match case.missingkey.as_deref() {
            Some("zero") => MissingKey::Zero,
            Some("error") => MissingKey::Error,
            _ => MissingKey::Invalid,
        },
        ..Options::default()
    };
    let template = match Template::<()>::parse("t.tmpl", case.template.clone(), &delims, &[]) {
        Ok(template) => template,
        Err(error) => return failure(case, error.to_string()),
    };
    match template.execute(&value(&case.data), &(), &options) {
        Ok(output) => success(output),
        Err(error) => failure(case, error.to_string()),
    }
}

fn success(output: Vec<u8>) -> Expect {
    let (output, output_b64) = match String::from_utf8(output) {
        Ok(output) => (output, None),
        Err(error) => (String::new(), Some(STANDARD.encode(error.as_bytes()))),
    };
    Expect {
        output,
        output_b64,
        error: None,
    }
}

fn failure(case: &Case, error: String) -> Expect {
    Expect {
        output: case.expect.output.clone(),
        output_b64: case.expect.output_b64.clone(),
        error: Some(error),
    }
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => number.as_f64().map_or(Value::Nil, Value::Float),
        },
        serde_json::Value::String(text) => Value::string(text.clone()),
        serde_json::Value::Array(items) => Value::list(items.iter().map(value).collect()),
        serde_json::Value::Object(entries) => Value::map(
            entries
                .iter()
                .map(|(key, item)| (key.clone().into(), value(item)))
                .collect::<BTreeMap<_, _>>(),
        ),
    }
}

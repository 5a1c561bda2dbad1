//! Writes the first inputs of a target: `seeds TARGET DIRECTORY`. Run from the repository's root.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<_> = std::env::args().collect();
    let [_, target, directory] = &words[..] else {
        return Err("seeds TARGET DIRECTORY".into());
    };
    let seeds = match target.as_str() {
        "template" => gos_cases()?,
        "keys" => [files("units/confd/templates")?, cases(templates)?].concat(),
        "value" => cases(values)?,
        "resource" => files("units/confd/conf.d")?,
        "settings" => vec![
            "nodes = [\"http://127.0.0.1:2379\"]\ninterval = 10\nlog-level = \"debug\"\n"
                .to_owned(),
        ],
        "services" => vec![
            "[etcd]\nendpoints = [\"127.0.0.1:2379\"]\n[defaults]\nttl = \"30s\"\n[[service]]\nname = \"web\"\n\
             address = \"10.0.0.5:80\"\nvalue = { a = \"{address}\", b = [1, \"${A}\"] }\npass = \"any\"\n\
             checks = [{ check = \"tcp://{address}\" }, { check = \"exec:true\", timeout = \"1s\" }]\n"
                .to_owned(),
        ],
        "data" => vec![
            r#"{"services": {"web": {"1": "10.0.0.1:80", "2": "10.0.0.2:80"}}}"#.to_owned(),
            r#"{"/services/web/1": "10.0.0.1:80"}"#.to_owned(),
        ],
        "flags" => vec![
            "--service\nweb\n--address\n10.0.0.1:80\n--ttl=30s\n--rise\n2\n--check\ntcp://10.0.0.1:80"
                .to_owned(),
            "--key=/a/b\n--address=[::1]:80\n--interval=1m 30s\n--endpoints=127.0.0.1:2379".to_owned(),
        ],
        "words" => vec!["-onetime\n--node=http://127.0.0.1:2379\n-interval\n10".to_owned()],
        "check" => vec![
            "http://user@[::1]:80/a?b\n200-299,404\nHEAD\nwell.*\nname:80\nX-A: b".to_owned(),
            "tcp://127.0.0.1:80".to_owned(),
            "unix:/run/app.sock".to_owned(),
            "grpc://[::1]:50051/web".to_owned(),
            "http+unix:/run/app.sock:/a?b".to_owned(),
            "exec:true".to_owned(),
            "10.0.0.1:80".to_owned(),
        ],
        _ => return Err(format!("no target {target:?}").into()),
    };
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(Path::new(directory).join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}

fn files(directory: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(directory)? {
        texts.push(fs::read_to_string(entry?.path())?);
    }
    Ok(texts)
}

/// The templates that Go's answers were recorded of.
fn gos_cases() -> Result<Vec<String>, Box<dyn Error>> {
    let mut texts = Vec::new();
    for line in fs::read_to_string("tests/conformance/go-template-cases.jsonl")?.lines() {
        // A few are nested deeper than this reads.
        let case: Option<Value> = serde_json::from_str(line).ok();
        texts.extend(case.iter().flat_map(templates));
    }
    Ok(texts)
}

/// Of what was recorded from confd.
fn cases(pick: fn(&Value) -> Vec<String>) -> Result<Vec<String>, Box<dyn Error>> {
    let mut texts = Vec::new();
    for line in fs::read_to_string("tests/conformance/render-cases.jsonl")?.lines() {
        texts.extend(pick(&serde_json::from_str(line)?));
    }
    texts.sort();
    texts.dedup();
    Ok(texts)
}

fn templates(case: &Value) -> Vec<String> {
    case["template"]
        .as_str()
        .map(str::to_owned)
        .into_iter()
        .collect()
}

fn values(case: &Value) -> Vec<String> {
    let store = case["store"].as_object();
    let values = store.into_iter().flatten().map(|(_, value)| value);
    values
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

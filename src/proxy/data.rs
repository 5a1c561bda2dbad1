//! `--data`: keys and values from a JSON file, for trying a template out.
//!
//! Objects nest as keys do: `{"/services": {"apache": {"a": "10.0.0.1:80"}}}` is the same as
//! `{"/services/apache/a": "10.0.0.1:80"}`. What is no string is kept as JSON.

use std::fs;
use std::path::{Path, PathBuf};

use renderer::snapshot::Snapshot;
use serde_json::Value;

use crate::exit::{Exit, RunError};

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("--data {path:?}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("--data {path:?}: {source}")]
    Json {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("--data {0:?}: must be an object, as in {{\"/services/apache/a\": \"10.0.0.1:80\"}}")]
    NoObject(PathBuf),
}

impl From<DataError> for RunError {
    fn from(error: DataError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

/// # Errors
/// When the file cannot be read, or is no JSON object.
pub fn read(path: &Path) -> Result<Snapshot, DataError> {
    let text = fs::read(path).map_err(|source| DataError::Read {
        path: path.to_owned(),
        source,
    })?;
    let value = serde_json::from_slice(&text).map_err(|source| DataError::Json {
        path: path.to_owned(),
        source,
    })?;
    let Value::Object(fields) = value else {
        return Err(DataError::NoObject(path.to_owned()));
    };
    let mut snapshot = Snapshot::default();
    add("", fields, &mut snapshot);
    Ok(snapshot)
}

fn add(prefix: &str, fields: serde_json::Map<String, Value>, snapshot: &mut Snapshot) {
    for (name, value) in fields {
        let key = format!("{prefix}/{}", name.trim_start_matches('/'));
        match value {
            Value::Object(fields) => add(key.trim_end_matches('/'), fields, snapshot),
            Value::String(text) => {
                snapshot.put(key.into(), text.into());
            }
            other => {
                snapshot.put(key.into(), other.to_string().into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(json: &str) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), json).expect("written");
        let snapshot = read(file.path()).expect("sound");
        let pairs = snapshot.entries.iter().map(|(key, value)| {
            format!(
                "{}={}",
                String::from_utf8_lossy(key),
                String::from_utf8_lossy(value)
            )
        });
        pairs.collect()
    }

    #[test]
    fn objects_nest_as_keys_do() {
        assert_eq!(
            keys(r#"{"/a/b": "1", "c": {"d": "2", "/e": {"f": 3}}, "/": {"g": [4, "x"]}}"#),
            ["/a/b=1", "/c/d=2", "/c/e/f=3", "/g=[4,\"x\"]"]
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "[1]").expect("written");
        let error = read(file.path()).expect_err("an array");
        assert!(error.to_string().contains("must be an object"), "{error}");
    }
}

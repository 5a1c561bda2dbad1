//! Whether what was rendered is what its reader parses.

use std::str;

use saphyr_parser::Parser;
use serde::de::IgnoredAny;

/// What a file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// One JSON value.
    Json,
    /// A TOML document.
    Toml,
    /// YAML documents.
    Yaml,
}

impl OutputFormat {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "json" => Self::Json,
            "toml" => Self::Toml,
            "yaml" => Self::Yaml,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        }
    }

    /// Whether `text` is that.
    ///
    /// # Errors
    /// Why it is not, and where.
    pub(crate) fn check(self, text: &[u8]) -> Result<(), String> {
        let checked = match self {
            Self::Json => json(text),
            Self::Toml => utf8(text).and_then(toml),
            Self::Yaml => utf8(text).and_then(yaml),
        };
        checked.map_err(|why| format!("the output is not {}: {why}", self.name()))
    }
}

fn utf8(text: &[u8]) -> Result<&str, String> {
    str::from_utf8(text).map_err(|error| error.to_string())
}

fn json(text: &[u8]) -> Result<(), String> {
    let parsed = serde_json::from_slice::<IgnoredAny>(text);
    parsed.map(|_| ()).map_err(|error| error.to_string())
}

fn toml(text: &str) -> Result<(), String> {
    let error = match text.parse::<toml::Table>() {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let message = error.message();
    Err(match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or(text);
            let line = 1 + before.matches('\n').count();
            format!("{message} at line {line}")
        }
        None => message.to_owned(),
    })
}

fn yaml(text: &str) -> Result<(), String> {
    for event in Parser::new_from_str(text) {
        event.map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(format: OutputFormat, text: &str) -> String {
        format.check(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_its_reader_would_parse_is_good() {
        let good = [
            (OutputFormat::Json, "[{\"targets\": [\"10.0.0.5:80\"]}]\n"),
            (OutputFormat::Toml, "[a]\nb = 1\n"),
            (OutputFormat::Yaml, "a:\n  - b\n  - {c: d}\n---\ne\n"),
            (OutputFormat::Yaml, ""),
        ];
        for (format, text) in good {
            assert_eq!(format.check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let json = fault(OutputFormat::Json, "[1,\n2,]\n");
        assert_eq!(
            json,
            "the output is not JSON: expected value at line 2 column 3"
        );
        let toml = fault(OutputFormat::Toml, "a = 1\nb = \n");
        assert!(toml.starts_with("the output is not TOML: "), "{toml}");
        assert!(toml.ends_with(" at line 2"), "{toml}");
        let yaml = fault(OutputFormat::Yaml, "a: b\n  c: d\n");
        assert!(yaml.starts_with("the output is not YAML: "), "{yaml}");
        assert!(yaml.contains("line 2"), "{yaml}");
        for format in [OutputFormat::Json, OutputFormat::Toml, OutputFormat::Yaml] {
            assert!(format.check(b"a: \xff").is_err());
        }
        assert!(fault(OutputFormat::Json, "").contains("line 1"));
    }

    #[test]
    fn deep_values_do_not_run_out_of_stack() {
        for format in [OutputFormat::Json, OutputFormat::Yaml] {
            let _any = format.check("[".repeat(200_000).as_bytes());
        }
        let _any = OutputFormat::Toml.check(format!("a = {}", "[".repeat(200_000)).as_bytes());
    }
}

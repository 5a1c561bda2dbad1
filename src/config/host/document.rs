//! A file of TOML: its tables, with the line of each of their fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use crate::config::faults::Scope;
use crate::fault::{Fault, Place};
use crate::wording::printable;

/// Fields in order of their names.
pub(in crate::config) type Table = BTreeMap<String, Node>;

#[derive(Clone, Debug)]
pub(in crate::config) struct Node {
    /// Counted from 1; for a field, that of its name.
    pub line: usize,
    pub value: TomlValue,
}

#[derive(Clone, Debug)]
pub(in crate::config) enum TomlValue {
    Text(String),
    /// None where 64 bits do not hold it.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Date(String),
    Array(Vec<Node>),
    Table(Table),
}

/// A table, and where it is.
#[derive(Clone, Debug)]
pub(in crate::config) struct Section {
    pub path: Arc<str>,
    /// Where it begins.
    pub line: usize,
    pub fields: Table,
    /// What is said behind its fields' names: ` of check 2`.
    pub suffix: String,
}

impl Section {
    /// A table in this one.
    pub(in crate::config) fn part(&self, line: usize, fields: Table) -> Self {
        Self {
            path: Arc::clone(&self.path),
            line,
            fields,
            suffix: String::new(),
        }
    }

    /// Where it begins.
    pub(in crate::config) fn at(&self) -> Place {
        Place::File {
            path: self.path.to_string(),
            line: Some(self.line),
            field: None,
        }
    }

    pub(in crate::config) fn place(&self, line: usize, field: impl Into<String>) -> Place {
        Place::File {
            path: self.path.to_string(),
            line: Some(line),
            field: Some(field.into() + &self.suffix),
        }
    }

    pub(in crate::config) fn scope(&self) -> Scope {
        Scope {
            path: self.path.to_string(),
            line: self.line,
            suffix: self.suffix.clone(),
            places: BTreeMap::new(),
        }
    }

    /// Of a field that is there, or could be.
    pub(in crate::config) fn place_of(&self, name: &str) -> Place {
        let line = self.fields.get(name).map_or(self.line, |node| node.line);
        self.place(line, printable(name.as_bytes()))
    }
}

/// All of a file.
///
/// # Errors
/// The first reason why it is no TOML.
pub(in crate::config) fn parse(path: &Arc<str>, text: &str) -> Result<Section, Fault> {
    let lines = Lines::of(text);
    match DeTable::parse(text) {
        Ok(root) => Ok(Section {
            path: Arc::clone(path),
            line: 1,
            fields: lines.table(root.into_inner()),
            suffix: String::new(),
        }),
        Err(error) => Err(lines.fault(path, &error)),
    }
}

/// Where lines end.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn number(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|newline| *newline < offset)
    }

    fn fault(&self, path: &str, error: &Error) -> Fault {
        let place = Place::File {
            path: path.to_owned(),
            line: error.span().map(|span| self.number(span.start)),
            field: None,
        };
        let message = error.message().trim_end().replace('\n', ", ");
        Fault::of(place, printable(message.as_bytes()))
    }

    fn table(&self, table: DeTable) -> Table {
        let fields = table.into_iter().map(|(name, value)| {
            let line = self.number(name.span().start);
            let value = self.value(value.into_inner());
            (name.into_inner().into_owned(), Node { line, value })
        });
        fields.collect()
    }

    fn node(&self, item: Spanned<DeValue>) -> Node {
        let line = self.number(item.span().start);
        let value = self.value(item.into_inner());
        Node { line, value }
    }

    fn value(&self, value: DeValue) -> TomlValue {
        match value {
            DeValue::String(text) => TomlValue::Text(text.into_owned()),
            DeValue::Integer(number) => {
                TomlValue::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            // What it is in the file is what Rust parses, but for `inf` and `nan` with a sign.
            DeValue::Float(number) => TomlValue::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(on) => TomlValue::Boolean(on),
            DeValue::Datetime(date) => TomlValue::Date(date.to_string()),
            DeValue::Array(items) => {
                TomlValue::Array(items.into_iter().map(|item| self.node(item)).collect())
            }
            DeValue::Table(table) => TomlValue::Table(self.table(table)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Section, String> {
        parse(&"a.toml".into(), text).map_err(|fault| fault.to_string())
    }

    #[test]
    fn fields_and_tables_know_their_lines() {
        let text = "# hosts\n[etcd]\nuser = \"a\"\n\n[[service]]\nname = \"b\"\nttl = \"\"\"\n1s\"\"\"\nrise = 2\n\
                    [[service]]\nchecks = [\n { check = \"none\" },\n { check = \"none\" },\n]\n";
        let root = parsed(text).expect("sound");
        let TomlValue::Table(etcd) = &root.fields["etcd"].value else {
            panic!("{root:?}");
        };
        assert_eq!(etcd["user"].line, 3);
        let TomlValue::Array(services) = &root.fields["service"].value else {
            panic!("{root:?}");
        };
        let lines: Vec<_> = services.iter().map(|service| service.line).collect();
        assert_eq!(lines, [5, 10]);
        let TomlValue::Table(first) = &services[0].value else {
            panic!("{root:?}");
        };
        assert_eq!((first["ttl"].line, first["rise"].line), (7, 9));
        let TomlValue::Table(second) = &services[1].value else {
            panic!("{root:?}");
        };
        let TomlValue::Array(checks) = &second["checks"].value else {
            panic!("{root:?}");
        };
        assert_eq!((checks[0].line, checks[1].line), (12, 13));
    }

    #[test]
    fn a_file_that_is_no_toml_is_told_with_its_line() {
        for (text, line) in [
            ("a = 1\nb = \n", 2),
            ("[etcd]\n[etcd]\n", 2),
            ("a = 1\na = 2\n", 2),
            ("\n\nx", 3),
        ] {
            let fault = parsed(text).expect_err(text);
            assert!(
                fault.starts_with(&format!("a.toml, line {line}: ")),
                "{fault}"
            );
        }
    }

    #[test]
    fn tables_within_tables_without_end_are_refused() {
        let deep = "[".repeat(100_000);
        assert!(parsed(&format!("a = {deep}")).is_err());
        let deep = "{a=".repeat(100_000);
        assert!(parsed(&format!("a = {deep}")).is_err());
        let dotted = vec!["a"; 100_000].join(".");
        assert!(parsed(&format!("{dotted} = 1")).is_err());
    }
}

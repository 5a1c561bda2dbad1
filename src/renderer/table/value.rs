//! A file of TOML as values, each field with its line.

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue, Error};

use super::Fault;

#[derive(Debug)]
pub(crate) struct Field {
    pub(super) name: String,
    /// Where it is in the file.
    pub(super) at: usize,
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) value: TableValue,
}

#[derive(Debug)]
pub(crate) enum TableValue {
    String(String),
    /// None where 64 bits do not hold it.
    Integer(Option<i64>),
    Boolean(bool),
    Array(Vec<Self>),
    Table(Vec<Field>),
    /// Of this type.
    Other(&'static str),
}

impl TableValue {
    /// In TOML's words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::Integer(_) => "integer",
            Self::Boolean(_) => "boolean",
            Self::Array(_) => "array",
            Self::Table(_) => "table",
            Self::Other(kind) => kind,
        }
    }
}

/// `readable` is as long as the file's `text`, and lines are those of `text`.
pub(super) fn parse(text: &str, readable: &str) -> Result<Vec<Field>, Fault> {
    let lines = LineEnds::of(text);
    match DeTable::parse(readable) {
        Ok(root) => Ok(lines.fields(root.into_inner())),
        Err(error) => Err(lines.fault(&error)),
    }
}

/// Where lines end.
struct LineEnds(Vec<usize>);

impl LineEnds {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    fn number(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|newline| *newline < offset)
    }

    fn fault(&self, error: &Error) -> Fault {
        let line = error.span().map(|span| self.number(span.start));
        Fault::grave(line, error.message().trim_end().replace('\n', ", "))
    }

    fn fields(&self, table: DeTable) -> Vec<Field> {
        let fields = table.into_iter().map(|(key, value)| {
            let at = key.span().start;
            Field {
                name: key.into_inner().into_owned(),
                at,
                line: self.number(at),
                value: self.value(value),
            }
        });
        fields.collect()
    }

    fn value(&self, value: Spanned<DeValue>) -> TableValue {
        match value.into_inner() {
            DeValue::String(text) => TableValue::String(text.into_owned()),
            DeValue::Integer(number) => TableValue::Integer(integer(&number)),
            DeValue::Boolean(on) => TableValue::Boolean(on),
            DeValue::Array(items) => {
                let items = items.into_iter().map(|item| self.value(item));
                TableValue::Array(items.collect())
            }
            DeValue::Table(table) => TableValue::Table(self.fields(table)),
            other @ (DeValue::Float(_) | DeValue::Datetime(_)) => {
                TableValue::Other(other.type_str())
            }
        }
    }
}

fn integer(number: &DeInteger) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

//! Tables of TOML: their fields by name and type, the lines that they are on, and all that is wrong
//! with them.

#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use value::Field;
pub(crate) use value::TableValue;

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Counted from 1; none where it is something missing.
    pub line: Option<usize>,
    /// What, and what to do about it.
    pub message: String,
    /// The file is of use all the same.
    pub harmless: bool,
}

impl Fault {
    pub(crate) fn grave(line: Option<usize>, message: String) -> Self {
        Self {
            line,
            message,
            harmless: false,
        }
    }

    pub(crate) fn warning(line: Option<usize>, message: String) -> Self {
        Self {
            line,
            message,
            harmless: true,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// A table. What is read is taken out of it, so that what nobody knows is left. Names are matched
/// whatever their case, as confd does; of several fields of a name the last one counts.
#[derive(Debug, Default)]
pub struct Table {
    fields: Vec<Field>,
    lines: BTreeMap<&'static str, usize>,
    faults: Vec<Fault>,
}

/// What is there in place of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTable {
    /// Counted from 1.
    pub line: usize,
    /// Its type, in TOML's words.
    pub found: &'static str,
}

impl Table {
    /// All of a file, whose text this is.
    ///
    /// # Errors
    /// The first reason why it is no TOML.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let fields = value::parse(text, text)?;
        Ok(Self::of(fields))
    }

    /// The same, where a carriage return by itself ends a line, as it does for confd.
    pub(crate) fn parse_as_confd(text: &str) -> Result<Self, Fault> {
        let fields = value::parse(text, &with_newlines(text))?;
        Ok(Self::of(fields))
    }

    fn of(fields: Vec<Field>) -> Self {
        Self {
            fields,
            lines: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    /// The table of this name; one in another case only where there is none.
    ///
    /// # Errors
    /// What is there instead.
    pub fn table(&mut self, name: &str) -> Result<Option<Self>, NoTable> {
        let place = |is_it: &dyn Fn(&str) -> bool| {
            let mut fields = self.fields.iter();
            fields.position(|field| is_it(&field.name))
        };
        let Some(at) = place(&|found| found == name)
            .or_else(|| place(&|found| found.eq_ignore_ascii_case(name)))
        else {
            return Ok(None);
        };
        let Field { line, value, .. } = self.fields.remove(at);
        match value {
            TableValue::Table(fields) => Ok(Some(Self::of(fields))),
            other => Err(NoTable {
                line,
                found: other.kind(),
            }),
        }
    }

    /// Warns of each field that is no table, with what `put` says of its name.
    pub(crate) fn warn_of_plain(&mut self, put: impl Fn(&str) -> String) {
        self.warn_of(|value| !matches!(value, TableValue::Table(_)), put);
    }

    /// Warns of what nobody asked for: it is mistyped, or meant for another program.
    pub fn warn_of_unknown(&mut self) {
        self.warn_of(|_| true, |name| format!("unknown field {name} is ignored"));
    }

    fn warn_of(&mut self, concerns: impl Fn(&TableValue) -> bool, put: impl Fn(&str) -> String) {
        let found = self.fields.iter().filter(|field| concerns(&field.value));
        let warnings = found.map(|field| Fault::warning(Some(field.line), put(&field.name)));
        self.faults.extend(warnings);
    }

    /// A string.
    pub fn string(&mut self, name: &'static str) -> Option<String> {
        self.typed(name, "a string", string)
    }

    /// An array of strings.
    pub fn strings(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.typed(name, "an array of strings", |value| match value {
            TableValue::Array(items) => items.into_iter().map(string).collect(),
            _ => None,
        })
    }

    /// A table of strings.
    pub fn table_of_strings(&mut self, name: &'static str) -> Option<BTreeMap<String, String>> {
        self.typed(name, "a table of strings", |value| match value {
            TableValue::Table(fields) => fields
                .into_iter()
                .map(|field| Some((field.name, string(field.value)?)))
                .collect(),
            _ => None,
        })
    }

    /// A boolean.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.typed(name, "true or false", |value| match value {
            TableValue::Boolean(on) => Some(on),
            _ => None,
        })
    }

    /// A whole number of 64 bits; `wanted` says which there are.
    pub fn integer(&mut self, name: &'static str, wanted: &str) -> Option<i64> {
        self.typed(name, wanted, |value| match value {
            TableValue::Integer(number) => number,
            _ => None,
        })
    }

    fn typed<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        convert: impl FnOnce(TableValue) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(name)?;
        let converted = convert(value);
        if converted.is_none() {
            self.fault_of(name, format!("{name} must be {wanted}"));
        }
        converted
    }

    /// The field of this name, of whatever type.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<TableValue> {
        let is_named = |field: &mut Field| field.name.eq_ignore_ascii_case(name);
        let mut found: Vec<_> = self.fields.extract_if(.., is_named).collect();
        found.sort_by_key(|field| field.at);
        let last = found.pop()?;
        for field in found {
            let message = format!("{} is given again; this one is ignored", field.name);
            self.add(Fault::warning(Some(field.line), message));
        }
        self.lines.insert(name, last.line);
        Some(last.value)
    }

    /// On which line a field is that has been read, counted from 1.
    #[must_use]
    pub fn line(&self, name: &str) -> Option<usize> {
        self.lines.get(name).copied()
    }

    /// What is wrong with a field that has been read.
    pub(crate) fn fault_of(&mut self, name: &'static str, message: String) {
        self.add(Fault::grave(self.line(name), message));
    }

    /// What is odd about it.
    pub(crate) fn warn_about(&mut self, name: &'static str, message: String) {
        self.add(Fault::warning(self.line(name), message));
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// What was found wrong since the last time, in the order in which it was found.
    pub fn take_faults(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.faults)
    }

    pub(crate) fn fault_count(&self) -> usize {
        self.faults.len()
    }

    /// On which lines the fields are that were read.
    pub(crate) fn into_lines(self) -> BTreeMap<&'static str, usize> {
        self.lines
    }
}

/// `text` with a newline for each carriage return that has none.
fn with_newlines(text: &str) -> Cow<'_, str> {
    let is_alone = |(at, _): &(usize, &str)| text.as_bytes().get(at + 1) != Some(&b'\n');
    if !text.match_indices('\r').any(|found| is_alone(&found)) {
        return Cow::Borrowed(text);
    }
    // Of the same length, so that places stay what they are.
    Cow::Owned(
        text.replace("\r\n", "\u{1}\n")
            .replace('\r', "\n")
            .replace('\u{1}', "\r"),
    )
}

fn string(value: TableValue) -> Option<String> {
    match value {
        TableValue::String(text) => Some(text),
        _ => None,
    }
}

//! The fields of a table, by name and type, with a note of all that is wrong with them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

use super::{Fault, duration};

/// What a file holds beside the resource is nobody's business.
const TABLE: &str = "template";

/// Go keeps no other bits of a mode that is written as a number.
const PERMISSION_BITS: u32 = 0o777;

/// The table `[template]` of a file.
///
/// Names are matched whatever their case, as confd does.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    text: &'a str,
    table: DeTable<'a>,
    /// There is such a table.
    opened: bool,
    faults: Vec<Fault>,
    lines: BTreeMap<&'static str, usize>,
}

impl<'a> Fields<'a> {
    /// `text` is that of the file, for the numbers of its lines, and `readable` that with newlines: see
    /// [`with_newlines`].
    pub(super) fn parse(text: &'a str, readable: &'a str) -> Self {
        let mut fields = Self {
            text,
            table: DeTable::default(),
            opened: false,
            faults: Vec::new(),
            lines: BTreeMap::new(),
        };
        match DeTable::parse(readable) {
            Ok(root) => fields.open(root.into_inner()),
            Err(error) => {
                let line = error.span().map(|span| fields.line(span.start));
                fields.fault(line, error.message().trim_end().replace('\n', ", "));
            }
        }
        fields
    }

    fn open(&mut self, mut root: DeTable<'a>) {
        let Some(value) = remove(&mut root, TABLE) else {
            self.fault(
                None,
                "empty src template: there is no table [template]".to_owned(),
            );
            return;
        };
        for (key, value) in &root {
            if !matches!(value.get_ref(), DeValue::Table(_)) {
                let line = self.line(key.span().start);
                let key = key.get_ref();
                self.warn(
                    Some(line),
                    format!("{key} stands above [template] and is ignored"),
                );
            }
        }
        let line = self.line(value.span().start);
        match value.into_inner() {
            DeValue::Table(table) => (self.table, self.opened) = (table, true),
            other => {
                let found = other.type_str();
                let message = format!("template must be one table, not {found}: write [template]");
                self.fault(Some(line), message);
            }
        }
    }

    /// A string that must be there, or else `missing` is what is wrong.
    pub(super) fn required(&mut self, name: &'static str, missing: &str) -> Option<String> {
        let faults = self.faults.len();
        let text = self.string(name);
        if text.is_none() && self.opened && self.faults.len() == faults {
            self.fault(None, missing.to_owned());
        }
        text
    }

    /// Empty is as good as not there.
    pub(super) fn string(&mut self, name: &'static str) -> Option<String> {
        self.typed(name, "a string", string)
            .filter(|text| !text.is_empty())
    }

    pub(super) fn strings(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.typed(name, "an array of strings", |value| match value {
            DeValue::Array(items) => items
                .into_iter()
                .map(|item| string(item.into_inner()))
                .collect(),
            _ => None,
        })
    }

    pub(super) fn table_of_strings(
        &mut self,
        name: &'static str,
    ) -> Option<BTreeMap<String, String>> {
        self.typed(name, "a table of strings", |value| match value {
            DeValue::Table(table) => table
                .into_iter()
                .map(|(key, value)| {
                    Some((key.into_inner().into_owned(), string(value.into_inner())?))
                })
                .collect(),
            _ => None,
        })
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.typed(name, "true or false", |value| value.as_bool())
    }

    /// The number of a user or group. Like -1, one that there cannot be is nobody in particular.
    pub(super) fn id(&mut self, name: &'static str) -> Option<u32> {
        let id = self.typed(name, "a number from 0 to 4294967294", |value| {
            integer(value.as_integer()?)
        })?;
        let nobody = u32::MAX;
        match u32::try_from(id) {
            Ok(id) if id != nobody => Some(id),
            _ if id == -1 => None,
            Ok(_) | Err(_) => {
                self.warn_about(
                    name,
                    format!("{name}: nobody has the number {id}; it is ignored"),
                );
                None
            }
        }
    }

    pub(super) fn duration(&mut self, name: &'static str) -> Option<Duration> {
        let (line, value) = self.take(name)?;
        let duration = match &value {
            DeValue::String(text) => duration::parse(text),
            DeValue::Integer(number) => integer(number).and_then(duration::seconds),
            _ => None,
        };
        if duration.is_none() {
            self.fault(Some(line), format!("{name} {}", duration::FAULT));
        }
        duration
    }

    /// Octal with or without a mark.
    pub(super) fn mode(&mut self, name: &'static str) -> Option<u32> {
        let text = self.string(name)?;
        let line = self.lines.get(name).copied();
        let (digits, radix) = match text.split_at_checked(2) {
            Some(("0x" | "0X", digits)) => (digits, 16),
            Some(("0o" | "0O", digits)) => (digits, 8),
            Some(_) | None => (text.as_str(), 8),
        };
        // `from_str_radix` takes a leading '+'.
        let mode = Some(digits)
            .filter(|digits| !digits.starts_with('+'))
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
            .filter(|mode| *mode <= 0o7777);
        match mode {
            None => self.fault(
                line,
                format!("{name} {text:?} is not an octal number; write it like \"0644\""),
            ),
            Some(mode) if mode != mode & PERMISSION_BITS => self.warn(
                line,
                format!("{name} {text:?}: setuid, setgid and sticky are not set"),
            ),
            Some(_) => {}
        }
        mode.map(|mode| mode & PERMISSION_BITS)
    }

    /// What nobody asked for is mistyped, or meant for another program.
    pub(super) fn warn_of_unknown(&mut self) {
        let unknown: Vec<_> = self
            .table
            .keys()
            .map(|name| (self.line(name.span().start), name.get_ref().to_string()))
            .collect();
        for (line, name) in unknown {
            self.warn(Some(line), format!("unknown field {name} is ignored"));
        }
    }

    /// What is wrong, and where each field was. In the order of lines.
    pub(super) fn finish(mut self) -> (Vec<Fault>, BTreeMap<&'static str, usize>) {
        self.faults.sort_by_key(|fault| fault.line);
        (self.faults, self.lines)
    }

    fn typed<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        convert: impl FnOnce(DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        let (line, value) = self.take(name)?;
        let converted = convert(value);
        if converted.is_none() {
            self.fault(Some(line), format!("{name} must be {wanted}"));
        }
        converted
    }

    /// The field of this name in whatever case; of several the last one.
    fn take(&mut self, name: &'static str) -> Option<(usize, DeValue<'a>)> {
        let is_named = |key: &&Spanned<DeString<'a>>| key.get_ref().eq_ignore_ascii_case(name);
        let mut found: Vec<_> = self.table.keys().filter(is_named).cloned().collect();
        found.sort_by_key(|key| key.span().start);
        let last = found.pop()?;
        for key in found {
            self.table.remove(&key);
            let line = self.line(key.span().start);
            self.warn(
                Some(line),
                format!("{} is given again; this one is ignored", key.get_ref()),
            );
        }
        let (key, value) = self.table.remove_entry(&last)?;
        let line = self.line(key.span().start);
        self.lines.insert(name, line);
        Some((line, value.into_inner()))
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn fault(&mut self, line: Option<usize>, message: String) {
        self.faults.push(Fault::grave(line, message));
    }

    fn warn(&mut self, line: Option<usize>, message: String) {
        self.faults.push(Fault::warning(line, message));
    }

    /// Of a field that has been taken.
    pub(super) fn warn_about(&mut self, name: &'static str, message: String) {
        let line = self.lines.get(name).copied();
        self.warn(line, message);
    }
}

/// `text` with a newline for each carriage return that has none: by itself it ends a line, as it does
/// for confd.
pub(super) fn with_newlines(text: &str) -> Cow<'_, str> {
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

/// The table of this name in whatever case.
fn remove<'a>(root: &mut DeTable<'a>, name: &str) -> Option<Spanned<DeValue<'a>>> {
    let names = || root.keys();
    let found = names()
        .find(|key| key.get_ref().as_ref() == name)
        .or_else(|| names().find(|key| key.get_ref().eq_ignore_ascii_case(name)))?
        .clone();
    root.remove(&found)
}

fn string(value: DeValue) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.into_owned()),
        _ => None,
    }
}

fn integer(number: &DeInteger) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

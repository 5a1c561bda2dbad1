//! The fields of the table `[template]`, with a note of all that is wrong with them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::debounce::{self, Gathering};
use super::duration;
use crate::format::OutputFormat;
use crate::table::{Fault, NoTable, Table, TableValue};

/// What a file holds beside the resource is nobody's business.
const TABLE: &str = "template";

/// Go keeps no other bits of a mode that is written as a number.
const PERMISSION_BITS: u32 = 0o777;

/// The table `[template]` of a file.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) table: Table,
    /// There is such a table.
    opened: bool,
}

impl Fields {
    pub(super) fn parse(text: &str) -> Self {
        match Table::parse_as_confd(text) {
            Ok(root) => Self::open(root),
            Err(fault) => Self::closed(fault),
        }
    }

    fn open(mut root: Table) -> Self {
        let found = root.table(TABLE);
        let mut fields = match found {
            Ok(None) => {
                let message = "empty src template: there is no table [template]";
                return Self::closed(Fault::grave(None, message.to_owned()));
            }
            Ok(Some(table)) => Self {
                table,
                opened: true,
            },
            Err(NoTable { line, found }) => {
                let message = format!("template must be one table, not {found}: write [template]");
                Self::closed(Fault::grave(Some(line), message))
            }
        };
        root.warn_of_plain(|key| format!("{key} stands above [template] and is ignored"));
        for warning in root.take_faults() {
            fields.table.add(warning);
        }
        fields
    }

    fn closed(fault: Fault) -> Self {
        let mut fields = Self::default();
        fields.table.add(fault);
        fields
    }

    /// A string that must be there, or else `missing` is what is wrong.
    pub(super) fn required(&mut self, name: &'static str, missing: &str) -> Option<String> {
        let faults = self.table.fault_count();
        let text = self.string(name);
        if text.is_none() && self.opened && self.table.fault_count() == faults {
            self.table.add(Fault::grave(None, missing.to_owned()));
        }
        text
    }

    /// Empty is as good as not there.
    pub(super) fn string(&mut self, name: &'static str) -> Option<String> {
        self.table.string(name).filter(|text| !text.is_empty())
    }

    /// The number of a user or group. Like -1, one that there cannot be is nobody in particular.
    pub(super) fn id(&mut self, name: &'static str) -> Option<u32> {
        let id = self.table.integer(name, "a number from 0 to 4294967294")?;
        let nobody = u32::MAX;
        match u32::try_from(id) {
            Ok(id) if id != nobody => Some(id),
            _ if id == -1 => None,
            Ok(_) | Err(_) => {
                let message = format!("{name}: nobody has the number {id}; it is ignored");
                self.table.warn_about(name, message);
                None
            }
        }
    }

    pub(super) fn duration(&mut self, name: &'static str) -> Option<Duration> {
        let duration = match &self.table.take(name)? {
            TableValue::String(text) => duration::parse(text),
            TableValue::Integer(number) => number.and_then(duration::seconds),
            _ => None,
        };
        if duration.is_none() {
            self.table
                .fault_of(name, format!("{name} {}", duration::FAULT));
        }
        duration
    }

    pub(super) fn debounce(&mut self, name: &'static str) -> Option<Gathering> {
        let text = self.string(name)?;
        let gathering = debounce::parse(&text);
        if gathering.is_none() {
            self.table
                .fault_of(name, format!("{name} {text:?} {}", debounce::FAULT));
        }
        gathering
    }

    pub(super) fn output_format(&mut self, name: &'static str) -> Option<OutputFormat> {
        let text = self.string(name)?;
        let format = OutputFormat::parse(&text);
        if format.is_none() {
            let message = format!("{name} {text:?} is none of \"json\", \"toml\" and \"yaml\"");
            self.table.fault_of(name, message);
        }
        format
    }

    /// Octal with or without a mark.
    pub(super) fn mode(&mut self, name: &'static str) -> Option<u32> {
        let text = self.string(name)?;
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
            None => self.table.fault_of(
                name,
                format!("{name} {text:?} is not an octal number; write it like \"0644\""),
            ),
            Some(mode) if mode != mode & PERMISSION_BITS => self.table.warn_about(
                name,
                format!("{name} {text:?}: setuid, setgid and sticky are not set"),
            ),
            Some(_) => {}
        }
        mode.map(|mode| mode & PERMISSION_BITS)
    }

    /// What is wrong, in the order of lines, and where each field was.
    pub(super) fn finish(mut self) -> (Vec<Fault>, BTreeMap<&'static str, usize>) {
        let mut faults = self.table.take_faults();
        faults.sort_by_key(|fault| fault.line);
        (faults, self.table.into_lines())
    }
}

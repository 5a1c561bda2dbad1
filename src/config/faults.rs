//! All that is wrong with what was given, found before any of it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::cli::Variables;
use crate::exit::{Exit, RunError};
use crate::fault::{Fault, Place, field_of};
use crate::longest;
use crate::wording::masked;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);

/// Faults in the order found. Settings are known by their flags; told is where they were given.
#[derive(Debug, Default)]
pub struct Faults {
    found: Vec<Fault>,
    told: BTreeSet<Fault>,
    variables: Variables,
    in_files: Box<InFiles>,
    /// The same settings were looked at before.
    again: bool,
}

/// What there is to know of the files that settings are from.
#[derive(Debug, Default)]
struct InFiles {
    /// While a table is looked at.
    scope: Option<Scope>,
    /// Where variables were replaced, and what must not be told of it.
    hidden: BTreeMap<Place, Hidden>,
}

/// Where a table of a file has what flags would give.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub path: String,
    pub line: usize,
    /// For a part of a table, as in ` of check 2`.
    pub suffix: String,
    /// Those that are given, by their flags.
    pub places: BTreeMap<&'static str, Place>,
}

impl Scope {
    fn place(&self, flag: &'static str) -> Place {
        let given = self.places.get(flag).cloned();
        given.unwrap_or_else(|| Place::File {
            path: self.path.clone(),
            line: Some(self.line),
            field: Some(field_of(flag) + &self.suffix),
        })
    }
}

/// A text in which variables were replaced.
#[derive(Debug)]
pub(super) struct Hidden {
    /// With the variables' names; the same field may have several.
    written: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Hidden {
    pub(super) fn of(written: &str, values: Vec<String>) -> Self {
        Self {
            written: BTreeSet::from([masked(written)]),
            values: values.into_iter().collect(),
        }
    }
}

impl Faults {
    pub(super) fn new(variables: Variables) -> Self {
        Self {
            variables,
            ..Self::default()
        }
    }

    /// For settings that were sound before: what was warned about then is not told again.
    pub(super) fn again(variables: Variables) -> Self {
        Self {
            again: true,
            ..Self::new(variables)
        }
    }

    pub(super) fn are_of_before(&self) -> bool {
        self.again
    }

    pub(super) fn place(&self, flag: &'static str) -> Place {
        match &self.in_files.scope {
            Some(scope) => scope.place(flag),
            None => self.variables.place(flag),
        }
    }

    /// What is found in `look` is wrong with a table of a file.
    pub(super) fn within<T>(&mut self, scope: Scope, look: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.in_files.scope.replace(scope);
        let found = look(self);
        self.in_files.scope = outer;
        found
    }

    /// The field of the table that is looked at that gives what `flag` would.
    pub(super) fn is_given(&mut self, flag: &'static str, place: Place) {
        if let Some(scope) = &mut self.in_files.scope {
            scope.places.insert(flag, place);
        }
    }

    /// From now on no fault at `place` tells what is hidden.
    pub(super) fn hide(&mut self, place: Place, hidden: Hidden) {
        match self.in_files.hidden.get_mut(&place) {
            Some(known) => {
                known.written.extend(hidden.written);
                known.values.extend(hidden.values);
            }
            None => {
                self.in_files.hidden.insert(place, hidden);
            }
        }
    }

    /// Two checks may find the same fault; it is told once.
    pub(super) fn add(&mut self, fault: Fault) {
        let fault = fault.placed(|flag| self.place(flag));
        let fault = match self.in_files.scope {
            Some(_) => fault.of_fields(),
            None => fault,
        };
        let hidden = fault
            .place()
            .and_then(|place| self.in_files.hidden.get(place));
        let fault = match hidden {
            Some(Hidden { written, values }) => {
                let written: Vec<_> = written.iter().map(String::as_str).collect();
                fault.hiding(values, &written.join(", "))
            }
            None => fault,
        };
        if self.told.insert(fault.clone()) {
            self.found.push(fault);
        }
    }

    pub(super) fn are_none(&self) -> bool {
        self.found.is_empty()
    }

    /// Keeps the value, or the fault.
    pub(super) fn take<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.add(fault)).ok()
    }

    pub(super) fn duration(
        &mut self,
        flag: &'static str,
        text: &str,
        least: Duration,
    ) -> Option<Duration> {
        let refused = |what: String| Err(Fault::of_value(flag, text, what));
        let shown = humantime::format_duration;
        self.take(match humantime::parse_duration(text) {
            Ok(duration) if duration < least => {
                refused(format!("must be at least {}", shown(least)))
            }
            Ok(duration) if duration > longest::GIVEN => {
                refused(format!("must be at most {}", shown(longest::GIVEN)))
            }
            Ok(duration) => Ok(duration),
            Err(error) => refused(format!("{error}; write 250ms, 30s or 1m 30s")),
        })
    }

    pub(super) fn count(&mut self, flag: &'static str, text: &str) -> Option<u32> {
        self.take(match text.parse() {
            Ok(0) | Err(_) => Err(Fault::of_value(
                flag,
                text,
                "use a whole number, at least 1",
            )),
            Ok(count) => Ok(count),
        })
    }

    /// With those of other settings, of which each is told once.
    #[must_use]
    pub(super) fn and(mut self, others: Self) -> Self {
        for fault in others.found {
            if self.told.insert(fault.clone()) {
                self.found.push(fault);
            }
        }
        self
    }

    /// The settings, if nothing was wrong with any of them.
    pub(super) fn settle<T>(self, settings: Option<T>) -> Result<T, Self> {
        match settings {
            Some(settings) if self.found.is_empty() => Ok(settings),
            Some(_) | None => Err(self),
        }
    }
}

/// A line each.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.found.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl From<Faults> for RunError {
    fn from(faults: Faults) -> Self {
        Self::new(Exit::Usage, faults)
    }
}

impl From<Fault> for RunError {
    fn from(fault: Fault) -> Self {
        Self::new(Exit::Usage, fault)
    }
}

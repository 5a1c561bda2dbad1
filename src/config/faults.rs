//! All that is wrong with what was given, found before any of it is told.

use std::fmt;
use std::time::Duration;

use crate::cli::Variables;
use crate::exit::{Exit, RunError};
use crate::fault::{Fault, Place};
use crate::longest;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);

/// Faults in the order found. Settings are known by their flags; told is where they were given.
#[derive(Debug, Default)]
pub struct Faults {
    found: Vec<Fault>,
    variables: Variables,
}

impl Faults {
    pub(super) fn new(variables: Variables) -> Self {
        Self {
            found: Vec::new(),
            variables,
        }
    }

    pub(super) fn place(&self, flag: &'static str) -> Place {
        self.variables.place(flag)
    }

    /// Two checks may find the same fault; it is told once.
    pub(super) fn add(&mut self, fault: Fault) {
        let fault = fault.placed(|flag| self.place(flag));
        if !self.found.contains(&fault) {
            self.found.push(fault);
        }
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

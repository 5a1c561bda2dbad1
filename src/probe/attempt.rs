//! What comes of one attempt to reach a backend.

use std::io;
use std::time::Duration;

use super::host_fault;
use crate::wording;

/// What came of one attempt.
#[derive(Debug)]
pub struct Attempt {
    /// What the backend answered, in a word or two.
    pub result: Result<String, Failure>,
    pub took: Duration,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no answer within {}", wording::duration(*.0))]
    Timeout(Duration),
    #[error("{0}")]
    Connection(String),
    /// Our own host let us down, as where no descriptor is left: that says nothing of the backend.
    #[error("{0}")]
    OwnHost(String),
    #[error("HTTP status {0}")]
    Status(u16),
    #[error("the body does not match")]
    Body,
    /// What the backend said of itself, or why it said nothing.
    #[error("{0}")]
    Answer(String),
    #[error("the command could not be run: {0}")]
    Spawn(io::Error),
    /// With the last line that it printed, which may be empty.
    #[error("the command ended with {0}{sep}{1}", sep = if .1.is_empty() { "" } else { ": " })]
    Command(std::process::ExitStatus, String),
    /// Of several checks, by their names.
    #[error("{}", listed(.0))]
    OfChecks(Vec<(String, Failure)>),
}

fn listed(failures: &[(String, Failure)]) -> String {
    let listed = failures
        .iter()
        .map(|(name, failure)| format!("{name}: {failure}"));
    listed.collect::<Vec<_>>().join("; ")
}

impl Failure {
    /// Whether it says nothing of the backend.
    #[must_use]
    pub fn is_own_hosts(&self) -> bool {
        match self {
            Self::OwnHost(_) => true,
            Self::Spawn(error) => host_fault::is(error),
            Self::OfChecks(failures) => failures.iter().any(|(_, failure)| failure.is_own_hosts()),
            Self::Timeout(_)
            | Self::Connection(_)
            | Self::Status(_)
            | Self::Body
            | Self::Answer(_)
            | Self::Command(..) => false,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if host_fault::is(&error) {
            Self::OwnHost(error.to_string())
        } else {
            Self::Connection(error.to_string())
        }
    }
}

impl Failure {
    /// In words that may be shown to anybody: without those of a command.
    fn outline(&self) -> String {
        match self {
            Self::Command(status, _) => format!("the command ended with {status}"),
            Self::Spawn(_) => "the command could not be run".to_owned(),
            Self::OfChecks(failures) => {
                let outlines = failures.iter().map(|(_, failure)| failure.outline());
                outlines.collect::<Vec<_>>().join("; ")
            }
            Self::Timeout(_)
            | Self::Connection(_)
            | Self::OwnHost(_)
            | Self::Status(_)
            | Self::Body
            | Self::Answer(_) => self.to_string(),
        }
    }
}

impl Attempt {
    /// What came of it, in words that may be shown to anybody.
    #[must_use]
    pub fn outline(&self) -> String {
        match &self.result {
            Ok(_) => "passed".to_owned(),
            Err(failure) => failure.outline(),
        }
    }

    #[must_use]
    pub fn text(&self) -> String {
        match &self.result {
            Ok(answer) => answer.clone(),
            Err(failure) => failure.to_string(),
        }
    }
}

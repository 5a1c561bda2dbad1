//! What can go wrong with etcd, told apart by what to do about it.

use std::time::Duration;

use crate::exit::{Exit, RunError};
use crate::wording;

/// A call that did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("etcd at {endpoint}{}{reason}", .problem.words())]
pub struct EtcdError {
    pub endpoint: String,
    pub problem: Problem,
    pub reason: String,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Needs somebody's hand: wrong credentials, a certificate that does not fit.
    Refused,
    /// Needs somebody's hand: our role does not cover the key or range.
    Denied,
    /// Etcd knows users, and this is none of them: log in, and ask again.
    NotLoggedIn,
    /// The revision that was asked for has been compacted, or is yet to come.
    NotThatRevision,
    /// Ask for less at a time.
    TooLarge,
    /// Answered with an error: another endpoint would answer the same, but later it may work.
    Rejected,
    /// Worth another try, here or at another endpoint.
    Unavailable,
    /// The same; the reason is how long we waited.
    Silent,
}

impl Problem {
    fn words(self) -> &'static str {
        match self {
            Self::Refused | Self::Denied => " refused: ",
            Self::NotThatRevision | Self::TooLarge | Self::Rejected => " rejected the request: ",
            Self::NotLoggedIn | Self::Unavailable => ": ",
            Self::Silent => " did not answer within ",
        }
    }
}

impl EtcdError {
    #[must_use]
    pub fn new(endpoint: &str, problem: Problem, reason: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            problem,
            reason: reason.into(),
        }
    }

    #[must_use]
    pub fn silent(endpoint: &str, after: Duration) -> Self {
        let after = wording::duration(after).to_string();
        Self::new(endpoint, Problem::Silent, after)
    }

    /// Whether it needs somebody's hand.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.problem, Problem::Refused | Problem::Denied)
    }

    /// Whether the connection works, whatever was said over it.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        match self.problem {
            Problem::Refused
            | Problem::Denied
            | Problem::NotThatRevision
            | Problem::TooLarge
            | Problem::Rejected => true,
            Problem::NotLoggedIn | Problem::Unavailable | Problem::Silent => false,
        }
    }

    /// It came of a call for which we have just logged in.
    #[must_use]
    pub fn after_login(mut self) -> Self {
        if self.problem == Problem::NotLoggedIn {
            self.problem = Problem::Refused;
        }
        self
    }
}

impl From<EtcdError> for RunError {
    fn from(error: EtcdError) -> Self {
        Self::new(Exit::Store, error)
    }
}

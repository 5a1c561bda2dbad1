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
    /// Users or roles have changed since the login: the same, however often.
    LoginOutdated,
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
            Self::NotLoggedIn | Self::LoginOutdated | Self::Unavailable => ": ",
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
            Problem::NotLoggedIn
            | Problem::LoginOutdated
            | Problem::Unavailable
            | Problem::Silent => false,
        }
    }

    /// Whether to log in, and to ask again.
    #[must_use]
    pub fn wants_login(&self) -> bool {
        matches!(self.problem, Problem::NotLoggedIn | Problem::LoginOutdated)
    }

    /// It came of a call for which we have just logged in: that is a refusal, unless users have
    /// changed once more.
    #[must_use]
    pub fn after_login(mut self) -> Self {
        if self.problem == Problem::NotLoggedIn {
            self.problem = Problem::Refused;
        }
        self
    }

    /// It came of a watch whose ranges we have just read: our role covers them, so that users have
    /// changed meanwhile.
    #[must_use]
    pub fn after_reads(mut self) -> Self {
        if self.problem == Problem::Denied {
            self.problem = Problem::LoginOutdated;
        }
        self
    }
}

impl From<EtcdError> for RunError {
    fn from(error: EtcdError) -> Self {
        Self::new(Exit::Store, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(problem: Problem) -> EtcdError {
        EtcdError::new("http://e", problem, "why")
    }

    #[test]
    fn an_error_names_the_endpoint_and_says_what_it_did() {
        for (problem, line) in [
            (Problem::Refused, "etcd at http://e refused: why"),
            (Problem::Denied, "etcd at http://e refused: why"),
            (Problem::NotLoggedIn, "etcd at http://e: why"),
            (
                Problem::NotThatRevision,
                "etcd at http://e rejected the request: why",
            ),
            (
                Problem::TooLarge,
                "etcd at http://e rejected the request: why",
            ),
            (
                Problem::Rejected,
                "etcd at http://e rejected the request: why",
            ),
            (Problem::Unavailable, "etcd at http://e: why"),
        ] {
            assert_eq!(error(problem).to_string(), line);
        }
    }

    #[test]
    fn who_is_silent_is_said_to_have_been_so_for_how_long() {
        let error = EtcdError::silent("http://e", Duration::from_millis(1250));
        assert_eq!(error.problem, Problem::Silent);
        assert_eq!(
            error.to_string(),
            "etcd at http://e did not answer within 1s 250ms"
        );
    }

    #[test]
    fn a_refusal_needs_somebody_s_hand_and_an_answer_shows_that_the_connection_works() {
        // is it a refusal, and is it an answer?
        for (problem, refusal, answer) in [
            (Problem::Refused, true, true),
            (Problem::Denied, true, true),
            (Problem::NotThatRevision, false, true),
            (Problem::TooLarge, false, true),
            (Problem::Rejected, false, true),
            (Problem::NotLoggedIn, false, false),
            (Problem::Unavailable, false, false),
            (Problem::Silent, false, false),
        ] {
            assert_eq!(error(problem).is_refusal(), refusal, "{problem:?}");
            assert_eq!(error(problem).is_answer(), answer, "{problem:?}");
        }
    }

    #[test]
    fn who_has_just_logged_in_and_is_told_to_log_in_is_refused() {
        assert_eq!(
            error(Problem::NotLoggedIn).after_login(),
            error(Problem::Refused)
        );
        for problem in [Problem::Denied, Problem::Unavailable, Problem::Rejected] {
            assert_eq!(error(problem).after_login(), error(problem));
        }
    }

    #[test]
    fn who_may_read_but_not_watch_is_told_so_by_users_that_changed_meanwhile() {
        assert_eq!(
            error(Problem::Denied).after_reads(),
            error(Problem::LoginOutdated)
        );
        for problem in [
            Problem::NotLoggedIn,
            Problem::Unavailable,
            Problem::Rejected,
        ] {
            assert_eq!(error(problem).after_reads(), error(problem));
        }
    }

    #[test]
    fn a_run_that_etcd_fails_ends_as_such_and_says_why() {
        let run = RunError::from(error(Problem::Refused));
        assert_eq!(run.exit(), Exit::Store);
        assert_eq!(run.to_string(), "etcd at http://e refused: why");
    }
}

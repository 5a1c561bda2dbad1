//! Steps on the way to an endpoint, each of which needs those before it.

use std::io;
use std::time::Duration;

use tokio::time::timeout;

use super::advice;
use super::finding::Finding;
use crate::etcd::error::{EtcdError, Problem};
use crate::wording;

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) message: String,
    pub(super) advice: String,
    /// It may pass, and another endpoint will do meanwhile.
    pub(super) is_outage: bool,
}

/// What there is to say of a step that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    Nothing,
    Good(String),
    /// With advice.
    Doubtful(String, String),
    /// It serves, but not as it should. With advice.
    Bad(String, String),
}

/// What became of the steps to one endpoint.
#[derive(Debug)]
pub(super) struct Steps {
    subject: String,
    /// Those that are yet to be taken.
    ahead: Vec<&'static str>,
    taken: Vec<(&'static str, Result<Remark, Trouble>)>,
}

impl Steps {
    pub(super) fn new(subject: String, ahead: Vec<&'static str>) -> Self {
        Self {
            subject,
            ahead,
            taken: Vec::new(),
        }
    }

    /// Takes a step, for no longer than `limit`. None if it failed, and so the way ends.
    pub(super) async fn take<T>(
        &mut self,
        name: &'static str,
        limit: Duration,
        step: impl Future<Output = Result<(T, Remark), Trouble>>,
    ) -> Option<T> {
        self.ahead.retain(|ahead| *ahead != name);
        let done = timeout(limit, step).await;
        let done = done.unwrap_or_else(|_| Err(Trouble::silence(limit)));
        let (value, outcome) = match done {
            Ok((value, remark)) => (Some(value), Ok(remark)),
            Err(trouble) => (None, Err(trouble)),
        };
        self.taken.push((name, outcome));
        value
    }

    /// `others_serve`: an outage of this endpoint is not the end.
    pub(super) fn findings(self, others_serve: bool) -> Vec<Finding> {
        let failed = self.taken.iter().find(|(_, outcome)| outcome.is_err());
        let failed = failed.map(|(name, _)| *name);
        let subject = &self.subject;
        let taken = self.taken.into_iter();
        let taken = taken.filter_map(|(name, outcome)| {
            finding(format!("{subject}: {name}"), outcome, others_serve)
        });
        let mut findings: Vec<_> = taken.collect();
        if let Some(failed) = failed {
            let why = format!("it needs {failed}");
            let ahead = self.ahead.iter();
            findings.extend(ahead.map(|name| Finding::skipped(format!("{subject}: {name}"), &why)));
        }
        findings
    }
}

fn finding(name: String, outcome: Result<Remark, Trouble>, others_serve: bool) -> Option<Finding> {
    Some(match outcome {
        Ok(Remark::Nothing) => return None,
        Ok(Remark::Good(message)) => Finding::ok(name, message),
        Ok(Remark::Doubtful(message, advice)) => Finding::warning(name, message, advice),
        Ok(Remark::Bad(message, advice)) => Finding::fault(name, message, advice),
        Err(trouble) if trouble.is_outage && others_serve => {
            let message = format!("{}; another endpoint serves", trouble.message);
            Finding::warning(name, message, trouble.advice)
        }
        Err(trouble) => Finding::fault(name, trouble.message, trouble.advice),
    })
}

impl Trouble {
    /// Somebody has to mend it.
    pub(super) fn fault(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            advice: advice.into(),
            is_outage: false,
        }
    }

    pub(super) fn outage(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            is_outage: true,
            ..Self::fault(message, advice)
        }
    }

    fn silence(limit: Duration) -> Self {
        let message = format!("no answer within {}", wording::duration(limit));
        Self::outage(message, advice::SILENCE)
    }

    pub(super) fn of_network(error: &io::Error) -> Self {
        Self::outage(error.to_string(), advice::for_network(error))
    }
}

impl From<EtcdError> for Trouble {
    fn from(error: EtcdError) -> Self {
        Self {
            message: told(&error),
            advice: advice::for_etcd(&error).to_owned(),
            is_outage: matches!(error.problem, Problem::Unavailable | Problem::Silent),
        }
    }
}

/// An error without the endpoint, which is told beside it.
pub(super) fn told(error: &EtcdError) -> String {
    let reason = &error.reason;
    match error.problem {
        Problem::Silent => format!("no answer within {reason}"),
        Problem::Refused | Problem::Denied => format!("etcd refused: {reason}"),
        Problem::NotThatRevision | Problem::TooLarge | Problem::Rejected => {
            format!("etcd rejected the request: {reason}")
        }
        Problem::NotLoggedIn | Problem::LoginOutdated | Problem::Unavailable => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::super::finding::FindingState;
    use super::*;

    fn steps() -> Steps {
        Steps::new("etcd e".to_owned(), vec!["TCP", "TLS", "member"])
    }

    fn states(findings: &[Finding]) -> Vec<(&str, FindingState)> {
        let states = findings.iter();
        states
            .map(|finding| (finding.name.as_str(), finding.state))
            .collect()
    }

    #[tokio::test]
    async fn what_needs_a_step_that_failed_is_skipped() {
        let mut steps = steps();
        let good = ready(Ok(((), Remark::Good("connected".to_owned()))));
        assert!(steps.take("TCP", Duration::MAX, good).await.is_some());
        let wrong = ready(Err::<((), _), _>(Trouble::fault("unknown CA", "give it")));
        assert!(steps.take("TLS", Duration::MAX, wrong).await.is_none());
        let findings = steps.findings(true);
        assert_eq!(
            states(&findings),
            [
                ("etcd e: TCP", FindingState::Ok),
                ("etcd e: TLS", FindingState::Fault),
                ("etcd e: member", FindingState::Skipped),
            ]
        );
        assert_eq!(findings[2].message, "not looked at: it needs TLS");
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_takes_too_long_is_an_outage_which_matters_less_where_others_serve() {
        for (others_serve, state) in [(true, FindingState::Warning), (false, FindingState::Fault)] {
            let mut steps = steps();
            let never = pending::<Result<((), Remark), Trouble>>();
            let limit = Duration::from_secs(3);
            assert!(steps.take("TCP", limit, never).await.is_none());
            let findings = steps.findings(others_serve);
            assert_eq!(findings[0].state, state);
            assert!(findings[0].message.starts_with("no answer within 3s"));
        }
    }
}

//! What has been with etcd so far, for those who look on from outside.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

use super::error::EtcdError;
use super::lease::Lease;
use crate::deadline::now;
use crate::observe::report::{EtcdReport, LeaseReport, OutageReport};
use crate::registration::ServiceId;

/// Written where things happen, and read when somebody asks; all in one thread.
#[derive(Debug, Default)]
pub struct Record {
    report: RefCell<EtcdReport>,
    leases: RefCell<BTreeMap<ServiceId, LeaseReport>>,
}

impl Record {
    #[must_use]
    pub fn report(&self) -> EtcdReport {
        self.report.borrow().clone()
    }

    /// Under which the service's key is, as far as is known.
    #[must_use]
    pub fn lease(&self, service: ServiceId) -> Option<LeaseReport> {
        self.leases.borrow().get(&service).copied()
    }

    pub(super) fn connected(&self, endpoint: &str) {
        let mut report = self.report.borrow_mut();
        report.connections += 1;
        report.endpoint = Some(endpoint.to_owned());
        report.answered_at = Some(now());
    }

    /// A connection broke, or could not be made.
    pub(super) fn lost(&self, error: &EtcdError) {
        let mut report = self.report.borrow_mut();
        report.failures += 1;
        report.endpoint = None;
        let reason = error.to_string();
        match &mut report.outage {
            Some(outage) => outage.reason = reason,
            None => {
                report.outage = Some(OutageReport {
                    since: now(),
                    reason,
                });
            }
        }
    }

    /// Etcd serves us.
    pub(super) fn works(&self) {
        self.answered();
        let mut report = self.report.borrow_mut();
        if let Some(outage) = report.outage.take() {
            report.away += now().saturating_duration_since(outage.since);
        }
    }

    /// Something came from it.
    pub(super) fn answered(&self) {
        self.report.borrow_mut().answered_at = Some(now());
    }

    /// Waits for what is asked under this name, and counts how it ends.
    pub(super) async fn call<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<T, EtcdError>>,
    ) -> Result<T, EtcdError> {
        let begun_at = now();
        let done = work.await;
        self.note_call(name, begun_at, done.as_ref().err());
        done
    }

    pub(super) fn note_call(
        &self,
        name: &'static str,
        begun_at: Instant,
        error: Option<&EtcdError>,
    ) {
        let now = now();
        let mut report = self.report.borrow_mut();
        let call = report.calls.entry(name).or_default();
        call.took.observe(now.saturating_duration_since(begun_at));
        match error {
            None => call.succeeded += 1,
            Some(error) if error.is_answer() => call.refused += 1,
            Some(_) => {
                call.failed += 1;
                return;
            }
        }
        report.answered_at = Some(now);
    }

    pub(super) fn note_lease(&self, service: ServiceId, lease: Option<Lease>) {
        let mut leases = self.leases.borrow_mut();
        let lease = lease.map(|lease| LeaseReport {
            id: lease.id,
            expires_at: lease.expires_at(),
        });
        match lease {
            Some(lease) => _ = leases.insert(service, lease),
            None => _ = leases.remove(&service),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::error::Problem;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn error(problem: Problem) -> EtcdError {
        EtcdError::new("http://e", problem, "why")
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_lasts_from_its_first_failure_until_something_works_again() {
        let record = Record::default();
        record.connected("http://e");
        assert_eq!(record.report().endpoint.as_deref(), Some("http://e"));
        record.lost(&error(Problem::Unavailable));
        tokio::time::advance(SECOND).await;
        record.lost(&error(Problem::Unavailable));
        let report = record.report();
        assert_eq!((report.endpoint, report.failures), (None, 2));
        let outage = report.outage.expect("an outage");
        assert_eq!(outage.since + SECOND, now());
        record.connected("http://e");
        assert!(record.report().outage.is_some(), "nothing came of it yet");
        record.works();
        let report = record.report();
        assert!(report.outage.is_none());
        assert_eq!((report.away, report.connections), (SECOND, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_counted_by_how_they_end_and_a_refusal_is_an_answer() {
        let record = Record::default();
        let done = [Ok(()), Err(Problem::Denied), Err(Problem::Unavailable)];
        for done in done {
            let work = async {
                tokio::time::sleep(SECOND).await;
                done.map_err(error)
            };
            let _done = record.call("put", work).await;
        }
        let report = record.report();
        let put = &report.calls["put"];
        assert_eq!((put.succeeded, put.refused, put.failed), (1, 1, 1));
        assert_eq!(put.took.sum(), 3 * SECOND);
        assert_eq!(report.answered_at, Some(now() - SECOND));
    }
}

//! What has been with one service so far, for those who look on from outside.

use std::time::Instant;

use crate::health::Verdict;
use crate::observe::report::ProbeReport;
use crate::probe::attempt::Attempt;
use crate::registration::Status;

#[derive(Debug)]
pub(super) struct History {
    pub status_since: Instant,
    pub verdict: Option<Verdict>,
    pub verdict_since: Option<Instant>,
    pub probe: Option<ProbeReport>,
    pub passed: u64,
    pub failed: u64,
    pub announced: u64,
    pub displaced: u64,
}

impl History {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            status_since: now,
            verdict: None,
            verdict_since: None,
            probe: None,
            passed: 0,
            failed: 0,
            announced: 0,
            displaced: 0,
        }
    }

    pub(super) fn probed(&mut self, attempt: &Attempt, now: Instant) {
        let passed = attempt.result.is_ok();
        match passed {
            true => self.passed += 1,
            false => self.failed += 1,
        }
        self.probe = Some(ProbeReport {
            ended_at: now,
            took: attempt.took,
            passed,
            reason: attempt.outline(),
        });
    }

    pub(super) fn turned(&mut self, verdict: Verdict, now: Instant) {
        self.verdict = Some(verdict);
        self.verdict_since = Some(now);
    }

    pub(super) fn stands(&mut self, status: Status, now: Instant) {
        self.status_since = now;
        if status == Status::Displaced {
            self.displaced += 1;
        }
    }
}

//! One service of the agent: what its probes come to, what should follow in etcd, and what of it is
//! said.

use std::time::{Duration, Instant};

use fastrand::Rng;
use tracing::{debug, info, warn};

use crate::config::{Announcement, KEY_OF_ITS_OWN};
use crate::deadline::now;
use crate::health::{self, Cadence, Covered, Excuse, Health, Thresholds, Verdict};
use crate::probe::attempt::Attempt;
use crate::registration::{Action, Event, Registration, Status, Stopped};
use crate::wording;

/// What is to be registered, and when.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    pub announcement: Announcement,
    pub thresholds: Thresholds,
    pub cadence: Cadence,
    /// A backend that has not been up yet is not reported as down until so long after the start.
    pub start_grace: Duration,
    /// Whole seconds.
    pub ttl: Duration,
    pub drain: Duration,
    pub stop_timeout: Duration,
}

pub(super) struct Service {
    health: Health,
    excuse: Excuse,
    cadence: Cadence,
    grace_until: Instant,
    /// Whether it was said that the backend is given time.
    waiting: bool,
    registration: Registration,
    key: String,
    /// Whether another instance on this host holds the key.
    neighbour: bool,
    rng: Rng,
}

impl Service {
    pub(super) fn new(settings: &ServiceSettings, seed: u64) -> Self {
        let ServiceSettings {
            drain,
            stop_timeout,
            ..
        } = *settings;
        Self {
            health: Health::new(settings.thresholds),
            excuse: Excuse::new(settings.cadence.interval),
            cadence: settings.cadence,
            grace_until: now() + settings.start_grace,
            waiting: false,
            registration: Registration::new(drain, stop_timeout, seed),
            key: settings.announcement.key.clone(),
            neighbour: false,
            rng: Rng::with_seed(seed),
        }
    }

    /// When to tell it [`Event::DeadlineReached`], at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.registration.deadline()
    }

    pub(super) fn note_neighbour(&mut self, neighbour: bool) {
        self.neighbour = neighbour;
    }

    /// Takes in an event: what to do now, and how it stands if that is another way than before.
    pub(super) fn on(&mut self, event: Event) -> (Vec<Action>, Option<Status>) {
        let before = self.registration.status();
        let actions = self.registration.on(event, now());
        let status = self.registration.status();
        (actions, (status != before).then_some(status))
    }

    /// The verdict, if a probe turned it.
    pub(super) fn observe(&mut self, attempt: &Attempt) -> Option<Verdict> {
        debug!(event = "probed", took = ?attempt.took, result = %attempt.text(), "probed");
        if self.is_excused(attempt) {
            return None;
        }
        let turned = self.judge(attempt);
        match turned {
            Some(Verdict::Up) => info!(event = "backend_up", "backend is up: {}", attempt.text()),
            Some(Verdict::Down) => warn!(
                event = "backend_down",
                "backend is down: {}",
                attempt.text()
            ),
            None => {}
        }
        turned
    }

    fn judge(&mut self, attempt: &Attempt) -> Option<Verdict> {
        let passed = attempt.result.is_ok();
        let grace = self.grace_until.saturating_duration_since(now());
        if grace.is_zero() {
            return self.health.observe(passed);
        }
        let turned = self.health.observe_in_grace(passed);
        if !passed && !self.waiting && self.health.is_undecided() {
            self.waiting = true;
            info!(
                event = "backend_starting",
                "backend is not up yet: {}; waiting for it for {}",
                attempt.text(),
                wording::duration(grace)
            );
        }
        turned
    }

    /// Whether the attempt tells nothing of the backend.
    fn is_excused(&mut self, attempt: &Attempt) -> bool {
        let failure = attempt.result.as_ref().err();
        let Some(failure) = failure.filter(|failure| failure.is_own_hosts()) else {
            if self.excuse.ends() {
                info!(event = "host_can_probe", "this host can probe again");
            }
            return false;
        };
        let covered = self.excuse.covers(now());
        if covered == Covered::ForTheFirstTime {
            let limit = wording::duration(self.excuse.limit());
            warn!(
                event = "host_cannot_probe",
                "this host cannot probe: {failure}; that is not held against the backend for {limit}"
            );
        }
        covered != Covered::NoLonger
    }

    /// From the end of one probe to the next.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = if self.excuse.is_needed() {
            self.cadence.fast_interval.min(self.cadence.interval)
        } else {
            self.health.wait(self.cadence)
        };
        health::jittered(pause, self.rng.f64())
    }

    /// Says how it stands, where an operator wants to know at once.
    pub(super) fn log(&self, status: Status) {
        let key = &self.key;
        match status {
            Status::Displaced if self.neighbour => warn!(
                event = "displaced",
                key,
                "displaced by another registration, for another port of this host; standing by; {KEY_OF_ITS_OWN}"
            ),
            Status::Displaced => warn!(
                event = "displaced",
                key, "displaced by another registration; standing by"
            ),
            Status::Draining => info!(event = "draining", key, "draining"),
            Status::Starting
            | Status::Registered
            | Status::Unhealthy
            | Status::Pending
            | Status::Stopping => {}
        }
    }

    /// Says what it leaves behind.
    pub(super) fn log_end(&self, stopped: Stopped) {
        if stopped == Stopped::LeftToTtl {
            warn!(
                event = "key_left_to_ttl",
                key = self.key,
                "etcd could not be told in time: the key is left to its TTL"
            );
        }
    }
}

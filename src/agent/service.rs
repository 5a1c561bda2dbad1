//! One service of the agent: what its probes come to, what should follow in etcd, and what of it is
//! said.

use std::time::{Duration, Instant};

use fastrand::Rng;
use tracing::{debug, info, warn};

use super::history::History;
use crate::config::{Announcement, KEY_OF_ITS_OWN, ServiceConfig};
use crate::deadline::now;
use crate::health::{self, Cadence, Covered, Excuse, Health, Thresholds, Verdict};
use crate::observe::report::{LeaseReport, ServiceReport};
use crate::probe::attempt::Attempt;
use crate::probe::checks::Checks;
use crate::registration::{Action, Event, Registration, Status, Stopped};
use crate::wording;

/// What is to be registered, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceSettings<B> {
    /// Under which it is known to commands; several may have one.
    pub name: String,
    pub announcement: Announcement,
    /// What is probed.
    pub backend: B,
    pub thresholds: Thresholds,
    pub cadence: Cadence,
    /// A backend that has not been up yet is not reported as down until so long after the start.
    pub start_grace: Duration,
    /// Whole seconds.
    pub ttl: Duration,
    pub drain: Duration,
    pub stop_timeout: Duration,
    /// Taken out from the start.
    pub drained: bool,
}

impl From<ServiceConfig> for ServiceSettings<Checks> {
    fn from(config: ServiceConfig) -> Self {
        Self {
            name: config.name,
            announcement: config.announcement,
            backend: config.checks,
            thresholds: config.thresholds,
            cadence: config.cadence,
            start_grace: config.start_grace,
            ttl: config.ttl,
            drain: config.drain,
            stop_timeout: config.stop_timeout,
            drained: config.drained,
        }
    }
}

impl<B> ServiceSettings<B> {
    /// Whether the key in etcd is to be another.
    pub(super) fn announces_as(&self, other: &Self) -> bool {
        self.announcement == other.announcement && self.ttl == other.ttl
    }
}

pub(super) struct Service<B> {
    settings: ServiceSettings<B>,
    health: Health,
    excuse: Excuse,
    grace_until: Instant,
    /// Whether it was said that the backend is given time.
    waiting: bool,
    registration: Registration,
    /// Its first verdict has been carried out.
    ready: bool,
    /// Whether another instance on this host holds the key.
    neighbour: bool,
    history: History,
    rng: Rng,
}

impl<B> Service<B> {
    pub(super) fn new(settings: ServiceSettings<B>, seed: u64) -> Self {
        let ServiceSettings {
            drain,
            stop_timeout,
            ..
        } = settings;
        Self {
            health: Health::new(settings.thresholds),
            excuse: Excuse::new(settings.cadence.interval),
            grace_until: now() + settings.start_grace,
            waiting: false,
            registration: Registration::new(drain, stop_timeout, seed),
            ready: false,
            neighbour: false,
            history: History::new(now()),
            rng: Rng::with_seed(seed),
            settings,
        }
    }

    pub(super) fn settings(&self) -> &ServiceSettings<B> {
        &self.settings
    }

    pub(super) fn key(&self) -> &str {
        &self.settings.announcement.key
    }

    /// These hold from now on; what is known of the backend stays.
    pub(super) fn change(&mut self, settings: ServiceSettings<B>) {
        self.health.set_thresholds(settings.thresholds);
        self.registration
            .set_limits(settings.drain, settings.stop_timeout);
        self.settings = settings;
    }

    /// Once its key is gone it is over.
    pub(super) fn do_not_drain(&mut self) {
        let stop_timeout = self.settings.stop_timeout;
        self.registration.set_limits(Duration::ZERO, stop_timeout);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.registration.is_stopping()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.registration.is_drained()
    }

    /// It is drained, and nothing of it is in etcd.
    pub(super) fn is_out(&self) -> bool {
        self.status() == Status::Drained && self.registration.is_carried_out()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) fn set_ready(&mut self) {
        self.ready = true;
    }

    pub(super) fn status(&self) -> Status {
        self.registration.status()
    }

    /// When to tell it [`Event::DeadlineReached`], at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.registration.deadline()
    }

    pub(super) fn note_neighbour(&mut self, neighbour: bool) {
        self.neighbour = neighbour;
    }

    /// Takes in an event: what to do now.
    pub(super) fn on(&mut self, event: Event) -> Vec<Action> {
        let before = self.status();
        if matches!(event, Event::Announced { .. }) {
            self.history.announced += 1;
        }
        let actions = self.registration.on(event, now());
        let status = self.status();
        if status != before {
            self.history.stands(status, now());
            self.log(status);
        }
        actions
    }

    /// The verdict, if a probe turned it.
    pub(super) fn observe(&mut self, attempt: &Attempt) -> Option<Verdict> {
        let key = self.key();
        debug!(event = "probed", key, took = ?attempt.took, result = %attempt.text(), "probed");
        self.history.probed(attempt, now());
        if self.is_excused(attempt) {
            return None;
        }
        let turned = self.judge(attempt);
        if let Some(verdict) = turned {
            self.history.turned(verdict, now());
        }
        let (key, text) = (self.key(), attempt.text());
        match turned {
            Some(Verdict::Up) => info!(event = "backend_up", key, "backend is up: {text}"),
            Some(Verdict::Down) => warn!(event = "backend_down", key, "backend is down: {text}"),
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
                let key = self.key();
                info!(event = "host_can_probe", key, "this host can probe again");
            }
            return false;
        };
        let covered = self.excuse.covers(now());
        if covered == Covered::ForTheFirstTime {
            let limit = wording::duration(self.excuse.limit());
            let key = self.key();
            warn!(
                event = "host_cannot_probe",
                key,
                "this host cannot probe: {failure}; that is not held against the backend for {limit}"
            );
        }
        covered != Covered::NoLonger
    }

    /// From the end of one probe to the next.
    pub(super) fn pause(&mut self) -> Duration {
        let cadence = self.settings.cadence;
        let pause = if self.excuse.is_needed() {
            cadence.fast_interval.min(cadence.interval)
        } else {
            self.health.wait(cadence)
        };
        health::jittered(pause, self.rng.f64())
    }

    /// For those who look on. `lease`: of its key.
    pub(super) fn report(&self, lease: Option<LeaseReport>) -> ServiceReport {
        let History {
            status_since,
            verdict,
            verdict_since,
            ref probe,
            passed,
            failed,
            announced,
            displaced,
        } = self.history;
        ServiceReport {
            name: self.settings.name.clone(),
            key: self.key().to_owned(),
            status: self.status(),
            status_since,
            verdict,
            verdict_since,
            probe: probe.clone(),
            passed,
            failed,
            is_drained: self.is_drained(),
            lease,
            ttl: self.settings.ttl,
            announced,
            displaced,
        }
    }

    /// Says how it stands, where an operator wants to know at once.
    fn log(&self, status: Status) {
        let key = self.key();
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
            Status::Drained => info!(event = "drained", key, "drained: kept out of etcd"),
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
                key = self.key(),
                "etcd could not be told in time: the key is left to its TTL"
            );
        }
    }
}

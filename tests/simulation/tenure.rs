//! What a process has to do with one key, from when it has a service of that key.

use register::deadline::now;
use register::health::{Covered, Excuse, Health, Verdict};

use crate::clock::{NEVER, Time};
use crate::host::{CADENCE, Met, THRESHOLDS};
use crate::schedule::Service;

pub struct Tenure {
    /// As the process last read of it; none if it has no such service.
    pub service: Option<Service>,
    /// It was taken out or put back in from outside.
    said: Option<bool>,
    /// It was out at a time since it began.
    was_out: bool,
    /// Each time that the service is begun it is another.
    pub number: u32,
    /// It follows on one that may be under way to its end.
    pub follows: bool,
    /// When its loop is known to have begun with it.
    began_at: Time,
    /// It has heard that the key is its.
    pub announced: bool,
    /// Since when its key should not be there.
    pub unwanted_since: Option<Time>,
    /// Since when it should be, if it should.
    pub wanted_since: Time,
    /// Since when it should have the value and the TTL that it should have.
    pub restated_at: Time,
    /// The longest of those that it had.
    pub ttl: Time,
    /// All that it had.
    pub values: Vec<u8>,
    /// Something that it had given up was carried out later, or something undone came back.
    pub overtaken: bool,
    /// When what etcd last confirmed of the lease of the key was asked.
    pub confirmed_at: Time,
    /// The verdict that the results so far amount to.
    health: Health,
    excuse: Excuse,
    pub verdict: Option<Verdict>,
}

impl Tenure {
    pub fn new(now: Time) -> Self {
        Self {
            service: None,
            said: None,
            was_out: false,
            number: 0,
            follows: false,
            began_at: 0,
            announced: false,
            unwanted_since: Some(now),
            wanted_since: NEVER,
            restated_at: now,
            ttl: 0,
            values: Vec::new(),
            overtaken: false,
            confirmed_at: 0,
            health: Health::new(THRESHOLDS),
            excuse: Excuse::new(CADENCE.interval),
            verdict: None,
        }
    }

    /// From now on the key should be there.
    pub fn wanted(&mut self, now: Time) {
        self.unwanted_since = None;
        self.wanted_since = now;
    }

    /// From now on the key should not be there.
    pub fn unwanted(&mut self, now: Time) {
        self.unwanted_since.get_or_insert(now);
    }

    /// The process has read this of it.
    pub fn read(&mut self, service: Option<Service>, now: Time) {
        let before = std::mem::replace(&mut self.service, service);
        let Some(service) = service else {
            return self.unwanted(now);
        };
        self.ttl = self.ttl.max(service.ttl);
        self.values.push(service.value);
        match before {
            None => self.begin(now),
            Some(before) => self.change(before, service, now),
        }
    }

    fn begin(&mut self, now: Time) {
        self.number += 1;
        self.said = None;
        self.was_out = self.is_drained();
        self.follows = self.number > 1;
        self.restated_at = now;
        self.health = Health::new(THRESHOLDS);
        self.excuse = Excuse::new(CADENCE.interval);
        self.verdict = None;
        self.unwanted(now);
        self.wanted_since = NEVER;
    }

    fn change(&mut self, before: Service, service: Service, now: Time) {
        if (before.value, before.ttl) != (service.value, service.ttl) {
            self.restated_at = now;
        }
        let was_out = self.said.unwrap_or(before.drained);
        if before.drained != service.drained {
            self.said = None;
        }
        self.is_out(was_out, now);
    }

    /// From now on it is out, or in again.
    pub fn say(&mut self, drained: bool, now: Time) {
        if self.service.is_some() {
            let was_out = self.is_drained();
            self.said = Some(drained);
            self.is_out(was_out, now);
        }
    }

    fn is_out(&mut self, was_out: bool, now: Time) {
        if self.is_drained() {
            self.was_out = true;
            self.unwanted(now);
        } else if was_out && self.verdict == Some(Verdict::Up) {
            self.wanted(now);
        }
    }

    /// Whether nothing can have become of it yet.
    pub fn awaits_its_verdict(&self) -> bool {
        self.service.is_some() && !self.was_out && self.verdict.is_none()
    }

    /// Whether it is not to be registered, whatever its health.
    pub fn is_drained(&self) -> bool {
        let by_file = self.service.is_some_and(|service| service.drained);
        self.said.unwrap_or(by_file)
    }

    /// What a result amounts to.
    pub fn judge(&mut self, result: Met, at: Time) -> Option<Verdict> {
        if std::mem::take(&mut self.follows) {
            self.announced = false;
            self.began_at = at;
        }
        if result == Met::Unknown && self.excuse.covers(now()) != Covered::NoLonger {
            return None;
        }
        if result != Met::Unknown {
            self.excuse.ends();
        }
        let turned = self.health.observe(result == Met::Up);
        self.verdict = turned.or(self.verdict);
        match turned {
            Some(Verdict::Up) if !self.is_drained() => {
                self.wanted(at);
            }
            Some(Verdict::Down) => self.unwanted(at),
            Some(Verdict::Up) | None => {}
        }
        turned
    }

    /// It has heard that what it asked then is done: the key is its.
    pub fn heard_announced(&mut self, sent_at: Time) {
        // What was asked for the one that it follows on is nothing to it.
        if sent_at >= self.began_at {
            self.announced = true;
        }
    }

    /// Whether a live lease of others is nothing to it: as the newest it takes the key over.
    pub fn may_take_over(&self) -> bool {
        !self.announced || self.follows
    }

    /// Whether what it put may be left to its TTL.
    pub fn is_given_up(&self) -> bool {
        self.overtaken || self.service.is_none() || self.number > 1
    }
}

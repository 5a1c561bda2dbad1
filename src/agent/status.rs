//! What the service manager is told of an agent, in one line.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::registration::Status;

/// No more often than this where there are many services.
const PAUSE: Duration = Duration::from_secs(1);

/// How many services stand how.
pub(super) struct Summary {
    counts: BTreeMap<Status, usize>,
    /// There is one service, and no more will come.
    alone: bool,
    /// Services that are not counted, as their interfaces have no address.
    without_address: usize,
    changed: bool,
    told_at: Option<Instant>,
}

impl Summary {
    pub(super) fn new(alone: bool) -> Self {
        Self {
            counts: BTreeMap::new(),
            alone,
            without_address: 0,
            changed: false,
            told_at: None,
        }
    }

    pub(super) fn add(&mut self, status: Status) {
        *self.counts.entry(status).or_default() += 1;
        self.changed |= !self.alone;
    }

    pub(super) fn remove(&mut self, status: Status) {
        if let Some(count) = self.counts.get_mut(&status) {
            *count = count.saturating_sub(1);
        }
        self.changed |= !self.alone || self.without_address > 0;
    }

    pub(super) fn set_without_address(&mut self, count: usize) {
        self.changed |= count != self.without_address;
        self.without_address = count;
    }

    pub(super) fn without_address(&self) -> usize {
        self.without_address
    }

    pub(super) fn turn(&mut self, before: Status, now: Status) {
        self.remove(before);
        self.add(now);
        self.changed = true;
    }

    /// When to ask for the next text.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let told_at = self.told_at.filter(|_| self.changed && !self.alone)?;
        Some(told_at + PAUSE)
    }

    /// The text, if it is another and the time has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<String> {
        let is_early = self.due_at().is_some_and(|at| now < at);
        if !self.changed || is_early {
            return None;
        }
        self.changed = false;
        self.told_at = Some(now);
        Some(self.text())
    }

    fn text(&self) -> String {
        let counts = self.counts.iter().filter(|(_, count)| **count > 0);
        if self.alone {
            // One that has moved may still be withdrawn where it was.
            let status = counts.map(|(status, _)| *status).next();
            return status.map_or(WITHOUT_ADDRESS, of_one).to_owned();
        }
        let all = self.counts.values().sum::<usize>() + self.without_address;
        let registered = self.counts.get(&Status::Registered).unwrap_or(&0);
        let rest = counts.filter(|(status, _)| **status != Status::Registered);
        let rest = rest.map(|(status, count)| format!("; {count} {}", of_many(*status)));
        let rest: String = rest.collect();
        let without = match self.without_address {
            0 => String::new(),
            count => format!("; {count} without an address"),
        };
        format!("{registered} of {all} services registered{rest}{without}")
    }
}

const WITHOUT_ADDRESS: &str = "the interface has no address; not registered";

fn of_one(status: Status) -> &'static str {
    match status {
        Status::Starting => "probing for the first time",
        Status::Registered => "registered",
        Status::Unhealthy => "backend is down; not registered",
        Status::Drained => "drained; not registered",
        Status::Displaced => "displaced by another registration; standing by",
        Status::Pending => "waiting for etcd",
        Status::Stopping => "deregistering",
        Status::Draining => "deregistered; draining",
    }
}

fn of_many(status: Status) -> &'static str {
    match status {
        Status::Starting => "probed for the first time",
        Status::Registered => "registered",
        Status::Unhealthy => "down",
        Status::Drained => "drained",
        Status::Displaced => "displaced",
        Status::Pending => "waiting for etcd",
        Status::Stopping | Status::Draining => "stopping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_service_is_told_as_it_stands() {
        let mut summary = Summary::new(true);
        let now = Instant::now();
        summary.add(Status::Starting);
        assert_eq!(summary.due(now), None);
        summary.turn(Status::Starting, Status::Pending);
        assert_eq!(summary.due(now).as_deref(), Some("waiting for etcd"));
        summary.turn(Status::Pending, Status::Registered);
        assert_eq!(summary.due(now).as_deref(), Some("registered"));
    }

    #[test]
    fn one_without_an_address_is_told_so() {
        let mut summary = Summary::new(true);
        let now = Instant::now();
        summary.set_without_address(1);
        assert_eq!(summary.due(now).as_deref(), Some(WITHOUT_ADDRESS));
        summary.set_without_address(0);
        summary.add(Status::Starting);
        let said = "probing for the first time";
        assert_eq!(summary.due(now).as_deref(), Some(said));
        summary.turn(Status::Starting, Status::Registered);
        assert_eq!(summary.due(now).as_deref(), Some("registered"));
        summary.set_without_address(1);
        summary.turn(Status::Registered, Status::Stopping);
        assert_eq!(summary.due(now).as_deref(), Some("deregistering"));
        summary.remove(Status::Stopping);
        assert_eq!(summary.due(now).as_deref(), Some(WITHOUT_ADDRESS));
    }

    #[test]
    fn those_without_an_address_count_among_many() {
        let mut summary = Summary::new(false);
        summary.add(Status::Registered);
        summary.set_without_address(2);
        let said = "1 of 3 services registered; 2 without an address";
        assert_eq!(summary.due(Instant::now()).as_deref(), Some(said));
    }

    #[test]
    fn many_are_counted_and_told_once_a_second() {
        let mut summary = Summary::new(false);
        let now = Instant::now();
        for _ in 0..3 {
            summary.add(Status::Starting);
        }
        summary.turn(Status::Starting, Status::Registered);
        let said = "1 of 3 services registered; 2 probed for the first time";
        assert_eq!(summary.due(now).as_deref(), Some(said));
        summary.turn(Status::Starting, Status::Unhealthy);
        assert_eq!(summary.due(now), None);
        assert_eq!(summary.due_at(), Some(now + PAUSE));
        let said = "1 of 3 services registered; 1 probed for the first time; 1 down";
        assert_eq!(summary.due(now + PAUSE).as_deref(), Some(said));
        assert_eq!(summary.due_at(), None);
    }
}

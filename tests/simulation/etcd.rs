//! A model of etcd: revisions, leases, compaction, members, restores.

use register::etcd::lease::Lease;
use register::etcd::procedure::{Answer, Call, Condition, Found};
use register::etcd::progress::History;
use register::registration::{LeaseId, Revision};

use crate::clock::{Clock, NEVER, Time, ms};

pub const KEYS: usize = 4;

/// How long after its TTL a lease is revoked, at most.
pub const SLACK: Time = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kv {
    pub value: u8,
    /// 0 if none.
    pub lease: LeaseId,
    pub revision: Revision,
}

#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub revision: Revision,
    pub key: usize,
    /// None if it was deleted.
    pub kv: Option<Kv>,
}

#[derive(Clone, Copy, Debug)]
pub struct Granted {
    pub id: LeaseId,
    ttl: Time,
    pub expires_at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    Up,
    /// Stopped: connections stay, nothing is answered.
    Hung,
    Dead,
}

#[derive(Clone, Default)]
struct Backup {
    keys: [Option<Kv>; KEYS],
    leases: Vec<Granted>,
    revision: Revision,
}

pub struct Etcd {
    pub history: History,
    pub keys: [Option<Kv>; KEYS],
    pub leases: Vec<Granted>,
    /// What happened since the last compaction.
    log: Vec<Change>,
    pub compacted: Revision,
    pub members: Vec<Member>,
    /// Counts restores.
    pub epoch: u32,
    /// When leases were last given their whole TTL again, by a new leader.
    pub prolonged_at: Time,
    slack: Time,
    backup: Option<Backup>,
}

impl Etcd {
    /// `slack` at most [`SLACK`].
    pub fn new(members: usize, slack: Time) -> Self {
        Self {
            history: History {
                cluster: 1,
                term: 2,
                revision: 10,
            },
            keys: [None; KEYS],
            leases: Vec::new(),
            log: Vec::with_capacity(32),
            compacted: 10,
            members: vec![Member::Up; members],
            epoch: 0,
            prolonged_at: 0,
            slack,
            backup: None,
        }
    }

    pub fn has_leader(&self) -> bool {
        let up = self.members.iter().filter(|member| **member == Member::Up);
        2 * up.count() > self.members.len()
    }

    pub fn serves(&self, member: usize) -> bool {
        self.members[member] == Member::Up && self.has_leader()
    }

    pub fn set_member(&mut self, member: usize, state: Member, now: Time) {
        let had = self.has_leader();
        self.members[member] = state;
        if !had && self.has_leader() {
            self.elect(now);
        }
    }

    /// A new leader gives every lease its whole TTL again.
    pub fn elect(&mut self, now: Time) {
        self.history.term += 1;
        self.prolonged_at = now;
        for lease in &mut self.leases {
            if lease.expires_at != NEVER {
                lease.expires_at = now + lease.ttl;
            }
        }
    }

    /// When the next lease is revoked.
    pub fn next(&self) -> Time {
        if !self.has_leader() {
            return NEVER;
        }
        let ends = self.leases.iter().map(|lease| lease.expires_at);
        ends.min()
            .map_or(NEVER, |end| end.saturating_add(self.slack))
    }

    pub fn expire(&mut self, now: Time) {
        while self.next() <= now {
            let slack = self.slack;
            let past = |lease: &Granted| lease.expires_at.saturating_add(slack) <= now;
            if let Some(lease) = self.leases.iter().copied().find(past) {
                self.revoke(lease.id);
            }
        }
    }

    pub fn grant(&mut self, id: LeaseId, ttl: Time, expires_at: Time) {
        self.leases.push(Granted {
            id,
            ttl,
            expires_at,
        });
    }

    pub fn revoke(&mut self, id: LeaseId) -> bool {
        let known = self.leases.iter().position(|lease| lease.id == id);
        let Some(known) = known else { return false };
        self.leases.remove(known);
        let held = |kv: &Option<Kv>| kv.is_some_and(|kv| kv.lease == id);
        if self.keys.iter().any(held) {
            self.history.revision += 1;
            for key in 0..KEYS {
                if held(&self.keys[key]) {
                    self.record(key, None);
                }
            }
        }
        true
    }

    /// The TTL after the renewal; none if the lease is not known.
    pub fn renew(&mut self, id: LeaseId, now: Time) -> Option<Time> {
        let lease = self.leases.iter_mut().find(|lease| lease.id == id)?;
        if lease.expires_at <= now {
            return None;
        }
        lease.expires_at = now + lease.ttl;
        Some(lease.ttl)
    }

    pub fn put(&mut self, key: usize, value: u8, lease: LeaseId) {
        self.history.revision += 1;
        let revision = self.history.revision;
        self.record(
            key,
            Some(Kv {
                value,
                lease,
                revision,
            }),
        );
    }

    pub fn delete(&mut self, key: usize) {
        if self.keys[key].is_some() {
            self.history.revision += 1;
            self.record(key, None);
        }
    }

    fn record(&mut self, key: usize, kv: Option<Kv>) {
        self.keys[key] = kv;
        self.log.push(Change {
            revision: self.history.revision,
            key,
            kv,
        });
    }

    /// What happened from `revision` on.
    pub fn since(&self, revision: Revision) -> &[Change] {
        let from = self
            .log
            .partition_point(|change| change.revision < revision);
        &self.log[from..]
    }

    /// Forgets what led to the present state.
    pub fn compact(&mut self) {
        self.compacted = self.history.revision;
        self.log.clear();
    }

    pub fn keep_backup(&mut self) {
        self.backup = Some(Backup {
            keys: self.keys,
            leases: self.leases.clone(),
            revision: self.history.revision,
        });
    }

    /// Starts over from the backup, or from nothing.
    pub fn restore(&mut self, same_cluster: bool, now: Time) {
        let from = self.backup.clone().unwrap_or_default();
        self.keys = from.keys;
        self.leases = from.leases;
        self.elect(now);
        self.history.term = 2;
        self.history.revision = from.revision.max(1);
        if !same_cluster {
            self.history.cluster += 1;
        }
        self.epoch += 1;
        self.compact();
    }

    /// Carries a call of the agent's out.
    pub fn answer(&mut self, call: Call, on: Asked, now: Time, clock: Clock) -> Answer {
        let kv = self.keys[on.key];
        match call {
            Call::Read => Answer::Read {
                revision: self.history.revision,
                found: kv.map(|kv| Found {
                    lease: kv.lease,
                    revision: kv.revision,
                    our_value: kv.value == on.value,
                }),
            },
            Call::Grant(id) => {
                self.grant(id, on.ttl, now + on.ttl);
                Answer::Granted(Lease::granted(id, ms(on.ttl), clock.at(on.sent_at)))
            }
            Call::Put {
                lease,
                unchanged_since,
            } => {
                if !self.leases.iter().any(|known| known.id == lease) {
                    return Answer::Refused;
                }
                if !self.holds(Condition::UnchangedSince(unchanged_since), on.key) {
                    return Answer::Unchanged;
                }
                self.put(on.key, on.value, lease);
                Answer::Written {
                    revision: self.history.revision,
                }
            }
            Call::Delete(condition) => {
                if !self.holds(condition, on.key) {
                    return Answer::Unchanged;
                }
                self.delete(on.key);
                Answer::Written {
                    revision: self.history.revision,
                }
            }
            Call::Revoke(id) => {
                if self.revoke(id) {
                    Answer::Revoked
                } else {
                    Answer::Refused
                }
            }
        }
    }

    pub fn holds(&self, condition: Condition, key: usize) -> bool {
        let kv = self.keys[key];
        match condition {
            Condition::HeldBy(lease) => kv.is_some_and(|kv| kv.lease == lease),
            Condition::UnchangedSince(revision) => kv.map_or(0, |kv| kv.revision) == revision,
        }
    }
}

/// Whose call it is.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub key: usize,
    pub value: u8,
    pub ttl: Time,
    pub sent_at: Time,
}

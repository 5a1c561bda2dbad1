//! A model of etcd: revisions, leases, compaction, members, restores, users.

use register::etcd::api::{Answer, Condition, History, KeyRange, KeyValue, Page, Read, What};
use register::etcd::error::Problem;
use register::etcd::lease::Lease;
use register::registration::{LeaseId, Revision};

use crate::clock::{Clock, NEVER, Time, millis};
use crate::keys::{self, KEYS, TREES};

/// How long after its TTL a lease is revoked, at most.
pub const SLACK: Time = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kv {
    pub value: u8,
    /// 0 if none.
    pub lease: LeaseId,
    pub revision: Revision,
}

pub type Keys = [Option<Kv>; KEYS];

#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub revision: Revision,
    pub key: usize,
    /// None if it was deleted.
    pub kv: Option<Kv>,
}

#[derive(Clone, Copy, Debug)]
pub struct LiveLease {
    pub id: LeaseId,
    pub ttl: Time,
    pub expires_at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    Up,
    /// Stopped: connections stay, nothing is answered.
    Hung,
    Dead,
}

/// What is asked, without its keys' names.
#[derive(Clone, Debug)]
pub enum Asked {
    Read(Read),
    Grant {
        lease: LeaseId,
        ttl: Time,
        sent_at: Time,
    },
    Put {
        key: usize,
        value: u8,
        lease: LeaseId,
        unchanged_since: Revision,
    },
    Delete {
        key: usize,
        when: Condition,
    },
    Revoke(LeaseId),
    Renew(LeaseId),
}

/// Users, and what ours may do.
#[derive(Clone, Copy, Debug)]
pub struct Users {
    pub enabled: bool,
    /// Counts what was changed about them: a token from before is of no use.
    pub revision: u64,
    pub allowed: [bool; TREES],
    /// Whether that goes for keys alone, and not only for what lies below them.
    pub bare: bool,
}

#[derive(Clone, Default)]
struct Backup {
    keys: Keys,
    leases: Vec<LiveLease>,
    revision: Revision,
}

pub struct Etcd {
    pub history: History,
    pub keys: Keys,
    pub leases: Vec<LiveLease>,
    /// What happened since the last compaction, and what is left of that revision.
    log: Vec<Change>,
    /// What was there since then.
    states: Vec<(Revision, Keys)>,
    /// What was ever there, restores included.
    pub ever: Vec<Keys>,
    /// Answers come in pages of one key.
    pub paged: bool,
    pub compacted: Revision,
    pub members: Vec<Member>,
    /// Members that do not take our certificate.
    pub picky: [bool; 3],
    pub users: Users,
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
            states: vec![(10, [None; KEYS])],
            ever: vec![[None; KEYS]],
            paged: false,
            compacted: 10,
            members: vec![Member::Up; members],
            picky: [false; 3],
            users: Users {
                enabled: false,
                revision: 0,
                allowed: [true; TREES],
                bare: true,
            },
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
            let past = |lease: &LiveLease| lease.expires_at.saturating_add(slack) <= now;
            if let Some(lease) = self.leases.iter().copied().find(past) {
                self.revoke(lease.id);
            }
        }
    }

    pub fn is_live(&self, lease: LeaseId) -> bool {
        self.leases.iter().any(|live| live.id == lease)
    }

    pub fn grant(&mut self, id: LeaseId, ttl: Time, expires_at: Time) {
        self.leases.push(LiveLease {
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
    fn renew(&mut self, id: LeaseId, now: Time) -> Option<Time> {
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
        let revision = self.history.revision;
        self.log.push(Change { revision, key, kv });
        match self.states.last_mut() {
            Some((last, keys)) if *last == revision => {
                *keys = self.keys;
                self.ever.pop();
            }
            Some(_) | None => self.states.push((revision, self.keys)),
        }
        self.ever.push(self.keys);
    }

    /// Puts a key of each tree at one revision.
    pub fn put_in_all_trees(&mut self, value: u8) {
        self.history.revision += 1;
        let revision = self.history.revision;
        for tree in 0..TREES {
            let kv = Kv {
                value,
                lease: 0,
                revision,
            };
            self.record(tree * KEYS / TREES, Some(kv));
        }
    }

    /// What happened from `revision` on.
    pub fn since(&self, revision: Revision) -> &[Change] {
        let from = self
            .log
            .partition_point(|change| change.revision < revision);
        &self.log[from..]
    }

    /// Forgets what led to the present state, and what the last revision deleted.
    pub fn compact(&mut self) {
        let last = self.history.revision;
        self.compacted = last;
        self.log
            .retain(|change| change.revision == last && change.kv.is_some());
        self.states = vec![(last, self.keys)];
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
        self.log.clear();
        self.ever.push(self.keys);
        self.compact();
    }

    /// Turns authentication on or off.
    pub fn enable_users(&mut self, enabled: bool) {
        self.users.enabled = enabled;
        self.users.revision += 1;
    }

    /// Lets our role do more, or less.
    pub fn allow(&mut self, tree: usize, allowed: bool) {
        self.users.allowed[tree] = allowed;
        self.users.revision += 1;
    }

    pub fn allow_bare(&mut self, bare: bool) {
        self.users.bare = bare;
        self.users.revision += 1;
    }

    pub fn may(&self, range: &KeyRange) -> bool {
        let Users {
            enabled,
            allowed,
            bare,
            ..
        } = self.users;
        let trees = keys::trees_of(range);
        let covers = |tree: usize| !trees[tree] || allowed[tree];
        let covered = (0..TREES).all(covers) && trees.contains(&true);
        !enabled || (covered && (bare || range.end.is_some()))
    }

    /// Why this is not done for somebody with a token of these users.
    fn objection(&self, asked: &Asked, token: Option<u64>) -> Option<Problem> {
        let range = match asked {
            // Older etcd lets renewals pass without a token.
            Asked::Renew(_) => return None,
            _ if self.users.enabled && token != Some(self.users.revision) => {
                return Some(match token {
                    Some(_) => Problem::LoginOutdated,
                    None => Problem::NotLoggedIn,
                });
            }
            Asked::Read(read) => &read.range,
            Asked::Put { key, .. } | Asked::Delete { key, .. } => keys::range(*key),
            Asked::Grant { .. } | Asked::Revoke(_) => return None,
        };
        (!self.may(range)).then_some(Problem::Denied)
    }

    /// Carries it out.
    pub fn answer(
        &mut self,
        asked: &Asked,
        token: Option<u64>,
        now: Time,
        clock: Clock,
    ) -> Result<Answer, Problem> {
        if let Some(problem) = self.objection(asked, token) {
            return Err(problem);
        }
        match *asked {
            Asked::Read(ref read) => self.read(read).map(Answer::Page),
            Asked::Grant {
                lease,
                ttl,
                sent_at,
            } => {
                self.grant(lease, ttl, now + ttl);
                let sent_at = clock.at(sent_at).into_std();
                let ttl = crate::clock::ms(ttl);
                Ok(Answer::Granted(Lease::granted(lease, ttl, sent_at)))
            }
            Asked::Put {
                key,
                value,
                lease,
                unchanged_since,
            } => {
                if !self.is_live(lease) {
                    return Err(Problem::Rejected);
                }
                if !self.holds(Condition::UnchangedSince(unchanged_since), key) {
                    return Ok(Answer::Unchanged);
                }
                self.put(key, value, lease);
                Ok(self.written())
            }
            Asked::Delete { key, when } => {
                if !self.holds(when, key) {
                    return Ok(Answer::Unchanged);
                }
                self.delete(key);
                Ok(self.written())
            }
            Asked::Revoke(lease) => {
                if self.revoke(lease) {
                    Ok(Answer::Revoked)
                } else {
                    Err(Problem::Rejected)
                }
            }
            Asked::Renew(lease) => {
                let left = self.renew(lease, now).map(crate::clock::ms);
                Ok(Answer::TimeLeft(left))
            }
        }
    }

    fn written(&self) -> Answer {
        Answer::Written {
            revision: self.history.revision,
        }
    }

    fn read(&self, read: &Read) -> Result<Page, Problem> {
        let keys = match read.revision {
            0 => &self.keys,
            past if past < self.compacted || past > self.history.revision => {
                return Err(Problem::NotThatRevision);
            }
            past => {
                let then = self.states.partition_point(|(since, _)| *since <= past);
                &self.states[then - 1].1
            }
        };
        let named = keys.iter().enumerate();
        let entries = named.filter_map(|(key, kv)| {
            let kv = kv.filter(|_| read.range.contains(&keys::name(key)))?;
            Some(KeyValue {
                key: keys::name(key),
                value: keys::value(kv.value),
                lease: kv.lease,
                revision: kv.revision,
            })
        });
        let mut entries = match read.what {
            What::Everything => entries.collect(),
            What::KeysOnly | What::CountOnly => Vec::new(),
        };
        let more = self.paged && entries.len() > 1;
        if more {
            entries.truncate(1);
        }
        Ok(Page {
            history: self.history,
            entries,
            more,
        })
    }

    pub fn holds(&self, condition: Condition, key: usize) -> bool {
        let kv = self.keys[key];
        match condition {
            Condition::HeldBy(lease) => kv.is_some_and(|kv| kv.lease == lease),
            Condition::UnchangedSince(revision) => kv.map_or(0, |kv| kv.revision) == revision,
        }
    }
}

impl Asked {
    pub fn grant(lease: LeaseId, ttl: std::time::Duration, sent_at: Time) -> Self {
        Self::Grant {
            lease,
            ttl: millis(ttl),
            sent_at,
        }
    }
}

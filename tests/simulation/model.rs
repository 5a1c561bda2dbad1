//! What everybody in a schedule has to do with.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use register::etcd::api::{Condition, History};
use register::registration::LeaseId;
use renderer::snapshot::Snapshot;

use crate::clock::{Clock, NEVER, Time};
use crate::disk::{Disk, rendered, rendered_keys};
use crate::etcd::{Asked, Etcd, Keys};
use crate::fair::Fair;
use crate::host::Host;
use crate::keys::{self, KEYS, TREES, Trees};
use crate::network::Network;
use crate::process::Flag;
use crate::schedule::Setting;
use crate::tenure::Tenure;

pub type Shared = Rc<RefCell<Model>>;

/// What happened, for people. Kept only when a schedule is told.
#[derive(Default)]
pub struct Trace(pub Option<Vec<String>>);

/// A process, also when it is no more.
pub struct Process {
    /// By key.
    pub tenures: [Tenure; KEYS],
    /// It has a user's name and password.
    pub named: bool,
    /// Etcd, or a member of it, has refused it something.
    pub refused: bool,
    /// It has ended because of that.
    pub turned_away: bool,
    /// What it can know of etcd's history, and after how many restores it read its copy.
    pub seen: History,
    pub epoch: u32,
}

/// A lease that a process asked for.
struct Owned {
    lease: LeaseId,
    by: usize,
    /// That it was to hold, as soon as that is known.
    key: Option<usize>,
    /// When what etcd last confirmed of it was asked.
    confirmed_at: Time,
    /// A put under it was carried out that the process had given up.
    late: bool,
}

pub struct Model {
    pub clock: Clock,
    pub now: Time,
    pub etcd: Etcd,
    pub network: Network,
    /// By client: the agents', then the proxy side's.
    pub hosts: Vec<Host>,
    /// That to wake of each client, while it runs.
    pub flags: Vec<Option<Arc<Flag>>>,
    pub processes: Vec<Process>,
    /// By client.
    pub fair: Vec<Fair>,
    /// When keys of each tree last changed.
    pub changed_at: [Time; TREES],
    pub disk: Disk,
    /// Since when everything works.
    pub healed_at: Time,
    owned: Vec<Owned>,
    /// Leases that their owners gave back; a restore may bring them to life again.
    given_back: Vec<LeaseId>,
    trace: Trace,
    /// What a loop took in, or etcd.
    pub events: u64,
    /// The first promise that was broken.
    pub violation: Option<String>,
    /// A restore of etcd that nothing gives away: what follows cannot be promised.
    pub indistinguishable: bool,
}

impl Model {
    pub fn new(setting: &Setting, trace: Trace) -> Self {
        let clients = setting.agents.len() + 1;
        let hosts = setting.agents.iter().map(|agent| Host::new(Some(agent)));
        Self {
            clock: Clock::start(),
            now: 0,
            etcd: Etcd::new(setting.members, setting.slack),
            network: Network::new(clients),
            hosts: hosts.chain([Host::new(None)]).collect(),
            flags: (0..clients).map(|_| None).collect(),
            processes: Vec::new(),
            fair: vec![Fair::default(); clients],
            changed_at: [0; TREES],
            disk: Disk::new(setting.kinds(), setting.pace),
            healed_at: NEVER,
            owned: Vec::new(),
            given_back: Vec::new(),
            trace,
            events: 0,
            violation: None,
            indistinguishable: false,
        }
    }

    pub fn trace(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.trace.0 {
            lines.push(format!("{:>7} ms  {}", self.now, line()));
        }
    }

    pub fn told(&self) -> impl Iterator<Item = &String> {
        self.trace.0.iter().flatten()
    }

    pub fn fail(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(what());
        }
    }

    /// All of a client's futures are polled when any of them has something to do.
    pub fn wake(&self, client: usize) {
        if let Some(flag) = &self.flags[client] {
            flag.raise();
        }
    }

    pub fn new_process(&mut self, named: bool) -> usize {
        let now = self.now;
        self.processes.push(Process {
            tenures: std::array::from_fn(|_| Tenure::new(now)),
            named,
            refused: false,
            turned_away: false,
            seen: History::default(),
            epoch: u32::MAX,
        });
        self.processes.len() - 1
    }

    /// From now on none of the process's keys should be there.
    pub fn unwanted(&mut self, by: usize) {
        let now = self.now;
        for tenure in &mut self.processes[by].tenures {
            tenure.unwanted(now);
        }
    }

    /// The process that asked for it; none if it is foreign.
    pub fn owner(&self, lease: LeaseId) -> Option<usize> {
        self.owned(lease).map(|owned| owned.by)
    }

    fn owned(&self, lease: LeaseId) -> Option<&Owned> {
        self.owned.iter().find(|owned| owned.lease == lease)
    }

    /// What a lease holds by a put that the process had given up is not its key yet.
    pub fn is_late(&self, lease: LeaseId) -> bool {
        self.owned(lease).is_some_and(|owned| owned.late)
    }

    pub fn note_late(&mut self, lease: LeaseId) {
        for owned in &mut self.owned {
            owned.late |= owned.lease == lease;
        }
    }

    /// The key that the lease was to hold, as far as that is known.
    pub fn key_of(&self, lease: LeaseId) -> Option<usize> {
        self.owned(lease).and_then(|owned| owned.key)
    }

    /// A process has heard that etcd did with a lease what it asked then.
    pub fn note_confirmed(&mut self, lease: LeaseId, sent_at: Time) {
        let Some(owned) = self.owned.iter_mut().find(|owned| owned.lease == lease) else {
            return;
        };
        owned.confirmed_at = sent_at;
        if let Some(key) = owned.key {
            self.processes[owned.by].tenures[key].confirmed_at = sent_at;
        }
    }

    /// A process has heard that etcd put its key, as it asked then.
    pub fn note_announced(&mut self, by: usize, key: usize, lease: LeaseId, sent_at: Time) {
        let confirmed_at = self.owned(lease).map_or(0, |owned| owned.confirmed_at);
        let tenure = &mut self.processes[by].tenures[key];
        tenure.confirmed_at = confirmed_at;
        tenure.heard_announced(sent_at);
    }

    /// Whether its owner still counts on it, as far as is known here.
    pub fn is_kept(&self, lease: LeaseId) -> bool {
        !self.given_back.contains(&lease)
    }

    /// Whether a process may ask this of etcd now.
    pub fn check(&mut self, asked: &Asked, by: usize) {
        let found = |model: &Self, key: usize| {
            let kv = model.etcd.keys[key]?;
            Some((kv, model.owner(kv.lease) == Some(by)))
        };
        let breach = match *asked {
            Asked::Grant { lease, .. } => {
                self.owned.push(Owned {
                    lease,
                    by,
                    key: None,
                    confirmed_at: 0,
                    late: false,
                });
                false
            }
            Asked::Put {
                key,
                lease,
                unchanged_since,
                ..
            } => {
                self.is_of_another(lease, key)
                    || found(self, key).is_some_and(|(kv, ours)| {
                        let may_take_over = self.processes[by].tenures[key].may_take_over();
                        let done = self.etcd.is_live(lease)
                            && self
                                .etcd
                                .holds(Condition::UnchangedSince(unchanged_since), key);
                        done && !may_take_over && !ours && kv.lease != 0
                    })
            }
            Asked::Delete { key, when } => found(self, key).is_some_and(|(kv, ours)| {
                let tenure = &self.processes[by].tenures[key];
                let ours_before = tenure.values.contains(&kv.value) && tenure.may_take_over();
                self.etcd.holds(when, key) && !ours && !ours_before
            }),
            Asked::Revoke(lease) => {
                self.given_back.push(lease);
                self.etcd.is_live(lease) && self.owner(lease) != Some(by)
            }
            Asked::Read(_) | Asked::Renew(_) => false,
        };
        if breach {
            self.fail(|| format!("{asked:?} by process {by} on what is another's"));
        }
    }

    /// What a pass is lent of each tree was there at one revision.
    pub fn check_lent(&mut self, snapshot: &Snapshot, trees: Trees) {
        for tree in (0..keys::TREES).filter(|tree| trees[*tree]) {
            let lent = rendered(snapshot, keys::only(tree));
            let was = |keys: &Keys| rendered_keys(keys, keys::only(tree)) == lent;
            if !self.etcd.ever.iter().rev().any(was) {
                self.fail(|| format!("a pass is lent of tree {tree} what never was"));
            }
        }
    }

    /// A lease holds one key: else the loss of one takes another along.
    fn is_of_another(&mut self, lease: LeaseId, key: usize) -> bool {
        let owned = self.owned.iter_mut().find(|owned| owned.lease == lease);
        owned.is_some_and(|owned| *owned.key.get_or_insert(key) != key)
    }
}

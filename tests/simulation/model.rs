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
use crate::keys::{self, TREES, Trees};
use crate::network::Network;
use crate::process::Flag;
use crate::schedule::Setting;

pub type Shared = Rc<RefCell<Model>>;

/// What happened, for people. Kept only when a schedule is told.
#[derive(Default)]
pub struct Trace(pub Option<Vec<String>>);

/// A process, also when it is no more.
pub struct Process {
    /// It has heard that the key is its.
    pub announced: bool,
    /// Since when its key should not be there.
    pub unwanted_since: Option<Time>,
    /// Since when it should be, if it should.
    pub wanted_since: Time,
    pub ttl: Time,
    /// Something that it had given up was carried out later, or something undone came back.
    pub overtaken: bool,
    /// When what etcd last confirmed of a lease was asked.
    pub confirmed_at: Time,
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
    /// Whose lease is whose.
    owners: Vec<(LeaseId, usize)>,
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
        let hosts = setting
            .agents
            .iter()
            .map(|agent| Host::new(agent.seed & 1 == 0));
        Self {
            clock: Clock::start(),
            now: 0,
            etcd: Etcd::new(setting.members, setting.slack),
            network: Network::new(clients),
            hosts: hosts.chain([Host::new(false)]).collect(),
            flags: (0..clients).map(|_| None).collect(),
            processes: Vec::new(),
            fair: vec![Fair::default(); clients],
            changed_at: [0; TREES],
            disk: Disk::new(setting.kinds(), setting.pace),
            healed_at: NEVER,
            owners: Vec::new(),
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

    pub fn new_process(&mut self, ttl: Time, named: bool) -> usize {
        self.processes.push(Process {
            announced: false,
            unwanted_since: Some(self.now),
            wanted_since: NEVER,
            ttl,
            overtaken: false,
            confirmed_at: 0,
            named,
            refused: false,
            turned_away: false,
            seen: History::default(),
            epoch: u32::MAX,
        });
        self.processes.len() - 1
    }

    /// From now on the process's key should be there.
    pub fn wanted(&mut self, by: usize) {
        self.processes[by].unwanted_since = None;
        self.processes[by].wanted_since = self.now;
    }

    /// From now on the process's key should not be there.
    pub fn unwanted(&mut self, by: usize) {
        self.processes[by].unwanted_since.get_or_insert(self.now);
    }

    /// The process that asked for it; none if it is foreign.
    pub fn owner(&self, lease: LeaseId) -> Option<usize> {
        let known = self.owners.iter().find(|(known, _)| *known == lease);
        known.map(|(_, by)| *by)
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
        let announced = self.processes[by].announced;
        let breach = match *asked {
            Asked::Grant { lease, .. } => {
                self.owners.push((lease, by));
                false
            }
            Asked::Put {
                key,
                lease,
                unchanged_since,
                ..
            } => found(self, key).is_some_and(|(kv, ours)| {
                let done = self.etcd.is_live(lease)
                    && self
                        .etcd
                        .holds(Condition::UnchangedSince(unchanged_since), key);
                done && announced && !ours && kv.lease != 0
            }),
            Asked::Delete { key, when } => found(self, key).is_some_and(|(kv, ours)| {
                let previous_incarnation = kv.value == self.hosts[self.client_of(by)].value;
                let previous_incarnation = previous_incarnation && !announced;
                self.etcd.holds(when, key) && !ours && !previous_incarnation
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

    /// The client whose process it is, or was.
    fn client_of(&self, by: usize) -> usize {
        let is = |host: &Host| host.processes.contains(&by);
        let client = self.hosts.iter().position(is);
        client.expect("every process belongs to a client")
    }
}

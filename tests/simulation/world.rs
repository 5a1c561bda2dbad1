//! All that there is in a schedule, and the time that passes.

use register::etcd::procedure::{Call, Condition};
use register::registration::LeaseId;

use crate::agent::Agent;
use crate::clock::{Clock, NEVER, Time};
use crate::etcd::{Asked, Etcd, KEYS, Member};
use crate::network::{Flight, late_arrivals, next_late};
use crate::proxy::Proxy;
use crate::schedule::{Setting, What};
use crate::session::owner;

/// More at one time, or for a second on the average, is a loop that does not come to rest.
const BUSY: u32 = 2_000;

/// What happened, for people. Kept only when a schedule is told.
#[derive(Default)]
pub struct Trace(pub Option<Vec<String>>);

impl Trace {
    pub fn line(&mut self, now: Time, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0 {
            lines.push(format!("{now:>7} ms  {}", line()));
        }
    }
}

/// An agent's process, also when it is no more.
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
}

/// What everybody has to do with.
pub struct Shared {
    pub now: Time,
    pub clock: Clock,
    pub etcd: Etcd,
    /// Calls that nobody waits for any more.
    pub late: Vec<Flight>,
    pub processes: Vec<Process>,
    pub trace: Trace,
    /// The first promise that was broken.
    pub violation: Option<String>,
    /// A restore of etcd that nothing gives away: what follows cannot be promised.
    pub indistinguishable: bool,
}

impl Shared {
    pub fn fail(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(what());
        }
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

    pub fn is_live(&self, lease: LeaseId) -> bool {
        self.etcd.leases.iter().any(|live| live.id == lease)
    }

    /// Whether a process may do this to etcd now.
    pub fn check_call(&mut self, call: Call, on: Asked, by: usize) {
        let Some(kv) = self.etcd.keys[on.key] else {
            return;
        };
        let ours = owner(kv.lease) == Some(by);
        let announced = self.processes[by].announced;
        let breach = match call {
            Call::Put {
                lease,
                unchanged_since,
            } => {
                let done = self.is_live(lease)
                    && self
                        .etcd
                        .holds(Condition::UnchangedSince(unchanged_since), on.key);
                done && announced && !ours && kv.lease != 0
            }
            Call::Delete(condition) => {
                let previous_incarnation = kv.value == on.value && !announced;
                self.etcd.holds(condition, on.key) && !ours && !previous_incarnation
            }
            Call::Revoke(lease) => owner(lease) != Some(by),
            Call::Read | Call::Grant(_) => false,
        };
        if breach {
            self.fail(|| format!("{call:?} by process {by} on another's key {kv:?}"));
        }
    }
}

pub struct World {
    pub shared: Shared,
    pub agents: Vec<Agent>,
    pub proxy: Option<Proxy>,
    /// Since when no lease holds a key.
    pub free_since: [Option<Time>; KEYS],
    others: LeaseId,
    ticks: u32,
}

impl World {
    pub fn new(setting: &Setting, clock: Clock, trace: Trace) -> Self {
        let mut shared = Shared {
            now: 0,
            clock,
            etcd: Etcd::new(setting.members, setting.slack),
            late: Vec::new(),
            processes: Vec::new(),
            trace,
            violation: None,
            indistinguishable: false,
        };
        let agents = setting.agents.iter().map(|settings| {
            let mut agent = Agent::new(*settings, settings.seed & 1 == 0);
            agent.start(&mut shared);
            agent
        });
        let agents = agents.collect();
        let mut proxy = setting.proxy.map(|(kinds, seed)| Proxy::new(kinds, seed));
        if let Some(proxy) = &mut proxy {
            proxy.start(&shared);
        }
        Self {
            shared,
            agents,
            proxy,
            free_since: [None; KEYS],
            others: 0,
            ticks: 0,
        }
    }

    /// Lets time pass. False once a promise was broken.
    pub fn pass(&mut self, time: Time) -> bool {
        let end = self.shared.now + time;
        loop {
            self.tick();
            if self.is_over() {
                return false;
            }
            let now = self.shared.now;
            if now >= end {
                return true;
            }
            let next = self.next().max(now + 1).min(end);
            self.ticks = if next > now + 1 { 0 } else { self.ticks + 1 };
            if self.ticks > BUSY {
                self.shared
                    .fail(|| "something does not come to rest".to_owned());
            }
            self.shared.now = next;
        }
    }

    pub fn is_over(&self) -> bool {
        self.shared.violation.is_some() || self.shared.indistinguishable
    }

    fn next(&self) -> Time {
        let shared = &self.shared;
        let agents = self.agents.iter().map(|agent| agent.next(shared));
        let proxy = self
            .proxy
            .as_ref()
            .map_or(NEVER, |proxy| proxy.next(shared));
        let etcd = shared.etcd.next().min(next_late(shared));
        agents.min().unwrap_or(NEVER).min(proxy).min(etcd)
    }

    /// All that is due now, until nobody has news for another.
    fn tick(&mut self) {
        loop {
            let before = self.shared.etcd.history.revision;
            late_arrivals(&mut self.shared);
            self.shared.etcd.expire(self.shared.now);
            for agent in &mut self.agents {
                agent.step(&mut self.shared);
            }
            if let Some(proxy) = &mut self.proxy {
                proxy.step(&mut self.shared);
            }
            if self.shared.etcd.history.revision == before {
                break;
            }
        }
        for (kv, since) in self.shared.etcd.keys.iter().zip(&mut self.free_since) {
            match kv {
                Some(kv) if kv.lease != 0 => *since = None,
                Some(_) | None => _ = since.get_or_insert(self.shared.now),
            }
        }
        self.check_always();
    }

    pub fn apply(&mut self, what: What) {
        let now = self.shared.now;
        self.shared.trace.line(now, || format!("──── {what:?}"));
        let shared = &mut self.shared;
        match what {
            What::Backend { agent, up } => self.agents[agent].backend_is_up = up,
            What::Start { agent } => self.agents[agent].start(shared),
            What::Stop { agent } => self.agents[agent].stop(shared),
            What::Kill { agent } => self.agents[agent].kill(shared),
            What::Freeze { agent, time } => self.agents[agent].freeze(now + time),
            What::Lag { agent, time } => self.agents[agent].lag(now + time),
            What::Call { .. }
            | What::Reset { .. }
            | What::Partition { .. }
            | What::HoldWatch { .. } => self.disturb(what),
            What::Member { member, state } => shared.etcd.set_member(member, state, now),
            What::NewLeader => shared.etcd.elect(now),
            What::Compact => shared.etcd.compact(),
            What::Backup => shared.etcd.keep_backup(),
            What::Restore { same_cluster } => {
                shared.etcd.restore(same_cluster, now);
                shared.late.clear();
                for process in &mut shared.processes {
                    process.overtaken = true;
                }
            }
            What::PutLeased { .. }
            | What::Put { .. }
            | What::Delete { .. }
            | What::Revoke { .. } => {
                if shared.etcd.has_leader() {
                    self.by_others(what);
                }
            }
            What::StartProxy
            | What::StopProxy
            | What::KillProxy
            | What::ReloadProxy { .. }
            | What::Disk { .. }
            | What::Daemon { .. }
            | What::Notify => self.on_proxy(what),
        }
    }

    fn disturb(&mut self, what: What) {
        let shared = &mut self.shared;
        let now = shared.now;
        let (What::Call { client, .. }
        | What::Reset { client }
        | What::Partition { client, .. }
        | What::HoldWatch { client, .. }) = what
        else {
            return;
        };
        if let What::Reset { .. } = what {
            if let Some(agent) = self.agents.get_mut(client) {
                if let Some(running) = &mut agent.running {
                    running.session.reset(shared);
                }
            } else if let Some(proxy) = &mut self.proxy
                && let Some(running) = &mut proxy.running
            {
                running.follower.reset(shared);
            }
            return;
        }
        let line = match self.agents.get_mut(client) {
            Some(agent) => agent
                .running
                .as_mut()
                .map(|running| &mut running.session.line),
            None => {
                let running = self.proxy.as_mut().and_then(|proxy| proxy.running.as_mut());
                running.map(|running| &mut running.follower.line)
            }
        };
        match (line, what) {
            (Some(line), What::Call { after, fate, .. }) => line.destine(after, fate),
            (Some(line), What::Partition { member, time, .. }) => line.cut(member, now + time),
            (Some(line), What::HoldWatch { time, .. }) => line.held_until = now + time,
            (_, _) => {}
        }
    }

    fn by_others(&mut self, what: What) {
        let now = self.shared.now;
        let etcd = &mut self.shared.etcd;
        match what {
            What::PutLeased { key, value, ttl } => {
                self.others += 1;
                let (ttl, end) = ttl.map_or((NEVER, NEVER), |ttl| (ttl, now + ttl));
                etcd.grant(self.others, ttl, end);
                etcd.put(key, value, self.others);
            }
            What::Put { key, value } => etcd.put(key, value, 0),
            What::Delete { key } => etcd.delete(key),
            What::Revoke { key } => {
                if let Some(kv) = etcd.keys[key] {
                    etcd.revoke(kv.lease);
                }
            }
            _ => {}
        }
    }

    fn on_proxy(&mut self, what: What) {
        let Some(proxy) = &mut self.proxy else { return };
        match what {
            What::StartProxy => proxy.start(&self.shared),
            What::StopProxy => proxy.stop(),
            What::KillProxy => proxy.kill(),
            What::ReloadProxy { other_keys } => proxy.reload(other_keys, &self.shared),
            What::Disk { after, fate } => proxy.disk.destine(after, fate),
            What::Daemon { broken } => proxy.disk.broken = broken,
            What::Notify => {
                if let Some(running) = &mut proxy.running {
                    running.follower.notify(&self.shared);
                }
            }
            _ => {}
        }
    }

    /// Ends all disturbances. Who was killed stays so, but for the proxy.
    pub fn heal(&mut self, others_stay: bool) {
        let shared = &mut self.shared;
        let now = shared.now;
        shared
            .trace
            .line(now, || "──── everything works again".to_owned());
        for member in 0..shared.etcd.members.len() {
            shared.etcd.set_member(member, Member::Up, now);
        }
        for agent in &mut self.agents {
            agent.heal(now);
        }
        if let Some(proxy) = &mut self.proxy {
            proxy.disk.heal();
            if let Some(running) = &mut proxy.running {
                running.follower.line.heal();
            }
        }
        if !others_stay {
            for other in 1..=self.others {
                shared.etcd.revoke(other);
            }
        }
    }
}

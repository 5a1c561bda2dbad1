//! What must hold, always and once everything works again.

use crate::agent::{Agent, NOTICED};
use crate::clock::{NEVER, Time};
use crate::disk::{RESOURCES, is_good, rendered};
use crate::etcd::{KEYS, SLACK};
use crate::follower::snapshot_of;
use crate::network::LATEST;
use crate::proxy::Proxy;
use crate::schedule::{Schedule, Setting, What};
use crate::session::owner;
use crate::world::{Shared, World};

/// A process that was told something is done with it, back-off included.
const REACTION: Time = 6_000;
/// From when etcd answers, and the backend is known to be up, until the key is there: a call that
/// hangs, the back-off, and more calls.
const REGISTERED: Time = 9_000;
/// The longest that a failed pass over the files is tried again after.
const PASS_RETRY: Time = 31_000;
/// From a change in etcd to the file.
const IN_STEP: Time = 1_000;
/// So long nothing happens any more.
const QUIET: Time = 6_000;

/// Runs a schedule to its end.
pub fn run(schedule: &Schedule, world: &mut World) {
    for step in &schedule.steps {
        if !world.pass(step.after) {
            return;
        }
        world.apply(step.what);
    }
    let _ended = end(&schedule.setting, world);
}

/// Everything works again: things come to rest as they should be. None once a promise was broken.
fn end(setting: &Setting, world: &mut World) -> Option<()> {
    let pass = |world: &mut World, time| world.pass(time).then_some(());
    world.heal(setting.others_stay);
    let ttl = setting.agents.iter().map(|agent| agent.ttl).max();
    let settled = ttl.unwrap_or_default() + SLACK + LATEST + REACTION;
    pass(world, REGISTERED)?;
    world.check_registered();
    pass(world, settled - REGISTERED)?;
    world.check_keys("once etcd answers");
    if let Some(proxy) = &mut world.proxy {
        proxy.start(&world.shared);
        pass(world, PASS_RETRY + IN_STEP)?;
        end_pass(world)?;
        world.check_files("once everything works");
    }
    let revision = world.shared.etcd.history.revision;
    pass(world, QUIET)?;
    if world.shared.etcd.history.revision != revision {
        world
            .shared
            .fail(|| "the keys do not come to rest".to_owned());
    }
    if setting.epilogue {
        for up in [false, true] {
            for agent in 0..world.agents.len() {
                world.apply(What::Backend { agent, up });
            }
            pass(world, NOTICED)?;
            world.check_keys("after the backends turned");
            pass(world, IN_STEP)?;
            end_pass(world)?;
            world.check_files("after the backends turned");
        }
        for agent in 0..world.agents.len() {
            world.apply(What::Stop { agent });
        }
        pass(world, QUIET)?;
        world.check_stopped();
        world.check_keys("after all agents stopped");
    }
    Some(())
}

/// A bad file is tried again and again: not a moment to look at it.
fn end_pass(world: &mut World) -> Option<()> {
    while world.proxy.as_ref().is_some_and(Proxy::is_at_work) {
        if !world.pass(1) {
            return None;
        }
    }
    Some(())
}

impl Shared {
    /// Nothing that the process put is left in etcd.
    pub fn check_nothing_left(&mut self, by: usize, key: usize) {
        let held = self.etcd.keys[key].is_some_and(|kv| owner(kv.lease) == Some(by));
        if held && !self.processes[by].overtaken {
            self.fail(|| "exited cleanly, but the key is there".to_owned());
        }
    }
}

impl World {
    /// No key outlives the wish for it by more than its TTL and etcd's slack.
    pub fn check_always(&mut self) {
        let etcd = &self.shared.etcd;
        if !etcd.has_leader() {
            return;
        }
        for kv in etcd.keys.iter().flatten() {
            let Some(process) = owner(kv.lease).and_then(|by| self.shared.processes.get(by)) else {
                continue;
            };
            let since = process.unwanted_since.unwrap_or(NEVER);
            let since = since.max(etcd.prolonged_at);
            let limit = since.saturating_add(process.ttl + SLACK + LATEST + REACTION);
            if self.shared.now > limit {
                return self.shared.fail(|| "a key outlives its TTL".to_owned());
            }
        }
    }

    /// Whose backend has been up all the time since etcd answers has its key, or another lease has it,
    /// or had it until just now.
    fn check_registered(&mut self) {
        for agent in &self.agents {
            let (Some(by), key) = (wants(agent), agent.key()) else {
                continue;
            };
            let Some(free_since) = self.free_since[key] else {
                continue;
            };
            let since = self.shared.processes[by].wanted_since.max(free_since);
            if since + REGISTERED <= self.shared.now {
                return self
                    .shared
                    .fail(|| format!("key {key} is missing long after etcd answers"));
            }
        }
    }

    /// A key is held exactly if somebody's backend is up, by a lease that lives; and no other lease
    /// of the agents' is left.
    fn check_keys(&mut self, when: &str) {
        for key in 0..KEYS {
            let wanting = self.agents.iter().filter(|agent| agent.key() == key);
            let wanting = wanting.filter_map(wants);
            let wanting: Vec<usize> = wanting.collect();
            let lease = self.shared.etcd.keys[key].map_or(0, |kv| kv.lease);
            let fault = match owner(lease) {
                Some(by) if !wanting.contains(&by) => Some("is there for nobody"),
                Some(_) => None,
                None if lease == 0 && !wanting.is_empty() => Some("is missing"),
                None => None,
            };
            if let Some(fault) = fault {
                return self.shared.fail(|| format!("key {key} {fault} {when}"));
            }
        }
        let keys = self.shared.etcd.keys;
        let idle = |id| !keys.iter().flatten().any(|kv| kv.lease == id);
        let leases = self.shared.etcd.leases.iter();
        let leaked = leases.filter(|lease| owner(lease.id).is_some() && idle(lease.id));
        if leaked.count() > 0 {
            self.shared.fail(|| format!("a lease without a key {when}"));
        }
    }

    /// Files show what is in etcd, and daemons the files.
    fn check_files(&mut self, when: &str) {
        let Some(proxy) = &self.proxy else { return };
        let snapshot = snapshot_of(&self.shared.etcd.keys);
        for resource in 0..RESOURCES {
            let wanted = rendered(&snapshot, resource);
            let file = proxy.disk.files[resource];
            let takes = !proxy.disk.is_checked(resource) || is_good(wanted);
            let fault = if takes && file.dest != Some(wanted) {
                "is not what is in etcd"
            } else if file.loaded != file.dest {
                "is not what the daemon has"
            } else if file.owed {
                "is said to be owed a reload"
            } else if !proxy.disk.is_tidy(resource) {
                "has a backup left beside it"
            } else {
                continue;
            };
            return self
                .shared
                .fail(|| format!("file {resource} {fault} {when}"));
        }
    }

    fn check_stopped(&mut self) {
        let running = |agent: &Agent| agent.running.is_some();
        if self.agents.iter().any(running) {
            self.shared.fail(|| "an agent does not stop".to_owned());
        }
    }
}

/// The process whose key should be there.
fn wants(agent: &Agent) -> Option<usize> {
    let running = agent.running.as_ref()?;
    (running.wants() && agent.backend_is_up).then_some(running.by)
}

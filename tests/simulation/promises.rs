//! What must hold, always and once everything works again.

use register::etcd::api::Condition;
use register::health::Verdict;

use crate::clock::{NEVER, Time};
use crate::disk::{RESOURCES, is_good, rendered_keys};
use crate::etcd::SLACK;
use crate::files::CHILD_ENDS;
use crate::host::{Met, NOTICED, WATCHDOG};
use crate::keys::KEYS;
use crate::model::Model;
use crate::network::LATEST;
use crate::schedule::{Schedule, Setting, What};
use crate::world::{KILL_TIMEOUT, World};

/// A process that was told something is done with it, back-off included.
const REACTION: Time = 6_000;
/// From when etcd answers, and the backend is known to be up, until the key is there: a call that
/// hangs, the back-off, and more calls.
const REGISTERED: Time = 9_000;
/// The longest that a withdrawal goes on once the backend is up again.
const WITHDRAWN: Time = 10_000;
/// The longest that a failed pass over the files is tried again after.
const PASS_RETRY: Time = 31_000;
/// From a change in etcd to the file.
const IN_STEP: Time = 1_000;
/// So long nothing happens any more.
const QUIET: Time = 6_000;
/// After its TTL a lease is given up, at the latest when a renewal and an attempt to connect have
/// run out of time.
const GIVEN_UP: Time = 8_000;

/// Runs a schedule to its end.
pub async fn run(schedule: &Schedule, world: &mut World) {
    for step in &schedule.steps {
        if !world.pass(step.after).await {
            return;
        }
        world.apply(step.what);
    }
    let _ended = end(&schedule.setting, world).await;
}

/// Everything works again: things come to rest as they should be. None once a promise was broken.
async fn end(setting: &Setting, world: &mut World) -> Option<()> {
    world.heal(setting.others_stay);
    let ttl = setting.agents.iter().map(|agent| agent.ttl).max();
    let settled = ttl.unwrap_or_default() + SLACK + LATEST + REACTION;
    pass(world, REGISTERED).await?;
    world.check_registered();
    pass(world, settled - REGISTERED).await?;
    world.check_keys("once etcd answers");
    world.check_managers("once etcd answers");
    if setting.proxy.is_some() {
        // Its child may have ended.
        world.start(world.proxy());
        pass(world, PASS_RETRY + IN_STEP).await?;
        end_pass(world).await?;
        world.check_files("once everything works");
        world.check_ready();
    }
    let revision = world.shared.borrow().etcd.history.revision;
    pass(world, QUIET).await?;
    if world.shared.borrow().etcd.history.revision != revision {
        world.fail(|| "the keys do not come to rest".to_owned());
    }
    if setting.epilogue {
        epilogue(world).await?;
    }
    Some(())
}

async fn epilogue(world: &mut World) -> Option<()> {
    let agents = 0..world.agents().len();
    for met in [Met::Down, Met::Up] {
        for agent in agents.clone() {
            world.apply(What::Backend { agent, met });
        }
        pass(world, NOTICED).await?;
        world.check_keys("after the backends turned");
        world.check_managers("after the backends turned");
        pass(world, IN_STEP).await?;
        end_pass(world).await?;
        world.check_files("after the backends turned");
    }
    for client in agents {
        world.apply(What::Stop { client });
    }
    let proxy = world.proxy();
    world.apply(What::Stop { client: proxy });
    pass(world, QUIET).await?;
    world.check_stopped();
    world.check_keys("after all agents stopped");
    Some(())
}

async fn pass(world: &mut World, time: Time) -> Option<()> {
    world.pass(time).await.then_some(())
}

/// A bad file is tried again and again: not a moment to look at it. Where one pass follows on the other
/// there is no better one.
async fn end_pass(world: &mut World) -> Option<()> {
    for _ in 0..QUIET {
        if !world.shared.borrow().disk.at_work.contains(&true) {
            break;
        }
        pass(world, 1).await?;
    }
    Some(())
}

impl Model {
    /// Nothing that the process put is left in etcd.
    pub fn check_nothing_left(&mut self, by: usize, key: usize) {
        let held = self.etcd.keys[key].is_some_and(|kv| self.owner(kv.lease) == Some(by));
        if held && !self.processes[by].overtaken {
            self.fail(|| "exited cleanly, but the key is there".to_owned());
        }
    }

    /// Nobody takes its key away while it should be there.
    pub fn check_deletion(&mut self, by: usize, key: usize, when: Condition) {
        if self.now > self.processes[by].wanted_since.saturating_add(WITHDRAWN)
            && self.processes[by].unwanted_since.is_none()
            && self.etcd.holds(when, key)
        {
            self.fail(|| "a key is taken away though the backend is up".to_owned());
        }
    }

    /// No key outlives the wish for it by more than its TTL and etcd's slack.
    fn outlived(&self) -> bool {
        let etcd = &self.etcd;
        etcd.has_leader()
            && etcd.keys.iter().flatten().any(|kv| {
                let Some(by) = self.owner(kv.lease) else {
                    return false;
                };
                let process = &self.processes[by];
                let since = process.unwanted_since.unwrap_or(NEVER);
                let since = since.max(etcd.prolonged_at);
                let limit = since.saturating_add(process.ttl + SLACK + LATEST + REACTION);
                self.now > limit
            })
    }
}

impl World {
    fn fail(&self, what: impl FnOnce() -> String) {
        self.shared.borrow_mut().fail(what);
    }

    pub fn check_always(&self) {
        if self.shared.borrow().outlived() {
            self.fail(|| "a key outlives its TTL".to_owned());
        }
        for client in 0..self.processes.len() {
            if let Some(fault) = self.fault_of(client) {
                self.fail(|| format!("client {client} {fault}"));
            }
        }
    }

    /// What a process that runs must not do.
    fn fault_of(&self, client: usize) -> Option<&'static str> {
        let process = self.processes[client].as_ref()?;
        let model = self.shared.borrow();
        let (now, host) = (model.now, &model.hosts[client]);
        if process.frozen_until > now {
            return None;
        }
        let by = host.process()?;
        let ran_since = |time: Time| time.max(host.ran_again_at);
        let agent = self.agents().get(client);
        let patience = agent.map_or(KILL_TIMEOUT + 2_001, |agent| {
            agent.stop_timeout + agent.drain
        });
        let child = if agent.is_some() { 0 } else { CHILD_ENDS };
        let has_lease = model.processes[by].confirmed_at;
        let limit = agent.map_or(NEVER, |agent| {
            ran_since(has_lease).saturating_add(agent.ttl + GIVEN_UP)
        });
        if self.is_watched()
            && now > ran_since(host.turned_at) + WATCHDOG + 1
            && host.stopping.is_none()
        {
            Some("does not turn")
        } else if host.said == "registered" && now > limit {
            Some("says that it is registered, but the lease has run out")
        } else if host
            .stopping
            .is_some_and(|told| now > ran_since(told) + patience + 12 * model.disk.pace + 1)
        {
            Some("takes too long to stop")
        } else if agent.is_none()
            && !model.disk.begun
            && !(0..RESOURCES).all(|file| model.disk.is_tidy(file))
        {
            Some("leaves a file half done")
        } else if agent.is_none()
            && model
                .disk
                .unpassed_since
                .is_some_and(|since| now > ran_since(since) + 1)
        {
            Some("keeps a signal from its child")
        } else if !host.said_stopping && host.stopping.is_some_and(|told| now > ran_since(told) + 1)
        {
            Some("does not say that it stops")
        } else if host
            .hurried
            .is_some_and(|told| now > ran_since(told) + child + 1)
        {
            Some("does not leave at once when told to stop again")
        } else {
            None
        }
    }

    /// Whose backend has been up all the time since etcd answers has its key, or another lease has it,
    /// or had it until just now.
    fn check_registered(&mut self) {
        for (client, agent) in self.agents().iter().enumerate() {
            let (Some(by), key) = (self.wants(client), agent.key) else {
                continue;
            };
            let Some(free_since) = self.free_since[key] else {
                continue;
            };
            let model = self.shared.borrow();
            let since = model.processes[by].wanted_since.max(free_since);
            let late = since + REGISTERED <= model.now;
            drop(model);
            if late {
                self.fail(|| format!("key {key} is missing long after etcd answers"));
            }
        }
    }

    /// A key is held exactly if somebody's backend is up, by a lease that lives; and no other lease
    /// of the agents' is left.
    fn check_keys(&self, when: &str) {
        for key in 0..KEYS {
            let agents = self.agents().iter().enumerate();
            let wanting = agents.filter(|(_, agent)| agent.key == key);
            let wanting = wanting.filter_map(|(client, _)| self.wants(client));
            let wanting: Vec<usize> = wanting.collect();
            let model = self.shared.borrow();
            let lease = model.etcd.keys[key].map_or(0, |kv| kv.lease);
            let fault = match model.owner(lease) {
                Some(by) if !wanting.contains(&by) => Some("is there for nobody"),
                Some(_) => None,
                None if lease == 0 && !wanting.is_empty() => Some("is missing"),
                None => None,
            };
            drop(model);
            if let Some(fault) = fault {
                return self.fail(|| format!("key {key} {fault} {when}"));
            }
        }
        let model = self.shared.borrow();
        let idle = |id| !model.etcd.keys.iter().flatten().any(|kv| kv.lease == id);
        let mut leases = model.etcd.leases.iter();
        let leaked = leases.any(|lease| model.owner(lease.id).is_some() && idle(lease.id));
        drop(model);
        if leaked {
            self.fail(|| format!("a lease without a key {when}"));
        }
    }

    /// Service managers know how things are.
    fn check_managers(&self, when: &str) {
        for client in 0..self.agents().len() {
            if self.processes[client].is_none() {
                continue;
            }
            let wants = self.wants(client);
            let model = self.shared.borrow();
            let key = self.agents()[client].key;
            let holder = model.etcd.keys[key].and_then(|kv| model.owner(kv.lease));
            let host = &model.hosts[client];
            let is_down = host.verdict == Some(Verdict::Down) && host.backend != Met::Up;
            let wanted = match wants {
                Some(by) if holder == Some(by) => "registered",
                Some(_) => "displaced by another registration; standing by",
                None if is_down && host.stopping.is_none() => "backend is down; not registered",
                None => continue,
            };
            let fault = if host.status != wanted {
                format!("is said to be {:?}, not {wanted:?},", host.status)
            } else if !host.ready {
                "is never said to be ready".to_owned()
            } else {
                continue;
            };
            drop(model);
            return self.fail(|| format!("agent {client} {fault} {when}"));
        }
    }

    /// The proxy side is ready once files are in step, and its child runs.
    fn check_ready(&self) {
        let client = self.proxy();
        if self.processes[client].is_none() {
            return;
        }
        let model = self.shared.borrow();
        let waits = model.disk.kinds().child && !model.disk.child_runs;
        let ready = model.hosts[client].ready;
        drop(model);
        if ready == waits {
            self.fail(|| format!("the proxy side is said to be ready: {ready}"));
        }
    }

    /// Files show what is in etcd, and daemons the files.
    fn check_files(&self, when: &str) {
        if self.processes[self.proxy()].is_none() {
            return;
        }
        let model = self.shared.borrow();
        let disk = &model.disk;
        let wanted = |resource: usize| rendered_keys(&model.etcd.keys, disk.trees_of(resource));
        let good = |resource: usize| !disk.is_checked(resource) || is_good(wanted(resource));
        let all_good = (0..RESOURCES).all(good);
        // A child that waits for good files has read none.
        let reads = !disk.kinds().child || disk.child_runs;
        if disk.at_work.contains(&true) && !all_good {
            return;
        }
        let mut fault = None;
        if disk.kinds().child && all_good && !disk.child_runs {
            fault = Some("the child does not run".to_owned());
        }
        for resource in 0..RESOURCES {
            let file = disk.files[resource];
            let wanted = wanted(resource);
            let wrong = if good(resource) && file.dest != Some(wanted) {
                "is not what is in etcd"
            } else if reads && file.loaded != file.dest {
                "is not what the daemon has"
            } else if !disk.kinds().child && file.owed {
                "is said to be owed a reload"
            } else if !disk.is_tidy(resource) {
                "has a backup left beside it"
            } else {
                continue;
            };
            fault.get_or_insert(format!("file {resource} {wrong}"));
        }
        drop(model);
        if let Some(fault) = fault {
            self.fail(|| format!("{fault} {when}"));
        }
    }

    fn check_stopped(&self) {
        if let Some(client) = self.processes.iter().position(Option::is_some) {
            self.fail(|| format!("client {client} does not stop"));
        }
    }
}

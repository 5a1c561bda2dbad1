//! What must hold, always and once everything works again.

use register::health::Verdict;

use crate::clock::{NEVER, Time};
use crate::disk::{RESOURCES, is_good, rendered_keys};
use crate::etcd::{Asked, Kv, SLACK};
use crate::files::CHILD_ENDS;
use crate::host::{CHECKS, Met, NOTICED, WATCHDOG};
use crate::keys::KEYS;
use crate::model::Model;
use crate::network::LATEST;
use crate::schedule::{Edit, Reading, Schedule, Service, Setting, What};
use crate::tenure::Tenure;
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
/// Until a process that is asked what it knows has said so.
const LOOK: Time = 2;
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
    let settled = world.longest_ttl() + SLACK + LATEST + REACTION;
    pass(world, REGISTERED).await?;
    world.check_registered();
    pass(world, settled - REGISTERED).await?;
    world.check_keys("once etcd answers");
    world.check_managers("once etcd answers");
    if setting.proxy.is_some() {
        // Its child may have ended.
        world.start(world.proxy());
        pass(world, PASS_RETRY + IN_STEP + held(setting)).await?;
        end_pass(world).await?;
        world.check_files("once everything works");
        world.check_ready();
    }
    let revision = world.shared.borrow().etcd.history.revision;
    pass(world, QUIET).await?;
    if world.shared.borrow().etcd.history.revision != revision {
        world.fail(|| "the keys do not come to rest".to_owned());
    }
    world.look();
    pass(world, LOOK).await?;
    world.check_reports();
    if setting.epilogue {
        for client in 0..setting.agents.len() {
            reload(client, world).await?;
        }
        epilogue(held(setting), world).await?;
    }
    Some(())
}

/// An agent reads its file again, which changes what it says of one service, and no key of others.
async fn reload(client: usize, world: &mut World) -> Option<()> {
    let host_runs = world.processes[client].is_some() && world.is_lasting(client);
    let file = world.shared.borrow().hosts[client].file.clone();
    let Some(first) = file.first().copied().filter(|_| host_runs) else {
        return Some(());
    };
    if world.is_yet_to_read(client) {
        let reading = Reading::Works;
        world.apply(What::ReloadAgent {
            agent: client,
            reading,
        });
        pass(world, 3 * NOTICED).await?;
    }
    world.reloads(client, &[], "by an idle reload").await?;
    let (value, ttl) = (Edit::Value(first.value + 1), Edit::Ttl(first.ttl + 3_000));
    let edits = [(first.key, value), (first.key, ttl)];
    let edits = &edits[usize::from(first.value % 2 == 0)..];
    world.reloads(client, edits, "by a change").await?;
    world
        .reloads(client, &[(first.key, Edit::Remove)], "by a removal")
        .await?;
    world
        .reloads(client, &[(first.key, Edit::Put(first))], "by an addition")
        .await
}

/// For how long a pass may be held back after a reload.
fn held(setting: &Setting) -> Time {
    setting.kinds().reload_interval.unwrap_or_default()
}

async fn epilogue(held: Time, world: &mut World) -> Option<()> {
    let agents = 0..world.agents().len();
    for met in [Met::Down, Met::Up] {
        for agent in agents.clone() {
            world.turn_backends(agent, met);
        }
        pass(world, NOTICED).await?;
        world.check_keys("after the backends turned");
        world.check_managers("after the backends turned");
        pass(world, IN_STEP + held).await?;
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
    pub fn check_nothing_left(&mut self, by: usize) {
        let tenures = self.processes[by].tenures.iter();
        let left = self.etcd.keys.iter().zip(tenures).any(|(kv, tenure)| {
            let held = kv.is_some_and(|kv| self.owner(kv.lease) == Some(by));
            held && !tenure.is_given_up()
        });
        if left {
            self.fail(|| "exited cleanly, but a key is there".to_owned());
        }
    }

    /// Nobody takes its key away while it should be there.
    pub fn check_deletion(&mut self, by: usize, asked: &Asked) {
        let key = match *asked {
            Asked::Delete { key, when } if self.etcd.holds(when, key) => key,
            // A restore may have given the key back to a lease that it had before.
            Asked::Revoke(lease) if self.etcd.epoch == 0 => {
                let held = |kv: &Option<Kv>| kv.is_some_and(|kv| kv.lease == lease);
                match self.etcd.keys.iter().position(held) {
                    Some(key) => key,
                    None => return,
                }
            }
            _ => return,
        };
        if self.etcd.keys[key].is_some_and(|kv| self.is_late(kv.lease)) {
            return;
        }
        let tenure = &self.processes[by].tenures[key];
        if self.now > tenure.wanted_since.saturating_add(WITHDRAWN)
            && tenure.unwanted_since.is_none()
        {
            self.fail(|| format!("key {key} is taken away though the backend is up"));
        }
    }

    /// No key outlives the wish for it by more than its TTL and etcd's slack.
    fn outlived(&self) -> bool {
        let etcd = &self.etcd;
        etcd.has_leader()
            && (0..KEYS).any(|key| {
                let lease = etcd.keys[key].map_or(0, |kv| kv.lease);
                let Some(by) = self.owner(lease) else {
                    return false;
                };
                let tenure = &self.processes[by].tenures[key];
                let since = tenure.unwanted_since.unwrap_or(NEVER);
                let since = since.max(etcd.prolonged_at);
                let limit = since.saturating_add(tenure.ttl + SLACK + LATEST + REACTION);
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
        // Of several it is said once a second.
        let given_up = GIVEN_UP + 1_000;
        let is_held = |tenure: &&Tenure| {
            ran_since(tenure.confirmed_at).saturating_add(tenure.ttl + given_up) >= now
        };
        let held = model.processes[by].tenures.iter().filter(is_held).count();
        let reads_until = host.read_by.or(host.to_reload);
        if self.is_watched()
            && now > ran_since(host.turned_at) + WATCHDOG + 1
            && host.stopping.is_none()
        {
            Some("does not turn")
        } else if agent.is_some() && said_to_be_registered(&host.said) > held {
            Some("says that it is registered, but the lease has run out")
        } else if host.stopping.is_none() && reads_until.is_some_and(|by| now > ran_since(by) + 1) {
            Some("does not read its services again")
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
        for (client, key) in self.claims() {
            let Some((by, free_since)) = self.wants(client, key).zip(self.free_since[key]) else {
                continue;
            };
            let model = self.shared.borrow();
            let since = model.processes[by].tenures[key]
                .wanted_since
                .max(free_since);
            let late = since + REGISTERED <= model.now;
            drop(model);
            if late {
                self.fail(|| format!("key {key} is missing long after etcd answers"));
            }
        }
    }

    /// Each agent with each key.
    fn claims(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let agents = self.agents().len();
        (0..agents).flat_map(|client| (0..KEYS).map(move |key| (client, key)))
    }

    /// A key is held exactly if somebody's backend is up, by a lease that lives, and as it should be;
    /// and no other lease of the agents' is left.
    fn check_keys(&self, when: &str) {
        for key in 0..KEYS {
            let agents = 0..self.agents().len();
            let wanting = agents.filter_map(|client| self.wants(client, key));
            let wanting: Vec<usize> = wanting.collect();
            let model = self.shared.borrow();
            let kv = model.etcd.keys[key];
            let lease = kv.map_or(0, |kv| kv.lease);
            let shows =
                |by: usize| kv.is_some_and(|kv| model.shows(&model.processes[by].tenures[key], kv));
            let fault = match model.owner(lease) {
                Some(by) if !wanting.contains(&by) => Some("is there for nobody"),
                Some(by) if !shows(by) => Some("is not as it should be"),
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
            self.check_manager(client, when);
        }
    }

    fn check_manager(&self, client: usize, when: &str) {
        let runs = self.processes[client].is_some();
        let Some(wanted) = self.status(client).filter(|_| runs) else {
            return;
        };
        self.shared.borrow_mut().check_nobody_waits(client);
        let model = self.shared.borrow();
        let host = &model.hosts[client];
        let fault = if host.status != wanted {
            format!("is said to be {:?}, not {wanted:?},", host.status)
        } else if !host.ready {
            "is never said to be ready".to_owned()
        } else if host.said_reloading {
            "is said to reload".to_owned()
        } else {
            return;
        };
        drop(model);
        self.fail(|| format!("agent {client} {fault} {when}"));
    }

    /// What is to be said of an agent, if that is known of all of its services.
    fn status(&self, client: usize) -> Option<String> {
        let keys = (0..KEYS).filter(|key| self.service(client, *key).is_some());
        let standings: Option<Vec<_>> = keys.map(|key| self.standing(client, key)).collect();
        let standings = standings?;
        if !self.is_lasting(client) {
            return standings
                .first()
                .map(|standing| standing.of_one().to_owned());
        }
        let count = |wanted| {
            standings
                .iter()
                .filter(|standing| **standing == wanted)
                .count()
        };
        let registered = count(Standing::Registered);
        let rest = [Standing::Down, Standing::Drained, Standing::Displaced];
        let rest = rest.map(|standing| match count(standing) {
            0 => String::new(),
            count => format!("; {count} {}", standing.of_many()),
        });
        let (all, rest) = (standings.len(), rest.concat());
        Some(format!("{registered} of {all} services registered{rest}"))
    }

    fn service(&self, client: usize, key: usize) -> Option<Service> {
        let model = self.shared.borrow();
        let by = model.hosts[client].process()?;
        model.processes[by].tenures[key].service
    }

    /// How a service stands once all has come to rest, if that is known.
    pub fn standing(&self, client: usize, key: usize) -> Option<Standing> {
        let wants = self.wants(client, key);
        let model = self.shared.borrow();
        let host = &model.hosts[client];
        let tenure = &model.processes[host.process()?].tenures[key];
        let service = tenure.service?;
        let holder = model.etcd.keys[key].and_then(|kv| model.owner(kv.lease));
        let is_down = tenure.verdict == Some(Verdict::Down) && host.backend(service) != Met::Up;
        match wants {
            _ if host.stopping.is_some() => None,
            _ if tenure.is_drained() => Some(Standing::Drained),
            Some(by) if holder == Some(by) => Some(Standing::Registered),
            Some(_) => Some(Standing::Displaced),
            None if is_down => Some(Standing::Down),
            None => None,
        }
    }

    /// Its file is another than it last read.
    fn is_yet_to_read(&self, client: usize) -> bool {
        let model = self.shared.borrow();
        let host = &model.hosts[client];
        (0..KEYS).any(|key| {
            let service = host.file.iter().find(|service| service.key == key);
            service.copied() != self.service(client, key)
        })
    }

    fn is_lasting(&self, client: usize) -> bool {
        self.agents()[client].lasting
    }

    /// Of what agents are told to put.
    fn longest_ttl(&self) -> Time {
        let model = self.shared.borrow();
        let tenures = model.processes.iter().flat_map(|by| &by.tenures);
        let files = model.hosts.iter().flat_map(|host| &host.file);
        let ttls = tenures.map(|tenure| tenure.ttl);
        let ttls = ttls.chain(files.map(|service| service.ttl));
        ttls.max().unwrap_or_default()
    }

    fn turn_backends(&mut self, agent: usize, met: Met) {
        for key in 0..KEYS {
            for check in 0..CHECKS {
                self.apply(What::Backend {
                    agent,
                    key,
                    check,
                    met,
                });
            }
        }
    }

    /// The agent reads its file after these edits: no other key changes, and one that should be there
    /// before and after stays.
    async fn reloads(&mut self, agent: usize, edits: &[(usize, Edit)], how: &str) -> Option<()> {
        let wanted = |world: &Self, key| world.wants(agent, key).is_some();
        let before = self.shared.borrow().etcd.history.revision;
        let wanted_before: Vec<_> = (0..KEYS).map(|key| wanted(self, key)).collect();
        for (key, edit) in edits.iter().copied() {
            self.apply(What::Edit { agent, key, edit });
        }
        let reading = Reading::Works;
        self.apply(What::ReloadAgent { agent, reading });
        pass(self, NOTICED).await?;
        self.check_keys(how);
        self.check_manager(agent, how);
        let stays = |key: usize| wanted_before[key] && wanted(self, key);
        let edited = |key: usize| edits.iter().any(|(edited, _)| *edited == key);
        let model = self.shared.borrow();
        // A backend that a host cannot probe is taken for down after a while.
        let may_turn = |key: usize| {
            let mut hosts = model.hosts.iter();
            hosts.any(|host| host.backends[key].contains(&Met::Unknown))
        };
        let changes = model.etcd.since(before + 1).iter();
        let fault = changes.clone().find_map(|change| {
            match change.kv {
                _ if !edited(change.key) && !may_turn(change.key) => Some("is touched"),
                None if stays(change.key) => Some("is taken away"),
                _ => None,
            }
            .map(|fault| format!("key {} {fault} {how}", change.key))
        });
        drop(model);
        if let Some(fault) = fault {
            self.fail(|| fault);
            return None;
        }
        Some(())
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

/// How a service of an agent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Registered,
    Down,
    Drained,
    Displaced,
}

impl Standing {
    fn of_one(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Down => "backend is down; not registered",
            Self::Drained => "drained; not registered",
            Self::Displaced => "displaced by another registration; standing by",
        }
    }

    fn of_many(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Down => "down",
            Self::Drained => "drained",
            Self::Displaced => "displaced",
        }
    }
}

/// How many services are said to be registered.
fn said_to_be_registered(said: &str) -> usize {
    match said.split_once(" of ") {
        Some((count, _)) => count.parse().unwrap_or(0),
        None => usize::from(said == "registered"),
    }
}

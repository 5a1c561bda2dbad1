//! The processes of a schedule and the time that passes for them, with the product's own loops.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use register::agent;
use register::etcd::error::EtcdError;
use register::exit::{Exit, RunError};
use register::health::Verdict;
use register::proxy::supervise::SuperviseConfig;
use register::proxy::{self, debounce};
use register::registration::LeaseId;
use register::world::World as Surroundings;
use renderer::options::Options;
use rustix::process::Signal;
use tokio::time::{Sleep, sleep};

use crate::clock::{NEVER, Time, ms};
use crate::files::{RELOAD, STOP, USER};
use crate::host::{Met, SimBackend, SimHost, SimTimer, WATCHDOG};
use crate::keys::KEYS;
use crate::link::{SimDial, SimLink, SimRenewals, SimWatch};
use crate::log;
use crate::model::{Model, Shared, Trace};
use crate::network::Line;
use crate::process::{Polled, Process};
use crate::schedule::{Agent, Setting};

/// As by default.
const DEBOUNCE: debounce::DebounceSettings = debounce::DebounceSettings {
    quiet: ms(50),
    max: ms(500),
};
/// More in one schedule is a loop that does not come to rest.
const MOST_EVENTS: u64 = 200_000;
/// So long after everything works an agent can do what it is told.
const SETTLED: Time = 15_000;
/// How long a child may take to end.
pub const KILL_TIMEOUT: Time = 3_000;

/// The model, as the loops see it.
pub enum Sim {}

impl Surroundings for Sim {
    type Dial = SimDial;
    type Link = SimLink;
    type Watch = SimWatch;
    type Renewals = SimRenewals;
    type Backend = SimBackend;
    type Source = SimHost;
    type Timer = SimTimer;
    type Manager = SimHost;
    type Signals = SimHost;
    type Files = SimHost;
    type Child = SimHost;
}

pub struct World {
    pub shared: Shared,
    pub setting: Rc<Setting>,
    /// By client.
    pub processes: Vec<Option<Process>>,
    starts: u64,
    /// Who ended because etcd refused it.
    pub turned_away: Vec<bool>,
    /// Since when no lease holds a key.
    pub free_since: [Option<Time>; KEYS],
    /// Leases of others so far, which are numbered from 1.
    pub others: LeaseId,
    alarm: Pin<Box<Sleep>>,
    root: Waker,
}

impl World {
    pub async fn new(setting: &Setting, trace: Trace) -> Self {
        let root = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let mut model = Model::new(setting, trace);
        model.etcd.paged = setting.paged;
        let clients = model.hosts.len();
        let mut world = Self {
            shared: Rc::new(model.into()),
            setting: Rc::new(setting.clone()),
            processes: (0..clients).map(|_| None).collect(),
            starts: 0,
            turned_away: vec![false; clients],
            free_since: [None; KEYS],
            others: 0,
            alarm: Box::pin(sleep(ms(0))),
            root,
        };
        for client in 0..clients {
            world.start(client);
        }
        world
    }

    /// The number of the proxy side among the clients.
    pub fn proxy(&self) -> usize {
        self.setting.agents.len()
    }

    pub fn is_watched(&self) -> bool {
        self.setting.watched
    }

    pub fn agents(&self) -> &[Agent] {
        &self.setting.agents
    }

    pub fn start(&mut self, client: usize) {
        if self.processes[client].is_some() {
            return;
        }
        self.starts += 1;
        let process = match self.setting.agents.get(client) {
            Some(agent) => self.new_agent(client, &agent.clone()),
            None if self.setting.proxy.is_none() => return,
            None => self.new_proxy(client),
        };
        self.turned_away[client] = false;
        self.set_going(client, process);
    }

    /// Runs this in the place of the client.
    pub fn run<F>(&mut self, client: usize, run: impl FnOnce(SimDial) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let by = self.begin(client);
        let process = Process::new(run(self.dial(client, by)), &self.root);
        self.set_going(client, process);
    }

    fn set_going(&mut self, client: usize, process: Process) {
        self.shared.borrow_mut().flags[client] = Some(process.flag());
        self.processes[client] = Some(process);
    }

    fn host(&self, client: usize) -> SimHost {
        let shared = self.shared.clone();
        SimHost { shared, client }
    }

    fn dial(&self, client: usize, by: usize) -> SimDial {
        let shared = self.shared.clone();
        SimDial { shared, client, by }
    }

    fn begin(&self, client: usize) -> usize {
        let mut model = self.shared.borrow_mut();
        let by = model.new_process(self.setting.named);
        let now = model.now;
        model.hosts[client].begin(by, now);
        model.network.lines[client] = Line::default();
        by
    }

    fn seed(&self, seed: u64) -> u64 {
        seed.wrapping_add(self.starts * 7_919)
    }

    fn new_agent(&self, client: usize, agent: &Agent) -> Process {
        let by = self.begin(client);
        self.shared.borrow_mut().read_file(client);
        let host = self.host(client);
        let settings = agent::AgentSettings {
            services: host.services(),
            descriptors: 1,
            watchdog: self.setting.watched.then_some(ms(WATCHDOG)),
            seed: self.seed(agent.seed),
        };
        let surroundings = agent::AgentSurroundings::<Sim> {
            dial: self.dial(client, by),
            source: host.clone(),
            between: SimTimer,
            renewal: SimTimer,
            manager: host.clone(),
            signals: host,
            asks: self.shared.borrow_mut().hosts[client].asking.begin(),
        };
        let shared = self.shared.clone();
        let life = async move {
            let ended = agent::drive(settings, surroundings).await;
            shared.borrow_mut().agent_ended(client, by, &ended);
        };
        Process::new(life, &self.root)
    }

    fn new_proxy(&self, client: usize) -> Process {
        let by = self.begin(client);
        let kinds = self.setting.kinds();
        let child = kinds.child.then(|| SuperviseConfig {
            command: vec!["nginx".to_owned()],
            stop_signal: STOP,
            reload_signal: Some(RELOAD),
            kill_timeout: ms(KILL_TIMEOUT),
        });
        let settings = proxy::ProxySettings {
            interval: self.setting.interval.map(ms),
            debounce: DEBOUNCE,
            options: Options::default(),
            child,
            kill_timeout: ms(KILL_TIMEOUT),
            watchdog: self.setting.watched.then_some(ms(WATCHDOG)),
            seed: self.seed(self.setting.proxy.map_or(0, |(_, seed)| seed)),
        };
        let host = self.host(client);
        let surroundings = proxy::ProxySurroundings::<Sim> {
            dial: self.dial(client, by),
            files: host.clone(),
            child: host.clone(),
            manager: host.clone(),
            signals: host,
            asks: self.shared.borrow_mut().hosts[client].asking.begin(),
        };
        let shared = self.shared.clone();
        let life = async move {
            let ended = proxy::drive(settings, surroundings).await;
            shared.borrow_mut().proxy_ended(client, by, &ended);
        };
        Process::new(life, &self.root)
    }

    pub fn kill(&mut self, client: usize) {
        if let Some(process) = self.processes[client].take() {
            drop(process);
            self.is_gone(client);
        }
    }

    fn is_gone(&mut self, client: usize) {
        let is_proxy = client == self.proxy();
        let mut model = self.shared.borrow_mut();
        model.flags[client] = None;
        if let Some(by) = model.hosts[client].process() {
            model.unwanted(by);
        }
        if is_proxy {
            model.disk.process_is_gone();
        }
    }

    pub fn freeze(&mut self, client: usize, until: Time) {
        if let Some(process) = &mut self.processes[client] {
            process.frozen_until = until;
            let mut model = self.shared.borrow_mut();
            let host = &mut model.hosts[client];
            host.ran_again_at = host.ran_again_at.max(until);
        }
    }

    pub fn signal(&mut self, client: usize, number: u8) {
        if self.processes[client].is_none() {
            return;
        }
        let proxy = self.proxy();
        let mut model = self.shared.borrow_mut();
        let now = model.now;
        let host = &mut model.hosts[client];
        host.signal(number);
        // A child that is killed gets no other signal.
        let is_killed = host.hurried.is_some();
        if Signal::from_named_raw(number.into()) == Some(USER)
            && model.disk.child_runs
            && !is_killed
        {
            model.disk.unpassed_since.get_or_insert(now);
        }
        let host = &mut model.hosts[client];
        if number == 1 && client < proxy {
            host.to_reload.get_or_insert(now);
        }
        if number == 15 {
            match host.stopping {
                None => host.stopping = Some(now),
                Some(_) => _ = host.hurried.get_or_insert(now),
            }
            if let Some(by) = host.process() {
                model.unwanted(by);
            }
        }
        model.wake(client);
    }

    /// Lets time pass. False once a promise was broken.
    pub async fn pass(&mut self, time: Time) -> bool {
        let end = self.shared.borrow().now + time;
        poll_fn(|cx| self.poll_pass(end, cx)).await
    }

    /// One round: all that is due now. The runtime lets time pass when there is nothing more.
    fn poll_pass(&mut self, end: Time, cx: &mut Context<'_>) -> Poll<bool> {
        let busy = self.round();
        if self.is_over() {
            return Poll::Ready(false);
        }
        if busy {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let now = self.shared.borrow().now;
        if now >= end {
            return Poll::Ready(true);
        }
        let next = self.next().max(now + 1).min(end);
        let deadline = self.shared.borrow().clock.at(next);
        if self.alarm.deadline() != deadline {
            self.alarm.as_mut().reset(deadline);
        }
        if self.alarm.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    pub fn is_over(&self) -> bool {
        let mut model = self.shared.borrow_mut();
        if model.events > MOST_EVENTS {
            model.fail(|| "something does not come to rest".to_owned());
        }
        model.violation.is_some() || model.indistinguishable
    }

    fn next(&self) -> Time {
        let model = self.shared.borrow();
        let frozen = self.processes.iter().flatten();
        let frozen = frozen
            .map(|process| process.frozen_until)
            .filter(|until| *until > model.now);
        let child = model.disk.child_ends_at.filter(|at| *at > model.now);
        let network = model.next_of_network();
        let times = frozen.chain(child).chain([model.etcd.next(), network]);
        times.min().unwrap_or(NEVER)
    }

    /// Whether anything happened.
    fn round(&mut self) -> bool {
        let revision = {
            let mut model = self.shared.borrow_mut();
            model.now = model.clock.now();
            let now = model.now;
            let before = model.etcd.history.revision;
            model.step_network();
            model.etcd.expire(now);
            if model.disk.child_ends_at.is_some_and(|at| at <= now) {
                model.wake(self.setting.agents.len());
            }
            if model.etcd.history.revision != before {
                model.note_changes(before + 1);
                model.wake_watchers();
            }
            model.note_fairness();
            model.etcd.history.revision
        };
        let mut busy = false;
        for client in 0..self.processes.len() {
            busy |= self.poll(client);
        }
        if busy || self.shared.borrow().etcd.history.revision != revision {
            self.note_free_keys();
        }
        if !busy {
            // Once for each moment, as time goes on.
            self.check_always();
            self.check_fairness();
        }
        busy
    }

    fn poll(&mut self, client: usize) -> bool {
        let Some(process) = &mut self.processes[client] else {
            return false;
        };
        let now = self.shared.borrow().now;
        if process.frozen_until <= now {
            self.shared.borrow_mut().ask_next(client);
        }
        let polled = process.poll(now);
        if polled == Polled::Not {
            return false;
        }
        self.shared.borrow_mut().check_told_out(client);
        for line in log::taken() {
            let line = || format!("    {client}: {line}");
            self.shared.borrow_mut().trace(line);
        }
        if polled == Polled::Restless {
            let fail = || format!("client {client} does not come to rest");
            self.shared.borrow_mut().fail(fail);
            return false;
        }
        if polled == Polled::Ended || self.shared.borrow().hosts[client].killed {
            self.turned_away[client] = polled == Polled::Ended && {
                let model = self.shared.borrow();
                let by = model.hosts[client].process();
                by.is_some_and(|by| model.processes[by].turned_away)
            };
            self.kill(client);
        }
        true
    }

    pub fn note_free_keys(&mut self) {
        let model = self.shared.borrow();
        for (kv, since) in model.etcd.keys.iter().zip(&mut self.free_since) {
            match kv {
                Some(kv) if kv.lease != 0 => *since = None,
                Some(_) | None => _ = since.get_or_insert(model.now),
            }
        }
    }

    /// The process of the agent that should have the key there.
    pub fn wants(&self, client: usize, key: usize) -> Option<usize> {
        self.processes[client].as_ref()?;
        let model = self.shared.borrow();
        let host = &model.hosts[client];
        let by = host.process()?;
        let tenure = &model.processes[by].tenures[key];
        let service = tenure.service?;
        let wants = tenure.verdict == Some(Verdict::Up)
            && !tenure.is_drained()
            && host.stopping.is_none()
            && host.backend(service) == Met::Up;
        wants.then_some(by)
    }
}

impl Model {
    fn agent_ended(&mut self, client: usize, by: usize, ended: &Result<Exit, EtcdError>) {
        self.trace(|| format!("agent {client} ends: {ended:?}"));
        let told = self.hosts[client].stopping.is_some();
        let told_at = self.hosts[client].stopping.unwrap_or(NEVER);
        let announced = self.processes[by]
            .tenures
            .iter()
            .any(|tenure| tenure.announced);
        let told_again = self.hosts[client].hurried.is_some();
        match ended {
            Ok(Exit::Done) if told => self.check_nothing_left(by),
            Ok(Exit::Store) if told && told_at < self.healed_at.saturating_add(SETTLED) => {}
            Ok(Exit::Signal(_)) if told_again => {}
            // Only who has never got anywhere may end because etcd refuses it.
            Err(error) if error.is_refusal() && self.processes[by].refused && !announced => {
                self.processes[by].turned_away = true;
            }
            ended => {
                let ended = format!("{ended:?}");
                self.fail(|| format!("an agent ended by itself: {ended}"));
            }
        }
    }

    fn proxy_ended(&mut self, client: usize, by: usize, ended: &Result<Exit, RunError>) {
        self.trace(|| format!("the proxy side ends: {ended:?}"));
        if self.disk.child_runs {
            self.fail(|| "the child outlives the proxy side".to_owned());
        }
        let told = self.hosts[client].stopping.is_some();
        let told_again = self.hosts[client].hurried.is_some();
        match ended {
            Ok(Exit::Done) if told => {}
            Ok(Exit::Signal(_)) if told_again => {}
            Ok(Exit::Child(_)) => {}
            Err(_) if self.processes[by].refused && !self.hosts[client].said_ready => {
                self.processes[by].turned_away = true;
            }
            ended => {
                let ended = format!("{ended:?}");
                self.fail(|| format!("the proxy side ended by itself: {ended}"));
            }
        }
    }
}

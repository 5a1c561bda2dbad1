//! A client's host: what its process is given of the world, but for the network and the files.

use std::collections::VecDeque;
use std::task::Poll;
use std::time::Instant;

use register::agent::service::ServiceSettings;
use register::config::Announcement;
use register::deadline::sleep_until_some;
use register::health::{Cadence, Thresholds};
use register::probe::attempt::{Attempt, Failure};
use register::world::{Backend, Manager, Signals, Source, Timer};

use crate::asking::Asking;
use crate::clock::{Time, ms};
use crate::keys::{self, KEYS};
use crate::model::{Model, Shared};
use crate::schedule::{Agent, Edit, Reading, Service};
use crate::tenure::Tenure;

/// Probing: seldom, so that schedules are short.
const INTERVAL: Time = 3_000;
const FAST_INTERVAL: Time = 1_000;
const FALL: u32 = 2;
/// How often the service manager is told that the loop turns.
pub const WATCHDOG: Time = 4_000;

pub const THRESHOLDS: Thresholds = Thresholds {
    rise: 1,
    fall: FALL,
};
pub const CADENCE: Cadence = Cadence {
    interval: ms(INTERVAL),
    fast_interval: ms(FAST_INTERVAL),
};
/// The longest from a backend's turn to the verdict.
pub const NOTICED: Time = INTERVAL + FAST_INTERVAL * (FALL as Time) + 1_000;

/// By how many checks a backend may be probed.
pub const CHECKS: usize = 2;

/// What a probe meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    Up,
    Down,
    /// The host itself cannot probe.
    Unknown,
}

pub struct Host {
    /// By key and check.
    pub backends: [[Met; CHECKS]; KEYS],
    /// An agent's services, as they stand in its file.
    pub file: Vec<Service>,
    /// How it is found when it is read.
    pub reading: Reading,
    /// The file can be read again.
    lasting: bool,
    drain: Time,
    stop_timeout: Time,
    /// Since when it is told to read it again, and does not begin.
    pub to_reload: Option<Time>,
    /// When what it is at reading is read.
    pub read_by: Option<Time>,
    /// It said that it reloads, and not yet that it is ready again.
    pub said_reloading: bool,
    /// Its processes, the last of which may run.
    pub processes: Vec<usize>,
    signals: VecDeque<u8>,
    /// The service manager takes nothing.
    pub deaf: bool,
    /// What the manager last took.
    pub status: String,
    pub ready: bool,
    /// What it was last told, whether it took it or not.
    pub said: String,
    pub said_ready: bool,
    pub said_stopping: bool,
    /// When the loop last showed that it turns.
    pub turned_at: Time,
    /// A pass over the files comes to its process's end.
    pub killed: bool,
    pub asking: Asking,
    /// When it was told to stop.
    pub stopping: Option<Time>,
    /// When it was told so again.
    pub hurried: Option<Time>,
    /// When it last began to run again.
    pub ran_again_at: Time,
}

impl Host {
    /// None: the proxy side's.
    pub fn new(agent: Option<&Agent>) -> Self {
        let seed = agent.map_or(0, |agent| agent.seed);
        let backend = |key: usize| {
            if seed >> key & 1 == 0 {
                Met::Up
            } else {
                Met::Down
            }
        };
        Self {
            backends: std::array::from_fn(|key| [backend(key); CHECKS]),
            file: agent.map_or_else(Vec::new, |agent| agent.services.clone()),
            reading: Reading::Works,
            lasting: agent.is_some_and(|agent| agent.lasting),
            drain: agent.map_or(0, |agent| agent.drain),
            stop_timeout: agent.map_or(0, |agent| agent.stop_timeout),
            to_reload: None,
            read_by: None,
            said_reloading: false,
            processes: Vec::new(),
            signals: VecDeque::new(),
            deaf: false,
            status: String::new(),
            ready: false,
            said: String::new(),
            said_ready: false,
            said_stopping: false,
            turned_at: 0,
            killed: false,
            asking: Asking::default(),
            stopping: None,
            hurried: None,
            ran_again_at: 0,
        }
    }

    /// A process of it begins.
    pub fn begin(&mut self, by: usize, now: Time) {
        self.processes.push(by);
        self.signals.clear();
        self.status.clear();
        self.said.clear();
        self.ready = false;
        self.said_ready = false;
        self.said_stopping = false;
        self.turned_at = now;
        self.to_reload = None;
        self.read_by = None;
        self.said_reloading = false;
        self.killed = false;
        self.stopping = None;
        self.hurried = None;
        self.ran_again_at = now;
    }

    /// The process that runs, or ran last.
    pub fn process(&self) -> Option<usize> {
        self.processes.last().copied()
    }

    /// What the backend of a service meets its probes with.
    pub fn backend(&self, service: Service) -> Met {
        self.backends[service.key][service.check]
    }

    /// What it is told meanwhile it does from now on.
    fn end_reading(&mut self, now: Time) {
        self.read_by = None;
        self.to_reload = self.to_reload.map(|_| now);
    }

    /// Changes the file.
    pub fn edit(&mut self, key: usize, edit: Edit) {
        let at = self.file.iter().position(|service| service.key == key);
        match (edit, at) {
            (Edit::Put(service), Some(at)) => self.file[at] = service,
            (Edit::Put(service), None) => self.file.push(service),
            // A file names a service.
            (Edit::Remove, Some(at)) if self.file.len() > 1 => _ = self.file.remove(at),
            (Edit::Value(value), Some(at)) => self.file[at].value = value,
            (Edit::Ttl(ttl), Some(at)) => self.file[at].ttl = ttl,
            (Edit::Check(check), Some(at)) => self.file[at].check = check,
            (Edit::Drained(drained), Some(at)) => self.file[at].drained = drained,
            (Edit::Remove, Some(_)) | (_, None) => {}
        }
    }

    pub fn signal(&mut self, number: u8) {
        self.signals.push_back(number);
    }
}

impl Model {
    fn probe(&mut self, backend: &SimBackend) -> Attempt {
        self.events += 1;
        let SimBackend { client, key, .. } = *backend;
        let host = &self.hosts[client];
        let by = host.process().expect("who probes runs");
        let met = host.backends[key][backend.check];
        let (now, stopping) = (self.now, host.stopping.is_some());
        let tenure = &mut self.processes[by].tenures[key];
        // One that is being withdrawn is probed to its end.
        let counts = tenure.service.is_some() && tenure.number == backend.number && !stopping;
        let turned = counts.then(|| tenure.judge(met, now)).flatten();
        if let Some(verdict) = turned {
            self.trace(|| format!("verdict of {client} on key {key}: {verdict:?}"));
        }
        Attempt {
            result: match met {
                Met::Up => Ok("200".to_owned()),
                Met::Down => Err(Failure::Status(503)),
                Met::Unknown => Err(Failure::OwnHost("no descriptors".to_owned())),
            },
            took: ms(1),
        }
    }

    /// The client's process has read its file, and goes by that.
    pub fn read_file(&mut self, client: usize) {
        let now = self.now;
        let host = &mut self.hosts[client];
        host.end_reading(now);
        let by = host.process().expect("who reads runs");
        for key in 0..KEYS {
            let service = host.file.iter().find(|service| service.key == key);
            let tenure = &mut self.processes[by].tenures[key];
            if service.is_some() || tenure.service.is_some() {
                tenure.read(service.copied(), now);
            }
        }
        self.trace(|| format!("{client} has read its file"));
    }

    /// Whether a service that an agent has read of has no verdict yet.
    fn is_ready_too_early(&self, client: usize) -> bool {
        let host = &self.hosts[client];
        let by = host.process().expect("who is ready runs");
        let mut tenures = self.processes[by].tenures.iter();
        !host.said_ready && tenures.any(Tenure::awaits_its_verdict)
    }

    fn notify_manager(&mut self, client: usize, text: &str) -> bool {
        let now = self.now;
        if text.lines().any(|line| line == "READY=1") && self.is_ready_too_early(client) {
            self.fail(|| format!("client {client} is ready before all its services are"));
        }
        let host = &mut self.hosts[client];
        for line in text.lines() {
            match line.split_once('=') {
                Some(("WATCHDOG", _)) => host.turned_at = now,
                Some(("STATUS", status)) => {
                    status.clone_into(&mut host.said);
                    if !host.deaf {
                        status.clone_into(&mut host.status);
                    }
                }
                Some(("STOPPING", _)) => host.said_stopping = true,
                Some(("RELOADING", _)) => host.said_reloading = true,
                Some(("READY", _)) => {
                    host.said_reloading = false;
                    host.said_ready = true;
                    host.ready |= !host.deaf;
                }
                _ => {}
            }
        }
        let taken = !host.deaf;
        if !text.starts_with("WATCHDOG") {
            self.trace(|| format!("{client} says {text:?}, taken: {taken}"));
        }
        taken
    }
}

/// What a client's process is given of its host.
#[derive(Clone)]
pub struct SimHost {
    pub shared: Shared,
    pub client: usize,
}

impl SimHost {
    /// The services as the process last read them.
    pub fn services(&self) -> Vec<ServiceSettings<SimBackend>> {
        let model = self.shared.borrow();
        let host = &model.hosts[self.client];
        let by = host.process().expect("who reads runs");
        let services = host.file.iter().map(|service| ServiceSettings {
            name: keys::text(service.key).to_owned(),
            backend: SimBackend {
                shared: self.shared.clone(),
                client: self.client,
                key: service.key,
                check: service.check,
                number: model.processes[by].tenures[service.key].number,
            },
            announcement: announcement(*service),
            thresholds: THRESHOLDS,
            cadence: CADENCE,
            start_grace: ms(0),
            ttl: ms(service.ttl),
            drain: ms(host.drain),
            stop_timeout: ms(host.stop_timeout),
            drained: service.drained,
        });
        services.collect()
    }

    fn begin_to_read(&self) -> Reading {
        let mut model = self.shared.borrow_mut();
        model.events += 1;
        let now = model.now;
        let host = &mut model.hosts[self.client];
        host.to_reload = None;
        host.read_by = Some(match host.reading {
            Reading::Hangs(time) => now + time,
            Reading::Works | Reading::Fails => now,
        });
        host.reading
    }
}

fn announcement(service: Service) -> Announcement {
    let value = char::from(service.value);
    Announcement {
        key: keys::text(service.key).to_owned(),
        value: value.to_string(),
        // A value that is a digit is a port.
        port: value.to_digit(10).map_or(80, |port| port as u16),
    }
}

impl Source<SimBackend> for SimHost {
    fn is_lasting(&self) -> bool {
        self.shared.borrow().hosts[self.client].lasting
    }

    async fn read(&self) -> Result<Vec<ServiceSettings<SimBackend>>, String> {
        match self.begin_to_read() {
            Reading::Works => {}
            Reading::Hangs(time) => tokio::time::sleep(ms(time)).await,
            Reading::Fails => {
                let mut model = self.shared.borrow_mut();
                let now = model.now;
                model.hosts[self.client].end_reading(now);
                return Err("no such field".to_owned());
            }
        }
        self.shared.borrow_mut().read_file(self.client);
        Ok(self.services())
    }

    async fn suit_the_installed(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What a service is probed by.
#[derive(Clone)]
pub struct SimBackend {
    shared: Shared,
    client: usize,
    key: usize,
    check: usize,
    /// Of the tenure that it was read for.
    number: u32,
}

impl PartialEq for SimBackend {
    fn eq(&self, other: &Self) -> bool {
        (self.client, self.key, self.check) == (other.client, other.key, other.check)
    }
}

impl Backend for SimBackend {
    fn descriptors(&self) -> usize {
        1
    }

    async fn attempt(&self) -> Attempt {
        tokio::time::sleep(ms(1)).await;
        self.shared.borrow_mut().probe(self)
    }
}

pub struct SimTimer;

impl Timer for SimTimer {
    async fn until(&self, deadline: Option<Instant>) {
        sleep_until_some(deadline).await;
    }
}

impl Manager for SimHost {
    fn tell(&self, text: &str) -> bool {
        self.shared.borrow_mut().notify_manager(self.client, text)
    }
}

impl Signals for SimHost {
    async fn next(&mut self) -> u8 {
        std::future::poll_fn(|_| {
            let mut model = self.shared.borrow_mut();
            match model.hosts[self.client].signals.pop_front() {
                Some(number) => {
                    model.events += 1;
                    Poll::Ready(number)
                }
                None => Poll::Pending,
            }
        })
        .await
    }
}

//! A client's host: what its process is given of the world, but for the network and the files.

use std::collections::VecDeque;
use std::task::Poll;
use std::time::Instant;

use register::agent::service::ServiceSettings;
use register::deadline::{now, sleep_until_some};
use register::health::{Cadence, Covered, Excuse, Health, Thresholds, Verdict};
use register::probe::attempt::{Attempt, Failure};
use register::world::{Backend, Manager, Signals, Source, Timer};

use crate::clock::{Time, ms};
use crate::model::{Model, Shared};

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

/// What a probe meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    Up,
    Down,
    /// The host itself cannot probe.
    Unknown,
}

pub struct Host {
    pub backend: Met,
    /// That an agent would write.
    pub value: u8,
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
    /// The verdict that the results so far amount to.
    health: Health,
    excuse: Excuse,
    pub verdict: Option<Verdict>,
    /// A pass over the files comes to its process's end.
    pub killed: bool,
    /// When it was told to stop.
    pub stopping: Option<Time>,
    /// When it was told so again.
    pub hurried: Option<Time>,
    /// When it last began to run again.
    pub ran_again_at: Time,
}

impl Host {
    pub fn new(is_up: bool) -> Self {
        Self {
            backend: if is_up { Met::Up } else { Met::Down },
            value: 0,
            processes: Vec::new(),
            signals: VecDeque::new(),
            deaf: false,
            status: String::new(),
            ready: false,
            said: String::new(),
            said_ready: false,
            said_stopping: false,
            turned_at: 0,
            health: Health::new(THRESHOLDS),
            excuse: Excuse::new(CADENCE.interval),
            verdict: None,
            killed: false,
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
        self.health = Health::new(THRESHOLDS);
        self.excuse = Excuse::new(CADENCE.interval);
        self.verdict = None;
        self.killed = false;
        self.stopping = None;
        self.hurried = None;
        self.ran_again_at = now;
    }

    /// The process that runs, or ran last.
    pub fn process(&self) -> Option<usize> {
        self.processes.last().copied()
    }

    /// What a result amounts to.
    fn judge(&mut self, result: Met) -> Option<Verdict> {
        if result == Met::Unknown && self.excuse.covers(now()) != Covered::NoLonger {
            return None;
        }
        if result != Met::Unknown {
            self.excuse.ends();
        }
        let turned = self.health.observe(result == Met::Up);
        self.verdict = turned.or(self.verdict);
        turned
    }

    pub fn signal(&mut self, number: u8) {
        self.signals.push_back(number);
    }
}

impl Model {
    fn probe(&mut self, client: usize) -> Attempt {
        self.events += 1;
        let host = &mut self.hosts[client];
        let by = host.process().expect("who probes runs");
        let met = host.backend;
        let turned = host.judge(met);
        match turned {
            Some(Verdict::Up) if host.stopping.is_none() => self.wanted(by),
            Some(Verdict::Down) => self.unwanted(by),
            Some(Verdict::Up) | None => {}
        }
        if let Some(verdict) = turned {
            self.trace(|| format!("verdict of {client}: {verdict:?}"));
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

    fn notify_manager(&mut self, client: usize, text: &str) -> bool {
        let now = self.now;
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
                Some(("READY", _)) => {
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

impl PartialEq for SimHost {
    fn eq(&self, other: &Self) -> bool {
        self.client == other.client
    }
}

impl Source<Self> for SimHost {
    fn is_lasting(&self) -> bool {
        false
    }

    async fn read(&self) -> Result<Vec<ServiceSettings<Self>>, String> {
        unreachable!("what is not lasting is not read again")
    }

    async fn suit_the_installed(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Backend for SimHost {
    fn descriptors(&self) -> usize {
        1
    }

    async fn attempt(&self) -> Attempt {
        tokio::time::sleep(ms(1)).await;
        self.shared.borrow_mut().probe(self.client)
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

//! An agent: the loop of `src/agent.rs` around the product's `Health` and `Registration`.

use register::health::{self, Cadence, Health, Thresholds, Verdict};
use register::registration::{Action, Event, Outcome, Registration, Status};

use crate::clock::{NEVER, Time, millis, ms};
use crate::etcd::Asked;
use crate::session::{Request, Session};
use crate::world::{Process, Shared};

/// Probing: seldom, so that schedules are short.
const INTERVAL: Time = 3_000;
const FAST_INTERVAL: Time = 1_000;
pub const FALL: u32 = 2;
/// After its TTL a lease is given up, at the latest when a renewal and an attempt to connect have
/// run out of time.
const GIVEN_UP: Time = 8_000;
/// More events at one instant are a loop.
const MOST_AT_ONCE: u32 = 1_000;
/// The longest from a backend's turn to the verdict.
pub const NOTICED: Time = INTERVAL + FAST_INTERVAL * (FALL as Time) + 1_000;

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub key: usize,
    pub value: u8,
    pub ttl: Time,
    pub drain: Time,
    pub stop_timeout: Time,
    pub seed: u64,
}

/// A host with a backend and, when it runs, an agent.
pub struct Agent {
    settings: Settings,
    pub backend_is_up: bool,
    pub running: Option<Running>,
    starts: u64,
}

pub struct Running {
    /// The number of the process.
    pub by: usize,
    pub session: Session,
    health: Health,
    pub verdict: Option<Verdict>,
    registration: Registration,
    /// A request is under way.
    asked: bool,
    probes_at: Time,
    rng: fastrand::Rng,
    /// When it was told to stop.
    stopping: Option<Time>,
    /// Until then nothing of it runs.
    frozen_until: Time,
    /// Until then its loop does not come round, but its session does.
    lags_until: Time,
    /// When the last of these ended, or will.
    ran_again_at: Time,
}

impl Agent {
    pub fn new(settings: Settings, backend_is_up: bool) -> Self {
        Self {
            settings,
            backend_is_up,
            running: None,
            starts: 0,
        }
    }

    pub fn key(&self) -> usize {
        self.settings.key
    }

    pub fn start(&mut self, shared: &mut Shared) {
        if self.running.is_some() {
            return;
        }
        self.starts += 1;
        let Settings { seed, .. } = self.settings;
        let seed = seed.wrapping_add(self.starts * 7_919);
        let by = shared.processes.len();
        shared.processes.push(Process {
            announced: false,
            unwanted_since: Some(shared.now),
            wanted_since: NEVER,
            ttl: self.settings.ttl,
            overtaken: false,
        });
        let asked = Asked {
            key: self.settings.key,
            value: self.settings.value,
            ttl: self.settings.ttl,
            sent_at: 0,
        };
        let Settings {
            drain,
            stop_timeout,
            ..
        } = self.settings;
        self.running = Some(Running {
            by,
            session: Session::new(by, asked, seed, shared),
            health: Health::new(Thresholds {
                rise: 1,
                fall: FALL,
            }),
            verdict: None,
            registration: Registration::new(ms(drain), ms(stop_timeout), seed),
            asked: false,
            probes_at: shared.now + 1,
            rng: fastrand::Rng::with_seed(seed),
            stopping: None,
            frozen_until: 0,
            lags_until: 0,
            ran_again_at: 0,
        });
    }

    pub fn kill(&mut self, shared: &mut Shared) {
        if let Some(running) = self.running.take() {
            shared.unwanted(running.by);
            running.session.killed(shared);
        }
    }

    pub fn stop(&mut self, shared: &mut Shared) {
        if let Some(running) = &mut self.running
            && running.stopping.is_none()
        {
            running.stopping = Some(shared.now);
            running.probes_at = NEVER;
            shared.unwanted(running.by);
            let exit = running.tell(Event::Shutdown, shared);
            self.end(exit, shared);
        }
    }

    pub fn freeze(&mut self, until: Time) {
        if let Some(running) = &mut self.running {
            running.frozen_until = until;
            running.ran_again_at = running.ran_again_at.max(until);
        }
    }

    pub fn lag(&mut self, until: Time) {
        if let Some(running) = &mut self.running {
            running.lags_until = until;
            running.ran_again_at = running.ran_again_at.max(until);
        }
    }

    pub fn heal(&mut self, now: Time) {
        if let Some(running) = &mut self.running {
            running.ran_again_at = running.ran_again_at.min(now);
            running.frozen_until = 0;
            running.lags_until = 0;
            running.session.line.heal();
        }
    }

    pub fn next(&self, shared: &Shared) -> Time {
        let Some(running) = &self.running else {
            return NEVER;
        };
        if running.frozen_until > shared.now {
            return running.frozen_until.min(running.session.arrives_at());
        }
        let session = running.session.next(shared);
        let deadline = shared.clock.time_of_some(running.registration.deadline());
        let own = running.probes_at.min(deadline);
        session.min(own.max(running.lags_until))
    }

    pub fn step(&mut self, shared: &mut Shared) {
        let Some(running) = &mut self.running else {
            return;
        };
        running.session.arrive(shared);
        if running.frozen_until > shared.now {
            return;
        }
        let mut events = 0;
        loop {
            events += 1;
            if events > MOST_AT_ONCE {
                return shared.fail(|| "an agent does not come to rest".to_owned());
            }
            running.session.step(shared);
            if running.lags_until > shared.now {
                return;
            }
            let event = if let Some(event) = running.session.news.pop_front() {
                event
            } else if running.probes_at <= shared.now {
                match running.probe(self.backend_is_up, shared) {
                    Some(verdict) => Event::Verdict(verdict),
                    None => continue,
                }
            } else if running.is_due(shared) {
                Event::DeadlineReached
            } else {
                break;
            };
            let exit = running.tell(event, shared);
            if exit.is_some() {
                return self.end(exit, shared);
            }
        }
        let confirmed = running.session.confirmed_at.max(running.ran_again_at);
        if running.registration.status() == Status::Registered
            && shared.now > confirmed + self.settings.ttl + GIVEN_UP
        {
            shared.fail(|| "says that it is registered, but the lease has run out".to_owned());
        }
        if let Some(told) = running.stopping
            && shared.now
                > told.max(running.ran_again_at)
                    + self.settings.stop_timeout
                    + self.settings.drain
                    + 1
        {
            shared.fail(|| "shutdown takes too long".to_owned());
        }
    }

    fn end(&mut self, exit: Option<Outcome>, shared: &mut Shared) {
        let Some(outcome) = exit else { return };
        let now = shared.now;
        shared
            .trace
            .line(now, || format!("agent ends: {outcome:?}"));
        if let Some(running) = self.running.take() {
            if running.stopping.is_none() {
                shared.fail(|| "exited without being told".to_owned());
            }
            if outcome == Outcome::Clean {
                shared.check_nothing_left(running.by, self.settings.key);
            }
            running.session.killed(shared);
        }
    }
}

impl Running {
    /// Whether its key should be there.
    pub fn wants(&self) -> bool {
        self.verdict == Some(Verdict::Up) && self.stopping.is_none()
    }

    fn is_due(&self, shared: &Shared) -> bool {
        let deadline = self.registration.deadline();
        deadline.is_some_and(|deadline| deadline <= shared.clock.at(shared.now))
    }

    fn probe(&mut self, passes: bool, shared: &mut Shared) -> Option<Verdict> {
        let turned = self.health.observe(passes);
        let cadence = Cadence {
            interval: ms(INTERVAL),
            fast_interval: ms(FAST_INTERVAL),
        };
        let wait = health::jittered(self.health.wait(cadence), self.rng.f64());
        self.probes_at = shared.now + millis(wait).max(1);
        if let Some(verdict) = turned {
            self.verdict = turned;
            match verdict {
                Verdict::Up => shared.wanted(self.by),
                Verdict::Down => shared.unwanted(self.by),
            }
        }
        turned
    }

    fn tell(&mut self, event: Event, shared: &mut Shared) -> Option<Outcome> {
        let now = shared.now;
        match event {
            Event::Announced { .. } => {
                shared.processes[self.by].announced = true;
                self.asked = false;
            }
            Event::Occupied { .. } | Event::Withdrawn | Event::TurnedDown | Event::Failed => {
                self.asked = false;
            }
            Event::Verdict(_)
            | Event::Connected
            | Event::LeaseLost { .. }
            | Event::Read { .. }
            | Event::Changed { .. }
            | Event::DeadlineReached
            | Event::Shutdown => {}
        }
        let by = self.by;
        shared.trace.line(now, || format!("agent {by}: {event:?}"));
        let mut exit = None;
        for action in self.registration.on(event, shared.clock.at(now)) {
            shared
                .trace
                .line(now, || format!("agent {by}:   → {action:?}"));
            match action {
                Action::Announce { take_over } => {
                    if !self.wants() {
                        shared.fail(|| "announced while unhealthy or stopping".to_owned());
                    }
                    self.ask(Request::Announce { take_over }, shared);
                }
                Action::Withdraw(claim) => self.ask(Request::Withdraw(claim), shared),
                Action::Ready => {}
                Action::Exit(outcome) => exit = Some(outcome),
            }
        }
        exit
    }

    fn ask(&mut self, request: Request, shared: &mut Shared) {
        if self.asked || self.session.mailbox.is_some() {
            shared.fail(|| "two requests at once".to_owned());
        }
        self.asked = true;
        self.session.mailbox = Some(request);
    }
}

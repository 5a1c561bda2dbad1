//! Drives one registration: probes, signals and news from etcd go in as events, and what the
//! registration decides is carried out.
//!
//! One loop owns all of it. The session with etcd and the probe are futures beside the loop's:
//! dropping them ends what they are at.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod once;

use std::pin::{Pin, pin};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::{info, warn};

use crate::config::{AgentConfig, KEY_OF_ITS_OWN, Target};
use crate::deadline::{now, sleep_until_some};
use crate::etcd::error::EtcdError;
use crate::etcd::session::{News, Session};
use crate::etcd::wire::WireDial;
use crate::exit::{Exit, RunError};
use crate::health::{self, Cadence, Covered, Excuse, Health, Thresholds, Verdict};
use crate::host::{self, ThisHost};
use crate::os::alarm::Alarm;
use crate::os::notify::{self, Notifier, NotifySocket};
use crate::os::signal::Caught;
use crate::probe::attempt::Attempt;
use crate::registration::{Action, Event, Registration, Request, Status, Stopped};
use crate::wording;
use crate::world::{Backend, Signals, Timer, World};

/// Room for a few changes of the key; the session waits when it is full.
const NEWS_DEPTH: usize = 16;
/// The registration has one request under way at a time.
const REQUEST_DEPTH: usize = 1;

/// What an agent is to do.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    pub target: Target,
    pub thresholds: Thresholds,
    pub cadence: Cadence,
    /// Whole seconds.
    pub ttl: Duration,
    pub drain: Duration,
    pub stop_timeout: Duration,
    /// How often the service manager is told that the loop turns, if it wants to know.
    pub watchdog: Option<Duration>,
    /// For all that is random.
    pub seed: u64,
}

/// What an agent has to do with.
pub struct AgentSurroundings<W: World> {
    pub dial: W::Dial,
    pub backend: W::Backend,
    /// For the wait between probes.
    pub between: W::Timer,
    /// For the lease's renewal.
    pub renewal: W::Timer,
    pub manager: W::Manager,
    pub signals: W::Signals,
}

/// Runs until a signal stops it.
///
/// # Errors
/// When etcd refuses us at the start.
pub async fn run(config: AgentConfig, signals: Caught) -> Result<Exit, RunError> {
    let settings = AgentSettings {
        target: config.target,
        thresholds: config.thresholds,
        cadence: config.cadence,
        ttl: config.ttl,
        drain: config.drain,
        stop_timeout: config.stop_timeout,
        watchdog: notify::watchdog_period(),
        seed: host::seed(),
    };
    let surroundings = AgentSurroundings {
        dial: WireDial::new(config.etcd),
        backend: config.probe,
        between: Alarm::new()?,
        renewal: Alarm::new()?,
        manager: NotifySocket::from_env(),
        signals,
    };
    Ok(drive::<ThisHost>(settings, surroundings).await?)
}

/// An agent, in whatever surroundings.
///
/// # Errors
/// When etcd refuses us at the start.
pub async fn drive<W: World>(
    settings: AgentSettings,
    surroundings: AgentSurroundings<W>,
) -> Result<Exit, EtcdError> {
    let AgentSurroundings {
        dial,
        backend,
        between,
        renewal,
        manager,
        mut signals,
    } = surroundings;
    let AgentSettings { seed, ttl, .. } = settings;
    let (requests, requests_end) = mpsc::channel(REQUEST_DEPTH);
    let (news_end, news) = mpsc::channel(NEWS_DEPTH);
    let agent = Agent::<W>::new(&settings, manager, requests);
    let session = Session::<W>::new(dial, settings.target, ttl, renewal, news_end, seed);
    let session = pin!(session.run(requests_end));
    let waits = Waits {
        backend: &backend,
        between: &between,
    };
    agent.drive(waits, session, news, &mut signals).await
}

struct Agent<W: World> {
    health: Health,
    excuse: Excuse,
    cadence: Cadence,
    registration: Registration,
    requests: mpsc::Sender<Request>,
    key: String,
    notifier: Notifier<W::Manager>,
    /// Whether another instance on this host holds the key.
    neighbour: bool,
    stopping: bool,
    rng: Rng,
}

impl<W: World> Agent<W> {
    fn new(settings: &AgentSettings, manager: W::Manager, requests: mpsc::Sender<Request>) -> Self {
        let AgentSettings {
            drain,
            stop_timeout,
            seed,
            ..
        } = *settings;
        Self {
            health: Health::new(settings.thresholds),
            excuse: Excuse::new(settings.cadence.interval),
            cadence: settings.cadence,
            registration: Registration::new(drain, stop_timeout, seed),
            requests,
            key: settings.target.key.clone(),
            notifier: Notifier::new(manager, settings.watchdog),
            neighbour: false,
            stopping: false,
            rng: Rng::with_seed(seed),
        }
    }

    async fn drive(
        mut self,
        waits: Waits<'_, W>,
        mut session: Pin<&mut impl Future<Output = ()>>,
        mut news: mpsc::Receiver<News>,
        signals: &mut W::Signals,
    ) -> Result<Exit, EtcdError> {
        let mut attempt = waits.next_attempt(Duration::ZERO);
        loop {
            let deadline = self.registration.deadline();
            // A lost probe attempt is polled again in the next turn, and so is the session; `recv`
            // is cancel-safe and the rest are signals and timers.
            let event = tokio::select! {
                biased;
                signal = signals.next() => {
                    if self.stopping {
                        warn!("second signal: leaving at once");
                        return Ok(Exit::Signal(signal));
                    }
                    self.stopping = true;
                    attempt = Box::pin(std::future::pending());
                    info!("stopping");
                    self.notifier.stopping();
                    Event::Shutdown
                }
                () = self.notifier.tick() => continue,
                () = sleep_until_some(deadline) => Event::DeadlineReached,
                told = news.recv() => match told {
                    Some(News::Event(event)) => event,
                    Some(News::Neighbour(neighbour)) => {
                        self.neighbour = neighbour;
                        continue;
                    }
                    Some(News::Refused(error)) => return Err(error),
                    // The session ends before us only when it has told why.
                    None => return Ok(Exit::Store),
                },
                result = &mut attempt => {
                    let turned = self.observe(&result);
                    let wait = health::jittered(self.wait(), self.rng.f64());
                    attempt = waits.next_attempt(wait);
                    match turned {
                        Some(verdict) => Event::Verdict(verdict),
                        None => continue,
                    }
                }
                () = &mut session, if !news.is_closed() => continue,
            };
            if let Some(exit) = self.react(event) {
                return Ok(exit);
            }
        }
    }

    fn observe(&mut self, attempt: &Attempt) -> Option<Verdict> {
        tracing::debug!(took = ?attempt.took, result = %attempt.text(), "probed");
        if self.is_excused(attempt) {
            return None;
        }
        let turned = self.health.observe(attempt.result.is_ok());
        match turned {
            Some(Verdict::Up) => info!("backend is up: {}", attempt.text()),
            Some(Verdict::Down) => warn!("backend is down: {}", attempt.text()),
            None => {}
        }
        turned
    }

    /// Whether the attempt tells nothing of the backend.
    fn is_excused(&mut self, attempt: &Attempt) -> bool {
        let failure = attempt.result.as_ref().err();
        let Some(failure) = failure.filter(|failure| failure.is_own_hosts()) else {
            if self.excuse.ends() {
                info!("this host can probe again");
            }
            return false;
        };
        let covered = self.excuse.covers(now());
        if covered == Covered::ForTheFirstTime {
            let limit = wording::duration(self.excuse.limit());
            warn!(
                "this host cannot probe: {failure}; that is not held against the backend for {limit}"
            );
        }
        covered != Covered::NoLonger
    }

    fn wait(&self) -> Duration {
        if self.excuse.is_needed() {
            self.cadence.fast_interval.min(self.cadence.interval)
        } else {
            self.health.wait(self.cadence)
        }
    }

    fn react(&mut self, event: Event) -> Option<Exit> {
        let before = self.registration.status();
        for action in self.registration.on(event, now()) {
            match action {
                Action::Ask(request) => self.ask(request),
                Action::Ready => self.notifier.ready(),
                Action::Exit(Stopped::Clean) => return Some(Exit::Done),
                Action::Exit(Stopped::LeftToTtl) => {
                    warn!(
                        key = self.key,
                        "etcd could not be told in time: the key is left to its TTL"
                    );
                    return Some(Exit::Store);
                }
            }
        }
        let status = self.registration.status();
        if status != before {
            self.report(status);
        }
        None
    }

    fn ask(&self, request: Request) {
        // A session that has ended takes none, which shows as the end of its news.
        if let Err(TrySendError::Full(request)) = self.requests.try_send(request) {
            unreachable!("one request is under way at a time: {request:?} is a second");
        }
    }

    fn report(&mut self, status: Status) {
        let key = &self.key;
        match status {
            Status::Displaced if self.neighbour => warn!(
                key,
                "displaced by another registration, for another port of this host; standing by; {KEY_OF_ITS_OWN}"
            ),
            Status::Displaced => warn!(key, "displaced by another registration; standing by"),
            Status::Draining => info!(key, "draining"),
            Status::Starting
            | Status::Registered
            | Status::Unhealthy
            | Status::Pending
            | Status::Stopping => {}
        }
        self.notifier.status(match status {
            Status::Starting => "probing for the first time",
            Status::Registered => "registered",
            Status::Unhealthy => "backend is down; not registered",
            Status::Displaced => "displaced by another registration; standing by",
            Status::Pending => "waiting for etcd",
            Status::Stopping => "deregistering",
            Status::Draining => "deregistered; draining",
        });
    }
}

/// What the wait for the next probe needs.
struct Waits<'a, W: World> {
    backend: &'a W::Backend,
    between: &'a W::Timer,
}

impl<'a, W: World> Waits<'a, W> {
    fn next_attempt(&self, wait: Duration) -> Pin<Box<dyn Future<Output = Attempt> + 'a>> {
        let Self { backend, between } = *self;
        Box::pin(async move {
            between.until(Some(now() + wait)).await;
            backend.attempt().await
        })
    }
}

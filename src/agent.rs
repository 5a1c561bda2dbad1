//! Drives one service: probes, signals and news from etcd go in as events, and what its registration
//! decides is carried out.
//!
//! One loop owns all of it. The session with etcd and the probe are futures beside the loop's:
//! dropping them ends what they are at.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

pub mod once;
pub mod service;

use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::{info, warn};

use crate::config::AgentConfig;
use crate::deadline::{now, sleep_until_some};
use crate::etcd::error::EtcdError;
use crate::etcd::session::{News, Session};
use crate::etcd::wire::WireDial;
use crate::exit::{Exit, RunError};
use crate::host::{self, ThisHost};
use crate::os::alarm::Alarm;
use crate::os::notify::{self, Notifier, NotifySocket};
use crate::os::signal::Caught;
use crate::probe::attempt::Attempt;
use crate::registration::{Action, Event, Request, Status, Stopped};
use crate::world::{Backend, Signals, Timer, World};
use service::{Service, ServiceSettings};

/// Room for a few changes of the key; the session waits when it is full.
const NEWS_DEPTH: usize = 16;
/// The registration has one request under way at a time.
const REQUEST_DEPTH: usize = 1;

/// What an agent is to do.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    pub service: ServiceSettings,
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
        service: ServiceSettings {
            announcement: config.announcement,
            thresholds: config.thresholds,
            cadence: config.cadence,
            start_grace: config.start_grace,
            ttl: config.ttl,
            drain: config.drain,
            stop_timeout: config.stop_timeout,
        },
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
    let (requests, requests_end) = mpsc::channel(REQUEST_DEPTH);
    let (news_end, news) = mpsc::channel(NEWS_DEPTH);
    let agent = Agent::<W>::new(&settings, manager, requests);
    let ServiceSettings {
        announcement, ttl, ..
    } = settings.service;
    let session = Session::<W>::new(dial, announcement, ttl, renewal, news_end, settings.seed);
    let session = pin!(session.run(requests_end));
    let waits = Waits {
        backend: &backend,
        between: &between,
    };
    agent.drive(waits, session, news, &mut signals).await
}

struct Agent<W: World> {
    service: Service,
    requests: mpsc::Sender<Request>,
    notifier: Notifier<W::Manager>,
    stopping: bool,
}

impl<W: World> Agent<W> {
    fn new(settings: &AgentSettings, manager: W::Manager, requests: mpsc::Sender<Request>) -> Self {
        Self {
            service: Service::new(&settings.service, settings.seed),
            requests,
            notifier: Notifier::new(manager, settings.watchdog),
            stopping: false,
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
            let deadline = self.service.deadline();
            // A lost probe attempt is polled again in the next turn, and so is the session; `recv`
            // is cancel-safe and the rest are signals and timers.
            let event = tokio::select! {
                biased;
                signal = signals.next() => {
                    if self.stopping {
                        warn!(event = "second_signal", "second signal: leaving at once");
                        return Ok(Exit::Signal(signal));
                    }
                    self.stopping = true;
                    attempt = Box::pin(std::future::pending());
                    info!(event = "stopping", "stopping");
                    self.notifier.stopping();
                    Event::Shutdown
                }
                () = self.notifier.tick() => continue,
                () = sleep_until_some(deadline) => Event::DeadlineReached,
                told = news.recv() => match told {
                    Some(News::Event(event)) => event,
                    Some(News::Neighbour(neighbour)) => {
                        self.service.note_neighbour(neighbour);
                        continue;
                    }
                    Some(News::Refused(error)) => return Err(error),
                    // The session ends before us only when it has told why.
                    None => return Ok(Exit::Store),
                },
                result = &mut attempt => {
                    let turned = self.service.observe(&result);
                    attempt = waits.next_attempt(self.service.pause());
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

    fn react(&mut self, event: Event) -> Option<Exit> {
        let (actions, status) = self.service.on(event);
        for action in actions {
            match action {
                Action::Ask(request) => self.ask(request),
                Action::Ready => self.notifier.ready(),
                Action::Exit(stopped) => {
                    self.service.log_end(stopped);
                    return Some(exit_of(stopped));
                }
            }
        }
        if let Some(status) = status {
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
        self.service.log(status);
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

fn exit_of(stopped: Stopped) -> Exit {
    match stopped {
        Stopped::Clean => Exit::Done,
        Stopped::LeftToTtl => Exit::Store,
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

//! The agent: probes, signals and news from etcd go in as events of its services' registrations, and what
//! those decide is carried out.
//!
//! One loop owns all of it. The session with etcd and the probes are futures beside the loop's:
//! dropping them ends what they are at.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod addresses;
mod asked;
mod beside;
mod drains;
mod history;
pub mod located;
pub mod once;
mod placed;
mod prober;
mod reload;
mod relocate;
pub mod service;
mod services;
pub mod several;
pub mod source;
mod status;
#[cfg(test)]
mod tests;
mod upgrade;

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::config::AgentConfig;
use crate::deadline::{now, sleep_until_some};
use crate::etcd::error::EtcdError;
use crate::etcd::record::Record;
use crate::etcd::session::{News, Order, Session};
use crate::etcd::wire::WireDial;
use crate::exit::{Exit, RunError};
use crate::host::{self, ThisHost};
use crate::observe;
use crate::observe::ask::{self, Asks};
use crate::observe::histogram::Histogram;
use crate::os::alarm::Alarm;
use crate::os::notify::{self, Notifier, NotifySocket};
use crate::os::signal::{self, Caught};
use crate::probe::attempt::Attempt;
use crate::registration::{Action, Event, ServiceId, Status, Stopped};
use crate::world::{Signals, Source, World};
use asked::Waiting;
use beside::Beside;
use drains::Drains;
use prober::Prober;
use service::ServiceSettings;
use services::Services;
use source::HostSettings;
use status::Summary;

/// Room for a few changes of the keys; the session waits when it is full.
const NEWS_DEPTH: usize = 16;

/// First probes of many services are spread over one interval, and no more than this.
const LONGEST_SPREAD: Duration = Duration::from_secs(5);

/// The longest that leases are renewed before their keys are left to another process.
const LEAVING: Duration = Duration::from_secs(1);

/// What an agent is to do.
#[derive(Clone, Debug)]
pub struct AgentSettings<B> {
    pub services: Vec<ServiceSettings<B>>,
    /// How often the service manager is told that the loop turns, if it wants to know.
    pub watchdog: Option<Duration>,
    /// How many descriptors attempts may use at one time.
    pub descriptors: usize,
    /// For all that is random.
    pub seed: u64,
}

/// What an agent has to do with.
pub struct AgentSurroundings<W: World> {
    pub dial: W::Dial,
    /// Where the services are read from anew.
    pub source: W::Source,
    /// For the wait between probes.
    pub between: W::Timer,
    /// For the leases' renewal.
    pub renewal: W::Timer,
    pub manager: W::Manager,
    pub signals: W::Signals,
    /// From outside.
    pub asks: Asks,
}

/// Runs until a signal stops it.
///
/// # Errors
/// When etcd refuses us at the start.
pub async fn run(
    config: AgentConfig,
    source: HostSettings,
    signals: Caught,
) -> Result<Exit, RunError> {
    let doors = observe::open(&config.observe)?;
    let services = source.place(config.services, config.on_interfaces).await;
    let settings = AgentSettings {
        services,
        watchdog: notify::watchdog_period(),
        descriptors: host::descriptors(config.observe.descriptors()),
        seed: host::seed(),
    };
    let (asker, asks) = ask::channel();
    let surroundings = AgentSurroundings {
        dial: WireDial::new(config.etcd),
        source,
        between: Alarm::new()?,
        renewal: Alarm::new()?,
        manager: NotifySocket::from_env(),
        signals,
        asks,
    };
    let _serving = doors.serve(asker)?;
    Ok(drive::<ThisHost>(settings, surroundings).await?)
}

/// An agent, in whatever surroundings.
///
/// # Errors
/// When etcd refuses us at the start.
pub async fn drive<W: World>(
    settings: AgentSettings<W::Backend>,
    surroundings: AgentSurroundings<W>,
) -> Result<Exit, EtcdError> {
    let AgentSurroundings {
        dial,
        source,
        between,
        renewal,
        manager,
        mut signals,
        mut asks,
    } = surroundings;
    let count = settings.services.len() + source.without_address();
    let (orders, orders_end) = mpsc::unbounded_channel();
    let (news_end, news) = mpsc::channel(NEWS_DEPTH);
    let session = Session::<W>::new(dial, renewal, orders_end, news_end, settings.seed);
    let mut agent = Agent::<W> {
        services: Services::new(settings.seed),
        prober: Prober::new(between, settings.descriptors),
        orders,
        etcd: session.record(),
        notifier: Notifier::new(manager, settings.watchdog),
        summary: Summary::new(count == 1 && !source.is_lasting()),
        ready: false,
        reload_again: false,
        began_at: now(),
        probes: Histogram::default(),
        drains: Drains::default(),
        waiting: Vec::new(),
        stopping: false,
        leave_by: None,
        exit: Exit::Done,
    };
    agent.summary.set_without_address(source.without_address());
    agent.begin_all(settings.services);
    // There may be none to wait for.
    agent.look_whether_ready();
    if source.without_address() > 0 {
        agent.tell_status();
    }
    let session = pin!(session.run());
    agent
        .drive(&source, session, news, &mut signals, &mut asks)
        .await
}

struct Agent<W: World> {
    services: Services<W::Backend>,
    prober: Prober<W>,
    orders: mpsc::UnboundedSender<Order>,
    /// What has been with it so far.
    etcd: Rc<Record>,
    notifier: Notifier<W::Manager>,
    summary: Summary,
    /// The service manager was told so.
    ready: bool,
    /// SIGHUP came while the services were being read.
    reload_again: bool,
    began_at: Instant,
    probes: Histogram,
    drains: Drains,
    waiting: Vec<Waiting>,
    stopping: bool,
    /// When another process takes over, at the latest.
    leave_by: Option<Instant>,
    /// How it is to end: the worst of the services that end with it.
    exit: Exit,
}

impl<W: World> Agent<W> {
    async fn drive(
        mut self,
        source: &W::Source,
        mut session: Pin<&mut impl Future<Output = ()>>,
        mut news: mpsc::Receiver<News>,
        signals: &mut W::Signals,
        asks: &mut Asks,
    ) -> Result<Exit, EtcdError> {
        let mut beside = Beside::<W>::new(source);
        loop {
            let deadline = self.services.deadline();
            // What goes on beside the loop is polled again in the next turn; `recv` and `next` are
            // cancel-safe, and the rest are signals and timers.
            tokio::select! {
                biased;
                number = signals.next() => {
                    if let Some(exit) = self.signalled(number, &mut beside) {
                        return Ok(exit);
                    }
                }
                () = self.notifier.tick() => {}
                () = sleep_until_some(self.summary.due_at()) => self.tell_status(),
                () = sleep_until_some(deadline.map(|(at, _)| at)) => {
                    if let Some((_, service)) = deadline {
                        self.react(service, Event::DeadlineReached);
                    }
                }
                ask = ask::next(asks) => self.asked(ask),
                () = &mut session, if !news.is_closed() => {}
                told = news.recv() => match told {
                    Some(News::Event(service, event)) => self.react(service, event),
                    Some(News::Neighbour(service, neighbour)) => {
                        if let Some(service) = self.services.get(service) {
                            service.note_neighbour(neighbour);
                        }
                    }
                    Some(News::Left) => return Ok(Exit::Signal(signal::UPGRADE)),
                    Some(News::Refused(error)) => return Err(error),
                    // The session ends before us only when it has told why.
                    None => return Ok(Exit::Store),
                },
                () = sleep_until_some(self.leave_by) => {
                    return Ok(Exit::Signal(signal::UPGRADE));
                }
                judged = some(&mut beside.judging) => {
                    beside.judging = None;
                    self.upgrade(judged);
                    if self.leave_by.is_some() {
                        beside.looking = None;
                    }
                }
                read = some(&mut beside.reading) => {
                    beside.has_read(read.is_ok());
                    self.summary.set_without_address(source.without_address());
                    self.reload(read);
                    if std::mem::take(&mut self.reload_again) {
                        self.begin_reload();
                        beside.read();
                    }
                }
                wanted = some(&mut beside.looking) => {
                    beside.look();
                    self.relocate(wanted, source.without_address());
                }
                (service, attempt) = self.prober.next() => self.observe(service, &attempt),
            }
            if self.stopping && self.services.is_empty() {
                return Ok(self.exit);
            }
        }
    }

    /// How it ends, if it does so at once.
    fn signalled(&mut self, number: u8, beside: &mut Beside<'_, W>) -> Option<Exit> {
        match number {
            signal::UPGRADE if !self.stopping => beside.judge(),
            signal::RELOAD if beside.source.is_lasting() && beside.reading.is_some() => {
                self.reload_again = true;
            }
            signal::RELOAD if beside.source.is_lasting() && !self.stopping => {
                self.begin_reload();
                beside.read();
            }
            signal::UPGRADE => {}
            signal::RELOAD if beside.source.is_lasting() => {}
            _ if self.stopping => {
                warn!(event = "second_signal", "second signal: leaving at once");
                return Some(Exit::Signal(number));
            }
            _ => {
                beside.leave();
                self.stop();
            }
        }
        None
    }

    /// First probes of many are spread.
    fn begin_all(&mut self, services: Vec<ServiceSettings<W::Backend>>) {
        let now = now();
        let count = u32::try_from(services.len()).unwrap_or(u32::MAX);
        for (number, settings) in (0..).zip(services) {
            let spread = spread(&settings);
            let at = now + spread / count.max(1) * number;
            self.begin(settings, at);
        }
    }

    fn begin(&mut self, settings: ServiceSettings<W::Backend>, probe_at: Instant) {
        let (announcement, ttl) = (settings.announcement.clone(), settings.ttl);
        let (backend, drained) = (settings.backend.clone(), self.drains.holds(&settings));
        let service = self.services.begin(settings);
        self.summary.add(Status::Starting);
        self.order(Order::Begin {
            service,
            announcement,
            ttl,
        });
        self.prober.set(service, backend);
        self.prober.probe_at(service, probe_at);
        if drained {
            self.react(service, Event::Drained(true));
        }
    }

    fn stop(&mut self) {
        self.stopping = true;
        self.prober.stop();
        self.services.forget_successors();
        info!(event = "stopping", "stopping");
        self.notifier.stopping();
        for service in self.services.ids() {
            self.react(service, Event::Shutdown);
        }
    }

    fn observe(&mut self, id: ServiceId, attempt: &Attempt) {
        let Some(service) = self.services.get(id) else {
            return;
        };
        let turned = service.observe(attempt);
        self.probes.observe(attempt.took);
        let pause = service.pause();
        self.prober.probe_at(id, now() + pause);
        if let Some(verdict) = turned {
            self.react(id, Event::Verdict(verdict));
        }
    }

    fn react(&mut self, id: ServiceId, event: Event) {
        let Some(service) = self.services.get(id) else {
            return;
        };
        let before = service.status();
        let actions = service.on(event);
        let (status, deadline) = (service.status(), service.deadline());
        self.services.set_deadline(id, deadline);
        if status != before {
            self.summary.turn(before, status);
        }
        for action in actions {
            match action {
                Action::Ask(request) => self.order(Order::Ask(id, request)),
                Action::Ready => self.is_ready(id),
                Action::Exit(stopped) => self.end(id, stopped),
            }
        }
        self.answer_waiting();
        self.tell_status();
    }

    fn is_ready(&mut self, id: ServiceId) {
        if let Some(service) = self.services.get(id) {
            service.set_ready();
        }
        self.look_whether_ready();
    }

    /// It is once all of its services are.
    fn look_whether_ready(&mut self) {
        if !self.ready
            && !self.stopping
            && self.services.iter().all(|(_, service)| service.is_ready())
        {
            self.ready = true;
            self.notifier.ready();
        }
    }

    fn end(&mut self, id: ServiceId, stopped: Stopped) {
        if let Some(service) = self.services.get(id) {
            service.log_end(stopped);
            let status = service.status();
            self.summary.remove(status);
        }
        if stopped == Stopped::LeftToTtl {
            self.refuse_waiting(id, asked::LEFT);
        }
        // One that was removed long before is no part of how we end.
        if stopped == Stopped::LeftToTtl && self.stopping {
            self.exit = Exit::Store;
        }
        self.prober.end(id);
        self.order(Order::End(id));
        if let Some(successor) = self.services.end(id) {
            self.begin(successor, now());
        }
        self.look_whether_ready();
    }

    fn order(&self, order: Order) {
        // A session that has ended takes none, which shows as the end of its news.
        let _taken = self.orders.send(order);
    }

    fn tell_status(&mut self) {
        if let Some(text) = self.summary.due(now()) {
            self.notifier.status(&text);
        }
    }
}

/// Over how long first probes are spread. Keys that a process before this one left are not to expire.
fn spread<B>(settings: &ServiceSettings<B>) -> Duration {
    let patience = LONGEST_SPREAD.min(settings.ttl / 3);
    settings.cadence.interval.min(patience)
}

/// Waits for work that goes on beside; for ever if there is none. Cancel-safe.
async fn some<T>(beside: &mut Option<Pin<Box<dyn Future<Output = T> + '_>>>) -> T {
    match beside {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

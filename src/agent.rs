//! Drives one registration: probes, signals and news from etcd go in as events, and what the
//! registration decides is carried out.
//!
//! One loop owns all of it. The only other task is the etcd session, which is stopped and awaited
//! before this returns. A probe is a future inside the loop: dropping it ends the attempt.

use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::alarm::Alarm;
use crate::config::{AgentConfig, KEY_OF_ITS_OWN};
use crate::deadline::{sleep_until_some, tick, ticks};
use crate::etcd::connection::Connector;
use crate::etcd::error::EtcdError;
use crate::etcd::session::{News, Request, Session};
use crate::exit::{Exit, RunError};
use crate::health::{self, Cadence, Covered, Excuse, Health, Verdict};
use crate::notify::{self, Notifier};
use crate::probe::{Attempt, Probe};
use crate::registration::{Action, Event, Outcome, Registration, Status};
use crate::signal::StopSignals;
use crate::wording;

/// Room for a few changes of the key; the session waits when it is full.
const NEWS_DEPTH: usize = 16;
/// The registration has one request under way at a time.
const REQUEST_DEPTH: usize = 1;

/// Runs until a signal stops it.
///
/// # Errors
/// When etcd refuses us at the start.
pub async fn run(config: AgentConfig, mut signals: StopSignals) -> Result<Exit, RunError> {
    let AgentConfig {
        target,
        probe,
        thresholds,
        cadence,
        ttl,
        drain,
        stop_timeout,
        etcd,
    } = config;
    let (requests, requests_end) = mpsc::channel(REQUEST_DEPTH);
    let (news_end, news) = mpsc::channel(NEWS_DEPTH);
    let key = target.key.clone();
    let session = Session::new(Connector::new(etcd), target, ttl, Alarm::new()?, news_end);
    let session = tokio::spawn(session.run(requests_end));
    let agent = Agent {
        health: Health::new(thresholds),
        excuse: Excuse::new(cadence.interval),
        cadence,
        registration: Registration::new(drain, stop_timeout, fastrand::u64(..)),
        requests,
        key,
        notifier: Notifier::from_env(),
        neighbour: false,
        stopping: false,
    };
    let between = Alarm::new()?;
    let result = agent.drive(&probe, &between, news, &mut signals).await;
    // Whatever it is still waiting for, nobody wants the answer.
    session.abort();
    let _ended = session.await;
    Ok(result?)
}

struct Agent {
    health: Health,
    excuse: Excuse,
    cadence: Cadence,
    registration: Registration,
    requests: mpsc::Sender<Request>,
    key: String,
    notifier: Notifier,
    /// Whether another instance on this host holds the key.
    neighbour: bool,
    stopping: bool,
}

impl Agent {
    async fn drive(
        mut self,
        probe: &Probe,
        between: &Alarm,
        mut news: mpsc::Receiver<News>,
        signals: &mut StopSignals,
    ) -> Result<Exit, EtcdError> {
        let mut attempt = next_attempt(probe, between, Duration::ZERO);
        let mut watchdog = notify::watchdog_period().map(ticks);
        loop {
            let deadline = self.registration.deadline();
            // A lost probe attempt is polled again in the next turn; `recv` is cancel-safe and the
            // rest are timers.
            let event = tokio::select! {
                signal = signals.recv() => {
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
                told = news.recv() => match told {
                    Some(News::Event(event)) => event,
                    Some(News::Neighbour(neighbour)) => {
                        self.neighbour = neighbour;
                        continue;
                    }
                    Some(News::Refused(error)) => return Err(error),
                    // The session ends before us only by breaking down.
                    None => return Ok(Exit::Store),
                },
                result = &mut attempt => {
                    let turned = self.observe(&result);
                    let wait = health::jittered(self.wait(), fastrand::f64());
                    attempt = next_attempt(probe, between, wait);
                    match turned {
                        Some(verdict) => Event::Verdict(verdict),
                        None => continue,
                    }
                }
                () = sleep_until_some(deadline) => Event::DeadlineReached,
                () = tick(&mut watchdog) => {
                    self.notifier.watchdog();
                    continue;
                }
                () = sleep_until_some(self.notifier.deadline()) => {
                    self.notifier.send_unsent();
                    continue;
                }
            };
            if let Some(exit) = self.react(event).await {
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
        let covered = self.excuse.covers(Instant::now());
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

    async fn react(&mut self, event: Event) -> Option<Exit> {
        let before = self.registration.status();
        for action in self.registration.on(event, Instant::now()) {
            match action {
                Action::Announce { take_over } => {
                    self.request(Request::Announce { take_over }).await
                }
                Action::Withdraw(claim) => self.request(Request::Withdraw(claim)).await,
                Action::Ready => self.notifier.ready(),
                Action::Exit(Outcome::Clean) => return Some(Exit::Done),
                Action::Exit(Outcome::LeftToTtl) => {
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

    /// The channel has room, as one request is under way at a time. A closed one shows as the end
    /// of the news.
    async fn request(&self, request: Request) {
        let _sent = self.requests.send(request).await;
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

type NextAttempt<'a> = Pin<Box<dyn Future<Output = Attempt> + 'a>>;

fn next_attempt<'a>(probe: &'a Probe, between: &'a Alarm, wait: Duration) -> NextAttempt<'a> {
    Box::pin(async move {
        between.until(Some(Instant::now() + wait)).await;
        probe.attempt().await
    })
}

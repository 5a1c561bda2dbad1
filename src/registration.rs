//! What should be in etcd, beside what etcd last confirmed: the next request follows from the pair.
//! No clock, no socket: events and the time come in, actions go out.
#![cfg_attr(not(test), warn(clippy::disallowed_methods, clippy::disallowed_types))]

mod event;
mod key;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::health::Verdict;
use crate::longest;
pub use event::{
    Action, Claim, Event, Holder, LeaseId, Request, Revision, ServiceId, Status, Stopped,
};
use key::Key;

/// The first wait after a failed request, doubled up to [`RETRY_CAP`].
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_CAP: Duration = Duration::from_secs(5);

/// The key was lost that long ago: nobody is at work on it any more. Longer than [`RETRY_CAP`].
const LOSS_WINDOW: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Withdrawing { by: Instant, drain: bool },
    Draining { until: Instant },
    Done,
}

/// Nothing is asked of etcd until then.
#[derive(Clone, Copy, Debug)]
struct Retry {
    at: Instant,
    /// Etcd was out of reach: a new connection is reason enough to try at once.
    on_connecting: bool,
}

/// One registration.
///
/// ```text
///                 Announced                       LeaseLost, key gone
///  Unknown ──────────────────────▶ Present ───────────────────────────▶ Unknown
///     ▲ │ Withdrawn                 │    │ put by another live lease
///     │ └──────────▶ Absent ◀───────┘    ▼
///     │ Failed         ▲   Withdrawn  Displaced
///     └─ (any request) └─────────────────┘ that key went
/// ```
///
/// Up + (Unknown | Absent) → announce. Down or stopping + (Unknown | Present) → withdraw.
/// Displaced → stand by.
#[derive(Clone, Debug)]
pub struct Registration {
    verdict: Option<Verdict>,
    /// Taken out, whatever the verdict.
    drained: bool,
    /// What is being announced is not what is to be announced any more.
    restated: bool,
    key: Key,
    in_flight: bool,
    /// Whether something that this process put may be in etcd.
    may_have_written: bool,
    /// Until then we are the newest and may take a foreign key over.
    announced_before: bool,
    ready: bool,
    /// The latest change that came while a request was under way.
    unread: Option<(Revision, Holder)>,
    backoff: Backoff,
    /// When somebody last deleted the key or overwrote it without a lease.
    lost_at: Option<Instant>,
    loss_backoff: Backoff,
    retry: Option<Retry>,
    phase: Phase,
    drain: Duration,
    stop_timeout: Duration,
}

impl Registration {
    /// `drain` and `stop_timeout` as on the command line; `seed` for the back-off's jitter.
    #[must_use]
    pub fn new(drain: Duration, stop_timeout: Duration, seed: u64) -> Self {
        Self {
            verdict: None,
            drained: false,
            restated: false,
            key: Key::Unknown,
            in_flight: false,
            may_have_written: false,
            announced_before: false,
            ready: false,
            unread: None,
            backoff: Backoff::new(RETRY_FIRST, RETRY_CAP, seed),
            lost_at: None,
            loss_backoff: Backoff::new(RETRY_FIRST, RETRY_CAP, seed.wrapping_add(1)),
            retry: None,
            phase: Phase::Running,
            drain: drain.min(longest::WAIT),
            stop_timeout: stop_timeout.min(longest::WAIT),
        }
    }

    /// Takes in an event and says what to do now.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        self.take_in(event, now);
        self.decide(now)
    }

    /// When to send [`Event::DeadlineReached`], at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => self.retry.map(|retry| retry.at),
            Phase::Withdrawing { by, .. } => Some(self.retry.map_or(by, |retry| retry.at.min(by))),
            Phase::Draining { until } => Some(until),
            Phase::Done => None,
        }
    }

    /// From now on, as [`Self::new`].
    pub fn set_limits(&mut self, drain: Duration, stop_timeout: Duration) {
        self.drain = drain.min(longest::WAIT);
        self.stop_timeout = stop_timeout.min(longest::WAIT);
    }

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.phase != Phase::Running
    }

    /// Whether it is taken out, whatever the verdict.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    #[must_use]
    pub fn status(&self) -> Status {
        match (self.phase, self.wanted(), self.key) {
            (Phase::Withdrawing { .. } | Phase::Done, _, _) => Status::Stopping,
            (Phase::Draining { .. }, _, _) => Status::Draining,
            (Phase::Running, None, _) => Status::Starting,
            (Phase::Running, Some(Verdict::Up), Key::Present { .. }) => Status::Registered,
            (Phase::Running, Some(Verdict::Up), Key::Displaced { .. }) => Status::Displaced,
            (Phase::Running, Some(Verdict::Down), Key::Absent | Key::Displaced { .. })
                if self.drained =>
            {
                Status::Drained
            }
            (Phase::Running, Some(Verdict::Down), Key::Absent | Key::Displaced { .. }) => {
                Status::Unhealthy
            }
            (Phase::Running, Some(Verdict::Up), Key::Unknown | Key::Absent)
            | (Phase::Running, Some(Verdict::Down), Key::Unknown | Key::Present { .. }) => {
                Status::Pending
            }
        }
    }

    fn take_in(&mut self, event: Event, now: Instant) {
        match event {
            Event::Verdict(verdict) => {
                self.verdict = Some(verdict);
                self.retry = None;
            }
            Event::Drained(drained) => {
                self.drained = drained;
                self.retry = None;
            }
            Event::Restated if self.in_flight => self.restated = true,
            Event::Restated => self.key = self.key.doubted(),
            Event::Announced { lease, revision } => {
                self.announced_before = true;
                // It was under way when the stop came: now clients may know of the backend.
                if let Phase::Withdrawing { drain, .. } = &mut self.phase {
                    *drain = true;
                }
                self.answered(Key::Present { lease, revision }, now);
            }
            Event::Occupied { revision } => {
                let held = None;
                self.answered(Key::Displaced { revision, held }, now);
            }
            Event::Withdrawn => {
                self.may_have_written = false;
                self.answered(self.key.withdrawn(), now);
            }
            Event::TurnedDown => self.failed(false, now),
            Event::Failed => self.failed(true, now),
            Event::Connected => {
                self.retry.take_if(|retry| retry.on_connecting);
            }
            Event::LeaseLost { lease } => self.key = self.key.without_lease(lease),
            Event::Read { revision, holder } => {
                // Whatever was heard before the connection was made is older than this, and a
                // request under way is carried out after it: it counts now, in flight or not.
                self.unread = None;
                self.see(revision, holder, now);
            }
            Event::Changed { revision, holder } => {
                self.unread = Some((revision, holder));
                if !self.in_flight {
                    self.catch_up(now);
                }
            }
            Event::DeadlineReached => {
                self.retry.take_if(|retry| retry.at <= now);
            }
            Event::Shutdown if self.phase == Phase::Running => self.begin_shutdown(now),
            Event::Shutdown => {}
        }
    }

    fn begin_shutdown(&mut self, now: Instant) {
        let drain = match self.key {
            Key::Present { .. } => true,
            Key::Unknown => self.announced_before,
            Key::Absent | Key::Displaced { .. } => false,
        };
        self.phase = Phase::Withdrawing {
            by: now + self.stop_timeout,
            drain,
        };
        self.retry = None;
    }

    /// What the key is to show. None before the first verdict.
    fn wanted(&self) -> Option<Verdict> {
        if self.drained {
            Some(Verdict::Down)
        } else {
            self.verdict
        }
    }

    fn failed(&mut self, on_connecting: bool, now: Instant) {
        self.in_flight = false;
        self.restated = false;
        self.key = self.key.doubted();
        self.catch_up(now);
        self.retry = Some(Retry {
            at: now + self.backoff.delay(),
            on_connecting,
        });
    }

    fn answered(&mut self, key: Key, now: Instant) {
        self.in_flight = false;
        self.key = key;
        if std::mem::take(&mut self.restated) {
            self.key = key.doubted();
        }
        self.backoff.reset();
        self.retry = None;
        self.catch_up(now);
    }

    /// Takes in the change that had to wait, unless the answer is newer.
    fn catch_up(&mut self, now: Instant) {
        if let Some((revision, holder)) = self.unread.take()
            && self.key.revision().is_some_and(|known| revision > known)
        {
            self.see(revision, holder, now);
        }
    }

    /// A key that was lost is put back at once; one that is lost again and again, later and later.
    fn see(&mut self, revision: Revision, holder: Holder, now: Instant) {
        let seen = self.key.seen(revision, holder);
        let lost = matches!(self.key, Key::Present { .. }) && seen == Key::Unknown;
        self.key = seen;
        if !lost {
            return;
        }
        match self.lost_at.replace(now) {
            Some(last) if now.saturating_duration_since(last) < LOSS_WINDOW => {
                self.retry = Some(Retry {
                    at: now + self.loss_backoff.delay(),
                    on_connecting: false,
                });
            }
            Some(_) | None => self.loss_backoff.reset(),
        }
    }

    fn decide(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.is_carried_out() && !self.ready {
            self.ready = true;
            actions.push(Action::Ready);
        }
        if let Some(outcome) = self.advance_shutdown(now) {
            self.phase = Phase::Done;
            actions.push(Action::Exit(outcome));
        }
        if let Some(request) = self.next_request() {
            self.in_flight = true;
            self.may_have_written |= matches!(request, Request::Announce { .. });
            actions.push(Action::Ask(request));
        }
        actions
    }

    /// Whether etcd shows what it should, as far as is known.
    #[must_use]
    pub fn is_carried_out(&self) -> bool {
        match (self.wanted(), self.key) {
            (Some(Verdict::Up), Key::Present { .. } | Key::Displaced { .. })
            | (Some(Verdict::Down), Key::Absent | Key::Displaced { .. }) => !self.in_flight,
            (None, _)
            | (Some(Verdict::Up), Key::Unknown | Key::Absent)
            | (Some(Verdict::Down), Key::Unknown | Key::Present { .. }) => false,
        }
    }

    fn advance_shutdown(&mut self, now: Instant) -> Option<Stopped> {
        if let Phase::Withdrawing { by, drain } = self.phase {
            if !self.nothing_is_left() {
                let outcome = if self.may_have_written {
                    Stopped::LeftToTtl
                } else {
                    Stopped::Clean
                };
                return (now >= by).then_some(outcome);
            }
            let until = if drain { now + self.drain } else { now };
            self.phase = Phase::Draining { until };
        }
        match self.phase {
            Phase::Draining { until } if now >= until => Some(Stopped::Clean),
            Phase::Draining { .. } | Phase::Running | Phase::Withdrawing { .. } | Phase::Done => {
                None
            }
        }
    }

    /// The key of a previous incarnation is worth one try, as it points at a backend that is about
    /// to go. It is not ours to wait for: nobody renews its lease, so it goes within its TTL.
    fn nothing_is_left(&self) -> bool {
        let tried = self.retry.is_some();
        match self.key {
            Key::Absent | Key::Displaced { held: None, .. } => !self.in_flight,
            Key::Unknown => !self.in_flight && !self.may_have_written && tried,
            Key::Present { .. } | Key::Displaced { held: Some(_), .. } => false,
        }
    }

    fn next_request(&self) -> Option<Request> {
        if self.in_flight || self.retry.is_some() {
            return None;
        }
        let wanted = match self.phase {
            Phase::Running => self.wanted()?,
            Phase::Withdrawing { .. } => Verdict::Down,
            Phase::Draining { .. } | Phase::Done => return None,
        };
        match (wanted, self.key) {
            (
                _,
                Key::Displaced {
                    held: Some(lease), ..
                },
            ) => Some(Request::Withdraw(Claim::Lease(lease))),
            (_, Key::Displaced { held: None, .. }) => None,
            (Verdict::Up, Key::Present { .. }) | (Verdict::Down, Key::Absent) => None,
            (Verdict::Up, Key::Unknown | Key::Absent) => Some(Request::Announce {
                take_over: !self.announced_before,
            }),
            (Verdict::Down, Key::Present { lease, .. }) => {
                Some(Request::Withdraw(Claim::Lease(lease)))
            }
            (Verdict::Down, Key::Unknown) if self.announced_before => {
                Some(Request::Withdraw(Claim::AnyLease))
            }
            (Verdict::Down, Key::Unknown) => Some(Request::Withdraw(Claim::Value)),
        }
    }
}

//! The session with etcd, as `src/etcd/session.rs` has it, function by function: that one waits,
//! this one is stepped. What decides is the product's: `Procedure`, `Granted`, `Lease`, `Backoff`.

/// Making and losing the connection.
mod connecting;

use std::collections::VecDeque;

use register::backoff::Backoff;
use register::etcd::granted::Granted;
use register::etcd::lease::{Lease, call_timeout};
use register::etcd::procedure::{Answer, Call, Done, Next, Procedure};
use register::registration::{Claim, Event, Holder, LeaseId, Revision};

use crate::clock::{NEVER, Time, millis, ms};
use crate::etcd::Asked;
use crate::network::{End, Flight, Line, Link, Op, Over, Reply};
use crate::world::Shared;

/// As in `session.rs`: reconnecting, and when a connection is a good one.
const RECONNECT_FIRST: Time = 50;
const RECONNECT_CAP: Time = 1_000;
const SETTLED_AFTER: Time = RECONNECT_CAP;

#[derive(Clone, Copy, Debug)]
pub enum Request {
    Announce { take_over: bool },
    Withdraw(Claim),
}

enum Doing {
    /// `Session::open`: first the watch, then the read.
    Opening {
        flight: Flight,
        watching: Option<Revision>,
    },
    /// `Session::pause`.
    Pausing {
        until: Time,
    },
    /// `Session::perform`.
    Performing {
        procedure: Procedure,
        flight: Flight,
        /// Etcd's last answer but to revocations was a no.
        refused: bool,
        revoking: bool,
    },
    /// `Session::keep_alive`.
    Renewing {
        flight: Flight,
        sent_at: Time,
    },
    Serving,
}

struct Connected {
    link: Link,
    /// What the watch has yet to tell of.
    next: Revision,
    settles_at: Time,
    look_again: Time,
}

pub struct Session {
    /// Whose: the number of the process.
    by: usize,
    key: usize,
    value: u8,
    ttl: Time,
    timeout: Time,
    pub line: Line,
    /// The channel of requests has room for one.
    pub mailbox: Option<Request>,
    pub news: VecDeque<Event>,
    granted: Granted,
    lease: Option<Lease>,
    /// When what etcd last confirmed of a lease was asked.
    pub confirmed_at: Time,
    leases_made: LeaseId,
    backoff: Backoff,
    endpoint: usize,
    over: Over,
    tried: usize,
    waiting: Option<Request>,
    connected: Option<Connected>,
    doing: Doing,
}

impl Session {
    pub fn new(by: usize, asked: Asked, seed: u64, shared: &Shared) -> Self {
        let mut line = Line::default();
        let timeout = millis(call_timeout(ms(asked.ttl)));
        let over = Over::new(0, shared);
        let flight = Flight::start(shared, &mut line, Op::Watch, over, timeout);
        Self {
            by,
            key: asked.key,
            value: asked.value,
            ttl: asked.ttl,
            timeout,
            line,
            mailbox: None,
            news: VecDeque::new(),
            granted: Granted::default(),
            lease: None,
            confirmed_at: 0,
            leases_made: 0,
            backoff: Backoff::new(ms(RECONNECT_FIRST), ms(RECONNECT_CAP), seed),
            endpoint: 0,
            over,
            tried: 0,
            waiting: None,
            connected: None,
            doing: Doing::Opening {
                flight,
                watching: None,
            },
        }
    }

    /// When it has something to do, if nothing else happens.
    pub fn next(&self, shared: &Shared) -> Time {
        let renewal = || {
            shared
                .clock
                .time_of_some(self.lease.map(|lease| lease.renew_at()))
        };
        let expiry = || {
            shared
                .clock
                .time_of_some(self.lease.map(|lease| lease.expires_at()))
        };
        let doing = match &self.doing {
            Doing::Opening { flight, .. } => flight.next(),
            Doing::Performing { flight, .. } | Doing::Renewing { flight, .. } => flight.next(),
            Doing::Pausing { until } => expiry().min(*until),
            Doing::Serving => renewal(),
        };
        let link = self.connected.as_ref().map_or(NEVER, |connected| {
            let serving = match self.doing {
                Doing::Serving => self.told_at(connected, shared).min(connected.settles_at),
                _ => NEVER,
            };
            connected.look_again.min(serving)
        });
        doing.min(link)
    }

    fn told_at(&self, connected: &Connected, shared: &Shared) -> Time {
        if shared.etcd.since(connected.next).is_empty() {
            return NEVER;
        }
        if connected.link.tells(shared, &self.line) {
            shared.now + 1
        } else {
            self.line.changes_at(shared.now)
        }
    }

    /// What goes on whether or not the process gets to run.
    pub fn arrive(&mut self, shared: &mut Shared) {
        if let Some(flight) = self.flight() {
            flight.arrive(shared);
        }
    }

    /// When the server gets the call under way.
    pub fn arrives_at(&self) -> Time {
        match &self.doing {
            Doing::Opening { flight, .. }
            | Doing::Performing { flight, .. }
            | Doing::Renewing { flight, .. } => flight.arrives_at(),
            Doing::Pausing { .. } | Doing::Serving => NEVER,
        }
    }

    fn flight(&mut self) -> Option<&mut Flight> {
        match &mut self.doing {
            Doing::Opening { flight, .. }
            | Doing::Performing { flight, .. }
            | Doing::Renewing { flight, .. } => Some(flight),
            Doing::Pausing { .. } | Doing::Serving => None,
        }
    }

    /// The process is gone: what is under way may arrive still.
    pub fn killed(mut self, shared: &mut Shared) {
        if let Some(flight) = self.flight() {
            flight.left_behind(shared);
        }
    }

    /// The connection is reset.
    pub fn reset(&mut self, shared: &mut Shared) {
        let now = shared.now;
        if let Some(flight) = self.flight() {
            flight.break_off(now);
        } else if self.connected.is_some() {
            self.broken(shared);
        }
    }

    /// Goes on as far as it can now.
    pub fn step(&mut self, shared: &mut Shared) {
        self.look_after_link(shared);
        while self.step_once(shared) {}
    }

    fn step_once(&mut self, shared: &mut Shared) -> bool {
        match &mut self.doing {
            Doing::Opening { flight, watching } => {
                let Some(end) = flight.ended(shared) else {
                    return false;
                };
                match (end, *watching) {
                    (End::Reply(Reply::Watching { next }), None) => {
                        let call = self.call(Call::Read, shared);
                        self.doing = Doing::Opening {
                            flight: self.start(call, shared),
                            watching: Some(next),
                        };
                    }
                    (End::Reply(Reply::Answer(Answer::Read { revision, found })), Some(next)) => {
                        let holder = holder(found.map(|found| found.lease));
                        self.opened(next, revision, holder, shared);
                    }
                    (_, _) => self.not_opened(shared),
                }
                true
            }
            Doing::Pausing { until } => {
                let over = *until <= shared.now;
                if let Some(request) = self.mailbox.take() {
                    self.waiting = Some(request);
                } else if !self.expire(shared) && !over {
                    return false;
                }
                self.open(shared);
                true
            }
            Doing::Performing {
                flight,
                procedure,
                refused,
                revoking,
            } => {
                let Some(end) = flight.ended(shared) else {
                    return false;
                };
                let answer = match end {
                    End::Reply(Reply::Answer(answer)) => answer,
                    End::Refused => Answer::Refused,
                    End::Reply(_) | End::Lost => Answer::Lost,
                };
                if !*revoking {
                    *refused = matches!(answer, Answer::Refused);
                }
                let refused = *refused;
                match procedure.on(answer, &mut self.granted) {
                    Next::Call(call) => {
                        let procedure = procedure.clone();
                        self.go_on(procedure, call, refused, shared);
                    }
                    Next::Done(done) => self.performed(done, refused, shared),
                }
                true
            }
            Doing::Renewing { flight, sent_at } => {
                let sent_at = *sent_at;
                let Some(end) = flight.ended(shared) else {
                    return false;
                };
                self.doing = Doing::Serving;
                match (end, self.lease) {
                    (End::Reply(Reply::Renewed(Some(ttl))), Some(mut lease)) => {
                        lease.renewed(ms(ttl), shared.clock.at(sent_at));
                        self.confirmed_at = sent_at;
                        self.lease = Some(lease);
                    }
                    (End::Reply(Reply::Renewed(None)), Some(lease)) => {
                        self.lease = None;
                        self.tell(Event::LeaseLost { lease: lease.id });
                    }
                    (_, _) => self.broken(shared),
                }
                true
            }
            Doing::Serving => self.serve(shared),
        }
    }

    /// The `select!` of `Session::serve`.
    fn serve(&mut self, shared: &mut Shared) -> bool {
        if let Some(request) = self.mailbox.take() {
            self.perform(request, shared);
            return true;
        }
        let Some(connected) = &mut self.connected else {
            return false;
        };
        if connected.next <= shared.etcd.compacted {
            // It was too slow, and what it has not seen is gone: the server ends it.
            self.broken(shared);
            return true;
        }
        let mut told = false;
        if connected.link.tells(shared, &self.line) {
            for change in shared.etcd.since(connected.next) {
                connected.next = change.revision + 1;
                if change.key == self.key {
                    told = true;
                    self.news.push_back(Event::Changed {
                        revision: change.revision,
                        holder: holder(change.kv.map(|kv| kv.lease)),
                    });
                }
            }
        }
        if told {
            return true;
        }
        if let Some(lease) = self.lease
            && shared.clock.at(shared.now) >= lease.renew_at()
        {
            self.keep_alive(shared);
            return true;
        }
        if connected.settles_at <= shared.now {
            connected.settles_at = NEVER;
            self.backoff.reset();
            return true;
        }
        false
    }

    fn perform(&mut self, request: Request, shared: &mut Shared) {
        self.lease = None;
        let (procedure, call) = match request {
            Request::Announce { take_over } => {
                self.leases_made += 1;
                let fresh = first_lease(self.by) + self.leases_made;
                Procedure::announce(fresh, take_over, &mut self.granted)
            }
            Request::Withdraw(claim) => Procedure::withdraw(claim),
        };
        self.go_on(procedure, call, false, shared);
    }

    fn go_on(&mut self, procedure: Procedure, call: Call, refused: bool, shared: &Shared) {
        let op = self.call(call, shared);
        self.doing = Doing::Performing {
            procedure,
            flight: self.start(op, shared),
            refused,
            revoking: matches!(call, Call::Revoke(_)),
        };
    }

    fn performed(&mut self, done: Done, refused: bool, shared: &mut Shared) {
        self.doing = Doing::Serving;
        match done {
            Done::Put {
                lease, revision, ..
            } => {
                self.lease = Some(lease);
                self.confirmed_at = shared.now;
                let lease = lease.id;
                self.tell(Event::Announced { lease, revision });
            }
            Done::Occupied { revision } => self.tell(Event::Occupied { revision }),
            Done::Withdrawn { .. } => self.tell(Event::Withdrawn),
            Done::Contended => self.tell(Event::TurnedDown),
            Done::Failed if refused => self.tell(Event::TurnedDown),
            Done::Failed => {
                self.tell(Event::Failed);
                self.broken(shared);
            }
        }
    }

    fn keep_alive(&mut self, shared: &Shared) {
        self.doing = match self.lease {
            None => Doing::Serving,
            Some(lease) => Doing::Renewing {
                flight: self.start(Op::KeepAlive(lease.id), shared),
                sent_at: shared.now,
            },
        };
    }

    fn tell(&mut self, event: Event) {
        self.news.push_back(event);
    }

    fn start(&mut self, op: Op, shared: &Shared) -> Flight {
        Flight::start(shared, &mut self.line, op, self.over, self.timeout)
    }

    fn call(&self, call: Call, shared: &Shared) -> Op {
        Op::Call {
            call,
            on: Asked {
                key: self.key,
                value: self.value,
                ttl: self.ttl,
                sent_at: shared.now,
            },
            by: self.by,
        }
    }
}

fn holder(lease: Option<LeaseId>) -> Holder {
    match lease {
        None => Holder::Nobody,
        Some(0) => Holder::NoLease,
        Some(lease) => Holder::Lease(lease),
    }
}

/// Leases of a process are numbered from here.
pub fn first_lease(by: usize) -> LeaseId {
    LeaseId::try_from(by + 1).unwrap_or(LeaseId::MAX) * 10_000
}

/// The process that asked for it; none if it is foreign.
pub fn owner(lease: LeaseId) -> Option<usize> {
    usize::try_from(lease / 10_000).ok()?.checked_sub(1)
}

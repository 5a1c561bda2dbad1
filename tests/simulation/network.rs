//! Connections, and calls on their way: late, lost, refused, or carried out with the answer lost.

use std::task::Waker;

use register::etcd::api::{Answer, KeyRange, Login, What};
use register::etcd::error::{EtcdError, Problem};
use register::registration::Revision;

use crate::clock::{NEVER, Time};
use crate::etcd::{Asked, Member};
use crate::model::Model;
use crate::watches::Watch;

/// What an undisturbed call takes.
const TO_SERVER: Time = 1;
const AND_BACK: Time = 2;

/// A stopped or unreachable server is noticed by pings after so long: 10 s and 3 s.
const PINGS_FAIL: Time = 13_000;
/// A member without a leader ends its watches after so long.
const LEADER_MISSED: Time = 3_000;

/// The longest that a call may be under way.
pub const LATEST: Time = 8_000;

/// How members are called.
pub const ENDPOINTS: [&str; 3] = ["http://m0", "http://m1", "http://m2"];

/// What becomes of one call.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Slow(Time),
    /// Carried out, and then the connection breaks.
    AnswerLost,
    /// The connection breaks first.
    NeverArrives,
    /// Never arrives, and that does not show.
    Hangs,
    /// The connection breaks, and the call is carried out later all the same.
    Late(Time),
    /// Etcd says no.
    TurnedDown,
}

#[derive(Clone, Debug)]
pub enum Op {
    Dial,
    LogIn,
    Ask(Asked),
    Watch(Vec<(KeyRange, Revision)>),
}

/// What an operation gives.
#[derive(Clone, Debug)]
pub enum Reply {
    Dialled,
    LoggedIn(Login),
    Answer(Answer),
    /// The number of the watch.
    Watching(usize),
}

/// One client's way to the servers.
#[derive(Clone, Default)]
pub struct Line {
    /// Fates of calls to come: after how many.
    fates: Vec<(usize, Fate)>,
    /// Until when each member is out of reach.
    cut_until: [Time; 3],
    /// Until when nothing is heard of watches.
    pub held_until: Time,
}

impl Line {
    pub fn destine(&mut self, after: usize, fate: Fate) {
        self.fates.push((after, fate));
    }

    pub fn cut(&mut self, member: usize, until: Time) {
        self.cut_until[member] = until;
    }

    /// When more, or less, gets through.
    fn changes_at(&self, now: Time) -> Time {
        let times = self.cut_until.iter().chain([&self.held_until]);
        let to_come = times.copied().filter(|time| *time > now);
        to_come.min().unwrap_or(NEVER)
    }

    pub fn reaches(&self, member: usize, now: Time) -> bool {
        self.cut_until[member] <= now
    }

    fn fate(&mut self) -> Option<Fate> {
        if self.fates.is_empty() {
            return None;
        }
        let mut fate = None;
        self.fates.retain_mut(|(after, next)| {
            if *after == 0 && fate.is_none() {
                fate = Some(*next);
                return false;
            }
            *after = after.saturating_sub(1);
            true
        });
        fate
    }
}

/// A connection.
pub struct Link {
    pub client: usize,
    /// The number of the process.
    pub by: usize,
    pub member: usize,
    epoch: u32,
    /// Of the users that there were at the login.
    pub token: Option<u64>,
    state: State,
    /// Since when the server, or the way there, is not what it should be, and how long that may last.
    bad_since: Option<(Time, Time)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Broken,
    /// The client has closed it.
    Closed,
}

/// A call under way.
pub struct Flight {
    id: u64,
    link: usize,
    op: Op,
    sent_at: Time,
    /// When the server carries it out.
    arrives_at: Time,
    /// When the client hears of it.
    ends_at: Time,
    /// It lies in a stopped server's buffers.
    buffered: bool,
    /// The connection breaks when it ends.
    breaks: bool,
    /// What the client is to hear.
    reply: Option<Result<Reply, Problem>>,
    /// The client does not wait for it any more.
    left: bool,
    /// The client may hear of it now.
    ended: bool,
    /// Who waits for it.
    waker: Option<Waker>,
}

#[derive(Default)]
pub struct Network {
    pub lines: Vec<Line>,
    pub links: Vec<Link>,
    flights: Vec<Flight>,
    flights_so_far: u64,
    pub watches: Vec<Watch>,
    /// When a client began to dial a member.
    pub dialled: Vec<(Time, usize, usize)>,
}

impl Network {
    pub fn new(clients: usize) -> Self {
        Self {
            lines: vec![Line::default(); clients],
            ..Self::default()
        }
    }
}

impl Model {
    /// A link that is yet to be dialled.
    pub fn link(&mut self, client: usize, by: usize, member: usize) -> usize {
        self.network.dialled.push((self.now, client, member));
        self.network.links.push(Link {
            client,
            by,
            member,
            epoch: self.etcd.epoch,
            token: None,
            state: State::Open,
            bad_since: None,
        });
        self.network.links.len() - 1
    }

    pub fn close(&mut self, link: usize) {
        self.network.links[link].state = State::Closed;
    }

    /// Sends it off; the number by which to ask for it.
    pub fn send(&mut self, link: usize, op: Op) -> u64 {
        let now = self.now;
        let Link { client, member, .. } = self.network.links[link];
        let line = &mut self.network.lines[client];
        let fate = line.fate();
        if let Some(fate) = fate {
            let lasts = match fate {
                Fate::Slow(time) | Fate::Late(time) => time,
                Fate::Hangs => 5_000,
                Fate::AnswerLost | Fate::NeverArrives | Fate::TurnedDown => 0,
            };
            self.disturb(client, now + lasts);
        }
        let line = &self.network.lines[client];
        let reaches = line.reaches(member, now);
        let nothing = (NEVER, NEVER, false, None);
        let (arrives_at, ends_at, breaks, reply) = match (self.etcd.members[member], fate) {
            (Member::Dead, _) => (NEVER, now + TO_SERVER, true, None),
            // The kernel of a stopped server takes connections.
            (Member::Hung, _) if matches!(op, Op::Dial) && reaches => {
                (NEVER, now + AND_BACK, false, Some(Ok(Reply::Dialled)))
            }
            (Member::Hung, _) => nothing,
            (Member::Up, _) if !reaches => nothing,
            (Member::Up, None) => (now + TO_SERVER, now + AND_BACK, false, None),
            (Member::Up, Some(Fate::Slow(time))) => (now + time / 2, now + time, false, None),
            (Member::Up, Some(Fate::AnswerLost)) => (now + TO_SERVER, now + AND_BACK, true, None),
            (Member::Up, Some(Fate::NeverArrives)) => (NEVER, now + AND_BACK, true, None),
            (Member::Up, Some(Fate::Hangs)) => nothing,
            (Member::Up, Some(Fate::Late(time))) => (now + time, now + AND_BACK, true, None),
            (Member::Up, Some(Fate::TurnedDown)) => {
                (NEVER, now + AND_BACK, false, Some(Err(Problem::Rejected)))
            }
        };
        self.network.flights_so_far += 1;
        let id = self.network.flights_so_far;
        self.network.flights.push(Flight {
            id,
            link,
            op,
            sent_at: now,
            arrives_at,
            ends_at,
            buffered: self.etcd.members[member] == Member::Hung && reaches,
            breaks,
            reply,
            left: false,
            ended: false,
            waker: None,
        });
        id
    }

    /// What came of it, once the client may hear.
    pub fn heard(&mut self, flight: u64) -> Option<Result<Reply, EtcdError>> {
        let at = self
            .network
            .flights
            .iter()
            .position(|known| known.id == flight);
        let at = at.expect("a call that is waited for is under way");
        let Flight { link, ended, .. } = self.network.flights[at];
        let endpoint = self.endpoint_of(link);
        if self.is_broken(link) {
            return Some(Err(lost(endpoint)));
        }
        if !ended {
            return None;
        }
        let reply = self.network.flights[at].reply.clone();
        let reply = reply.expect("what has ended without breaking the connection was answered");
        self.note_heard(at, &reply);
        Some(reply.map_err(|problem| EtcdError::new(endpoint, problem, words(problem))))
    }

    /// Wakes who waits for it once the client may hear.
    pub fn keep_waker(&mut self, flight: u64, waker: &Waker) {
        let flights = &mut self.network.flights;
        if let Some(flight) = flights.iter_mut().find(|known| known.id == flight) {
            flight.waker = Some(waker.clone());
        }
    }

    /// The client does not wait for it any more; the server may carry it out still.
    pub fn leave(&mut self, flight: u64) {
        let flights = &mut self.network.flights;
        if let Some(flight) = flights.iter_mut().find(|known| known.id == flight) {
            flight.left = true;
            // A renewal would prolong a lease beyond all bounds.
            flight.buffered &= !matches!(flight.op, Op::Ask(Asked::Renew(_)));
        }
    }

    pub fn endpoint_of(&self, link: usize) -> &'static str {
        ENDPOINTS[self.network.links[link].member]
    }

    pub fn is_broken(&self, link: usize) -> bool {
        self.network.links[link].state == State::Broken
    }

    /// The client's connections break.
    pub fn reset(&mut self, client: usize) {
        self.disturb(client, self.now);
        for link in 0..self.network.links.len() {
            if self.network.links[link].client == client {
                self.break_link(link);
            }
        }
    }

    fn break_link(&mut self, link: usize) {
        let Link { state, client, .. } = &mut self.network.links[link];
        if *state == State::Open {
            *state = State::Broken;
            let client = *client;
            let flights = self.network.flights.iter_mut();
            for flight in flights.filter(|flight| flight.link == link) {
                flight.waker.take().into_iter().for_each(Waker::wake);
            }
            self.wake(client);
        }
    }

    /// Everything about calls and connections that is due now.
    pub fn step_network(&mut self) {
        for link in 0..self.network.links.len() {
            self.look_after(link);
        }
        let mut at = 0;
        while at < self.network.flights.len() {
            self.step_flight(at);
            let flight = &self.network.flights[at];
            if flight.left && flight.arrives_at == NEVER && !flight.buffered {
                self.network.flights.swap_remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn step_flight(&mut self, at: usize) {
        let now = self.now;
        let flight = &mut self.network.flights[at];
        let link = &self.network.links[flight.link];
        match self.etcd.members[link.member] {
            // The server runs again, and reads what lay in its buffers.
            Member::Up if flight.buffered => {
                flight.buffered = false;
                if flight.reply.is_none() {
                    flight.arrives_at = now;
                    flight.ends_at = now + TO_SERVER;
                }
            }
            Member::Dead => flight.buffered = false,
            Member::Up | Member::Hung => {}
        }
        if flight.arrives_at <= now {
            self.arrive(at);
        }
        let flight = &mut self.network.flights[at];
        if flight.ends_at <= now && !flight.left {
            flight.ends_at = NEVER;
            flight.ended = flight.reply.is_some() && !flight.breaks;
            let (link, breaks) = (flight.link, flight.breaks);
            if let Some(waker) = self.network.flights[at].waker.take() {
                waker.wake();
            }
            self.wake(self.network.links[link].client);
            if breaks {
                self.break_link(link);
            }
        }
    }

    /// The server carries it out, whatever the client does.
    fn arrive(&mut self, at: usize) {
        let flight = &mut self.network.flights[at];
        flight.arrives_at = NEVER;
        let (op, left, breaks, link) = (flight.op.clone(), flight.left, flight.breaks, flight.link);
        let Link {
            member, epoch, by, ..
        } = self.network.links[link];
        if epoch != self.etcd.epoch || !self.etcd.serves(member) {
            // Nothing is heard of it.
            return;
        }
        if left || breaks {
            self.note_overtaken(by, &op);
        }
        let reply = self.carry_out(&op, link);
        self.network.flights[at].reply = Some(reply);
    }

    /// The process had given it up.
    fn note_overtaken(&mut self, by: usize, op: &Op) {
        if let Op::Ask(Asked::Put { lease, .. }) = *op {
            self.note_late(lease);
        }
        let key = match *op {
            Op::Ask(Asked::Put { key, .. } | Asked::Delete { key, .. }) => Some(key),
            Op::Ask(Asked::Renew(lease) | Asked::Revoke(lease)) => self.key_of(lease),
            Op::Ask(Asked::Read(_) | Asked::Grant { .. }) => None,
            Op::Dial | Op::LogIn | Op::Watch(_) => None,
        };
        if let Some(key) = key {
            self.processes[by].tenures[key].overtaken = true;
        }
    }

    fn carry_out(&mut self, op: &Op, link: usize) -> Result<Reply, Problem> {
        self.events += 1;
        let Link {
            member, by, token, ..
        } = self.network.links[link];
        match op {
            Op::Dial if self.etcd.picky[member] => Err(Problem::Refused),
            Op::Dial => Ok(Reply::Dialled),
            Op::LogIn => Ok(self.log_in(link)),
            Op::Ask(asked) => {
                self.check(asked, by);
                let answer = self.etcd.answer(asked, token, self.now, self.clock);
                let answer = match answer {
                    Err(Problem::NotLoggedIn | Problem::LoginOutdated)
                        if !self.processes[by].named =>
                    {
                        Err(Problem::Refused)
                    }
                    answer => answer,
                };
                if !matches!(asked, Asked::Renew(_)) || answer.is_err() {
                    self.trace(|| format!("  etcd: {asked:?} of {by} → {answer:?}"));
                }
                if let (Asked::Read(read), Ok(_)) = (asked, &answer) {
                    self.note_read(by, read.what, read.revision);
                }
                answer.map(Reply::Answer)
            }
            Op::Watch(ranges) => self.begin_watch(ranges, link),
        }
    }

    fn log_in(&mut self, link: usize) -> Reply {
        let users = self.etcd.users;
        let token = users.enabled.then_some(users.revision);
        self.network.links[link].token = token;
        Reply::LoggedIn(match token {
            Some(_) => Login::AsAsked,
            None => Login::NotEnabled,
        })
    }

    /// A connection breaks once what is wrong with it has lasted for too long.
    fn look_after(&mut self, at: usize) {
        let link = &self.network.links[at];
        if link.state != State::Open {
            return;
        }
        let line = &self.network.lines[link.client];
        let patience = match self.etcd.members[link.member] {
            _ if link.epoch != self.etcd.epoch => 0,
            Member::Dead => 0,
            Member::Hung => PINGS_FAIL,
            Member::Up if !line.reaches(link.member, self.now) => PINGS_FAIL,
            Member::Up if !self.etcd.has_leader() => LEADER_MISSED,
            Member::Up => return self.network.links[at].bad_since = None,
        };
        let since = match link.bad_since {
            Some((since, same)) if same == patience => since,
            Some(_) | None => self.now,
        };
        self.network.links[at].bad_since = Some((since, patience));
        if since + patience <= self.now {
            self.break_link(at);
        }
    }

    /// When something of this is due, if nothing else happens.
    pub fn next_of_network(&self) -> Time {
        let Network {
            lines,
            links,
            flights,
            ..
        } = &self.network;
        let flights = flights.iter().map(|flight| match flight.left {
            true => flight.arrives_at,
            false => flight.arrives_at.min(flight.ends_at),
        });
        let open = links.iter().filter(|link| link.state == State::Open);
        let breaks = open.filter_map(|link| {
            let (since, patience) = link.bad_since?;
            Some(since + patience)
        });
        let lines = lines.iter().map(|line| line.changes_at(self.now));
        let next = flights.chain(breaks).chain(lines).min();
        next.unwrap_or(NEVER)
    }

    /// Wakes those who watch.
    pub fn wake_watchers(&self) {
        for link in 0..self.network.links.len() {
            if self.network.links[link].state == State::Open {
                self.wake(self.network.links[link].client);
            }
        }
    }

    fn note_heard(&mut self, flight: usize, reply: &Result<Reply, Problem>) {
        self.events += 1;
        let flight = &self.network.flights[flight];
        let (by, sent_at) = (self.network.links[flight.link].by, flight.sent_at);
        match (&flight.op, reply) {
            (Op::Ask(Asked::Grant { lease, .. }), Ok(_)) => self.note_confirmed(*lease, sent_at),
            (Op::Ask(Asked::Renew(lease)), Ok(Reply::Answer(Answer::TimeLeft(Some(_))))) => {
                self.note_confirmed(*lease, sent_at);
            }
            (Op::Ask(Asked::Put { key, lease, .. }), Ok(Reply::Answer(Answer::Written { .. }))) => {
                self.note_announced(by, *key, *lease, sent_at)
            }
            (_, Err(Problem::Refused | Problem::Denied)) => self.processes[by].refused = true,
            _ => {}
        }
    }

    /// What a process can know of etcd's history.
    fn note_read(&mut self, by: usize, what: What, revision: Revision) {
        let (epoch, history) = (self.etcd.epoch, self.etcd.history);
        let process = &mut self.processes[by];
        if what == What::Everything && revision == 0 {
            process.seen = history;
            process.epoch = epoch;
        } else if what == What::KeysOnly && process.epoch != epoch {
            let seen = process.seen;
            let longer = history.revision >= seen.revision && history.term >= seen.term;
            // Nothing that etcd says tells the new history from the old one.
            self.indistinguishable |= history.cluster == seen.cluster && longer;
        } else {
            process.seen = history;
        }
    }

    pub fn note_told(&mut self, by: usize) {
        let (epoch, history) = (self.etcd.epoch, self.etcd.history);
        let process = &mut self.processes[by];
        if process.epoch == epoch {
            process.seen = history;
        }
    }
}

pub fn lost(endpoint: &str) -> EtcdError {
    EtcdError::new(endpoint, Problem::Unavailable, "connection lost")
}

pub fn words(problem: Problem) -> &'static str {
    match problem {
        Problem::Refused => "certificate required",
        Problem::Denied => "permission denied",
        Problem::NotLoggedIn => "user name is empty",
        Problem::LoginOutdated => "revision of auth store is old",
        Problem::NotThatRevision => "required revision has been compacted",
        Problem::TooLarge => "message too large",
        Problem::Rejected => "not now",
        Problem::Unavailable | Problem::Silent => "unavailable",
    }
}

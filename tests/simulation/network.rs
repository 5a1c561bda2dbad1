//! Calls on their way: late, lost, refused, or carried out with the answer lost.

use register::etcd::procedure::{Answer, Call};
use register::etcd::progress::History;
use register::registration::{LeaseId, Revision};

use crate::clock::{NEVER, Time};
use crate::etcd::{Asked, KEYS, Kv, Member};
use crate::world::Shared;

/// What an undisturbed call takes.
const TO_SERVER: Time = 1;
const AND_BACK: Time = 2;

/// A stopped or unreachable server is noticed by pings after so long: 10 s and 3 s.
const PINGS_FAIL: Time = 13_000;
/// A member without a leader ends its watches after so long.
const LEADER_MISSED: Time = 3_000;

/// The longest that a call may be under way.
pub const LATEST: Time = 8_000;

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

#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Connecting, and watching from the next revision on.
    Watch,
    Call {
        call: Call,
        on: Asked,
        by: usize,
    },
    KeepAlive(LeaseId),
    /// What the follower asks.
    Now,
    Copy,
    /// Watching from revisions that the client names.
    WatchFrom,
}

#[derive(Clone, Copy, Debug)]
pub enum Reply {
    Watching { next: Revision },
    Answer(Answer),
    Renewed(Option<Time>),
    Now(History),
    Copy(History, [Option<Kv>; KEYS]),
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Reply(Reply),
    Refused,
    Lost,
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

    pub fn heal(&mut self) {
        *self = Self::default();
    }

    /// When more, or less, gets through.
    pub fn changes_at(&self, now: Time) -> Time {
        let times = self.cut_until.iter().chain([&self.held_until]);
        let to_come = times.copied().filter(|time| *time > now);
        to_come.min().unwrap_or(NEVER)
    }

    fn reaches(&self, member: usize, now: Time) -> bool {
        self.cut_until[member] <= now
    }

    fn fate(&mut self) -> Option<Fate> {
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

/// A call under way.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    op: Op,
    member: usize,
    epoch: u32,
    /// When the server carries it out.
    arrives_at: Time,
    /// It lies in a stopped server's buffers.
    buffered: bool,
    pub ends_at: Time,
    times_out_at: Time,
    /// Whether the client hears what came of it.
    heard: bool,
    end: End,
}

impl Flight {
    /// Over the connection `over`.
    pub fn start(shared: &Shared, line: &mut Line, op: Op, over: Over, timeout: Time) -> Self {
        let Over { member, epoch } = over;
        let now = shared.now;
        let times_out_at = now + timeout;
        let unheard = |arrives_at, ends_at| (arrives_at, ends_at, false);
        let fate = line.fate();
        let (arrives_at, ends_at, heard) = match (shared.etcd.members[member], fate) {
            (Member::Dead, _) => unheard(NEVER, now + TO_SERVER),
            (Member::Hung, _) => unheard(NEVER, times_out_at),
            (Member::Up, _) if !line.reaches(member, now) => unheard(NEVER, times_out_at),
            (Member::Up, None) => (now + TO_SERVER, now + AND_BACK, true),
            (Member::Up, Some(Fate::Slow(time))) => (now + time / 2, now + time, time <= timeout),
            (Member::Up, Some(Fate::AnswerLost)) => unheard(now + TO_SERVER, now + AND_BACK),
            (Member::Up, Some(Fate::NeverArrives | Fate::TurnedDown)) => {
                unheard(NEVER, now + AND_BACK)
            }
            (Member::Up, Some(Fate::Hangs)) => unheard(NEVER, times_out_at),
            (Member::Up, Some(Fate::Late(time))) => unheard(now + time, now + AND_BACK),
        };
        let refused =
            shared.etcd.members[member] == Member::Up && matches!(fate, Some(Fate::TurnedDown));
        Self {
            op,
            member,
            epoch,
            arrives_at,
            buffered: shared.etcd.members[member] == Member::Hung,
            ends_at: ends_at.min(times_out_at),
            times_out_at,
            heard,
            end: if refused { End::Refused } else { End::Lost },
        }
    }

    /// When something happens to it next.
    pub fn next(&self) -> Time {
        self.arrives_at.min(self.ends_at)
    }

    pub fn arrives_at(&self) -> Time {
        self.arrives_at
    }

    /// The server carries it out, whatever the client does.
    pub fn arrive(&mut self, shared: &mut Shared) {
        if self.arrives_at > shared.now {
            return;
        }
        self.arrives_at = NEVER;
        if self.epoch != shared.etcd.epoch || !shared.etcd.serves(self.member) {
            self.ends_at = self.times_out_at;
            return;
        }
        let end = carry_out(self.op, shared);
        if self.heard {
            self.end = end;
        }
    }

    /// How it ended, once the client has heard.
    pub fn ended(&self, shared: &mut Shared) -> Option<End> {
        if self.ends_at > shared.now {
            return None;
        }
        self.left_behind(shared);
        Some(self.end)
    }

    /// The client does not wait for it any more; the server may carry it out still.
    pub fn left_behind(&self, shared: &mut Shared) {
        // A renewal would prolong a lease beyond all bounds.
        let buffered = self.buffered && !matches!(self.op, Op::KeepAlive(_));
        if self.arrives_at != NEVER || buffered {
            let heard = false;
            shared.late.push(Self { heard, ..*self });
        }
    }

    /// The connection broke.
    pub fn break_off(&mut self, now: Time) {
        if self.ends_at > now {
            self.ends_at = now;
            self.end = End::Lost;
            self.heard = false;
        }
    }
}

/// Calls whose clients have gone.
pub fn late_arrivals(shared: &mut Shared) {
    let mut number = 0;
    while number < shared.late.len() {
        let mut flight = shared.late[number];
        match shared.etcd.members[flight.member] {
            Member::Hung => {}
            // The server runs again, and reads what lay in its buffers.
            Member::Up if flight.buffered => flight.arrives_at = shared.now,
            Member::Dead if flight.buffered => {
                shared.late.swap_remove(number);
                continue;
            }
            Member::Up | Member::Dead => {}
        }
        if flight.arrives_at <= shared.now {
            shared.late.swap_remove(number);
            if let Op::Call { by, .. } = flight.op {
                shared.processes[by].overtaken = true;
            }
            flight.arrive(shared);
        } else {
            number += 1;
        }
    }
}

pub fn next_late(shared: &Shared) -> Time {
    let up = |flight: &Flight| shared.etcd.members[flight.member] == Member::Up;
    let next = shared.late.iter().map(|flight| match flight.buffered {
        true if up(flight) => shared.now + 1,
        true | false => flight.arrives_at,
    });
    next.min().unwrap_or(NEVER)
}

fn carry_out(op: Op, shared: &mut Shared) -> End {
    let etcd = &mut shared.etcd;
    End::Reply(match op {
        Op::Watch => Reply::Watching {
            next: etcd.history.revision + 1,
        },
        Op::WatchFrom => Reply::Now(etcd.history),
        Op::Call { call, on, by } => {
            shared.check_call(call, on, by);
            let answer = shared.etcd.answer(call, on, shared.now, shared.clock);
            let now = shared.now;
            shared
                .trace
                .line(now, || format!("  etcd: {call:?} of {by} → {answer:?}"));
            if matches!(answer, Answer::Refused) {
                return End::Refused;
            }
            Reply::Answer(answer)
        }
        Op::KeepAlive(lease) => Reply::Renewed(etcd.renew(lease, shared.now)),
        Op::Now => Reply::Now(etcd.history),
        Op::Copy => Reply::Copy(etcd.history, etcd.keys),
    })
}

/// To which server, and of which of etcd's lives: none outlasts a restore.
#[derive(Clone, Copy, Debug)]
pub struct Over {
    member: usize,
    pub epoch: u32,
}

impl Over {
    pub fn new(member: usize, shared: &Shared) -> Self {
        Self {
            member,
            epoch: shared.etcd.epoch,
        }
    }
}

/// A connection that has been made.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    over: Over,
    /// Since when the server, or the way there, is not what it should be.
    bad_since: Option<(Time, Time)>,
}

impl Link {
    pub fn new(over: Over) -> Self {
        Self {
            over,
            bad_since: None,
        }
    }

    /// Whether it is broken now, and else when to look again.
    pub fn is_broken(&mut self, shared: &Shared, line: &Line) -> Result<Time, ()> {
        let etcd = &shared.etcd;
        let patience = match etcd.members[self.over.member] {
            _ if self.over.epoch != etcd.epoch => 0,
            Member::Dead => 0,
            Member::Hung => PINGS_FAIL,
            Member::Up if !line.reaches(self.over.member, shared.now) => PINGS_FAIL,
            Member::Up if !etcd.has_leader() => LEADER_MISSED,
            Member::Up => {
                self.bad_since = None;
                return Ok(NEVER);
            }
        };
        let since = match self.bad_since {
            Some((since, same)) if same == patience => since,
            Some(_) | None => shared.now,
        };
        self.bad_since = Some((since, patience));
        if since + patience <= shared.now {
            return Err(());
        }
        Ok(since + patience)
    }

    /// Whether watches tell anything.
    pub fn tells(&self, shared: &Shared, line: &Line) -> bool {
        shared.etcd.serves(self.over.member)
            && line.reaches(self.over.member, shared.now)
            && line.held_until <= shared.now
    }
}

//! The proxy's copy of etcd, as `src/etcd/follow.rs` keeps it: that one waits, this one is stepped.
//! What decides is the product's: `Progress` and `Backoff`.

use std::collections::VecDeque;

use bytes::Bytes;
use register::backoff::Backoff;
use register::etcd::follow::Change;
use register::etcd::progress::{History, Progress, Told};
use register::registration::Revision;
use renderer::snapshot::Snapshot;

use crate::clock::{NEVER, Time, ms};
use crate::disk::RESOURCES;
use crate::etcd::{KEYS, Kv};
use crate::network::{End, Flight, Line, Link, Op, Over, Reply};
use crate::world::Shared;

/// As in `follow.rs`.
const CALL_TIMEOUT: Time = 5_000;
const RECONNECT_FIRST: Time = 50;
const RECONNECT_CAP: Time = 800;

/// Each resource reads a half of the keys, and each half is a watch.
const HALF: usize = KEYS / RESOURCES;

static KEY_NAMES: [&[u8]; KEYS] = [b"/a/0", b"/a/1", b"/b/0", b"/b/1"];
static VALUES: [u8; 256] = {
    let mut values = [0; 256];
    let mut value = 0;
    while value < 256 {
        values[value] = value as u8;
        value += 1;
    }
    values
};

pub fn key_name(key: usize) -> Bytes {
    Bytes::from_static(KEY_NAMES[key])
}

pub fn key_of(name: &[u8]) -> Option<usize> {
    KEY_NAMES.iter().position(|known| *known == name)
}

fn value(kv: Kv) -> Bytes {
    let at = usize::from(kv.value);
    Bytes::from_static(&VALUES[at..=at])
}

pub fn snapshot_of(keys: &[Option<Kv>; KEYS]) -> Snapshot {
    let named = keys.iter().enumerate();
    let entries = named.filter_map(|(key, kv)| Some((key_name(key), value((*kv)?))));
    Snapshot {
        entries: entries.collect(),
        revision: 0,
    }
}

/// What `Update` tells, but for the refusal.
pub enum Update {
    Read(Snapshot),
    Changed(Vec<Change>),
}

enum Doing {
    Checking(Flight),
    Reading(Flight),
    Watching(Flight),
    Streaming,
    Pausing { until: Time },
}

pub struct Follower {
    pub line: Line,
    pub updates: VecDeque<Update>,
    progress: Option<Progress>,
    /// The restore after which the copy was last read, and what was last seen of that history.
    epoch: u32,
    seen: History,
    backoff: Backoff,
    failures: usize,
    endpoint: usize,
    over: Over,
    link: Option<Link>,
    look_again: Time,
    /// What each watch of the server has yet to tell of.
    positions: [Revision; RESOURCES],
    doing: Doing,
}

impl Follower {
    pub fn new(seed: u64, mut line: Line, shared: &Shared) -> Self {
        let over = Over::new(0, shared);
        let flight = Flight::start(shared, &mut line, Op::Copy, over, CALL_TIMEOUT);
        Self {
            line,
            updates: VecDeque::new(),
            progress: None,
            epoch: 0,
            seen: History::default(),
            backoff: Backoff::new(ms(RECONNECT_FIRST), ms(RECONNECT_CAP), seed),
            failures: 0,
            endpoint: 0,
            over,
            link: None,
            look_again: NEVER,
            positions: [0; RESOURCES],
            doing: Doing::Reading(flight),
        }
    }

    pub fn next(&self, shared: &Shared) -> Time {
        let doing = match &self.doing {
            Doing::Checking(flight) | Doing::Reading(flight) | Doing::Watching(flight) => {
                flight.next()
            }
            Doing::Pausing { until } => *until,
            Doing::Streaming => self.line.changes_at(shared.now),
        };
        doing.min(self.look_again)
    }

    fn flight(&mut self) -> Option<&mut Flight> {
        match &mut self.doing {
            Doing::Checking(flight) | Doing::Reading(flight) | Doing::Watching(flight) => {
                Some(flight)
            }
            Doing::Streaming | Doing::Pausing { .. } => None,
        }
    }

    pub fn reset(&mut self, shared: &Shared) {
        let now = shared.now;
        if let Some(flight) = self.flight() {
            flight.break_off(now);
        } else if self.link.is_some() {
            self.failed(shared);
        }
    }

    pub fn step(&mut self, shared: &mut Shared) {
        if let Some(flight) = self.flight() {
            flight.arrive(shared);
        }
        if let Some(link) = &mut self.link {
            match link.is_broken(shared, &self.line) {
                Ok(again) => self.look_again = again,
                Err(()) => {
                    self.look_again = NEVER;
                    self.reset(shared);
                }
            }
        }
        while self.step_once(shared) {}
    }

    fn step_once(&mut self, shared: &mut Shared) -> bool {
        let ended = self.flight().map(|flight| *flight);
        let end = match ended {
            Some(flight) => match flight.ended(shared) {
                Some(end) => end,
                None => return false,
            },
            None => End::Lost,
        };
        match &self.doing {
            Doing::Checking(_) => match end {
                End::Reply(Reply::Now(now)) => self.checked(now, shared),
                _ => self.failed(shared),
            },
            Doing::Reading(_) => match end {
                End::Reply(Reply::Copy(history, keys)) => self.read(history, &keys, shared),
                _ => self.failed(shared),
            },
            Doing::Watching(_) => match end {
                End::Reply(Reply::Now(_)) => self.watch(shared),
                _ => self.failed(shared),
            },
            Doing::Pausing { until } => {
                if *until > shared.now {
                    return false;
                }
                self.follow(shared);
            }
            Doing::Streaming => return self.stream(shared),
        }
        true
    }

    /// `Follower::follow` and the start of `catch_up`.
    fn follow(&mut self, shared: &Shared) {
        self.over = Over::new(self.endpoint, shared);
        self.doing = match self.progress {
            Some(_) => Doing::Checking(self.start(Op::Now, shared)),
            None => Doing::Reading(self.start(Op::Copy, shared)),
        };
    }

    fn checked(&mut self, now: History, shared: &mut Shared) {
        let Some(progress) = &mut self.progress else {
            return self.follow(shared);
        };
        let goes_on = progress.goes_on(now);
        let seen = self.seen;
        let longer = now.revision >= seen.revision && now.term >= seen.term;
        if self.epoch != self.over.epoch && now.cluster == seen.cluster && longer {
            // Nothing that etcd says tells the new history from the old one.
            shared.indistinguishable = true;
        }
        if goes_on {
            self.seen = now;
        }
        self.link = Some(Link::new(self.over));
        self.doing = if goes_on {
            Doing::Watching(self.start(Op::WatchFrom, shared))
        } else {
            Doing::Reading(self.start(Op::Copy, shared))
        };
    }

    fn read(&mut self, history: History, keys: &[Option<Kv>; KEYS], shared: &Shared) {
        self.epoch = self.over.epoch;
        self.seen = history;
        self.progress = Some(Progress::since(history, RESOURCES));
        let mut snapshot = snapshot_of(keys);
        snapshot.revision = history.revision;
        self.updates.push_back(Update::Read(snapshot));
        self.link = Some(Link::new(self.over));
        self.doing = Doing::Watching(self.start(Op::WatchFrom, shared));
    }

    /// The server has the watches; what it tells first is that they were created.
    fn watch(&mut self, shared: &mut Shared) {
        let Some(progress) = &mut self.progress else {
            return self.follow(shared);
        };
        for (position, next) in self.positions.iter_mut().zip(progress.next()) {
            *position = *next;
        }
        for watch in 0..RESOURCES {
            progress.take_in(Told {
                watch,
                created: true,
                last_change: None,
                revision: shared.etcd.history.revision,
            });
        }
        self.seen.revision = shared.etcd.history.revision;
        self.backoff.reset();
        self.doing = Doing::Streaming;
    }

    fn stream(&mut self, shared: &mut Shared) -> bool {
        let (Some(link), Some(progress)) = (&self.link, &mut self.progress) else {
            return false;
        };
        if !link.tells(shared, &self.line) {
            return false;
        }
        for watch in 0..RESOURCES {
            let position = self.positions[watch];
            if position <= shared.etcd.compacted {
                self.progress = None;
                self.link = None;
                self.follow(shared);
                return true;
            }
            let mut changes = Vec::new();
            for change in shared.etcd.since(position) {
                if change.key / HALF == watch {
                    changes.push(Change {
                        key: key_name(change.key),
                        value: change.kv.map(value),
                        revision: change.revision,
                    });
                }
            }
            let Some(last) = changes.last().map(|change| change.revision) else {
                // A watch that has nothing to tell keeps up all the same.
                self.positions[watch] = position.max(shared.etcd.history.revision + 1);
                continue;
            };
            self.positions[watch] = last + 1;
            self.seen.revision = shared.etcd.history.revision;
            progress.take_in(Told {
                watch,
                created: false,
                last_change: Some(last),
                revision: shared.etcd.history.revision,
            });
            self.updates.push_back(Update::Changed(changes));
            return true;
        }
        false
    }

    /// A message that only tells how far a watch is.
    pub fn notify(&mut self, shared: &Shared) {
        let (Doing::Streaming, Some(link), Some(progress)) =
            (&self.doing, &self.link, &mut self.progress)
        else {
            return;
        };
        let revision = shared.etcd.history.revision;
        if !link.tells(shared, &self.line) {
            return;
        }
        for watch in 0..RESOURCES {
            if self.positions[watch] == revision + 1 {
                self.seen.revision = revision;
                progress.take_in(Told {
                    watch,
                    created: false,
                    last_change: None,
                    revision,
                });
            }
        }
    }

    /// `Follower::run`, after an error.
    fn failed(&mut self, shared: &Shared) {
        self.link = None;
        self.look_again = NEVER;
        let endpoints = shared.etcd.members.len();
        self.failures += 1;
        self.endpoint = (self.endpoint + 1) % endpoints;
        if self.failures.is_multiple_of(endpoints) {
            let until = shared.clock.at(shared.now) + self.backoff.delay();
            self.doing = Doing::Pausing {
                until: shared.clock.time_of(until),
            };
        } else {
            self.follow(shared);
        }
    }

    fn start(&mut self, op: Op, shared: &Shared) -> Flight {
        Flight::start(shared, &mut self.line, op, self.over, CALL_TIMEOUT)
    }
}

//! Streams of watches: what they tell, and when they tell nothing or are ended.

use std::collections::VecDeque;

use register::etcd::api::{Change, KeyRange, WatchAnswer};
use register::etcd::error::{EtcdError, Problem};
use register::registration::Revision;

use crate::keys;
use crate::model::Model;
use crate::network::{Link, Reply, lost, words};

/// A stream of watches.
pub struct Watch {
    link: usize,
    ranges: Vec<Watched>,
    /// What is told before anything else.
    first: VecDeque<WatchAnswer>,
    /// What it had yet to tell was compacted.
    cancelled: bool,
}

struct Watched {
    range: KeyRange,
    next: Revision,
}

impl Model {
    pub fn begin_watch(
        &mut self,
        ranges: &[(KeyRange, Revision)],
        link: usize,
    ) -> Result<Reply, Problem> {
        let token = self.network.links[link].token;
        let users = self.etcd.users;
        // Older etcd says that where it wants a login, too.
        if users.enabled && token != Some(users.revision) {
            return Err(Problem::Denied);
        }
        if !ranges.iter().all(|(range, _)| self.etcd.may(range)) {
            return Err(Problem::Denied);
        }
        let now = self.etcd.history.revision;
        let first = (0..ranges.len()).map(|watch| told(watch, true, Vec::new(), now));
        let first = first.collect();
        let ranges = ranges.iter().map(|(range, next)| Watched {
            range: range.clone(),
            next: if *next == 0 { now + 1 } else { *next },
        });
        let ranges: Vec<_> = ranges.collect();
        let compacted = self.etcd.compacted;
        let cancelled = ranges.iter().any(|watched| watched.next < compacted);
        // The first of several is ended while the others are created.
        if cancelled && ranges.len() > 1 {
            return Err(Problem::NotThatRevision);
        }
        self.network.watches.push(Watch {
            link,
            ranges,
            first,
            cancelled,
        });
        Ok(Reply::Watching(self.network.watches.len() - 1))
    }

    /// The next message of a watch, if there is one.
    pub fn tell(&mut self, watch: usize) -> Option<Result<WatchAnswer, EtcdError>> {
        let link = self.network.watches[watch].link;
        let endpoint = self.endpoint_of(link);
        if self.is_broken(link) {
            return Some(Err(lost(endpoint)));
        }
        let Link {
            client, member, by, ..
        } = self.network.links[link];
        let line = &self.network.lines[client];
        let tells = self.etcd.serves(member)
            && line.reaches(member, self.now)
            && line.held_until <= self.now;
        if !tells {
            return None;
        }
        let told = self.next_told(watch)?;
        self.events += 1;
        self.note_told(by);
        let gone = Problem::NotThatRevision;
        Some(told.ok_or_else(|| EtcdError::new(endpoint, gone, words(gone))))
    }

    /// None inside if it was cancelled.
    fn next_told(&mut self, watch: usize) -> Option<Option<WatchAnswer>> {
        let now = self.etcd.history.revision;
        let watch = &mut self.network.watches[watch];
        if let Some(told) = watch.first.pop_front() {
            return Some(Some(told));
        }
        if watch.cancelled {
            return Some(None);
        }
        for (number, watched) in watch.ranges.iter_mut().enumerate() {
            let concerns = |key| watched.range.contains(&keys::name(key));
            let news = self.etcd.since(watched.next);
            let Some(first) = news.iter().find(|change| concerns(change.key)) else {
                // A watch that has nothing to tell keeps up all the same.
                watched.next = watched.next.max(now + 1);
                continue;
            };
            let revision = first.revision;
            // All that it missed may come in one message, or a revision at a time.
            let last = if revision % 2 == 0 { now } else { revision };
            let together = news
                .iter()
                .filter(|change| change.revision <= last && concerns(change.key));
            let changes = together.map(change).collect();
            watched.next = last + 1;
            return Some(Some(told(number, false, changes, now)));
        }
        None
    }

    /// What a watch of the client has yet to say is only how far it is.
    pub fn notify(&mut self, client: usize) {
        let now = self.etcd.history.revision;
        for watch in &mut self.network.watches {
            if self.network.links[watch.link].client != client {
                continue;
            }
            for (number, watched) in watch.ranges.iter().enumerate() {
                if watched.next == now + 1 {
                    watch.first.push_back(told(number, false, Vec::new(), now));
                }
            }
        }
        self.wake(client);
    }

    /// Watches that are more than one revision behind are ended; the others have what the last one
    /// brought already.
    pub fn compact(&mut self) {
        let last = self.etcd.history.revision;
        let going_on = |watch: &&mut Watch| !watch.cancelled;
        for watch in self.network.watches.iter_mut().filter(going_on) {
            for (number, watched) in watch.ranges.iter_mut().enumerate() {
                let concerns = |key| watched.range.contains(&keys::name(key));
                let missed = self.etcd.since(watched.next);
                let mut missed = missed.iter().filter(|change| concerns(change.key));
                if missed.clone().any(|change| change.revision < last) {
                    watch.cancelled = true;
                } else if watched.next <= last {
                    let changes: Vec<_> = missed.by_ref().map(change).collect();
                    if !changes.is_empty() {
                        watch.first.push_back(told(number, false, changes, last));
                    }
                    watched.next = last + 1;
                }
            }
        }
        self.etcd.compact();
    }
}

fn told(watch: usize, created: bool, changes: Vec<Change>, revision: Revision) -> WatchAnswer {
    WatchAnswer {
        watch,
        created,
        changes,
        revision,
    }
}

fn change(change: &crate::etcd::Change) -> Change {
    Change {
        key: keys::name(change.key),
        value: change.kv.map(|kv| keys::value(kv.value)),
        lease: change.kv.map_or(0, |kv| kv.lease),
        revision: change.revision,
    }
}

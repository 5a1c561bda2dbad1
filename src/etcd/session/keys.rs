//! The keys of an agent's services: which are watched and how far, and what is asked for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::etcd::announcement::Announcement;
use crate::etcd::api::{Answer, Call, Change, History, KeyRange, Page, WatchAnswer};
use crate::etcd::error::EtcdError;
use crate::etcd::holder::{KeyHolder, Step};
use crate::registration::{Event, Holder, LeaseId, Request, Revision, ServiceId};

#[derive(Default)]
pub(super) struct Keys {
    keys: BTreeMap<ServiceId, Key>,
    /// Those with a request to begin, the one that has waited longest first.
    waiting: VecDeque<ServiceId>,
    /// Of the server that was heard last.
    history: Option<History>,
    /// There are keys that are to be watched besides.
    has_unwatched: bool,
}

struct Key {
    holder: KeyHolder,
    /// Not begun yet.
    request: Option<Request>,
    standing: Standing,
    /// Etcd's last answer was that we may not.
    refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Neither read nor watched.
    Unread,
    /// It was read; the revision that its watch has yet to tell of.
    Followed { next: Revision },
    /// We may not read it, and do not watch it.
    Denied,
}

/// A key to watch from there on; 0: it is to be read, too.
pub(super) struct ToWatch {
    pub service: ServiceId,
    pub range: KeyRange,
    pub next: Revision,
}

impl Keys {
    pub(super) fn begin(
        &mut self,
        service: ServiceId,
        announcement: Announcement,
        ttl: Duration,
        seed: u64,
    ) {
        let key = Key {
            holder: KeyHolder::new(announcement, ttl, seed),
            request: None,
            standing: Standing::Unread,
            refused: false,
        };
        self.keys.insert(service, key);
        self.has_unwatched = true;
    }

    pub(super) fn restate(
        &mut self,
        service: ServiceId,
        announcement: Announcement,
        ttl: Duration,
    ) {
        if let Some(key) = self.keys.get_mut(&service) {
            key.holder.restate(announcement, ttl);
        }
    }

    pub(super) fn end(&mut self, service: ServiceId) {
        self.keys.remove(&service);
        self.waiting.retain(|waiting| *waiting != service);
    }

    pub(super) fn services(&self) -> Vec<ServiceId> {
        self.keys.keys().copied().collect()
    }

    /// How it is called, for people.
    pub(super) fn key(&self, service: ServiceId) -> &str {
        self.keys.get(&service).map_or("", |key| key.holder.key())
    }

    /// Of all services; a year where there are none.
    pub(super) fn shortest_ttl(&self) -> Duration {
        let ttls = self.keys.values().map(|key| key.holder.ttl());
        ttls.min().unwrap_or(crate::longest::WAIT)
    }

    pub(super) fn history(&self) -> Option<History> {
        self.history
    }

    pub(super) fn ask(&mut self, service: ServiceId, request: Request) {
        if let Some(key) = self.keys.get_mut(&service) {
            key.request = Some(request);
            self.waiting.push_back(service);
        }
    }

    /// The first call of a request that waits. One whose key is yet to be read waits longer: what is read
    /// is to be from before it.
    pub(super) fn next_to_begin(&mut self) -> Option<(ServiceId, Call)> {
        let is_read = |service: &ServiceId| {
            self.keys
                .get(service)
                .is_none_or(|key| key.standing != Standing::Unread)
        };
        let first = self.waiting.iter().position(is_read)?;
        let service = self.waiting.remove(first)?;
        let key = self.keys.get_mut(&service)?;
        let request = key.request.take()?;
        Some((service, key.holder.begin(request)))
    }

    /// Takes in the answer to a call; none if there is no such service any more.
    pub(super) fn on(
        &mut self,
        service: ServiceId,
        call: &Call,
        answer: Result<Answer, EtcdError>,
    ) -> Option<Step> {
        self.note_history(answer.as_ref().ok());
        let key = self.keys.get_mut(&service)?;
        let step = key.holder.on(call, answer)?;
        if matches!(step, Step::Announced(..) | Step::Over(_)) {
            key.refused = false;
            if key.standing == Standing::Denied {
                key.standing = Standing::Unread;
                self.has_unwatched = true;
            }
        }
        Some(step)
    }

    /// Etcd came as far as that: it is another history where it did not.
    fn note_history(&mut self, answer: Option<&Answer>) {
        let Some(history) = &mut self.history else {
            return;
        };
        match answer {
            Some(Answer::Written { revision }) => {
                history.revision = history.revision.max(*revision)
            }
            Some(Answer::Page(page)) => {
                history.term = history.term.max(page.history.term);
                history.revision = history.revision.max(page.history.revision);
            }
            Some(_) | None => {}
        }
    }

    /// Whether all are refused, and none ever was not.
    pub(super) fn turned_down(&mut self, service: ServiceId, error: &EtcdError) -> bool {
        let Some(key) = self.keys.get_mut(&service) else {
            return false;
        };
        key.refused = error.is_refusal();
        let is_refused = |key: &Key| key.refused && !key.holder.has_written();
        if self.keys.values().all(is_refused) {
            return true;
        }
        if let Some(key) = self.keys.get_mut(&service) {
            key.holder.turned_down(error);
        }
        false
    }

    /// What was under way, and is left.
    pub(super) fn leave_all(&mut self) -> Vec<ServiceId> {
        let keys = self.keys.iter_mut();
        let left = keys.filter_map(|(service, key)| key.holder.leave().then_some(*service));
        left.collect()
    }

    /// What was asked for and not begun.
    pub(super) fn take_waiting(&mut self) -> VecDeque<ServiceId> {
        for key in self.keys.values_mut() {
            key.request = None;
        }
        std::mem::take(&mut self.waiting)
    }

    /// All keys. Those that may not be read are tried again.
    pub(super) fn to_watch(&self) -> Vec<ToWatch> {
        let wanted = self.keys.iter().map(|(service, key)| ToWatch {
            service: *service,
            range: KeyRange::exactly(key.holder.key()),
            next: match key.standing {
                Standing::Followed { next } => next,
                Standing::Unread | Standing::Denied => 0,
            },
        });
        wanted.collect()
    }

    /// Those that may not be read, as far as is known.
    pub(super) fn denied(&self) -> Vec<ToWatch> {
        let is_denied = |key: &Key| key.standing == Standing::Denied;
        let mut keys = self.to_watch();
        keys.retain(|wanted| self.keys.get(&wanted.service).is_some_and(is_denied));
        keys
    }

    /// Some of those may be read now.
    pub(super) fn watch_denied(&mut self) {
        self.has_unwatched = true;
    }

    /// Whether there are keys to watch besides; from now on there are none.
    pub(super) fn take_unwatched(&mut self) -> bool {
        std::mem::take(&mut self.has_unwatched)
    }

    /// A watch on them is there, and all but those denied were read. `history`: of the server, where it
    /// was seen.
    pub(super) fn are_watched(&mut self, denied: &BTreeSet<ServiceId>, history: Option<History>) {
        self.history = history.or(self.history);
        for service in denied {
            if let Some(key) = self.keys.get_mut(service) {
                key.standing = Standing::Denied;
            }
        }
        let is_unread = |key: &Key| key.standing == Standing::Unread;
        self.has_unwatched = self.keys.values().any(is_unread);
    }

    /// The key as it was read, once it was watched.
    pub(super) fn read(&mut self, service: ServiceId, page: &Page) -> Option<Event> {
        let revision = page.history.revision;
        let key = self.keys.get_mut(&service)?;
        key.standing = Standing::Followed { next: revision + 1 };
        let holder = holder(page.entries.first().map(|kv| kv.lease));
        Some(Event::Read { revision, holder })
    }

    /// What a watch tells that is not known yet.
    pub(super) fn news(&mut self, service: ServiceId, told: WatchAnswer) -> Vec<Change> {
        let Some(Key {
            standing: Standing::Followed { next },
            ..
        }) = self.keys.get_mut(&service)
        else {
            return Vec::new();
        };
        let known = *next;
        // An answer to a new watch may be ahead of what that watch will tell.
        let last = match told.changes.last() {
            Some(change) => change.revision,
            None if told.created => 0,
            None => told.revision,
        };
        *next = known.max(last + 1);
        if let Some(history) = &mut self.history {
            history.revision = history.revision.max(last);
        }
        let changes = told.changes.into_iter();
        changes.filter(|change| change.revision >= known).collect()
    }

    /// Whether the value has come to be a neighbour's, or is not any more.
    pub(super) fn note_value(&mut self, service: ServiceId, value: &[u8]) -> Option<bool> {
        self.keys.get_mut(&service)?.holder.note_value(value)
    }
}

pub(super) fn changed(change: &Change) -> Event {
    let held = change.value.as_ref().map(|_| change.lease);
    Event::Changed {
        revision: change.revision,
        holder: holder(held),
    }
}

/// By the lease of the key, if it is there.
fn holder(lease: Option<LeaseId>) -> Holder {
    match lease {
        None => Holder::Nobody,
        Some(0) => Holder::NoLease,
        Some(lease) => Holder::Lease(lease),
    }
}

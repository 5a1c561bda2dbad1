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
    /// Etcd took a write of a service that has ended.
    has_written: bool,
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
        let ended = self.keys.remove(&service);
        self.has_written |= ended.is_some_and(|key| key.holder.has_written());
        self.waiting.retain(|waiting| *waiting != service);
    }

    pub(super) fn are_none(&self) -> bool {
        self.keys.is_empty()
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
        if !self.has_written && self.keys.values().all(is_refused) {
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
        !self.keys.is_empty() && std::mem::take(&mut self.has_unwatched)
    }

    /// None is followed any more: by the time that they are read, what was known of etcd's history may
    /// look as if it went on.
    pub(super) fn begin_anew(&mut self) {
        for key in self.keys.values_mut() {
            if matches!(key.standing, Standing::Followed { .. }) {
                key.standing = Standing::Unread;
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::api::KeyValue;
    use crate::etcd::error::Problem;
    use crate::etcd::lease::Lease;
    use crate::registration::Claim;

    const TTL: Duration = Duration::from_secs(30);
    const ANNOUNCE: Request = Request::Announce { take_over: true };

    fn keys(services: &[ServiceId]) -> Keys {
        let mut keys = Keys::default();
        for service in services {
            let announcement = Announcement {
                key: format!("/{service}"),
                value: "10.0.0.5:80".to_owned(),
                port: 80,
            };
            keys.begin(*service, announcement, TTL, *service);
        }
        keys
    }

    fn history(revision: Revision) -> History {
        History {
            cluster: 1,
            term: 2,
            revision,
        }
    }

    /// Without the key.
    fn page(revision: Revision) -> Page {
        Page {
            history: history(revision),
            ..Page::default()
        }
    }

    /// All are read at this revision, and watched but for those denied.
    fn watched(keys: &mut Keys, revision: Revision, denied: &[ServiceId]) {
        for service in keys.services() {
            if !denied.contains(&service) {
                keys.read(service, &page(revision));
            }
        }
        keys.are_watched(&denied.iter().copied().collect(), Some(history(revision)));
    }

    fn told(revision: Revision, changes: &[Revision]) -> WatchAnswer {
        let change = |revision: &Revision| Change {
            key: "/1".into(),
            value: None,
            lease: 0,
            revision: *revision,
        };
        WatchAnswer {
            watch: 0,
            created: false,
            changes: changes.iter().map(change).collect(),
            revision,
        }
    }

    fn next(keys: &Keys, service: ServiceId) -> Revision {
        let wanted = keys.to_watch();
        let key = wanted.iter().find(|key| key.service == service);
        key.expect("wanted").next
    }

    /// Puts the key, whatever is asked for.
    fn announce(keys: &mut Keys, service: ServiceId) -> Option<Step> {
        keys.ask(service, ANNOUNCE);
        let (_, mut call) = keys.next_to_begin()?;
        loop {
            let answer = match &call {
                Call::Grant { lease, ttl } => {
                    Answer::Granted(Lease::granted(*lease, *ttl, crate::deadline::now()))
                }
                Call::Read(_) => Answer::Page(page(10)),
                Call::Put { .. } => Answer::Written { revision: 11 },
                other => unreachable!("{other:?}"),
            };
            match keys.on(service, &call, Ok(answer))? {
                Step::Ask(following) => call = following,
                over => return Some(over),
            }
        }
    }

    fn refused(problem: Problem) -> EtcdError {
        EtcdError::new("http://e", problem, "no")
    }

    #[test]
    fn a_request_waits_until_its_key_was_read_and_overtakes_none_that_may_go_on() {
        let mut keys = keys(&[1, 2]);
        keys.ask(1, ANNOUNCE);
        keys.ask(2, ANNOUNCE);
        assert!(keys.next_to_begin().is_none());
        keys.read(2, &page(10));
        assert_eq!(keys.next_to_begin().map(|(service, _)| service), Some(2));
        assert!(keys.next_to_begin().is_none());
        keys.read(1, &page(10));
        assert_eq!(keys.next_to_begin().map(|(service, _)| service), Some(1));
    }

    #[test]
    fn what_was_read_already_is_no_news_and_what_follows_is() {
        let mut keys = keys(&[1]);
        watched(&mut keys, 10, &[]);
        assert_eq!(next(&keys, 1), 11);
        let news = keys.news(1, told(12, &[9, 10, 11, 12]));
        let revisions: Vec<_> = news.iter().map(|change| change.revision).collect();
        assert_eq!(revisions, [11, 12]);
        assert_eq!(next(&keys, 1), 13);
        assert_eq!(keys.news(1, told(12, &[12])), []);
        assert_eq!(keys.history(), Some(history(12)));
    }

    #[test]
    fn a_message_without_changes_moves_on_but_for_that_of_a_new_watch() {
        let mut keys = keys(&[1]);
        watched(&mut keys, 10, &[]);
        let created = WatchAnswer {
            created: true,
            ..told(20, &[])
        };
        keys.news(1, created);
        assert_eq!(next(&keys, 1), 11);
        keys.news(1, told(20, &[]));
        assert_eq!(next(&keys, 1), 21);
    }

    #[test]
    fn a_key_that_may_not_be_read_is_watched_once_etcd_takes_a_write() {
        let mut keys = keys(&[1, 2]);
        watched(&mut keys, 10, &[1]);
        assert!(!keys.take_unwatched());
        assert!(matches!(announce(&mut keys, 1), Some(Step::Announced(..))));
        assert!(keys.take_unwatched());
        assert!(!keys.take_unwatched());
        assert_eq!((next(&keys, 1), next(&keys, 2)), (0, 11));
    }

    #[test]
    fn a_service_that_was_added_is_watched_besides() {
        let mut keys = keys(&[1]);
        watched(&mut keys, 10, &[]);
        assert!(!keys.take_unwatched());
        let announcement = Announcement {
            key: "/2".to_owned(),
            value: "x".to_owned(),
            port: 1,
        };
        keys.begin(2, announcement, TTL / 2, 2);
        assert_eq!(keys.shortest_ttl(), TTL / 2);
        assert!(keys.take_unwatched());
        assert_eq!((next(&keys, 1), next(&keys, 2)), (11, 0));
        assert_eq!(keys.key(2), "/2");
        keys.end(2);
        assert_eq!(keys.services(), [1]);
        assert_eq!(keys.key(2), "");
    }

    #[test]
    fn what_etcd_came_to_is_known_by_its_answers_too() {
        let mut keys = keys(&[1]);
        watched(&mut keys, 10, &[]);
        announce(&mut keys, 1);
        assert_eq!(keys.history(), Some(history(11)));
        let later = History {
            term: 5,
            ..history(3)
        };
        keys.note_history(Some(&Answer::Page(Page {
            history: later,
            ..Page::default()
        })));
        let both = History {
            term: 5,
            ..history(11)
        };
        assert_eq!(keys.history(), Some(both));
    }

    #[test]
    fn it_is_a_mistake_of_ours_only_if_all_are_refused_and_none_was_ever_taken() {
        let mut keys = keys(&[1, 2]);
        watched(&mut keys, 10, &[]);
        let denied = refused(Problem::Denied);
        assert!(!keys.turned_down(1, &denied));
        assert!(!keys.turned_down(2, &refused(Problem::Rejected)));
        assert!(keys.turned_down(2, &denied));
        announce(&mut keys, 1);
        assert!(!keys.turned_down(1, &denied));
    }

    #[test]
    fn what_is_under_way_is_left_and_what_waits_is_taken_back() {
        let mut keys = keys(&[1, 2]);
        watched(&mut keys, 10, &[]);
        keys.ask(1, ANNOUNCE);
        let (_, call) = keys.next_to_begin().expect("one");
        keys.ask(2, Request::Withdraw(Claim::Value));
        assert_eq!(keys.leave_all(), [1]);
        assert_eq!(keys.leave_all(), [0; 0]);
        assert!(keys.on(1, &call, Ok(Answer::Revoked)).is_none());
        assert_eq!(keys.take_waiting(), [2]);
        assert!(keys.next_to_begin().is_none());
    }

    #[test]
    fn another_value_is_what_is_put_from_then_on() {
        let mut keys = keys(&[1]);
        watched(&mut keys, 10, &[]);
        let announcement = Announcement {
            key: "/1".to_owned(),
            value: "10.0.0.5:81".to_owned(),
            port: 81,
        };
        keys.restate(1, announcement, TTL * 2);
        assert_eq!(keys.shortest_ttl(), TTL * 2);
        assert_eq!(keys.note_value(1, b"10.0.0.5:80"), Some(true));
        assert_eq!(keys.note_value(1, b"10.0.0.5:80"), None);
        assert_eq!(keys.note_value(1, b"other"), Some(false));
    }

    #[test]
    fn the_key_as_it_was_read_is_told_by_its_lease() {
        let mut keys = keys(&[1]);
        let held_by = |lease| Page {
            entries: vec![KeyValue {
                key: "/1".into(),
                value: "x".into(),
                lease,
                revision: 9,
            }],
            ..page(10)
        };
        let table = [
            (page(10), Holder::Nobody),
            (held_by(0), Holder::NoLease),
            (held_by(7), Holder::Lease(7)),
        ];
        for (page, holder) in table {
            let revision = 10;
            let event = Event::Read { revision, holder };
            assert_eq!(keys.read(1, &page), Some(event));
        }
        let changed = |change: &Change| super::changed(change);
        let put = Change {
            value: Some("x".into()),
            lease: 7,
            ..told(12, &[12]).changes.remove(0)
        };
        let event = |holder| Event::Changed {
            revision: 12,
            holder,
        };
        assert_eq!(changed(&put), event(Holder::Lease(7)));
        let deleted = Change { value: None, ..put };
        assert_eq!(changed(&deleted), event(Holder::Nobody));
    }
}

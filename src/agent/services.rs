//! An agent's services by number, and how what was read of them differs from what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::service::{Service, ServiceSettings};
use crate::registration::ServiceId;

/// The services that there are, and those that are being withdrawn.
pub(super) struct Services<B> {
    services: BTreeMap<ServiceId, Service<B>>,
    /// When each is to be told that its deadline is reached.
    deadlines: BTreeMap<ServiceId, Instant>,
    by_deadline: BTreeSet<(Instant, ServiceId)>,
    last_id: ServiceId,
    /// What is begun once the service that holds the key still is withdrawn.
    successors: BTreeMap<ServiceId, ServiceSettings<B>>,
    seed: u64,
}

/// What a reload comes to.
#[derive(Debug)]
pub(super) struct Difference<B> {
    pub added: Vec<ServiceSettings<B>>,
    pub changed: Vec<(ServiceId, ServiceSettings<B>)>,
    pub removed: Vec<ServiceId>,
}

impl<B: PartialEq> Services<B> {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            services: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
            last_id: 0,
            successors: BTreeMap::new(),
            seed,
        }
    }

    pub(super) fn begin(&mut self, settings: ServiceSettings<B>) -> ServiceId {
        self.last_id += 1;
        let service = Service::new(settings, self.seed.wrapping_add(self.last_id));
        self.services.insert(self.last_id, service);
        self.last_id
    }

    pub(super) fn get(&mut self, id: ServiceId) -> Option<&mut Service<B>> {
        self.services.get_mut(&id)
    }

    pub(super) fn ids(&self) -> Vec<ServiceId> {
        self.services.keys().copied().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ServiceId, &Service<B>)> {
        self.services.iter().map(|(id, service)| (*id, service))
    }

    /// Those of this name, or the one of this key, with their keys. One that is being withdrawn is none
    /// unless it is begun anew then.
    pub(super) fn named(&self, name: &str) -> Vec<(ServiceId, String)> {
        let there = self
            .iter()
            .filter(|(id, service)| !service.is_stopping() || self.successors.contains_key(id));
        let named =
            there.filter(|(_, service)| service.settings().name == name || service.key() == name);
        let named = named.map(|(id, service)| (id, service.key().to_owned()));
        named.collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// It is over. What is to be begun in its place, if anything is.
    pub(super) fn end(&mut self, id: ServiceId) -> Option<ServiceSettings<B>> {
        self.services.remove(&id);
        self.set_deadline(id, None);
        self.successors.remove(&id)
    }

    /// These are to be begun once it is over.
    pub(super) fn succeed(&mut self, id: ServiceId, settings: ServiceSettings<B>) {
        self.successors.insert(id, settings);
    }

    /// Nothing is begun any more.
    pub(super) fn forget_successors(&mut self) {
        self.successors.clear();
    }

    /// The earliest of all deadlines.
    pub(super) fn deadline(&self) -> Option<(Instant, ServiceId)> {
        self.by_deadline.first().copied()
    }

    pub(super) fn set_deadline(&mut self, id: ServiceId, deadline: Option<Instant>) {
        let before = match deadline {
            Some(at) => self.deadlines.insert(id, at),
            None => self.deadlines.remove(&id),
        };
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.by_deadline.remove(&(before, id));
        }
        if let Some(at) = deadline {
            self.by_deadline.insert((at, id));
        }
    }

    /// What to do so that these are the services. A service is known by its key.
    pub(super) fn differ(&mut self, wanted: Vec<ServiceSettings<B>>) -> Difference<B> {
        self.successors.clear();
        let mut wanted: BTreeMap<String, ServiceSettings<B>> = wanted
            .into_iter()
            .map(|settings| (settings.announcement.key.clone(), settings))
            .collect();
        let mut difference = Difference {
            added: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
        };
        for (id, service) in &self.services {
            let settings = wanted.remove(service.key());
            match (settings, service.is_stopping()) {
                (Some(settings), true) => _ = self.successors.insert(*id, settings),
                (Some(settings), false) if settings != *service.settings() => {
                    difference.changed.push((*id, settings));
                }
                (Some(_), false) | (None, true) => {}
                (None, false) => difference.removed.push(*id),
            }
        }
        difference.added = wanted.into_values().collect();
        difference
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Announcement;
    use crate::health::{Cadence, Thresholds};
    use crate::registration::Event;

    const SECOND: Duration = Duration::from_secs(1);

    fn settings(key: &str, backend: u8) -> ServiceSettings<u8> {
        ServiceSettings {
            name: key.trim_start_matches('/').to_owned(),
            announcement: Announcement {
                key: key.to_owned(),
                value: "10.0.0.5:80".to_owned(),
                port: 80,
            },
            backend,
            thresholds: Thresholds { rise: 1, fall: 1 },
            cadence: Cadence {
                interval: SECOND,
                fast_interval: SECOND,
            },
            start_grace: Duration::ZERO,
            ttl: SECOND,
            drain: Duration::ZERO,
            stop_timeout: SECOND,
            drained: false,
        }
    }

    fn services(keys: &[&str]) -> (Services<u8>, Vec<ServiceId>) {
        let mut services = Services::new(1);
        let ids = keys.iter().map(|key| services.begin(settings(key, 0)));
        let ids = ids.collect();
        (services, ids)
    }

    fn keys(settings: &[ServiceSettings<u8>]) -> Vec<&str> {
        let keys = settings.iter().map(|one| one.announcement.key.as_str());
        keys.collect()
    }

    #[test]
    fn only_what_differs_is_to_be_done() {
        let (mut services, ids) = services(&["/a", "/b", "/c"]);
        let wanted = vec![settings("/a", 0), settings("/b", 1), settings("/d", 0)];
        let difference = services.differ(wanted);
        assert_eq!(keys(&difference.added), ["/d"]);
        let changed: Vec<_> = difference.changed.iter().map(|(id, _)| *id).collect();
        assert_eq!(changed, [ids[1]]);
        assert_eq!(difference.removed, [ids[2]]);
    }

    #[test]
    fn one_that_is_stopping_is_followed_by_its_successor() {
        let (mut services, ids) = services(&["/a", "/b"]);
        let stopped = services.get(ids[0]).expect("there");
        stopped.on(Event::Shutdown);
        let wanted = || vec![settings("/a", 7), settings("/b", 0)];
        let difference = services.differ(wanted());
        assert!(difference.added.is_empty() && difference.changed.is_empty());
        assert!(difference.removed.is_empty());
        // Later, it is not wanted any more, and then it is again.
        services.differ(vec![settings("/b", 0)]);
        assert_eq!(services.end(ids[0]), None);
        let (mut services, ids) = self::services(&["/a"]);
        services.get(ids[0]).expect("there").on(Event::Shutdown);
        services.differ(vec![settings("/a", 7)]);
        assert_eq!(services.end(ids[0]), Some(settings("/a", 7)));
        assert!(services.is_empty());
    }

    #[test]
    fn a_stop_leaves_nothing_to_be_begun() {
        let (mut services, ids) = services(&["/a"]);
        services.get(ids[0]).expect("there").on(Event::Shutdown);
        services.differ(vec![settings("/a", 7)]);
        services.forget_successors();
        assert_eq!(services.end(ids[0]), None);
    }

    #[test]
    fn a_name_stands_for_all_of_that_name_and_a_key_for_one() {
        let (mut services, ids) = services(&["/a", "/b", "/c"]);
        let same_name = ServiceSettings {
            name: "b".to_owned(),
            ..settings("/d", 0)
        };
        let d = services.begin(same_name);
        let named = |services: &Services<u8>, name| -> Vec<_> {
            let named = services.named(name).into_iter();
            named.map(|(id, _)| id).collect()
        };
        assert_eq!(named(&services, "b"), [ids[1], d]);
        assert_eq!(named(&services, "/b"), [ids[1]]);
        assert_eq!(named(&services, "x"), [0; 0]);
        services.get(ids[1]).expect("there").on(Event::Shutdown);
        assert_eq!(named(&services, "b"), [d]);
    }

    #[test]
    fn the_earliest_deadline_comes_first_and_goes_with_its_service() {
        let (mut services, ids) = services(&["/a", "/b"]);
        let now = Instant::now();
        assert_eq!(services.deadline(), None);
        services.set_deadline(ids[0], Some(now + 2 * SECOND));
        services.set_deadline(ids[1], Some(now + 3 * SECOND));
        assert_eq!(services.deadline(), Some((now + 2 * SECOND, ids[0])));
        services.set_deadline(ids[1], Some(now + SECOND));
        assert_eq!(services.deadline(), Some((now + SECOND, ids[1])));
        services.end(ids[1]);
        assert_eq!(services.deadline(), Some((now + 2 * SECOND, ids[0])));
        services.set_deadline(ids[0], None);
        assert_eq!(services.deadline(), None);
    }
}

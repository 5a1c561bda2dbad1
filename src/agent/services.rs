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

    pub(super) fn iter(&self) -> impl Iterator<Item = &Service<B>> {
        self.services.values()
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

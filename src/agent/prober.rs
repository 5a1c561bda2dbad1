//! When each service is probed: the one that has been due for longest comes first, as soon as there are
//! descriptors for it.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Instant;

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::deadline::now;
use crate::probe::attempt::Attempt;
use crate::registration::ServiceId;
use crate::world::{Backend, Timer, World};

pub(super) struct Prober<W: World> {
    timer: W::Timer,
    backends: BTreeMap<ServiceId, W::Backend>,
    due: BTreeSet<(Instant, ServiceId)>,
    running: FuturesUnordered<Running>,
    /// Descriptors that are left for attempts.
    room: usize,
}

type Running = Pin<Box<dyn Future<Output = Probed>>>;

struct Probed {
    service: ServiceId,
    attempt: Attempt,
    descriptors: usize,
}

impl<W: World> Prober<W> {
    /// `room`: how many descriptors attempts may use at one time.
    pub(super) fn new(timer: W::Timer, room: usize) -> Self {
        Self {
            timer,
            backends: BTreeMap::new(),
            due: BTreeSet::new(),
            running: FuturesUnordered::new(),
            room,
        }
    }

    /// The service is probed by this from now on, if it is probed at all.
    pub(super) fn set(&mut self, service: ServiceId, backend: W::Backend) {
        self.backends.insert(service, backend);
    }

    /// The service is probed then, once.
    pub(super) fn probe_at(&mut self, service: ServiceId, at: Instant) {
        self.due.insert((at, service));
    }

    /// The service is not probed any more. Nothing comes of an attempt that is under way.
    pub(super) fn end(&mut self, service: ServiceId) {
        self.backends.remove(&service);
        self.due.retain(|(_, due)| *due != service);
    }

    /// Nothing is probed any more, and what is under way is left.
    pub(super) fn stop(&mut self) {
        self.backends.clear();
        self.due.clear();
        self.running.clear();
    }

    /// The next result. Cancel-safe.
    pub(super) async fn next(&mut self) -> (ServiceId, Attempt) {
        loop {
            self.start();
            let due_at = self.first().map(|(at, _)| at);
            tokio::select! {
                biased;
                Some(probed) = self.running.next(), if !self.running.is_empty() => {
                    self.room += probed.descriptors;
                    if self.backends.contains_key(&probed.service) {
                        return (probed.service, probed.attempt);
                    }
                }
                () = self.timer.until(due_at) => {}
            }
        }
    }

    /// The next, if there is room for it.
    fn first(&self) -> Option<(Instant, ServiceId)> {
        let (at, service) = self.due.first().copied()?;
        (self.descriptors_of(service) <= self.room).then_some((at, service))
    }

    fn start(&mut self) {
        let now = now();
        while let Some((at, service)) = self.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, service));
            if let Some(backend) = self.backends.get(&service).cloned() {
                let descriptors = backend.descriptors();
                self.room -= descriptors;
                self.running.push(Box::pin(async move {
                    Probed {
                        service,
                        attempt: backend.attempt().await,
                        descriptors,
                    }
                }));
            }
        }
    }

    fn descriptors_of(&self, service: ServiceId) -> usize {
        self.backends.get(&service).map_or(0, Backend::descriptors)
    }
}

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
    /// How many descriptors attempts may use at one time, and how many they do.
    descriptors: usize,
    in_use: usize,
}

type Running = Pin<Box<dyn Future<Output = Probed>>>;

struct Probed {
    service: ServiceId,
    attempt: Attempt,
    descriptors: usize,
}

impl<W: World> Prober<W> {
    /// `descriptors`: how many of them attempts may use at one time.
    pub(super) fn new(timer: W::Timer, descriptors: usize) -> Self {
        Self {
            timer,
            backends: BTreeMap::new(),
            due: BTreeSet::new(),
            running: FuturesUnordered::new(),
            descriptors,
            in_use: 0,
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
        self.in_use = 0;
    }

    /// The next result. Cancel-safe.
    pub(super) async fn next(&mut self) -> (ServiceId, Attempt) {
        loop {
            self.start();
            let due_at = self.first().map(|(at, _)| at);
            tokio::select! {
                biased;
                Some(probed) = self.running.next(), if !self.running.is_empty() => {
                    self.in_use -= probed.descriptors;
                    if self.backends.contains_key(&probed.service) {
                        return (probed.service, probed.attempt);
                    }
                }
                () = self.timer.until(due_at) => {}
            }
        }
    }

    /// The next, if there is room for it. One that takes more than there is has it all to itself.
    fn first(&self) -> Option<(Instant, ServiceId)> {
        let (at, service) = self.due.first().copied()?;
        let in_use = self.in_use + self.descriptors_of(service);
        (in_use <= self.descriptors || self.in_use == 0).then_some((at, service))
    }

    fn start(&mut self) {
        let now = now();
        while let Some((at, service)) = self.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, service));
            if let Some(backend) = self.backends.get(&service).cloned() {
                let descriptors = backend.descriptors();
                self.in_use += descriptors;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::deadline::sleep_until_some;
    use crate::host::ThisHost;

    const SECOND: Duration = Duration::from_secs(1);

    /// It takes so long, and has so many descriptors open.
    #[derive(Clone, Debug, PartialEq)]
    struct Slow(Duration, usize);

    struct Lab;

    struct Sleep;

    impl Timer for Sleep {
        async fn until(&self, deadline: Option<Instant>) {
            sleep_until_some(deadline).await;
        }
    }

    impl Backend for Slow {
        async fn attempt(&self) -> Attempt {
            sleep(self.0).await;
            Attempt {
                result: Ok(String::new()),
                took: self.0,
            }
        }

        fn descriptors(&self) -> usize {
            self.1
        }
    }

    impl World for Lab {
        type Dial = <ThisHost as World>::Dial;
        type Link = <ThisHost as World>::Link;
        type Watch = <ThisHost as World>::Watch;
        type Renewals = <ThisHost as World>::Renewals;
        type Backend = Slow;
        type Source = Unread;
        type Timer = Sleep;
        type Manager = <ThisHost as World>::Manager;
        type Signals = <ThisHost as World>::Signals;
        type Files = <ThisHost as World>::Files;
        type Child = <ThisHost as World>::Child;
    }

    struct Unread;

    impl crate::world::Source<Slow> for Unread {
        fn is_lasting(&self) -> bool {
            false
        }

        async fn read(&self) -> Result<Vec<crate::agent::ServiceSettings<Slow>>, String> {
            unreachable!("nobody reads it")
        }

        async fn suit_the_installed(&self) -> Result<(), String> {
            unreachable!("nobody asks")
        }
    }

    /// Each is due at once, in this order.
    fn prober(room: usize, backends: &[Slow]) -> Prober<Lab> {
        let mut prober = Prober::new(Sleep, room);
        for (service, backend) in (1..).zip(backends) {
            prober.set(service, backend.clone());
            prober.probe_at(service, now());
        }
        prober
    }

    async fn next(prober: &mut Prober<Lab>) -> (ServiceId, Instant) {
        let probed = timeout(100 * SECOND, prober.next()).await;
        (probed.expect("a result in time").0, now())
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_is_probed_at_its_time_and_once() {
        let mut prober = prober(1, &[]);
        let start = now();
        prober.set(1, Slow(SECOND, 1));
        prober.probe_at(1, start + 5 * SECOND);
        assert_eq!(next(&mut prober).await, (1, start + 6 * SECOND));
        assert!(timeout(100 * SECOND, prober.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_are_under_way_as_there_are_descriptors_and_the_rest_wait_their_turn() {
        let backends = [Slow(5 * SECOND, 1), Slow(SECOND, 1), Slow(SECOND, 1)];
        let mut prober = prober(2, &backends);
        let start = now();
        assert_eq!(next(&mut prober).await, (2, start + SECOND));
        assert_eq!(next(&mut prober).await, (3, start + 2 * SECOND));
        assert_eq!(next(&mut prober).await, (1, start + 5 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_wants_many_descriptors_is_not_overtaken_for_ever() {
        let backends = [Slow(SECOND, 1), Slow(SECOND, 2), Slow(SECOND, 1)];
        let mut prober = prober(2, &backends);
        let start = now();
        assert_eq!(next(&mut prober).await, (1, start + SECOND));
        assert_eq!(next(&mut prober).await, (2, start + 2 * SECOND));
        assert_eq!(next(&mut prober).await, (3, start + 3 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_wants_more_than_there_are_is_probed_alone() {
        let mut prober = prober(2, &[Slow(SECOND, 1), Slow(SECOND, 9), Slow(SECOND, 1)]);
        let start = now();
        for service in 1..=3 {
            let at = start + SECOND * u32::try_from(service).expect("few");
            assert_eq!(next(&mut prober).await, (service, at));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_comes_of_a_service_that_was_ended_and_its_descriptors_are_free_again() {
        let mut prober = prober(1, &[Slow(SECOND, 1), Slow(SECOND, 1)]);
        let start = now();
        assert!(timeout(SECOND / 2, prober.next()).await.is_err());
        prober.end(1);
        assert_eq!(next(&mut prober).await, (2, start + 2 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_leaves_everything() {
        let mut prober = prober(1, &[Slow(SECOND, 1), Slow(SECOND, 1)]);
        assert!(timeout(SECOND / 2, prober.next()).await.is_err());
        prober.stop();
        assert!(timeout(100 * SECOND, prober.next()).await.is_err());
    }
}

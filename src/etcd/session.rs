//! An agent's dealings with etcd: one link for all of its services. It carries their requests out, renews
//! their leases and watches their keys, and reports each as an event of a registration.
//!
//! It owns the link and the leases. It ends when its orders or its news have no other end.

mod keys;
mod watching;

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::warn;

use super::announcement::Announcement;
use super::api::{Answer, Call, Page, Renewals as _, Renewed, Watch as _, WatchAnswer};
use super::error::EtcdError;
use super::holder::{Step, contended};
use super::lease::call_timeout;
use super::reach::{Closed, Connection, Reach, Stop};
use super::record::Record;
use super::renewal::{LostLease, Renewal};
use super::turns::Turn;
use crate::deadline::{now, sleep_until_some};
use crate::registration::{Event, LeaseId, Request, ServiceId};
use crate::world::{Timer, World};
use keys::{Keys, ToWatch};
use watching::{Watching, any_allowed, watch};

/// Calls that are under way at one time. The others wait, and their time begins when they are asked.
const AT_ONCE: usize = 64;

/// How often it is asked whether keys may be read that were denied: as often as a write that is turned down
/// is tried again.
const RECHECK: Duration = Duration::from_secs(5);

/// What the session is told.
#[derive(Debug)]
pub enum Order {
    /// There is a service.
    Begin {
        service: ServiceId,
        announcement: Announcement,
        /// Whole seconds.
        ttl: Duration,
    },
    /// What is announced of it from now on.
    Restate {
        service: ServiceId,
        announcement: Announcement,
        ttl: Duration,
    },
    /// One at a time for each service.
    Ask(ServiceId, Request),
    /// There is no such service any more.
    End(ServiceId),
    /// The keys are left, with as much of their leases as there can be.
    Leave,
}

/// What the session tells.
#[derive(Debug)]
pub enum News {
    Event(ServiceId, Event),
    /// Whether, by its value, another instance on this host holds the key. Before the event that comes
    /// of it.
    Neighbour(ServiceId, bool),
    /// What was under way is done, and all leases were renewed. The session has ended.
    Left,
    /// Etcd never let us in, or never took a write: wrong credentials, certificates or roles. The
    /// session has ended.
    Refused(EtcdError),
}

pub struct Session<W: World> {
    reach: Reach<W>,
    keys: Keys,
    renewal: Renewal,
    /// For the renewals.
    timer: W::Timer,
    orders: mpsc::UnboundedReceiver<Order>,
    news: mpsc::Sender<News>,
    leaving: Leaving,
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    Asked,
    /// For the last time.
    Renewing,
}

/// What goes on beside the loop, and how it ended.
enum Done<W: World> {
    Answered(ServiceId, Call, Result<Answer, EtcdError>),
    LoggedIn(Result<(), EtcdError>),
    Watching(Result<Watching<W>, EtcdError>),
    /// Whether any of the keys that were denied may be read.
    Rechecked(Result<bool, EtcdError>),
}

/// One connection, and all that goes on over it.
struct Served<'a, W: World> {
    connection: &'a Connection<W>,
    watching: Watching<W>,
    renewals: W::Renewals,
    /// Renewals go on once we are logged in again.
    logging_in: bool,
    /// Whether renewals failed after a login, too.
    logged_in: bool,
    /// The keys are being watched anew, with others besides.
    rewatching: bool,
    /// When to ask again for keys that were denied.
    recheck_at: Option<Instant>,
    calls: usize,
    beside: FuturesUnordered<Pin<Box<dyn Future<Output = Done<W>> + 'a>>>,
}

impl<W: World> Session<W> {
    #[must_use]
    pub fn new(
        dial: W::Dial,
        timer: W::Timer,
        orders: mpsc::UnboundedReceiver<Order>,
        news: mpsc::Sender<News>,
        seed: u64,
    ) -> Self {
        Self {
            reach: Reach::new(dial, call_timeout(Duration::MAX), false, seed),
            keys: Keys::default(),
            renewal: Renewal::default(),
            timer,
            orders,
            news,
            leaving: Leaving::No,
            seed,
        }
    }

    /// What has been with etcd so far.
    #[must_use]
    pub fn record(&self) -> Rc<Record> {
        self.reach.record()
    }

    /// Runs until the other ends are gone, or etcd refuses us at the start.
    pub async fn run(mut self) {
        // Nobody listens any more, or has been told that nothing more is to come.
        let Err(Closed) = self.keep_in_touch().await;
    }

    async fn keep_in_touch(&mut self) -> Result<Infallible, Closed> {
        loop {
            self.wait_for_services().await?;
            let turn = self.connect_and_serve().await?;
            self.leave_all().await?;
            self.expire().await?;
            match turn {
                Turn::AtOnce => {}
                Turn::After(pause) => {
                    self.take_orders()?;
                    self.fail_waiting().await?;
                    self.pause(pause).await?;
                }
                Turn::Never(refusal) => return Err(self.refused(refusal).await),
            }
        }
    }

    /// Without any, there is nothing to connect for.
    async fn wait_for_services(&mut self) -> Result<(), Closed> {
        self.take_orders()?;
        while self.keys.are_none() {
            if self.leaving != Leaving::No {
                let _told = self.news.send(News::Left).await;
                return Err(Closed);
            }
            let order = self.orders.recv().await.ok_or(Closed)?;
            self.take(order);
        }
        Ok(())
    }

    /// Over one connection, if one is to be had. When to make the next.
    async fn connect_and_serve(&mut self) -> Result<Turn, Closed> {
        self.reach
            .set_call_timeout(call_timeout(self.keys.shortest_ttl()));
        let (keys, mut begins_anew) = (&self.keys, false);
        let opened = self.reach.attempt(async |connection| {
            let (wanted, history) = (keys.to_watch(), keys.history());
            watch(connection, wanted, history, &mut begins_anew).await
        });
        let opened = opened.await;
        if begins_anew {
            self.keys.begin_anew();
        }
        let (connection, watching) = match opened {
            Ok(opened) => opened,
            Err(turn) => return Ok(turn),
        };
        match self.serve(&connection, watching).await {
            Err(Stop::Closed) => Err(Closed),
            Err(Stop::Etcd(error)) => Ok(self.reach.lost(error)),
        }
    }

    /// The wait between two rounds.
    async fn pause(&mut self, pause: Duration) -> Result<(), Closed> {
        let mut over = std::pin::pin!(sleep(pause));
        loop {
            let expires_at = self.renewal.expires_at();
            // Losing the other branches loses nothing: `closed` is cancel-safe, the rest are timers.
            tokio::select! {
                biased;
                () = over.as_mut() => return Ok(()),
                () = sleep_until_some(expires_at) => self.expire().await?,
                () = self.news.closed() => return Err(Closed),
            }
        }
    }

    /// Serves requests over one connection until it breaks. Leases are renewed at once: etcd shows that
    /// it can do more than be read.
    async fn serve(
        &mut self,
        connection: &Connection<W>,
        watching: Watching<W>,
    ) -> Result<Infallible, Stop> {
        let mut served = Served::new(connection, watching);
        self.take_in_pages(&mut served).await?;
        for service in self.keys.services() {
            self.tell(service, Event::Connected).await?;
        }
        for lease in self.renewal.all(now()) {
            served.renewals.ask(lease);
        }
        loop {
            self.begin_calls(&mut served);
            self.watch_others(&mut served);
            self.leave(&mut served).await?;
            let patience = connection.call_timeout();
            let silent_at = self.renewal.silent_since().map(|since| since + patience);
            // Losing the other branches loses nothing: `recv` and `next` are cancel-safe, the rest are
            // timers, and what goes on beside is polled again in the next turn.
            tokio::select! {
                biased;
                () = self.timer.until(self.renewal.due_at()) => {
                    for lease in self.renewal.due(now()) {
                        served.renewals.ask(lease);
                    }
                }
                () = sleep_until_some(silent_at) => {
                    return Err(EtcdError::silent(connection.endpoint(), patience).into());
                }
                () = sleep_until_some(served.recheck_at) => served.recheck(self.keys.denied()),
                () = sleep_until_some(self.reach.settles_at()) => self.reach.settled(connection),
                order = self.orders.recv() => self.take(order.ok_or(Closed)?),
                Some(done) = served.beside.next(), if !served.beside.is_empty() => {
                    self.done(&mut served, done).await?;
                }
                renewed = served.renewals.next(), if !served.logging_in => {
                    self.renewed(&mut served, renewed).await?;
                }
                told = served.watching.watch.next() => {
                    let told = told?;
                    self.reach.record().answered();
                    self.report(&served.watching, told).await?;
                }
            }
        }
    }

    /// All that is told now.
    fn take_orders(&mut self) -> Result<(), Closed> {
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.take(order),
                Err(mpsc::error::TryRecvError::Empty) => return Ok(()),
                Err(mpsc::error::TryRecvError::Disconnected) => return Err(Closed),
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Begin {
                service,
                announcement,
                ttl,
            } => {
                let seed = self.seed.wrapping_add(service);
                self.keys.begin(service, announcement, ttl, seed);
            }
            Order::Restate {
                service,
                announcement,
                ttl,
            } => self.keys.restate(service, announcement, ttl),
            Order::Ask(service, request) => {
                // From here on the lease is not kept alive, whatever comes of it.
                self.let_go(service);
                self.keys.ask(service, request);
            }
            Order::End(service) => {
                self.let_go(service);
                self.keys.end(service);
            }
            Order::Leave => self.leaving = Leaving::Asked,
        }
    }

    fn let_go(&mut self, service: ServiceId) {
        self.renewal.let_go(service);
        self.note_lease(service);
    }

    /// For those who look on.
    fn note_lease(&self, service: ServiceId) {
        let lease = self.renewal.of_service(service);
        self.reach.record().note_lease(service, lease);
    }

    /// Renews all leases if it is time to leave, and ends once that is done.
    async fn leave(&mut self, served: &mut Served<'_, W>) -> Result<(), Closed> {
        if self.leaving == Leaving::Asked {
            self.leaving = Leaving::Renewing;
            for lease in self.renewal.all(now()) {
                served.renewals.ask(lease);
            }
        }
        let is_done = served.calls == 0 && self.renewal.silent_since().is_none();
        if self.leaving == Leaving::Renewing && is_done {
            let _told = self.news.send(News::Left).await;
            return Err(Closed);
        }
        Ok(())
    }

    /// Begins what is asked for, as far as there is room.
    fn begin_calls<'a>(&mut self, served: &mut Served<'a, W>) {
        while served.calls < AT_ONCE
            && let Some((service, call)) = self.keys.next_to_begin()
        {
            served.ask(service, call);
        }
    }

    /// Watches keys that are not watched yet.
    fn watch_others(&mut self, served: &mut Served<'_, W>) {
        if !served.rewatching && self.keys.take_unwatched() {
            served.rewatching = true;
            let (connection, wanted) = (served.connection, self.keys.to_watch());
            served.beside.push(Box::pin(async move {
                Done::Watching(watch(connection, wanted, None, &mut false).await)
            }));
        }
    }

    async fn done(&mut self, served: &mut Served<'_, W>, done: Done<W>) -> Result<(), Stop> {
        match done {
            Done::Answered(service, call, answer) => {
                served.calls -= 1;
                self.answered(served, service, &call, answer).await
            }
            Done::LoggedIn(done) => {
                done?;
                served.logging_in = false;
                served.renew_over_a_new_stream(self.renewal.unanswered());
                Ok(())
            }
            Done::Watching(watching) => {
                served.rewatching = false;
                served.watching = watching?;
                self.take_in_pages(served).await
            }
            Done::Rechecked(allowed) => {
                match allowed? {
                    true => self.keys.watch_denied(),
                    false => served.recheck_at = Some(now() + RECHECK),
                }
                Ok(())
            }
        }
    }

    async fn answered(
        &mut self,
        served: &mut Served<'_, W>,
        service: ServiceId,
        call: &Call,
        answer: Result<Answer, EtcdError>,
    ) -> Result<(), Stop> {
        let Some(step) = self.keys.on(service, call, answer) else {
            // It was ended meanwhile.
            return Ok(());
        };
        let event = match step {
            Step::Ask(call) => {
                served.ask(service, call);
                return Ok(());
            }
            Step::Announced(lease, event) => {
                self.renewal.keep(service, lease, now());
                self.note_lease(service);
                event
            }
            Step::Over(event) => event,
            Step::Contended => self.no(service, contended(served.connection)).await?,
            Step::Failed(error) if error.is_answer() => self.no(service, error).await?,
            Step::Failed(error) => {
                self.tell(service, Event::Failed).await?;
                return Err(error.into());
            }
        };
        self.reach.works(served.connection);
        Ok(self.tell(service, event).await?)
    }

    /// Etcd said no. Until it has taken a write of ours, that is a mistake in how we were set up, if all
    /// are refused.
    async fn no(&mut self, service: ServiceId, error: EtcdError) -> Result<Event, Closed> {
        if self.keys.turned_down(service, &error) {
            return Err(self.refused(error).await);
        }
        Ok(Event::TurnedDown)
    }

    async fn renewed(
        &mut self,
        served: &mut Served<'_, W>,
        renewed: Result<Renewed, EtcdError>,
    ) -> Result<(), Stop> {
        match renewed {
            Ok(renewed) => {
                served.logged_in = false;
                self.reach.works(served.connection);
                match self.take_in_renewed(renewed) {
                    Some(lost) => Ok(self.tell_lost(lost).await?),
                    None => Ok(()),
                }
            }
            Err(error) if error.wants_login() && !served.logged_in => {
                served.log_in();
                Ok(())
            }
            Err(error) => Err(error.after_login().into()),
        }
    }

    fn take_in_renewed(&mut self, renewed: Renewed) -> Option<LostLease> {
        let asked = self.renewal.asked(renewed.lease);
        let lost = self.renewal.on(renewed, now());
        if let Some((service, asked_at)) = asked {
            self.reach.record().note_call("renew", asked_at, None);
            self.note_lease(service);
        }
        lost
    }

    /// The keys as they were read.
    async fn take_in_pages(&mut self, served: &mut Served<'_, W>) -> Result<(), Stop> {
        for (service, page) in std::mem::take(&mut served.watching.pages) {
            self.report_page(service, page).await?;
        }
        let Watching {
            denied, history, ..
        } = &served.watching;
        self.keys.are_watched(denied, *history);
        served.recheck_at = (!denied.is_empty()).then(|| now() + RECHECK);
        Ok(())
    }

    async fn report_page(&mut self, service: ServiceId, page: Page) -> Result<(), Closed> {
        let found = page.entries.first();
        let value = found.map_or(&[][..], |kv| &kv.value);
        self.note_value(service, value).await?;
        match self.keys.read(service, &page) {
            Some(event) => self.tell(service, event).await,
            None => Ok(()),
        }
    }

    async fn report(&mut self, watching: &Watching<W>, told: WatchAnswer) -> Result<(), Closed> {
        let Some(service) = watching.services.get(told.watch).copied() else {
            return Ok(());
        };
        for change in self.keys.news(service, told) {
            let value = change.value.as_deref().unwrap_or_default();
            self.note_value(service, value).await?;
            self.tell(service, keys::changed(&change)).await?;
        }
        Ok(())
    }

    async fn note_value(&mut self, service: ServiceId, value: &[u8]) -> Result<(), Closed> {
        let Some(neighbour) = self.keys.note_value(service, value) else {
            return Ok(());
        };
        let told = self.news.send(News::Neighbour(service, neighbour)).await;
        told.map_err(|_| Closed)
    }

    /// What was under way is not answered any more.
    async fn leave_all(&mut self) -> Result<(), Closed> {
        for service in self.keys.leave_all() {
            self.tell(service, Event::Failed).await?;
        }
        Ok(())
    }

    /// As after a request that was begun.
    async fn fail_waiting(&mut self) -> Result<(), Closed> {
        for service in self.keys.take_waiting() {
            self.tell(service, Event::Failed).await?;
        }
        Ok(())
    }

    async fn expire(&mut self) -> Result<(), Closed> {
        for lost in self.renewal.expired(now()) {
            warn!(
                event = "lease_expired",
                key = self.keys.key(lost.service),
                "the lease could not be renewed for its whole TTL: taken for gone"
            );
            self.note_lease(lost.service);
            self.tell(lost.service, lost_lease(lost)).await?;
        }
        Ok(())
    }

    async fn tell_lost(&self, lost: LostLease) -> Result<(), Closed> {
        warn!(
            event = "lease_lost",
            key = self.keys.key(lost.service),
            lease = %format_args!("{:x}", lost.lease),
            "etcd has lost the lease"
        );
        self.tell(lost.service, lost_lease(lost)).await
    }

    async fn refused(&self, error: EtcdError) -> Closed {
        let _told = self.news.send(News::Refused(error)).await;
        Closed
    }

    async fn tell(&self, service: ServiceId, event: Event) -> Result<(), Closed> {
        let told = self.news.send(News::Event(service, event)).await;
        told.map_err(|_| Closed)
    }
}

fn lost_lease(lost: LostLease) -> Event {
    Event::LeaseLost { lease: lost.lease }
}

impl<'a, W: World> Served<'a, W> {
    fn new(connection: &'a Connection<W>, watching: Watching<W>) -> Self {
        Self {
            connection,
            watching,
            renewals: connection.renewals(),
            logging_in: false,
            logged_in: false,
            rewatching: false,
            recheck_at: None,
            calls: 0,
            beside: FuturesUnordered::new(),
        }
    }

    fn ask(&mut self, service: ServiceId, call: Call) {
        let connection = self.connection;
        self.calls += 1;
        self.beside.push(Box::pin(async move {
            let answer = connection.ask(&call).await;
            Done::Answered(service, call, answer)
        }));
    }

    fn recheck(&mut self, denied: Vec<ToWatch>) {
        let connection = self.connection;
        self.recheck_at = None;
        self.beside.push(Box::pin(async move {
            Done::Rechecked(any_allowed(connection, &denied).await)
        }));
    }

    /// For the renewals, which then go on over another stream.
    fn log_in(&mut self) {
        let connection = self.connection;
        self.logging_in = true;
        self.logged_in = true;
        self.beside.push(Box::pin(async move {
            Done::LoggedIn(connection.log_in_anew().await)
        }));
    }

    fn renew_over_a_new_stream(&mut self, unanswered: impl Iterator<Item = LeaseId>) {
        self.renewals = self.connection.renewals();
        for lease in unanswered {
            self.renewals.ask(lease);
        }
    }
}

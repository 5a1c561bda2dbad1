//! The one task that talks to etcd for the agent: it connects, carries requests out one at a time,
//! renews the lease and watches the key, and reports each as an event of the registration.
//!
//! It owns the connection and the lease. It ends when its requests or its events have no other end.

use std::time::{Duration, Instant};

use etcd_client::{
    EventType, LeaseKeepAliveStream, LeaseKeeper, WatchOptions, WatchResponse, WatchStream,
};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::connection::{Connection, Connector};
use super::error::EtcdError;
use super::granted::Granted;
use super::key::{self, Announcement};
use super::lease::{Lease, call_timeout};
use super::outage::Outage;
use super::procedure::TakenOver;
use crate::alarm::Alarm;
use crate::backoff::Backoff;
use crate::config::{KEY_OF_ITS_OWN, Target};
use crate::deadline::sleep_until_some;
use crate::registration::{Claim, Event, Holder};

/// The first wait after a round of failed attempts, doubled up to [`RECONNECT_CAP`].
const RECONNECT_FIRST: Duration = Duration::from_millis(50);
/// Short, as being registered again soon after an outage is what the agent is for.
const RECONNECT_CAP: Duration = Duration::from_secs(1);

/// A connection that lasts so long is a good one: when it breaks, the next is made at once.
const SETTLED_AFTER: Duration = RECONNECT_CAP;

/// What the registration asks for.
#[derive(Clone, Copy, Debug)]
pub enum Request {
    Announce { take_over: bool },
    Withdraw(Claim),
}

/// What the session tells.
#[derive(Debug)]
pub enum News {
    Event(Event),
    /// Whether, by its value, another instance on this host holds the key. Told before the event
    /// that comes of it.
    Neighbour(bool),
    /// Etcd never let us in, or never took a write: wrong credentials, certificates or roles. The
    /// session has ended.
    Refused(EtcdError),
}

pub struct Session {
    connector: Connector,
    target: Target,
    /// As asked for.
    ttl: Duration,
    granted: Granted,
    lease: Option<Lease>,
    /// For the lease's renewal.
    renewal: Alarm,
    backoff: Backoff,
    outage: Outage,
    /// The error that was etcd's last answer to a request, as it was logged.
    turned_down: Option<String>,
    let_in: bool,
    /// Whether etcd ever took a write of ours. Until then a refusal is a mistake in how we were
    /// set up.
    written: bool,
    /// What the last announcement took over.
    taken_over: Option<TakenOver>,
    /// As last told.
    neighbour: bool,
    news: mpsc::Sender<News>,
}

/// Nobody listens any more.
struct Closed;

impl Session {
    #[must_use]
    pub fn new(
        connector: Connector,
        target: Target,
        ttl: Duration,
        renewal: Alarm,
        news: mpsc::Sender<News>,
    ) -> Self {
        Self {
            connector,
            target,
            ttl,
            granted: Granted::default(),
            lease: None,
            renewal,
            backoff: Backoff::new(RECONNECT_FIRST, RECONNECT_CAP, fastrand::u64(..)),
            outage: Outage::default(),
            turned_down: None,
            let_in: false,
            written: false,
            taken_over: None,
            neighbour: false,
            news,
        }
    }

    /// Runs until the other ends are gone, or etcd refuses us at the start.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut waiting = None;
        while let Ok((mut link, first)) = self.reach(waiting, &mut requests).await {
            match self.serve(&mut link, first, &mut requests).await {
                Ok(Closed) => return,
                Err(error) => {
                    self.outage.goes_on(&error);
                    self.connector.rotate();
                }
            }
            // An endpoint that takes connections and reads, but nothing else, is not run at.
            waiting = match link.settles_at {
                Some(_) => match self.pause(&mut requests).await {
                    Ok(waiting) => waiting,
                    Err(Closed) => return,
                },
                None => None,
            };
        }
    }

    /// Tries the endpoints, round after round, until one lets us in. A request that is waiting is
    /// answered with a failure if the round does not help, and else handed back with the link.
    async fn reach(
        &mut self,
        mut waiting: Option<Request>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<(Link, Option<Request>), Closed> {
        loop {
            let mut refusal = None;
            for _ in 0..self.connector.endpoint_count() {
                match self.open().await {
                    Ok(link) => {
                        self.let_in = true;
                        self.note_neighbour(link.neighbour).await?;
                        self.tell(link.seen).await?;
                        self.tell(Event::Connected).await?;
                        return Ok((link, waiting));
                    }
                    Err(error) if error.is_refusal() && !self.let_in => {
                        refusal.get_or_insert(error);
                    }
                    Err(error) => self.outage.goes_on(&error),
                }
                self.connector.rotate();
                self.expire().await?;
            }
            if let Some(refusal) = refusal {
                let _told = self.news.send(News::Refused(refusal)).await;
                return Err(Closed);
            }
            if waiting.take().is_some() {
                // As after a request that was begun: nobody counts on the lease any more.
                self.lease = None;
                self.tell(Event::Failed).await?;
            }
            waiting = self.pause(requests).await?;
        }
    }

    /// The wait between two rounds. A request cuts it short.
    async fn pause(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<Option<Request>, Closed> {
        let pause = self.backoff.delay();
        // Losing the other branches loses nothing: `recv` is cancel-safe, the rest are timers.
        tokio::select! {
            () = sleep(pause) => Ok(None),
            () = sleep_until_some(self.lease.map(|lease| lease.expires_at())) => {
                self.expire().await.map(|()| None)
            }
            request = requests.recv() => request.map(Some).ok_or(Closed),
        }
    }

    /// Connects to the current endpoint, watches the key, then reads it: no gap between the two,
    /// and the proof that this endpoint serves us.
    async fn open(&mut self) -> Result<Link, EtcdError> {
        let connection = self.connector.connect(call_timeout(self.ttl)).await?;
        let mut client = connection.client.clone();
        let key = self.target.key.as_str();
        let watch = connection
            .call(client.watch(key, None::<WatchOptions>))
            .await?;
        let (revision, kv) = key::read(&connection, key).await?;
        let holder = kv.as_ref().map_or(Holder::Nobody, key::holder_of);
        let neighbour = kv.is_some_and(|kv| self.target.is_of_another_port(kv.value()));
        Ok(Link {
            connection,
            watch,
            keeper: None,
            seen: Event::Read { revision, holder },
            neighbour,
            settles_at: Some(Instant::now() + SETTLED_AFTER),
        })
    }

    /// Serves requests over one link until it breaks, `first` before anything else. Without one
    /// the lease is renewed at once: etcd shows that it can do more than be read.
    async fn serve(
        &mut self,
        link: &mut Link,
        first: Option<Request>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<Closed, EtcdError> {
        let mut served = match first {
            Some(request) => self.perform(&link.connection, request).await,
            None => self.keep_alive(link).await,
        };
        loop {
            match served {
                Ok(result) => result?,
                Err(Closed) => return Ok(Closed),
            }
            let renew_at = self.lease.map(|lease| lease.renew_at());
            // Losing the other branches loses nothing: `recv` and `message` are cancel-safe.
            served = tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => {
                        link.keeper = None;
                        self.perform(&link.connection, request).await
                    }
                    None => Err(Closed),
                },
                change = link.watch.message() => match change {
                    Ok(Some(change)) if !change.canceled() => self.report(&change).await.map(Ok),
                    Ok(_) => return Err(link.connection.broken("the watch was ended")),
                    Err(error) => return Err(link.connection.error(&error)),
                },
                () = self.renewal.until(renew_at) => self.keep_alive(link).await,
                () = sleep_until_some(link.settles_at) => {
                    link.settles_at = None;
                    self.backoff.reset();
                    self.outage.ends(link.connection.endpoint());
                    Ok(Ok(()))
                }
            };
        }
    }

    async fn report(&mut self, change: &WatchResponse) -> Result<(), Closed> {
        for event in change.events() {
            let Some(kv) = event.kv() else { continue };
            let holder = match event.event_type() {
                EventType::Put => key::holder_of(kv),
                EventType::Delete => Holder::Nobody,
            };
            self.note_neighbour(self.target.is_of_another_port(kv.value()))
                .await?;
            self.tell(Event::Changed {
                revision: kv.mod_revision(),
                holder,
            })
            .await?;
        }
        Ok(())
    }

    /// Carries a request out and answers it. The inner error means that the connection is of no
    /// further use.
    async fn perform(
        &mut self,
        connection: &Connection,
        request: Request,
    ) -> Result<Result<(), EtcdError>, Closed> {
        let result = match request {
            Request::Announce { take_over } => self.announce(connection, take_over).await,
            Request::Withdraw(claim) => self.withdraw(connection, claim).await,
        };
        let answer = match result {
            Ok(event) => {
                if self.turned_down.take().is_some() {
                    info!("etcd takes our requests again");
                }
                event
            }
            Err(error) if error.is_refusal() && !self.written => {
                let _told = self.news.send(News::Refused(error)).await;
                return Err(Closed);
            }
            Err(error) if error.is_answer() => {
                let reason = error.to_string();
                if self.turned_down.as_ref() != Some(&reason) {
                    warn!("{reason}; trying again until it is taken");
                    self.turned_down = Some(reason);
                }
                Event::TurnedDown
            }
            Err(error) => {
                self.tell(Event::Failed).await?;
                return Ok(Err(error));
            }
        };
        self.outage.ends(connection.endpoint());
        self.tell(answer).await.map(Ok)
    }

    async fn announce(
        &mut self,
        connection: &Connection,
        take_over: bool,
    ) -> Result<Event, EtcdError> {
        self.lease = None;
        let done = key::announce(
            connection,
            &self.target,
            self.ttl,
            take_over,
            &mut self.granted,
        )
        .await?;
        match done {
            Announcement::Put {
                lease,
                revision,
                taken_over,
            } => {
                self.written = true;
                self.log_registered(&lease, taken_over);
                self.lease = Some(lease);
                Ok(Event::Announced {
                    lease: lease.id,
                    revision,
                })
            }
            Announcement::Occupied { revision } => Ok(Event::Occupied { revision }),
        }
    }

    /// A key that somebody overwrites again and again is talked of once.
    fn log_registered(&mut self, lease: &Lease, taken_over: Option<TakenOver>) {
        let key = &self.target.key;
        let lease = format_args!("{:x}", lease.id);
        let repeated = taken_over.is_some() && taken_over == self.taken_over;
        self.taken_over = taken_over;
        if repeated {
            debug!(key, %lease, "took the key over again");
            return;
        }
        match taken_over {
            Some(TakenOver::Foreign) if self.neighbour => warn!(
                key,
                "took over a key that held another value, for another port of this host; {KEY_OF_ITS_OWN}"
            ),
            Some(TakenOver::Foreign) => warn!(key, "took over a key that held another value"),
            Some(TakenOver::Ours) => info!(key, "took over the key of a previous incarnation"),
            None => {}
        }
        info!(key, %lease, "registered");
    }

    async fn withdraw(
        &mut self,
        connection: &Connection,
        claim: Claim,
    ) -> Result<Event, EtcdError> {
        // From here on it is not kept alive, whatever comes of the request.
        self.lease = None;
        if key::withdraw(connection, &self.target, claim, &mut self.granted).await? {
            self.written = true;
            self.taken_over = None;
            info!(key = self.target.key, "deregistered");
        }
        Ok(Event::Withdrawn)
    }

    /// Renews the lease, if there is one, and tells if etcd does not know it any more.
    async fn keep_alive(&mut self, link: &mut Link) -> Result<Result<(), EtcdError>, Closed> {
        let Some(mut lease) = self.lease else {
            return Ok(Ok(()));
        };
        let sent_at = Instant::now();
        match link.renew(&lease).await {
            Ok(Some(ttl)) => {
                lease.renewed(ttl, sent_at);
                self.lease = Some(lease);
                self.outage.ends(link.connection.endpoint());
                Ok(Ok(()))
            }
            Ok(None) => {
                warn!(lease = %format_args!("{:x}", lease.id), "etcd has lost the lease");
                self.lease = None;
                self.tell(Event::LeaseLost { lease: lease.id })
                    .await
                    .map(Ok)
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Gives the lease up if it could not be renewed for its whole TTL.
    async fn expire(&mut self) -> Result<(), Closed> {
        if let Some(lease) = self
            .lease
            .take_if(|lease| Instant::now() >= lease.expires_at())
        {
            warn!("the lease could not be renewed for its whole TTL: taken for gone");
            self.tell(Event::LeaseLost { lease: lease.id }).await?;
        }
        Ok(())
    }

    async fn note_neighbour(&mut self, neighbour: bool) -> Result<(), Closed> {
        if std::mem::replace(&mut self.neighbour, neighbour) == neighbour {
            return Ok(());
        }
        let told = self.news.send(News::Neighbour(neighbour)).await;
        told.map_err(|_| Closed)
    }

    async fn tell(&self, event: Event) -> Result<(), Closed> {
        self.news.send(News::Event(event)).await.map_err(|_| Closed)
    }
}

/// A connection, the watch on our key, and the stream that renews our lease.
struct Link {
    connection: Connection,
    watch: WatchStream,
    keeper: Option<(LeaseKeeper, LeaseKeepAliveStream)>,
    /// The key as read when the link was made.
    seen: Event,
    /// Whether another instance on this host held it then.
    neighbour: bool,
    /// None once it has lasted for [`SETTLED_AFTER`].
    settles_at: Option<Instant>,
}

impl Link {
    /// The TTL after the renewal; none if etcd does not know the lease.
    async fn renew(&mut self, lease: &Lease) -> Result<Option<Duration>, EtcdError> {
        let ttl = if let Some((keeper, answers)) = &mut self.keeper {
            let renewal = async {
                keeper.keep_alive().await?;
                answers.message().await
            };
            match self.connection.call(renewal).await? {
                // `etcd_client` looks at the TTL of the first answer only.
                Some(answer) => key::seconds_of(answer.ttl()),
                None => return Err(self.connection.broken("the keep-alive stream was ended")),
            }
        } else {
            let mut client = self.connection.client.clone();
            let opened = self
                .connection
                .call(async { Ok(client.lease_keep_alive(lease.id).await) });
            match opened.await? {
                Ok(opened) => {
                    self.keeper = Some(opened);
                    lease.ttl()
                }
                Err(etcd_client::Error::LeaseKeepAliveError(_)) => return Ok(None),
                Err(error) => return Err(self.connection.error(&error)),
            }
        };
        Ok(Some(ttl).filter(|ttl| !ttl.is_zero()))
    }
}

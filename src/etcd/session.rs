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
use tracing::{info, warn};

use super::connection::{Connection, Connector};
use super::error::EtcdError;
use super::key::{self, Announcement, Granted, TakenOver};
use super::lease::{Lease, call_timeout};
use super::outage::Outage;
use crate::backoff::Backoff;
use crate::config::Target;
use crate::deadline::sleep_until_some;
use crate::registration::{Claim, Event, Holder};

/// The first wait after a round of failed attempts, doubled up to [`RECONNECT_CAP`].
const RECONNECT_FIRST: Duration = Duration::from_millis(50);
/// Short, as being registered again soon after an outage is what the agent is for.
const RECONNECT_CAP: Duration = Duration::from_secs(1);

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
    /// No endpoint ever let us in: wrong credentials or certificates. The session has ended.
    Refused(EtcdError),
}

pub struct Session {
    connector: Connector,
    target: Target,
    /// As asked for.
    ttl: Duration,
    granted: Granted,
    lease: Option<Lease>,
    backoff: Backoff,
    outage: Outage,
    /// Whether etcd's last answer to a request was an error, and that was logged.
    turned_down: bool,
    let_in: bool,
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
        news: mpsc::Sender<News>,
    ) -> Self {
        Self {
            connector,
            target,
            ttl,
            granted: Granted::default(),
            lease: None,
            backoff: Backoff::new(RECONNECT_FIRST, RECONNECT_CAP, fastrand::u64(..)),
            outage: Outage::default(),
            turned_down: false,
            let_in: false,
            news,
        }
    }

    /// Runs until the other ends are gone, or every endpoint refuses us at the start.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Ok(mut link) = self.reach(&mut requests).await {
            match self.serve(&mut link, &mut requests).await {
                Ok(Closed) => return,
                Err(error) => {
                    self.outage.goes_on(&error);
                    self.connector.rotate();
                }
            }
        }
    }

    /// Tries the endpoints, round after round, until one serves us. A request cuts the wait between
    /// two rounds short, and is answered with a failure if the next round does not help.
    async fn reach(&mut self, requests: &mut mpsc::Receiver<Request>) -> Result<Link, Closed> {
        let mut waiting = None;
        loop {
            let mut refusals = 0;
            for _ in 0..self.connector.endpoint_count() {
                match self.open().await {
                    Ok(link) => {
                        self.welcome(&link).await?;
                        if let Some(request) = waiting {
                            // If that breaks the connection, serving will notice.
                            let _broken = self.perform(&link.connection, request).await?;
                        }
                        return Ok(link);
                    }
                    Err(error) => {
                        refusals += usize::from(error.is_refusal());
                        if !self.let_in && refusals == self.connector.endpoint_count() {
                            let _told = self.news.send(News::Refused(error)).await;
                            return Err(Closed);
                        }
                        self.outage.goes_on(&error);
                    }
                }
                self.connector.rotate();
                self.expire().await?;
            }
            if waiting.take().is_some() {
                self.tell(Event::Failed).await?;
            }
            let pause = self.backoff.delay();
            // Losing the other branches loses nothing: `recv` is cancel-safe, the rest are timers.
            tokio::select! {
                () = sleep(pause) => {}
                () = sleep_until_some(self.lease.map(|lease| lease.expires_at())) => self.expire().await?,
                request = requests.recv() => waiting = Some(request.ok_or(Closed)?),
            }
        }
    }

    /// Connects to the current endpoint, watches the key, then reads it: no gap between the two,
    /// and the proof that this endpoint serves us.
    async fn open(&self) -> Result<Link, EtcdError> {
        let connection = self.connector.connect(call_timeout(self.ttl)).await?;
        let mut client = connection.client.clone();
        let key = self.target.key.as_str();
        let watch = connection
            .call(client.watch(key, None::<WatchOptions>))
            .await?;
        let (revision, holder) = key::holder(&connection, key).await?;
        Ok(Link {
            connection,
            watch,
            keeper: None,
            seen: Event::Read { revision, holder },
        })
    }

    async fn welcome(&mut self, link: &Link) -> Result<(), Closed> {
        self.let_in = true;
        self.backoff.reset();
        self.outage.ends(link.connection.endpoint());
        self.tell(link.seen).await?;
        self.tell(Event::Connected).await
    }

    /// Serves requests over one link until it breaks.
    async fn serve(
        &mut self,
        link: &mut Link,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<Closed, EtcdError> {
        loop {
            let renewal = self.lease.map(|lease| lease.renew_at());
            // Losing the other branches loses nothing: `recv` and `message` are cancel-safe.
            let served = tokio::select! {
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
                () = sleep_until_some(renewal) => self.keep_alive(link).await,
            };
            match served {
                Ok(result) => result?,
                Err(Closed) => return Ok(Closed),
            }
        }
    }

    async fn report(&self, change: &WatchResponse) -> Result<(), Closed> {
        for event in change.events() {
            let Some(kv) = event.kv() else { continue };
            let holder = match event.event_type() {
                EventType::Put => key::holder_of(kv),
                EventType::Delete => Holder::Nobody,
            };
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
            Request::Withdraw(claim) => {
                // From here on it is not kept alive, whatever comes of the request.
                self.lease = None;
                key::withdraw(connection, &self.target, claim, &mut self.granted)
                    .await
                    .map(|_deleted| Event::Withdrawn)
            }
        };
        match result {
            Ok(event) => {
                if std::mem::take(&mut self.turned_down) {
                    info!("etcd takes our requests again");
                }
                self.tell(event).await.map(Ok)
            }
            Err(error) if error.is_answer() => {
                if !std::mem::replace(&mut self.turned_down, true) {
                    warn!("{error}; trying again until it is taken");
                }
                self.tell(Event::Failed).await.map(Ok)
            }
            Err(error) => {
                self.tell(Event::Failed).await?;
                Ok(Err(error))
            }
        }
    }

    async fn announce(
        &mut self,
        connection: &Connection,
        take_over: bool,
    ) -> Result<Event, EtcdError> {
        self.lease = None;
        let key = &self.target.key;
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
                match taken_over {
                    Some(TakenOver::Foreign) => {
                        warn!(key, "took over a key that held another value")
                    }
                    Some(TakenOver::Ours) => {
                        info!(key, "took over the key of a previous incarnation")
                    }
                    None => {}
                }
                info!(key, lease = %format_args!("{:x}", lease.id), "registered");
                self.lease = Some(lease);
                Ok(Event::Announced {
                    lease: lease.id,
                    revision,
                })
            }
            Announcement::Occupied { revision } => Ok(Event::Occupied { revision }),
        }
    }

    /// Renews the lease, and tells if etcd does not know it any more.
    async fn keep_alive(&mut self, link: &mut Link) -> Result<Result<(), EtcdError>, Closed> {
        let Some(mut lease) = self.lease else {
            return Ok(Ok(()));
        };
        let sent_at = Instant::now();
        match link.renew(&lease).await {
            Ok(Some(ttl)) => {
                lease.renewed(ttl, sent_at);
                self.lease = Some(lease);
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

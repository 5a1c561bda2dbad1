//! An agent's dealings with etcd: carries requests out one at a time, renews the lease and watches
//! the key, and reports each as an event of the registration.
//!
//! It owns the link and the lease. It ends when its requests or its events have no other end.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};

use super::announcement::Announcement;
use super::api::{Change, KeyRange, Page, Read, Watch, WatchAnswer, WatchFrom};
use super::error::EtcdError;
use super::holder::KeyHolder;
use super::lease::call_timeout;
use super::reach::{Closed, Connection, Reach, Stop};
use super::turns::Turn;
use crate::deadline::sleep_until_some;
use crate::registration::{Event, Holder, LeaseId, Request};
use crate::world::{Timer, World};

/// What the session tells.
#[derive(Debug)]
pub enum News {
    Event(Event),
    /// Whether, by its value, another instance on this host holds the key. WatchAnswer before the event
    /// that comes of it.
    Neighbour(bool),
    /// Etcd never let us in, or never took a write: wrong credentials, certificates or roles. The
    /// session has ended.
    Refused(EtcdError),
}

pub struct Session<W: World> {
    reach: Reach<W>,
    holder: KeyHolder,
    /// For the lease's renewal.
    renewal: W::Timer,
    /// The error that was etcd's last answer to a request, as it was logged.
    turned_down: Option<String>,
    /// As last told.
    neighbour: bool,
    news: mpsc::Sender<News>,
}

/// A connection, and the watch on our key.
struct WatchedKey<W: World> {
    connection: Connection<W>,
    watch: W::Watch,
}

impl<W: World> Session<W> {
    #[must_use]
    pub fn new(
        dial: W::Dial,
        announcement: Announcement,
        ttl: Duration,
        renewal: W::Timer,
        news: mpsc::Sender<News>,
        seed: u64,
    ) -> Self {
        Self {
            reach: Reach::new(dial, call_timeout(ttl), false, seed),
            holder: KeyHolder::new(announcement, ttl, seed),
            renewal,
            turned_down: None,
            neighbour: false,
            news,
        }
    }

    /// Runs until the other ends are gone, or etcd refuses us at the start.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        // Nobody listens any more, or has been told that nothing more is to come.
        let Err(Closed) = self.keep_in_touch(&mut requests).await;
    }

    async fn keep_in_touch(
        &mut self,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<Infallible, Closed> {
        let mut waiting = None;
        loop {
            let turn = self.connect_and_serve(&mut waiting, requests).await?;
            self.expire().await?;
            match turn {
                Turn::AtOnce => {}
                Turn::After(pause) => {
                    if waiting.take().is_some() {
                        // As after a request that was begun.
                        self.holder.let_go();
                        self.tell(Event::Failed).await?;
                    }
                    waiting = self.pause(pause, requests).await?;
                }
                Turn::Never(refusal) => return Err(self.refused(refusal).await),
            }
        }
    }

    /// Over one connection, if one is to be had: the request that is waiting, and all that come
    /// after it. When to make the next.
    async fn connect_and_serve(
        &mut self,
        waiting: &mut Option<Request>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<Turn, Closed> {
        let key = &self.holder.announcement().key;
        let opened = self
            .reach
            .attempt(async |connection| open(connection, key).await);
        let (connection, (page, watch)) = match opened.await {
            Ok(opened) => opened,
            Err(turn) => return Ok(turn),
        };
        self.report_page(&page).await?;
        self.tell(Event::Connected).await?;
        let link = WatchedKey { connection, watch };
        match self.serve(link, waiting.take(), requests).await {
            Err(Stop::Closed) => Err(Closed),
            Err(Stop::Etcd(error)) => Ok(self.reach.lost(error)),
        }
    }

    /// The wait between two rounds. A request cuts it short.
    async fn pause(
        &mut self,
        pause: Duration,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<Option<Request>, Closed> {
        let expires_at = self.holder.lease().map(|lease| lease.expires_at());
        // Losing the other branches loses nothing: `recv` is cancel-safe, the rest are timers.
        tokio::select! {
            biased;
            () = sleep(pause) => Ok(None),
            () = sleep_until_some(expires_at) => self.expire().await.map(|()| None),
            request = requests.recv() => request.map(Some).ok_or(Closed),
        }
    }

    /// Serves requests over one connection until it breaks, `first` before anything else. Without
    /// one the lease is renewed at once: etcd shows that it can do more than be read.
    async fn serve(
        &mut self,
        mut link: WatchedKey<W>,
        first: Option<Request>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Result<Infallible, Stop> {
        match first {
            Some(request) => self.perform(&link.connection, request).await?,
            None => self.keep_alive(&link.connection).await?,
        }
        loop {
            let renew_at = self.holder.lease().map(|lease| lease.renew_at());
            // Losing the other branches loses nothing: `recv` and `next` are cancel-safe, the rest
            // are timers.
            tokio::select! {
                biased;
                () = self.renewal.until(renew_at) => self.keep_alive(&link.connection).await?,
                () = sleep_until_some(self.reach.settles_at()) => {
                    self.reach.settled(&link.connection);
                }
                request = requests.recv() => {
                    self.perform(&link.connection, request.ok_or(Closed)?).await?;
                }
                told = link.watch.next() => self.report(told?).await?,
            }
        }
    }

    /// The key as read when the connection was made.
    async fn report_page(&mut self, page: &Page) -> Result<(), Closed> {
        let revision = page.history.revision;
        let found = page.entries.first();
        let value = found.map_or(&[][..], |kv| &kv.value);
        self.note_neighbour(value).await?;
        let holder = holder(found.map(|kv| kv.lease));
        self.tell(Event::Read { revision, holder }).await
    }

    async fn report(&mut self, told: WatchAnswer) -> Result<(), Closed> {
        for change in told.changes {
            let Change {
                value,
                lease,
                revision,
                ..
            } = change;
            self.note_neighbour(value.as_deref().unwrap_or_default())
                .await?;
            let holder = holder(value.map(|_| lease));
            self.tell(Event::Changed { revision, holder }).await?;
        }
        Ok(())
    }

    /// Carries a request out and answers it.
    async fn perform(&mut self, connection: &Connection<W>, request: Request) -> Result<(), Stop> {
        let performed = self
            .holder
            .perform(connection, request, self.neighbour)
            .await;
        let event = match performed {
            Ok(event) => {
                if self.turned_down.take().is_some() {
                    info!(event = "writes_accepted", "etcd takes our requests again");
                }
                event
            }
            // Until etcd has taken a write of ours, it is a mistake in how we were set up.
            Err(error) if error.is_refusal() && !self.holder.has_written() => {
                return Err(self.refused(error).await.into());
            }
            Err(error) if error.is_answer() => {
                let reason = error.to_string();
                if self.turned_down.as_ref() != Some(&reason) {
                    warn!(
                        event = "write_rejected",
                        "{reason}; trying again until it is taken"
                    );
                    self.turned_down = Some(reason);
                }
                Event::TurnedDown
            }
            Err(error) => {
                self.tell(Event::Failed).await?;
                return Err(error.into());
            }
        };
        self.reach.works(connection);
        Ok(self.tell(event).await?)
    }

    async fn keep_alive(&mut self, connection: &Connection<W>) -> Result<(), Stop> {
        if self.holder.lease().is_none() {
            return Ok(());
        }
        let lost = self.holder.keep_alive(connection).await?;
        if lost.is_none() {
            self.reach.works(connection);
        }
        Ok(self.tell_lost(lost).await?)
    }

    async fn expire(&mut self) -> Result<(), Closed> {
        let lost = self.holder.expire();
        self.tell_lost(lost).await
    }

    async fn tell_lost(&self, lease: Option<LeaseId>) -> Result<(), Closed> {
        match lease {
            Some(lease) => self.tell(Event::LeaseLost { lease }).await,
            None => Ok(()),
        }
    }

    async fn note_neighbour(&mut self, value: &[u8]) -> Result<(), Closed> {
        let neighbour = self.holder.announcement().is_of_another_port(value);
        if std::mem::replace(&mut self.neighbour, neighbour) == neighbour {
            return Ok(());
        }
        let told = self.news.send(News::Neighbour(neighbour)).await;
        told.map_err(|_| Closed)
    }

    async fn refused(&self, error: EtcdError) -> Closed {
        let _told = self.news.send(News::Refused(error)).await;
        Closed
    }

    async fn tell(&self, event: Event) -> Result<(), Closed> {
        self.news.send(News::Event(event)).await.map_err(|_| Closed)
    }
}

/// Watches the key from now on, then reads it: no gap between the two, and the proof that this
/// endpoint serves us.
async fn open<W: World>(
    connection: &Connection<W>,
    key: &str,
) -> Result<(Page, W::Watch), EtcdError> {
    let range = &KeyRange::exactly(key);
    let watch = connection.watch(&[WatchFrom { range, next: 0 }]).await?;
    let page = connection.read(Read::key(key)).await?;
    Ok((page, watch))
}

/// By the lease of the key, if it is there.
fn holder(lease: Option<LeaseId>) -> Holder {
    match lease {
        None => Holder::Nobody,
        Some(0) => Holder::NoLease,
        Some(lease) => Holder::Lease(lease),
    }
}

//! Keeps a copy of parts of etcd in step: one read, then one watch from the next revision on.
//!
//! It owns the connection. It ends when nobody takes its updates any more.

use std::time::Duration;

use bytes::Bytes;
use etcd_client::{Event, EventType, WatchOptions, WatchResponse, WatchStream};
use renderer::snapshot::{Snapshot, Subtree};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::debug;

use super::connection::{Connection, Connector};
use super::copy::{self, Copy, KeyRange, MESSAGE_LIMIT};
use super::error::EtcdError;
use super::outage::Outage;
use super::progress::{Progress, Told};
use crate::backoff::Backoff;
use crate::registration::Revision;

/// One call, a page of a read among them.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// The first wait after a round of failed attempts, doubled up to [`RECONNECT_CAP`].
const RECONNECT_FIRST: Duration = Duration::from_millis(50);
/// Short, as files are to be in step within a second of etcd's return.
const RECONNECT_CAP: Duration = Duration::from_millis(800);

/// What the follower tells.
#[derive(Debug)]
pub enum Update {
    /// All that is there, as read afresh.
    Read(Snapshot),
    /// What happened since, in order.
    Changed(Vec<Change>),
    /// No endpoint ever let us in, and one refused: wrong credentials, certificates or roles. The
    /// follower has ended.
    Refused(EtcdError),
}

/// One key was put or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub key: Bytes,
    /// None if it was deleted.
    pub value: Option<Bytes>,
    pub revision: Revision,
}

/// Reads the trees once.
///
/// # Errors
/// [`EtcdError`] of the last endpoint tried.
pub async fn read_once(
    connector: &mut Connector,
    trees: &[Subtree],
) -> Result<Snapshot, EtcdError> {
    let connection = connector.connect_any(CALL_TIMEOUT).await?;
    Ok(copy::read(&connection, trees).await?.snapshot)
}

pub struct Follower {
    connector: Connector,
    trees: Vec<Subtree>,
    /// The ranges that may be read, and so are watched.
    ranges: Vec<KeyRange>,
    /// How far the copy of them has come; none if it must be read afresh.
    progress: Option<Progress>,
    backoff: Backoff,
    outage: Outage,
    /// Whether a refusal is news, and not a mistake in how we were set up.
    let_in: bool,
    updates: mpsc::Sender<Update>,
}

struct Link {
    connection: Connection,
    watch: WatchStream,
}

/// Why following stopped.
enum Stop {
    /// Nobody listens any more.
    Closed,
    Etcd(EtcdError),
    /// What we would have been told next is gone: read afresh.
    Compacted,
}

impl From<EtcdError> for Stop {
    fn from(error: EtcdError) -> Self {
        Self::Etcd(error)
    }
}

impl Follower {
    /// `trees` is not empty, and none lies in another. `let_in`: etcd has served us before, so a
    /// refusal does not end the follower.
    #[must_use]
    pub fn new(
        connector: Connector,
        trees: Vec<Subtree>,
        let_in: bool,
        updates: mpsc::Sender<Update>,
    ) -> Self {
        Self {
            connector,
            trees,
            ranges: Vec::new(),
            progress: None,
            backoff: Backoff::new(RECONNECT_FIRST, RECONNECT_CAP, fastrand::u64(..)),
            outage: Outage::default(),
            let_in,
            updates,
        }
    }

    /// Runs until the other end is gone, or a first round over the endpoints ends with a refusal.
    pub async fn run(mut self) {
        let mut refusal = None;
        let mut failures = 0;
        loop {
            let error = match self.follow().await {
                Stop::Closed => return,
                Stop::Compacted => {
                    self.progress = None;
                    continue;
                }
                Stop::Etcd(error) => error,
            };
            failures += 1;
            if error.is_refusal() && !self.let_in {
                refusal.get_or_insert(error);
            } else {
                self.outage.goes_on(&error);
            }
            self.connector.rotate();
            if failures % self.connector.endpoint_count() != 0 {
                continue;
            }
            // As for an agent: one endpoint may be down, but what refuses us needs somebody's hand.
            if let Some(refusal) = refusal.take_if(|_| !self.let_in) {
                let _told = self.updates.send(Update::Refused(refusal)).await;
                return;
            }
            tokio::select! {
                () = sleep(self.backoff.delay()) => {}
                () = self.updates.closed() => return,
            }
        }
    }

    async fn follow(&mut self) -> Stop {
        let connection = match self.connector.connect(CALL_TIMEOUT).await {
            Ok(connection) => connection,
            Err(error) => return Stop::Etcd(error),
        };
        match self.serve(connection).await {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    async fn serve(&mut self, connection: Connection) -> Result<std::convert::Infallible, Stop> {
        connection.probe().await?;
        self.catch_up(&connection).await?;
        let mut link = self.watch(connection).await?;
        loop {
            // Losing the other branch loses nothing: `message` is cancel-safe.
            let told = tokio::select! {
                told = link.watch.message() => told,
                () = self.updates.closed() => return Err(Stop::Closed),
            };
            match told {
                Ok(Some(answer)) => self.take_in(&link.connection, &answer).await?,
                Ok(None) => return Err(link.connection.broken("the watch was ended").into()),
                Err(error) => return Err(link.connection.error(&error).into()),
            }
        }
    }

    /// Reads everything, unless the copy can go on from where it is.
    async fn catch_up(&mut self, connection: &Connection) -> Result<(), Stop> {
        if let (Some(progress), Some(range)) = (&mut self.progress, self.ranges.first()) {
            match copy::now(connection, range, progress.seen()).await {
                Ok(Some(now)) if progress.goes_on(now) => return Ok(()),
                // What we may read is another part by now.
                Err(error) if error.is_refusal() => self.progress = None,
                Ok(Some(_) | None) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Copy {
            snapshot,
            history,
            allowed,
        } = copy::read(connection, &self.trees).await?;
        debug!(
            keys = snapshot.entries.len(),
            revision = snapshot.revision,
            "read"
        );
        self.progress = Some(Progress::since(history, allowed.len()));
        self.ranges = allowed;
        self.let_in = true;
        self.tell(Update::Read(snapshot)).await
    }

    /// One stream with a watch for each range; the watches are numbered from 1.
    async fn watch(&self, connection: Connection) -> Result<Link, Stop> {
        let next = self.progress.as_ref().map_or(&[][..], Progress::next);
        let watches = self.ranges.iter().zip(next);
        let mut requests = (1..).zip(watches).map(|(id, (range, next))| {
            let options = WatchOptions::new()
                .with_watch_id(id)
                .with_start_revision(*next)
                .with_progress_notify();
            match range {
                KeyRange::Exact(key) => (key.clone(), options),
                KeyRange::Below(prefix) => {
                    (prefix.clone(), options.with_range(copy::end_of(prefix)))
                }
            }
        });
        let Some((key, options)) = requests.next() else {
            return Err(connection.broken("there is nothing to watch").into());
        };
        let mut client = connection
            .client
            .watch_client()
            .max_decoding_message_size(MESSAGE_LIMIT);
        let mut watch = connection.call(client.watch(key, Some(options))).await?;
        for (key, options) in requests {
            connection.call(watch.watch(key, Some(options))).await?;
        }
        Ok(Link { connection, watch })
    }

    async fn take_in(
        &mut self,
        connection: &Connection,
        answer: &WatchResponse,
    ) -> Result<(), Stop> {
        if answer.canceled() {
            return Err(self.cancelled(connection, answer));
        }
        self.backoff.reset();
        self.outage.ends(connection.endpoint());
        let changes: Vec<_> = answer.events().iter().filter_map(change).collect();
        if let Some(progress) = &mut self.progress
            && let Ok(watch) = usize::try_from(answer.watch_id() - 1)
        {
            progress.take_in(Told {
                watch,
                created: answer.created(),
                last_change: changes.last().map(|change| change.revision),
                revision: answer.header().map_or(0, |header| header.revision()),
            });
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.tell(Update::Changed(changes)).await
    }

    fn cancelled(&mut self, connection: &Connection, answer: &WatchResponse) -> Stop {
        if answer.compact_revision() > 0 {
            debug!(
                revision = answer.compact_revision(),
                "what we have not seen yet was compacted; reading afresh"
            );
            return Stop::Compacted;
        }
        // Our role may have changed, and with it what we may read.
        self.progress = None;
        Stop::Etcd(connection.broken(answer.cancel_reason()))
    }

    async fn tell(&self, update: Update) -> Result<(), Stop> {
        self.updates.send(update).await.map_err(|_| Stop::Closed)
    }
}

fn change(event: &Event) -> Option<Change> {
    let kv = event.kv()?;
    Some(Change {
        key: Bytes::copy_from_slice(kv.key()),
        value: match event.event_type() {
            EventType::Put => Some(Bytes::copy_from_slice(kv.value())),
            EventType::Delete => None,
        },
        revision: kv.mod_revision(),
    })
}

//! Keeps a reading of trees of keys in step: they are read at one revision, and watched from the next
//! on. A tree that may not be read is left out, and tried again; one that is wanted besides is read
//! while the watch on the others goes on.
//!
//! It owns the link. It ends when nobody takes its updates any more.

mod open;
mod streams;

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use renderer::snapshot::{Snapshot, Subtree};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::debug;

use super::api::{Change, KeyRange};
use super::error::{EtcdError, Problem};
use super::progress::{FollowedRange, Progress};
use super::reach::{Closed, Connection, Reach, Stop};
use super::reading;
use super::record::Record;
use super::turns::Turn;
use crate::deadline::{now, sleep_until_some};
use crate::world::World;
use open::{Begun, Opened, begin, denied, open};
use streams::Told;

/// One call, a page of a read among them.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often what may not be read is tried again.
const RECHECK: Duration = Duration::from_secs(30);

/// After so long a silence the member is asked whether it is alive,
const SILENCE: Duration = Duration::from_secs(3);
/// and has so long to answer: within 5 s another is tried.
const LIFE_TIMEOUT: Duration = Duration::from_millis(1_900);

/// How often to read, where what is read is compacted meanwhile.
const READINGS: usize = 3;

/// What the follower tells.
#[derive(Debug)]
pub enum Update {
    Read(Fresh),
    /// What happened since, in order.
    Changed(Vec<Change>),
    /// No endpoint ever let us in, and one refused: wrong credentials, certificates or roles. The
    /// follower has ended.
    Refused(EtcdError),
}

/// What was read afresh, and how the wanted trees stand by now.
#[derive(Debug, Default)]
pub struct Fresh {
    /// What was read.
    pub ranges: Vec<KeyRange>,
    /// All that is in those ranges.
    pub snapshot: Snapshot,
    /// All ranges that are followed, where one is not any more: it may not be read, or is not wanted.
    pub all: Option<Vec<KeyRange>>,
    /// What is in these trees has been told.
    pub known: Vec<Subtree>,
    /// These may not be read.
    pub denied: Vec<Subtree>,
}

/// Reads the trees once.
///
/// # Errors
/// [`EtcdError`]; a refusal if none of them may be read.
pub async fn read_once<W: World>(
    connection: &Connection<W>,
    trees: &[Subtree],
) -> Result<Fresh, EtcdError> {
    let mut failure = None;
    for _ in 0..READINGS {
        match read_all(connection, trees).await {
            Err(error) if error.problem == Problem::NotThatRevision => failure = Some(error),
            done => return done,
        }
    }
    let reason = "what was being read was compacted, again and again";
    Err(failure.unwrap_or_else(|| connection.error(Problem::Unavailable, reason)))
}

async fn read_all<W: World>(
    connection: &Connection<W>,
    trees: &[Subtree],
) -> Result<Fresh, EtcdError> {
    let mut progress = Progress::default();
    progress.want(trees.iter().cloned());
    let mut fresh = Fresh::default();
    loop {
        let unread = progress.unread();
        if unread.is_empty() {
            break;
        }
        let read = reading::read(connection, &unread).await?;
        progress.read(&read.allowed, &read.denied, read.history);
        fresh.ranges.extend(read.allowed);
        fresh.snapshot.entries.extend(read.snapshot.entries);
        fresh.snapshot.revision = read.history.revision;
    }
    fresh.known = progress.known();
    fresh.denied = progress.denied();
    if fresh.known.is_empty() {
        return Err(denied(connection, &fresh.denied));
    }
    Ok(fresh)
}

pub struct Follower<W: World> {
    reach: Reach<W>,
    wanted: watch::Receiver<Vec<Subtree>>,
    progress: Progress,
    /// Other trees are wanted than was told of.
    wants_others: bool,
    /// When to try again what may not be read.
    recheck_at: Option<Instant>,
    updates: mpsc::Sender<Update>,
}

/// Work over a connection, beside the loop; none if there is none to do.
type Beside<'a, T> = Option<Pin<Box<dyn Future<Output = Result<T, EtcdError>> + 'a>>>;

impl<W: World> Follower<W> {
    /// `wanted`: the trees to follow, which may lie in each other. Whenever it is sent again, what may
    /// not be read is tried again.
    #[must_use]
    pub fn new(
        dial: W::Dial,
        wanted: watch::Receiver<Vec<Subtree>>,
        updates: mpsc::Sender<Update>,
        seed: u64,
    ) -> Self {
        Self {
            reach: Reach::new(dial, CALL_TIMEOUT, false, seed),
            wanted,
            progress: Progress::default(),
            wants_others: false,
            recheck_at: None,
            updates,
        }
    }

    /// What has been with etcd so far.
    #[must_use]
    pub fn record(&self) -> Rc<Record> {
        self.reach.record()
    }

    /// Runs until the other end is gone, or a first round over the endpoints ends with a refusal.
    pub async fn run(mut self) {
        while let Ok(turn) = self.connect_and_follow().await {
            match turn {
                Turn::AtOnce => {}
                Turn::After(pause) => tokio::select! {
                    biased;
                    () = self.updates.closed() => return,
                    () = sleep(pause) => {}
                },
                Turn::Never(refusal) => {
                    let _told = self.updates.send(Update::Refused(refusal)).await;
                    return;
                }
            }
        }
    }

    /// Follows over one connection, if one is to be had. When to make the next; an error if nobody
    /// listens any more.
    async fn connect_and_follow(&mut self) -> Result<Turn, Closed> {
        self.want_something().await?;
        let was_served = self.reach.has_ever_connected();
        let progress = &mut self.progress;
        let opened = self.reach.attempt(async |connection| {
            connection.serves().await?;
            open(connection, progress, was_served).await
        });
        match opened.await {
            Ok((connection, opened)) => match self.follow(&connection, opened).await {
                Err(Stop::Etcd(error)) => Ok(self.reach.lost(error)),
                Err(Stop::Closed) => Err(Closed),
            },
            Err(turn) => Ok(turn),
        }
    }

    /// Takes in which trees are wanted by now; waits until there are any.
    async fn want_something(&mut self) -> Result<(), Closed> {
        self.want();
        while self.progress.wants_nothing() {
            self.tell(Fresh::default()).await?;
            tokio::select! {
                biased;
                () = self.updates.closed() => return Err(Closed),
                changed = self.wanted.changed() => changed.map_err(|_| Closed)?,
            }
            self.want();
        }
        Ok(())
    }

    /// What may not be read is tried again, too.
    fn want(&mut self) {
        let wanted = self.wanted.borrow_and_update();
        if !self.progress.wants(&wanted) {
            self.progress.want(wanted.iter().cloned());
            self.wants_others = true;
        }
        self.progress.retry_denied();
    }

    /// Takes in what the watches tell, reads what is still to be read, and sees that the member is
    /// alive, until the connection breaks.
    async fn follow(
        &mut self,
        connection: &Connection<W>,
        opened: Opened<W>,
    ) -> Result<Infallible, Stop> {
        let Opened { mut streams, fresh } = opened;
        if fresh.is_empty() {
            // Other trees may be wanted than were when the last connection broke.
            self.tell_standing().await?;
        }
        for fresh in fresh {
            self.begun(fresh).await?;
        }
        let mut reading: Beside<'_, Begun<W>> = None;
        let mut question: Beside<'_, ()> = None;
        let mut heard_at = now();
        let mut logins = connection.logins();
        loop {
            let unread = self.progress.unread();
            if reading.is_none() && !unread.is_empty() {
                reading = Some(Box::pin(begin(connection, unread)));
            }
            let ask_at = question.is_none().then_some(heard_at + SILENCE);
            // Losing the other branches loses nothing: what goes on beside the loop is polled again
            // in the next turn, and the rest are timers or cancel-safe.
            tokio::select! {
                biased;
                () = self.updates.closed() => return Err(Stop::Closed),
                changed = self.wanted.changed() => {
                    changed.map_err(|_| Closed)?;
                    self.want();
                    if self.wants_others {
                        streams.keep_followed(&self.progress);
                        self.tell_standing().await?;
                    }
                }
                () = sleep_until_some(self.reach.settles_at()) => self.reach.settled(connection),
                () = sleep_until_some(self.recheck_at) => {
                    self.recheck_at = Some(now() + RECHECK);
                    self.progress.retry_denied();
                }
                () = sleep_until_some(ask_at) => {
                    heard_at = now();
                    let first = self.progress.followed().next();
                    question = first.map(|first| ask(connection, first));
                }
                alive = some(&mut question) => {
                    question = None;
                    alive?;
                    heard_at = now();
                    let before = std::mem::replace(&mut logins, connection.logins());
                    if before != logins {
                        // Users or roles have changed.
                        self.progress.retry_denied();
                    }
                }
                begun = some(&mut reading) => {
                    reading = None;
                    heard_at = now();
                    let fresh = begun?.taken_in(&mut self.progress, &mut streams);
                    streams.keep_followed(&self.progress);
                    self.begun(fresh).await?;
                }
                told = streams.next() => {
                    heard_at = now();
                    self.reach.record().answered();
                    self.reach.works(connection);
                    self.take_in(told).await?;
                }
            }
        }
    }

    /// Something was read afresh, or may not be read.
    async fn begun(&mut self, fresh: Fresh) -> Result<(), Closed> {
        self.recheck_at = self.progress.has_denied().then(|| now() + RECHECK);
        let (keys, revision) = (fresh.snapshot.entries.len(), fresh.snapshot.revision);
        debug!(event = "keys_read", keys, revision, "read");
        self.tell(fresh).await
    }

    async fn take_in(&mut self, told: Told) -> Result<(), Stop> {
        match told {
            Told::News(followed, answer) => {
                if self.progress.take_in(&followed, &answer) && !answer.changes.is_empty() {
                    let told = self.updates.send(Update::Changed(answer.changes)).await;
                    told.map_err(|_| Closed)?;
                }
                Ok(())
            }
            Told::Nothing => Ok(()),
            Told::Ended(followed, error) if error.problem == Problem::NotThatRevision => {
                debug!(event = "reading_afresh", "{error}; reading afresh");
                for followed in &followed {
                    self.progress.doubt(followed);
                }
                Ok(())
            }
            Told::Ended(_, error) => {
                if error.is_refusal() {
                    // What we may read is another part by now.
                    self.progress.forget();
                }
                Err(error.into())
            }
        }
    }

    /// How the wanted trees stand, where nothing was read afresh.
    async fn tell_standing(&mut self) -> Result<(), Closed> {
        let standing = Fresh {
            known: self.progress.known(),
            denied: self.progress.denied(),
            ..Fresh::default()
        };
        self.tell(standing).await
    }

    async fn tell(&mut self, mut fresh: Fresh) -> Result<(), Closed> {
        if std::mem::take(&mut self.wants_others) {
            fresh.all = Some(self.progress.followed_ranges());
        }
        let told = self.updates.send(Update::Read(fresh)).await;
        told.map_err(|_| Closed)
    }
}

fn ask<'a, W: World>(
    connection: &'a Connection<W>,
    followed: FollowedRange,
) -> Pin<Box<dyn Future<Output = Result<(), EtcdError>> + 'a>> {
    Box::pin(connection.is_alive(followed.range, LIFE_TIMEOUT))
}

/// Waits for work that goes on beside; for ever if there is none. Cancel-safe.
async fn some<T>(beside: &mut Beside<'_, T>) -> Result<T, EtcdError> {
    match beside {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

//! Keeps a reading of parts of etcd in step: one read, then one watch from the next revision on.
//!
//! It owns the link. It ends when nobody takes its updates any more.

use std::time::{Duration, Instant};

use renderer::snapshot::{Snapshot, Subtree};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::debug;

use super::api::{Change, KeyRange, Watch, WatchFrom};
use super::error::{EtcdError, Problem};
use super::progress::Progress;
use super::reach::{Connection, Reach, Stop};
use super::reading::{self, Reading};
use super::turns::Turn;
use crate::deadline::{now, sleep_until_some};
use crate::registration::Revision;
use crate::world::World;

/// One call, a page of a read among them.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often to see whether ranges that were denied us are so still.
const RECHECK: Duration = Duration::from_secs(30);
/// How often to read afresh over one connection, where what was read is compacted at once.
const READINGS: usize = 3;

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

/// Reads the trees once.
///
/// # Errors
/// [`EtcdError`]
pub async fn read_once<W: World>(
    connection: &Connection<W>,
    trees: &[Subtree],
) -> Result<Snapshot, EtcdError> {
    Ok(reading::read(connection, trees).await?.snapshot)
}

pub struct Follower<W: World> {
    reach: Reach<W>,
    trees: Vec<Subtree>,
    /// The ranges that may be read, and so are watched.
    ranges: Vec<KeyRange>,
    /// Those that may not.
    denied: Vec<KeyRange>,
    /// When to see whether they may by now.
    recheck_at: Option<Instant>,
    /// How far the reading of them has come; none if it must be read afresh.
    progress: Option<Progress>,
    updates: mpsc::Sender<Update>,
}

/// A watch, and what it follows on.
struct Opened<W: World> {
    watch: W::Watch,
    progress: Progress,
    /// What was read afresh; none where it goes on from what was told before.
    reading: Option<Reading>,
}

impl<W: World> Follower<W> {
    /// `trees` is not empty, and none lies in another. `ever_connected`: etcd has served us before, so a
    /// refusal does not end the follower.
    #[must_use]
    pub fn new(
        dial: W::Dial,
        trees: Vec<Subtree>,
        ever_connected: bool,
        updates: mpsc::Sender<Update>,
        seed: u64,
    ) -> Self {
        Self {
            reach: Reach::new(dial, CALL_TIMEOUT, ever_connected, seed),
            trees,
            ranges: Vec::new(),
            denied: Vec::new(),
            recheck_at: None,
            progress: None,
            updates,
        }
    }

    /// Runs until the other end is gone, or a first round over the endpoints ends with a refusal.
    pub async fn run(mut self) {
        loop {
            let turn = match self.connect_and_follow().await {
                Ok(turn) => turn,
                Err(Stop::Closed) => return,
                Err(Stop::Etcd(error)) => self.reach.lost(error),
            };
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

    /// Follows over one connection, if one is to be had. When to make the next.
    async fn connect_and_follow(&mut self) -> Result<Turn, Stop> {
        let (trees, ranges, progress) = (&self.trees, &self.ranges, &mut self.progress);
        let opened = self.reach.attempt(async |connection| {
            connection.serves().await?;
            open(connection, trees, ranges, progress).await
        });
        let (connection, mut opened) = match opened.await {
            Ok(opened) => opened,
            Err(turn) => return Ok(turn),
        };
        loop {
            self.progress = Some(opened.progress);
            if let Some(reading) = opened.reading {
                self.begin(reading).await?;
            }
            self.follow(&connection, opened.watch).await?;
            opened = open(&connection, &self.trees, &self.ranges, &mut self.progress).await?;
        }
    }

    /// What was read afresh is told. From here on the reading counts.
    async fn begin(&mut self, reading: Reading) -> Result<(), Stop> {
        let Reading {
            snapshot,
            history: _,
            allowed,
            denied,
        } = reading;
        let (keys, revision) = (snapshot.entries.len(), snapshot.revision);
        debug!(event = "keys_read", keys, revision, "read");
        self.ranges = allowed;
        self.recheck_at = (!denied.is_empty()).then(|| now() + RECHECK);
        self.denied = denied;
        self.tell(Update::Read(snapshot)).await
    }

    /// Takes in what the watch tells, until it must be read afresh: what we have not seen yet was
    /// compacted, or our role covers more.
    async fn follow(
        &mut self,
        connection: &Connection<W>,
        mut watch: W::Watch,
    ) -> Result<(), Stop> {
        loop {
            // Losing the other branches loses nothing: `next` is cancel-safe.
            let told = tokio::select! {
                biased;
                () = self.updates.closed() => return Err(Stop::Closed),
                () = sleep_until_some(self.reach.settles_at()) => {
                    self.reach.settled(connection);
                    continue;
                }
                () = sleep_until_some(self.recheck_at) => {
                    self.recheck_at = Some(now() + RECHECK);
                    if reading::may_read_any(connection, &self.denied).await? {
                        self.progress = None;
                        return Ok(());
                    }
                    continue;
                }
                told = watch.next() => told,
            };
            match told {
                Ok(told) => {
                    self.reach.works(connection);
                    if let Some(progress) = &mut self.progress {
                        progress.take_in(&told);
                    }
                    if !told.changes.is_empty() {
                        self.tell(Update::Changed(told.changes)).await?;
                    }
                }
                Err(error) if error.problem == Problem::NotThatRevision => {
                    debug!(event = "reading_afresh", "{error}; reading afresh");
                    self.progress = None;
                    return Ok(());
                }
                Err(error) => {
                    if error.is_refusal() {
                        // What we may read is another part by now.
                        self.progress = None;
                    }
                    return Err(error.into());
                }
            }
        }
    }

    async fn tell(&self, update: Update) -> Result<(), Stop> {
        self.updates.send(update).await.map_err(|_| Stop::Closed)
    }
}

/// Goes on from `progress` if this server can, or else reads afresh, and watches from there on. After
/// a refusal nothing is taken for known.
async fn open<W: World>(
    connection: &Connection<W>,
    trees: &[Subtree],
    ranges: &[KeyRange],
    progress: &mut Option<Progress>,
) -> Result<Opened<W>, EtcdError> {
    if let Some(known) = progress {
        match go_on(connection, ranges, known.clone()).await {
            Ok(Some(opened)) => return Ok(opened),
            Ok(None) => {}
            // What we may read is another part by now.
            Err(error) if error.is_refusal() => {}
            Err(error) => return Err(error),
        }
    }
    *progress = None;
    for _ in 0..READINGS {
        let reading = reading::read(connection, trees).await?;
        let since = Progress::since(reading.history, reading.allowed.len());
        if let Some(opened) = go_on(connection, &reading.allowed, since).await? {
            let reading = Some(reading);
            return Ok(Opened { reading, ..opened });
        }
    }
    let reason = "what was read was compacted before it was watched, again and again";
    Err(connection.error(Problem::Unavailable, reason))
}

/// Watches from where `progress` has come to, if the server is of the same history and remembers what
/// comes next. That is looked at once the watch is there: etcd watches on from the very revision that
/// it compacted, and leaves that one's deletions out.
async fn go_on<W: World>(
    connection: &Connection<W>,
    ranges: &[KeyRange],
    mut progress: Progress,
) -> Result<Option<Opened<W>>, EtcdError> {
    let Some(first) = ranges.first() else {
        return Ok(None);
    };
    let watch = match watch(connection, ranges, progress.next()).await {
        Ok(watch) => watch,
        Err(error) if error.problem == Problem::NotThatRevision => return Ok(None),
        Err(error) => return Err(error),
    };
    let now = reading::now(connection, first, progress.seen()).await?;
    let continues = now.is_some_and(|now| progress.continues_in(now));
    let reading = None;
    Ok(continues.then_some(Opened {
        watch,
        progress,
        reading,
    }))
}

/// One stream with a watch for each range.
async fn watch<W: World>(
    connection: &Connection<W>,
    ranges: &[KeyRange],
    next: &[Revision],
) -> Result<W::Watch, EtcdError> {
    let watches = ranges.iter().zip(next);
    let watches: Vec<_> = watches
        .map(|(range, next)| WatchFrom { range, next: *next })
        .collect();
    connection.watch(&watches).await
}

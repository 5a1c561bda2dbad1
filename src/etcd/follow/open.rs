//! From trees that are wanted to watches over one connection: what was followed goes on where it can,
//! and what is unread is read and watched from there on.

use renderer::snapshot::Subtree;

use super::Fresh;
use super::streams::{Stream, Streams};
use crate::etcd::api::{KeyRange, WatchFrom};
use crate::etcd::error::{EtcdError, Problem};
use crate::etcd::progress::{FollowedRange, Progress};
use crate::etcd::reach::Connection;
use crate::etcd::reading::{self, Reading};
use crate::world::World;

/// How often to begin anew over one connection, where what was read is compacted or refused at once.
const ATTEMPTS: usize = 3;

/// A connection that serves us: by watches on what was followed before or, where nothing was, by what
/// was read. Without a stream nothing may be read.
pub(super) struct Opened<W: World> {
    pub streams: Streams<W>,
    pub fresh: Vec<Fresh>,
}

/// What was read, and the watch that follows on it; none where nothing may be read.
pub(super) struct Begun<W: World> {
    reading: Reading,
    watch: Option<W::Watch>,
}

/// `was_served`: by this connection or an earlier one.
///
/// # Errors
/// [`EtcdError`]; a refusal if no wanted tree may be read, and none ever was.
pub(super) async fn open<W: World>(
    connection: &Connection<W>,
    progress: &mut Progress,
    was_served: bool,
) -> Result<Opened<W>, EtcdError> {
    let mut opened = Opened {
        streams: Streams::new(resume(connection, progress).await?),
        fresh: Vec::new(),
    };
    while opened.streams.is_empty() {
        let unread = progress.unread();
        if unread.is_empty() && was_served {
            break;
        }
        if unread.is_empty() {
            return Err(denied(connection, &progress.denied()));
        }
        let begun = begin(connection, unread).await?;
        opened
            .fresh
            .push(begun.taken_in(progress, &mut opened.streams));
    }
    Ok(opened)
}

/// That none of the trees may be read.
pub(super) fn denied<W: World>(connection: &Connection<W>, trees: &[Subtree]) -> EtcdError {
    let tree = trees.first().map(Subtree::prefix).unwrap_or_default();
    connection.error(Problem::Denied, format!("permission denied to read {tree}"))
}

/// Watches what was followed from where each range has come to, if the server is of the same history
/// and remembers what comes next. That is looked at once the watch is there: etcd watches on from the
/// very revision that it compacted, and leaves that one's deletions out.
async fn resume<W: World>(
    connection: &Connection<W>,
    progress: &mut Progress,
) -> Result<Option<Stream<W>>, EtcdError> {
    for _ in 0..ATTEMPTS {
        let followed: Vec<_> = progress.followed().collect();
        let (Some(first), Some(seen)) = (followed.first(), progress.seen()) else {
            return Ok(None);
        };
        match watch(connection, followed.iter().map(FollowedRange::watch_from)).await {
            Ok(watch) => match reading::now(connection, &first.range, seen).await {
                Ok(Some(now)) if progress.continues_in(now) => {
                    return Ok(Some(Stream { watch, followed }));
                }
                Ok(_) => progress.forget(),
                Err(error) if error.problem == Problem::Denied => progress.doubt(first),
                Err(error) => return Err(error),
            },
            Err(error) if error.problem == Problem::NotThatRevision => progress.forget(),
            Err(error) if error.problem == Problem::Denied => {
                doubt_denied(connection, progress, &followed).await?;
            }
            Err(error) => return Err(error),
        }
    }
    progress.forget();
    Ok(None)
}

/// Finds out which of the ranges may not be read any more.
async fn doubt_denied<W: World>(
    connection: &Connection<W>,
    progress: &mut Progress,
    followed: &[FollowedRange],
) -> Result<(), EtcdError> {
    for followed in followed {
        match reading::now(connection, &followed.range, 0).await {
            Ok(_) => {}
            Err(error) if error.problem == Problem::Denied => progress.doubt(followed),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads the ranges, and watches those that may be read from there on.
pub(super) async fn begin<W: World>(
    connection: &Connection<W>,
    ranges: Vec<KeyRange>,
) -> Result<Begun<W>, EtcdError> {
    for _ in 0..ATTEMPTS {
        match try_to_begin(connection, &ranges).await {
            Ok(Some(begun)) => return Ok(begun),
            Ok(None) => {}
            // Compacted, or the role was changed, while it was being read or watched.
            Err(error) if matches!(error.problem, Problem::NotThatRevision | Problem::Denied) => {}
            Err(error) => return Err(error),
        }
    }
    let reason = "what was read was compacted before it was watched, again and again";
    Err(connection.error(Problem::Unavailable, reason))
}

/// None if what was read is forgotten already.
async fn try_to_begin<W: World>(
    connection: &Connection<W>,
    ranges: &[KeyRange],
) -> Result<Option<Begun<W>>, EtcdError> {
    let reading = reading::read(connection, ranges).await?;
    let Some(first) = reading.allowed.first() else {
        let watch = None;
        return Ok(Some(Begun { reading, watch }));
    };
    let next = reading.history.revision + 1;
    let watches = reading
        .allowed
        .iter()
        .map(|range| WatchFrom { range, next });
    let watch = watch(connection, watches).await?;
    let now = reading::now(connection, first, reading.history.revision).await?;
    let continues = now.is_some_and(|now| reading.history.continues_in(&now));
    let watch = Some(watch);
    Ok(continues.then_some(Begun { reading, watch }))
}

/// One stream with a watch for each range.
async fn watch<'a, W: World>(
    connection: &Connection<W>,
    watches: impl Iterator<Item = WatchFrom<'a>>,
) -> Result<W::Watch, EtcdError> {
    let watches: Vec<_> = watches.collect();
    connection.watch(&watches).await
}

impl<W: World> Begun<W> {
    /// From here on it counts. What to tell.
    pub(super) fn taken_in(self, progress: &mut Progress, streams: &mut Streams<W>) -> Fresh {
        let Reading {
            mut snapshot,
            history,
            allowed,
            denied,
        } = self.reading;
        let is_news = denied.iter().any(|range| !progress.is_denied(range));
        let followed = progress.read(&allowed, &denied, history);
        let is_wanted = |followed: &&FollowedRange| progress.is_followed(followed);
        let wanted = followed.iter().filter(is_wanted);
        let ranges: Vec<_> = wanted.map(|followed| followed.range.clone()).collect();
        if ranges.len() < followed.len() {
            // Some are not wanted any more.
            let is_of = |key: &[u8]| ranges.iter().any(|range| range.contains(key));
            snapshot.entries.retain(|key, _| is_of(key));
        }
        if let Some(watch) = self.watch {
            streams.add(Stream { watch, followed });
        }
        Fresh {
            ranges,
            snapshot,
            all: is_news.then(|| progress.followed_ranges()),
            known: progress.known(),
            denied: progress.denied(),
        }
    }
}

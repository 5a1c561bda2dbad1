//! A reading of parts of etcd, all at one revision.

use std::cell::Cell;

use futures_util::stream::{self, StreamExt as _};
use renderer::snapshot::Snapshot;

use super::api::{History, KeyRange, KeyValue, Page, Read, What};
use super::error::{EtcdError, Problem};
use super::reach::Connection;
use crate::registration::Revision;
use crate::world::World;

/// Ranges that are read at one time.
const AT_ONCE: usize = 16;

/// Keys in one answer, where the way is quick: an answer is held in memory twice for a moment.
const LARGEST_PAGE: usize = 5_000;
/// What is not halved any more, however slow the way is.
const SMALLEST_PAGE: usize = 16;

/// Parts of etcd at one revision.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub snapshot: Snapshot,
    pub history: History,
    /// The ranges that we may read, in order.
    pub allowed: Vec<KeyRange>,
    /// Those that we may not.
    pub denied: Vec<KeyRange>,
}

/// Where the server behind `connection` is now; none if it has forgotten `seen`, or has yet to come to
/// it.
///
/// # Errors
/// [`EtcdError`].
pub(super) async fn now<W: World>(
    connection: &Connection<W>,
    range: &KeyRange,
    seen: Revision,
) -> Result<Option<History>, EtcdError> {
    let first = Read {
        range: range.clone(),
        revision: seen,
        limit: 1,
        what: What::KeysOnly,
        serializable: false,
    };
    match connection.read(first).await {
        Ok(page) => Ok(Some(page.history)),
        Err(error) if error.problem == Problem::NotThatRevision => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the ranges, all at the revision of the first answer; those that we may not read are left out.
///
/// # Errors
/// [`EtcdError`]; [`Problem::NotThatRevision`] if that revision is compacted meanwhile.
pub(super) async fn read<W: World>(
    connection: &Connection<W>,
    ranges: &[KeyRange],
) -> Result<Reading, EtcdError> {
    let reader = Reader {
        connection,
        page_size: Cell::new(LARGEST_PAGE),
    };
    let mut reading = Reading::default();
    let mut rest = ranges.iter();
    // The first to answer says at which revision the others are read.
    for range in rest.by_ref() {
        if let Some(part) = reader.part(range, 0).await? {
            reading.history = part.history;
            reading.snapshot.revision = part.history.revision;
            reading.take(range, part.entries);
            break;
        }
        reading.denied.push(range.clone());
    }
    let revision = reading.history.revision;
    let parts = rest.map(async |range| (range, reader.part(range, revision).await));
    let mut parts = stream::iter(parts).buffered(AT_ONCE);
    while let Some((range, part)) = parts.next().await {
        match part? {
            Some(part) => reading.take(range, part.entries),
            None => reading.denied.push(range.clone()),
        }
    }
    Ok(reading)
}

impl Reading {
    fn take(&mut self, range: &KeyRange, entries: Vec<KeyValue>) {
        let pairs = entries.into_iter().map(|kv| (kv.key, kv.value));
        self.snapshot.entries.extend(pairs);
        self.allowed.push(range.clone());
    }
}

/// A range as it was then.
struct Part {
    history: History,
    entries: Vec<KeyValue>,
}

struct Reader<'a, W: World> {
    connection: &'a Connection<W>,
    /// Keys to ask for at a time: fewer, the slower the way is.
    page_size: Cell<usize>,
}

impl<W: World> Reader<'_, W> {
    /// A range, page by page; none if we may not read it. `revision`: 0 for now.
    async fn part(&self, range: &KeyRange, revision: Revision) -> Result<Option<Part>, EtcdError> {
        let mut part = match self.page(range.clone(), revision).await {
            Ok(page) => page,
            Err(error) if error.problem == Problem::Denied => return Ok(None),
            Err(error) => return Err(error),
        };
        let history = part.history;
        let mut entries = std::mem::take(&mut part.entries);
        while let Some(last) = entries.last().filter(|_| part.more) {
            let rest = range.after(&last.key);
            part = self.page(rest, history.revision).await?;
            entries.append(&mut part.entries);
        }
        Ok(Some(Part { history, entries }))
    }

    /// One page. A page that does not arrive in time, though something does, is asked for anew, with
    /// half as many keys.
    async fn page(&self, range: KeyRange, revision: Revision) -> Result<Page, EtcdError> {
        loop {
            let limit = self.page_size.get();
            let read = Read {
                range: range.clone(),
                revision,
                limit,
                what: What::Everything,
                serializable: false,
            };
            if limit <= SMALLEST_PAGE {
                let patience = self.connection.call_timeout();
                return self.connection.read_patiently(read, patience).await;
            }
            let arrived = self.connection.arrived();
            let error = match self.connection.read(read).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            let is_slow = error.problem == Problem::Silent && self.connection.arrived() != arrived;
            if !is_slow && error.problem != Problem::TooLarge {
                return Err(error);
            }
            // Others that are under way may have halved it already.
            if self.page_size.get() == limit {
                self.page_size.set((limit / 2).max(SMALLEST_PAGE));
            }
        }
    }
}

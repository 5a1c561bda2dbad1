//! A reading of parts of etcd, read at one revision.

use renderer::snapshot::{Snapshot, Subtree};

use super::api::{History, KeyRange, Page, Read, What};
use super::error::{EtcdError, Problem};
use super::reach::Connection;
use crate::registration::Revision;
use crate::world::World;

/// Keys in one answer: an answer is held in memory twice for a moment.
const PAGE: usize = 5_000;

/// Parts of etcd at one revision.
pub(super) struct Reading {
    pub snapshot: Snapshot,
    pub history: History,
    /// The ranges that we may read.
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
    };
    match connection.read(first).await {
        Ok(page) => Ok(Some(page.history)),
        Err(error) if error.problem == Problem::NotThatRevision => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether any of the ranges may be read by now.
///
/// # Errors
/// [`EtcdError`].
pub(super) async fn may_read_any<W: World>(
    connection: &Connection<W>,
    ranges: &[KeyRange],
) -> Result<bool, EtcdError> {
    for range in ranges {
        match now(connection, range, 0).await {
            Ok(_) => return Ok(true),
            Err(error) if error.problem == Problem::Denied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Reads the trees, all at the revision of the first answer.
///
/// The key at the top and the keys below are two ranges: a role often allows one of the two only.
/// The other is then left out.
///
/// # Errors
/// [`EtcdError`]; a refusal when nothing of a tree may be read.
pub(super) async fn read<W: World>(
    connection: &Connection<W>,
    trees: &[Subtree],
) -> Result<Reading, EtcdError> {
    let mut reading = Reading {
        snapshot: Snapshot::default(),
        history: History::default(),
        allowed: Vec::with_capacity(2 * trees.len()),
        denied: Vec::new(),
    };
    for tree in trees {
        let mut any = false;
        for range in ranges(tree) {
            match read_range(connection, &range, &mut reading).await {
                Ok(()) => {
                    reading.allowed.push(range);
                    any = true;
                }
                Err(error) if error.problem == Problem::Denied => reading.denied.push(range),
                Err(error) => return Err(error),
            }
        }
        if !any {
            let reason = format!("permission denied to read {}", tree.prefix());
            return Err(connection.error(Problem::Denied, reason));
        }
    }
    Ok(reading)
}

fn ranges(tree: &Subtree) -> impl Iterator<Item = KeyRange> {
    let exact = tree.key().map(KeyRange::exactly);
    exact.into_iter().chain([KeyRange::below(&tree.prefix())])
}

/// Page by page.
async fn read_range<W: World>(
    connection: &Connection<W>,
    range: &KeyRange,
    reading: &mut Reading,
) -> Result<(), EtcdError> {
    let mut rest = range.clone();
    loop {
        let read = Read {
            range: rest,
            revision: reading.snapshot.revision,
            limit: PAGE,
            what: What::Everything,
        };
        let Page {
            history,
            entries,
            more,
        } = connection.read(read).await?;
        if reading.snapshot.revision == 0 {
            reading.history = history;
            reading.snapshot.revision = history.revision;
        }
        let next = entries.last().map(|last| range.after(&last.key));
        let pairs = entries.into_iter().map(|kv| (kv.key, kv.value));
        reading.snapshot.entries.extend(pairs);
        rest = match next {
            Some(next) if more => next,
            Some(_) | None => return Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges_of(key: &str) -> Vec<KeyRange> {
        let trees = renderer::snapshot::ranges("", &[key.to_owned()]);
        trees.iter().flat_map(ranges).collect()
    }

    #[test]
    fn the_key_at_the_top_and_the_keys_below_it_are_read_apart() {
        assert_eq!(
            ranges_of("/services"),
            [
                KeyRange::exactly("/services"),
                KeyRange::below("/services/")
            ]
        );
    }

    #[test]
    fn the_tree_of_all_keys_has_none_at_the_top() {
        assert_eq!(ranges_of("/"), [KeyRange::below("/")]);
    }
}

//! Watches on all keys, in one stream. A key that was followed goes on from where it was, if the server is
//! of the same history; any other is read once it is watched: no gap between the two.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _};

use super::keys::ToWatch;
use crate::etcd::api::{History, Page, Read, WatchFrom};
use crate::etcd::error::{EtcdError, Problem};
use crate::etcd::reach::Connection;
use crate::etcd::reading;
use crate::registration::ServiceId;
use crate::world::World;

/// Keys that are read at one time.
const AT_ONCE: usize = 16;

/// How often to begin anew over one connection, where etcd has forgotten what comes next, or a role is
/// changed meanwhile.
const ATTEMPTS: usize = 3;

const NOTHING: &str = "there is nothing to watch";

pub(super) struct Watching<W: World> {
    pub watch: W::Watch,
    /// In the order of its watches.
    pub services: Vec<ServiceId>,
    /// Those that were read.
    pub pages: Vec<(ServiceId, Page)>,
    /// Those that may not be.
    pub denied: BTreeSet<ServiceId>,
    /// Of the server, if it was seen.
    pub history: Option<History>,
}

/// `history`: of the server that they were followed at, if this may be another. `begins_anew`: whether it is
/// another, or has forgotten what comes next, also where nothing comes of it.
///
/// # Errors
/// [`EtcdError`]; a refusal if none of the keys may be read.
pub(super) async fn watch<W: World>(
    connection: &Connection<W>,
    mut wanted: Vec<ToWatch>,
    history: Option<History>,
    begins_anew: &mut bool,
) -> Result<Watching<W>, EtcdError> {
    let mut denied = BTreeSet::new();
    let mut failure = None;
    for _ in 0..ATTEMPTS {
        let error = match try_to_watch(connection, &wanted, history, &mut denied).await {
            Ok(watching) => return Ok(watching),
            Err(error) => error,
        };
        match error.problem {
            Problem::NotThatRevision => {
                *begins_anew = true;
                read_afresh(&mut wanted);
            }
            Problem::Denied => {
                leave_denied(connection, &mut wanted, &mut denied).await?;
                if wanted.is_empty() {
                    return Err(error);
                }
            }
            _ => return Err(error),
        }
        failure = Some(error);
    }
    let unavailable = |error: EtcdError| connection.error(Problem::Unavailable, error.reason);
    Err(failure.map_or_else(
        || connection.error(Problem::Unavailable, NOTHING),
        unavailable,
    ))
}

async fn try_to_watch<W: World>(
    connection: &Connection<W>,
    wanted: &[ToWatch],
    history: Option<History>,
    denied: &mut BTreeSet<ServiceId>,
) -> Result<Watching<W>, EtcdError> {
    let watches = wanted.iter().map(|key| WatchFrom {
        range: &key.range,
        next: key.next,
    });
    let watches: Vec<_> = watches.collect();
    let watch = connection.watch(&watches).await?;
    let mut seen = look(connection, wanted, history).await?;
    let mut pages = Vec::new();
    for (service, page) in read(connection, wanted).await {
        match page {
            Ok(page) => {
                seen = Some(page.history);
                pages.push((service, page));
            }
            Err(error) if error.problem == Problem::Denied => _ = denied.insert(service),
            Err(error) => return Err(error),
        }
    }
    Ok(Watching {
        watch,
        services: wanted.iter().map(|key| key.service).collect(),
        pages,
        denied: denied.clone(),
        history: seen,
    })
}

/// Where the server is now, if keys were followed at one. That is looked at once the watch is there: etcd
/// watches on from the very revision that it compacted, and leaves that one's deletions out.
async fn look<W: World>(
    connection: &Connection<W>,
    wanted: &[ToWatch],
    history: Option<History>,
) -> Result<Option<History>, EtcdError> {
    let followed = wanted.iter().filter(|key| key.next > 0);
    let Some((first, history)) = followed.min_by_key(|key| key.next).zip(history) else {
        return Ok(None);
    };
    let now = reading::now(connection, &first.range, first.next - 1).await?;
    match now.filter(|now| history.continues_in(now)) {
        Some(now) => Ok(Some(now)),
        None => Err(connection.error(Problem::NotThatRevision, "it is of another history")),
    }
}

/// Those that were not followed, side by side.
async fn read<W: World>(
    connection: &Connection<W>,
    wanted: &[ToWatch],
) -> Vec<(ServiceId, Result<Page, EtcdError>)> {
    let unread = wanted.iter().filter(|key| key.next == 0);
    let reads = unread.map(async |key| {
        let read = Read {
            range: key.range.clone(),
            ..Read::key("")
        };
        (key.service, connection.read(read).await)
    });
    stream::iter(reads)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

fn read_afresh(wanted: &mut [ToWatch]) {
    for key in wanted {
        key.next = 0;
    }
}

/// Finds out which of the keys may not be read.
async fn leave_denied<W: World>(
    connection: &Connection<W>,
    wanted: &mut Vec<ToWatch>,
    denied: &mut BTreeSet<ServiceId>,
) -> Result<(), EtcdError> {
    read_afresh(wanted);
    for (service, page) in read(connection, wanted).await {
        match page {
            Ok(_) => {}
            Err(error) if error.problem == Problem::Denied => _ = denied.insert(service),
            Err(error) => return Err(error),
        }
    }
    wanted.retain(|key| !denied.contains(&key.service));
    Ok(())
}

/// Whether any of the keys that were denied may be read now.
///
/// # Errors
/// [`EtcdError`], other than that they may not.
pub(super) async fn any_allowed<W: World>(
    connection: &Connection<W>,
    denied: &[ToWatch],
) -> Result<bool, EtcdError> {
    let mut allowed = false;
    for (_, page) in read(connection, denied).await {
        match page {
            Ok(_) => allowed = true,
            Err(error) if error.problem == Problem::Denied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(allowed)
}

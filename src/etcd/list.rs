//! Reading what others registered.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use tracing::warn;

use super::api::{KeyRange, KeyValue, Page, Read, What};
use super::error::{EtcdError, Problem};
use super::reach::Connection;
use crate::registration::{LeaseId, Revision};
use crate::world::World;

/// Keys in the first answer, and the most in one.
const FIRST_PAGE: usize = 100;
const PAGE: usize = 5_000;

/// What further answers are to hold, in bytes.
const PAGE_BYTES: usize = 4 << 20;

/// Leases that are asked about at a time.
const LEASES_AT_ONCE: usize = 128;

/// One key below a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Bytes,
    pub value: Bytes,
    pub lease: Option<Hold>,
}

/// The lease that holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    pub lease: LeaseId,
    /// How much of its TTL is left, if we may know.
    pub left: Option<Duration>,
}

/// What `prefix` stands for: the key of that name, and what lies below. Two reads, as a role on
/// `prefix/` is enough for the second.
fn ranges(prefix: &str) -> (Option<KeyRange>, KeyRange) {
    if prefix.is_empty() {
        return (None, KeyRange::everything());
    }
    let bare = prefix.trim_end_matches('/');
    let exact = (prefix == bare).then(|| KeyRange::exactly(bare));
    (exact, KeyRange::below(&format!("{bare}/")))
}

/// The key `prefix` and all below `prefix/`, sorted; all keys if it is empty. Takes as long as it
/// takes, while etcd is silent for less than `patience`.
///
/// # Errors
/// [`EtcdError`]; a refusal if what lies below may not be read and the key itself is not there.
pub async fn read<W: World>(
    connection: &Connection<W>,
    prefix: &str,
    patience: Duration,
) -> Result<Vec<Entry>, EtcdError> {
    let mut reader = Reader {
        connection,
        patience,
        revision: 0,
    };
    let (exact, below) = ranges(prefix);
    let mut keys = match exact {
        Some(exact) => reader.read(exact).await?.unwrap_or_default(),
        None => Vec::new(),
    };
    match reader.read(below).await? {
        Some(found) => keys.extend(found),
        None if keys.is_empty() => {
            return Err(connection.error(Problem::Denied, denied(prefix)));
        }
        None => warn!(event = "read_denied", "{}", denied(prefix)),
    }
    let ids = keys.iter().map(|kv| kv.lease).filter(|id| *id != 0);
    let left = reader.time_left(ids.collect()).await?;
    let entries = keys.into_iter().map(|kv| Entry {
        lease: Some(kv.lease).filter(|id| *id != 0).map(|lease| Hold {
            lease,
            left: left.get(&lease).copied(),
        }),
        key: kv.key,
        value: kv.value,
    });
    Ok(entries.collect())
}

fn denied(prefix: &str) -> String {
    let what = match prefix.trim_end_matches('/') {
        "" if prefix.is_empty() => "all keys".to_owned(),
        bare => format!("what lies below {bare}/"),
    };
    format!(
        "permission denied to read {what}; list what the user's role is for, with the slash at its \
         end, as in register list /services/apache/"
    )
}

struct Reader<'a, W: World> {
    connection: &'a Connection<W>,
    patience: Duration,
    /// That of the first answer; 0 before.
    revision: Revision,
}

impl<W: World> Reader<'_, W> {
    /// Page by page. `None` if it may not be read.
    async fn read(&mut self, range: KeyRange) -> Result<Option<Vec<KeyValue>>, EtcdError> {
        let mut found = Vec::new();
        let mut rest = range.clone();
        let mut limit = FIRST_PAGE;
        loop {
            let read = Read {
                range: rest.clone(),
                revision: self.revision,
                limit,
                what: What::Everything,
                serializable: false,
            };
            let page = match self.connection.read_patiently(read, self.patience).await {
                Ok(page) => page,
                Err(error) => match error.problem {
                    Problem::Denied => return Ok(None),
                    // What was read before was compacted meanwhile.
                    Problem::NotThatRevision if self.revision != 0 => {
                        self.revision = 0;
                        continue;
                    }
                    Problem::TooLarge if limit > 1 => {
                        limit = limit.div_ceil(10);
                        continue;
                    }
                    _ => return Err(error),
                },
            };
            let Page {
                history,
                entries,
                more,
            } = page;
            if self.revision == 0 {
                self.revision = history.revision;
            }
            limit = next_limit(&entries);
            let next = entries.last().map(|last| range.after(&last.key));
            found.extend(entries);
            rest = match next {
                Some(next) if more => next,
                Some(_) | None => return Ok(Some(found)),
            };
        }
    }

    /// Asks about many leases at a time: how long it takes does not depend on the way to etcd.
    async fn time_left(
        &self,
        leases: BTreeSet<LeaseId>,
    ) -> Result<BTreeMap<LeaseId, Duration>, EtcdError> {
        let asked = leases
            .into_iter()
            .map(async |id| (id, self.connection.time_left(id).await));
        let mut answers = stream::iter(asked).buffer_unordered(LEASES_AT_ONCE);
        let mut left = BTreeMap::new();
        let mut refused = false;
        while let Some((id, answer)) = self
            .connection
            .outlast(self.patience, answers.next())
            .await?
        {
            match answer {
                Ok(time) => _ = left.insert(id, time.unwrap_or_default()),
                Err(error) if error.problem == Problem::Denied => {
                    if !std::mem::replace(&mut refused, true) {
                        warn!(
                            event = "time_left_denied",
                            "{error}; the time left is not shown"
                        );
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(left)
    }
}

/// How many keys like these fit into a page.
fn next_limit(keys: &[KeyValue]) -> usize {
    let bytes: usize = keys.iter().map(|kv| kv.key.len() + kv.value.len()).sum();
    let of_one = bytes / keys.len().max(1);
    (PAGE_BYTES / of_one.max(1)).clamp(1, PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_for_the_key_and_what_lies_below() {
        let below = |prefix: &str| KeyRange::below(prefix);
        let exactly = |key: &str| Some(KeyRange::exactly(key));
        assert_eq!(
            ranges("/services"),
            (exactly("/services"), below("/services/"))
        );
        assert_eq!(ranges("/services/"), (None, below("/services/")));
        assert_eq!(ranges("kit"), (exactly("kit"), below("kit/")));
        assert_eq!(ranges("/"), (None, below("/")));
        assert_eq!(ranges(""), (None, KeyRange::everything()));
    }
}

//! A copy of parts of etcd, read at one revision.

use bytes::Bytes;
use etcd_client::{Error, GetOptions, GetResponse, ResponseHeader};
use renderer::snapshot::{Snapshot, Subtree};
use tonic::Code;

use super::connection::Connection;
use super::error::EtcdError;
use super::progress::History;
use crate::registration::Revision;

/// Keys in one answer: an answer is held in memory twice for a moment.
const PAGE: usize = 5_000;

/// The most that one answer may take. What is read is what the caller asked to hold in memory.
pub(super) const MESSAGE_LIMIT: usize = 1 << 30;

/// A part of the key space, as etcd knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyRange {
    /// One key.
    Exact(Bytes),
    /// All keys that begin so.
    Below(Bytes),
}

/// Parts of etcd at one revision.
pub(super) struct Copy {
    pub snapshot: Snapshot,
    pub history: History,
    /// The ranges that we may read.
    pub allowed: Vec<KeyRange>,
}

/// Where the server behind `connection` is now; none if it has forgotten `seen`, or has yet to come to
/// it. What a watch from the next revision on would tell may then be forgotten too: etcd watches on
/// from the very revision that it compacted, and leaves that one's deletions out.
///
/// # Errors
/// [`EtcdError`].
pub(super) async fn now(
    connection: &Connection,
    range: &KeyRange,
    seen: Revision,
) -> Result<Option<History>, EtcdError> {
    let mut client = connection.client.clone();
    let options = GetOptions::new()
        .with_limit(1)
        .with_keys_only()
        .with_revision(seen);
    let asked = client.get(start_of(range).clone(), Some(options));
    match connection.call(async { Ok(asked.await) }).await? {
        Ok(answer) => Ok(Some(answer.header().map(history).unwrap_or_default())),
        Err(Error::GRpcStatus(status)) if status.code() == Code::OutOfRange => Ok(None),
        Err(error) => Err(connection.error(&error)),
    }
}

fn history(header: &ResponseHeader) -> History {
    History {
        cluster: header.cluster_id(),
        term: header.raft_term(),
        revision: header.revision(),
    }
}

/// Reads the trees, all at the revision of the first answer.
///
/// The key at the top and the keys below are two ranges: a role often allows one of the two only.
/// The other is then left out.
///
/// # Errors
/// [`EtcdError`]; a refusal when nothing of a tree may be read.
pub(super) async fn read(connection: &Connection, trees: &[Subtree]) -> Result<Copy, EtcdError> {
    let mut copy = Copy {
        snapshot: Snapshot::default(),
        history: History::default(),
        allowed: Vec::with_capacity(2 * trees.len()),
    };
    for tree in trees {
        let mut any = false;
        for range in ranges(tree) {
            if read_range(connection, &range, &mut copy).await?.is_some() {
                copy.allowed.push(range);
                any = true;
            }
        }
        if !any {
            let prefix = tree.prefix();
            return Err(connection.refused(&format!("permission denied to read {prefix}")));
        }
    }
    Ok(copy)
}

fn ranges(tree: &Subtree) -> impl Iterator<Item = KeyRange> {
    let exact = tree
        .key()
        .map(|key| KeyRange::Exact(Bytes::copy_from_slice(key.as_bytes())));
    exact
        .into_iter()
        .chain([KeyRange::Below(tree.prefix().into())])
}

/// `None` if it may not be read.
async fn read_range(
    connection: &Connection,
    range: &KeyRange,
    copy: &mut Copy,
) -> Result<Option<()>, EtcdError> {
    let mut start = start_of(range).to_vec();
    loop {
        let options = GetOptions::new()
            .with_limit(i64::try_from(PAGE).unwrap_or(i64::MAX))
            .with_revision(copy.snapshot.revision);
        let options = match range {
            KeyRange::Exact(_) => options,
            KeyRange::Below(prefix) => options.with_range(end_of(prefix)),
        };
        let Some(mut page) = get(connection, start, options).await? else {
            return Ok(None);
        };
        if copy.snapshot.revision == 0 {
            copy.history = page.header().map(history).unwrap_or_default();
            copy.snapshot.revision = copy.history.revision;
        }
        let more = page.more();
        let mut last = Bytes::new();
        for kv in page.take_kvs() {
            let (key, value) = kv.into_key_value();
            last = Bytes::from(key);
            copy.snapshot.entries.insert(last.clone(), value.into());
        }
        if !more || last.is_empty() {
            return Ok(Some(()));
        }
        start = [last.as_ref(), b"\0"].concat();
    }
}

async fn get(
    connection: &Connection,
    start: Vec<u8>,
    options: GetOptions,
) -> Result<Option<GetResponse>, EtcdError> {
    let mut client = connection
        .client
        .kv_client()
        .max_decoding_message_size(MESSAGE_LIMIT);
    let answer = connection
        .call(async { Ok(client.get(start, Some(options)).await) })
        .await?;
    match answer {
        Ok(page) => Ok(Some(page)),
        Err(Error::GRpcStatus(status)) if status.code() == Code::PermissionDenied => Ok(None),
        Err(error) => Err(connection.error(&error)),
    }
}

fn start_of(range: &KeyRange) -> &Bytes {
    match range {
        KeyRange::Exact(key) => key,
        KeyRange::Below(prefix) => prefix,
    }
}

/// The end of the range of all keys that start with `prefix`: the least that is greater than all
/// of them; `\0`, which stands for no end, where there is none.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return end;
        }
        end.pop();
    }
    vec![0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_least_key_that_lacks_it() {
        assert_eq!(end_of(b"/services/"), b"/services0");
        assert_eq!(end_of(b"a\xff\xff"), b"b");
        assert_eq!(end_of(b"\xff"), b"\0");
        assert_eq!(end_of(b""), b"\0");
    }
}

//! Reading what others registered.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use etcd_client::{Error, GetOptions, KeyValue};
use tokio::task::JoinSet;
use tonic::Code;
use tracing::warn;

use super::connection::Connection;
use super::copy::{MESSAGE_LIMIT, end_of};
use super::error::EtcdError;
use super::key::seconds_of;
use crate::registration::{LeaseId, Revision};

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
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub lease: Option<Hold>,
}

/// The lease that holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    pub lease: LeaseId,
    /// How much of its TTL is left, if we may know.
    pub left: Option<Duration>,
}

/// Keys from `start` to before `end`; one key if there is no end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl Range {
    fn exactly(key: &str) -> Self {
        Self {
            start: key.into(),
            end: None,
        }
    }

    fn below(prefix: &str) -> Self {
        Self {
            start: prefix.into(),
            end: Some(end_of(prefix.as_bytes())),
        }
    }

    fn everything() -> Self {
        Self {
            start: vec![0],
            end: Some(end_of(b"")),
        }
    }
}

/// What `prefix` stands for: the key of that name, and what lies below. Two reads, as a role on
/// `prefix/` is enough for the second.
fn ranges(prefix: &str) -> (Option<Range>, Range) {
    if prefix.is_empty() {
        return (None, Range::everything());
    }
    let bare = prefix.trim_end_matches('/');
    let exact = (prefix == bare).then(|| Range::exactly(bare));
    (exact, Range::below(&format!("{bare}/")))
}

/// The key `prefix` and all below `prefix/`, sorted; all keys if it is empty. Takes as long as it
/// takes, while etcd is silent for less than `patience`.
///
/// # Errors
/// [`EtcdError`]; a refusal if what lies below may not be read and the key itself is not there.
pub async fn list(
    connection: &Connection,
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
        None if keys.is_empty() => return Err(connection.refused(&denied(prefix))),
        None => warn!("{}", denied(prefix)),
    }
    let ids = keys.iter().map(KeyValue::lease).filter(|id| *id != 0);
    let left = reader.time_left(ids.collect()).await?;
    let entries = keys.into_iter().map(|kv| {
        let lease = Some(kv.lease()).filter(|id| *id != 0).map(|lease| Hold {
            lease,
            left: left.get(&lease).copied(),
        });
        let (key, value) = kv.into_key_value();
        Entry { key, value, lease }
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

struct Reader<'a> {
    connection: &'a Connection,
    patience: Duration,
    /// That of the first answer; 0 before.
    revision: Revision,
}

impl Reader<'_> {
    /// Page by page. `None` if it may not be read.
    async fn read(&mut self, range: Range) -> Result<Option<Vec<KeyValue>>, EtcdError> {
        let mut found = Vec::new();
        let mut start = range.start;
        let mut limit = FIRST_PAGE;
        loop {
            let options = GetOptions::new()
                .with_limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .with_revision(self.revision);
            let options = match &range.end {
                Some(end) => options.with_range(end.clone()),
                None => options,
            };
            let mut client = self
                .connection
                .client
                .kv_client()
                .max_decoding_message_size(MESSAGE_LIMIT);
            let asked = client.get(start.clone(), Some(options));
            let mut page = match self.connection.outlast(self.patience, asked).await? {
                Ok(page) => page,
                Err(error) => match what_to_do(&error) {
                    Instead::LeaveOut => return Ok(None),
                    Instead::ReadNow => {
                        self.revision = 0;
                        continue;
                    }
                    Instead::ReadLess if limit > 1 => {
                        limit = limit.div_ceil(10);
                        continue;
                    }
                    Instead::ReadLess | Instead::Fail => return Err(self.connection.error(&error)),
                },
            };
            if self.revision == 0 {
                self.revision = page.header().map_or(0, |header| header.revision());
            }
            let more = page.more();
            let keys = page.take_kvs();
            let Some(last) = keys.last().filter(|_| more) else {
                found.extend(keys);
                return Ok(Some(found));
            };
            start = [last.key(), b"\0"].concat();
            limit = next_limit(&keys);
            found.extend(keys);
        }
    }

    /// Asks about many leases at a time: how long it takes does not depend on the way to etcd.
    async fn time_left(
        &self,
        leases: BTreeSet<LeaseId>,
    ) -> Result<HashMap<LeaseId, Duration>, EtcdError> {
        let mut left = HashMap::with_capacity(leases.len());
        let mut leases = leases.into_iter();
        let mut asked = JoinSet::new();
        let mut refused = false;
        loop {
            for id in leases.by_ref().take(LEASES_AT_ONCE - asked.len()) {
                let mut client = self.connection.client.clone();
                asked.spawn(async move { (id, client.lease_time_to_live(id, None).await) });
            }
            let answer = self.connection.outlast(self.patience, asked.join_next());
            let Some(answer) = answer.await? else {
                return Ok(left);
            };
            #[expect(
                clippy::expect_used,
                reason = "the task neither panics nor is it aborted"
            )]
            let (id, answer) = answer.expect("an answer");
            match answer {
                Ok(answer) => {
                    left.insert(id, seconds_of(answer.ttl()));
                }
                Err(error) if is(&error, Code::NotFound) => {
                    left.insert(id, Duration::ZERO);
                }
                Err(error) if is(&error, Code::PermissionDenied) => {
                    if !std::mem::replace(&mut refused, true) {
                        let error = self.connection.error(&error);
                        warn!("{error}; the time left is not shown");
                    }
                }
                Err(error) => return Err(self.connection.error(&error)),
            }
        }
    }
}

/// What to do about a page that etcd did not give.
enum Instead {
    LeaveOut,
    /// What was read before was compacted meanwhile.
    ReadNow,
    ReadLess,
    Fail,
}

fn what_to_do(error: &Error) -> Instead {
    match error {
        Error::GRpcStatus(status) => match status.code() {
            Code::PermissionDenied => Instead::LeaveOut,
            Code::OutOfRange if status.message().contains("compacted") => Instead::ReadNow,
            Code::OutOfRange | Code::ResourceExhausted => Instead::ReadLess,
            _ => Instead::Fail,
        },
        _ => Instead::Fail,
    }
}

fn is(error: &Error, code: Code) -> bool {
    matches!(error, Error::GRpcStatus(status) if status.code() == code)
}

/// How many keys like these fit into a page.
fn next_limit(keys: &[KeyValue]) -> usize {
    let bytes: usize = keys
        .iter()
        .map(|kv| kv.key().len() + kv.value().len())
        .sum();
    let of_one = bytes / keys.len().max(1);
    (PAGE_BYTES / of_one.max(1)).clamp(1, PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_for_the_key_and_what_lies_below() {
        let below = |prefix: &str| Range::below(prefix);
        let exactly = |key: &str| Some(Range::exactly(key));
        assert_eq!(
            ranges("/services"),
            (exactly("/services"), below("/services/"))
        );
        assert_eq!(ranges("/services/"), (None, below("/services/")));
        assert_eq!(ranges("kit"), (exactly("kit"), below("kit/")));
        assert_eq!(ranges("/"), (None, below("/")));
        assert_eq!(ranges(""), (None, Range::everything()));
    }
}

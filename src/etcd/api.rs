//! What is asked of etcd, in our words. `wire` asks over the network, the simulation asks a model.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use super::announcement::Announcement;
use super::error::EtcdError;
use super::lease::Lease;
use crate::registration::{LeaseId, Revision};

/// Makes links to endpoints of etcd.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Dial {
    type Link: Link;

    /// Finds out what the endpoints are, where they have to be looked up: in the first round over them,
    /// and when all of them have failed for a while. The count may be another then.
    ///
    /// # Errors
    /// When there are none so far.
    async fn find_endpoints(&mut self, _round: usize) -> Result<(), EtcdError> {
        Ok(())
    }

    /// Not 0.
    fn endpoint_count(&self) -> usize;

    /// How an endpoint is called in messages.
    fn endpoint(&self, number: usize) -> &str;

    /// Connects to an endpoint; in each round to the next address of its name. A hung server may
    /// pass.
    ///
    /// # Errors
    /// [`EtcdError`], naming the endpoint.
    async fn dial(&mut self, number: usize, round: usize) -> Result<Self::Link, EtcdError>;
}

/// A connection to one endpoint. Nothing in it has a deadline, and nothing is tried twice.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Link {
    type Watch: Watch;
    type Renewals: Renewals;

    fn endpoint(&self) -> &str;

    /// Gets a token for our user, if we have one; from then on it goes with every call.
    ///
    /// # Errors
    /// [`EtcdError`]
    async fn log_in(&self) -> Result<Login, EtcdError>;

    /// # Errors
    /// [`EtcdError`]; what was asked may have happened unless it is an answer.
    async fn ask(&self, call: &Call) -> Result<Answer, EtcdError>;

    /// One stream with a watch for each of `watches`, once etcd has confirmed all of them.
    ///
    /// # Errors
    /// [`EtcdError`]
    async fn watch(&self, watches: &[WatchFrom<'_>]) -> Result<Self::Watch, EtcdError>;

    /// A stream over which leases are renewed. It asks nothing of etcd yet.
    fn renewals(&self) -> Self::Renewals;

    /// How many bytes have come in so far.
    fn arrived(&self) -> u64;
}

/// A stream of watches.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Watch {
    /// The next message. Cancel-safe.
    ///
    /// # Errors
    /// [`EtcdError`]; the stream is of no further use.
    async fn next(&mut self) -> Result<WatchAnswer, EtcdError>;
}

/// A stream of renewals.
#[expect(async_fn_in_trait, reason = "the loops run in one thread")]
pub trait Renewals {
    /// Asks for a lease to be renewed.
    fn ask(&mut self, lease: LeaseId);

    /// The next answer; none comes before something was asked. Cancel-safe.
    ///
    /// # Errors
    /// [`EtcdError`]; the stream is of no further use.
    async fn next(&mut self) -> Result<Renewed, EtcdError>;
}

/// A lease was renewed, or is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    pub lease: LeaseId,
    /// None if etcd does not know it.
    pub ttl: Option<Duration>,
}

/// Whether our user's name and password are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// They are, or there are none.
    AsAsked,
    /// They are not: authentication is not enabled in etcd.
    NotEnabled,
}

/// What to ask of etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Read(Read),
    /// A lease of this id.
    Grant {
        lease: LeaseId,
        ttl: Duration,
    },
    /// Under the lease, if the key was last written at this revision; 0 if it is not there.
    Put {
        announcement: Rc<Announcement>,
        lease: LeaseId,
        unchanged_since: Revision,
    },
    Delete {
        announcement: Rc<Announcement>,
        when: Condition,
    },
    Revoke(LeaseId),
    TimeLeft(LeaseId),
}

impl Call {
    /// In metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Read(_) => "read",
            Self::Grant { .. } => "grant",
            Self::Put { .. } => "put",
            Self::Delete { .. } => "delete",
            Self::Revoke(_) => "revoke",
            Self::TimeLeft(_) => "time_left",
        }
    }
}

/// Part of the key space, read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub range: KeyRange,
    /// As it was then; 0 for now.
    pub revision: Revision,
    /// The most keys in the answer; 0 for all.
    pub limit: usize,
    pub what: What,
    /// What the member itself has will do, be it old.
    pub serializable: bool,
}

impl Read {
    /// One key as it is now.
    #[must_use]
    pub fn key(key: &str) -> Self {
        Self {
            range: KeyRange::exactly(key),
            revision: 0,
            limit: 1,
            what: What::Everything,
            serializable: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Everything,
    KeysOnly,
    CountOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    HeldBy(LeaseId),
    UnchangedSince(Revision),
}

/// Each call has one answer.
#[derive(Clone, Debug)]
pub enum Answer {
    Page(Page),
    Granted(Lease),
    /// The condition held.
    Written {
        revision: Revision,
    },
    /// The condition did not hold.
    Unchanged,
    Revoked,
    /// None if etcd does not know the lease.
    TimeLeft(Option<Duration>),
}

/// Keys in order, and where etcd was when it read them.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub history: History,
    pub entries: Vec<KeyValue>,
    /// Whether the range has more than the limit allowed.
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    pub key: Bytes,
    pub value: Bytes,
    /// 0 if none holds it.
    pub lease: LeaseId,
    /// When it was last written.
    pub revision: Revision,
}

/// Which history a revision belongs to: etcd wiped, or restored from a backup, starts another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub cluster: u64,
    pub term: u64,
    pub revision: Revision,
}

/// A range to watch, from this revision on; 0: from now on.
#[derive(Clone, Copy, Debug)]
pub struct WatchFrom<'a> {
    pub range: &'a KeyRange,
    pub next: Revision,
}

/// One message of a stream of watches.
#[derive(Clone, Debug)]
pub struct WatchAnswer {
    /// Which watch, from 0.
    pub watch: usize,
    /// It only says that the watch was created.
    pub created: bool,
    pub changes: Vec<Change>,
    /// That the message as a whole shows.
    pub revision: Revision,
}

/// One key was put or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub key: Bytes,
    /// None if it was deleted.
    pub value: Option<Bytes>,
    /// 0 if none holds it.
    pub lease: LeaseId,
    pub revision: Revision,
}

/// Keys from `start` to before `end`; one key if there is no end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyRange {
    pub start: Bytes,
    pub end: Option<Bytes>,
}

impl KeyRange {
    #[must_use]
    pub fn exactly(key: &str) -> Self {
        Self::exact(key.as_bytes().to_vec())
    }

    /// A key that need not be text.
    #[must_use]
    pub fn exact(key: Vec<u8>) -> Self {
        Self {
            start: key.into(),
            end: None,
        }
    }

    /// All keys that start with `prefix`.
    #[must_use]
    pub fn below(prefix: &str) -> Self {
        Self {
            start: Bytes::copy_from_slice(prefix.as_bytes()),
            end: Some(end_of(prefix.as_bytes()).into()),
        }
    }

    #[must_use]
    pub fn everything() -> Self {
        Self {
            start: Bytes::from_static(b"\0"),
            end: Some(Bytes::from_static(b"\0")),
        }
    }

    /// What follows `key` in it.
    #[must_use]
    pub fn after(&self, key: &[u8]) -> Self {
        Self {
            start: [key, b"\0"].concat().into(),
            end: self.end.clone(),
        }
    }

    /// Whether `key` is in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            None => key == self.start,
            Some(end) => key >= &self.start[..] && (&end[..] == b"\0" || key < &end[..]),
        }
    }
}

/// The least key that is greater than all that start with `prefix`; `\0`, which stands for no end,
/// where there is none.
fn end_of(prefix: &[u8]) -> Vec<u8> {
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

    #[test]
    fn a_range_holds_what_etcd_would_give_for_it() {
        let below = KeyRange::below("/a/");
        assert!(below.contains(b"/a/") && below.contains(b"/a/\xff"));
        assert!(!below.contains(b"/a") && !below.contains(b"/a0"));
        assert!(KeyRange::exactly("/a").contains(b"/a"));
        assert!(!KeyRange::exactly("/a").contains(b"/a/"));
        assert!(KeyRange::everything().contains(b"\xff"));
        assert!(!below.after(b"/a/x").contains(b"/a/x"));
        assert!(below.after(b"/a/x").contains(b"/a/x\0"));
    }
}

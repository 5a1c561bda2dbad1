//! The transactions on our key. Each is conditional on what was read, so that an answer that got
//! lost, or a request that arrives late, can do no harm.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use etcd_client::{Compare, CompareOp, KeyValue, LeaseGrantOptions, Txn, TxnOp};

use super::connection::Connection;
use super::error::EtcdError;
use super::lease::Lease;
use crate::config::Target;
use crate::registration::{Claim, Holder, LeaseId, Revision};

/// How often to start over when somebody else writes the key at the same moment.
const RACES: usize = 5;

/// What became of an attempt to hold the key.
#[derive(Debug)]
pub enum Announcement {
    Put {
        lease: Lease,
        revision: Revision,
        taken_over: Option<TakenOver>,
    },
    /// Another live lease holds it, and `take_over` was not asked for.
    Occupied { revision: Revision },
}

/// Whose key it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenOver {
    /// It had our value: from a previous incarnation.
    Ours,
    Foreign,
}

/// Puts the key under a new lease.
///
/// # Errors
/// [`EtcdError`]; then the put may have happened, under a lease that was pushed to `granted`, unless
/// etcd said no: then that lease was given back.
pub async fn announce(
    connection: &Connection,
    target: &Target,
    ttl: Duration,
    take_over: bool,
    granted: &mut Granted,
) -> Result<Announcement, EtcdError> {
    if !granted.is_empty() {
        // One of them may hold the key still: it goes after the key was put under the new one.
        let (_, kv) = read(connection, &target.key).await?;
        let kept = kv.map(|kv| kv.lease());
        granted.revoke_all_but(kept, connection).await;
    }
    let lease = grant(connection, ttl, granted).await?;
    let done = put(connection, target, lease, take_over, granted).await;
    match &done {
        Ok(Announcement::Put { .. }) => granted.revoke_all_but(Some(lease.id), connection).await,
        Ok(Announcement::Occupied { .. }) => granted.revoke_all_but(None, connection).await,
        Err(error) if error.is_answer() => {
            let _answered = granted.revoke(lease.id, connection).await;
        }
        Err(_) => {}
    }
    done
}

async fn grant(
    connection: &Connection,
    ttl: Duration,
    granted: &mut Granted,
) -> Result<Lease, EtcdError> {
    let mut client = connection.client.clone();
    let sent_at = Instant::now();
    // Choosing the id ourselves lets us recognise the lease even if the answer is lost.
    let id = fastrand::i64(1..i64::MAX);
    granted.push(id);
    let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    let options = LeaseGrantOptions::new().with_id(id);
    let grant = connection
        .call(client.lease_grant(seconds, Some(options)))
        .await;
    if grant.as_ref().is_err_and(EtcdError::is_answer) {
        granted.forget(id);
    }
    Ok(Lease::granted(id, seconds_of(grant?.ttl()), sent_at))
}

async fn put(
    connection: &Connection,
    target: &Target,
    lease: Lease,
    take_over: bool,
    granted: &Granted,
) -> Result<Announcement, EtcdError> {
    let mut client = connection.client.clone();
    for _ in 0..RACES {
        let (revision, before) = read(connection, &target.key).await?;
        let taken_over = before
            .as_ref()
            .and_then(|kv| taken_over(kv, target, granted));
        if let (Some(kv), Some(_), false) = (&before, taken_over, take_over)
            && kv.lease() != 0
        {
            return Ok(Announcement::Occupied { revision });
        }
        let under_lease = etcd_client::PutOptions::new().with_lease(lease.id);
        let txn = Txn::new()
            .when([unchanged(&target.key, before.as_ref())])
            .and_then([TxnOp::put(
                target.key.as_str(),
                target.value.as_str(),
                Some(under_lease),
            )]);
        let answer = connection.call(client.txn(txn)).await?;
        if answer.succeeded() {
            let revision = answer.header().map_or(revision, |header| header.revision());
            return Ok(Announcement::Put {
                lease,
                revision,
                taken_over,
            });
        }
    }
    Err(contended(connection))
}

/// The connection works: another one would not help.
fn contended(connection: &Connection) -> EtcdError {
    EtcdError::Rejected {
        endpoint: connection.endpoint().to_owned(),
        reason: "the key kept changing".to_owned(),
    }
}

/// Deletes the key if `claim` covers it; tells whether it did. No lease of ours is left.
///
/// # Errors
/// [`EtcdError`]; then the key may be there still.
pub async fn withdraw(
    connection: &Connection,
    target: &Target,
    claim: Claim,
    granted: &mut Granted,
) -> Result<bool, EtcdError> {
    let deleted = match claim {
        Claim::Lease(id) => {
            let held = Compare::lease(target.key.as_str(), CompareOp::Equal, id);
            delete_if(connection, target, held).await?
        }
        Claim::Granted | Claim::Value => delete_if_ours(connection, target, claim, granted).await?,
    };
    granted.revoke_all_but(None, connection).await;
    Ok(deleted)
}

async fn delete_if_ours(
    connection: &Connection,
    target: &Target,
    claim: Claim,
    granted: &Granted,
) -> Result<bool, EtcdError> {
    for _ in 0..RACES {
        let (_, Some(kv)) = read(connection, &target.key).await? else {
            return Ok(false);
        };
        let ours = granted.contains(kv.lease())
            || (claim == Claim::Value && kv.value() == target.value.as_bytes());
        if !ours {
            return Ok(false);
        }
        if delete_if(connection, target, unchanged(&target.key, Some(&kv))).await? {
            return Ok(true);
        }
    }
    Err(contended(connection))
}

async fn delete_if(
    connection: &Connection,
    target: &Target,
    condition: Compare,
) -> Result<bool, EtcdError> {
    let mut client = connection.client.clone();
    let delete = TxnOp::delete(target.key.as_str(), None);
    let txn = Txn::new().when([condition]).and_then([delete]);
    Ok(connection.call(client.txn(txn)).await?.succeeded())
}

/// Who holds the key, and the revision at which that was so.
///
/// # Errors
/// [`EtcdError`].
pub async fn holder(connection: &Connection, key: &str) -> Result<(Revision, Holder), EtcdError> {
    let (revision, kv) = read(connection, key).await?;
    Ok((revision, kv.as_ref().map_or(Holder::Nobody, holder_of)))
}

pub(super) fn holder_of(kv: &KeyValue) -> Holder {
    match kv.lease() {
        0 => Holder::NoLease,
        id => Holder::Lease(id),
    }
}

/// The leases that this process asked for and has not given back, oldest first.
#[derive(Debug, Default)]
pub struct Granted(VecDeque<LeaseId>);

impl Granted {
    /// Those that cannot be given back go by themselves at their TTL; older ones have long gone.
    const MOST: usize = 32;

    fn push(&mut self, id: LeaseId) {
        if self.0.len() == Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back(id);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn forget(&mut self, id: LeaseId) {
        self.0.retain(|known| *known != id);
    }

    fn contains(&self, id: LeaseId) -> bool {
        self.0.contains(&id)
    }

    /// Gives leases back: none of them is kept alive, so a failure only means that it lasts until
    /// its TTL.
    async fn revoke_all_but(&mut self, kept: Option<LeaseId>, connection: &Connection) {
        while let Some(id) = self.0.iter().copied().find(|id| kept != Some(*id)) {
            // A server that is out of reach is not asked for the others; another may be.
            if !self.revoke(id, connection).await {
                return;
            }
        }
    }

    /// Tells whether the server answered.
    async fn revoke(&mut self, id: LeaseId, connection: &Connection) -> bool {
        let mut client = connection.client.clone();
        match connection.call(client.lease_revoke(id)).await {
            Ok(_) => {}
            // It is gone already, or we may not.
            Err(error) if error.is_answer() => {
                tracing::debug!(lease = %format_args!("{id:x}"), %error, "lease not revoked");
            }
            Err(_) => return false,
        }
        self.forget(id);
        true
    }
}

async fn read(
    connection: &Connection,
    key: &str,
) -> Result<(Revision, Option<KeyValue>), EtcdError> {
    let mut client = connection.client.clone();
    let mut answer = connection.call(client.get(key, None)).await?;
    let revision = answer.header().map_or(0, |header| header.revision());
    Ok((revision, answer.take_kvs().into_iter().next()))
}

fn taken_over(kv: &KeyValue, target: &Target, granted: &Granted) -> Option<TakenOver> {
    if granted.contains(kv.lease()) {
        None
    } else if kv.value() == target.value.as_bytes() {
        Some(TakenOver::Ours)
    } else {
        Some(TakenOver::Foreign)
    }
}

/// Holds while nobody has written the key since `before` was read.
fn unchanged(key: &str, before: Option<&KeyValue>) -> Compare {
    Compare::mod_revision(
        key,
        CompareOp::Equal,
        before.map_or(0, KeyValue::mod_revision),
    )
}

pub(super) fn seconds_of(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}

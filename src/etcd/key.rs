//! Our key in etcd: what [`Procedure`] decides is asked of the server.

use std::time::{Duration, Instant};

use etcd_client::{Compare, CompareOp, KeyValue, LeaseGrantOptions, PutOptions, Txn, TxnOp};

use super::connection::Connection;
use super::error::EtcdError;
use super::granted::Granted;
use super::lease::Lease;
use super::procedure::{Answer, Call, Condition, Done, Found, Next, Procedure, TakenOver};
use crate::config::Target;
use crate::registration::{Claim, Holder, Revision};

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

/// Puts the key under a new lease.
///
/// # Errors
/// [`EtcdError`]; then the put may have happened, under a lease that was added to `granted`, unless
/// etcd said no: then that lease was given back.
pub async fn announce(
    connection: &Connection,
    target: &Target,
    ttl: Duration,
    take_over: bool,
    granted: &mut Granted,
) -> Result<Announcement, EtcdError> {
    let fresh = fastrand::i64(1..i64::MAX);
    let begun = Procedure::announce(fresh, take_over, granted);
    match carry_out(begun, connection, target, ttl, granted).await? {
        Done::Put {
            lease,
            revision,
            taken_over,
        } => Ok(Announcement::Put {
            lease,
            revision,
            taken_over,
        }),
        Done::Occupied { revision } => Ok(Announcement::Occupied { revision }),
        Done::Withdrawn { .. } | Done::Failed | Done::Contended => Err(contended(connection)),
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
    let begun = Procedure::withdraw(claim);
    match carry_out(begun, connection, target, Duration::ZERO, granted).await? {
        Done::Withdrawn { deleted } => Ok(deleted),
        Done::Put { .. } | Done::Occupied { .. } | Done::Failed | Done::Contended => {
            Err(contended(connection))
        }
    }
}

/// The connection works: another one would not help.
fn contended(connection: &Connection) -> EtcdError {
    EtcdError::Rejected {
        endpoint: connection.endpoint().to_owned(),
        reason: "the key kept changing".to_owned(),
    }
}

async fn carry_out(
    (mut procedure, mut call): (Procedure, Call),
    connection: &Connection,
    target: &Target,
    ttl: Duration,
    granted: &mut Granted,
) -> Result<Done, EtcdError> {
    let mut failure = None;
    loop {
        let answer = match ask(call, connection, target, ttl).await {
            Ok(answer) => answer,
            Err(error) => {
                let answer = if error.is_answer() {
                    Answer::Refused
                } else {
                    Answer::Lost
                };
                match call {
                    Call::Revoke(id) => {
                        tracing::debug!(lease = %format_args!("{id:x}"), %error, "lease not revoked");
                    }
                    Call::Read | Call::Grant(_) | Call::Put { .. } | Call::Delete(_) => {
                        failure = Some(error);
                    }
                }
                answer
            }
        };
        match (procedure.on(answer, granted), failure.take()) {
            (Next::Call(next), kept) => {
                call = next;
                failure = kept;
            }
            (Next::Done(Done::Failed), Some(error)) => return Err(error),
            (Next::Done(done), _) => return Ok(done),
        }
    }
}

async fn ask(
    call: Call,
    connection: &Connection,
    target: &Target,
    ttl: Duration,
) -> Result<Answer, EtcdError> {
    let mut client = connection.client.clone();
    match call {
        Call::Read => {
            let (revision, kv) = read(connection, &target.key).await?;
            let found = kv.map(|kv| Found {
                lease: kv.lease(),
                revision: kv.mod_revision(),
                our_value: kv.value() == target.value.as_bytes(),
            });
            Ok(Answer::Read { revision, found })
        }
        Call::Grant(id) => {
            let sent_at = Instant::now();
            let seconds = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
            let options = LeaseGrantOptions::new().with_id(id);
            let grant = client.lease_grant(seconds, Some(options));
            let ttl = seconds_of(connection.call(grant).await?.ttl());
            Ok(Answer::Granted(Lease::granted(id, ttl, sent_at)))
        }
        Call::Put {
            lease,
            unchanged_since,
        } => {
            let under_lease = PutOptions::new().with_lease(lease);
            let put = TxnOp::put(
                target.key.as_str(),
                target.value.as_str(),
                Some(under_lease),
            );
            let condition = Condition::UnchangedSince(unchanged_since);
            write_if(condition, put, connection, target).await
        }
        Call::Delete(condition) => {
            let delete = TxnOp::delete(target.key.as_str(), None);
            write_if(condition, delete, connection, target).await
        }
        Call::Revoke(id) => {
            connection.call(client.lease_revoke(id)).await?;
            Ok(Answer::Revoked)
        }
    }
}

async fn write_if(
    condition: Condition,
    write: TxnOp,
    connection: &Connection,
    target: &Target,
) -> Result<Answer, EtcdError> {
    let key = target.key.as_str();
    let condition = match condition {
        Condition::HeldBy(lease) => Compare::lease(key, CompareOp::Equal, lease),
        Condition::UnchangedSince(revision) => {
            Compare::mod_revision(key, CompareOp::Equal, revision)
        }
    };
    let txn = Txn::new().when([condition]).and_then([write]);
    let answer = connection.call(connection.client.clone().txn(txn)).await?;
    Ok(if answer.succeeded() {
        Answer::Written {
            revision: answer.header().map_or(0, |header| header.revision()),
        }
    } else {
        Answer::Unchanged
    })
}

pub(super) fn holder_of(kv: &KeyValue) -> Holder {
    match kv.lease() {
        0 => Holder::NoLease,
        id => Holder::Lease(id),
    }
}

/// The key, if it is there, and the revision at which that was so.
///
/// # Errors
/// [`EtcdError`].
pub(super) async fn read(
    connection: &Connection,
    key: &str,
) -> Result<(Revision, Option<KeyValue>), EtcdError> {
    let mut client = connection.client.clone();
    let mut answer = connection.call(client.get(key, None)).await?;
    let revision = answer.header().map_or(0, |header| header.revision());
    Ok((revision, answer.take_kvs().into_iter().next()))
}

pub(super) fn seconds_of(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or(0))
}

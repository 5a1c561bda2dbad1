//! Which TTL etcd grants where we ask for one. The lease is given back at once, and no key is touched.

use std::collections::BTreeSet;
use std::time::Duration;

use fastrand::Rng;

use super::advice;
use super::etcd::ExaminedEtcd;
use super::finding::Finding;
use super::step::told;
use super::turn::{ask, each};
use crate::config::ServiceConfig;
use crate::etcd::api::{Answer, Call};
use crate::etcd::error::EtcdError;
use crate::etcd::holder::fresh_lease;
use crate::etcd::wire::WireLink;
use crate::wording;

/// Each TTL once.
pub(super) async fn examine(etcd: &ExaminedEtcd, services: &[ServiceConfig]) -> Vec<Finding> {
    let ttls: BTreeSet<_> = services.iter().map(|service| service.ttl).collect();
    each(
        ttls,
        |ttl| name(*ttl),
        async |ttl| {
            let Some(link) = &etcd.link else {
                return vec![Finding::skipped(
                    name(*ttl),
                    "no endpoint of etcd serves us",
                )];
            };
            vec![judge(*ttl, granted(link, *ttl).await)]
        },
    )
    .await
}

fn name(ttl: Duration) -> String {
    format!("TTL {}", wording::duration(ttl))
}

/// What was granted, and whether it could be given back.
async fn granted(
    link: &WireLink,
    ttl: Duration,
) -> Result<(Duration, Result<Answer, EtcdError>), EtcdError> {
    let lease = fresh_lease(&mut Rng::new());
    let answer = ask(link, &Call::Grant { lease, ttl }).await;
    let returned = ask(link, &Call::Revoke(lease)).await;
    let granted = match answer? {
        Answer::Granted(lease) => lease.ttl(),
        _ => ttl,
    };
    Ok((granted, returned))
}

fn judge(
    ttl: Duration,
    granted: Result<(Duration, Result<Answer, EtcdError>), EtcdError>,
) -> Finding {
    let name = name(ttl);
    match granted {
        Err(error) => Finding::fault(name, told(&error), advice::for_etcd(&error)),
        Ok((granted, _)) if granted != ttl => Finding::warning(
            name,
            format!("etcd grants {}", wording::duration(granted)),
            "ask for that much with --ttl; etcd's least follows from its --election-timeout",
        ),
        Ok((_, Err(error))) => Finding::warning(
            name,
            format!(
                "etcd grants it, but the lease could not be given back: {}",
                told(&error)
            ),
            "nothing: it holds no key, and expires by itself",
        ),
        Ok((_, Ok(_))) => Finding::ok(name, "etcd grants it"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::FindingState;
    use super::*;
    use crate::etcd::error::Problem;

    #[test]
    fn another_ttl_than_was_asked_for_is_warned_about() {
        let second = Duration::from_secs(1);
        let lost = || EtcdError::new("http://e", Problem::Unavailable, "reset");
        let table = [
            (
                Ok((second, Ok(Answer::Revoked))),
                FindingState::Ok,
                "etcd grants it",
            ),
            (
                Ok((second * 3, Ok(Answer::Revoked))),
                FindingState::Warning,
                "etcd grants 3s",
            ),
            (
                Ok((second, Err(lost()))),
                FindingState::Warning,
                "etcd grants it, but",
            ),
            (Err(lost()), FindingState::Fault, "reset"),
        ];
        for (granted, state, message) in table {
            let finding = judge(second, granted);
            assert_eq!(finding.state, state);
            assert!(finding.message.starts_with(message), "{finding:?}");
        }
    }
}

//! When leases are renewed, and which. Those of one TTL are renewed together, so that the keys of a host
//! that is dead go together. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::api::Renewed;
use super::lease::Lease;
use crate::registration::{LeaseId, ServiceId};

/// The others are renewed so soon after one more was granted: from then on they go together.
const TOGETHER: Duration = Duration::from_secs(2);

/// The leases that are kept alive.
#[derive(Debug, Default)]
pub struct Renewal {
    kept: BTreeMap<LeaseId, Kept>,
    by_service: BTreeMap<ServiceId, LeaseId>,
    /// When those of each TTL are renewed next.
    due: BTreeMap<Duration, Instant>,
    unanswered: BTreeSet<LeaseId>,
    /// Since when there are such, and no answer came.
    silent_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    service: ServiceId,
    lease: Lease,
    /// When its renewal was last asked for.
    asked_at: Instant,
}

/// A lease that nobody counts on any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostLease {
    pub service: ServiceId,
    pub lease: LeaseId,
}

impl Renewal {
    /// From now on this is the service's lease. `now`: when that was heard.
    pub fn keep(&mut self, service: ServiceId, lease: Lease, now: Instant) {
        self.let_go(service);
        let kept = Kept {
            service,
            lease,
            asked_at: now,
        };
        self.kept.insert(lease.id, kept);
        self.by_service.insert(service, lease.id);
        self.join(lease, now);
    }

    /// It is renewed with the others of its TTL, if there are any.
    fn join(&mut self, lease: Lease, now: Instant) {
        let own = lease.renew_at();
        let due = self.due.entry(lease.ttl());
        let soon = own.min(now + TOGETHER);
        due.and_modify(|due| *due = soon.min(*due)).or_insert(own);
    }

    /// Nobody counts on the service's lease any more.
    pub fn let_go(&mut self, service: ServiceId) {
        if let Some(lease) = self.by_service.remove(&service) {
            self.kept.remove(&lease);
            self.answered(lease, None);
            if self.kept.is_empty() {
                self.due.clear();
            }
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// When to ask [`Self::due`].
    #[must_use]
    pub fn due_at(&self) -> Option<Instant> {
        self.due
            .values()
            .min()
            .copied()
            .filter(|_| !self.is_empty())
    }

    /// Those to ask for now.
    pub fn due(&mut self, now: Instant) -> Vec<LeaseId> {
        let is_due = |(_, at): &(&Duration, &Instant)| **at <= now;
        let ttls: BTreeSet<_> = self
            .due
            .iter()
            .filter(is_due)
            .map(|(ttl, _)| *ttl)
            .collect();
        self.due.retain(|ttl, _| !ttls.contains(ttl));
        let mut asked = Vec::new();
        for (id, kept) in &mut self.kept {
            let ttl = kept.lease.ttl();
            if ttls.contains(&ttl) {
                kept.asked_at = now;
                self.due
                    .insert(ttl, Lease::granted(*id, ttl, now).renew_at());
                asked.push(*id);
            }
        }
        self.are_asked(&asked, now);
        asked
    }

    /// All of them, over a new connection.
    pub fn all(&mut self, now: Instant) -> Vec<LeaseId> {
        self.unanswered.clear();
        self.silent_since = None;
        for due in self.due.values_mut() {
            *due = now;
        }
        self.due(now)
    }

    fn are_asked(&mut self, asked: &[LeaseId], now: Instant) {
        if !asked.is_empty() {
            self.unanswered.extend(asked);
            self.silent_since.get_or_insert(now);
        }
    }

    /// The service's lease, if it is kept.
    #[must_use]
    pub fn of_service(&self, service: ServiceId) -> Option<Lease> {
        let lease = self.by_service.get(&service)?;
        self.kept.get(lease).map(|kept| kept.lease)
    }

    /// Whose lease it is, and when its renewal was last asked for; none if it is not kept.
    #[must_use]
    pub fn asked(&self, lease: LeaseId) -> Option<(ServiceId, Instant)> {
        let kept = self.kept.get(&lease)?;
        Some((kept.service, kept.asked_at))
    }

    /// Those that were asked for and not answered, over a new stream.
    pub fn unanswered(&self) -> impl Iterator<Item = LeaseId> {
        self.unanswered.iter().copied()
    }

    /// Since when answers are awaited, and none came.
    #[must_use]
    pub fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    fn answered(&mut self, lease: LeaseId, at: Option<Instant>) {
        self.unanswered.remove(&lease);
        if self.unanswered.is_empty() {
            self.silent_since = None;
        } else if at.is_some() {
            self.silent_since = at;
        }
    }

    /// An answer came. The lease if etcd does not know it any more.
    pub fn on(&mut self, renewed: Renewed, now: Instant) -> Option<LostLease> {
        self.answered(renewed.lease, Some(now));
        // One that was let go meanwhile is nobody's.
        let kept = self.kept.get_mut(&renewed.lease)?;
        let Some(ttl) = renewed.ttl else {
            let service = kept.service;
            self.let_go(service);
            let lease = renewed.lease;
            return Some(LostLease { service, lease });
        };
        let is_other = kept.lease.ttl() != ttl;
        kept.lease.renewed(ttl, kept.asked_at);
        let lease = kept.lease;
        if is_other {
            self.join(lease, now);
        }
        None
    }

    /// When to ask [`Self::expired`].
    #[must_use]
    pub fn expires_at(&self) -> Option<Instant> {
        self.kept.values().map(|kept| kept.lease.expires_at()).min()
    }

    /// Lets those go that could not be renewed for their whole TTL.
    pub fn expired(&mut self, now: Instant) -> Vec<LostLease> {
        let is_over = |kept: &&Kept| now >= kept.lease.expires_at();
        let over = self.kept.values().filter(is_over).map(|kept| LostLease {
            service: kept.service,
            lease: kept.lease.id,
        });
        let over: Vec<_> = over.collect();
        for lost in &over {
            self.let_go(lost.service);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(30);
    const SECOND: Duration = Duration::from_secs(1);

    fn kept(leases: &[(ServiceId, LeaseId, Instant)]) -> Renewal {
        let mut renewal = Renewal::default();
        for (service, id, at) in leases {
            renewal.keep(*service, Lease::granted(*id, TTL, *at), *at);
        }
        renewal
    }

    fn renewed(lease: LeaseId) -> Renewed {
        Renewed {
            lease,
            ttl: Some(TTL),
        }
    }

    #[test]
    fn one_lease_is_renewed_at_a_third_of_its_ttl() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start)]);
        assert_eq!(renewal.due_at(), Some(start + TTL / 3));
        assert_eq!(renewal.due(start + TTL / 3 - SECOND), [0; 0]);
        assert_eq!(renewal.due(start + TTL / 3), [7]);
        assert_eq!(renewal.due_at(), Some(start + TTL / 3 * 2));
    }

    #[test]
    fn when_one_is_granted_all_of_its_ttl_are_soon_renewed_together() {
        let start = Instant::now();
        let granted_at = start + 4 * SECOND;
        let mut renewal = kept(&[(1, 7, start), (2, 8, granted_at)]);
        assert_eq!(renewal.due_at(), Some(granted_at + TOGETHER));
        assert_eq!(renewal.due(granted_at + TOGETHER), [7, 8]);
        assert_eq!(renewal.due_at(), Some(granted_at + TOGETHER + TTL / 3));
    }

    #[test]
    fn one_that_takes_the_place_of_the_only_one_is_not_renewed_sooner() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start)]);
        renewal.let_go(1);
        assert_eq!(renewal.due_at(), None);
        renewal.keep(1, Lease::granted(8, TTL, start + SECOND), start + SECOND);
        assert_eq!(renewal.due_at(), Some(start + SECOND + TTL / 3));
    }

    #[test]
    fn one_that_is_late_for_the_others_is_renewed_when_they_are() {
        let start = Instant::now();
        let granted_at = start + TTL / 3 - SECOND;
        let renewal = kept(&[(1, 7, start), (2, 8, granted_at)]);
        assert_eq!(renewal.due_at(), Some(start + TTL / 3));
    }

    #[test]
    fn another_ttl_has_its_own_times() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start)]);
        renewal.keep(2, Lease::granted(8, 3 * SECOND, start), start);
        assert_eq!(renewal.due_at(), Some(start + SECOND));
        assert_eq!(renewal.due(start + SECOND), [8]);
        assert_eq!(renewal.due(start + 2 * SECOND), [8]);
        assert_eq!(renewal.due(start + TTL / 3), [7, 8]);
    }

    #[test]
    fn a_renewal_counts_from_when_it_was_asked_for() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start)]);
        let asked_at = start + TTL / 3;
        renewal.due(asked_at);
        assert_eq!(renewal.on(renewed(7), asked_at + SECOND), None);
        assert_eq!(renewal.expires_at(), Some(asked_at + TTL));
    }

    #[test]
    fn what_is_not_answered_is_silence_until_something_is() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start), (2, 8, start)]);
        assert_eq!(renewal.silent_since(), None);
        let asked_at = start + TTL / 3;
        renewal.due(asked_at);
        assert_eq!(renewal.silent_since(), Some(asked_at));
        renewal.on(renewed(7), asked_at + SECOND);
        assert_eq!(renewal.silent_since(), Some(asked_at + SECOND));
        assert_eq!(renewal.unanswered().collect::<Vec<_>>(), [8]);
        renewal.on(renewed(8), asked_at + 2 * SECOND);
        assert_eq!(renewal.silent_since(), None);
    }

    #[test]
    fn a_lease_that_etcd_does_not_know_is_lost() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start)]);
        let gone = Renewed {
            lease: 7,
            ttl: None,
        };
        let lost = LostLease {
            service: 1,
            lease: 7,
        };
        assert_eq!(renewal.on(gone, start), Some(lost));
        assert_eq!((renewal.due_at(), renewal.on(gone, start)), (None, None));
    }

    #[test]
    fn an_answer_for_a_lease_that_was_let_go_is_nobodys() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start)]);
        renewal.due(start + TTL / 3);
        renewal.let_go(1);
        assert_eq!(renewal.silent_since(), None);
        assert_eq!(renewal.on(renewed(7), start), None);
        assert!(renewal.is_empty());
    }

    #[test]
    fn a_service_has_one_lease() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start), (1, 8, start)]);
        assert_eq!(renewal.due(start + TTL / 3), [8]);
    }

    #[test]
    fn what_could_not_be_renewed_for_its_whole_ttl_is_lost() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start), (2, 8, start + SECOND)]);
        assert_eq!(renewal.expires_at(), Some(start + TTL));
        let lost = LostLease {
            service: 1,
            lease: 7,
        };
        assert_eq!(renewal.expired(start + TTL), [lost]);
        assert_eq!(renewal.expired(start + TTL), []);
        assert_eq!(renewal.expires_at(), Some(start + SECOND + TTL));
    }

    #[test]
    fn over_a_new_connection_all_are_renewed_at_once() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start), (2, 8, start)]);
        renewal.due(start + TTL / 3);
        assert_eq!(renewal.all(start + TTL / 3 + SECOND), [7, 8]);
        assert_eq!(renewal.silent_since(), Some(start + TTL / 3 + SECOND));
    }

    #[test]
    fn a_ttl_that_etcd_changed_counts_from_then_on() {
        let start = Instant::now();
        let mut renewal = kept(&[(1, 7, start)]);
        let at = start + TTL / 3;
        renewal.due(at);
        let shorter = Renewed {
            lease: 7,
            ttl: Some(3 * SECOND),
        };
        renewal.on(shorter, at);
        assert_eq!(renewal.due(at + SECOND), [7]);
    }
}

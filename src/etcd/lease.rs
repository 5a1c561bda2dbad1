//! When a lease must be renewed, and when it must be taken for gone. Pure.

use std::time::{Duration, Instant};

use crate::longest;
use crate::registration::LeaseId;

/// A lease that we keep alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub id: LeaseId,
    ttl: Duration,
    /// When the grant or renewal that etcd last confirmed was *sent*: etcd counts from later.
    renewed_at: Instant,
}

impl Lease {
    /// `ttl` as etcd granted it, `sent_at` when the request left.
    #[must_use]
    pub fn granted(id: LeaseId, ttl: Duration, sent_at: Instant) -> Self {
        Self {
            id,
            ttl,
            renewed_at: sent_at,
        }
    }

    /// Etcd confirmed a renewal that was sent at `sent_at`.
    pub fn renewed(&mut self, ttl: Duration, sent_at: Instant) {
        self.ttl = ttl;
        self.renewed_at = sent_at;
    }

    /// As etcd last told it.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// When to renew: a third of the TTL after the last time.
    #[must_use]
    pub fn renew_at(&self) -> Instant {
        after(self.renewed_at, self.ttl / 3)
    }

    /// From then on it may be gone in etcd.
    #[must_use]
    pub fn expires_at(&self) -> Instant {
        after(self.renewed_at, self.ttl)
    }
}

fn after(start: Instant, wait: Duration) -> Instant {
    start + wait.min(longest::WAIT)
}

/// The deadline of one call under a lease of this TTL: late enough for a slow server, early enough
/// to try other endpoints well before the lease runs out.
#[must_use]
pub fn call_timeout(ttl: Duration) -> Duration {
    (ttl / 6).clamp(Duration::from_millis(250), Duration::from_secs(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(30);

    #[test]
    fn is_renewed_at_a_third_of_its_ttl_and_gone_after_the_whole() {
        let start = Instant::now();
        let lease = Lease::granted(7, TTL, start);
        assert_eq!(lease.renew_at(), start + Duration::from_secs(10));
        assert_eq!(lease.expires_at(), start + Duration::from_secs(30));
    }

    #[test]
    fn a_renewal_counts_from_when_it_was_sent() {
        let start = Instant::now();
        let mut lease = Lease::granted(7, TTL, start);
        lease.renewed(TTL, start + Duration::from_secs(10));
        assert_eq!(lease.renew_at(), start + Duration::from_secs(20));
        assert_eq!(lease.expires_at(), start + Duration::from_secs(40));
    }

    #[test]
    fn a_renewal_may_change_the_ttl() {
        let start = Instant::now();
        let mut lease = Lease::granted(7, TTL, start);
        assert_eq!(lease.ttl(), TTL);
        lease.renewed(2 * TTL, start);
        assert_eq!(lease.ttl(), Duration::from_secs(60));
        assert_eq!(lease.renew_at(), start + Duration::from_secs(20));
        assert_eq!(lease.expires_at(), start + Duration::from_secs(60));
    }

    #[test]
    fn a_ttl_of_more_than_a_year_is_as_good_as_a_year() {
        let start = Instant::now();
        let lease = Lease::granted(7, Duration::MAX, start);
        let year = Duration::from_secs(31_536_000);
        assert_eq!(lease.renew_at(), start + year);
        assert_eq!(lease.expires_at(), start + year);
    }

    #[test]
    fn even_a_short_ttl_leaves_time_for_a_second_endpoint() {
        assert_eq!(
            call_timeout(Duration::from_secs(30)),
            Duration::from_secs(2)
        );
        assert_eq!(call_timeout(Duration::from_secs(6)), Duration::from_secs(1));
        assert_eq!(
            call_timeout(Duration::from_secs(1)),
            Duration::from_millis(250)
        );
    }
}

//! What is known of the key in etcd.

use super::{Holder, LeaseId, Revision};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// Never asked, an answer was lost, or the lease was.
    Unknown,
    Absent,
    Present {
        lease: LeaseId,
        revision: Revision,
    },
    /// Another live lease holds it. `held` is our own lease, yet to be given back.
    Displaced {
        revision: Revision,
        held: Option<LeaseId>,
    },
}

impl Key {
    /// The revision that news must be newer than to count.
    pub(super) fn revision(self) -> Option<Revision> {
        match self {
            Self::Present { revision, .. } | Self::Displaced { revision, .. } => Some(revision),
            Self::Unknown | Self::Absent => None,
        }
    }

    /// After a withdrawal that was carried out.
    pub(super) fn withdrawn(self) -> Self {
        match self {
            Self::Displaced { revision, .. } => Self::Displaced {
                revision,
                held: None,
            },
            Self::Unknown | Self::Absent | Self::Present { .. } => Self::Absent,
        }
    }

    /// After a request that may or may not have been carried out.
    pub(super) fn doubted(self) -> Self {
        match self {
            // Our lease holds no key any more and is not kept alive: it goes by itself.
            Self::Displaced { revision, .. } => Self::Displaced {
                revision,
                held: None,
            },
            Self::Unknown | Self::Absent | Self::Present { .. } => Self::Unknown,
        }
    }

    /// After the loss of a lease, perhaps an older one.
    pub(super) fn without_lease(self, lost: LeaseId) -> Self {
        match self {
            Self::Present { lease, .. } if lease == lost => Self::Unknown,
            Self::Displaced {
                revision,
                held: Some(lease),
            } if lease == lost => Self::Displaced {
                revision,
                held: None,
            },
            Self::Unknown | Self::Absent | Self::Present { .. } | Self::Displaced { .. } => self,
        }
    }

    /// After somebody wrote or deleted it, or it was read.
    pub(super) fn seen(self, revision: Revision, holder: Holder) -> Self {
        match (self, holder) {
            (Self::Present { lease, .. }, Holder::Lease(other)) if other == lease => {
                Self::Present { lease, revision }
            }
            (Self::Present { lease, .. }, Holder::Lease(_)) => Self::Displaced {
                revision,
                held: Some(lease),
            },
            (Self::Displaced { held, .. }, Holder::Lease(_)) => Self::Displaced { revision, held },
            (Self::Present { .. } | Self::Displaced { .. }, Holder::Nobody | Holder::NoLease) => {
                Self::Unknown
            }
            (Self::Unknown | Self::Absent, _) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: LeaseId = 7;
    const OTHER: LeaseId = 99;

    const UNKNOWN: Key = Key::Unknown;
    const ABSENT: Key = Key::Absent;

    fn present(revision: Revision) -> Key {
        Key::Present {
            lease: LEASE,
            revision,
        }
    }

    /// Our own lease is yet to be given back.
    fn holding(revision: Revision) -> Key {
        Key::Displaced {
            revision,
            held: Some(LEASE),
        }
    }

    fn displaced(revision: Revision) -> Key {
        Key::Displaced {
            revision,
            held: None,
        }
    }

    #[test]
    fn news_must_be_newer_than_what_is_known_of_a_key_that_is_there() {
        for key in [present(10), holding(10), displaced(10)] {
            assert_eq!(key.revision(), Some(10), "{key:?}");
        }
        assert_eq!(UNKNOWN.revision(), None);
        assert_eq!(ABSENT.revision(), None);
    }

    #[test]
    fn a_withdrawal_leaves_nothing_of_ours() {
        for key in [UNKNOWN, ABSENT, present(10)] {
            assert_eq!(key.withdrawn(), ABSENT, "{key:?}");
        }
        for key in [holding(10), displaced(10)] {
            assert_eq!(key.withdrawn(), displaced(10), "{key:?}");
        }
    }

    #[test]
    fn after_a_failure_only_a_foreign_key_is_still_known() {
        for key in [UNKNOWN, ABSENT, present(10)] {
            assert_eq!(key.doubted(), UNKNOWN, "{key:?}");
        }
        for key in [holding(10), displaced(10)] {
            assert_eq!(key.doubted(), displaced(10), "{key:?}");
        }
    }

    #[test]
    fn a_lease_that_is_lost_takes_along_what_it_held() {
        assert_eq!(present(10).without_lease(LEASE), UNKNOWN);
        assert_eq!(holding(10).without_lease(LEASE), displaced(10));
        for key in [UNKNOWN, ABSENT, displaced(10)] {
            assert_eq!(key.without_lease(LEASE), key);
        }
    }

    #[test]
    fn the_loss_of_an_older_lease_changes_nothing() {
        for key in [UNKNOWN, ABSENT, present(10), holding(10), displaced(10)] {
            assert_eq!(key.without_lease(OTHER), key);
        }
    }

    #[test]
    fn who_is_seen_to_hold_a_key_that_was_there_decides_what_becomes_of_it() {
        let ours = Holder::Lease(LEASE);
        let foreign = Holder::Lease(OTHER);
        for (before, holder, after) in [
            (present(10), ours, present(11)),
            (present(10), foreign, holding(11)),
            (present(10), Holder::Nobody, UNKNOWN),
            (present(10), Holder::NoLease, UNKNOWN),
            (holding(10), foreign, holding(11)),
            (holding(10), Holder::Nobody, UNKNOWN),
            (holding(10), Holder::NoLease, UNKNOWN),
            (displaced(10), foreign, displaced(11)),
            (displaced(10), Holder::Nobody, UNKNOWN),
            (displaced(10), Holder::NoLease, UNKNOWN),
        ] {
            assert_eq!(before.seen(11, holder), after, "{before:?}, {holder:?}");
        }
    }

    #[test]
    fn nothing_is_learnt_of_a_key_that_we_did_not_put() {
        for key in [UNKNOWN, ABSENT] {
            for holder in [Holder::Lease(OTHER), Holder::NoLease, Holder::Nobody] {
                assert_eq!(key.seen(11, holder), key, "{holder:?}");
            }
        }
    }
}

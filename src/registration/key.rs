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

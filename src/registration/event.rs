//! The words of the registration: what it is told, what it asks for, and how it stands.

use crate::health::Verdict;

/// Which of an agent's services. Each time that one is begun it is another.
pub type ServiceId = u64;
pub type LeaseId = i64;
pub type Revision = i64;

/// Who holds the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    /// A key that no lease holds: it will not go by itself.
    NoLease,
    Lease(LeaseId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The backend's health turned.
    Verdict(Verdict),
    /// Answer to [`Request::Announce`]: the key is ours.
    Announced { lease: LeaseId, revision: Revision },
    /// Answer to [`Request::Announce`]: another live lease holds the key, and we may not take it.
    Occupied { revision: Revision },
    /// Answer to [`Request::Withdraw`]: nothing of ours is left.
    Withdrawn,
    /// Answer to either: etcd said no. Some of it may have happened.
    TurnedDown,
    /// Answer to either: etcd was out of reach. It may or may not have happened.
    Failed,
    /// A connection to etcd was made: what failed for want of one may work now.
    Connected,
    /// News: etcd dropped the lease, or it could not be renewed for a whole TTL.
    LeaseLost { lease: LeaseId },
    /// News: the key as read afresh, after connecting. A request that is under way was not yet
    /// carried out then.
    Read { revision: Revision, holder: Holder },
    /// News: the key changed.
    Changed { revision: Revision, holder: Holder },
    /// Another value or TTL is to be announced from now on.
    Restated,
    /// Whether the service is taken out, be it healthy or not.
    Drained(bool),
    /// The time that `Registration::deadline` named has come.
    DeadlineReached,
    /// Stop: withdraw, drain, exit. Repeats are ignored.
    Shutdown,
}

/// What a withdrawal may delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The key under this lease, and the lease with it.
    Lease(LeaseId),
    /// The key under any lease of ours.
    AnyLease,
    /// That, or the key with our value: it is from a previous incarnation.
    Value,
}

/// What is asked of etcd. One is under way at a time, and each has one event that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Put the key under a new lease. `take_over`: even if another live lease holds it.
    Announce {
        take_over: bool,
    },
    Withdraw(Claim),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Ask(Request),
    /// The first verdict has been carried out.
    Ready,
    Exit(Stopped),
}

/// What a registration leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing that this process put is left in etcd.
    Clean,
    /// Etcd could not be told in time; the TTL does the rest.
    LeftToTtl,
}

/// One line for people, and for systemd's `STATUS=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Starting,
    Registered,
    Unhealthy,
    /// Taken out.
    Drained,
    Displaced,
    /// What etcd should hold could not be brought about yet.
    Pending,
    Stopping,
    Draining,
}

impl Status {
    /// In JSON and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Registered => "registered",
            Self::Unhealthy => "unhealthy",
            Self::Drained => "drained",
            Self::Displaced => "displaced",
            Self::Pending => "pending",
            Self::Stopping => "stopping",
            Self::Draining => "draining",
        }
    }
}

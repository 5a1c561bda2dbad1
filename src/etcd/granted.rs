//! Which leases are ours. Pure.

use std::collections::VecDeque;

use crate::registration::LeaseId;

/// The leases that this process asked for and has not given back, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Granted(VecDeque<LeaseId>);

impl Granted {
    /// Those that cannot be given back go by themselves at their TTL; older ones have long gone.
    const MOST: usize = 32;

    pub(super) fn push(&mut self, id: LeaseId) {
        if self.0.len() == Self::MOST {
            self.0.pop_front();
        }
        self.0.push_back(id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn forget(&mut self, id: LeaseId) {
        self.0.retain(|known| *known != id);
    }

    pub(super) fn contains(&self, id: LeaseId) -> bool {
        self.0.contains(&id)
    }

    /// The oldest that is not `kept`.
    pub(super) fn other_than(&self, kept: Option<LeaseId>) -> Option<LeaseId> {
        self.0.iter().copied().find(|id| kept != Some(*id))
    }
}

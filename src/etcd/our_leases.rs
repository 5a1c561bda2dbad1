//! Which leases are ours. Pure.

use std::collections::VecDeque;

use crate::registration::LeaseId;

/// The leases that this process asked for and has not given back, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OurLeases(VecDeque<LeaseId>);

impl OurLeases {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn leases(ids: impl IntoIterator<Item = LeaseId>) -> OurLeases {
        let mut our_leases = OurLeases::default();
        for id in ids {
            our_leases.push(id);
        }
        our_leases
    }

    #[test]
    fn a_lease_is_ours_until_it_is_forgotten() {
        let mut our_leases = leases([7, 8]);
        assert!(!our_leases.is_empty());
        assert!(our_leases.contains(7) && our_leases.contains(8) && !our_leases.contains(9));
        our_leases.forget(7);
        assert!(!our_leases.contains(7) && our_leases.contains(8));
        our_leases.forget(8);
        assert!(our_leases.is_empty());
    }

    #[test]
    fn the_oldest_is_given_back_first_and_one_may_be_kept() {
        let our_leases = leases([7, 8]);
        assert_eq!(our_leases.other_than(None), Some(7));
        assert_eq!(our_leases.other_than(Some(7)), Some(8));
        assert_eq!(our_leases.other_than(Some(8)), Some(7));
        assert_eq!(our_leases.other_than(Some(9)), Some(7));
        assert_eq!(OurLeases::default().other_than(None), None);
    }

    #[test]
    fn no_more_than_the_newest_are_known() {
        let mut our_leases = leases(1..=32);
        assert!(our_leases.contains(1));
        our_leases.push(33);
        assert!(!our_leases.contains(1));
        assert!(our_leases.contains(2) && our_leases.contains(33));
    }
}

//! Which trees of keys are wanted, which ranges of them are followed and how far, and which are still
//! to be read. Pure.

use std::collections::{BTreeMap, BTreeSet};

use renderer::snapshot::Subtree;

use super::api::{History, KeyRange, WatchAnswer, WatchFrom};
use crate::registration::Revision;

impl History {
    /// Whether `later` can be the same history: revisions and terms only grow.
    pub(super) fn continues_in(&self, later: &Self) -> bool {
        self.cluster == later.cluster && self.term <= later.term && self.revision <= later.revision
    }
}

/// A range that is followed, until it is read afresh or not wanted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedRange {
    pub range: KeyRange,
    /// The revision that its watch has yet to tell of.
    pub next: Revision,
    /// Another each time that it is read.
    id: u64,
}

impl FollowedRange {
    #[must_use]
    pub fn watch_from(&self) -> WatchFrom<'_> {
        let Self { range, next, .. } = self;
        WatchFrom { range, next: *next }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Unread,
    /// We may not read it. `again`: that is to be tried again.
    Denied {
        again: bool,
    },
    Followed {
        id: u64,
        next: Revision,
    },
}

/// How far the following of trees has come. A tree that lies in another is followed by itself only
/// while the other may not be read.
///
/// Its top and what is below are two ranges: a role often allows one of the two only. The other is
/// then left out.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    wanted: BTreeSet<Subtree>,
    /// Of the server that was heard last.
    history: History,
    ranges: BTreeMap<KeyRange, Standing>,
    last_id: u64,
    /// All of them were looked at since one may have come to be unread.
    none_unread: bool,
}

impl Progress {
    /// From now on these trees, which may lie in each other.
    pub fn want(&mut self, trees: impl IntoIterator<Item = Subtree>) {
        self.wanted = trees.into_iter().collect();
        self.settle();
    }

    /// Whether it is these already; in order, or it does not see.
    #[must_use]
    pub fn wants(&self, trees: &[Subtree]) -> bool {
        self.wanted.iter().eq(trees)
    }

    #[must_use]
    pub fn wants_nothing(&self) -> bool {
        self.wanted.is_empty()
    }

    /// What to read next.
    #[must_use]
    pub fn unread(&mut self) -> Vec<KeyRange> {
        if self.none_unread {
            return Vec::new();
        }
        let is_unread = |standing: &Standing| match standing {
            Standing::Unread | Standing::Denied { again: true } => true,
            Standing::Denied { again: false } | Standing::Followed { .. } => false,
        };
        let unread = self
            .ranges
            .iter()
            .filter(|(_, standing)| is_unread(standing));
        let unread: Vec<_> = unread.map(|(range, _)| range.clone()).collect();
        self.none_unread = unread.is_empty();
        unread
    }

    /// These were read, and are to be watched from behind `history`; those may not be read. The
    /// former in the same order, wanted still or not.
    pub fn read(
        &mut self,
        allowed: &[KeyRange],
        denied: &[KeyRange],
        history: History,
    ) -> Vec<FollowedRange> {
        for range in denied {
            self.set(range, Standing::Denied { again: false });
        }
        if !allowed.is_empty() {
            self.history = history;
        }
        let next = history.revision + 1;
        let mut followed = Vec::with_capacity(allowed.len());
        for range in allowed {
            self.last_id += 1;
            let id = self.last_id;
            self.set(range, Standing::Followed { id, next });
            followed.push(FollowedRange {
                range: range.clone(),
                next,
                id,
            });
        }
        self.settle();
        followed
    }

    fn set(&mut self, range: &KeyRange, standing: Standing) {
        self.none_unread = false;
        // One that is not wanted any more was read in vain.
        if let Some(known) = self.ranges.get_mut(range) {
            *known = standing;
        }
    }

    #[must_use]
    pub fn is_followed(&self, followed: &FollowedRange) -> bool {
        let standing = self.ranges.get(&followed.range);
        matches!(standing, Some(Standing::Followed { id, .. }) if *id == followed.id)
    }

    /// Whether it is known already that the range may not be read.
    #[must_use]
    pub fn is_denied(&self, range: &KeyRange) -> bool {
        matches!(self.ranges.get(range), Some(Standing::Denied { .. }))
    }

    /// Nothing is taken for known of a range that was followed: it may not be read any more, or what
    /// was not seen of it is forgotten.
    pub fn doubt(&mut self, followed: &FollowedRange) {
        if self.is_followed(followed) {
            self.set(&followed.range, Standing::Unread);
        }
    }

    /// What was followed is to be read afresh.
    pub fn forget(&mut self) {
        self.none_unread = false;
        for standing in self.ranges.values_mut() {
            if matches!(standing, Standing::Followed { .. }) {
                *standing = Standing::Unread;
            }
        }
    }

    /// What may not be read is tried again.
    pub fn retry_denied(&mut self) {
        self.none_unread = false;
        for standing in self.ranges.values_mut() {
            if let Standing::Denied { again } = standing {
                *again = true;
            }
        }
    }

    #[must_use]
    pub fn has_denied(&self) -> bool {
        let mut standings = self.ranges.values();
        standings.any(|standing| matches!(standing, Standing::Denied { .. }))
    }

    /// The ranges that are followed.
    pub fn followed(&self) -> impl Iterator<Item = FollowedRange> {
        self.ranges
            .iter()
            .filter_map(|(range, standing)| match *standing {
                Standing::Followed { id, next } => Some(FollowedRange {
                    range: range.clone(),
                    next,
                    id,
                }),
                Standing::Unread | Standing::Denied { .. } => None,
            })
    }

    #[must_use]
    pub fn followed_ranges(&self) -> Vec<KeyRange> {
        self.followed().map(|followed| followed.range).collect()
    }

    /// Everything that is followed was told until then; none where nothing is.
    #[must_use]
    pub fn seen(&self) -> Option<Revision> {
        let next = self.followed().map(|followed| followed.next).min();
        next.map(|next| next - 1)
    }

    /// Whether what is followed can go on at a server that is at `now`.
    pub fn continues_in(&mut self, now: History) -> bool {
        let continues = self.history.continues_in(&now);
        if continues {
            self.history = now;
        }
        continues
    }

    /// The watch on a range told something. Whether that range is followed still.
    pub fn take_in(&mut self, followed: &FollowedRange, told: &WatchAnswer) -> bool {
        let next = match self.ranges.get_mut(&followed.range) {
            Some(Standing::Followed { id, next }) if *id == followed.id => next,
            Some(Standing::Unread | Standing::Denied { .. } | Standing::Followed { .. }) | None => {
                return false;
            }
        };
        self.history.revision = self.history.revision.max(told.revision);
        let last = match told.changes.last() {
            Some(change) => change.revision,
            // An answer to a new watch may be ahead of what that watch will tell.
            None if told.created => return true,
            None => told.revision,
        };
        *next = (*next).max(last + 1);
        true
    }

    /// The wanted trees of which something is followed.
    #[must_use]
    pub fn known(&self) -> Vec<Subtree> {
        let is_known = |tree: &&Subtree| {
            let mut own = ranges(tree).filter_map(|range| self.ranges.get(&range));
            self.is_covered(tree)
                || own.any(|standing| matches!(standing, Standing::Followed { .. }))
        };
        self.wanted.iter().filter(is_known).cloned().collect()
    }

    /// The wanted trees of which nothing may be read.
    #[must_use]
    pub fn denied(&self) -> Vec<Subtree> {
        let is_denied = |tree: &&Subtree| {
            let mut own = ranges(tree).map(|range| self.ranges.get(&range));
            own.all(|standing| matches!(standing, Some(Standing::Denied { .. })))
        };
        self.wanted.iter().filter(is_denied).cloned().collect()
    }

    /// Whether another wanted tree, in which it lies, is followed below its top.
    fn is_covered(&self, tree: &Subtree) -> bool {
        let mut below = self.wanted_outer(tree);
        below.any(|standing| matches!(standing, Some(Standing::Followed { .. })))
    }

    /// How what is below each wanted tree stands in which it lies.
    fn wanted_outer(&self, tree: &Subtree) -> impl Iterator<Item = Option<&Standing>> {
        let outer = tree.outer().filter(|outer| self.wanted.contains(outer));
        outer.map(|outer| self.ranges.get(&KeyRange::below(&outer.prefix())))
    }

    /// Drops the ranges that need not be followed by themselves, and adds those that must.
    fn settle(&mut self) {
        self.none_unread = false;
        let before = std::mem::take(&mut self.ranges);
        // A tree comes before those that lie in it.
        let wanted: Vec<_> = self.wanted.iter().cloned().collect();
        for tree in wanted {
            if self.is_covered(&tree) {
                continue;
            }
            let is_needed = self
                .wanted_outer(&tree)
                .all(|standing| matches!(standing, Some(Standing::Denied { .. })));
            for range in ranges(&tree) {
                match before.get(&range) {
                    // It goes on until the tree that it lies in is read.
                    Some(standing)
                        if is_needed || matches!(standing, Standing::Followed { .. }) =>
                    {
                        self.ranges.insert(range, standing.clone());
                    }
                    None if is_needed => {
                        self.ranges.insert(range, Standing::Unread);
                    }
                    Some(_) | None => {}
                }
            }
        }
    }
}

/// The ranges of a tree: its top, where it has one, and what is below.
pub(crate) fn ranges(tree: &Subtree) -> impl Iterator<Item = KeyRange> + use<> {
    let exact = tree.key().map(KeyRange::exactly);
    exact.into_iter().chain([KeyRange::below(&tree.prefix())])
}

#[cfg(test)]
mod tests;

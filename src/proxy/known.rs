//! What is known of etcd's keys, and whether it is all that a resource reads. Pure.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, Weak};

use renderer::Str;
use renderer::snapshot::{Snapshot, Subtree};

use crate::etcd::api::{Change, KeyRange};
use crate::etcd::follow::Fresh;

/// Passes are lent the snapshot: what changes while one has it is changed in a copy.
#[derive(Debug, Default)]
pub(super) struct Known {
    snapshot: Arc<Snapshot>,
    /// What was lent, each version once.
    lent: Vec<Weak<Snapshot>>,
    trees: BTreeSet<Subtree>,
    denied: BTreeSet<Subtree>,
}

/// How the trees stand that a resource reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Known,
    /// Some are yet to be read.
    Unread,
    /// This one may not be read.
    Denied(Subtree),
}

impl Known {
    /// All that there is.
    pub(super) fn all(snapshot: Snapshot, trees: Vec<Subtree>) -> Self {
        Self {
            snapshot: Arc::new(snapshot),
            lent: Vec::new(),
            trees: trees.into_iter().collect(),
            denied: BTreeSet::new(),
        }
    }

    /// How many there are.
    pub(super) fn keys(&self) -> usize {
        self.snapshot.entries.len()
    }

    /// 0 before anything was read.
    pub(super) fn revision(&self) -> i64 {
        self.snapshot.revision
    }

    pub(super) fn lend(&mut self) -> Arc<Snapshot> {
        let lent = Arc::downgrade(&self.snapshot);
        if !self.lent.iter().any(|other| other.ptr_eq(&lent)) {
            self.lent.push(lent);
        }
        Arc::clone(&self.snapshot)
    }

    /// How many former versions are in use still: each is a copy.
    pub(super) fn copies(&mut self) -> usize {
        self.lent.retain(|lent| lent.strong_count() > 0);
        let now = Arc::as_ptr(&self.snapshot);
        let former = self.lent.iter().filter(|lent| lent.as_ptr() != now);
        former.count()
    }

    /// What was read afresh. The keys that changed.
    pub(super) fn take_in(&mut self, fresh: Fresh) -> Vec<Str> {
        self.trees = fresh.known.into_iter().collect();
        self.denied = fresh.denied.into_iter().collect();
        let mut changed = Vec::new();
        if let Some(all) = &fresh.all {
            changed = self.keep_only(|key| all.iter().any(|range| range.contains(key)));
        }
        if !fresh.ranges.is_empty() {
            let snapshot = Arc::make_mut(&mut self.snapshot);
            changed.extend(replace(snapshot, &fresh.ranges, fresh.snapshot));
        }
        changed
    }

    /// What was put and deleted since. The keys that changed.
    pub(super) fn patch(&mut self, changes: Vec<Change>) -> Vec<Str> {
        patch(Arc::make_mut(&mut self.snapshot), changes)
    }

    /// The keys that went.
    fn keep_only(&mut self, is_kept: impl Fn(&[u8]) -> bool) -> Vec<Str> {
        let keys = self.snapshot.entries.keys();
        let gone: Vec<Str> = keys.filter(|key| !is_kept(key)).cloned().collect();
        if !gone.is_empty() {
            let snapshot = Arc::make_mut(&mut self.snapshot);
            for key in &gone {
                snapshot.delete(key);
            }
        }
        gone
    }

    pub(super) fn standing(&self, trees: &[Subtree]) -> Standing {
        let denied = trees.iter().find(|tree| self.denied.contains(tree));
        match denied {
            Some(tree) => Standing::Denied(tree.clone()),
            None if trees.iter().all(|tree| self.trees.contains(tree)) => Standing::Known,
            None => Standing::Unread,
        }
    }
}

/// Puts `new`, which is all that is in these ranges, in the place of what was there. The keys that
/// one has and the other has not, or with another value.
fn replace(snapshot: &mut Snapshot, ranges: &[KeyRange], new: Snapshot) -> Vec<Str> {
    let mut changed = Vec::new();
    for range in ranges {
        let gone: Vec<Str> = keys_in(snapshot, range)
            .filter(|key| !new.entries.contains_key(*key))
            .cloned()
            .collect();
        for key in &gone {
            snapshot.delete(key);
        }
        changed.extend(gone);
    }
    snapshot.revision = snapshot.revision.max(new.revision);
    for (key, value) in new.entries {
        if snapshot.put(key.clone(), value) {
            changed.push(key);
        }
    }
    changed
}

fn keys_in<'a>(snapshot: &'a Snapshot, range: &KeyRange) -> impl Iterator<Item = &'a Str> {
    let start = Bound::Included(&range.start[..]);
    let end = match &range.end {
        None => Bound::Included(&range.start[..]),
        Some(end) if end[..] == *b"\0" => Bound::Unbounded,
        Some(end) => Bound::Excluded(&end[..]),
    };
    let entries = snapshot.entries.range::<[u8], _>((start, end));
    entries.map(|(key, _)| key)
}

/// Carries the changes out, in order. The keys whose value changed.
fn patch(snapshot: &mut Snapshot, changes: Vec<Change>) -> Vec<Str> {
    let mut changed = Vec::new();
    for Change {
        key,
        value,
        revision,
        ..
    } in changes
    {
        snapshot.revision = snapshot.revision.max(revision);
        let differs = match value {
            Some(value) => snapshot.put(key.clone(), value),
            None => snapshot.delete(&key),
        };
        if differs {
            changed.push(key);
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees(keys: &[&str]) -> Vec<Subtree> {
        let of = |key: &&str| renderer::snapshot::ranges("", &[(*key).to_owned()]);
        keys.iter().flat_map(of).collect()
    }

    fn fresh(known: &[&str], denied: &[&str], keys: &[&'static str]) -> Fresh {
        let entries = keys.iter().map(|key| (Str::from(*key), Str::from("1")));
        Fresh {
            ranges: vec![KeyRange::everything()],
            all: None,
            snapshot: Snapshot {
                entries: entries.collect(),
                revision: 10,
            },
            known: trees(known),
            denied: trees(denied),
        }
    }

    #[test]
    fn former_versions_count_for_as_long_as_a_pass_has_them() {
        let mut known = Known::default();
        let (first, same) = (known.lend(), known.lend());
        assert_eq!(known.copies(), 0, "it is what there is");
        known.take_in(fresh(&["/a"], &[], &["/a/x"]));
        let second = known.lend();
        known.take_in(fresh(&["/a"], &[], &["/a/y"]));
        assert_eq!(known.copies(), 2);
        drop((first, second));
        assert_eq!(known.copies(), 1);
        drop(same);
        assert_eq!(known.copies(), 0);
    }

    #[test]
    fn a_resource_is_known_once_all_that_it_reads_is_and_denied_if_a_part_of_it_is() {
        let mut known = Known::default();
        assert_eq!(known.standing(&trees(&["/a"])), Standing::Unread);
        known.take_in(fresh(&["/a", "/b"], &["/c"], &[]));
        assert_eq!(known.standing(&trees(&["/a", "/b"])), Standing::Known);
        assert_eq!(known.standing(&trees(&["/a", "/d"])), Standing::Unread);
        let denied = Standing::Denied(trees(&["/c"]).remove(0));
        assert_eq!(known.standing(&trees(&["/d", "/c"])), denied);
        assert_eq!(known.standing(&[]), Standing::Known);
    }

    #[test]
    fn what_a_pass_was_lent_does_not_change_under_it() {
        let mut known = Known::default();
        known.take_in(fresh(&["/a"], &[], &["/a"]));
        let lent = known.lend();
        let deletion = Change {
            key: "/a".into(),
            value: None,
            lease: 0,
            revision: 11,
        };
        assert_eq!(known.patch(vec![deletion]), ["/a"]);
        assert!(lent.entries.contains_key(&b"/a"[..]));
        assert!(known.lend().entries.is_empty());
    }

    #[test]
    fn how_trees_stand_may_change_without_anything_being_read() {
        let mut known = Known::default();
        known.take_in(fresh(&["/a"], &[], &["/a"]));
        let standing = Fresh {
            denied: trees(&["/a"]),
            ..Fresh::default()
        };
        assert_eq!(known.take_in(standing), [""; 0]);
        assert_eq!(known.lend().entries.len(), 1);
        assert_ne!(known.standing(&trees(&["/a"])), Standing::Known);
    }

    #[test]
    fn what_is_not_followed_any_more_is_forgotten_and_what_lies_beside_it_stays() {
        let mut known = Known::default();
        known.take_in(fresh(&["/a", "/b"], &[], &["/a", "/a/x", "/b/x"]));
        let denied = Fresh {
            all: Some(vec![KeyRange::below("/a/")]),
            known: trees(&["/a"]),
            denied: trees(&["/", "/b"]),
            ..Fresh::default()
        };
        assert_eq!(known.take_in(denied), ["/a", "/b/x"]);
        assert!(known.lend().entries.contains_key(&b"/a/x"[..]));
    }

    fn snapshot(pairs: &[(&'static str, &'static str)], revision: i64) -> Snapshot {
        Snapshot {
            entries: pairs
                .iter()
                .map(|(key, value)| (Str::from(*key), Str::from(*value)))
                .collect(),
            revision,
        }
    }

    fn change(key: &'static str, value: Option<&'static str>, revision: i64) -> Change {
        Change {
            key: key.into(),
            value: value.map(Str::from),
            lease: 0,
            revision,
        }
    }

    #[test]
    fn what_is_read_afresh_differs_in_keys_that_went_came_or_have_another_value() {
        let mut kept = snapshot(&[("/changed", "1"), ("/gone", "1"), ("/same", "1")], 10);
        let new = snapshot(&[("/changed", "2"), ("/new", "1"), ("/same", "1")], 12);
        let everything = [KeyRange::everything()];
        let mut changed = replace(&mut kept, &everything, new.clone());
        assert_eq!(kept, new);
        changed.sort();
        changed.dedup();
        assert_eq!(changed, ["/changed", "/gone", "/new"]);
    }

    #[test]
    fn reading_the_same_again_changes_no_key() {
        let mut kept = snapshot(&[("/a", "1")], 10);
        let ranges = [KeyRange::exactly("/a")];
        let changed = replace(&mut kept, &ranges, snapshot(&[("/a", "1")], 12));
        assert!(changed.is_empty(), "{changed:?}");
        assert_eq!(kept.revision, 12);
    }

    #[test]
    fn what_is_outside_of_what_was_read_afresh_stays() {
        let before = [("/a", "1"), ("/a/x", "1"), ("/a/y", "1"), ("/b", "1")];
        let mut kept = snapshot(&before, 10);
        let below = [KeyRange::below("/a/")];
        let changed = replace(&mut kept, &below, snapshot(&[("/a/y", "2")], 12));
        assert_eq!(changed, ["/a/x", "/a/y"]);
        let after = [("/a", "1"), ("/a/y", "2"), ("/b", "1")];
        assert_eq!(kept, snapshot(&after, 12));
        let changed = replace(&mut kept, &[KeyRange::exactly("/a")], snapshot(&[], 11));
        assert_eq!(changed, ["/a"]);
        assert_eq!(kept, snapshot(&after[1..], 12));
    }

    #[test]
    fn changes_are_carried_out_in_order_and_those_that_make_no_difference_are_not_told() {
        let mut kept = snapshot(&[("/a", "1"), ("/b", "1"), ("/c", "1")], 10);
        let changes = vec![
            change("/a", Some("1"), 11),
            change("/b", None, 12),
            change("/unknown", None, 13),
            change("/c", Some("2"), 14),
            change("/c", Some("3"), 15),
            change("/d", Some("1"), 16),
        ];
        let changed = patch(&mut kept, changes);
        assert_eq!(changed, ["/b", "/c", "/c", "/d"]);
        let after = snapshot(&[("/a", "1"), ("/c", "3"), ("/d", "1")], 16);
        assert_eq!(kept, after);
    }

    #[test]
    fn a_late_change_does_not_turn_the_revision_back() {
        let mut kept = snapshot(&[], 20);
        patch(&mut kept, vec![change("/a", Some("1"), 15)]);
        assert_eq!(kept.revision, 20);
    }
}

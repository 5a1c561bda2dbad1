//! Bringing the snapshot up to date, and which keys that changed. Pure.

use renderer::Str;
use renderer::snapshot::Snapshot;

use crate::etcd::api::Change;

/// Puts `new` in the place of `snapshot`. The keys that one has and the other has not, or with
/// another value.
pub fn replace(snapshot: &mut Snapshot, new: Snapshot) -> Vec<Str> {
    let old = std::mem::replace(snapshot, new);
    let mut changed = lacking(&old, snapshot);
    changed.extend(lacking(snapshot, &old));
    changed
}

/// Carries the changes out, in order. The keys whose value changed.
pub fn patch(snapshot: &mut Snapshot, changes: Vec<Change>) -> Vec<Str> {
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

fn lacking(of: &Snapshot, from: &Snapshot) -> Vec<Str> {
    let entries = of.entries.iter();
    entries
        .filter(|(key, value)| from.entries.get(*key) != Some(*value))
        .map(|(key, _)| key.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut changed = replace(&mut kept, new.clone());
        assert_eq!(kept, new);
        changed.sort();
        changed.dedup();
        assert_eq!(changed, ["/changed", "/gone", "/new"]);
    }

    #[test]
    fn reading_the_same_again_changes_no_key() {
        let mut kept = snapshot(&[("/a", "1")], 10);
        let changed = replace(&mut kept, snapshot(&[("/a", "1")], 12));
        assert!(changed.is_empty(), "{changed:?}");
        assert_eq!(kept.revision, 12);
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

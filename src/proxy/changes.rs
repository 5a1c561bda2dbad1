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

//! What one template sees: the keys that its resource names, without their prefix.

use crate::Str;
use crate::snapshot::Snapshot;

/// Keys and values, sorted by key, each key once.
#[derive(Debug, Default)]
pub struct Store {
    entries: Vec<(Str, Str)>,
}

impl Store {
    /// The entries of `snapshot` at and below `prefix` joined with each of `keys`, as confd picks
    /// and names them.
    #[must_use]
    pub fn select(snapshot: &Snapshot, prefix: &str, keys: &[String]) -> Self {
        let _ = (snapshot, prefix, keys);
        Self::default()
    }

    /// All entries, sorted by key.
    #[must_use]
    pub fn entries(&self) -> &[(Str, Str)] {
        &self.entries
    }
}

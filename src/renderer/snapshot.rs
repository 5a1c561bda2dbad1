//! Everything that was read, at one revision.

use std::collections::BTreeMap;

use crate::Str;

/// Keys and values as etcd holds them at one revision.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Full keys, sorted bytewise.
    pub entries: BTreeMap<Str, Str>,
    /// The revision that `entries` show.
    pub revision: i64,
}

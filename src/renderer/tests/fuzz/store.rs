//! Any keys and values.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use renderer::snapshot::Snapshot;

use crate::damage::damaged;

const KEYS: &[&str] = &[
    "/",
    "/services",
    "/services/web/1",
    "/services/web/2",
    "/services/web/2/",
    "/services//web/./3",
    "/json",
    "/list",
    "services",
];

const VALUES: &[&str] = &[
    "",
    "10.0.0.1:80",
    "10.0.0.2:80",
    "-9223372036854775808",
    "true",
    "aGVsbG8=",
    "é\u{0}\u{10ffff}",
    r#"{"host": "10.0.0.1", "port": 80, "a": {"b": [1, -0.5e300, null, true, "\ud83d\ude00\ud83d"]}}"#,
    r#"[{"host": "a"}, [], {}, [[1]], "x\u0000", 12345678901234567890]"#,
];

const PIECES: &[&str] = &["{", "}", "[", "]", ",", ":", "\"", "\\u", "\\", "1e", "nul"];

/// A store's keys and values, also such as etcd takes and confd does not expect.
pub(crate) fn snapshots() -> impl Strategy<Value = Snapshot> {
    let key = prop_oneof![
        4 => select(KEYS).prop_map(|key| key.as_bytes().to_vec()),
        1 => "(/[a-c.*]{0,3}){0,4}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..8),
    ];
    let value = damaged(select(VALUES).prop_map(str::to_owned), PIECES);
    btree_map(key, value, 0..20).prop_map(|entries| Snapshot {
        entries: entries
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
        revision: 1,
    })
}

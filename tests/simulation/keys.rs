//! The keys that there are, and their values: a byte each.

use bytes::Bytes;
use register::etcd::api::KeyRange;

pub const KEYS: usize = 4;
/// Each tree has a half of the keys.
pub const TREES: usize = 2;

/// Some of the trees.
pub type Trees = [bool; TREES];
/// What lies below `/`.
pub const ALL: Trees = [true; TREES];

const NAMES: [&str; KEYS] = ["/a/0", "/a/1", "/b/0", "/b/1"];
const PREFIXES: [&str; TREES] = ["/a", "/b"];

static VALUES: [u8; 128] = {
    let mut values = [0; 128];
    let mut value = 0;
    while value < 128 {
        values[value] = value as u8;
        value += 1;
    }
    values
};

thread_local! {
    static RANGES: &'static [KeyRange] =
        Vec::leak(NAMES.iter().map(|name| KeyRange::exactly(name)).collect());
}

pub fn text(key: usize) -> &'static str {
    NAMES[key]
}

pub fn name(key: usize) -> Bytes {
    Bytes::from_static(NAMES[key].as_bytes())
}

pub fn of_name(name: &[u8]) -> Option<usize> {
    NAMES.iter().position(|known| known.as_bytes() == name)
}

/// That key alone.
pub fn range(key: usize) -> &'static KeyRange {
    RANGES.with(|ranges| &ranges[key])
}

pub fn prefix(tree: usize) -> &'static str {
    PREFIXES[tree]
}

pub fn tree(key: usize) -> usize {
    key * TREES / KEYS
}

/// The trees that the range is about; none of them if it is about no key that there is.
pub fn trees_of(range: &KeyRange) -> Trees {
    if range.start == b"/"[..] && range.end.is_some() {
        return ALL;
    }
    PREFIXES.map(|prefix| range.start.starts_with(prefix.as_bytes()))
}

pub fn only(tree: usize) -> Trees {
    std::array::from_fn(|other| other == tree)
}

pub fn value(value: u8) -> Bytes {
    let at = usize::from(value);
    Bytes::from_static(&VALUES[at..=at])
}
